"""The way of an address, drawn: one page-table walk, or the whole chain GVA → GPA → HPA with the shadow's
short-cut. Where the VM is a process of a host, its virtual address there stands between: GPA → HVA → HPA.

Addresses go from left to right. Each field of the virtual address stands above the entry that it selects;
each card is one reference to a page table: where the entry stands, its raw value, its flags, and what
followed from it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from vlab.hypervisor.chain import Chain
from vlab.language import _
from vlab.paging import SV39, Scheme, Step, Walk, rule_text
from vlab.views.addresses.cards import (
    CARD,
    END,
    LINE,
    MARGIN,
    box,
    card_frame,
    fault_words,
    framed,
    ghost,
    halo,
    heading,
    mark,
    outcome,
    updates_text,
)
from vlab.views.addresses.grid import grid_picture
from vlab.views.drawing.grammar import ADDRESSES
from vlab.views.drawing.metrics import text_width, wrap
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, arrow, group, rect, text

ROOT = 76  # the column of the root register, left of the cards
CARD_HEIGHT = 104
GAP = 19
MAP = 86  # between GPA and HPA: the hypervisor's map
FIELDS = 44  # where the row of address fields begins
TABLE = 120  # where the cards of the first table begin


@dataclass(frozen=True)
class Grid:
    """Where things stand, for tables of so many levels; `process` is whether the VM is a process of a host."""

    levels: int
    process: bool = False

    def column(self, number: int) -> float:
        """The left edge of the card in this column; the one after the last holds the address reached."""
        return MARGIN + ROOT + GAP + number * (CARD + GAP)

    @property
    def end(self) -> float:
        """The left edge of the address that the table leads to."""
        return self.column(self.levels)

    @property
    def host(self) -> float:
        """The left edge of the host-physical address."""
        return self.end + (END + MAP) * (2 if self.process else 1)

    def width(self, chain: bool) -> float:
        """The whole picture's width, for a chain or for a walk alone."""
        return (self.host if chain else self.end) + END + MARGIN


def walk_picture(walk: Walk, at: int | None = None) -> Picture:
    """One walk, of one stage or of two. `at` lights a reference, counted from 0; after the last comes the result."""
    if walk.host is not None:
        return grid_picture(walk, walk.host, at)
    grid = Grid(walk.scheme.levels)
    start = _("{scheme}: {access} of {address:#x} in {mode}").format(
        scheme=walk.scheme.name, access=walk.access.title, address=walk.address, mode=walk.mode
    )
    end = len(walk.steps)
    shapes = [
        heading(start, grid.width(False)),
        *_cards(grid, walk, "kernel", TABLE, at=at),
        mark(end, at, _result(grid.end, TABLE, CARD_HEIGHT, "PA", walk.physical, fault_words(walk), "")),
        *_root(grid, walk, "satp" if walk.scheme.mode else "CR3", _("page table"), "kernel", TABLE),
        *_arrows(grid, walk, "kernel", TABLE, grid.end),
        *_fields(grid, walk, "VA"),
    ]
    rules = [(_decided(_("Page table"), walk), "kernel")]
    return framed(shapes, rules, grid.width(False), TABLE + CARD_HEIGHT + 4, repr(walk))


def chain_picture(chain: Chain) -> Picture:
    """The guest's table above, GPA and HPA to its right; below, the shadow, which leads to HPA at once."""
    walks = [walk for walk in (chain.guest, chain.shadow) if walk]
    grid = Grid(max((walk.scheme.levels for walk in walks), default=SV39.levels), chain.hva is not None)
    width, below = grid.width(True), TABLE + CARD_HEIGHT + 44
    start = _("{access} of GVA {gva:#x} in {mode}").format(
        access=chain.access.title, gva=chain.gva, mode=chain.mode
    )
    shapes = [
        heading(start, width),
        *(_fields(grid, walks[0], "GVA", reads=chain.guest is not None) if walks else ()),
        *_guest_row(grid, chain),
        *_shadow_row(grid, chain, below),
        *_host(grid.host, below, chain),
    ]
    return framed(shapes, _chain_rules(chain), width, below + CARD_HEIGHT + 4, repr(chain))


def _guest_row(grid: Grid, chain: Chain) -> Iterator[Element]:
    """The guest's own translation, and the hypervisor's map of guest-physical memory after it."""
    if chain.guest:
        yield from _root(grid, chain.guest, _("guest's satp"), _("guest's page table"), "kernel", TABLE)
        yield from _cards(grid, chain.guest, "kernel", TABLE)
        yield from _arrows(grid, chain.guest, "kernel", TABLE, grid.end)
        failed = fault_words(chain.guest)
    else:
        words = _("the guest runs without paging: GPA = GVA")
        yield from _note(grid, words, "kernel", TABLE)
        failed = []
    place = {"memory": _("memory"), "nothing": _("nothing")}.get(chain.place, chain.place)
    yield _result(grid.end, TABLE, CARD_HEIGHT, "GPA", chain.gpa, failed, place)
    if chain.gpa is None:
        return
    if chain.hva is not None:
        yield from _process(grid, chain.hva, chain.gpa)
        return
    ink = "fault" if chain.place == "nothing" else "hypervisor"
    look = f"l-{ink}" + " dashed" * (chain.hpa is None)
    yield from _mapped(grid.end + END, _("the hypervisor's map"), look, ink, "hypervisor")


def _process(grid: Grid, hva: int, gpa: int) -> Iterator[Element]:
    """The VM is a process of a host: its memory is a piece of that one's virtual address space."""
    who = ADDRESSES["HVA"]
    left = grid.end + END
    yield from _mapped(left, _("+ offset"), "l-hypervisor", "hypervisor", "hypervisor")
    words = [f"{hva:#x}", _("in the VM's process"), f"+ {hva - gpa:#x}"]
    yield box(left + MAP, TABLE, END, CARD_HEIGHT, "HVA", who, words, mono=True)
    yield from _mapped(left + MAP + END, _("the host's page table"), f"l-{who} d-{who}", who, who)


def _mapped(left: float, words: str, look: str, head: str, ink: str) -> Iterator[Element]:
    """From the box of one address to that of the next, and by what."""
    middle = TABLE + CARD_HEIGHT / 2
    yield arrow(look, f"b-{head}", (left, middle), (left + MAP, middle))
    lines = wrap(words, MAP - 8, 11)
    for number, line in enumerate(lines):
        y = middle - 8 - 14 * (len(lines) - 1 - number)
        yield text(left + MAP / 2, y, line, size=11, ink=ink, anchor="middle")


def _shadow_row(grid: Grid, chain: Chain, y: float) -> Iterator[Element]:
    """The shadow table, which the real machine walks, and its arrow straight to the host-physical address."""
    if chain.shadow is None:
        yield from _note(grid, _("no shadow table is loaded"), "hypervisor", y)
        return
    yield from _root(grid, chain.shadow, _("shadow's root"), _("shadow page table"), "hypervisor", y)
    yield from _cards(grid, chain.shadow, "hypervisor", y)
    yield from _arrows(grid, chain.shadow, "hypervisor", y, grid.host)
    if chain.shadow.fault is None:
        words, middle = _("short-cut: GVA → HPA"), grid.end + END / 2
        y += CARD_HEIGHT / 2 - 8
        yield text(middle, y, words, room=END + 40, size=11, ink="hypervisor", anchor="middle")
    else:
        words = "✗ " + chain.shadow.fault.title
        yield text(grid.end, y + 40, words, room=END + MAP - 12, size=11, ink="fault", bold=True)
        for number, line in enumerate(wrap(_("the hart traps to the hypervisor"), END + MAP - 12, 11)):
            yield text(grid.end, y + 40 + LINE * (number + 1), line, size=11, ink="fault")


def _root(grid: Grid, walk: Walk, register: str, name: str, who: str, y: float) -> Iterator[Element]:
    """Whose table it is, and the register that holds its root."""
    room, middle = ROOT + GAP - 10, y + CARD_HEIGHT / 2
    lines = wrap(name, room, 11, bold=True)[:3]
    top = y + (12 if len(lines) < 3 else 7)  # a third line must stay off the arrow
    for number, line in enumerate(lines):
        yield text(MARGIN, top + 14 * number, line, size=11, ink=who, bold=True)
    yield arrow(f"l-{who} d-{who}", f"b-{who}", (MARGIN, middle - 8), (grid.column(0), middle - 8))
    lines = wrap(register, room, 11)
    for number, line in enumerate(lines):
        yield text(MARGIN, middle + 10 + 14 * number, line, size=11, ink=who)
    yield text(MARGIN, middle + 12 + 14 * len(lines), f"{walk.root:#x}", room=room, size=11, mono=True)


def _fields(grid: Grid, walk: Walk, kind: str, reads: bool = True) -> Iterator[Element]:
    """The virtual address, cut into the fields that select an entry at each level, and the offset in the
    page.

    `reads` is whether the table below is read, so that the fields point into it.
    """
    who, y, height = ADDRESSES[kind], FIELDS, 38
    yield text(MARGIN, y + 24, kind, size=13, ink=who, bold=True)
    leaf = walk.level if walk.fault is None else 0
    reached = len(walk.steps) if reads else 0
    for number, (level, shift, mask) in enumerate(walk.scheme.descent):
        if level < (leaf or 0):
            break
        label, value = walk.scheme.format.index_name(level), f"{walk.address >> shift & mask:#x}"
        yield from _field(grid.column(number), CARD, label, value, who)
        if number < reached:
            middle = grid.column(number) + CARD / 2
            yield arrow(f"l-{who} d-{who}", f"b-{who}", (middle, y + height), (middle, TABLE))
    size = walk.scheme.page_size(leaf or 0)
    left = grid.column(walk.scheme.levels - (leaf or 0))
    label = _("offset, {bits} bits").format(bits=size.bit_length() - 1)
    yield from _field(left, grid.end + END - left, label, f"{walk.address % size:#x}", who)
    if walk.fault is None and reads:
        middle = grid.end + END / 2
        yield arrow(f"l-{who} d-{who}", f"b-{who}", (middle, y + height), (middle, TABLE))


def _field(x: float, width: float, label: str, value: str, who: str) -> Iterator[Element]:
    yield rect(x, FIELDS, width, 38, f"f-{who}")
    yield rect(x, FIELDS, width, 38, f"l-{who}")
    yield text(x + width / 2, FIELDS + 15, label, room=width - 8, size=11, ink=who, anchor="middle")
    yield text(x + width / 2, FIELDS + 31, value, room=width - 8, mono=True, bold=True, anchor="middle")


def _cards(grid: Grid, walk: Walk, who: str, y: float, *, at: int | None = None) -> Iterator[Element]:
    """One card a reference, and an empty place for each that a fault kept from being made."""
    for number, step in enumerate(walk.steps):
        card = _card(grid.column(number), y, step, who, walk.scheme)
        yield mark(number, at, group([halo(grid.column(number), y, CARD, CARD_HEIGHT), *card]))
    for number in range(len(walk.steps), walk.scheme.levels) if walk.fault is not None else ():
        yield from ghost(grid.column(number), y, CARD, CARD_HEIGHT, _("not reached"))


def _arrows(grid: Grid, walk: Walk, who: str, y: float, end: float) -> Iterator[Element]:
    """From each card to the next, and from the last one to the address reached, which stands at `end`."""
    middle = y + CARD_HEIGHT / 2
    for number in range(1, len(walk.steps)):
        x = grid.column(number)
        yield arrow(f"l-{who} d-{who}", f"b-{who}", (x - GAP, middle), (x, middle))
    if walk.fault is None:
        left = grid.column(len(walk.steps)) - GAP
        yield arrow(f"l-{who} d-{who} thick", f"b-{who}", (left, middle), (end, middle))


def _card(x: float, y: float, step: Step, who: str, scheme: Scheme) -> Iterator[Element]:
    """One reference to a page table."""
    ink = "fault" if step.verdict == "fault" else who
    yield from card_frame(x, y, CARD, CARD_HEIGHT, who, ink)
    title = _("level {level} · entry {index}").format(level=step.level, index=step.index)
    size = 11 if text_width(title, 11, bold=True) <= CARD - 14 else 10
    yield text(x + 7, y + 22, title, room=CARD - 14, size=size, ink=ink, bold=True)
    yield text(x + 7, y + 40, f"@ {step.address:#x}", room=CARD - 14, size=11, mono=True)
    raw = _("not readable") if step.raw is None else f"{step.raw:#x}"
    yield text(x + 7, y + 57, raw, room=CARD - 14, size=11, mono=True, bold=True)
    yield text(
        x + 7, y + 74, "" if step.flags is None else str(step.flags), room=CARD - 14, size=11, mono=True
    )
    if step.raw is None or step.verdict == "fault":
        words = f"✗ {step.rule}"
    else:
        words = f"→ {scheme.target(step.raw):#x}"
    yield outcome(x, y + 93, words, ink)


def _result(
    x: float, y: float, height: float, kind: str, address: int | None, failed: list[str], note: str
) -> Element:
    """The box of a physical address, or of the fault in its place."""
    who = "fault" if address is None else ADDRESSES[kind]
    words = failed if address is None else [f"{address:#x}", note]
    return box(x, y, END, height, kind, who, words, mono=address is not None)


def _host(x: float, below: float, chain: Chain) -> Iterator[Element]:
    """Where both ways should end; a stale shadow ends in a box of its own."""
    if not chain.stale and not chain.hidden:
        yield _host_box(x, below + CARD_HEIGHT - TABLE, chain)
        return
    yield _host_box(x, CARD_HEIGHT, chain)
    address = f"{chain.shadow.physical:#x}" if chain.shadow else ""
    who, what = ("hypervisor", _("the technique's own")) if chain.hidden else ("fault", _("stale"))
    yield box(x, below, END, CARD_HEIGHT, "HPA", who, [address, what], mono=True)


def _host_box(x: float, height: float, chain: Chain) -> Element:
    """The box of the host-physical address, or of what happens instead."""
    if chain.hpa is not None:
        return box(x, TABLE, END, height, "HPA", "machine", [f"{chain.hpa:#x}"], mono=True)
    if chain.gpa is None:
        return group(ghost(x, TABLE, END, height, _("HPA: not reached")))
    if chain.place == "nothing":
        who, words = "fault", _("nothing is there: an access fault for the guest")
    else:
        who, words = "hypervisor", _("no memory: the hypervisor emulates the device")
    return box(x, TABLE, END, height, "HPA", who, wrap(words, END - 12, 11))


def _note(grid: Grid, words: str, who: str, y: float) -> Iterator[Element]:
    """A row with no table: why there is none."""
    left, right = grid.column(0), grid.column(grid.levels) - GAP
    yield rect(left, y, right - left, CARD_HEIGHT, "l-rule dashed", radius=4)
    middle = (left + right) / 2
    yield text(middle, y + CARD_HEIGHT / 2 + 4, words, room=right - left - 12, ink=who, anchor="middle")


def _decided(name: str, walk: Walk) -> str:
    """The rule that decided, in words, and what the hardware writes back."""
    words = f"{name}: {rule_text(walk.rule)}."
    if walk.update is None:
        return words
    letters = updates_text(walk, walk.updates)
    if len(walk.updates) > 1:
        return words + " " + _("The hardware sets {letters} on its way.").format(letters=letters)
    return words + " " + _("The hardware sets {letters} in it.").format(letters=letters)


def _chain_rules(chain: Chain) -> Iterator[tuple[str, str]]:
    if chain.guest:
        yield _decided(_("Guest's table"), chain.guest), "kernel"
    if chain.shadow is None:
        return
    if chain.shadow.fault:
        yield _decided(_("Shadow"), chain.shadow), "hypervisor"
    elif chain.stale:
        stale = _("The shadow is stale: it leads to {address:#x}.").format(address=chain.shadow.physical)
        yield stale, "fault"
    else:
        yield _decided(_("Shadow"), chain.shadow), "hypervisor"
