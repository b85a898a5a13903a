"""Shadow page tables: what the real MMU walks while a guest runs, from guest-virtual to host-physical.

Here is what all shadows have in common: their tables, the one place where an entry is written, and taking
entries away. *When* entries are made and when they go is a policy: one small class each, in `policies/`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

from vlab.hypervisor.frames import FramePool, OutOfFrames
from vlab.hypervisor.guestmemory import GuestMemory
from vlab.language import VlabError, _
from vlab.machine.computer import PhysicalMemory
from vlab.machine.memory import PAGE
from vlab.machine.mmu import Found, Key
from vlab.machine.pmp import R, W, X
from vlab.machine.snapshot import Checker, key_state
from vlab.paging import SV39, SV39X4, SV48, Flags, Mapping, PageTable, Scheme, Walk, make_satp
from vlab.riscv import Access, Mode, Trap

_FLAGS = tuple(
    Flags.V
    | (Flags.R if rights & R else Flags(0))
    | (Flags.W if rights & W and rights & R else Flags(0))  # W without R is reserved in an entry
    | (Flags.X if rights & X else Flags(0))
    | (Flags.U | Flags.A | Flags.D)
    for rights in range(8)
)
_NOWHERE = -1  # where an entry leads that somebody else has written over
_SPANS = tuple(SV48.page_size(level) for level in range(SV48.levels))  # the sizes of a guest's pages


class View(NamedTuple):
    """What one shadow shows: the guest's mode and settings, and its own `satp` (0 if unpaged).

    If the guest is a hypervisor that runs a guest of its own with V = 1, `root` is `vsatp` and `host` is `hgatp`.
    """

    key: Key
    root: int
    host: int = 0


# Under hardware assistance: the guest's physical memory itself, from guest-physical to host-physical addresses.
G_STAGE = View(Key(Mode.U, virtual=True, nested=True), 0)


class Place(NamedTuple):
    """One page of a guest in one view: where it starts and its size, as the guest's table has it."""

    view: View
    start: int
    span: int


@dataclass(slots=True)
class Shadow:
    """The shadow of one view.

    `filled` has, by the guest's page (start, size), its parts that are filled, and to which frames they lead.
    """

    table: PageTable
    filled: dict[tuple[int, int], dict[int, int]] = field(default_factory=dict)

    @property
    def entries(self) -> int:
        """How many entries there are."""
        return sum(map(len, self.filled.values()))

    def leads(self, gva: int) -> int | None:
        """The frame to which the page of a guest's address leads, as it was filled; None where it is not."""
        page = gva & -PAGE
        for span in _SPANS:
            parts = self.filled.get((gva & -span, span))
            if parts is not None and page in parts:
                return parts[page]
        return None

    @property
    def frames(self) -> list[int]:
        """The frames in which its tables stand, the root's first."""
        root, size = self.table.root, self.table.scheme.table_size()
        return [*range(root // PAGE, (root + size) // PAGE), *(at // PAGE for at in self.table.tables)]


class Guest(Protocol):
    """Whom shadows are kept for: what they ask of it, and what they tell."""

    def look(self, gva: int, access: Access) -> Found:
        """Where its own tables lead in its mode now, with which rights; Trap if nowhere. Nothing is touched."""

    def entered(self, gva: int, found: Found, flags: Flags, access: str, *, before: bool) -> None:
        """An entry was written; `before` says whether there was one already."""

    def dropped(self, reason: str, entries: int, address: int | None) -> None:
        """Entries were taken away: of one page, or (None) of more."""


class ShadowTables(ABC):
    """The shadows of one guest, by view. Their tables stand in frames of the host computer `host`.

    A reader's own policy is a subclass with a `name` of its own.
    """

    name: ClassVar[str]

    def __init__(self, host: PhysicalMemory, memory: GuestMemory, frames: FramePool, guest: Guest):
        self._host, self._memory, self._frames, self._guest = host, memory, frames, guest
        self.shadows: dict[View, Shadow] = {}
        # By frame of the host's: the entries that lead there.
        self._leading: dict[int, set[tuple[Place, int]]] = {}
        self.hidden: frozenset[int] = frozenset()  # frames of the technique's own, which `show` may enter

    def __repr__(self) -> str:
        return _("Shadow page tables, {policy}: {views} tables, {entries} entries").format(
            policy=self.name,
            views=len(self.shadows),
            entries=sum(shadow.entries for shadow in self.shadows.values()),
        )

    # What a policy decides

    @abstractmethod
    def fenced(self, address: int | None) -> None:
        """The guest fenced one address, or (None) all: `sfence.vma`."""

    @abstractmethod
    def switched(self) -> None:
        """The guest wrote another value to its `satp`: from here on the views have another root."""

    def emulates(self, gpa: int) -> bool:
        """Whether a store to this page of the guest's memory must be emulated, and never done directly."""
        return False

    # Entries

    def satp(self, view: View) -> int:
        """The real `satp` for a view; its table is made if need be."""
        table = self._shadow(view).table
        return make_satp(table.root, scheme=SV39 if view == G_STAGE else table.scheme)

    def _shadow(self, view: View) -> Shadow:
        if view not in self.shadows:
            if not self._frames.free:
                self.drop_all("no frame left")
            try:
                table = PageTable(self._host, _scheme(view), frames=self._frames)
            except OutOfFrames:  # a root of four frames wants them side by side
                self.drop_all("no frame left")
                table = PageTable(self._host, _scheme(view), frames=self._frames)
            self.shadows[view] = Shadow(table)
        return self.shadows[view]

    def fill(self, view: View, gva: int, found: Found, access: str) -> Flags:
        """Write the entry for one page; returns its flags.

        Isolation is asserted here, and in `show`: nobody else writes shadow entries.
        """
        hpa = self._memory.host_address(found.physical)
        assert self._memory.guest_address(hpa) == found.physical, "an entry leads to the guest's own memory"
        flags, page = _FLAGS[found.rights], gva & -PAGE
        assert not (found.rights & W and self._memory.is_shared(found.physical)), (
            "nobody writes what others have too"
        )
        before = self._enter(Place(view, gva & -found.span, found.span), page, hpa & -PAGE, flags)
        self._guest.entered(gva, found, flags, access, before=before)
        return flags

    def show(self, place: Place, gva: int, frame: int) -> bool:
        """Let a page of the guest's lead to a frame that is none of its memory; says if there was an entry before.

        To run what is there, and nothing else: never to load or store, and never into a table.
        """
        assert frame in self.hidden, "what is shown is the technique's own, and harmless"
        assert self._memory.guest_address(frame * PAGE) is None, "nobody's memory is shown"
        return self._enter(place, gva & -PAGE, frame * PAGE, _FLAGS[X])

    def _enter(self, place: Place, page: int, hpa: int, flags: Flags) -> bool:
        try:
            self._shadow(place.view).table.map(page, hpa, flags)
        except (VlabError, Trap):
            # No frame is left; or, in a VM whose memory somebody else has written, the tables are in ruins.
            self.drop_all("no frame left")
            self._shadow(place.view).table.map(page, hpa, flags)
        parts = self.shadows[place.view].filled.setdefault((place.start, place.span), {})
        before = self._unnote(parts, place, page)
        parts[page] = hpa // PAGE
        self._leading.setdefault(hpa // PAGE, set()).add((place, page))
        return before

    def _unnote(self, parts: dict[int, int], place: Place, page: int) -> bool:
        """One of the parts of a place is filled no more; says if it was."""
        frame = parts.pop(page, None)
        if frame is None:
            return False
        self._leading[frame].remove((place, page))
        if not self._leading[frame]:
            del self._leading[frame]
        return True

    def drop_page(self, reason: str, gva: int) -> None:
        """Take the guest's page at `gva` out of every shadow, with all parts of it if it is a large one."""
        paged = [view for view in self.shadows if view.key.paged]
        self.drop_places(reason, [Place(view, gva & -span, span) for view in paged for span in _SPANS])

    def drop_places(self, reason: str, places: Iterable[Place]) -> None:
        """Take these pages of the guest, where they are filled, out of their shadows, with all their parts."""
        pages: list[int] = []
        for place in places:
            shadow = self.shadows[place.view]
            parts = shadow.filled.pop((place.start, place.span), {})
            for page in sorted(parts):
                shadow.table.unmap(page)
                self._unnote(parts, place, page)
                pages.append(page)
        self._tell(reason, pages)

    def drop_parts(self, reason: str, parts: Iterable[tuple[Place, int]]) -> None:
        """Take single 4 KiB parts of the guest's pages out of their shadows."""
        pages: list[int] = []
        for place, page in parts:
            shadow = self.shadows[place.view]
            shadow.table.unmap(page)
            self._unnote(shadow.filled[place.start, place.span], place, page)
            pages.append(page)
        self._tell(reason, pages)

    def drop_frame(self, reason: str, frame: int) -> None:
        """Take all entries that lead to this frame of the host's out of their shadows."""
        parts = sorted(self._leading.get(frame, ()))
        found = ((self.shadows[place.view].table.find(part), place, part) for place, part in parts)
        self.drop_parts(
            reason,
            [(place, part) for entry, place, part in found if entry and entry.physical // PAGE == frame],
        )

    def protect(self, reason: str) -> None:
        """Take the right to write out of every entry: the next write to each page must be seen."""
        pages: list[int] = []
        for place, part, entry in self._entries():
            if entry.flags & Flags.W:
                self.shadows[place.view].table.protect(part, entry.flags & ~Flags.W)
                pages.append(part)
        self._tell(reason, pages)

    def _entries(self) -> Iterator[tuple[Place, int, Mapping]]:
        """Every entry: of which page of the guest, which 4 KiB part of that, and what it says."""
        for view, shadow in self.shadows.items():
            for page, parts in shadow.filled.items():
                for part in sorted(parts):
                    if (entry := shadow.table.find(part)) is not None:
                        yield Place(view, *page), part, entry

    def _tell(self, reason: str, pages: list[int]) -> None:
        if pages:
            self._guest.dropped(reason, len(pages), pages[0] if len(set(pages)) == 1 else None)

    def drop_all(self, reason: str) -> None:
        """Drop all shadows."""
        entries = sum(shadow.entries for shadow in self.shadows.values())
        dropped, self.shadows, self._leading = self.shadows, {}, {}
        for shadow in dropped.values():
            for address, size in shadow.table.tables.items():
                self._frames.release(address, size)
            self._frames.release(shadow.table.root, shadow.table.scheme.table_size())
        if dropped:
            self._guest.dropped(reason, entries, None)

    def frames(self) -> list[int]:
        """The host's frames in which the tables stand now."""
        return [frame for shadow in self.shadows.values() for frame in shadow.frames]

    def walk(self, view: View, gva: int, access: Access) -> Walk | None:
        """The real MMU's walk for a guest address, as things stand; None where the view has no table yet."""
        shadow = self.shadows.get(view)
        return None if shadow is None else shadow.table.walk(gva, access, Mode.U)

    # Saving: the tables' places and what is filled; their contents are in the host's memory

    def state(self) -> dict[str, Any]:
        """All of it, as plain data."""
        return {
            "policy": self.name,
            "free": list(self._frames.free),
            "shadows": [
                {
                    **key_state(view.key),
                    "root": view.root,
                    **({"host": view.host} if view.key.virtual else {}),
                    "tables": [shadow.table.root, *shadow.table.tables],
                    "filled": [[*page, sorted(parts)] for page, parts in shadow.filled.items()],
                }
                for view, shadow in self.shadows.items()
            ],
        }

    def restore(self, state: Checker, frames: list[int]) -> None:
        """Be as `state` says; VlabError unless its tables and free frames are just these `frames`."""
        free = _numbers(state.part("free"))
        found = [self._restored(row) for row in state.part("shadows").rows()]
        tables = [at for _view, shadow in found for at in (shadow.table.root, *shadow.table.tables)]
        places = [*free, *(frame for _view, shadow in found for frame in shadow.frames)]
        if sorted(places) != sorted(frames) or any(address % PAGE for address in tables):
            raise state.bad(_("The shadow tables are not where they can be."))
        self.shadows, self._frames.free, self._leading = dict(found), free, {}
        for view, shadow in found:
            for page, filled in shadow.filled.items():
                for part, frame in filled.items():
                    self._leading.setdefault(frame, set()).add((Place(view, *page), part))

    def _restored(self, row: Checker) -> tuple[View, Shadow]:
        key = row.key()
        root, *tables = _numbers(row.part("tables")) or [0]
        view = View(key, row.number("root"), row.number("host") if key.virtual else 0)
        shadow = Shadow(PageTable(self._host, _scheme(view), root=root, frames=self._frames))
        shadow.table.tables = dict.fromkeys(tables, PAGE)
        for page in row.part("filled").rows():
            parts = page.rows()
            if len(parts) != 3:
                raise page.bad(_("This is no page of a shadow."))
            start, span = Checker(page.state[:2], page.where).all_numbers(2)
            entries = {part: shadow.table.find(part) for part in _numbers(parts[2])}
            shadow.filled[start, span] = {
                part: _NOWHERE if entry is None else entry.physical // PAGE for part, entry in entries.items()
            }
        return view, shadow


def _scheme(view: View) -> Scheme:
    """As wide as the guest's own table, so that each address of its has a place."""
    if view == G_STAGE:
        return SV39X4
    return SV48 if view.root >> 60 == SV48.mode else SV39


def _numbers(part: Checker) -> list[int]:
    """A list of any number of numbers."""
    return part.all_numbers(len(part.rows()))
