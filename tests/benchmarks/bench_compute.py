"""A guest that computes, under each technique over the bare machine: what a technique costs where nothing exits.

Both have booted and have run for a while, so that what is to be filled or translated is there. Then each runs as
many instructions, in turns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from tests.benchmarks.bench_interpreter import LOOPS, source
from tests.benchmarks.kernels import WAYS, kernel, started
from tests.benchmarks.measuring import (
    Spread,
    geometric_mean,
    in_turns,
    pace,
    seconds,
    spread,
    table,
    this_engine,
    this_python,
)
from vlab import guests
from vlab.machine.devicetree import TIMEBASE
from vlab.riscv import Program

AIM = 1.03
TICK = TIMEBASE // 100  # 100 Hz, in counts of the timer: here one is an instruction
_NEVER = 1 << 30
_BOOT = 200_000  # steps, in any way: by then it computes
_LONG, _QUICK = 1_000_000, 200_000  # steps of each measurement on the interpreter
_START = (
    "    li   a0, 0x80080000\n    li   sp, 0x800f0000\n    li   a1, 1<<30\n"  # a buffer, a stack, and laps
)


class Turn(NamedTuple):
    """What one guest did in its turn: the processor's seconds, and its exits."""

    seconds: float
    exits: int


@dataclass(frozen=True)
class Measured:
    """One way, over the bare machine: each guest's turns beside the bare one's."""

    turns: Mapping[str, Sequence[tuple[Turn, Turn]]]

    def ratio(self, guest: str) -> Spread:
        """How many times as long it took as on the bare machine."""
        return spread(here.seconds / bare.seconds for bare, here in self.turns[guest])

    def exits(self, guest: str) -> int:
        """Its exits in one turn: the lowest, for a tick may fall into one turn or the next."""
        return min(here.exits for _bare, here in self.turns[guest])


GUESTS = (*LOOPS, "process", "process, 100 Hz")


def image(guest: str, way: str | None) -> Program:
    """One of the interpreter's loops, as a kernel; or the small kernel, one process of which thinks for ever."""
    if guest in LOOPS:
        return kernel(_START + source(guest).replace("_start", "loop"), way)
    tick = TICK if guest.endswith("Hz") else _NEVER
    built = {"PARAVIRTUAL": 1} if way == "paravirtual" else {}
    return guests.load("kernel", TICK=tick, WORK=_NEVER, PRIMES=100, **built)


class _Runner:
    """A guest in the midst of its work."""

    def __init__(self, guest: str, way: str | None):
        self._machine, self._computer, self._vms = started(image(guest, way), *([way] if way else []))
        self._machine.run(_BOOT)

    def run(self, steps: int) -> Turn:
        """So many steps of its machine. ValueError if the guest does not run."""
        exits, time = self._exits, self._computer.time
        taken = seconds(partial(self._machine.run, steps))
        if self._computer.time - time < steps / 2:
            raise ValueError("the guest ran less than half of the time")
        return Turn(taken, self._exits - exits)

    @property
    def _exits(self) -> int:
        return sum(vm.exits.total() for vm in self._vms)


def measure(
    ways: Sequence[str] = WAYS, chosen: Sequence[str] = GUESTS, *, steps: int = _LONG, repetitions: int = 7
) -> dict[str, Measured]:
    """Every guest in every way and on the bare machine, in turns. A faster engine runs as many more `steps`."""
    steps *= pace()
    turns: dict[str, dict[str, list[tuple[Turn, Turn]]]] = {way: {} for way in ways}
    for guest in chosen:
        runners = [_Runner(guest, way) for way in (None, *ways)]
        rounds = in_turns([partial(runner.run, steps) for runner in runners], repetitions)
        for place, way in enumerate(ways, 1):
            turns[way][guest] = [(turn[0], turn[place]) for turn in rounds]
    return {way: Measured(found) for way, found in turns.items()}


def overall(measured: Measured) -> float:
    """The geometric mean of the medians, of the guests that have no ticks."""
    return geometric_mean([measured.ratio(guest).median for guest in measured.turns if guest in GUESTS[:-1]])


def report(*, quick: bool = False) -> str:
    """A row for each guest, a column for each technique."""
    measured = measure(steps=_QUICK, repetitions=1) if quick else measure()
    rows = [[guest, *(_shown(one.ratio(guest)) for one in measured.values())] for guest in GUESTS[:-1]]
    rows.append(["geometric mean", *(f"{overall(one):.3f}" for one in measured.values())])
    ticking = GUESTS[-1]
    rows.append([ticking, *(_shown(one.ratio(ticking)) for one in measured.values())])
    ticks = (_QUICK if quick else _LONG) * pace() // TICK
    rows.append(["its exits a tick", *(f"{one.exits(ticking) / ticks:.1f}" for one in measured.values())])
    return table(
        f"A guest that computes, over the same on the bare machine ({this_python()}, {this_engine()})",
        ["guest", *measured],
        rows,
        [
            "Medians of turns; in brackets, lowest and highest. All have booted before, and none exits.",
            "The five loops are kernels in S mode; the process runs in U mode, under page tables.",
            f"With ticks, the kernel is asked {TICK:,} instructions apart: at 10 MHz, 100 times a second.",
            f"The aim: {AIM} × bare, without ticks.",
        ],
    )


def _shown(ratio: Spread) -> str:
    return f"{ratio.median:.3f} ({ratio.lowest:.2f}–{ratio.highest:.2f})"
