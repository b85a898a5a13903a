"""Shadow page tables: what the real MMU walks while a guest runs, from guest-virtual straight to host-physical.

The policy here is *lazy*: a table begins empty, one entry is filled at each hidden fault, and a guest's `sfence.vma` drops
what it names. So the shadow is to the guest as a TLB.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from vlab.hypervisor.frames import FramePool, OutOfFrames
from vlab.hypervisor.guestmemory import GuestMemory
from vlab.machine.computer import PhysicalMemory
from vlab.machine.memory import PAGE
from vlab.machine.mmu import Key
from vlab.machine.pmp import R, W, X
from vlab.machine.snapshot import Checker
from vlab.paging import Flags, PageTable, Walk, make_satp
from vlab.riscv import Access, Mode

_RIGHTS = {
    rights: Flags.V
    | (Flags.R if rights & R else Flags(0))
    | (Flags.W if rights & W and rights & R else Flags(0))  # W without R is reserved in an entry
    | (Flags.X if rights & X else Flags(0))
    | (Flags.U | Flags.A | Flags.D)
    for rights in range(8)
}


class View(NamedTuple):
    """What one shadow table shows: the guest's mode and settings, and the root of its own table (0 if unpaged)."""

    key: Key
    root: int


class ShadowTables:
    """The shadow tables of one guest, by view. They live in frames of the host computer.

    `dropped(reason, entries)` is called whenever entries are taken away.
    """

    def __init__(
        self, host: PhysicalMemory, guest: GuestMemory, frames: FramePool, dropped: Callable[[str, int], None]
    ):
        self._host, self._guest, self._frames, self._dropped = host, guest, frames, dropped
        self.tables: dict[View, PageTable] = {}
        self.filled: dict[View, set[int]] = {}  # guest-virtual page numbers

    def satp(self, view: View) -> int:
        """The real satp for a view; its table is made if need be."""
        return make_satp(self._table(view).root)

    def _table(self, view: View) -> PageTable:
        if view not in self.tables:
            try:
                self.tables[view] = PageTable(self._host, frames=self._frames)
            except OutOfFrames:
                self.drop_all("no frame left")
                self.tables[view] = PageTable(self._host, frames=self._frames)
            self.filled[view] = set()
        return self.tables[view]

    def fill(self, view: View, gva: int, gpa: int, rights: int) -> Flags:
        """Write the entry for one guest page. The only writer of shadow entries, so isolation is asserted here."""
        hpa = self._guest.host_address(gpa)
        assert self._guest.guest_address(hpa) == gpa, "a shadow entry must lead to the guest's own memory"
        flags = _RIGHTS[rights]
        page, frame = gva & -PAGE, hpa & -PAGE
        try:
            self._table(view).map(page, frame, flags)
        except OutOfFrames:
            self.drop_all("no frame left")
            self._table(view).map(page, frame, flags)
        self.filled[view].add(gva // PAGE)
        return flags

    def drop_page(self, reason: str, gva: int) -> None:
        """Take the entries for one guest page out of every table."""
        page, taken = gva // PAGE, 0
        for view, pages in self.filled.items():
            if page in pages:
                pages.discard(page)
                taken += self.tables[view].unmap(page * PAGE)
        self._dropped(reason, taken)

    def drop_all(self, reason: str) -> None:
        """Drop all tables."""
        taken = sum(len(pages) for pages in self.filled.values())
        for table in self.tables.values():
            for address, size in table.tables.items():
                self._frames.release(address, size)
            self._frames.release(table.root)
        self.tables.clear()
        self.filled.clear()
        self._dropped(reason, taken)

    def walk(self, view: View, gva: int, access: Access) -> Walk | None:
        """The real MMU's walk for a guest address, as things stand; None where the view has no table yet."""
        table = self.tables.get(view)
        return None if table is None else table.walk(gva, access, Mode.U)

    def state(self) -> dict[str, Any]:
        """The tables' places and what is filled, as plain data; their contents are in the host's memory."""
        return {
            "free": list(self._frames.free),
            "tables": [
                [
                    list(view.key),
                    view.root,
                    table.root,
                    [list(item) for item in table.tables.items()],
                    sorted(self.filled[view]),
                ]
                for view, table in self.tables.items()
            ],
        }

    def restore(self, state: Checker, frames: set[int]) -> None:
        """Be as `state` says; every table must stand in `frames`, the guest's pool."""
        free = state.part("free").state
        rows = state.part("tables").state
        problem = state.bad("These are not shadow tables.")
        tables: dict[View, PageTable] = {}
        filled: dict[View, set[int]] = {}
        used: list[int] = []
        try:
            for (mode, paged, sum_, mxr), root, shadow, below, pages in rows:
                view = View(Key(Mode(mode), bool(paged), bool(sum_), bool(mxr)), int(root))
                tables[view] = PageTable(self._host, root=int(shadow), frames=self._frames)
                tables[view].tables = {int(address): int(size) for address, size in below}
                filled[view] = {int(page) for page in pages}
                used += [int(shadow) // PAGE, *(int(address) // PAGE for address, _size in below)]
            if sorted([*map(int, free), *used]) != sorted(frames):
                raise problem
        except (TypeError, ValueError):
            raise problem from None
        self.tables, self.filled, self._frames.free = tables, filled, list(free)
