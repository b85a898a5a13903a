"""Bars that lie: a value's part of a room, in the look of an actor. For what costs are drawn with."""

from collections.abc import Iterator
from math import log10

from vlab.views.drawing.grammar import LOOKS
from vlab.views.drawing.svg import Element, hatch, rect

HEIGHT = 15
LEAST = 1.5  # pixels: a small value is seen all the same
_HATCHED = 4  # pixels that a hatch needs


def bar(x: float, y: float, width: float, who: str, height: float = HEIGHT) -> Iterator[Element]:
    """A bar whose look is an actor's: its ground, its hatch, its outline."""
    slope = LOOKS[who].slope
    yield rect(x, y, width, height, f"f-{who}")
    if slope is not None and width >= _HATCHED:
        yield hatch(x, y, width, height, f"l-{who} thin", slope, gap=5)
    yield rect(x, y, width, height, f"l-{who}")


def length(value: float, largest: float, room: float) -> float:
    """How long a bar is: in proportion."""
    return max(LEAST, room * value / largest) if value and largest else 0.0


def log_length(value: float, largest: float, room: float) -> float:
    """How long a bar is where each step of the scale is ten times the one before; 1 has the first step."""
    return room * (1 + log10(max(1.0, value))) / (1 + log10(max(1.0, largest)))
