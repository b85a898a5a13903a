"""Guest-physical memory, so that two stages can be studied with no machine around them."""

from vlab.language import _
from vlab.paging.memory import Pool
from vlab.paging.schemes import PAGE_SIZE, size_text
from vlab.paging.tables import PageTable
from vlab.riscv.privilege import Cause, Trap


class GuestRam(Pool):
    """`size` bytes of a guest's memory at guest-physical address `base`; it is a Store and a Frames.

    Each page gets a frame of the host's, mapped in `table`, the G-stage's. So `PageTable(GuestRam(table))` is a
    guest's own table, and its `walk` with `host=table` has two stages. An address that the table doesn't map
    raises Trap.
    """

    def __init__(self, table: PageTable, size: int = 1 << 18, *, base: int = 0x8000_0000):
        super().__init__(size, base=base)
        self.table = table
        for page in range(base, base + size, PAGE_SIZE):
            table.map(page, table.frames.allocate(PAGE_SIZE), table.scheme.format.every)

    def host_address(self, address: int) -> int:
        """Where a guest-physical address lies in host-physical memory, whoever may touch it."""
        page = self.table.find(address)
        if page is None:
            raise Trap(Cause.LOAD_ACCESS_FAULT, address)
        return page.physical + address - page.address

    def load(self, address: int, size: int) -> int:
        """The number in `size` bytes at this guest-physical address."""
        return self.table.memory.load(self.host_address(address), size)

    def store(self, address: int, size: int, value: int) -> None:
        """Write `size` bytes at this guest-physical address."""
        self.table.memory.store(self.host_address(address), size, value)

    def _clear(self, address: int, size: int) -> None:
        for word in range(address, address + size, 8):
            self.store(word, 8, 0)

    def __repr__(self) -> str:
        return _("Guest memory of {size} at {base:#x}").format(size=size_text(self.size), base=self.base)
