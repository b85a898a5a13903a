"""A walk of two stages, drawn as the grid of the textbooks.

A row for each level of the guest's table, and a last one for the address that it leads to; a column for each
level of the host's. A row begins with the guest-physical address that is wanted and goes through the host's
table to the host-physical one: there, in the last column, stands the guest's entry, which leads to the next
row. References are numbered in their order. A larger page makes its row, or the number of rows, shorter.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as fresh

from vlab.language import _
from vlab.paging import G_STAGE, VS_STAGE, Host, Step, Walk, rule_text, size_text
from vlab.views.addresses.cards import (
    CARD,
    LINE,
    MARGIN,
    box,
    card_frame,
    framed,
    ghost,
    halo,
    heading,
    mark,
    outcome,
    updates_text,
)
from vlab.views.drawing.metrics import wrap
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, arrow, el, group, rect, text

LEFT = 122  # the column of guest-physical addresses and of the fields of the guest-virtual one
GAP = 16
TOP = 104  # where the first row begins
HEIGHT = 92
ROW = HEIGHT + 30
GPA_HEIGHT, FIELD_HEIGHT = 46, 36  # a field stands under the address that it helps to make


@dataclass
class Row:
    """What one row shows: the walk of the host's table to `gpa`, and the guest's entry read there.

    `field` is the part of the guest-virtual address that counts here, by name and by value. References carry
    their numbers, counted from 0.
    """

    field: tuple[str, str]
    gpa: int | None = None
    below: list[tuple[int, Step]] = fresh(default_factory=list)
    entry: tuple[int, Step] | None = None


@dataclass(frozen=True)
class Grid:
    """Where things stand, for a host's table of so many levels."""

    levels: int

    def column(self, number: int) -> float:
        """The left edge of a column; the one after the host's levels is the guest's."""
        return MARGIN + LEFT + GAP + number * (CARD + GAP)

    @property
    def last(self) -> float:
        """The left edge of the guest's entries and of the result."""
        return self.column(self.levels)

    @property
    def width(self) -> float:
        """The whole picture's width."""
        return self.last + CARD + MARGIN


def grid_picture(walk: Walk, host: Host, at: int | None = None) -> Picture:
    """One walk of two stages. `at` lights one reference, counted from 0; after the last comes the result."""
    grid, rows = Grid(host.scheme.levels), list(_rows(walk))
    start = _("{scheme}: {access} of GVA {address:#x} in {mode}").format(
        scheme=walk.schemes, access=walk.access.title, address=walk.address, mode=walk.mode_name
    )
    shapes = [heading(start, grid.width), *_headings(grid, walk, host)]
    for number, row in enumerate(rows):
        y = TOP + number * ROW
        shapes += _left(row, y, walk, number == len(rows) - 1)
        shapes += _host_cards(grid, row, y, host, at)
        if number < len(rows) - 1:
            shapes += _guest_entry(grid, row, y, walk, at)
            shapes += _to_next(grid, row, y, rows[number + 1])
    bottom = TOP + (len(rows) - 1) * ROW
    shapes.append(mark(len(walk.steps), at, _result(grid.last, bottom, walk)))
    return framed(shapes, _rules(walk), grid.width, bottom + HEIGHT + 4, repr(walk))


def _rows(walk: Walk) -> Iterator[Row]:
    """The rows: those that a fault left empty too, as if there were only small pages."""
    numbered, leaf = list(enumerate(walk.steps)), 0
    gpa_at_fault = None if walk.rule == "update-refused" else walk.fault_gpa
    for level, shift, mask in walk.scheme.descent:
        row = Row((walk.scheme.format.index_name(level), f"{walk.address >> shift & mask:#x}"))
        _take(row, numbered)
        if row.entry is None and row.gpa is None:
            row.gpa, gpa_at_fault = gpa_at_fault, None
        elif row.entry is None:
            gpa_at_fault = None
        yield row
        if row.entry and row.entry[1].verdict == "leaf":
            leaf = level
            break
    size = walk.scheme.page_size(leaf)
    last = Row(
        (_("offset, {bits} bits").format(bits=size.bit_length() - 1), f"{walk.address % size:#x}"), walk.gpa
    )
    _take(last, numbered)
    yield last


def _take(row: Row, numbered: list[tuple[int, Step]]) -> None:
    """Move the references of one row from the list to it."""
    while numbered and row.entry is None:
        if numbered[0][1].stage == G_STAGE and row.below and numbered[0][1].gpa != row.gpa:
            return
        number, step = numbered.pop(0)
        if step.stage == G_STAGE:
            row.below.append((number, step))
            row.gpa = step.gpa
        else:
            row.entry, row.gpa = (number, step), step.address


def _headings(grid: Grid, walk: Walk, host: Host) -> Iterator[Element]:
    """What the columns are: the tables, their roots, and the host's levels."""
    registers = ("vsatp", "hgatp") if walk.scheme.mode else ("CR3", "nCR3")
    y = 54
    yield text(MARGIN, y, _("GVA, by fields"), room=LEFT, size=11, ink="process", bold=True)
    yield text(MARGIN, y + LINE, f"{registers[0]} {walk.root:#x}", room=LEFT, size=11, ink="kernel")
    if walk.steps or walk.fault_gpa is not None:
        middle = MARGIN + LEFT / 2
        yield arrow("l-kernel d-kernel", "b-kernel", (middle, y + LINE + 6), (middle, TOP))
    words = _("G-stage: the host's table, {register} {root:#x}").format(register=registers[1], root=host.root)
    room = grid.last - GAP - grid.column(0)
    yield text(grid.column(0), y, words, room=room, size=11, ink="hypervisor", bold=True)
    yield rect(grid.column(0), y + 5, room, 2, "b-hypervisor")
    for number, (level, _shift, _mask) in enumerate(host.scheme.descent):
        words = _("level {level}").format(level=level)
        if host.scheme.format.fields:
            words = host.scheme.format.index_name(level)
        centre = grid.column(number) + CARD / 2
        yield text(centre, y + LINE + 5, words, room=CARD, size=11, ink="hypervisor", anchor="middle")
    yield text(grid.last, y, _stage(VS_STAGE), room=CARD, size=11, ink="kernel", bold=True)
    yield rect(grid.last, y + 5, CARD, 2, "b-kernel")
    words = _("the guest's entry")
    yield text(grid.last + CARD / 2, y + LINE + 5, words, room=CARD, size=11, ink="kernel", anchor="middle")


def _left(row: Row, y: float, walk: Walk, final: bool) -> Iterator[Element]:
    """The guest-physical address that the row translates, and the field that helped to make it."""
    name, value = row.field
    below = y + HEIGHT - FIELD_HEIGHT
    if row.gpa is None:
        yield from ghost(MARGIN, y, LEFT, GPA_HEIGHT, _("not reached"))
    else:
        ink = "fault" if row.gpa == walk.fault_gpa and not row.below else "kernel"
        yield rect(MARGIN, y, LEFT, GPA_HEIGHT, f"f-{ink}", radius=4)
        yield rect(MARGIN, y, LEFT, GPA_HEIGHT, f"l-{ink} thick d-kernel", radius=4)
        middle = MARGIN + LEFT / 2
        label = "✗ GPA" if ink == "fault" else "GPA"
        yield text(middle, y + 18, label, room=LEFT - 8, ink=ink, bold=True, anchor="middle")
        words = f"{row.gpa:#x}"
        yield text(middle, y + 36, words, room=LEFT - 8, size=11, mono=True, bold=True, anchor="middle")
        yield arrow("l-process", "b-process", (middle, below), (middle, y + GPA_HEIGHT), size=6)
    yield rect(MARGIN, below, LEFT, FIELD_HEIGHT, "f-process")
    yield rect(MARGIN, below, LEFT, FIELD_HEIGHT, "l-process d-process")
    yield text(MARGIN + LEFT / 2, below + 14, name, room=LEFT - 8, size=11, ink="process", anchor="middle")
    yield text(
        MARGIN + LEFT / 2, below + 30, value, room=LEFT - 8, size=11, mono=True, bold=True, anchor="middle"
    )


def _host_cards(grid: Grid, row: Row, y: float, host: Host, at: int | None) -> Iterator[Element]:
    """The references to the host's table, and the way through a large page, or what was not reached."""
    middle = y + GPA_HEIGHT / 2
    left: float = MARGIN + LEFT
    for column, (number, step) in enumerate(row.below):
        x = grid.column(column)
        yield arrow("l-hypervisor", "b-hypervisor", (left, middle), (x, middle))
        yield mark(number, at, _card(x, y, number, step, "hypervisor", host.scheme.target(step.raw or 0)))
        left = x + CARD
    if not row.below or row.below[-1][1].verdict == "fault":
        for column in range(len(row.below), grid.levels):
            yield from ghost(grid.column(column), y, CARD, HEIGHT, _("not reached"))
        return
    yield arrow("l-machine thick", "b-machine", (left, middle), (grid.last, middle))
    if len(row.below) < grid.levels:
        words = _("{size} page → HPA").format(size=size_text(host.scheme.page_size(row.below[-1][1].level)))
        room, centre = grid.last - left - 12, (left + grid.last) / 2
        yield text(centre, middle - 8, words, room=room, size=11, ink="machine", anchor="middle")


def _guest_entry(grid: Grid, row: Row, y: float, walk: Walk, at: int | None) -> Iterator[Element]:
    """The guest's entry, at the end of the row."""
    if row.entry is None:
        yield from ghost(grid.last, y, CARD, HEIGHT, _("not reached"))
        return
    number, step = row.entry
    yield mark(number, at, _card(grid.last, y, number, step, "kernel", walk.scheme.target(step.raw or 0)))


def _to_next(grid: Grid, row: Row, y: float, after: Row) -> Iterator[Element]:
    """From the guest's entry to the next row's guest-physical address."""
    if row.entry is None or after.gpa is None:
        return
    right, left, lane = grid.last + CARD / 2, MARGIN + LEFT / 2, y + HEIGHT + (ROW - HEIGHT) / 2
    points = ((right, y + HEIGHT), (right, lane), (left, lane), (left, y + ROW))
    yield arrow("l-kernel d-kernel", "b-kernel", *points)


def _card(x: float, y: float, number: int, step: Step, who: str, target: int) -> Element:
    """One reference: its number, where the entry really stands, its raw value, its flags, what followed."""
    ink = "fault" if step.verdict == "fault" else who
    room = CARD - 14
    at = step.address if step.hpa is None else step.hpa
    raw = _("not readable") if step.raw is None else f"{step.raw:#x}"
    flags = "" if step.flags is None else str(step.flags)
    result = f"✗ {step.rule}" if step.verdict == "fault" else f"→ {target:#x}"
    title = _("entry {index}").format(index=step.index)
    return group(
        [
            halo(x, y, CARD, HEIGHT),
            *card_frame(x, y, CARD, HEIGHT, who, ink),
            text(x + 7, y + 21, title, room=room - 26, size=11, ink=ink, bold=True),
            el("circle", class_=f"o-{ink}", cx=x + CARD - 17, cy=y + 19, r=10),
            text(x + CARD - 17, y + 23, str(number + 1), size=11, ink=ink, bold=True, anchor="middle"),
            text(x + 7, y + 38, f"@ {at:#x}", room=room, size=11, mono=True),
            text(x + 7, y + 54, raw, room=room, size=11, mono=True, bold=True),
            text(x + 7, y + 69, flags, room=room, size=11, mono=True),
            outcome(x, y + 85, result, ink),
        ]
    )


def _result(x: float, y: float, walk: Walk) -> Element:
    """The host-physical address, or the fault instead."""
    if walk.physical is not None:
        return box(x, y, CARD, HEIGHT, "HPA", "machine", [f"{walk.physical:#x}"], mono=True)
    assert walk.fault is not None
    return box(x, y, CARD, HEIGHT, "HPA", "fault", wrap(f"✗ {walk.fault.title}", CARD - 12, 11))


def _stage(stage: str) -> str:
    """A stage's name in the reader's language."""
    return {VS_STAGE: _("VS-stage"), G_STAGE: _("G-stage")}[stage]


def _rules(walk: Walk) -> Iterator[tuple[str, str]]:
    """The rule that decided, in words; of a guest-page fault, what the hypervisor is told; what is written."""
    decider = walk.steps[-1].stage if walk.steps else VS_STAGE
    if walk.fault_gpa is not None:
        decider = G_STAGE
    who = "hypervisor" if decider == G_STAGE else "kernel"
    yield f"{_stage(decider)}: {rule_text(walk.rule)}.", "fault" if walk.fault is not None else who
    if walk.fault_gpa is not None:
        words = _("htval = {htval:#x}, that is GPA {gpa:#x} shifted right by 2; stval holds the GVA.")
        if not walk.scheme.mode:
            words = _("The hypervisor is told GPA {gpa:#x}.")
        words = words.format(htval=walk.fault_gpa >> 2, gpa=walk.fault_gpa)
        if walk.implicit:
            words += " " + _(
                "Not the program's own access was refused, but the walker's to the guest's table."
            )
        yield words, "hypervisor"
    own = {step.hpa for step in walk.steps if step.stage == VS_STAGE}
    for stage, who, mine in ((VS_STAGE, "kernel", True), (G_STAGE, "hypervisor", False)):
        if updates := [update for update in walk.updates if (update.address in own) == mine]:
            words = _("{stage}: the hardware sets {letters} (entries written: {count}).")
            letters = updates_text(walk, updates)
            yield words.format(stage=_stage(stage), letters=letters, count=len(updates)), who
    yield _("@ is where an entry stands in host-physical memory."), "machine"
