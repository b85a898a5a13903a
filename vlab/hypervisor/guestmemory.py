"""A guest's RAM: frames of the computer that its hypervisor runs on."""

from collections.abc import Callable, Iterator, Mapping

from vlab.language import _
from vlab.machine.computer import PhysicalMemory
from vlab.machine.memory import NO_VIEWS, PAGE, RAM_BASE, Watches, no_memory
from vlab.paging import size_text
from vlab.riscv import Access, Trap
from vlab.riscv.privilege import ACCESS_FAULT

_ZEROS = bytes(PAGE)


class GuestMemory(Watches):
    """Guest-physical memory. Page n of it (counted from `base`) is the host-physical page `frames[n]`.

    Everything goes through the host's own `memory`: so what lies below sees each write.
    """

    def __init__(self, host: PhysicalMemory, frames: list[int]):
        super().__init__()
        self._host = host
        self.base = RAM_BASE
        self.set_frames(frames)
        self.views = NO_VIEWS
        self.shared: set[int] = set()  # the pages, by number from `base`, whose frames are other guests' too
        self.on_shared_write: Callable[[int], None] = lambda page: None  # gives a page a frame of its own
        self.log: set[int] | None = None  # the pages written, by number from `base`, while somebody logs them
        self.traced: set[int] = set()  # numbers of guest-physical pages: who traces them hears of each write
        self.on_traced_write: Callable[[int, int], None] = lambda address, size: None
        self.code: set[int] = set()  # numbers of guest-physical pages whose code somebody has translated
        self.on_code_write: Callable[[int, int], None] = lambda address, size: None

    def __repr__(self) -> str:
        return _("Guest memory of {size} at {base:#x}, in {frames} frames of the host's").format(
            size=size_text(self.size), base=self.base, frames=len(self.frames)
        )

    def set_frames(self, frames: list[int]) -> None:
        """Lie in these frames: none, once they are others'."""
        self.frames, self.size = frames, len(frames) * PAGE
        self._page_of = {frame: page for page, frame in enumerate(frames)}

    def move(self, page: int, frame: int) -> None:
        """From here on this page, by number from `base`, lies in another frame."""
        del self._page_of[self.frames[page]]
        self.frames[page], self._page_of[frame] = frame, page

    def holds(self, address: int, size: int = 1) -> bool:
        """Whether all `size` bytes at a guest-physical address are RAM."""
        return self.base <= address and address + size <= self.base + self.size

    def host_address(self, address: int) -> int:
        """GPA → HPA, for an address that `holds`."""
        return self.frames[(address - self.base) // PAGE] * PAGE + address % PAGE

    def guest_address(self, address: int) -> int | None:
        """HPA → GPA; None where the frame is not this guest's."""
        page = self._page_of.get(address // PAGE)
        return None if page is None else self.base + page * PAGE + address % PAGE

    def runs(self) -> Iterator[tuple[int, int, int]]:
        """The whole map in runs of neighbouring frames: (GPA, HPA, bytes), by rising GPA."""
        first = 0
        for page in range(1, len(self.frames) + 1):
            if page == len(self.frames) or self.frames[page] != self.frames[page - 1] + 1:
                yield self.base + first * PAGE, self.frames[first] * PAGE, (page - first) * PAGE
                first = page

    def load(self, address: int, size: int) -> int:
        """See `vlab.machine.memory.Memory.load`."""
        at = address - self.base
        if not 0 <= at <= self.size - size:
            raise Trap(ACCESS_FAULT[Access.LOAD], address)
        offset = at % PAGE
        if offset + size > PAGE:
            return int.from_bytes(self.peek(address, size), "little")
        return self._host.load(self.frames[at // PAGE] * PAGE + offset, size)

    def store(self, address: int, size: int, value: int) -> None:
        """See `vlab.machine.memory.Memory.store`."""
        if not self.holds(address, size):
            raise Trap(ACCESS_FAULT[Access.STORE], address)
        if self.shared:
            self._unshare(address, size)
        self._host.store(self.host_address(address), size, value)
        self._written(address, size)

    def peek(self, address: int, size: int) -> bytes:
        """A debugger's look; VlabError outside RAM."""
        return b"".join(self._host.peek(at, length) for at, _offset, length in self._pieces(address, size))

    def poke(self, address: int, data: bytes) -> None:
        """A debugger's (or a loader's) write; VlabError outside RAM."""
        if self.shared:
            self._unshare(address, len(data))
        for at, offset, length in self._pieces(address, len(data)):
            self._host.poke(at, data[offset : offset + length])
        self._written(address, len(data))

    def _unshare(self, address: int, size: int) -> None:
        """These bytes are about to be written: what others have too is copied first."""
        if size and self.holds(address, size):
            for page in sorted(self.shared.intersection(self._numbers(address, size))):
                self.on_shared_write(page)

    def _written(self, address: int, size: int) -> None:
        if self.log is not None and size:
            self.log.update(self._numbers(address, size))
        if self.traced and size:
            pages = range(address // PAGE, (address + size - 1) // PAGE + 1)
            if not self.traced.isdisjoint(pages):
                self.on_traced_write(address, size)
        if self.code and size:
            self.on_code_write(address, size)
        self.tell(self, address, size)

    def _number(self, address: int) -> int:
        return (address - self.base) // PAGE

    def _numbers(self, address: int, size: int) -> range:
        return range(self._number(address), self._number(address + size - 1) + 1)

    def is_shared(self, address: int) -> bool:
        """Whether the frame of this page is other guests' too: it is copied before it is written."""
        return bool(self.shared) and self._number(address) in self.shared

    def is_unlogged(self, address: int) -> bool:
        """Whether the next write to this page must be seen: it is not in the log yet."""
        return self.log is not None and self._number(address) not in self.log

    def open(self, address: int) -> None:
        """This page is about to be written directly: it is in the log, and in a frame of its own."""
        if self.log is not None:
            self.log.add(self._number(address))
        if self.shared:
            self._unshare(address, 1)

    def _pieces(self, address: int, size: int) -> Iterator[tuple[int, int, int]]:
        """The host-physical pieces of a range, each in frames side by side: (address, offset, length)."""
        if not self.holds(address, size):
            raise no_memory(address, size, self.base, self.size)
        frames, offset = self.frames, 0
        while offset < size:
            number, length = self._number(address + offset), PAGE - (address + offset) % PAGE
            while offset + length < size and frames[number + 1] == frames[number] + 1:
                number, length = number + 1, length + PAGE
            length = min(length, size - offset)
            yield self.host_address(address + offset), offset, length
            offset += length

    def fast(self, address: int) -> bool:
        """Never: there is no way round `store`."""
        return False

    def hold_code(self, address: int) -> None:
        """Nothing to do: nobody keeps decoded instructions of a virtual hart."""

    def watch(self, address: int, callback: Callable[[int, int], None]) -> None:
        """Call `callback(address, value)` after each store to the double word at `address`."""
        self.peek(address, 8)
        self.watched[address] = callback

    def touched(self) -> set[int]:
        """See `vlab.machine.memory.Memory.touched`."""
        first, touched = self.base // PAGE, self._host.touched()
        return {first + page for page, frame in enumerate(self.frames) if frame in touched}

    def pages(self) -> dict[int, bytes]:
        """The pages that are not all zeros, by number from `base`."""
        first = self.base // PAGE
        numbers = sorted(page - first for page in self.touched())
        found = ((number, self._host.peek(self.frames[number] * PAGE, PAGE)) for number in numbers)
        return {page: content for page, content in found if content != _ZEROS}

    def set_pages(self, pages: Mapping[int, bytes]) -> None:
        """Make the memory be as `pages` says; whatever is not in it is zero."""
        first = self.base // PAGE
        changing = pages.keys() | {page - first for page in self.touched()}
        for page in sorted(changing.intersection(range(len(self.frames)))):
            content, address = pages.get(page, _ZEROS), self.base + page * PAGE
            if self.peek(address, PAGE) != content:
                if self.shared:
                    self._unshare(address, PAGE)
                self._host.poke(self.host_address(address), content)
                if self.log is not None:
                    self.log.add(page)
