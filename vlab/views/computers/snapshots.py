"""The tree of a computer's snapshots: one a row, under and to the right of the one that it came after."""

from collections.abc import Iterator

from vlab.language import _
from vlab.operations import Saved, Snapshots
from vlab.paging import size_text
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, group, path, rect, text
from vlab.views.live.frames import Frame

MARGIN = 16
ROW = 52
BOX, HEIGHT = 330, 40
INDENT = 30
DEEPEST = 14  # steps to the right; what is deeper stands below each other
MOST = 40  # snapshots in one picture; the rest are counted


def snapshots_picture(snapshots: Snapshots, at: int | None = None, sheet: int | None = None) -> Picture:
    """The tree, or of a large one a sheet of it. `at` lights one snapshot, counted in the order of taking.

    Without `at` the one that the computer continues from is lit; without `sheet` the one that has it is drawn.
    """
    rows = list(_rows(snapshots))
    numbers = {saved.name: number for number, saved in enumerate(snapshots)}
    lit = numbers.get(snapshots.here or "", -1) if at is None else at
    first = MOST * (_sheets(snapshots).get(lit, 0) if sheet is None else sheet)
    shown = rows[first : first + MOST]
    top = MARGIN + 28.0
    places = {
        saved.name: (MARGIN + INDENT * min(depth, DEEPEST), top + ROW * row)
        for row, (saved, depth) in enumerate(shown)
    }
    title = _("snapshots {first} to {last} of {total}").format(
        first=first, last=first + len(shown) - 1, total=len(rows)
    )
    words = title if len(rows) > MOST else _("snapshots") if rows else _("no snapshot taken yet")
    shapes = [text(MARGIN, 28, words, size=13, bold=True)]
    for saved, _depth in shown:
        if saved.parent in places:
            shapes.append(_branch(places[saved.parent], places[saved.name]))
    for saved, _depth in shown:
        number = numbers[saved.name]
        marked = group(
            [_box(saved, *places[saved.name], here=saved.name == snapshots.here)],
            class_="lit" if number == lit else None,
            data_event=str(number),
        )
        shapes.append(marked)
    height = top + ROW * len(shown)
    width = MARGIN * 2 + BOX + INDENT * min(max((depth for _saved, depth in shown), default=0), DEEPEST)
    return Picture(tuple(shapes), width, height + MARGIN - (ROW - HEIGHT) * bool(rows), repr(snapshots))


def _rows(snapshots: Snapshots) -> Iterator[tuple[Saved, int]]:
    """Each snapshot with its depth, a parent before its children; no recursion, for a chain may be long."""
    children: dict[str | None, list[Saved]] = {}
    for saved in snapshots:
        children.setdefault(saved.parent, []).insert(0, saved)
    waiting = [(saved, 0) for saved in children.get(None, [])]
    while waiting:
        saved, depth = waiting.pop()
        yield saved, depth
        waiting += [(child, depth + 1) for child in children.get(saved.name, [])]


def _sheets(snapshots: Snapshots) -> dict[int, int]:
    """On which sheet each snapshot is, both counted from 0."""
    rows = {saved.name: row for row, (saved, _depth) in enumerate(_rows(snapshots))}
    return {number: rows[saved.name] // MOST for number, saved in enumerate(snapshots)}


def _branch(parent: tuple[float, float], child: tuple[float, float]) -> Element:
    """Down from the parent, and then right to the child, or straight down where there is no room to the right."""
    x, y = parent[0] + 14, child[1] + HEIGHT / 2
    if child[0] <= parent[0]:
        return path("l-muted", (x, parent[1] + HEIGHT), (x, child[1]))
    return path("l-muted", (x, parent[1] + HEIGHT), (x, y), (child[0], y))


def _box(saved: Saved, x: float, y: float, here: bool) -> Element:
    words = _("time {time}, {size}, pages changed: {changed}").format(
        time=saved.time, size=size_text(saved.size), changed=saved.changed
    )
    name = _("{name} (the computer is here)").format(name=saved.name) if here else saved.name
    return group(
        [
            rect(x - 4, y - 4, BOX + 8, HEIGHT + 8, "f-lit halo ring", radius=7),
            rect(x, y, BOX, HEIGHT, "f-kernel", radius=4),
            rect(x, y, BOX, HEIGHT, "l-kernel" + " thick" * here, radius=4),
            text(x + 10, y + 17, name, room=BOX - 20, ink="kernel", bold=True),
            text(x + 10, y + 33, words, room=BOX - 20, size=11),
        ]
    )


class SnapshotFrames:
    """Snapshots one by one, in the order in which they were taken, on their tree."""

    def __init__(self, snapshots: Snapshots):
        self.snapshots = snapshots
        self.saved = list(snapshots)
        self.sheets = _sheets(snapshots)
        self.stops: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self.saved)

    def frame(self, at: int) -> Frame:
        """One snapshot."""
        return Frame(self.saved[at], self.sheets[at], {"lit": [at]}, repr(self.saved[at]), "")

    def sheet(self, number: int) -> Picture:
        """The tree, or a part of a large one."""
        return snapshots_picture(self.snapshots, -1, number)

    def picture(self, at: int) -> Picture:
        """The tree, with one snapshot lit."""
        return snapshots_picture(self.snapshots, at)

    def strip(self, at: int) -> list[tuple[Picture, str]]:
        """The tree."""
        return [(self.picture(at), "")]
