"""SVG as nested values: the same picture gives the same bytes on every machine.

Nothing here has an `id`: two pictures on one page would share it. So hatches and arrow heads are drawn stroke
by stroke, and every colour is a class of the grammar (`vlab.views.drawing.grammar`), so that one drawing serves both
themes.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Union

from vlab.views.drawing.metrics import fit

Value = str | float | None
Child = Union["Element", str]

_UNFIT = re.compile(
    "[^\t\n\x20-\x7e\xa0-\u200a\u2010-\u2027\u2030-\u205f\u2070-\ud7ff\uf900-\ufefe\uff01-\uffdc]"
)


class Element(NamedTuple):
    """One SVG element: its name, its attributes in order, and what stands inside it."""

    tag: str
    attributes: tuple[tuple[str, str], ...]
    children: tuple[Child, ...]

    def __str__(self) -> str:
        return "".join(_pieces(self))


def el(tag: str, *children: Child, **attributes: Value) -> Element:
    """An element. `class_` means class, `data_event` data-event; numbers are rounded, None leaves one out."""
    written = tuple(
        (name.rstrip("_").replace("_", "-"), value if isinstance(value, str) else number(value))
        for name, value in attributes.items()
        if value is not None
    )
    return Element(tag, written, children)


def number(value: float) -> str:
    """A coordinate with at most two decimals, written the same way everywhere."""
    written = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if written == "-0" else written


def escape(words: str) -> str:
    """The text for use in SVG and HTML; signs that XML forbids, or that turn text around, become "\ufffd"."""
    clean = _UNFIT.sub("\ufffd", words)
    return clean.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _pieces(element: Element) -> Iterator[str]:
    yield f"<{element.tag}"
    for name, value in element.attributes:
        yield f' {name}="{escape(value)}"'
    if not element.children:
        yield "/>"
        return
    yield ">"
    for child in element.children:
        if isinstance(child, Element):
            yield from _pieces(child)
        else:
            yield escape(child)
    yield f"</{element.tag}>"


def group(children: Iterable[Element], **attributes: Value) -> Element:
    """Elements that belong together."""
    return el("g", *children, **attributes)


def text(
    x: float,
    y: float,
    words: str,
    *,
    room: float | None = None,
    size: float = 12,
    ink: str = "ink",
    bold: bool = False,
    mono: bool = False,
    anchor: str = "start",
    turn: float = 0,
) -> Element:
    """A line of text whose baseline is at `y`. With `room` it is shortened to fit; `turn` is in degrees."""
    if room is not None:
        words = fit(words, room, size, bold=bold, mono=mono)
    look = " ".join(word for word, on in ((f"t-{ink}", True), ("mono", mono), ("bold", bold)) if on)
    return el(
        "text",
        words,
        class_=look,
        x=x,
        y=y,
        font_size=size,
        text_anchor=None if anchor == "start" else anchor,
        transform=f"rotate({number(turn)} {number(x)} {number(y)})" if turn else None,
    )


def rect(x: float, y: float, width: float, height: float, look: str, *, radius: float = 0) -> Element:
    """A rectangle; `look` names classes of the grammar."""
    return el("rect", class_=look, x=x, y=y, width=width, height=height, rx=radius or None)


def path(look: str, *points: tuple[float, float], closed: bool = False) -> Element:
    """A line through the points."""
    steps = "L".join(f"{number(x)} {number(y)}" for x, y in points)
    return el("path", class_=look, d=f"M{steps}" + ("Z" if closed else ""))


def arrow(look: str, head: str, *points: tuple[float, float], size: float = 7) -> Element:
    """A line through the points whose last one, reached straight down, up, left or right, wears a head."""
    (x0, y0), (x, y) = points[-2:]
    dx, dy = (x > x0) - (x < x0), (y > y0) - (y < y0)
    back, side = size, size * 0.6
    wings = [(x - dx * back + dy * s, y - dy * back + dx * s) for s in (side, -side)]
    stem = (*points[:-1], (x - dx * back, y - dy * back))
    return group([path(look, *stem), path(head, (x, y), *wings, closed=True)])


def hatch(x: float, y: float, width: float, height: float, look: str, slope: int, gap: float = 6) -> Element:
    """Strokes that fill a rectangle: slope 1 rises to the right, -1 falls, 0 lies flat, 2 stands upright."""
    if slope == 2:
        lines = [((x + d, y), (x + d, y + height)) for d in _steps(gap / 2, width, gap)]
    elif slope == 0:
        lines = [((x, y + d), (x + width, y + d)) for d in _steps(gap / 2, height, gap)]
    else:
        lines = [_diagonal(width, height, d) for d in _steps(gap, width + height, gap)]
        lines = [((x + a, y + b), (x + c, y + d)) for (a, b), (c, d) in lines]
        if slope < 0:
            lines = [((2 * x + width - a, b), (2 * x + width - c, d)) for (a, b), (c, d) in lines]
    steps = "".join(f"M{number(a)} {number(b)}L{number(c)} {number(d)}" for (a, b), (c, d) in lines)
    return el("path", class_=look, d=steps)


def _diagonal(width: float, height: float, reach: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """The stroke x + y = reach, from its lower left end to its upper right one, inside the rectangle."""
    left, right = max(0.0, reach - height), min(width, reach)
    return (left, reach - left), (right, reach - right)


def _steps(start: float, end: float, gap: float) -> list[float]:
    return [start + gap * i for i in range(max(0, int((end - start) / gap) + 1)) if start + gap * i < end]
