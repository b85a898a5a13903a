"""A page table, drawn as the tree that it is: the entries of each level in a column, the root's at the left.

Each row is a virtual address, the entries on the way down from the root, and the physical page where they lead.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from vlab.language import _
from vlab.paging import PageTable, Scheme, classify, rule_text, size_text
from vlab.paging.tables import MAX_TABLES
from vlab.riscv import Trap
from vlab.views.drawing.grammar import ADDRESSES
from vlab.views.drawing.metrics import wrap
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, arrow, hatch, path, rect, text

MOST_ROWS = 14
MOST_BRANCHES = 1 << 12  # that are looked at; a table that points back at itself has no end
MARGIN = 20
END, CARD, HEIGHT = 140, 140, 36
GAP, STEP = 26, 12
_TOP = 82


@dataclass(frozen=True)
class Entry:
    """`count` neighbouring entries of one table, whose pages are neighbours too; `rule` says what they are.

    `number` tells the entry from every other one in the tree. `raw` is None where it could not be read.
    """

    number: int
    level: int
    index: int
    raw: int | None
    rule: str
    count: int = 1


@dataclass(frozen=True)
class Branch:
    """A way from the root to a leaf, or to an entry that is wrong, and the virtual address that takes it."""

    address: int
    entries: tuple[Entry, ...]

    def size(self, scheme: Scheme) -> int:
        """How many bytes of virtual addresses take it."""
        last = self.entries[-1]
        return last.count * scheme.page_size(last.level)


def table_picture(table: PageTable, around: int | None = None) -> Picture:
    """A page table as it stands now: at most `MOST_ROWS` rows, the first ones or those nearest to `around`.

    The row that holds `around` has a frame.
    """
    branches = list(islice(_joined(_Scan(table).branches(), table.scheme), MOST_BRANCHES))
    first = _first(branches, around)
    shown = branches[first : first + MOST_ROWS]
    width = _column(table.scheme, -1) + END + MARGIN
    shapes = [*_header(table, width)]
    y = float(_TOP)
    if first:
        shapes.append(_more(first, y, width))
        y += 26
    if not branches:
        shapes.append(text(MARGIN, y + 16, _("the table has no entry"), ink="muted"))
        y += 30
    seen: dict[int, tuple[float, float]] = {}
    for branch in shown:
        if around is not None and 0 <= around - branch.address < branch.size(table.scheme):
            shapes.append(
                rect(MARGIN - 8, y - 5, width - 2 * MARGIN + 16, HEIGHT + 10, "l-ink dashed", radius=7)
            )
        shapes += _row(table.scheme, branch, y, seen)
        y += HEIGHT + STEP
    if rest := len(branches) - first - len(shown):
        shapes.append(_more(rest, y, width))
        y += 26
    sentence = _("{table}; rows in the picture: {shown} of {count}").format(
        table=repr(table), shown=len(shown), count=len(branches)
    )
    return Picture(tuple(shapes), width, y + 8, sentence)


class _Scan:
    """Looks through a table's entries; numbers them, and counts the tables."""

    def __init__(self, table: PageTable):
        self._table, self._scheme = table, table.scheme
        self._tables = self._entries = 0

    def branches(self) -> Iterator[Branch]:
        """Every entry that isn't zero, with those that lead to it."""
        return self._below(self._table.root, self._scheme.levels - 1, 0, ())

    def _below(self, table: int, level: int, base: int, above: tuple[Entry, ...]) -> Iterator[Branch]:
        self._tables += 1
        if self._tables > MAX_TABLES:
            return
        size, scheme, found = self._scheme.entry_size, self._scheme, False
        for index in range(scheme.table_size(level) // size):
            address = scheme.extend(base + index * scheme.page_size(level))
            try:
                raw = self._table.memory.load(table + index * size, size)
            except Trap:
                yield Branch(address, (*above, self._entry(level, index, None, "access-fault")))
                return
            if not raw:
                continue
            found = True
            way = (*above, self._entry(level, index, raw, classify(raw, level, scheme)))
            if way[-1].rule == "pointer":
                yield from self._below(scheme.target(raw), level - 1, address, way)
            else:
                yield Branch(address, way)
        if not found and above:
            yield Branch(base, above)  # a table with nothing in it

    def _entry(self, level: int, index: int, raw: int | None, rule: str) -> Entry:
        self._entries += 1
        return Entry(self._entries, level, index, raw, rule)


def _joined(branches: Iterator[Branch], scheme: Scheme) -> Iterator[Branch]:
    """Neighbouring leaves of one table, with the same flags and neighbouring pages, as one branch."""
    run: Branch | None = None
    for branch in branches:
        if run is not None and _goes_on(run, branch, scheme):
            last = run.entries[-1]
            run = Branch(run.address, (*run.entries[:-1], replace(last, count=last.count + 1)))
        else:
            if run is not None:
                yield run
            run = branch
    if run is not None:
        yield run


def _goes_on(run: Branch, branch: Branch, scheme: Scheme) -> bool:
    one, other = run.entries[-1], branch.entries[-1]
    if run.entries[:-1] != branch.entries[:-1] or not one.rule == other.rule == "leaf":
        return False
    assert one.raw is not None and other.raw is not None, "a leaf could be read"
    apart = one.count << scheme.format.ppn_shift + scheme.index_bits * one.level
    return other.index == one.index + one.count and other.raw == one.raw + apart


def _first(branches: list[Branch], around: int | None) -> int:
    """The first row to show."""
    after = 0 if around is None else sum(branch.address <= around for branch in branches)
    return max(0, min(after - 1 - MOST_ROWS // 2, len(branches) - MOST_ROWS))


def _column(scheme: Scheme, level: int) -> float:
    """The left edge of a level's cards; of the physical addresses for level -1."""
    return MARGIN + END + GAP + (scheme.levels - 1 - level) * (CARD + GAP)


def _header(table: PageTable, width: float) -> Iterator[Element]:
    yield text(MARGIN, 26, repr(table), room=width - 2 * MARGIN, size=14, bold=True)
    scheme = table.scheme
    for kind, x in zip(_ends(scheme), (MARGIN, _column(scheme, -1)), strict=True):
        yield text(x + END / 2, 58, kind, size=14, ink=ADDRESSES[kind], bold=True, anchor="middle")
    for level in range(scheme.levels):
        x = _column(scheme, level) + CARD / 2
        words = _("level {level}").format(level=level)
        yield text(x, 58, words, room=CARD, ink="kernel", bold=True, anchor="middle")
    yield path("l-rule", (MARGIN, 68), (width - MARGIN, 68))


def _ends(scheme: Scheme) -> tuple[str, str]:
    """Whose addresses go in and come out: a table of the G-stage maps a guest's memory."""
    return ("GPA", "HPA") if scheme.extra_bits else ("VA", "PA")


def _row(scheme: Scheme, branch: Branch, y: float, seen: dict[int, tuple[float, float]]) -> Iterator[Element]:
    """One branch: its address, the entries that no row above has shown, and where it ends.

    `seen` has, by an entry's number, the height of its card, and how far down the ways from it are drawn.
    """
    middle, last = y + HEIGHT / 2, branch.entries[-1]
    size, (virtual, physical) = scheme.page_size(last.level), _ends(scheme)
    yield from _end(virtual, MARGIN, y, branch.address, _amount(last.count, size))
    before: Entry | None = None
    for entry in branch.entries:
        if entry.number not in seen:
            seen[entry.number] = (middle, middle)
            if before is not None:
                left, drawn = _column(scheme, before.level) + CARD, seen[before.number]
                yield from _way(left, drawn, (_column(scheme, entry.level), middle))
                seen[before.number] = (drawn[0], middle)
            yield from _card(scheme, entry, _column(scheme, entry.level), y)
        before = entry
    right, x = _column(scheme, last.level) + CARD, _column(scheme, -1)
    if last.rule == "leaf" and last.raw is not None:
        yield from _way(right, (middle, middle), (x, middle))
        yield from _end(physical, x, y, scheme.target(last.raw), _amount(last.count, size))
        return
    ink = "muted" if last.rule == "pointer" else "fault"
    words = _("an empty table") if last.rule == "pointer" else rule_text(last.rule)
    room = x + END - right - 12
    for number, line in enumerate(wrap(words, room, 11)[:2]):
        yield text(right + 12, middle - 3 + 14 * number, line, room=room, size=11, ink=ink)


def _way(left: float, drawn: tuple[float, float], end: tuple[float, float]) -> Iterator[Element]:
    """From an entry to what it leads to: straight on, or down from where the ways to rows above turn off."""
    turn = left + GAP / 2 - 3
    start = ((left, end[1]),) if drawn[0] == end[1] else ((turn, drawn[1]), (turn, end[1]))
    yield arrow("l-kernel d-kernel", "b-kernel", *start, end)


def _amount(count: int, size: int) -> str:
    if count == 1:
        return _("one {size} page").format(size=size_text(size))
    return _("{count} × {size}").format(count=count, size=size_text(size))


def _end(kind: str, x: float, y: float, address: int, note: str) -> Iterator[Element]:
    """An address at one end of a row."""
    who = ADDRESSES[kind]
    yield rect(x, y, END, HEIGHT, f"f-{who}", radius=4)
    yield rect(x, y, END, HEIGHT, f"l-{who} d-{who}", radius=4)
    centre, room = x + END / 2, END - 8
    yield text(centre, y + 16, f"{address:#x}", room=room, size=11, mono=True, bold=True, anchor="middle")
    yield text(centre, y + 30, note, room=room, size=11, ink=who, anchor="middle")


def _card(scheme: Scheme, entry: Entry, x: float, y: float) -> Iterator[Element]:
    """One entry, or a run of them: index, and where a pointer leads; flags, or what is wrong."""
    good = entry.rule in ("pointer", "leaf")
    ink = "kernel" if good else "fault"
    yield rect(x, y, CARD, HEIGHT, f"f-{ink}", radius=4)
    if entry.rule == "leaf":
        yield hatch(x, y, 6, HEIGHT, "l-kernel thin", 1, gap=5)
    yield rect(x, y, CARD, HEIGHT, f"l-{ink}" + " thick" * (not good), radius=4)
    index = f"[{entry.index}]" if entry.count == 1 else f"[{entry.index}–{entry.index + entry.count - 1}]"
    if entry.rule == "pointer" and entry.raw is not None:
        index += f" → {scheme.target(entry.raw):#x}"
    room = CARD - 18
    yield text(x + 12, y + 15, index, room=room, size=11, ink=ink, mono=True, bold=True)
    form = scheme.format
    flags = "?" if entry.raw is None else str(form.table[entry.raw & form.mask])
    yield text(x + 12, y + 30, flags if good else f"✗ {flags}", room=room, size=11, mono=True)


def _more(count: int, y: float, width: float) -> Element:
    words = _("… and {count} more rows").format(count=count)
    return text(MARGIN, y + 12, words, room=width - 2 * MARGIN, size=11, ink="muted")
