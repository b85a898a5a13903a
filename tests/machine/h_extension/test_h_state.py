"""The state of H: saved and restored whole, checked, and harmless whatever software writes into it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.machine.h_extension.harts import (
    DATA,
    GUEST_BASE,
    GVA,
    MSTATUS,
    NAMED,
    Guest,
    go,
    machine,
    where,
    write,
)
from tests.machine.programs import MASK, OPEN
from vlab.hypervisor import Hypervisor
from vlab.language import VlabError
from vlab.machine import GATE, Machine, Snapshot, gate, standing
from vlab.machine.memory import RAM_BASE
from vlab.riscv import ROWS, Mode, assemble, encode
from vlab.riscv.csrs import H_REGISTERS

U64 = st.integers(0, MASK)
CSRS_THAT_MATTER = [csr for csr in H_REGISTERS if csr.writable and not csr.name.startswith("pmp")]


def extended(memory="1M"):
    return Machine(memory=memory, extensions="H")


# Saving


@given(
    st.lists(st.tuples(st.sampled_from(CSRS_THAT_MATTER), U64), max_size=12), st.sampled_from(sorted(NAMED))
)
def test_what_was_saved_comes_back(writes, mode):
    built = machine(mode, memory="1M")
    for csr, value in writes:
        built.hart.csr.write(csr, value)
    saved = built.snapshot()
    other = extended()
    other.restore(saved)
    assert other.snapshot() == saved
    assert (other.hart.mode_name, other.hart.mmu.data.key) == (built.hart.mode_name, built.hart.mmu.data.key)


def test_the_tlb_of_a_guest_is_saved():
    built = machine("VU")
    guest = Guest(built)
    guest.put(1)
    built.hart.load(GVA, 8)
    guest.host.map(DATA, guest.ram.host_address(DATA + 0x1000), "RWXUAD")
    other = extended("2M")
    other.restore(built.snapshot())
    assert other.snapshot() == built.snapshot()
    assert any(row.get("nested") for row in other.snapshot().state["tlb"])
    assert other.hart.load(GVA, 8) == built.hart.load(GVA, 8) == 1  # both know the old one


def test_without_the_extension_a_state_says_nothing_of_it():
    state = Machine(memory="1M").snapshot().state
    assert "virtual" not in state["hart"]
    assert not {csr for csr in state["hart"]["csr"] if csr.startswith(("h", "vs"))}


def test_states_of_the_two_kinds_of_computers_are_told_apart():
    plain, h = Machine(memory="1M"), extended()
    for one, other in ((plain, h), (h, plain)):
        with pytest.raises(VlabError, match="other extensions"):
            one.restore(other.snapshot())


@pytest.mark.parametrize(
    "damage",
    [
        {"virtual": 1},
        {"virtual": None},
        {"virtual": True},  # in M mode
        {"mode": 2},
        {"csr": {}},
        {"hstatus": 1},
        {"hideleg": 1 << 9},
        {"mideleg": 0},
        {"hgatp": 1},
        {"hgatp": 9 << 60},
        {"vsatp": 1 << 60},
        {"vsepc": 2},
        {"mip": 1 << 12},
        {"hedeleg": 1 << 10},
        {"vsstatus": 1 << 64},
        {"htinst": 1 << 32},
    ],
    ids=str,
)
def test_a_damaged_state_is_refused(damage):
    built = machine("M", memory="1M")
    before = built.snapshot()
    hart = dict(before.state["hart"])
    for name, value in damage.items():
        if name in hart:
            hart[name] = value
        else:
            hart["csr"] = hart["csr"] | {name: value}
    with pytest.raises(VlabError):
        built.restore(Snapshot(dict(before.state) | {"hart": hart}))
    assert built.snapshot() == before


@pytest.mark.parametrize("damage", [{"nested": 2}, {"host_mxr": None}, {"entries": [[1]]}, {"mode": 2}])
def test_a_damaged_tlb_is_refused(damage):
    built = machine("VU")
    Guest(built)
    built.hart.load(GVA, 8)
    before = built.snapshot()
    with pytest.raises(VlabError):
        built.restore(Snapshot(dict(before.state) | {"tlb": [before.state["tlb"][0] | damage]}))
    assert built.snapshot() == before


def test_power_off_ends_v():
    built = machine("VS", memory="1M", hgatp=8 << 60, htimedelta=5)
    built.load(assemble("j ."))
    assert (where(built), built.hart.csr["hgatp"], built.hart.csr["htimedelta"]) == ("M", 0, 0)


# Looking


def test_names_of_modes():
    built = machine("VS", memory="1M")
    assert "in VS mode" in repr(built)
    assert repr(built).startswith("Machine: RV64IMAH, 1 MiB")
    assert "in VS mode" in repr(built.hart)
    assert built.virtual
    look = built.look()
    assert (look["hstatus"], look["vsatp"], look["hgatp"]) == (2 << 32, 0, 0)


def test_watching_the_tlb_changes_nothing():
    built = machine("VU", source="ld a0, (a1)\n j .")
    guest = Guest(built, paged=False)
    for place in range(2):
        guest.ram.store(GUEST_BASE + 4 * place, 4, built.memory.load(RAM_BASE + 4 * place, 4))
    built.hart.pc, built.hart.x[11] = GUEST_BASE, DATA
    run = built.watch_tlb(2)
    assert (run.tally.misses, run.tally.hits) == (2, 1)


# A guest at GATE is nobody's resident


@pytest.mark.parametrize("mode", ["VS", "VU"])
def test_a_guest_that_jumps_to_the_gate_stands_nowhere(mode):
    """Its S mode isn't that of the hypervisor in Python: only a trap leads there."""
    built = extended("8M")
    Hypervisor(built)
    built.run(200)
    write(built, vstvec=0x8000_0000)
    built.hart.waiting = False  # that there was nothing to run
    go(built, mode).hart.pc = GATE
    assert gate(built) is None
    assert standing(built) is None
    built.run(1)
    assert where(built) == "HS"


# Whatever software does

rows = st.sampled_from(sorted(ROWS))


@st.composite
def programs(draw):
    """Words: mostly instructions of H and of CSRs, with any operands."""
    words = []
    for _count in range(draw(st.integers(1, 12))):
        name = draw(
            st.one_of(
                rows, st.sampled_from([name for name in ROWS if ROWS[name].extension in ("H", "Zicsr")])
            )
        )
        values = {operand: draw(U64) for operand in ROWS[name].operands}
        if "csr" in values:
            values["csr"] = draw(st.sampled_from([csr.number for csr in H_REGISTERS]))
        words.append(encode(ROWS[name], values))
    return words


@given(
    programs(),
    st.sampled_from(sorted(NAMED)),
    st.lists(st.tuples(st.sampled_from(CSRS_THAT_MATTER), U64), max_size=10),
    st.lists(U64, min_size=31, max_size=31),
    st.booleans(),
    st.booleans(),
)
def test_nothing_that_software_does_is_an_error_of_ours(words, mode, writes, x, inside, near):
    """Any instructions in any mode with anything in the registers: it runs, stops, is saved and restored."""
    built = extended()
    if near:  # numbers that are more likely to lead somewhere
        x = [value % 0x2000 + RAM_BASE if value & 1 else value % 64 for value in x]
        roots = {
            csr: value % (1 << 20) | (value & 8) << 57 for csr, value in writes if csr.name.endswith("atp")
        }
        writes = [(csr, roots.get(csr, value)) for csr, value in writes]
    for place, word in enumerate(words):
        built.memory.store(RAM_BASE + 4 * place, 4, word)
    write(built, **OPEN)
    for csr, value in writes:
        built.hart.csr.write(csr, value)
    if inside:
        write(built, vsatp=0, hgatp=0)
    built.hart.x[1:32] = x
    go(built, mode).hart.pc = RAM_BASE
    built.run(30)
    built.look()
    repr(built.tlb())
    saved = built.snapshot()
    assert all(0 <= value <= MASK for value in built.hart.x[:32])
    other = extended()
    other.restore(saved)
    assert other.snapshot() == saved
    built.run(30)
    other.run(30)
    assert other.snapshot() == built.snapshot()


@given(programs(), st.sampled_from(["lazy", "eager", "traced"]), st.lists(U64, min_size=31, max_size=31))
def test_nothing_that_a_guest_with_h_does_is_an_error_of_its_hypervisor(words, policy, x):
    """The same in a virtual machine; and it ends up as the bare machine does."""
    code = "".join(f".word {word}\n" for word in words)
    setup = "li t0, 0x1f\n csrw pmpcfg0, t0\n li t0, -1\n csrw pmpaddr0, t0\n csrw medeleg, t0\n csrw hedeleg, t0\n"
    x = [value % 0x2000 + RAM_BASE if value & 1 else value for value in x]
    numbers = "".join(f"li x{place + 1}, {value}\n" for place, value in enumerate(x))
    program = assemble(f"{setup}{numbers}{code}j .\n")
    bare = Machine(program, memory="1M", extensions="H")
    bare.run(400)
    host = Machine(memory="4M", extensions="H")
    vm = Hypervisor(host).create_vm(program, memory="1M", shadow=policy)
    host.run(8_000, until=lambda: vm.status is not None or vm.time >= bare.time)
    if vm.time == bare.time:
        vm.stop()
        here, there = bare.snapshot().state, vm.snapshot().state
        assert {part: there[part] for part in ("hart", "memory")} == {
            part: here[part] for part in ("hart", "memory")
        }


def test_the_numbers_of_modes_and_bits():
    assert (Mode.U, Mode.S, Mode.M) == (0, 1, 3)
    assert MSTATUS["MPRV"] == 1 << 17
