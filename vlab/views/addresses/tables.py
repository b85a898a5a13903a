"""Page tables side by side, drawn: each row is a run of pages, and addresses go from left to right.

Above, the way by the guest's own entry and the hypervisor's map, GVA → GPA → HPA; below it the shadow's
short-cut, GVA → HPA. Where the two do not end in the same box, the shadow is stale.
"""

from collections.abc import Iterator

from vlab.hypervisor.tables import Row, Tables, state_text
from vlab.language import _
from vlab.paging import Flags, size_text
from vlab.views.drawing.grammar import ADDRESSES
from vlab.views.drawing.metrics import text_width
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, arrow, el, path, rect, text

MOST_ROWS = 12
MARGIN = 20
BOX, BOX_HEIGHT = 156, 34
LINK = 176  # between two boxes
STRAND = 24  # the shadow's way below them
GAP = 12
COLUMNS = {kind: MARGIN + n * (BOX + LINK) for n, kind in enumerate(("GVA", "GPA", "HPA"))}
WIDTH = COLUMNS["HPA"] + BOX + MARGIN
_TURN = 22  # where the shadow's way leaves a box, and where it comes into one


def tables_picture(tables: Tables) -> Picture:
    """The three tables of a VM, of at most `MOST_ROWS` rows: those that changed, are stale, or near `focus`."""
    rows = tables.rows
    shapes = [*_title(tables), *_header(tables)]
    y = 132.0
    if not rows:
        shapes.append(text(MARGIN, y + 16, _("neither table has an entry"), ink="muted"))
        y += 30
    for shown in _chosen(tables, rows):
        if isinstance(shown, Row):
            height = BOX_HEIGHT + STRAND * _has_strand(shown)
            shapes += _row(tables, shown, y, height)
            y += height + GAP
        else:
            shapes += _left_out(shown, y)
            y += 30
    if tables.end is not None:
        words = _("from {address:#x} on there are more entries than can be shown").format(address=tables.end)
        shapes.append(text(MARGIN, y + 14, words, room=WIDTH - 2 * MARGIN, ink="muted"))
        y += 26
    return Picture(tuple(shapes), WIDTH, y + 8, repr(tables))


def _chosen(tables: Tables, rows: tuple[Row, ...]) -> Iterator[Row | list[Row]]:
    """The rows to show, and between them lists of those left out."""
    order = sorted(range(len(rows)), key=lambda number: (*_rank(tables, rows[number]), number))
    kept = set(order[:MOST_ROWS])
    out: list[Row] = []
    for number, row in enumerate(rows):
        if number not in kept:
            out.append(row)
            continue
        if out:
            yield out
        out = []
        yield row
    if out:
        yield out


def _rank(tables: Tables, row: Row) -> tuple[int, int]:
    """The lower, the sooner a row is shown."""
    if tables.focus is not None:
        return 0, max(row.gva - tables.focus, tables.focus - (row.gva + row.size - 1), 0)
    if row.guest_changed or row.shadow_changed or row.state == "stale":
        return 0, 0
    return 1 + ("same narrower hidden missing barred device nothing unmapped".split().index(row.state)), 0


def _title(tables: Tables) -> Iterator[Element]:
    if tables.root is None:
        words = _("{vm} in {view}, without paging: GVA = GPA").format(vm=tables.vm, view=tables.view.key)
    else:
        words = _("{vm} in {view}, with the root {root:#x} in satp").format(
            vm=tables.vm, view=tables.view.key, root=tables.root
        )
    yield text(MARGIN, 26, words, room=WIDTH - 2 * MARGIN - 150, size=14, bold=True)
    now = _("time {time}").format(time=tables.time)
    yield text(WIDTH - MARGIN, 26, now, room=140, ink="muted", anchor="end")
    pages = tables.pages
    order = ("stale", "narrower", "same", "hidden", "missing", "barred")
    counts = [f"{state_text(state)} {pages[state]}" for state in order if pages[state]]
    told = _("pages: {counts}").format(counts=" · ".join(counts) or 0)
    if not tables.current:
        told += " · " + _("the guest runs in another view now")
    yield text(MARGIN, 46, told, room=WIDTH - 2 * MARGIN, ink="muted")


def _header(tables: Tables) -> Iterator[Element]:
    """The names of the columns and of the ways between them; a row of the same build, so also the legend."""
    y = 76
    for kind, x in COLUMNS.items():
        yield text(x + BOX / 2, y, kind, size=14, ink=ADDRESSES[kind], bold=True, anchor="middle")
    ways = (
        ("GVA", _("guest's table") if tables.root is not None else _("no page table"), "kernel"),
        ("GPA", _("hypervisor's map"), "hypervisor"),
    )
    for kind, words, who in ways:
        middle = COLUMNS[kind] + BOX + LINK / 2
        yield text(middle, y, words, room=LINK - 8, ink=who, bold=True, anchor="middle")
    words = _("shadow page table")
    if tables.shadow_root is not None:
        words = _("shadow page table at {root:#x}: what the real MMU walks").format(root=tables.shadow_root)
    elif not tables.shadow:
        words = _("no shadow page table is built for this view yet")
    middle = (COLUMNS["GVA"] + COLUMNS["HPA"] + BOX) / 2
    yield text(middle, y + 26, words, room=WIDTH - 2 * MARGIN, ink="hypervisor", bold=True, anchor="middle")
    yield path("l-rule", (MARGIN, y + 38), (WIDTH - MARGIN, y + 38))


def _has_strand(row: Row) -> bool:
    """Whether there is something to say of the shadow."""
    return row.shadow is not None or row.state in ("missing", "barred") or row.shadow_changed


def _row(tables: Tables, row: Row, y: float, height: float) -> Iterator[Element]:
    changed = row.guest_changed or row.shadow_changed
    asked = tables.focus is not None and 0 <= tables.focus - row.gva < row.size
    if changed or asked:
        for look in ("f-lit", "l-ink") if changed else ("l-ink dashed",):
            yield rect(MARGIN - 8, y - 5, WIDTH - 2 * MARGIN + 16, height + 9, look, radius=7)
    yield from _box("GVA", y, row.gva, _size(row))
    middle = y + BOX_HEIGHT / 2
    if row.guest is None or row.gpa is None:
        yield from _ghost("GPA", y, _("not mapped"))
    else:
        yield from _link("GVA", middle, "kernel d-kernel" if tables.root is not None else "muted", "kernel")
        yield from _box("GPA", y, row.gpa, "" if row.place == "memory" else _place(row))
    yield from _guest_words(row, middle)
    if row.hpa is not None:
        yield from _link("GPA", middle, "hypervisor", "hypervisor")
        yield from _box("HPA", y, row.hpa, "")
    elif row.state == "device":
        yield from _ghost("HPA", y, _("emulated"))
    elif row.gpa is not None:
        yield from _ghost("HPA", y, _("no memory"))
    if _has_strand(row):
        yield from _strand(row, y + BOX_HEIGHT)


def _size(row: Row) -> str:
    """How many pages, and of what size the guest's entry makes them."""
    if row.page is not None and row.page > 4096 and row.page != row.size:
        return _("{size} of {page}").format(size=size_text(row.size), page=size_text(row.page))
    if row.pages == 1 or row.page == row.size:
        return _("one {size} page").format(size=size_text(row.size))
    return _("{count} pages").format(count=row.pages)


def _place(row: Row) -> str:
    return _("nothing there") if row.place == "nothing" else row.place


def _box(kind: str, y: float, address: int, note: str) -> Iterator[Element]:
    """An address in its column, and what there is to say of it."""
    x, who = COLUMNS[kind], ADDRESSES[kind]
    yield rect(x, y, BOX, BOX_HEIGHT, f"f-{who}", radius=4)
    yield rect(x, y, BOX, BOX_HEIGHT, f"l-{who} d-{who}", radius=4)
    baseline = y + (15 if note else 21)
    yield text(x + BOX / 2, baseline, f"{address:#x}", room=BOX - 8, mono=True, bold=True, anchor="middle")
    if note:
        yield text(x + BOX / 2, y + 29, note, room=BOX - 8, size=11, ink=who, anchor="middle")


def _ghost(kind: str, y: float, words: str) -> Iterator[Element]:
    """The empty place of an address that there isn't."""
    x = COLUMNS[kind]
    yield rect(x, y, BOX, BOX_HEIGHT, "l-rule dashed", radius=4)
    yield text(x + BOX / 2, y + 21, words, room=BOX - 12, size=11, ink="muted", anchor="middle")


def _link(kind: str, y: float, look: str, who: str) -> Iterator[Element]:
    x = COLUMNS[kind] + BOX
    yield arrow(f"l-{look}", f"b-{who}", (x, y), (x + LINK, y))


def _guest_words(row: Row, y: float) -> Iterator[Element]:
    """The guest's flags above its arrow, and what they, or the address, were before below it."""
    middle, room = COLUMNS["GVA"] + BOX + LINK / 2, LINK - 16
    if row.guest is not None:
        yield text(middle, y - 5, str(row.guest), room=room, mono=True, anchor="middle")
    if row.guest_changed and row.was is not None:
        if row.was.guest is None:
            words = _("was not mapped")
        elif row.was.gpa != row.gpa:
            words = _("was {address:#x}").format(address=row.was.gpa or 0)
        else:
            words = _("was {flags}").format(flags=row.was.guest)
        yield text(middle, y + 14, "● " + words, room=room, size=11, bold=True, anchor="middle")


def _strand(row: Row, y: float) -> Iterator[Element]:
    """The shadow's way: into the box above its end, into a wrong one, or nowhere."""
    left, right = COLUMNS["GVA"] + _TURN, COLUMNS["HPA"] + _TURN
    line = y + 13
    start = (left, y), (left, line)
    words, lit = _strand_words(row), row.guest_changed or row.shadow_changed  # coloured ink is too pale there
    if row.shadow is None:
        end = left + 30
        yield path("l-muted dashed", *start, (end, line))
        yield el("circle", class_="o-ink hollow", cx=end + 5, cy=line, r=4)
        yield text(end + 16, line + 4, words, room=right - end - 60, size=11, ink="ink" if lit else "muted")
        return
    stale, at = row.state == "stale", left + 12
    ink = "fault" if stale else "hypervisor"
    room = right - left - 60
    width = min(text_width(words, 11, bold=stale), room)
    yield path(f"l-{ink} thick", *start, (at, line))
    yield text(at + 6, line + 4, words, room=room, size=11, ink="ink" if lit else ink, bold=stale)
    if row.state in ("stale", "hidden") and row.reached != row.hpa:
        box = rect(COLUMNS["HPA"], y + 3, BOX, 19, f"f-{ink}", radius=4)
        edge = rect(COLUMNS["HPA"], y + 3, BOX, 19, f"l-{ink} thick{' dashed' if stale else ''}", radius=4)
        yield from (box, edge)
        address = f"{'✗ ' if stale else ''}{row.reached:#x}"
        x = COLUMNS["HPA"] + BOX / 2
        yield text(x, line + 4, address, room=BOX - 8, ink=ink, mono=True, bold=True, anchor="middle")
        yield arrow(f"l-{ink} thick", f"b-{ink}", (at + 12 + width, line), (COLUMNS["HPA"], line))
    else:
        after = (at + 12 + width, line), (right, line), (right, y)
        yield arrow(f"l-{ink} thick", f"b-{ink}", *after)


def _strand_words(row: Row) -> str:
    """What the shadow says of these pages, and what is to be said of that."""
    if row.shadow is not None:
        start = {"stale": "✗ " + _("stale") + " ", "narrower": "≤ "}.get(row.state, "✓ ") + str(row.shadow)
    else:
        start = state_text(row.state)
    parts = [start, _why(row)]
    if row.shadow_changed and row.was is not None:
        if row.was.shadow is None:
            parts.append("● " + _("was not there"))
        elif row.shadow is None or row.was.reached == row.reached:
            parts.append("● " + _("was {flags}").format(flags=row.was.shadow))
        else:
            parts.append("● " + _("was {address:#x}").format(address=row.was.reached or 0))
    return " · ".join(part for part in parts if part)


def _why(row: Row) -> str:
    """Why the state is what it is, where that needs a word."""
    if row.state == "missing":
        return _("the first access exits")
    if row.state == "narrower":
        return _("rights held back: such an access exits")
    if row.state == "hidden":
        executed = row.shadow is not None and row.shadow & Flags.X
        return _("the guest's code, translated") if executed else _("the virtual state")
    if row.state != "stale":
        return ""
    if row.guest is None:
        return _("the guest's entry is gone")
    if row.reached != row.hpa:
        return _("the guest's entry leads elsewhere")
    if not row.guest & Flags.A:
        return _("the guest's A is clear")
    return _("it allows more than the guest's entry")


def _left_out(rows: list[Row], y: float) -> Iterator[Element]:
    """A line in place of rows: how many, and what they are."""
    pages: dict[str, int] = {}
    for row in rows:
        pages[row.state] = pages.get(row.state, 0) + row.pages
    counts = ", ".join(f"{state_text(state)} {count}" for state, count in pages.items())
    words = _("… and {count} more rows from {first:#x} to {last:#x}; pages: {counts}").format(
        count=len(rows), first=rows[0].gva, last=rows[-1].gva + rows[-1].size - 1, counts=counts
    )
    yield text(MARGIN, y + 10, words, room=WIDTH - 2 * MARGIN, size=11, ink="muted")
