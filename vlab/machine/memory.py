"""Physical memory: one block of bytes behind one write port.

Everything that writes RAM comes through `store`, `poke` or a *fast page*. A page is fast for the hart only
while nobody wants to know of writes to it: not while it is clean (the dirty log wants to know), holds decoded
instructions (the interpreter does), or is watched. So those three cost a fast store nothing. `open` says so of
each page; who finds a CLEAN one there may make it OPEN, which is to say that it is written.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from mmap import ACCESS_COPY, mmap
from typing import Any

from vlab.language import VlabError, _
from vlab.machine.pages import Pages, with_pages
from vlab.paging import size_text
from vlab.riscv import Access, Trap
from vlab.riscv.privilege import ACCESS_FAULT

PAGE = 4096
RAM_BASE = 0x8000_0000
_ZEROS = bytes(PAGE)
LIMIT = 1 << 34  # bytes; more than a model on a laptop can hold

# What an engine's stores to a page may do: ask first, go straight there, do so where no decoded instruction stands,
# go straight there too, once the page is OPEN, or do so where neither such an instruction nor a watched word stands.
ASK, OPEN, OPEN_DATA, CLEAN, OPEN_WATCHED = range(5)
MOST_LISTED = 256  # watched words that an engine looks through; with more, it asks first

# RAM as elements of a size, by which the interpreter reaches it; a negative size means signed ones.
_FORMATS: dict[int, Any] = {1: "B", 2: "H", 4: "I", 8: "Q", -1: "b", -2: "h", -4: "i"}
NO_VIEWS: Mapping[int, Any] = dict.fromkeys(_FORMATS, ())  # of a memory with no way round `load` and `store`


Watched = dict[int, Callable[[int, int], None]]  # who is called, by the double word


class Watches:
    """Double words whose stores, or whose loads by instructions, somebody wants to hear of.

    While somebody is told, `access` is what was stored or loaded: where it begins, and how many bytes it has.
    """

    def __init__(self) -> None:
        self.watched: Watched = {}
        self.loads_watched: Watched = {}
        self.access = 0, 0
        # Who writes now, if it is no instruction, and of which computer.
        self.author: tuple[str, Any] | None = None

    @contextmanager
    def written_by(self, author: str, computer: Any) -> Iterator[None]:
        """What is written meanwhile is a computer's "device", or its "page walk"."""
        before, self.author = self.author, (author, computer)
        try:
            yield
        finally:
            self.author = before

    def unwatch(self, address: int) -> None:
        """Call nobody any more."""
        self.watched.pop(address, None)

    def open_to_loads(self, address: int) -> bool:
        """Whether nobody wants to hear of loads from the page of `address`."""
        return not any(watched // PAGE == address // PAGE for watched in self.loads_watched)

    def loaded(self, address: int, size: int) -> None:
        """An instruction loads `size` bytes from `address`: call whoever watches one of them."""
        if self.loads_watched:
            self.tell(self, address, size, self.loads_watched)

    def is_watched(self, address: int) -> bool:
        """Whether a double word in the page of `address` is watched."""
        words = *self.watched, *self.loads_watched
        return any(watched // PAGE == address // PAGE for watched in words)

    def tell(self, memory: Any, address: int, size: int, watches: Watched | None = None) -> None:
        """`size` bytes at `address` have been written: call whoever watches one of them."""
        watches, self.access = self.watched if watches is None else watches, (address, size)
        for watched in [w for w in watches if address - 8 < w < address + size]:
            watches[watched](watched, memory.load(watched, 8))


class Memory(Watches):
    """`size` bytes of RAM at physical address `base`, both whole pages.

    Raises:
        VlabError: where the size is not a whole number of pages, or out of reason.
    """

    def __init__(self, size: int, base: int = RAM_BASE):
        if size <= 0 or size % PAGE or size > LIMIT:
            raise VlabError(
                _("A memory of {size} bytes cannot be built.").format(size=size),
                mend=_("Give a multiple of 4096, up to {limit} GiB.").format(limit=LIMIT >> 30),
            )
        super().__init__()
        self.base, self.size = base, size
        self.ram = _allocate(size)
        whole = memoryview(self.ram)
        self.views: Mapping[int, Any] = {element: whole.cast(code) for element, code in _FORMATS.items()}
        self._doubles = self.views[8]
        self._dirty: set[int] = set()  # pages written that may not be open
        self.open = bytearray([CLEAN]) * (size // PAGE)
        self._saved = Pages({})
        self.code: set[int] = set()
        # How many words are watched, and where, for engines: those whose stores they leave to us, and whose loads.
        self.listed, self.loads_listed = (bytearray(8 * (1 + MOST_LISTED)) for _list in range(2))
        self.on_code_write: Callable[[int, int], bool] = lambda address, size: False
        self.on_slow_page: Callable[[], None] = lambda: None
        self.on_slow_loads: Callable[[], None] = lambda: None

    def __repr__(self) -> str:
        return _("Memory of {size} at {base:#x}").format(size=size_text(self.size), base=self.base)

    @property
    def data(self) -> mmap:
        """All its bytes, for whoever looks at many at once, such as `vlab.paging.walk_many`."""
        return self.ram

    @property
    def dirty(self) -> set[int]:
        """The pages written since `pages` or `fresh` was last asked, as far as anybody knows."""
        return self._dirty | {page for state in (OPEN, OPEN_DATA) for page in self._in_state(state)}

    def _in_state(self, state: int) -> Iterator[int]:
        page = self.open.find(state)
        while page >= 0:
            yield page
            page = self.open.find(state, page + 1)

    def holds(self, address: int, size: int = 1) -> bool:
        """Whether all `size` bytes at `address` are RAM."""
        return self.base <= address and address + size <= self.base + self.size

    def load(self, address: int, size: int) -> int:
        """The unsigned little-endian value of `size` bytes.

        Raises:
            Trap: load access fault, where this is not RAM.
        """
        at = address - self.base
        if not 0 <= at <= self.size - size:
            raise Trap(ACCESS_FAULT[Access.LOAD], address)
        if not at & 7 and size == 8:  # an entry of a page table, mostly
            found: int = self._doubles[at >> 3]
            return found
        return int.from_bytes(self.ram[at : at + size], "little")

    def store(self, address: int, size: int, value: int) -> None:
        """Write the low `size` bytes of `value`.

        Raises:
            Trap: store access fault, where this is not RAM.
        """
        at = address - self.base
        if not 0 <= at <= self.size - size:
            raise Trap(ACCESS_FAULT[Access.STORE], address)
        self.ram[at : at + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
        self._written(at, size)

    def peek(self, address: int, size: int) -> bytes:
        """A debugger's look at `size` bytes; VlabError outside RAM."""
        at = self._inside(address, size)
        return bytes(self.ram[at : at + size])

    def poke(self, address: int, data: bytes) -> None:
        """A debugger's (or a loader's) write; VlabError outside RAM."""
        at = self._inside(address, len(data))
        if data:
            self.ram[at : at + len(data)] = data
            self._written(at, len(data))

    def _inside(self, address: int, size: int) -> int:
        if not self.holds(address, size):
            raise no_memory(address, size, self.base, self.size)
        return address - self.base

    def _written(self, at: int, size: int) -> None:
        for page in range(at // PAGE, (at + size - 1) // PAGE + 1):
            self._dirty.add(page)
            if page in self.code:
                first, end = max(at, page * PAGE), min(at + size, (page + 1) * PAGE)
                if not self.on_code_write(self.base + first, end - first):
                    self.code.discard(page)
        if self.watched:
            self.tell(self, self.base + at, size)

    def fast(self, address: int) -> bool:
        """Whether stores to the page of `address` may bypass `store`. Asking makes a clean page dirty."""
        page = (address - self.base) // PAGE
        if self.is_watched(address):
            if page not in self.code:
                self._dirty.add(page)
                self.open[page] = OPEN_WATCHED
            return False
        if page in self.code:
            return False
        self.open[page] = OPEN
        return True

    def _close(self, page: int) -> None:
        """From here on stores to a page must be seen."""
        if self.open[page] in (OPEN, OPEN_DATA):
            self._dirty.add(page)
        self.open[page] = ASK
        self.on_slow_page()

    def hold_code(self, address: int) -> None:
        """Instructions in the page of `address` have been decoded: from here on stores to it must be seen."""
        page = (address - self.base) // PAGE
        if page not in self.code:
            self.code.add(page)
            self._close(page)

    def watch(self, address: int, callback: Callable[[int, int], None]) -> None:
        """Call `callback(address, value)` after each store to the double word at `address`."""
        self._inside(address, 8)
        self.watched[address] = callback
        self._list()
        self._close((address - self.base) // PAGE)

    def unwatch(self, address: int) -> None:
        """See `Watches.unwatch`."""
        super().unwatch(address)
        self._list()

    def watch_loads(self, address: int, callback: Callable[[int, int], None]) -> None:
        """Call `callback(address, value)` after each load by an instruction from the double word at `address`."""
        self._inside(address, 8)
        self.loads_watched[address] = callback
        self._list()
        self.on_slow_loads()
        self._close((address - self.base) // PAGE)  # what loads and stores at once is a store to engines

    def unwatch_loads(self, address: int) -> None:
        """Call nobody any more."""
        self.loads_watched.pop(address, None)
        self._list()

    def _list(self) -> None:
        """Let engines know which words are watched."""
        for place, watched in (
            (self.listed, self.watched | self.loads_watched),
            (self.loads_listed, self.loads_watched),
        ):
            words = [len(watched), *watched][: 1 + MOST_LISTED]
            struct.pack_into(f"<{len(words)}Q", place, 0, *words)

    def touched(self) -> set[int]:
        """The pages that may not be all zeros: their addresses by PAGE. None of them is read for that."""
        first = self.base // PAGE
        return {first + page for page in self.dirty.union(self._saved)}

    def pages(self) -> Pages:
        """The pages that are not all zeros, by number from `base`. Costs what was written since last time."""
        self.fresh()
        return self._saved

    def fresh(self) -> dict[int, tuple[bytes, bytes]]:
        """The pages written since this, or `pages`, was last asked: what each held then, and what it holds now."""
        dirty = sorted(self.dirty)
        if not dirty:
            return {}
        found, whole = {}, memoryview(self.ram)
        for page in dirty:
            found[page] = self._saved.get(page) or _ZEROS, bytes(whole[page * PAGE : (page + 1) * PAGE])
            seen = page in self.code or self.is_watched(self.base + page * PAGE)
            self.open[page] = ASK if seen else CLEAN
        changed = ((page, None if now == _ZEROS else now) for page, (_before, now) in found.items())
        self._saved = Pages(with_pages(self._saved.groups, changed))
        self._dirty.clear()
        self.on_slow_page()
        return found

    def set_pages(self, pages: Mapping[int, bytes]) -> None:
        """Make the memory be as `pages` says; whatever is not in it is zero."""
        wanted = Pages.of(pages)
        for page in self.pages().differing(wanted):
            self.poke(self.base + page * PAGE, wanted.get(page) or _ZEROS)
        # From here on it shares its pages with whoever gave them.
        self._saved = wanted
        self._dirty.clear()
        self.on_slow_page()


def _allocate(size: int) -> mmap:
    """So many zero bytes. The host gives a page of a mapping when it is first touched; a bytearray's, all at once."""
    try:
        return mmap(-1, size, access=ACCESS_COPY)
    except (OSError, MemoryError):
        raise VlabError(
            _("This host does not have so much memory to give."), mend=_("Ask for less.")
        ) from None


def no_memory(address: int, size: int, base: int, there: int) -> VlabError:
    """What is said of a range that isn't all in a memory of `there` bytes at `base`."""
    return VlabError(
        _("There is no memory at {address:#x} ({size} bytes).").format(address=address, size=size),
        mend=_("RAM lies from {first:#x} to {last:#x}.").format(first=base, last=base + there - 1)
        if there
        else _("There is none at all any more: its virtual machine was moved away, or removed."),
    )
