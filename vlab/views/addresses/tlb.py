"""The TLB, drawn: the sets of each context as a grid, the filled ones marked, and what they hold in words."""

from collections.abc import Iterator
from dataclasses import replace

from vlab.events import TlbFill
from vlab.language import _
from vlab.machine.choices import TLB_ENTRIES
from vlab.machine.memory import PAGE
from vlab.machine.pmp import R, W, X
from vlab.machine.tlb import Tlb, TlbContext, TlbEntry, TlbRun, context_title
from vlab.riscv.privilege import access_title
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, el, group, path, rect, text
from vlab.views.terms import term

MOST_ENTRIES = 8  # of a context, in words
MOST_CONTEXTS = 6
MARGIN = 20
COLUMNS, CELL = 64, 9
ROWS = TLB_ENTRIES // COLUMNS
INDEX = 46  # the column of the rows' first indices
GRID_HEIGHT = ROWS * CELL
_GRID = MARGIN + INDEX
_LIST = _GRID + COLUMNS * CELL + 22
WIDTH = _LIST + 356 + MARGIN
_LINE = 16


def tlb_run_picture(run: TlbRun) -> Picture:
    """A watched run: the TLB at its end, with all its counts."""
    picture = tlb_picture(replace(run[-1], tally=run.tally))
    return Picture(picture.shapes, picture.width, picture.height, repr(run))


def tlb_picture(tlb: Tlb) -> Picture:
    """The contexts that hold something, have just lost it, or are in use."""
    dropped = {context.name: context for context in tlb.dropped}
    shown = [
        context
        for context in tlb.contexts
        if context.entries or context.name in dropped or context.name in (tlb.fetches, tlb.data)
    ]
    shapes = [*_header(tlb)]
    y = 78.0
    for context in shown[:MOST_CONTEXTS]:
        shapes += _name(tlb, context, y)
        if context.entries or context.name in dropped:
            shapes += _context(tlb, context, dropped.get(context.name), y)
            y += GRID_HEIGHT + 22
        y += 34
    if (more := len(shown) - MOST_CONTEXTS) > 0:
        shapes.append(text(MARGIN, y, _("… and {count} more contexts").format(count=more), ink="muted"))
        y += 20
    shapes += _legend(y)
    return Picture(tuple(shapes), WIDTH, y + 20, repr(tlb))


def _header(tlb: Tlb) -> Iterator[Element]:
    """The time, the counts, and what has just happened."""
    title = _("TLB at time {time}").format(time=tlb.time)
    yield text(MARGIN, 26, title, room=300, size=14, bold=True)
    if tlb.tally is not None:
        hits, misses, flushes = tlb.tally
        counts = _("hits {hits} · misses {misses} · flushes {flushes}").format(
            hits=hits, misses=misses, flushes=flushes
        )
        yield text(WIDTH - MARGIN, 26, counts, room=WIDTH - 360, size=14, bold=True, anchor="end")
    if tlb.last is None:
        return
    if isinstance(tlb.last, TlbFill):
        words = _("✗ miss: {access} of {address:#x} in {context}; the page table is walked, and {set} filled")
        filled = tlb.filled
        said = words.format(
            access=access_title(tlb.last.access),
            address=tlb.last.address,
            context=context_title(tlb.last.context),
            set="" if filled is None else _("set {index:#05x}").format(index=filled.index),
        )
        if tlb.evicted is not None:
            said += " " + _("(instead of page {page:#x})").format(page=tlb.evicted.page * PAGE)
        yield text(MARGIN, 48, said, room=WIDTH - 2 * MARGIN)
    else:
        said = _("flush ({reason}): every translation is forgotten").format(reason=term(tlb.last.reason))
        yield text(MARGIN, 48, said, room=WIDTH - 2 * MARGIN, ink="fault", bold=True)


def _name(tlb: Tlb, context: TlbContext, y: float) -> Iterator[Element]:
    """A context's name, how full it is, and what it is in use for."""
    name = _("context {name}: {count} of {sets} sets").format(
        name=context_title(context.name), count=len(context.entries), sets=TLB_ENTRIES
    )
    uses = ((_("fetches"), tlb.fetches), (_("data"), tlb.data))
    used = [words for words, in_use in uses if in_use == context.name]
    if used:
        name += " · " + _("in use for {what}").format(what=", ".join(used))
    yield text(MARGIN, y + 4, name, room=_LIST - MARGIN - 20, bold=True)


def _context(tlb: Tlb, context: TlbContext, dropped: TlbContext | None, y: float) -> Iterator[Element]:
    """The grid of a context's sets, and its entries in words."""
    filled = tlb.filled if _is_of(tlb, context) else None
    yield from _grid(context, dropped, filled, y + 16)
    yield from _list(context, dropped, filled, y + 4)


def _is_of(tlb: Tlb, context: TlbContext) -> bool:
    return isinstance(tlb.last, TlbFill) and tlb.last.context == context.name


def _grid(
    context: TlbContext, dropped: TlbContext | None, filled: TlbEntry | None, y: float
) -> Iterator[Element]:
    """The sets, in rows of 64. Their lines are one path; only what is filled or was dropped has a mark."""
    right, bottom = _GRID + COLUMNS * CELL, y + GRID_HEIGHT
    yield rect(_GRID, y, COLUMNS * CELL, GRID_HEIGHT, "f-machine")
    for row in range(0, ROWS + 1, 4):
        at = y + row * CELL
        yield path("l-rule thin", (_GRID, at), (right, at))
        if row < ROWS:
            words = f"{row * COLUMNS:#05x}"
            yield text(_GRID - 6, at + 9, words, room=INDEX, size=10, ink="muted", mono=True, anchor="end")
    for column in range(0, COLUMNS + 1, 16):
        yield path("l-rule thin", (_GRID + column * CELL, y), (_GRID + column * CELL, bottom))
    for entry in dropped.entries if dropped is not None else ():
        x, top = _cell(entry, y)
        yield rect(x + 1, top + 1, CELL - 2, CELL - 2, "l-fault")
    if filled is not None:
        x, top = _cell(filled, y)
        yield rect(x - 4, top - 4, CELL + 8, CELL + 8, "f-lit")
        yield rect(x - 4, top - 4, CELL + 8, CELL + 8, "l-ink thick")
    for entry in context.entries:
        yield _mark(entry.rights, *_cell(entry, y))


def _cell(entry: TlbEntry, y: float) -> tuple[float, float]:
    row, column = divmod(entry.index, COLUMNS)
    return _GRID + column * CELL, y + row * CELL


def _mark(rights: int, x: float, y: float) -> Element:
    """A filled set: a square for code, a disc for data."""
    if rights & X:
        return rect(x + 1, y + 1, CELL - 2, CELL - 2, "b-kernel")
    return el("circle", class_="b-process", cx=x + CELL / 2, cy=y + CELL / 2, r=CELL / 2 - 0.7)


def _list(
    context: TlbContext, dropped: TlbContext | None, filled: TlbEntry | None, y: float
) -> Iterator[Element]:
    """The entries in words: set, virtual page (the tag), physical page, rights."""
    gone = not context.entries and dropped is not None
    entries = dropped.entries if gone and dropped is not None else context.entries
    head = _("set, virtual page → physical page, rights")
    yield text(_LIST, y, head, room=WIDTH - MARGIN - _LIST, size=11, ink="muted")
    order = sorted(entries, key=lambda entry: (entry != filled, entry.index))
    shown = sorted(order[:MOST_ENTRIES], key=lambda entry: entry.index)
    top = y + 12
    for entry in shown:
        lit = entry == filled
        if lit:
            yield rect(_LIST - 5, top, WIDTH - MARGIN - _LIST + 10, _LINE, "f-lit", radius=3)
        yield from _entry(entry, top + 12, gone, lit)
        top += _LINE
    if more := len(entries) - len(shown):
        yield text(_LIST, top + 12, _("… and {count} more").format(count=more), size=11, ink="muted")


def _entry(entry: TlbEntry, y: float, gone: bool, lit: bool) -> Iterator[Element]:
    rights = "".join(letter if entry.rights & bit else "-" for letter, bit in (("R", R), ("W", W), ("X", X)))
    page, frame = f"{entry.page * PAGE:#x}", f"{entry.frame * PAGE:#x}"
    parts = ((0, f"{entry.index:#05x}"), (48, page), (176, "→"), (196, frame), (310, rights))
    for x, words in parts:
        yield text(_LIST + x, y, words, size=11, ink="fault" if gone else "ink", mono=True, bold=lit)
    if gone:
        yield text(_LIST + 342, y, "✗", size=11, ink="fault", bold=True)


def _legend(y: float) -> Iterator[Element]:
    marks = (
        (_mark(X, MARGIN, y - 8), _("code")),
        (_mark(R, MARGIN, y - 8), _("data")),
        (rect(MARGIN + 1, y - 7, CELL - 2, CELL - 2, "l-fault"), _("forgotten by this flush")),
        (rect(MARGIN - 1, y - 9, CELL + 2, CELL + 2, "l-ink thick"), _("filled by this miss")),
    )
    for number, (mark, words) in enumerate(marks):
        x = 190 * number
        yield group([mark], transform=f"translate({x} 0)")
        yield text(MARGIN + 16 + x, y, words, room=160, size=11, ink="muted")
