"""Traced shadows: the guest's tables are write-protected, so what was translated from them stays true."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from vlab.hypervisor.frames import FramePool
from vlab.hypervisor.guestmemory import GuestMemory
from vlab.hypervisor.shadow import Guest, Place, ShadowTables, View
from vlab.machine.computer import PhysicalMemory
from vlab.machine.memory import PAGE
from vlab.machine.mmu import Found
from vlab.machine.pmp import W
from vlab.machine.snapshot import Checker
from vlab.paging import SV39, Flags, parse_satp, walk
from vlab.riscv import Access, Mode

_SIZE = 8  # of an entry
_LEAF, _A, _D = int(Flags.R | Flags.X), int(Flags.A), int(Flags.D)


@dataclass(slots=True)
class _Source:
    """One entry of a guest's table: its value, and the places whose translation was read from it."""

    raw: int
    places: dict[Place, None] = field(default_factory=dict)


class Traced(ShadowTables):
    """Filled at faults as a lazy shadow is; but it remembers from which guest entries each translation came.

    The guest's pages that hold those entries are read-only in all of its shadows. A store to one exits, is
    emulated, and takes away just what came from the entry that it changed. So the shadows of many roots stay
    true at once, and neither a fence nor a context switch drops any.
    """

    name: ClassVar[str] = "traced"

    def __init__(self, host: PhysicalMemory, memory: GuestMemory, frames: FramePool, guest: Guest):
        super().__init__(host, memory, frames, guest)
        # By guest-physical page: its entries that are in use, by address. Just these pages are traced.
        self._tables: dict[int, dict[int, _Source]] = {}
        self._sources: dict[Place, tuple[int, ...]] = {}
        # By guest-physical page: where it may be written directly; and the other way round.
        self._writable: dict[int, dict[tuple[Place, int], None]] = {}
        self._pages: dict[Place, dict[int, int]] = {}
        memory.on_traced_write = self._table_written

    def fenced(self, address: int | None) -> None:
        """Nothing to do: what is here is true."""

    def switched(self) -> None:
        """Nothing to do: the shadows of both roots stay true."""

    def emulates(self, gpa: int) -> bool:
        """A store to a page with a table in use: its effect on the shadows must be seen."""
        return gpa // PAGE in self._tables

    def fill(self, view: View, gva: int, found: Found, access: str) -> Flags:
        """See `ShadowTables.fill`. What the guest's tables say is traced before it is used."""
        place = Place(view, gva & -found.span, found.span)
        self._trace(place)
        if self.emulates(found.physical):
            found = found._replace(rights=found.rights & ~W)
        flags = super().fill(view, gva, found, access)
        self._trace(place)  # again: to make room, everything may have been dropped
        if flags & Flags.W:
            self._note_writable(place, gva & -PAGE, found.physical // PAGE)
        return flags

    def show(self, place: Place, gva: int, frame: int) -> bool:
        """See `ShadowTables.show`: that the guest's tables lead there, or nowhere, is traced too."""
        self._trace(place)
        before = super().show(place, gva, frame)
        self._trace(place)
        return before

    # Tracing

    def _trace(self, place: Place) -> None:
        """Remember the guest entries that this translation comes from, and write-protect their pages."""
        # What comes from two stages of tables isn't traced: a guest's fences drop it.
        if not place.view.key.paged or place.view.key.virtual or place in self._sources:
            return
        satp = parse_satp(place.view.root)
        # Which entries are read, does not depend on the mode.
        steps = walk(
            self._memory.load, satp.root, place.start, Access.LOAD, mode=Mode.S, scheme=satp.scheme or SV39
        ).steps
        for step in steps:
            page = step.address // PAGE
            if page not in self._tables:
                self._protect(page)
            entries = self._tables.setdefault(page, {})
            entries.setdefault(step.address, _Source(step.raw or 0)).places[place] = None
        self._sources[place] = tuple(step.address for step in steps)

    def _protect(self, page: int) -> None:
        """From here on no shadow lets the guest write to this page directly."""
        self._memory.traced.add(page)
        parts = sorted(self._writable.get(page, ()))
        for place, part in parts:
            self._forget_writable(place, part)
        self.drop_parts("table traced", parts)

    def _note_writable(self, place: Place, part: int, page: int) -> None:
        self._forget_writable(place, part)
        self._writable.setdefault(page, {})[place, part] = None
        self._pages.setdefault(place, {})[part] = page

    def _forget_writable(self, place: Place, part: int) -> None:
        page = self._pages.get(place, {}).pop(part, None)
        if page is not None:
            del self._writable[page][place, part]

    def _table_written(self, address: int, size: int) -> None:
        """Bytes in pages that are traced were written: take away what came from the entries that changed."""
        changed: dict[Place, None] = {}
        for page in range(address // PAGE, (address + size - 1) // PAGE + 1):
            for at, source in self._tables.get(page, {}).items():
                if address - _SIZE < at < address + size:
                    raw = self._memory.load(at, _SIZE)
                    if not _says_the_same(source.raw, raw):
                        changed |= source.places
                    source.raw = raw
        self.drop_places("page table written", sorted(changed))

    def drop_places(self, reason: str, places: Iterable[Place]) -> None:
        """See `ShadowTables.drop_places`."""
        places = list(places)
        super().drop_places(reason, places)
        for place in places:
            self._forget(place)

    def _forget(self, place: Place) -> None:
        """Nobody needs its sources for it any more; a page without any is traced no longer."""
        for part in list(self._pages.get(place, ())):
            self._forget_writable(place, part)
        self._pages.pop(place, None)
        for at in self._sources.pop(place, ()):
            page = at // PAGE
            entries = self._tables[page]
            del entries[at].places[place]
            if not entries[at].places:
                del entries[at]
            if not entries:
                del self._tables[page]
                self._memory.traced.discard(page)

    def drop_all(self, reason: str) -> None:
        """Drop all shadows, and trace nothing."""
        self._forget_all()
        super().drop_all(reason)

    def _forget_all(self) -> None:
        for books in (self._tables, self._sources, self._writable, self._pages):
            books.clear()
        self._memory.traced.clear()

    def protect(self, reason: str) -> None:
        """See `ShadowTables.protect`."""
        super().protect(reason)
        self._writable.clear()
        self._pages.clear()

    # Saving: the books follow from the shadows and the guest's tables

    def restore(self, state: Checker, frames: list[int]) -> None:
        """See `ShadowTables.restore`."""
        super().restore(state, frames)
        self._forget_all()
        places = [Place(view, *page) for view, shadow in self.shadows.items() for page in shadow.filled]
        for place in places:
            self._trace(place)
        for place in places:
            self._restore_writable(place, sorted(self.shadows[place.view].filled[place.start, place.span]))

    def _restore_writable(self, place: Place, parts: Iterable[int]) -> None:
        table = self.shadows[place.view].table
        for part in parts:
            entry = table.find(part)
            gpa = None if entry is None else self._memory.guest_address(entry.physical)
            if entry is not None and gpa is not None and entry.flags & Flags.W:
                self._note_writable(place, part, gpa // PAGE)


def _says_the_same(old: int, new: int) -> bool:
    """Whether what came from an entry is still true: a leaf may have gained A or D, most often by the hypervisor."""
    return new in (old, old | _A, old | _A | _D) if new & _LEAF else new == old
