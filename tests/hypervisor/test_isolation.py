"""Guests are not trusted: whatever they do, they end at the limit, and reach nothing but their own memory."""

from dataclasses import replace
from random import Random
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.inspector import inspect, outside
from tests.hypervisor.programs import MEMORY
from tests.hypervisor.programs import guests as random_guests
from tests.hypervisor.techniques.hypercalls import TRAPS, program
from tests.hypervisor.towers import POLICIES, tower
from vlab import guests
from vlab.hypervisor import Hypervisor, LostInterrupt, MissingFlush, StaleSatp, TrapAndEmulate
from vlab.hypervisor.techniques import BinaryTranslation, HardwareAssisted, Paravirtual
from vlab.machine import Machine, Stop
from vlab.paging import PageTable
from vlab.riscv import Program, assemble
from vlab.riscv.csrs import CSRS, H_REGISTERS
from vlab.riscv.instructions import ROWS, encode

RAM = 0x8000_0000


def survives(
    image,
    depth,
    *,
    steps=3000,
    looks=20,
    memory=1 << 20,
    secret=b"the host's",
    shadow="lazy",
    technique=TrapAndEmulate,
    extensions="",
):
    """Run a guest for so many steps, looking often: it stays inside. How many pages it could reach, at most."""
    built = tower(image, depth, memory=memory, shadow=shadow, technique=technique, extensions=extensions)
    machine = built.machine
    machine.memory.poke(RAM + 64, secret)
    before, most = outside(machine, built.vms), 0
    for _look in range(looks):
        if machine.run(steps // looks) is not Stop.LIMIT:
            break
        most = max(most, inspect(machine, built.vms))
    assert machine.steps <= steps + looks * 100_000
    assert outside(machine, built.vms) == before
    return most


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("name", ["jump_nowhere", "trap_forever", "device_noise", "kernel"])
def test_guests_that_go_wrong(name, depth):
    survives(guests.load(name), depth, steps=20_000)


@pytest.mark.parametrize("name", ["jump_nowhere", "trap_forever"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_storm_of_traps_ends_at_the_limit(name, depth):
    built = tower(guests.load(name), depth)
    assert built.machine.run(5_000) is Stop.LIMIT
    assert built.machine.steps < 6_000


@given(st.binary(min_size=4, max_size=400).filter(lambda image: not image.startswith(b"\x7fELF")))
@settings(max_examples=30)
def test_random_bytes(image):
    survives(image + bytes(-len(image) % 4), 1, steps=2000, looks=5)


@st.composite
def wild(draw, nesting=False):
    """Random instructions of all kinds in all modes, under random page tables full of traps.

    With `nesting` the guest plays the hypervisor: a guest of its own, whose second stage are the same tables.
    """
    random = Random(draw(st.integers(0, 1 << 32)))
    csrs = _CSRS + _H_CSRS if nesting else _CSRS
    words = [_instruction(random, csrs) for _word in range(draw(st.integers(20, 200)))]
    mode = random.choice((0, 0, 1, 3))
    start = assemble(
        f"""
        li   t0, -1
        csrw pmpaddr0, t0
        li   t0, 0x1f
        csrw pmpcfg0, t0
        li   t0, {random.choice((0, 0, 0xB1FF))}
        csrw medeleg, t0
        li   t0, {8 << 60 | 0x80010}
        csrw satp, t0
        li   t0, {random.choice((0x8000_1000, 0x8000_1100, 1 << 62))}
        csrw stvec, t0
        la   t0, skip
        csrw mtvec, t0
        {random.choice(("csrw stvec, t0", ""))}
        li   t0, {mode << 11 | random.choice((0, 0, 1 << 17)) | random.choice((0, 1 << 18, 3 << 18))}
        csrs mstatus, t0
        li   t0, {0x8000_1000 if mode else 0xC000_1000}
        csrw mepc, t0
        {_nested(random) if nesting else ""}
        {"".join(f"li x{n}, {_somewhere(random)}{chr(10)}" for n in range(8, 32))}
        mret
        .balign 4
skip:   csrr t0, mepc
        addi t0, t0, 4
        csrw mepc, t0
        mret
        """
    ).segments[0]
    tables = [(RAM + 0x1_0000 + 0x1000 * n, _table(random, n)) for n in range(4)]
    return Program((start, (RAM + 0x1000, pack(f"<{len(words)}I", *words)), *tables), RAM)


_ECALL = ROWS["ecall"].match
_LOADS = [name for name, row in ROWS.items() if "load(" in row.meaning or "store(" in row.meaning]
_CONTROL = [name for name, row in ROWS.items() if "pc = " in row.meaning]
_CSRS = (0x180, 0x300, 0x100, 0x105, 0x305, 0x141, 0x341, 0x302, 0x3A0, 0x3B0, 0x14D)
_H_CSRS = tuple(row.number for name, row in H_REGISTERS.by_name.items() if name not in CSRS)


def _nested(random):
    """Set up a guest's guest: `mret` goes into it, or its kernel does by `sret`."""
    return f"""
        li   t0, {random.choice((0, 8 << 60 | 0x80010))}
        csrw hgatp, t0
        li   t0, {random.choice((0, 8 << 60 | 0x80010, 8 << 60 | 0x80011))}
        csrw vsatp, t0
        li   t0, {random.choice((0, 0xB1FF))}
        csrw hedeleg, t0
        li   t0, {random.getrandbits(1) << 7 | random.getrandbits(1) << 8 | random.getrandbits(3) << 20}
        csrw hstatus, t0
        li   t0, {random.choice((0, 1)) << 39}
        csrs mstatus, t0
    """


def _instruction(random, csrs):
    """Mostly a load or a store from where x8 to x31 point, which few instructions change."""
    name = random.choice(_LOADS if random.random() < 0.7 else sorted(set(ROWS) - set(_CONTROL)))
    row = ROWS[random.choice(_CONTROL) if random.random() < 0.03 else name]
    values = {operand: random.getrandbits(row.width(operand)) for operand in row.operands}
    values["rd"] = values.get("rd", 0) & (31 if random.random() < 0.05 else 7)
    if name in _LOADS:
        values |= {"rs1": random.randrange(8, 32), "imm": random.choice((0, 0, 8, -8, 4096 - 2048))}
    if "csr" in values:
        values["csr"] = random.choice(csrs)
    return encode(row, values)


def _somewhere(random):
    kind = random.choice("ramp")
    if kind == "p":
        return random.getrandbits(39)
    base = {"r": RAM, "a": RAM + (random.getrandbits(4) << 20), "m": 0x4000_0000}[kind]
    return base + (random.getrandbits(17) & ~7)


def _table(random, number):
    """Entries that lead to the guest's RAM, beyond it, to devices, to this table and the others, or are broken."""
    frames = [
        0x80000,
        0x80001,
        0x80010,
        0x80011,
        0x80012,
        0x80013,
        0x800FF,
        0x80100,
        0x80101,
        0x80200,
        0x10000,
        0x100,
    ]
    entries = [
        random.choice(frames) << 10 | random.choice((1, 1, 7, 15, 23, 0xD7, 0xDF, random.getrandbits(8)))
        for _entry in range(512)
    ]
    if number == 0:
        entries[2] = 0x80000 << 10 | 0xCF
        entries[3] = 0x80000 << 10 | 0xDF
        entries[1] = 0x80011 << 10 | 1
    return pack("<512Q", *entries)


@st.composite
def wild_paravirtual(draw):
    """The same for a guest with hypercalls: wild tables, loaded by a hypercall, and then wild code."""
    random = Random(draw(st.integers(0, 1 << 32)))
    words = [
        random.choice((_instruction(random, _CSRS), _ECALL)) for _word in range(draw(st.integers(20, 200)))
    ]
    load = random.choice(("", f"li t0, {8 << 60 | 0x80010}\nswitch_table t0\n"))
    somewhere = "".join(f"li x{n}, {_somewhere(random)}\n" for n in range(8, 32) if n != 17)
    told = program(f"{TRAPS}{load}{somewhere}li a7, {random.randrange(12)}\nli t0, {RAM + 0x8000}\njr t0\n")
    assert all(at + len(data) <= RAM + 0x8000 for at, data in told.segments)
    tables = [(RAM + 0x1_0000 + 0x1000 * n, _table(random, n)) for n in range(4)]
    return replace(told, segments=(*told.segments, (RAM + 0x8000, pack(f"<{len(words)}I", *words)), *tables))


@given(wild())
@settings(max_examples=100)
def test_wild_code_with_wild_tables(image):
    survives(image, 1, steps=4000, looks=10)


@given(
    wild(),
    st.sampled_from(("eager", "traced")),
    st.sampled_from((TrapAndEmulate, StaleSatp, MissingFlush, LostInterrupt)),
)
@settings(max_examples=60)
def test_wild_code_with_wild_tables_under_every_policy(image, shadow, technique):
    survives(image, 1, steps=4000, looks=10, shadow=shadow, technique=technique)


@given(wild(), st.sampled_from((("traced", "eager"), ("eager", "traced"), ("traced", "traced"))))
@settings(max_examples=8)
def test_wild_code_under_mixed_policies(image, shadow):
    survives(image, 2, steps=20_000, looks=10, shadow=shadow)


@given(wild())
@settings(max_examples=10)
def test_wild_code_two_deep(image):
    survives(image, 2, steps=20_000, looks=20)


# What wild code does to binary translation alone is in its own tests, and so is what wild hypercalls do.
NESTS = (
    *((HardwareAssisted,), (TrapAndEmulate, HardwareAssisted), (HardwareAssisted, TrapAndEmulate)),
    *((HardwareAssisted, HardwareAssisted), (BinaryTranslation, HardwareAssisted)),
    *((HardwareAssisted, BinaryTranslation), (HardwareAssisted, Paravirtual)),
)


def wild_under(techniques, image, shadows, steps=4000):
    """Under these techniques, one a level, on a machine with H."""
    depth = len(techniques)
    survives(
        *(image, depth),
        steps=steps * 5 ** (depth - 1),
        looks=20,
        technique=techniques,
        shadow=shadows[:depth],
        extensions="H",
    )


ANY_SHADOWS = st.tuples(st.sampled_from(POLICIES), st.sampled_from(POLICIES))


@given(st.one_of(wild(), wild(nesting=True)), ANY_SHADOWS)
@settings(max_examples=40)
def test_wild_code_with_hardware(image, shadows):
    wild_under((HardwareAssisted,), image, shadows)


@given(wild(nesting=True), ANY_SHADOWS, st.sampled_from((TrapAndEmulate, BinaryTranslation)))
@settings(max_examples=20)
def test_wild_code_that_plays_the_hypervisor(image, shadows, technique):
    wild_under((technique,), image, shadows)


@pytest.mark.parametrize("techniques", NESTS[1:-1], ids=lambda some: "-".join(one.name for one in some))
@given(st.one_of(wild(), wild(nesting=True)), ANY_SHADOWS)
@settings(max_examples=3)
def test_wild_code_under_one_in_another(techniques, image, shadows):
    wild_under(techniques, image, shadows)


@given(wild_paravirtual(), ANY_SHADOWS, st.sampled_from(((Paravirtual,), NESTS[-1])))
@settings(max_examples=20)
def test_wild_code_that_knows(image, shadows, techniques):
    wild_under(techniques, image, shadows[::-1])


@pytest.mark.slow
@pytest.mark.timeout(1800)
@given(st.one_of(wild(), wild(nesting=True)), ANY_SHADOWS, st.sampled_from(NESTS))
@settings(max_examples=600)
def test_much_wild_code_under_every_technique(image, shadows, techniques):
    wild_under(techniques, image, shadows)


@pytest.mark.parametrize("technique", [BinaryTranslation, HardwareAssisted], ids=lambda one: one.name)
@pytest.mark.parametrize("name", ["jump_nowhere", "trap_forever", "device_noise", "kernel"])
def test_guests_that_go_wrong_under_other_techniques(name, technique):
    survives(guests.load(name), 1, steps=20_000, technique=technique, extensions="H")


@pytest.mark.slow
@given(wild(), st.sampled_from((1, 2)))
@settings(max_examples=1500)
def test_much_wild_code(image, depth):
    survives(image, depth, steps=20_000, looks=20)


@given(random_guests())
@settings(max_examples=10)
def test_guests_with_random_tables(guest):
    assert survives(guest.program, 1, steps=6000, looks=30, memory=MEMORY) <= 64


def test_wild_code_does_reach_its_own_memory():
    """The tests above would be empty if no guest ever got anywhere."""
    touch = "la t0, x\nld t1, (t0)\nli t2, 4096\nadd t0, t0, t2\nsd t1, (t0)\n1: j 1b\n"
    code = touch + ".data\n.balign 4096\nx: .zero 8192\n"
    assert survives(assemble(code), 1) == 3
    assert survives(assemble(code), 2, steps=10_000) == 3


def test_the_inspector_sees_what_does_not_belong():
    built = tower(guests.load("kernel"), 1)
    built.machine.run(until=lambda: built.vms[0].running)
    satp = built.machine.hart.csr.values["satp"]
    PageTable(built.machine.memory, root=(satp & (1 << 44) - 1) << 12, frames=_Frames(RAM + 0x10000)).map(
        0x5000_0000, RAM, "RU"
    )
    with pytest.raises(AssertionError):
        inspect(built.machine, built.vms)


class _Frames:
    """Frames for the forger's tables."""

    def __init__(self, first):
        self.next = first

    def allocate(self, size):
        self.next += size
        return self.next - size

    def release(self, address, size):
        raise NotImplementedError


def test_what_ran_before_on_the_computer_is_not_left_for_guests():
    machine = Machine(guests.load("tiny"), memory="4M")
    machine.run()
    machine.memory.poke(RAM, b"\xdf" * machine.memory.size)  # as page tables, all open
    vm = Hypervisor(machine).create_vm(memory="1M")
    assert vm.memory.pages() == {}
    vm.load(guests.load("tiny"))
    machine.run()
    assert vm.console == "?!\n"


def test_one_guest_does_not_find_what_another_left():
    machine = Machine(memory="8M")
    hypervisor = Hypervisor(machine)
    first = hypervisor.create_vm(guests.load("tiny"), memory="1M")
    machine.run()
    second = hypervisor.create_vm(memory="1M")
    assert second.memory.pages() == {}
    assert not set(first.memory.frames) & set(second.memory.frames)
