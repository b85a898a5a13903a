"""Eager shadows: the whole guest table is translated when it is loaded."""

from collections.abc import Iterator
from typing import ClassVar

from vlab.hypervisor.guestmemory import GuestMemory
from vlab.hypervisor.shadow import ShadowTables, View
from vlab.language import VlabError
from vlab.machine.memory import PAGE
from vlab.machine.mmu import Found
from vlab.paging import SV39, Flags, PageTable, parse_satp
from vlab.riscv import Access, Cause, Trap

_MOST_LOADS = 1 << 15  # entries of guest tables that one translation reads: hostile ones lead in circles
_MOST_ENTRIES = 1 << 12  # entries that one translation writes
_SPARE = 16  # frames that it leaves to what must be filled at a fault


class Eager(ShadowTables):
    """Guest table → shadow, all at once, when the guest loads the table or fences.

    True at that moment, costly each time, and stale from the guest's next edit until its fence. What could
    not be translated ahead is filled at a fault, as in a lazy shadow: a page that was never used (its first
    use must set A), and the rest of a table that is too large.
    """

    name: ClassVar[str] = "eager"

    def fenced(self, address: int | None) -> None:
        """It knows whole tables only: whatever the fence names, translate anew."""
        self.drop_all("sfence.vma")

    def switched(self) -> None:
        """Another table is loaded: of the old one nothing is kept."""
        self.drop_all("satp written")

    def satp(self, view: View) -> int:
        """The real `satp` for a view; its table is made, and filled with all that the guest's has, if need be."""
        if view.key.paged and not view.key.virtual and view not in self.shadows:
            self._translate(view)
        return super().satp(view)

    def _translate(self, view: View) -> None:
        """Fill a new shadow from the guest's whole table."""
        self._shadow(view)
        written = 0
        for page in mapped_pages(self._memory, view, used=True):
            found = self._found(page)
            if found is None:
                continue
            if written == _MOST_ENTRIES or len(self._frames.free) <= _SPARE:
                return
            self.fill(view, page, found, "translation")
            written += 1

    def _found(self, page: int) -> Found | None:
        """Where a guest page leads, if a shadow entry can say it."""
        for access in (Access.LOAD, Access.FETCH):
            try:
                found = self._guest.look(page, access)
            except Trap:
                continue
            return found if found.whole else None
        return None


def mapped_pages(memory: GuestMemory, view: View, *, used: bool) -> Iterator[int]:
    """The guest-virtual pages that a view's table maps to memory; with `used`, those that were used already."""
    satp = parse_satp(view.root)
    table = PageTable(_Reader(memory), satp.scheme or SV39, root=satp.root)
    try:
        for leaf in table.entries():
            if leaf.flags & Flags.A or not used:
                first = max(leaf.physical, memory.base)
                end = min(leaf.physical + leaf.size, memory.base + memory.size)
                yield from (leaf.address + place - leaf.physical for place in range(first, end, PAGE))
    except VlabError:
        return  # tables without end


class _Reader:
    """A guest's memory, for reading its tables: after so many entries no more is read."""

    def __init__(self, memory: GuestMemory):
        self._memory, self._left = memory, _MOST_LOADS

    def load(self, address: int, size: int) -> int:
        """See `GuestMemory.load`. Raises Trap at the limit too."""
        self._left -= 1
        if self._left < 0:
            raise Trap(Cause.LOAD_ACCESS_FAULT, address)
        return self._memory.load(address, size)

    def store(self, address: int, size: int, value: int) -> None:
        """Nobody writes here: a guest's tables are its own."""
        raise Trap(Cause.STORE_ACCESS_FAULT, address)
