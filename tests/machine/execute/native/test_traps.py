"""Traps that any firmware meets: native code enters their handlers by itself, and both engines do the same."""

import pytest

from vlab.events import Event
from vlab.machine import Machine, Stop
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.riscv import Cause, assemble

pytest.importorskip("llvmlite")

AROUND = """
    la t0, handler
    csrw mtvec, t0
    li s7, -1
    csrw pmpaddr0, s7
    li t0, {pmp}
    csrw pmpcfg0, t0
    li s0, 0x10
    li s1, {middle}
    li s2, 0x40000000
    li s3, 0x10000000
    li s4, {end}
    li s5, 1 << 57
    la s6, target
    {before}
loop:
    {instruction}
    j loop
target:
    j loop
.align 2
handler:
    csrr t1, mepc
    addi t1, t1, 4
    csrw mepc, t1
    mret
"""
IN_USER_MODE = "la a0, user\n csrw mepc, a0\n mret\nuser:"
TRAPS = {
    ".word 0": Cause.ILLEGAL_INSTRUCTION,
    ".word 0xffffffff": Cause.ILLEGAL_INSTRUCTION,
    "csrr a0, 0x123": Cause.ILLEGAL_INSTRUCTION,
    "csrw 0x5c0, a0": Cause.ILLEGAL_INSTRUCTION,
    ".word 0x62000073": Cause.ILLEGAL_INSTRUCTION,  # hfence.gvma, where there is no H
    "ld a0, 0(s0)": Cause.LOAD_ACCESS_FAULT,
    "lb a0, 0(s2)": Cause.LOAD_ACCESS_FAULT,
    "ld a0, 0(s5)": Cause.LOAD_ACCESS_FAULT,
    "sd a0, 0(s0)": Cause.STORE_ACCESS_FAULT,
    "sw a0, 1(s2)": Cause.STORE_ACCESS_FAULT,
    "amoadd.w a0, a0, (s2)": Cause.STORE_ACCESS_FAULT,
    "amoadd.w a0, a0, (s3)": Cause.STORE_ACCESS_FAULT,  # a device takes no atomics
    "lr.d a0, (s2)": Cause.LOAD_ACCESS_FAULT,
    "jalr x0, 2(s6)": Cause.INSTRUCTION_MISALIGNED,
}


def machines(instruction, before="nop", pmp="0x1f", extensions=""):
    source = AROUND.format(
        instruction=instruction,
        before=before,
        pmp=pmp,
        middle=RAM_BASE + PAGE + 1,
        end=RAM_BASE + 2 * PAGE - 1,
    )
    code = assemble(source)
    return [
        Machine(code, memory="64K", engine=engine, extensions=extensions)
        for engine in ("native", "interpreter")
    ]


def same(both, *stops):
    for stop in stops:
        for machine in both:
            machine.run(stop)
        assert both[0].snapshot() == both[1].snapshot()
    return both[0]


def expect_native(both, steps):
    """After the first rounds, Python does nothing of it."""
    same(both, 60)
    steps.clear()
    same(both, 1000)
    assert len(steps) <= 2  # near a stop instructions are done one by one
    same(both, 7, 8, 9, 10)
    return both[0]


@pytest.mark.parametrize(("instruction", "cause"), TRAPS.items(), ids=TRAPS)
def test_traps_are_native(instruction, cause, steps):
    machine = expect_native(machines(instruction), steps)
    assert machine.hart.csr["mcause"] == cause
    assert machine.hart.unretired > 150


@pytest.mark.parametrize("instruction", ["wfi", ".word 0", "csrr a0, mstatus", "ld a0, 0(s0)"])
def test_in_user_mode(instruction, steps):
    machine = expect_native(machines(instruction, IN_USER_MODE), steps)
    assert machine.hart.unretired > 150


@pytest.mark.parametrize("instruction", [".half 0", ".half 0x6101", ".half 0x2000"])
def test_compressed(instruction, steps):
    """What is illegal of two bytes, is told of in two; a compressed instruction that is none is no reason to stop."""
    expect_native(machines(instruction + "\n.half 1", extensions="C"), steps)


def test_a_misaligned_atomic_behind_a_store_to_a_device():
    for instruction in ("lr.d a0, (s1)", "amoadd.d a0, a0, (s1)"):
        same(machines(f"sb zero, 1(s3)\n {instruction}"), 60, 100)


def test_what_protection_forbids(steps):
    """Entry 0 covers all, and lets U mode execute only: its loads and stores fault."""
    for instruction, cause in (
        ("ld a0, 0(s1)", Cause.LOAD_ACCESS_FAULT),
        ("sd a0, -1(s1)", Cause.STORE_ACCESS_FAULT),
    ):
        machine = expect_native(machines(instruction, IN_USER_MODE, pmp="0x1c"), steps)
        assert machine.hart.csr["mcause"] == cause


def test_fetches_from_nowhere(steps):
    """The handler goes on where the last jump came from."""
    both = machines("la ra, loop\n jr s2")
    for machine in both:
        machine.memory.poke(machine.program.symbols["handler"] + 4, assemble("mv t1, s6").segments[0][1])
    machine = expect_native(both, steps)
    assert machine.hart.csr["mcause"] == Cause.INSTRUCTION_ACCESS_FAULT
    for machine in both:
        machine.stop_at([0x4000_0000])
        assert machine.run(1000) is Stop.CONDITION
    assert same(both, 0).hart.pc == 0x4000_0000


def test_what_lies_in_two_pages_of_which_one_is_forbidden():
    """The trap tells of the second page: by PMP, and where memory ends."""
    before = (
        f"csrw pmpcfg0, 0\n li a0, {RAM_BASE + 2 * PAGE >> 2}\n csrw pmpaddr0, a0\n csrwi pmpcfg0, 0xf\n"
        + IN_USER_MODE
    )
    for instruction in ("ld a0, -3(s4)", "sd a0, -3(s4)"):
        machine = same(machines(instruction, before), 60, 100)
        assert machine.hart.csr["mtval"] == RAM_BASE + 2 * PAGE
        machine = same(machines(instruction, f"li s4, {RAM_BASE + (1 << 16) - 1}"), 60, 100)
        assert machine.hart.csr["mtval"] == RAM_BASE + (1 << 16)


@pytest.mark.parametrize("instruction", ["lw a0, 0(s2)", "sw a0, 0(s2)", "lw a0, 0(s2)\n lw a0, 0(s2)"])
@pytest.mark.parametrize("attached", [False, True])
def test_a_place_that_takes_that_of_the_code_in_the_tlb(instruction, attached):
    """It does so when the instruction is fetched already, and not before: nobody fetches it twice."""
    both, heard = machines(instruction, "li s2, 0x200000"), (list[Event](), list[Event]())
    for machine, events in zip(both, heard, strict=True):
        if attached:
            machine.attach(Lamp(), base=0x20_0000)
        machine.events.listen(events.append, patient=True)
    same(both, 60, 100, 7, 1, 1, 1, 1)
    assert heard[0] == heard[1]
    assert len([event for event in heard[0] if event.kind == "TlbFill"]) > 20


def test_a_place_that_takes_that_of_the_code_while_nobody_listens():
    for instruction in ("lw a0, 0(s2)", "sw a0, 0(s2)", "ld a0, 4(s2)"):
        same(machines(instruction, "li s2, 0x200000"), 60, 100, 7, 1, 1, 1, 1)


@pytest.mark.parametrize("instruction", ["ld a0, -3(s4)", "sw a0, -1(s4)", "sh a0, 0(s4)", "lhu a0, 0(s4)"])
def test_what_lies_in_two_pages(instruction, steps):
    assert expect_native(machines(instruction), steps).hart.unretired == 0


def test_a_device_that_comes_later_is_found(steps):
    both = machines("lw a0, 0(s2)")
    expect_native(both, steps)
    for machine in both:
        machine.attach(Lamp(), base=0x4000_0000)
    trapped = both[0].hart.unretired
    assert same(both, 100, 100).hart.unretired - trapped <= 1


class Lamp:
    name, size = "lamp", 0x1000

    def load(self, offset, size):
        return 1

    def store(self, offset, size, value):
        pass

    def state(self):
        return {}

    def restore(self, state):
        pass
