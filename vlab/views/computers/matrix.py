"""The matrix of isolation: a row for each attack, a column for each arrangement, a mark for each run.

Above each column stands what the two neighbours share: everything under them that is drawn once.
"""

from collections.abc import Iterator

from vlab.language import _
from vlab.operations import Cell, IsolationMatrix, Verdict
from vlab.operations.isolation import ARRANGEMENTS, ATTACKS, arrangement_title, attack_title
from vlab.views.drawing.grammar import who_name
from vlab.views.drawing.metrics import wrap
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, el, group, path, rect, text

MARGIN = 16
LABELS, COLUMN, GAP = 232, 212, 10
HEAD = 150  # the arrangements
ROW, SPACE = 48, 6
WIDTH = 2 * MARGIN + LABELS + len(ARRANGEMENTS) * (COLUMN + GAP)
_LAYER = 20


def matrix_picture(matrix: IsolationMatrix) -> Picture:
    """All of it."""
    top = MARGIN + HEAD
    shapes = [text(MARGIN, top - 14, _("The attacker…"), room=LABELS - 8, size=13, bold=True)]
    for arrangement in ARRANGEMENTS:
        shapes += _arrangement(matrix, arrangement, _left(arrangement), MARGIN)
    for row, attack in enumerate(ATTACKS):
        y = top + row * (ROW + SPACE)
        lines = wrap(attack_title(attack), LABELS - 8, 12)[:2]
        middle = y + ROW / 2 + 4.5 - 8 * (len(lines) - 1)
        shapes += [text(MARGIN, middle + 16 * line, words) for line, words in enumerate(lines)]
        shapes += [_cell(matrix[attack, arrangement], _left(arrangement), y) for arrangement in ARRANGEMENTS]
    bottom = top + len(ATTACKS) * (ROW + SPACE)
    return Picture(tuple(shapes), WIDTH, bottom + MARGIN - SPACE, repr(matrix))


def _left(arrangement: str) -> float:
    return MARGIN + LABELS + GAP + ARRANGEMENTS.index(arrangement) * (COLUMN + GAP)


# --- What the neighbours share


def _arrangement(matrix: IsolationMatrix, arrangement: str, x: float, y: float) -> Iterator[Element]:
    """Its name, how many attacks it holds off, and its layers."""
    held = _("{held} of {total} held off").format(held=matrix.held(arrangement), total=len(ATTACKS))
    room = COLUMN - 8
    yield text(x + 4, y + 14, arrangement_title(arrangement), room=room, size=13, bold=True)
    yield text(x + 4, y + 30, held, room=room, size=11, ink="muted")
    half = (COLUMN - GAP) / 2
    apart = arrangement == "virtual machines"
    step = _LAYER + 2
    machine = y + 42 + 3 * step  # where the lowest layer begins
    kernel = machine - (2 if apart else 1) * step
    for left, who in ((x, _("victim")), (x + half + GAP, _("attacker"))):
        yield from _layer(left, kernel - step, half, "process", who)
        if apart:
            yield from _layer(left, kernel, half, "kernel", _("kernel"))
    if apart:
        yield from _layer(x, machine - step, COLUMN, "hypervisor", who_name("hypervisor"))
    else:
        yield from _layer(x, kernel, COLUMN, "kernel", _("kernel"))
    if arrangement == "containers":
        wall = x + COLUMN / 2
        yield path("l-kernel d-kernel thick", (wall, kernel - step - 6), (wall, kernel))
    yield from _layer(x, machine, COLUMN, "machine", who_name("machine"))


def _layer(x: float, y: float, width: float, who: str, name: str) -> Iterator[Element]:
    yield rect(x, y, width, _LAYER, f"f-{who}", radius=3)
    yield rect(x, y, width, _LAYER, f"l-{who} d-{who}", radius=3)
    yield text(x + width / 2, y + 14, name, room=width - 8, size=11, ink=who, anchor="middle")


# --- What came of it


def _cell(cell: Cell, x: float, y: float) -> Element:
    held = cell.verdict is Verdict.HELD
    fill, line, ink = ("f-paper", "l-rule", "ink") if held else ("f-fault", "l-fault", "fault")
    said = wrap(cell.said, COLUMN - 52, 10)[:2]
    first = y + (20 if len(said) == 1 else 16)
    return group(
        [
            rect(x, y, COLUMN, ROW, fill, radius=4),
            rect(x, y, COLUMN, ROW, line, radius=4),
            *_mark(cell.verdict, x + 22, y + ROW / 2),
            text(x + 44, first, cell.verdict.title, room=COLUMN - 52, size=13, ink=ink, bold=True),
            *(text(x + 44, first + 15 + 12 * n, words, size=10, ink=ink) for n, words in enumerate(said)),
        ]
    )


def _mark(verdict: Verdict, x: float, y: float) -> Iterator[Element]:
    """A ring with a tick; a box with a way out; a sign that bears another writing; no entry; a cross."""
    if verdict is Verdict.HELD:
        yield el("circle", class_="o-ink", cx=x, cy=y, r=12)
        yield path("l-ink thick", (x - 6, y), (x - 2, y + 5), (x + 6, y - 5))
    elif verdict is Verdict.LEAKED:
        yield rect(x - 11, y - 11, 16, 22, "o-fault", radius=2)
        yield path("l-fault thick", (x - 5, y), (x + 12, y))
        yield path("b-fault", (x + 14, y), (x + 7, y - 5), (x + 7, y + 5), closed=True)
    elif verdict is Verdict.CHANGED:
        yield path("o-fault", (x, y - 13), (x + 13, y), (x, y + 13), (x - 13, y), closed=True)
        yield path("l-fault thick", (x - 6, y - 2), (x - 2, y - 4), (x + 2, y + 2), (x + 6, y))
    elif verdict is Verdict.DENIED:
        yield el("circle", class_="o-fault", cx=x, cy=y, r=12)
        yield rect(x - 8, y - 3, 16, 6, "b-fault")
    else:
        yield path("l-fault thick", (x - 9, y - 9), (x + 9, y + 9))
        yield path("l-fault thick", (x - 9, y + 9), (x + 9, y - 9))


def cell_picture(cell: Cell) -> Picture:
    """One run: the verdict, and under it what both said; "≠" marks what the victim says only when attacked."""
    half = (WIDTH - 2 * MARGIN - GAP) / 2
    ink = "ink" if cell.verdict is Verdict.HELD else "fault"
    shapes = [
        *_mark(cell.verdict, MARGIN + 14, MARGIN + 18),
        text(MARGIN + 44, MARGIN + 13, cell.verdict.title, size=13, ink=ink, bold=True),
        text(MARGIN + 44, MARGIN + 31, repr(cell), room=WIDTH - 2 * MARGIN - 44),
    ]
    marked = [(f"{line}  ≠" if line not in cell.quiet else line, "ink") for line in cell.victim]
    unsaid = [(f"✗  {line}", "muted") for line in cell.quiet[len(cell.victim) :]]
    title = _("what the victim said (✗: no longer said)") if unsaid else _("what the victim said")
    sides = (
        (title, [*marked, *unsaid]),
        (_("what the attacker said, and its kernel"), [(line, "ink") for line in cell.attacker]),
    )
    top = MARGIN + 46.0
    height = 34 + 17.0 * max(1, *(len(lines) for _title, lines in sides))
    for side, (title, lines) in enumerate(sides):
        x = MARGIN + side * (half + GAP)
        shapes.append(rect(x, top, half, height, "l-rule", radius=4))
        shapes.append(text(x + 10, top + 18, title, room=half - 20, size=11, bold=True))
        for row, (line, ink) in enumerate(lines):
            y = top + 38 + 17 * row
            shapes.append(text(x + 10, y, line, room=half - 20, ink=ink, mono=True, bold=line.endswith("≠")))
    return Picture(tuple(shapes), WIDTH, top + height + MARGIN, repr(cell))
