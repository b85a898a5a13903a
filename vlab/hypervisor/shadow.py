"""Shadow page tables: what the real MMU walks while a guest runs, from guest-virtual to host-physical.

The policy here is *lazy*: a table begins empty, one entry is filled at each hidden fault, and a guest's
`sfence.vma` drops what it names. So the shadow is to the guest as a TLB.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from vlab.hypervisor.frames import FramePool
from vlab.hypervisor.guestmemory import GuestMemory
from vlab.language import VlabError, _
from vlab.machine.computer import PhysicalMemory
from vlab.machine.memory import PAGE
from vlab.machine.mmu import Found, Key
from vlab.machine.pmp import R, W, X
from vlab.machine.snapshot import Checker
from vlab.paging import SV39, Flags, PageTable, Walk, make_satp
from vlab.riscv import Access, Mode, Trap

_FLAGS = tuple(
    Flags.V
    | (Flags.R if rights & R else Flags(0))
    | (Flags.W if rights & W and rights & R else Flags(0))  # W without R is reserved in an entry
    | (Flags.X if rights & X else Flags(0))
    | (Flags.U | Flags.A | Flags.D)
    for rights in range(8)
)
_SPANS = tuple(SV39.page_size(level) for level in range(SV39.levels))  # the sizes of a guest's pages

Dropped = Callable[[str, int, "int | None"], None]


class View(NamedTuple):
    """What one shadow shows: the guest's mode and settings, and its own `satp` (0 if unpaged)."""

    key: Key
    root: int


@dataclass(slots=True)
class Shadow:
    """The shadow of one view. `filled` has, by the guest's page (start, size), its parts that are filled."""

    table: PageTable
    filled: dict[tuple[int, int], set[int]] = field(default_factory=dict)

    @property
    def entries(self) -> int:
        """How many entries there are."""
        return sum(map(len, self.filled.values()))


class ShadowTables:
    """The shadows of one guest, by view. Their tables stand in frames of the host computer.

    `dropped(reason, entries, address)` is called when entries were taken away: of one page, or (None) of more.
    """

    def __init__(self, host: PhysicalMemory, guest: GuestMemory, frames: FramePool, dropped: Dropped):
        self._host, self._guest, self._frames, self._dropped = host, guest, frames, dropped
        self.shadows: dict[View, Shadow] = {}

    def satp(self, view: View) -> int:
        """The real `satp` for a view; its table is made if need be."""
        return make_satp(self._shadow(view).table.root)

    def _shadow(self, view: View) -> Shadow:
        if view not in self.shadows:
            if not self._frames.free:
                self.drop_all("no frame left")
            self.shadows[view] = Shadow(PageTable(self._host, frames=self._frames))
        return self.shadows[view]

    def fill(self, view: View, gva: int, found: Found) -> tuple[Flags, bool]:
        """Write the entry for one page; its flags, and whether there was one before.

        The only writer of shadow entries, so isolation is asserted here.
        """
        hpa = self._guest.host_address(found.physical)
        assert self._guest.guest_address(hpa) == found.physical, "an entry leads to the guest's own memory"
        flags, page = _FLAGS[found.rights], gva & -PAGE
        try:
            self._shadow(view).table.map(page, hpa & -PAGE, flags)
        except (VlabError, Trap):
            # No frame is left; or, in a VM whose memory somebody else has written, the tables are in ruins.
            self.drop_all("no frame left")
            self._shadow(view).table.map(page, hpa & -PAGE, flags)
        pages = self.shadows[view].filled.setdefault((gva & -found.span, found.span), set())
        before = page in pages
        pages.add(page)
        return flags, before

    def drop_page(self, reason: str, gva: int) -> None:
        """Take the guest's page at `gva` out of every shadow, with all parts of it if it is a large one."""
        pages: set[int] = set()
        entries = 0
        for view, shadow in self.shadows.items():
            for span in _SPANS if view.key.paged else ():
                for page in sorted(shadow.filled.pop((gva & -span, span), ())):
                    shadow.table.unmap(page)
                    pages.add(page)
                    entries += 1
        if pages:
            self._dropped(reason, entries, pages.pop() if len(pages) == 1 else None)

    def drop_all(self, reason: str) -> None:
        """Drop all shadows."""
        entries = sum(shadow.entries for shadow in self.shadows.values())
        dropped, self.shadows = self.shadows, {}
        for shadow in dropped.values():
            for address, size in shadow.table.tables.items():
                self._frames.release(address, size)
            self._frames.release(shadow.table.root)
        if dropped:
            self._dropped(reason, entries, None)

    def walk(self, view: View, gva: int, access: Access) -> Walk | None:
        """The real MMU's walk for a guest address, as things stand; None where the view has no table yet."""
        shadow = self.shadows.get(view)
        return None if shadow is None else shadow.table.walk(gva, access, Mode.U)

    # Saving: the tables' places and what is filled; their contents are in the host's memory

    def state(self) -> dict[str, Any]:
        """All of it, as plain data."""
        return {
            "free": list(self._frames.free),
            "shadows": [
                {
                    "mode": int(view.key.mode),
                    "paged": view.key.paged,
                    "sum": view.key.sum,
                    "mxr": view.key.mxr,
                    "root": view.root,
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
        places = [*free, *(address // PAGE for address in tables)]
        if sorted(places) != sorted(frames) or any(address % PAGE for address in tables):
            raise state.bad(_("The shadow tables are not where they can be."))
        self.shadows, self._frames.free = dict(found), free

    def _restored(self, row: Checker) -> tuple[View, Shadow]:
        key = Key(row.mode(), row.flag("paged"), row.flag("sum"), row.flag("mxr"))
        root, *tables = _numbers(row.part("tables")) or [0]
        shadow = Shadow(PageTable(self._host, root=root, frames=self._frames))
        shadow.table.tables = dict.fromkeys(tables, PAGE)
        for page in row.part("filled").rows():
            parts = page.rows()
            if len(parts) != 3:
                raise page.bad(_("This is no page of a shadow."))
            start, span = Checker(page.state[:2], page.where).all_numbers(2)
            shadow.filled[start, span] = set(_numbers(parts[2]))
        return View(key, row.number("root")), shadow


def _numbers(part: Checker) -> list[int]:
    """A list of any number of numbers."""
    return part.all_numbers(len(part.rows()))
