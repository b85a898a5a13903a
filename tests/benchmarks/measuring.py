"""What the measurements share: repetitions that take turns, ratios with their spread, and plain tables."""

import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from math import prod
from statistics import median
from time import process_time
from typing import NamedTuple, TypeVar

from vlab.machine.execute import PACES, chosen_engine

T = TypeVar("T")


class Spread(NamedTuple):
    """The median of several measurements, the lowest and the highest."""

    median: float
    lowest: float
    highest: float

    def __str__(self) -> str:
        return f"{self.median:.1f} ({self.lowest:.1f}–{self.highest:.1f})"


def spread(measurements: Iterable[float]) -> Spread:
    """Their spread."""
    found = sorted(measurements)
    return Spread(median(found), found[0], found[-1])


def geometric_mean(ratios: Sequence[float]) -> float:
    """The mean in which twice as fast here and half as fast there cancel out."""
    return float(prod(ratios) ** (1 / len(ratios)))


def in_turns(runs: Sequence[Callable[[], T]], repetitions: int) -> list[tuple[T, ...]]:
    """Each of `runs` once, and again: whatever slows the host for a while slows all of them.

    What the first round gives is left out: in it memory and caches are filled. A tracer, such as the one that
    measures the tests' coverage, is put aside meanwhile: it would slow some more than others.
    """
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        return [tuple(run() for run in runs) for _repetition in range(repetitions + 1)][1:]
    finally:
        sys.settrace(tracer)


def seconds(act: Callable[[], object]) -> float:
    """The processor's seconds that `act` takes; what other programs do meanwhile does not count."""
    start = process_time()
    act()
    return process_time() - start


def this_python() -> str:
    """Which Python ran all this."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def this_engine() -> str:
    """Which engine runs a machine for which none is named: VLAB_ENGINE chooses another."""
    return f"engine {chosen_engine(None)}"


def pace() -> int:
    """How many instructions that engine runs while the interpreter runs one, about: so much longer it must run."""
    return PACES[chosen_engine(None)]


def table(
    title: str, head: Sequence[str], rows: Iterable[Sequence[object]], notes: Iterable[str] = ()
) -> str:
    """A title, columns as wide as they must be, the first to the left, the others to the right, and notes."""
    lines = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    drawn = []
    for first, *others in lines:
        cells = [first.ljust(widths[0]), *map(str.rjust, others, widths[1:])]
        drawn.append("  ".join(cells).rstrip())
    return "\n".join([title, "", *drawn, "", *notes]).rstrip()
