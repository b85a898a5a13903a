"""Costs: a workload in several ways. What was measured stands as numbers, what is modelled from it as bars.

The two are never in one bar, and each says which it is: "measured" is this model's, "modelled" names the
parameter set and whose numbers it has.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from vlab.language import _, grouped
from vlab.operations.costs import Costs, Measured, Model, Modelled
from vlab.operations.costs.comparisons import Row, way_title
from vlab.operations.costs.parameters import unit_title
from vlab.operations.costs.quantities import count_title
from vlab.views.drawing.grammar import LOOKS
from vlab.views.drawing.metrics import text_width, wrap
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, path, rect, text
from vlab.views.operations.bars import HEIGHT, bar, length

MARGIN = 16
NAMES = 148  # room for a way's name
COLUMN, GAP = 336, 28
BARS = 236  # pixels of the longest bar; its number stands behind it
TOP = 94
LINE = 13
ROOM = NAMES + 2 * COLUMN + GAP
WIDTH = 2 * MARGIN + ROOM

# The looks of what is paid for; all else are exits.
_LOOKS = {
    "reference": "machine",
    "satp write": "kernel",
    "system call": "process",
    "page fault": "kernel",
    "device access": "host",
}
_EXIT = "hypervisor"


class _Column(NamedTuple):
    """One of the two columns: how often the work is done in it, and the cost that its longest bar stands for."""

    left: float
    title: str
    largest: float


def costs_picture(costs: Costs) -> Picture:
    """Each way is a row: to the left what it takes until the work is done once, to the right each time more."""
    title = costs.workload.title
    shapes = [text(MARGIN, 28, title[:1].upper() + title[1:], room=ROOM, size=14, bold=True)]
    shapes += _legend(costs)
    columns = _columns(costs)
    for column in columns:
        shapes.append(text(column.left, TOP - 14, column.title, room=COLUMN, bold=True))
    y = float(TOP)
    for row in costs:
        drawn, bottom = _row(row, costs.model, columns, y)
        shapes += drawn
        shapes.append(path("l-rule thin", (MARGIN, bottom + 6), (WIDTH - MARGIN, bottom + 6)))
        y = bottom + 16
    if costs.verdict:
        shapes.append(text(MARGIN, y + 10, costs.verdict, room=ROOM, bold=True))
        y += 22
    for line in (line for note in _notes(costs) for line in wrap(note, ROOM, 10)):
        shapes.append(text(MARGIN, y + 8, line, room=ROOM, size=10, ink="muted"))
        y += LINE
    return Picture(tuple(shapes), WIDTH, y + MARGIN, repr(costs))


def _columns(costs: Costs) -> tuple[_Column, _Column]:
    unit, left = unit_title(costs.model.parameters.unit), MARGIN + NAMES
    once = _("until it is done once: modelled {unit}").format(unit=unit)
    more = _("each time more: modelled {unit}").format(unit=unit)
    return (
        _Column(left, once, max((row.start_cost.total for row in costs), default=0)),
        _Column(left + COLUMN + GAP, more, max((row.further_cost.total for row in costs), default=0)),
    )


def _notes(costs: Costs) -> Iterator[str]:
    """Whose costs they are, and how far they can be believed."""
    parameters = costs.model.parameters
    yield _("Modelled with “{title}”: {citation}.").format(
        title=parameters.title, citation=parameters.citation
    )
    if costs.model.note:
        yield costs.model.note
    if any(cost.unpriced for row in costs for cost in (row.start_cost, row.further_cost)):
        yield _("≥: a part of what was measured has no price, so the bar is too short.")


def _look(name: str, model: Model) -> str:
    """Of shadows, a guest's own page fault is an exit; of its operations, it is the kernel's affair."""
    if name == "page fault" and "shadow" in model.prices:
        return _EXIT
    return _LOOKS.get(name, _EXIT)


def _legend(costs: Costs) -> Iterator[Element]:
    """What the looks of the bars' parts stand for; several kinds of exits are just that."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for row in costs:
        for name in (*row.start_cost.parts, *row.further_cost.parts):
            found[_look(name, costs.model)][name] = None
    x = float(MARGIN)
    for look in LOOKS:
        if names := list(found[look]):
            title = count_title(names[0] if len(names) == 1 else "exit")
            yield from bar(x, 44, 22, look, 12)
            yield text(x + 28, 54, title, room=WIDTH - MARGIN - x - 28, size=11)
            x += 28 + text_width(title, 11) + 14


def _row(row: Row, model: Model, columns: tuple[_Column, ...], y: float) -> tuple[list[Element], float]:
    """One way, and where it ends."""
    name = wrap(way_title(row.way), NAMES - 12, bold=True)[:2]
    shapes = [
        text(MARGIN, y + 12 + 15 * number, line, room=NAMES - 12, bold=True)
        for number, line in enumerate(name)
    ]
    bottom = y + 34
    sides = (row.start, row.start_cost), (row.further, row.further_cost)
    for column, (measured, cost) in zip(columns, sides, strict=True):
        shapes += _bar(cost, model, column, y)
        lines = _measured(measured)
        for number, line in enumerate(lines):
            at = y + 30 + LINE * number
            shapes.append(text(column.left, at, line, room=COLUMN, size=10, ink="muted"))
        bottom = max(bottom, y + 20 + LINE * len(lines))
    return shapes, bottom


def _bar(cost: Modelled, model: Model, column: _Column, y: float) -> Iterator[Element]:
    """The bar, its parts one behind the other, and its sum."""
    parts: dict[str, float] = defaultdict(float)
    for name, part in cost.parts.items():
        parts[_look(name, model)] += part
    x = column.left
    for look in LOOKS:
        if wide := length(parts[look], column.largest, BARS):
            yield from bar(x, y, wide, look)
            x += wide
    if x == column.left:
        yield rect(x, y, 0.8, HEIGHT, "l-rule")
    total = f"{'≥ ' if cost.unpriced else ''}{grouped(cost.total)}"
    yield text(x + 6, y + 12, total, room=column.left + COLUMN - x - 6, bold=True)


def _measured(measured: Measured) -> list[str]:
    return wrap(_("measured: {listed}").format(listed=measured.listed), COLUMN, 10)
