"""A VM's tables side by side: guest-virtual → guest-physical → host-physical, and the shadow's short-cut.

Three tables tell of each page: the guest's own (GVA → GPA), the hypervisor's map (GPA → HPA), and the shadow
(GVA → HPA), which the real MMU walks. What the shadow says must follow from the other two; a `Row` says
whether it does.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import IntFlag
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from vlab.display import Drawn, one_line
from vlab.hypervisor.shadow import View
from vlab.language import VlabError, _
from vlab.machine.memory import PAGE
from vlab.machine.mmu import Key, rights
from vlab.machine.pmp import R, W, X
from vlab.paging import SV39, Flags, Mapping, PageTable, make_satp, mode_of, parse_satp
from vlab.riscv import Mode

if TYPE_CHECKING:
    from vlab.hypervisor.virtualmachine import VirtualMachine

MOST_ENTRIES = 1 << 14  # of one table: a hostile guest's must not fill the host's memory
MOST_PARTS = 1 << 16  # where the entries of a table meet the runs of the hypervisor's map
_UNPAGED = Flags.V | Flags.R | Flags.W | Flags.X | Flags.A | Flags.D
_COUNTED = ("stale", "narrower", "same", "hidden", "missing", "barred")


class Span(NamedTuple):
    """Neighbouring bytes of guest-physical memory: RAM that lies at `hpa`, or (None) a device's window.

    `place` is "memory" or the device's name.
    """

    gpa: int
    size: int
    hpa: int | None
    place: str


class Row(NamedTuple):
    """Neighbouring pages of which the tables say the same.

    `guest` and `page` are the flags and the page size of the guest's entry, `gpa` where it leads, `place` what
    is there, `hpa` where that lies; `shadow` and `reached` are the shadow's flags and where it leads. All of
    them are None where there is no entry. `was` is the row of these pages in the tables compared with.

    `state`: "same" (the shadow says what it must), "narrower" (it holds rights back), "stale" (it says what
    the guest's entry no longer does), "hidden" (it leads to a frame of the technique's own, such as translated
    code), "missing" (not filled), "barred" (the view's mode may not touch the page), "device" and "nothing" (no
    memory is there), "unmapped" (no entry in either table).
    """

    gva: int
    size: int
    guest: IntFlag | None
    page: int | None
    gpa: int | None
    place: str
    hpa: int | None
    shadow: IntFlag | None
    reached: int | None
    state: str
    was: "Row | None" = None

    @property
    def pages(self) -> int:
        """How many pages of 4 KiB."""
        return self.size // PAGE

    @property
    def guest_changed(self) -> bool:
        """Whether the guest's entry is another than it was."""
        return self.was is not None and (self.guest, self.gpa) != (self.was.guest, self.was.gpa)

    @property
    def shadow_changed(self) -> bool:
        """Whether the shadow's entry is another than it was."""
        return self.was is not None and (self.shadow, self.reached) != (self.was.shadow, self.was.reached)

    def part(self, start: int, end: int) -> "Row":
        """The row of its pages from `start` to `end`."""
        by = start - self.gva
        return self._replace(
            gva=start,
            size=end - start,
            gpa=None if self.gpa is None else self.gpa + by,
            hpa=None if self.hpa is None else self.hpa + by,
            reached=None if self.reached is None else self.reached + by,
        )

    def goes_on_in(self, other: "Row") -> bool:
        """Whether the next row says just the same of the pages after this one's."""
        end = self.gva + self.size
        if end != other.gva or (self.was is None) != (other.was is None):
            return False
        went_on = self.was is None or other.was is None or self.was.goes_on_in(other.was)
        return went_on and self.part(end, end + other.size)._replace(was=other.was) == other


class _Part(NamedTuple):
    """The part of an entry that starts at `gva`: all behind it lies in one span, or (None) nowhere."""

    gva: int
    size: int
    entry: Mapping
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Tables(Drawn):
    """The tables of one VM for one view (a mode with its settings, and a root), at one moment.

    `guest` and `shadow` are their entries by rising address; `end` is the guest-virtual address from which on
    there are too many to be shown (None: all are). `current` says whether the guest runs in this view now.
    `focus` is the address that the picture is about, `before` the tables that it compares these with.
    """

    vm: str
    view: View
    current: bool
    guest: tuple[Mapping, ...]
    shadow: tuple[Mapping, ...]
    shadow_root: int | None
    host: tuple[Span, ...]
    end: int | None
    time: int = field(default=0, compare=False)
    focus: int | None = field(default=None, compare=False)
    before: "Tables | None" = field(default=None, compare=False)
    hidden: frozenset[int] = field(default=frozenset(), compare=False)  # frames of the technique's own

    def around(self, address: int) -> "Tables":
        """The same tables; their picture shows what is near this guest-virtual address."""
        return replace(self, focus=address)

    def since(self, earlier: "Tables") -> "Tables":
        """The same tables; their picture lights what is not as it was in `earlier`."""
        return replace(self, before=replace(earlier, before=None))

    @property
    def root(self) -> int | None:
        """The guest-physical address of the guest's root table; None where it runs unpaged."""
        return parse_satp(self.view.root).root if self.view.key.paged else None

    @property
    def rows(self) -> tuple[Row, ...]:
        """What the tables say of each page that one of them maps, neighbours joined."""
        if self.before is None:
            return tuple(_joined(self._pieces()))
        both = _overlay(self._pieces(), self.before._pieces())
        rows = (
            (now or _nothing(was)).part(start, end)._replace(was=(was or _nothing(now)).part(start, end))
            for start, end, now, was in both
        )
        return tuple(_joined(rows))

    @property
    def pages(self) -> Counter[str]:
        """How many pages of 4 KiB are in each state."""
        counts: Counter[str] = Counter()
        for row in self.rows:
            counts[row.state] += row.pages
        return counts

    @property
    def changed(self) -> tuple[Row, ...]:
        """The rows in which an entry is not as it was in the tables compared with."""
        return tuple(row for row in self.rows if row.guest_changed or row.shadow_changed)

    def __repr__(self) -> str:
        if self.root is None:
            start = _("Tables of {vm} in {view}").format(vm=self.vm, view=self.view.key)
        else:
            start = _("Tables of {vm} in {view}, guest's root {root:#x}").format(
                vm=self.vm, view=self.view.key, root=self.root
            )
        pages = self.pages
        counts = ", ".join(f"{state_text(state)} {pages[state]}" for state in _COUNTED if pages[state])
        said = _("{tables}: pages {counts}").format(tables=start, counts=counts or 0)
        if self.before is None:
            return said
        return _("{tables}; rows changed since: {count}").format(tables=said, count=len(self.changed))

    def _pieces(self) -> list[Row]:
        """A row for each piece of a page of which the tables can say something else than of its neighbour."""
        guest = list(islice(self._guest_parts(), MOST_PARTS))
        shadow = [_Part(entry.address, entry.size, entry) for entry in self.shadow]
        return [self._row(*piece) for piece in _overlay(guest, shadow)]

    def _guest_parts(self) -> Iterator[_Part]:
        """The guest's entries, cut where they leave memory or a device, or where the frames under them jump."""
        if not self.view.key.paged:  # all of the guest's memory is at its own addresses
            for span in self.host:
                entry = Mapping(span.gpa, span.gpa, span.size, _UNPAGED, 0, 0, 0)
                yield _Part(span.gpa, span.size, entry, span)
        starts = [span.gpa for span in self.host]
        for entry in self.guest:
            at, end = entry.physical, entry.physical + entry.size
            first = max(0, bisect_right(starts, at) - 1)
            for span in self.host[first : bisect_left(starts, end)]:
                # A device may be less than a page, and has all of it.
                first_page, last_page = span.gpa & -PAGE, span.gpa + span.size - 1 & -PAGE
                start, stop = max(at, first_page), min(end, last_page + PAGE)
                if start >= stop:
                    continue
                if at < start:
                    yield _Part(entry.address + at - entry.physical, start - at, entry)
                yield _Part(entry.address + start - entry.physical, stop - start, entry, span)
                at = stop
            if at < end:
                yield _Part(entry.address + at - entry.physical, end - at, entry)

    def _row(self, start: int, end: int, part: _Part | None, other: _Part | None) -> Row:
        """What the tables say of these pages: the guest's in `part`, the shadow in `other`."""
        shadow, reached = None, None
        if other is not None:
            shadow, reached = other.entry.flags, other.entry.physical + start - other.gva
        if part is None:
            state = "unmapped" if shadow is None else self._elsewhere(reached)
            return Row(start, end - start, None, None, None, "nothing", None, shadow, reached, state)
        entry, span = part.entry, part.span
        gpa = entry.physical + start - entry.address
        place = "nothing" if span is None else span.place
        hpa = None if span is None or span.hpa is None else span.hpa + gpa - span.gpa
        state = _state(self.view.key, entry.flags, hpa, place, shadow, reached)
        if state == "stale":
            state = self._elsewhere(reached)
        return Row(start, end - start, entry.flags, entry.size, gpa, place, hpa, shadow, reached, state)

    def _elsewhere(self, reached: int | None) -> str:
        """What it is that the shadow leads to something else: binary translation shows code of its own."""
        return "hidden" if reached is not None and reached // PAGE in self.hidden else "stale"


def state_text(state: str) -> str:
    """The state of a row in words, in the reader's language."""
    return {
        "same": _("in the shadow"),
        "narrower": _("in the shadow with fewer rights"),
        "stale": _("stale in the shadow"),
        "hidden": _("the technique's own in the shadow"),
        "missing": _("not in the shadow"),
        "barred": _("out of this mode's reach"),
        "device": _("a device"),
        "nothing": _("no memory"),
        "unmapped": _("not mapped"),
    }[state]


def tables_of(vm: "VirtualMachine", root: int | None = None, mode: Mode | str | None = None) -> Tables:
    """The tables of a VM: see `VirtualMachine.tables`."""
    key, now = vm.hart.mmu.fetches.key, vm.technique.view()
    view = now
    if root is not None or mode is not None:
        wanted = key.mode if mode is None else mode_of(mode)
        satp = vm.hart.csr.values["satp"] if root is None else make_satp(root)
        known = (view for view in (now, *vm.technique.shadow.shadows) if view.key.paged)
        found = (view for view in known if (view.key.mode, view.root) == (wanted, satp))
        view = next(found, View(Key(wanted, paged=True), satp))
    shadow = vm.technique.shadow.shadows.get(view)
    shown = view if view.root or not view.key.paged else View(key, 0)  # MPRV: an empty table serves two views
    own = parse_satp(view.root)
    guest = PageTable(vm.memory, own.scheme or SV39, root=own.root) if shown.key.paged else None
    entries, guest_end = _entries(guest)
    filled, shadow_end = _entries(None if shadow is None else shadow.table)
    end = min((at for at in (guest_end, shadow_end) if at is not None), default=None)
    return Tables(
        vm=one_line(vm.name),
        view=shown,
        current=view == now,
        guest=_before(entries, end),
        shadow=_before(filled, end),
        shadow_root=None if shadow is None else shadow.table.root,
        host=tuple(_spans(vm)),
        end=end,
        time=vm.time,
        hidden=vm.technique.shadow.hidden,
    )


def _entries(table: PageTable | None) -> tuple[list[Mapping], int | None]:
    """The entries of a table, and the address from which on there are more than can be listed."""
    found: list[Mapping] = []
    if table is None:
        return found, None
    try:
        found.extend(islice(table.entries(), MOST_ENTRIES))
    except VlabError:  # too many tables: they point back at themselves
        return found, found[-1].address if found else 0
    return found, found[-1].address if len(found) == MOST_ENTRIES else None


def _before(entries: list[Mapping], end: int | None) -> tuple[Mapping, ...]:
    return tuple(entry for entry in entries if end is None or entry.address + entry.size <= end)


def _spans(vm: "VirtualMachine") -> Iterator[Span]:
    """The hypervisor's map in runs of neighbouring frames, and the devices, by guest-physical address."""
    devices = [Span(base, device.size, None, name) for name, (base, device) in vm.bus.devices.items()]
    memory = [Span(gpa, size, hpa, "memory") for gpa, hpa, size in vm.memory.runs()]
    yield from sorted(devices + memory)


def _state(
    key: Key, guest: IntFlag, hpa: int | None, place: str, shadow: IntFlag | None, reached: int | None
) -> str:
    """Whether a shadow entry (or none) follows from the guest's, and from where its page lies."""
    could, can = R | W | X, R | W | X
    if key.paged:
        could = rights(guest, key)
        can = could if guest & Flags.A else 0  # the next access sets A: it has to come through
    if shadow is None:
        if hpa is None:
            return "nothing" if place == "nothing" else "device"
        return "missing" if could else "barred"
    has = sum(right for flag, right in ((Flags.R, R), (Flags.W, W), (Flags.X, X)) if shadow & flag)
    if reached != hpa or has & ~can:
        return "stale"
    return "same" if has == can else "narrower"


Ranged = TypeVar("Ranged", Row, _Part)


def _overlay(
    ones: Sequence[Ranged], others: Sequence[Ranged]
) -> Iterator[tuple[int, int, Ranged | None, Ranged | None]]:
    """Two lists of ranges by rising address, cut into pieces: (start, end, the one there, the other there)."""
    at, number, other_number = 0, 0, 0
    while number < len(ones) or other_number < len(others):
        one = ones[number] if number < len(ones) else None
        other = others[other_number] if other_number < len(others) else None
        here = [found for found in (one, other) if found is not None]
        start = max(at, min(found.gva for found in here))
        inside = [found for found in here if found.gva <= start]
        end = min(found.gva + found.size if found in inside else found.gva for found in here)
        yield start, end, one if one in inside else None, other if other in inside else None
        at = end
        number += one is not None and one.gva + one.size <= end
        other_number += other is not None and other.gva + other.size <= end


def _nothing(row: Row | None) -> Row:
    """The row of pages that neither table maps, where `row` has some."""
    assert row is not None, "a piece is of one list or the other"
    return Row(row.gva, row.size, None, None, None, "nothing", None, None, None, "unmapped")


def _joined(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows that say the same of neighbouring pages, as one."""
    run: Row | None = None
    for row in rows:
        if run is not None and run.goes_on_in(row):
            was = run.was and run.was._replace(size=run.was.size + row.size)
            run = run._replace(size=run.size + row.size, was=was)
        else:
            if run is not None:
                yield run
            run = row
    if run is not None:
        yield run
