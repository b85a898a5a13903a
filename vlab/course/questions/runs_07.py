"""Recordings to count in: small made-up runs of a guest, with the shape that real ones have."""

from collections.abc import Iterator
from random import Random
from typing import Any

from vlab.course.exercises import Case
from vlab.events import Emulation, Entry, EventSource, Exit, Injection, Recording, Return, Trap
from vlab.riscv import Cause, Interrupt
from vlab.riscv.privilege import INTERRUPT_BIT

_KERNEL, _PROCESS = 0x8000_0100, 0x4000_0020
_TIMER = INTERRUPT_BIT | Interrupt.STI
_WORK = (
    ("csrr t0, scause", "privileged instruction", Cause.ILLEGAL_INSTRUCTION),
    ("", "shadow fill", Cause.LOAD_PAGE_FAULT),
)


class _Run:
    """A recording in the making. Each event happens one instruction after the one before."""

    def __init__(self) -> None:
        self.time = 0
        self._source = EventSource(lambda: self.time)
        self._events: list[Any] = []
        self._source.listen(self._events.append)

    def _emit(self, kind: Any, level: int, *rest: Any) -> None:
        self.time += 1
        self._source.emit(kind, level, *rest)

    def exit(self, cause: int, reason: str, mode: str, *inside: tuple[Any, ...]) -> None:
        """One exit, from the real trap to the real return; `inside` is what the hypervisor does meanwhile."""
        pc = _PROCESS if mode == "U" else _KERNEL
        self._emit(Trap, 0, cause, 0, pc, "U", "S")
        self._emit(Exit, 1, reason, cause, 0, pc, mode)
        for kind, *rest in inside:
            self._emit(kind, 1, *rest)
        self._emit(Entry, 1, pc, mode)
        self._emit(Return, 0, "sret", pc, "S", "U")

    def work(self, random: Random, mode: str) -> None:
        """An exit that the guest's own software doesn't notice."""
        text, reason, cause = random.choice(_WORK)
        pc = _PROCESS if mode == "U" else _KERNEL
        self.exit(cause, reason, mode, *([(Emulation, pc, 0, text, mode, ())] if text else []))

    def handled(self, random: Random, cause: int, reason: str, work: int) -> None:
        """A trap that the guest's kernel gets: some work in its handler, and its `sret`."""
        self.exit(cause & INTERRUPT_BIT or cause, reason, "U", (Injection, cause, 0, _PROCESS, "U", "S"))
        for _exit in range(work):
            self.work(random, "S")
        end = (Return, "sret", _PROCESS, "S", "U"), (Emulation, _KERNEL, 0, "sret", "S", ())
        self.exit(Cause.ILLEGAL_INSTRUCTION, "privileged instruction", "S", *end)

    def recording(self) -> Recording:
        """What was recorded."""
        return Recording(self._events)


def draw(random: Random) -> Iterator[Case]:
    """Runs of one to six things that happen; the first ones are very short."""
    yield (_made(random, ("call",), most=0),)
    yield (_made(random, ("timer",), most=0),)
    yield (_made(random, ("call", "work"), most=1),)
    for length in (2, 2, 3, 3, 4, 5, 6):
        things = random.choices(("call", "timer", "fault", "work"), (4, 2, 1, 3), k=length)
        yield (_made(random, tuple(things), most=4),)


def _made(random: Random, things: tuple[str, ...], most: int) -> Recording:
    run = _Run()
    for thing in things:
        match thing:
            case "call":
                run.handled(random, Cause.ECALL_FROM_U, "system call", random.randint(0, most))
            case "timer":
                run.handled(random, _TIMER, "timer", random.randint(0, most))
            case "fault":
                run.handled(random, Cause.LOAD_PAGE_FAULT, "guest fault", random.randint(0, most))
            case _:
                run.work(random, "U")
    return run.recording()


def size(case: Case) -> int:
    """The number of events."""
    return len(case[0])


def ask(exits_per_call: Any, case: Case) -> Any:
    """What it makes of a copy of the recording."""
    return exits_per_call(Recording(case[0].events))


def show(name: str, case: Case) -> str:
    """The call, and what the run is."""
    kinds = [event.kind for event in case[0]]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in ("Injection", "Exit", "Emulation"))
    return f"{name}(run)  # run: {len(kinds)} events, {counts}"
