"""A small physical memory, so that page tables can be studied with no machine around them."""

from typing import Protocol

from vlab.language import VlabError, _
from vlab.paging.schemes import PAGE_SIZE, size_text
from vlab.riscv.privilege import Cause, Trap

MOST = 16 << 30  # bytes of one memory


class Store(Protocol):
    """Any physical memory that tables can live in. Both methods may raise Trap."""

    def load(self, address: int, size: int, /) -> int:
        """The little-endian number in `size` bytes."""

    def store(self, address: int, size: int, value: int, /) -> None:
        """Write `size` bytes."""


class Frames(Protocol):
    """Where tables get their memory from."""

    def allocate(self, size: int, /) -> int:
        """The address of `size` bytes, zeroed and aligned to `size`."""

    def release(self, address: int, size: int, /) -> None:
        """Take them back."""


class Pool:
    """Where frames come from: the upper half of `size` bytes at `base`, the lower one is left to pages.

    Raises VlabError for a size that is none.
    """

    def __init__(self, size: int, *, base: int):
        if not 0 < size <= MOST or size % PAGE_SIZE:
            mend = _("Give a multiple of 4096, up to {limit} GiB.").format(limit=MOST >> 30)
            raise VlabError(_("A memory of {size} bytes cannot be built.").format(size=size), mend=mend)
        self.base, self.size = base, size
        self._next = base + size // 2
        self._free: dict[int, list[int]] = {}

    def allocate(self, size: int = PAGE_SIZE) -> int:
        """The address of `size` zeroed bytes, aligned to `size`. Raises VlabError when none are left."""
        if spare := self._free.get(size):
            return spare.pop()
        start = -(-self._next // size) * size
        if start + size > self.base + self.size:
            raise VlabError(
                _("No frame of {size} is left.").format(size=size_text(size)),
                where=repr(self),
                mend=_("Make a larger one, such as Memory(size={size:#x}).").format(size=2 * self.size),
            )
        self._next = start + size
        return start

    def release(self, address: int, size: int = PAGE_SIZE) -> None:
        """Give back what `allocate` gave; it is zeroed now."""
        self._clear(address, size)
        self._free.setdefault(size, []).append(address)

    def _clear(self, address: int, size: int) -> None:
        raise NotImplementedError


class Memory(Pool):
    """Little-endian physical memory of `size` bytes at `base`; it is a Store and a Frames.

    Tables are allocated from the upper half: the lower one is left to the pages that a reader maps.
    """

    def __init__(self, size: int = 4 << 20, *, base: int = 0x8000_0000):
        super().__init__(size, base=base)
        self.data = bytearray(size)

    def load(self, address: int, size: int) -> int:
        """The number in `size` bytes at this address. Raises Trap outside this memory."""
        at = address - self.base
        if at < 0 or at + size > len(self.data):
            raise Trap(Cause.LOAD_ACCESS_FAULT, address)
        return int.from_bytes(self.data[at : at + size], "little")

    def store(self, address: int, size: int, value: int) -> None:
        """Write `size` bytes at this address. Raises Trap outside this memory."""
        at = address - self.base
        if at < 0 or at + size > len(self.data):
            raise Trap(Cause.STORE_ACCESS_FAULT, address)
        self.data[at : at + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")

    def _clear(self, address: int, size: int) -> None:
        at = address - self.base
        self.data[at : at + size] = bytes(size)

    def __repr__(self) -> str:
        return _("Memory of {size} at {base:#x}").format(size=size_text(self.size), base=self.base)
