"""The TLB in shared memory: what the Python engine keeps in dictionaries, laid out for native code."""

from collections.abc import Iterator, MutableMapping
from typing import Any

from vlab.machine.execute.native.blocks import address_of, new_block
from vlab.machine.execute.native.layout import (
    CONTEXT_SIZE,
    EXEC,
    EXEC_SIZE,
    FILLED,
    FIRST_FILLED,
    FRAMES,
    KEY,
    KEY_FIELDS,
    MOST_FIRST,
    NO_PAGE,
    PAGES,
    QUICK_SIZE,
    READ_TAG,
    RIGHTS_BITS,
    SETS,
    WRITE_TAG,
)
from vlab.machine.mmu import Context, Entry, Key

_ALL_RIGHTS = (1 << RIGHTS_BITS) - 1
_NOTHING = memoryview(b"\xff" * KEY)
_NO_TAGS = memoryview(b"\xff" * (8 * SETS)).cast("Q")


def shared_context(key: Key) -> Context:
    """A context that native code shares. What is quick is its business alone."""
    entries = SharedEntries(key)
    return Context(key, entries, _ReadTags(entries), _WriteTags(entries))  # type: ignore[arg-type]


class SharedEntries(MutableMapping[int, Entry]):
    """The entries of a context by index, as a dictionary has them; `address` is where they lie in the host."""

    def __init__(self, key: Key):
        self._block = new_block(CONTEXT_SIZE)
        self._bytes = memoryview(self._block)
        self._words = self._bytes[: CONTEXT_SIZE // 8 * 8].cast("Q")
        self._pages = self._words[PAGES // 8 : PAGES // 8 + SETS]
        self._frames = self._words[FRAMES // 8 : FRAMES // 8 + SETS]
        self.address = address_of(self._block)
        self._bytes[:KEY] = _NOTHING
        for number, field in enumerate(KEY_FIELDS):
            self._words[KEY // 8 + number] = int(getattr(key, field))

    def get(self, index: int, default: Any = None) -> Any:
        """The entry at an index."""
        page = self._pages[index]
        if page == NO_PAGE:
            return default
        frame = self._frames[index]
        return Entry(page, frame >> RIGHTS_BITS, frame & _ALL_RIGHTS)

    def __getitem__(self, index: int) -> Entry:
        found: Entry | None = self.get(index)
        if found is None:
            raise KeyError(index)
        return found

    def __setitem__(self, index: int, entry: Entry) -> None:
        self._slow(self._pages[index])
        self._pages[index] = entry.page
        self._frames[index] = entry.frame << RIGHTS_BITS | entry.rights
        count = self._words[FILLED // 8]
        if count < MOST_FIRST:
            self._words[FIRST_FILLED // 8 + count] = entry.page
        self._words[FILLED // 8] = count + 1

    def __delitem__(self, index: int) -> None:
        self._slow(self._pages[index])
        self._pages[index] = NO_PAGE

    def __iter__(self) -> Iterator[int]:
        if self._words[FILLED // 8]:
            yield from (index for index, page in enumerate(self._pages.tolist()) if page != NO_PAGE)

    def __len__(self) -> int:
        return sum(1 for _index in self)

    def clear(self) -> None:
        """Forget all of them, and what is quick."""
        if self._words[FILLED // 8]:
            self._bytes[:KEY] = _NOTHING
            self._words[FILLED // 8] = 0

    def slow_stores(self) -> None:
        """Let the next store to each page be looked at again."""
        if self._words[FILLED // 8]:
            self._words[WRITE_TAG // 8 : EXEC // 8 : QUICK_SIZE // 8] = _NO_TAGS

    def slow_loads(self) -> None:
        """The same for loads."""
        if self._words[FILLED // 8]:
            self._words[READ_TAG // 8 : EXEC // 8 : QUICK_SIZE // 8] = _NO_TAGS

    def slow_fetches(self) -> None:
        """Let the next fetch from each page be looked at again."""
        if self._words[FILLED // 8]:
            self._words[EXEC // 8 : PAGES // 8 : EXEC_SIZE // 8] = _NO_TAGS

    def _slow(self, page: int) -> None:
        """A page is remembered no more, so it isn't quick any more."""
        quick = page % SETS * QUICK_SIZE // 8
        for tag in (quick + READ_TAG // 8, quick + WRITE_TAG // 8, (EXEC + page % SETS * EXEC_SIZE) // 8):
            if self._words[tag] == page << 12:
                self._words[tag] = NO_PAGE


class _ReadTags(dict[int, int]):
    """The quick way of the Python engine, which nothing takes here; to clear it is to clear the tags."""

    def __init__(self, entries: SharedEntries):
        self._entries = entries

    def __setitem__(self, page: int, addend: int) -> None:
        pass

    def clear(self) -> None:
        self._entries.slow_loads()


class _WriteTags(_ReadTags):
    """The same for stores."""

    def clear(self) -> None:
        self._entries.slow_stores()
