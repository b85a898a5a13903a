"""A program that is interrupted, to try a handler for the timer with: what becomes of it is measured."""

from collections.abc import Iterator
from random import Random
from typing import Any

from vlab.course.exercises import Case, Misused
from vlab.events import Recording, Trap
from vlab.language import VlabError, _
from vlab.machine import Machine
from vlab.riscv import Interrupt, Mode, Program, assemble_files
from vlab.riscv.privilege import INTERRUPT_BIT, cause_title
from vlab.riscv.registers import ABI_NAMES as NAMES

TIMER = INTERRUPT_BIT | Interrupt.STI
COUNTERS = ("s2", "s3", "s4", "s5")  # what the program counts with, in this order
LONGEST = 20_000  # characters of a handler
TRAPS = 5  # other traps that are told
_SKEW = 0x0101_0101_0101_0101  # register xN holds N times this while the program runs
_FRAME = """
    .globl _start, ticks, interval
_start:                         # M mode
    li   t0, 1<<5
    csrw mideleg, t0
    li   t0, -1
    csrw pmpaddr0, t0
    li   t0, 0x1f
    csrw pmpcfg0, t0
    csrwi mcounteren, 2
    li   t0, 1
    slli t0, t0, 63
    csrs menvcfg, t0
    la   t0, stop
    csrw mtvec, t0
    li   t0, 1<<11
    csrw mstatus, t0
    la   t0, kernel
    csrw mepc, t0
    mret
    .balign 4
stop:                           # any trap but the timer's ends all
    j    stop
kernel:                         # S mode
    la   t0, handler
    csrw stvec, t0
    la   t0, save
    csrw sscratch, t0
    li   t0, 1<<5
    csrs sie, t0
    li   t0, {status}
    csrs sstatus, t0            # for the program: interrupts on, and its mode
    la   t0, program
    csrw sepc, t0
    la   t0, interval
    ld   t1, 0(t0)
    rdtime t0
    add  t0, t0, t1
    csrw stimecmp, t0
{registers}
    sret
program:                        # it counts with four registers, one after the other
    addi s2, s2, 1
    addi s3, s3, 1
    addi s4, s4, 1
    addi s5, s5, 1
    j    program
program_end:
    ebreak
    .data
    .balign 8
ticks:
    .dword 0
interval:
    .dword {interval}
save:
    .zero 256
"""


def draw(random: Random) -> Iterator[Case]:
    """Programs in U mode and in S mode: (mode, interval, how many ticks are waited for)."""
    for mode in "US":
        for ticks in (1, 2, 5):
            yield mode, random.randrange(400, 900), ticks
        yield mode, 1000 + random.randrange(5), random.randrange(6, 10)


def size(case: Case) -> int:
    """The ticks."""
    ticks: int = case[2]
    return ticks


def program(handler: str, case: Case) -> Program:
    """The interrupted program, with this handler. VlabError if that can't be assembled."""
    mode, interval, _ticks = case
    registers = "\n".join(f"    li x{n}, {value:#x}" for n, value in _values().items())
    frame = _FRAME.format(status=0x20 | Mode[mode] << 8, interval=interval, registers=registers)
    return assemble_files((("frame.s", frame), ("handler.s", handler)))


def _values() -> dict[int, int]:
    """What each register holds in the program; the counters begin at 0."""
    return {n: 0 if NAMES[n] in COUNTERS else n * _SKEW & (1 << 62) - 1 for n in range(1, 32)}


def run(handler: str, case: Case) -> tuple[dict[str, Any], Recording]:
    """Let the program run for so many intervals and a half: what is measured, and the recording."""
    _mode, interval, ticks = case
    loaded = program(handler, case)
    machine = Machine(loaded, memory="64K")
    begins, ends = loaded.symbols["program"], loaded.symbols["program_end"]
    machine.run(1000, until=lambda: machine.hart.pc == begins)
    with machine.events.record() as recording:
        machine.run(interval * ticks + interval // 2)
        # Where the time ends within the handler, that may finish.
        machine.run(200, until=lambda: begins <= machine.hart.pc < ends)
    traps = [event for event in recording if isinstance(event, Trap)]
    count = int.from_bytes(machine.memory.peek(loaded.symbols["ticks"], 8), "little")
    here = begins <= machine.hart.pc < ends
    return {
        "interrupts": min(sum(trap.cause == TIMER for trap in traps), 1000),
        "ticks": count,
        "changed": _changed(machine.hart.x) if here else [],
        "other traps": [cause_title(trap.cause) for trap in traps if trap.cause != TIMER][:TRAPS],
        "ends in": "program" if here else "handler",
        "mode": str(machine.mode) if here else "",
    }, recording


def _changed(x: list[int]) -> list[str]:
    """The registers that are not as the program left them."""
    changed = [NAMES[n] for n, value in _values().items() if NAMES[n] not in COUNTERS and x[n] != value]
    counters = [x[NAMES.index(name)] for name in COUNTERS]
    in_step = counters == sorted(counters, reverse=True) and counters[0] - counters[-1] <= 1
    return changed + ([] if in_step else list(COUNTERS))


def ask(handler: Any, case: Case) -> Any:
    """What is measured with the reader's handler."""
    text = handler()
    if not isinstance(text, str) or len(text) > LONGEST:
        raise Misused(_("does not return the text of a handler"))
    try:
        return run(text, case)[0]
    except VlabError as error:
        raise Misused(_("can't be assembled: {error}").format(error=" ".join(str(error).split()))) from None


def show(name: str, case: Case) -> str:
    """The handler, and the program that it interrupts."""
    mode, interval, ticks = case
    told = _("a program in {mode} mode, an interrupt every {interval}, for {ticks} intervals and a half")
    return f"{name}: " + told.format(mode=mode, interval=interval, ticks=ticks)
