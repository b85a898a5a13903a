"""Popek and Goldberg's classes as two sets, and as tables: a row for each verdict, culprits first.

Theorem 1 in a picture: the set of sensitive instructions lies within that of the privileged ones, or it sticks out.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from vlab.language import _
from vlab.operations.classification import Classification, Classified, Pair, names
from vlab.views.drawing.metrics import wrap
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, escape, rect, text
from vlab.views.operations.tables import words_table

MARGIN, COLUMN, PAD = 16, 284, 14
WIDTH = 2 * MARGIN + 3 * COLUMN
_HEAD, _LINE, _SHIFT = 52, 15, 8


def pair_picture(pair: Pair) -> Picture:
    """The set of sensitive instructions and that of the privileged ones; under them, what is in neither."""
    top = MARGIN + _HEAD
    frames, cells = (_sticking_out if pair.culprits else _within)(pair)
    height = 36 + _LINE * max(len(cell.lines) for cell in cells) + PAD
    shapes = [
        text(MARGIN, MARGIN + 13, _title(pair), size=14, bold=True),
        text(MARGIN, top - 8, _counted(pair, sensitive=True), size=13, bold=True),
        text(
            WIDTH - MARGIN,
            top - 8,
            _counted(pair, sensitive=False),
            size=13,
            ink="hypervisor",
            bold=True,
            anchor="end",
        ),
    ]
    shapes += [
        rect(MARGIN + x, top + y, width, height + more, look, radius=8) for x, y, width, more, look in frames
    ]
    for cell in cells:
        shapes += _written(cell, top + _SHIFT + PAD + 8)
    y = top + height + 2 * _SHIFT + 28.0
    for cell in _neither(pair):
        shapes += _written(cell, y)
        y += 38 + _LINE * len(cell.lines)
    return Picture(tuple(shapes), WIDTH, y - 24 + MARGIN, repr(pair))


class _Cell(NamedTuple):
    """Some instructions: where their column begins and its room, a heading, and their names in lines."""

    x: float
    room: float
    head: str
    lines: Sequence[str]
    ink: str


_Frame = tuple[float, float, float, float, str]  # from the left, from the top, width, more height, look
_PRIVILEGED = "l-hypervisor d-hypervisor"


def _sticking_out(pair: Pair) -> tuple[list[_Frame], list[_Cell]]:
    """The sets where there are culprits."""
    frames: list[_Frame] = [
        (0, 0, COLUMN - PAD, 0, "f-fault"),
        (COLUMN, _SHIFT, 2 * COLUMN, 0, "f-hypervisor"),
        (COLUMN, _SHIFT, 2 * COLUMN, 0, _PRIVILEGED),
        (0, 0, 2 * COLUMN, 0, "l-ink thick"),
    ]
    culprits = _some(pair, True, False), _("✗ sensitive, and no trap: {count}"), "fault"
    both, rest = _inside(pair)
    return frames, [_cell(at * COLUMN, COLUMN, *of_it) for at, of_it in enumerate((culprits, both, rest))]


def _within(pair: Pair) -> tuple[list[_Frame], list[_Cell]]:
    """The sets where there are none: one lies in the other."""
    frames: list[_Frame] = [
        (0, 0, 3 * COLUMN, 2 * _SHIFT, "f-hypervisor"),
        (0, 0, 3 * COLUMN, 2 * _SHIFT, _PRIVILEGED),
        (_SHIFT, _SHIFT, 2 * COLUMN - 2 * _SHIFT, 0, "l-ink thick"),
    ]
    both, rest = _inside(pair)
    return frames, [_cell(_SHIFT, 2 * COLUMN - _SHIFT, *both), _cell(2 * COLUMN, COLUMN, *rest)]


def _inside(pair: Pair) -> tuple[tuple[list[Classified], str, str], ...]:
    """What is privileged: the sensitive ones, and the others."""
    return (
        (_some(pair, True, True), _("both: its monitor hears of it: {count}"), "hypervisor"),
        (_some(pair, False, True), _("privileged only: {count}"), "hypervisor"),
    )


def _neither(pair: Pair) -> tuple[_Cell, _Cell]:
    rows = _some(pair, False, False)
    direct, trapping = ([row for row in rows if row.traps == traps] for traps in (False, True))
    room = WIDTH - 2 * MARGIN + 3 * PAD
    return (
        _cell(-PAD, room, direct, _("neither: it runs directly: {count}"), "muted"),
        _cell(-PAD, room, trapping, _("traps in both modes: {count}"), "muted"),
    )


def _some(pair: Pair, sensitive: bool, privileged: bool) -> list[Classified]:
    return [row for row in pair if (row.sensitive, row.privileged) == (sensitive, privileged)]


def _cell(x: float, width: float, rows: Sequence[Classified], head: str, ink: str) -> _Cell:
    room = width - 3 * PAD
    lines = wrap(", ".join(names(rows)), room, 11) if rows else []
    return _Cell(MARGIN + x + PAD, room, head.format(count=len(rows)), lines, ink)


def _written(cell: _Cell, y: float) -> Iterator[Element]:
    yield text(cell.x, y, cell.head, room=cell.room + PAD, size=12, ink=cell.ink, bold=True)
    for number, line in enumerate(cell.lines):
        yield text(cell.x, y + 20 + _LINE * number, line, room=cell.room, size=11, ink=cell.ink)


def _title(pair: Pair) -> str:
    return _("A guest in {low}, its monitor in {high}").format(low=pair.low, high=pair.high)


def _counted(pair: Pair, *, sensitive: bool) -> str:
    if sensitive:
        return _("sensitive: {count}").format(count=sum(row.sensitive for row in pair))
    return _("privileged: {count}").format(count=sum(row.privileged for row in pair))


def classification_html(found: Classification) -> str:
    """Each pair of modes: what it comes to, and its table."""
    return "".join(pair_html(pair) for pair in found.pairs)


def pair_html(pair: Pair) -> str:
    """What the instructions are between two modes: verdicts, their instructions, and an experiment that showed it."""
    rows = [
        (
            ("✗ " if of_it[0].culprit else "") + verdict,
            str(len(of_it)),
            ", ".join(names(of_it)),
            "; ".join(map(repr, of_it[0].evidence)),
        )
        for verdict, of_it in pair.groups()
    ]
    return f"<p>{escape(repr(pair))}</p>" + words_table(
        (_("verdict"), _("how many"), _("instructions"), _("for example")), rows
    )


def classified_html(row: Classified) -> str:
    """One instruction: every kind in which it is sensitive, and the experiment that showed it."""
    rows = [(one.kind.title, repr(one)) for one in row.evidence]
    return f"<p>{escape(repr(row))}</p>" + (words_table((_("it"), _("as was seen")), rows) if rows else "")
