import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.towers import tower
from tests.views.structure import all_text, check
from vlab import guests
from vlab.hypervisor import Hypervisor
from vlab.machine import Machine
from vlab.machine.look import Look, Window
from vlab.riscv import Mode, Program, assemble
from vlab.riscv.csrs import ALL_CSRS, H_REGISTERS, RESET, STORED
from vlab.views import picture_of
from vlab.views.computers.state import SHOWN, SHOWN_WITH_H, csr_fields, state_picture, state_sentence
from vlab.views.computers.states import States

NUMBERS = st.integers(0, (1 << 64) - 1) | st.sampled_from((0, 1, 0x80000000, (1 << 64) - 1))


@st.composite
def looks(draw: st.DrawFn) -> Look:
    """Any state, with bytes and words that a hostile guest might choose."""
    pc = draw(NUMBERS) & -4
    program = Program(
        ((0x80000000, b"x" * 64),), 0, {draw(st.text(max_size=90)): 0x80000000 + 4 * n for n in range(9)}
    )
    start = draw(st.sampled_from((0, 0x80000000, pc)))
    code = Window(start, start, draw(st.binary(min_size=44, max_size=44)))
    rows = [
        Window(draw(NUMBERS), at, draw(st.binary(min_size=32, max_size=32)))
        for at in (0x80000000, 0x80000020)
    ]
    stored = draw(st.sampled_from((STORED, tuple(H_REGISTERS.reset))))
    mode = draw(st.sampled_from(Mode))
    return Look(
        who=draw(st.text(max_size=60)),
        level=draw(st.integers(0, 3)),
        step=draw(NUMBERS),
        machine_step=draw(NUMBERS),
        time=draw(NUMBERS),
        retired=draw(st.integers(0, 3)),
        mode=mode,
        pc=pc,
        x=(0, *(draw(NUMBERS) for _register in range(31))),
        csrs={name: draw(NUMBERS) for name in stored},
        waiting=draw(st.booleans()),
        status=draw(st.none() | st.integers(0, 255)),
        code=code if draw(st.booleans()) else Window(pc, None, b""),
        memory=tuple(rows) if draw(st.booleans()) else (Window(draw(NUMBERS), None, b""),),
        console=draw(st.text(max_size=200)),
        program=program if draw(st.booleans()) else None,
        virtual=mode != Mode.M and stored != STORED and draw(st.booleans()),
    )


@settings(max_examples=25, deadline=None)
@given(looks(), st.none() | looks())
def test_any_state_is_drawn_whole(look, before):
    check(state_picture(look, before))


@pytest.fixture(scope="module")
def states():
    return States(Machine(guests.load("kernel"), memory="1M"), 700)


def lit(picture):
    """What stands on lit ground, by its name."""
    return set(re.findall(r'data-who="([^"]+)"><rect class="f-lit"', picture.inline))


def test_what_changed_is_lit_in_bold_and_with_a_dot(states):
    look, before = states.looks[675], states.looks[674]
    picture = state_picture(look, before)
    assert lit(picture) == {"mstatus", "sepc", "scause"}
    row = picture.inline.split('data-who="scause">')[1].split("</g>")[0]
    assert "<circle" in row and "bold" in row and "supervisor timer interrupt" in row
    assert lit(state_picture(look)) == set()


def test_changed_memory_is_lit(states):
    at = next(n for n, changed in enumerate(states.changed) if changed and n > 3)
    word = min(states.changed[at])
    machine = states.computer
    again = States(machine, at, memory=word)
    assert f"{word:#x}" in lit(state_picture(again.looks[at], again.looks[at - 1]))


def test_code_shows_labels_source_and_the_current_instruction(states):
    said = all_text(state_picture(states.looks[675]))
    assert "trap_entry:" in said
    assert "bnez sp, trap_entry+0xc" in said
    assert "1: addi sp, sp, -F_SIZE" in said
    assert "machine_trap" in said and "Bare, no translation" in said


def test_source_is_not_shown_of_code_that_was_changed():
    machine = Machine(assemble("start: li t0, 1 # one\nli t1, 2 # two\n1: j 1b"), memory="64K")
    machine.memory.poke(0x80000000, machine.memory.peek(0x80000004, 4))
    said = all_text(picture_of(machine.look()))
    assert not any("# one" in words for words in said)
    assert any("# two" in words for words in said)


def test_the_sentence_says_what_was_done_what_changed_and_what_is_next(states):
    assert state_sentence(states.looks[0], None) == (
        "Before step 0 of the machine, in M mode; next: auipc t0, 0x0 at 0x80000000."
    )
    said = state_sentence(states.looks[675], states.looks[674])
    assert said == (
        "Before step 675 of the machine, in S mode. Done: csrsi sstatus, 2 at 0x80000414; "
        "mstatus = 0xa000001a0, sepc = 0x80000418, scause = 0x8000000000000005; "
        "next: csrrw sp, sscratch, sp at 0x8000024c."
    )
    assert picture_of(states.looks[675]).sentence == state_sentence(states.looks[675], None)


def test_a_trap_an_end_and_a_hypervisor_are_said():
    run = States(Machine(assemble("la t0, 1f\ncsrw mtvec, t0\n.word 0\n1: j 1b"), memory="64K"), 5)
    at = next(n for n, _look in enumerate(run.looks) if n in run.stops["trap"])
    assert "which traps (illegal instruction)" in state_sentence(run.looks[at], run.looks[at - 1])
    built = tower(guests.load("hello"), 1)
    assert state_sentence(built.machine.look(), None).endswith("next: the hypervisor's own code.")
    built.run()
    assert state_sentence(built.guest.look(), None).endswith("next: none, it is off (status 0).")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("mstatus", 0xA00001880, "MPIE=1 MPP=M"),
        ("satp", 0, "Bare, no translation"),
        ("satp", 8 << 60 | 0x80009, "Sv39, root table at 0x80009000"),
        ("scause", 0x8000000000000005, "supervisor timer interrupt"),
        ("mcause", 0, ""),
        ("medeleg", 0xB1FF, "exceptions 0–8, 12–13, 15"),
        ("stimecmp", (1 << 64) - 1, "never"),
        ("mie", 0x22, "SSIE=1 STIE=1"),
        ("sscratch", 5, ""),
        ("hgatp", 8 << 60 | 0x80238, "Sv39x4, root table at 0x80238000"),
        ("vsatp", 8 << 60 | 0x80009, "Sv39, root table at 0x80009000"),
        ("vscause", 8, "ecall from U"),
        ("hedeleg", 0xB1FF, "exceptions 0–8, 12–13, 15"),
    ],
)
def test_fields_are_decoded(states, name, value, said):
    assert csr_fields(name, value, states.looks[0]) == said


def test_every_shown_register_is_one():
    assert set(SHOWN) <= set(RESET)
    assert set(SHOWN_WITH_H) == set(SHOWN) | set(SHOWN_WITH_H) <= set(ALL_CSRS)


def test_a_hart_with_the_h_extension_shows_its_guests_mode_and_registers():
    machine = Machine(memory="4M", extensions="H")
    Hypervisor(machine).create_vm(guests.load("kernel"), memory="1M", technique="hardware-assisted")
    machine.run(9000)
    look = machine.look()
    assert look.mode_name == "VU"
    assert "VU mode" in str(look)
    said = all_text(state_picture(look))
    assert {"VU mode", "hgatp", "vsatp", "vscause", "hstatus"} <= set(said)
    assert any(f"root table at {(look['vsatp'] & (1 << 44) - 1) << 12:#x}" in words for words in said)
    plain = Machine(guests.load("kernel"), memory="1M").look()
    assert "hgatp" not in all_text(state_picture(plain))


def test_a_trap_that_goes_to_the_guests_own_kernel_is_told_by_its_cause():
    machine = Machine(memory="4M", extensions="H")
    Hypervisor(machine).create_vm(guests.load("kernel"), memory="1M", technique="hardware-assisted")
    machine.run(6000)
    states = States(machine, 1200)
    calls = [
        n
        for n, look in enumerate(states.looks)
        if look.mode_name == "VS" and states.looks[n - 1].mode_name == "VU"
    ]
    said = [state_sentence(states.looks[n], states.looks[n - 1]) for n in calls]
    assert any("Done: ecall at 0x40000008, which traps (ecall from U)" in words for words in said)
