"""Pages of instructions, decoded into slots that native code runs along."""

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from vlab.machine.execute.native.blocks import address_of, new_block
from vlab.machine.execute.native.building import Native
from vlab.machine.execute.native.layout import (
    CODE_HELD,
    CODE_MEMORY,
    CODE_PAGE,
    END_SLOT,
    LEFT,
    SLOT,
)
from vlab.machine.execute.native.slots import decoder_table
from vlab.machine.memory import OPEN_DATA, OPEN_WATCHED, PAGE, Memory

if TYPE_CHECKING:
    from vlab.machine.hart import Hart

# Pages that hold decoded instructions: a guest that jumps everywhere must not fill the host's memory.
MOST_PAGES = 1024
_LEFT = 8 * (LEFT - 8)
_WORDS = SLOT // 8
_MEMORY, _HELD = CODE_MEMORY // 8, CODE_HELD // 8
_SLOT = struct.Struct("<2Q")


class CodePages:
    """The code pages of one machine.

    `fields` are what native code must know of them. `gone` is called when some are no more: no tag may lead there.
    """

    def __init__(
        self, made: Native, hart: "Hart", memory: Memory, csrs: Mapping[int, int], gone: Callable[[], None]
    ):
        self._memory, self._gone = memory, gone
        self._arena = new_block((MOST_PAGES + 2) * CODE_PAGE)
        start = address_of(self._arena)
        self._start = start + -start % CODE_PAGE
        first = self._start - start
        self._slots = memoryview(self._arena)[first : first + (MOST_PAGES + 1) * CODE_PAGE].cast("Q")
        codes = new_block(memory.size // PAGE * 8)
        self._table = memoryview(codes).cast("Q")  # of each page of memory, its code page
        self._pages: list[int] = []  # of memory, in the order of the arena
        self._free: list[int] = []  # places in the arena
        self._stops: frozenset[int] = frozenset()  # offsets in a page at which instructions are Python's
        self._stopping = new_block(PAGE)
        self._ram = address_of(memory.ram)
        self._decoder = decoder_table(made, hart.lacking, tuple(csrs.items()))
        handlers = made.handlers
        self._short = {address for name, address in handlers.items() if ".2" in name}  # of two bytes
        self._undecoded = handlers["undecoded"]
        empty = _SLOT.pack(self._undecoded, 0) * END_SLOT + _SLOT.pack(handlers["page_end"], 0)
        self._empty = memoryview(empty).cast("Q")
        self.fields = {
            "codes": address_of(codes), "decoder": address_of(self._decoder), "stops": address_of(self._stopping),
            "undecoded": self._undecoded, "leaving": handlers["leave"], "illegal": handlers["illegal"],
            "across": handlers["across"], "beyond": handlers["beyond"], "lone": self._start + MOST_PAGES * CODE_PAGE,
        }  # fmt: skip

    def hold(self, page: int) -> None:
        """Let a page of memory have a code page; if there is no room for more, all others are forgotten."""
        if not self._free and len(self._pages) == MOST_PAGES:
            self.forget()
        if self._free:
            number = self._free.pop()
            self._pages[number] = page
        else:
            number = len(self._pages)
            self._pages.append(page)
        first = number * CODE_PAGE // 8
        self._slots[first : first + len(self._empty)] = self._empty
        self._slots[first + _MEMORY], self._slots[first + _HELD] = self._ram + page * PAGE, 0
        self._table[page] = self._start + number * CODE_PAGE
        self._memory.hold_code(self._memory.base + page * PAGE)

    def forget(self) -> None:
        """All code pages are no more."""
        for page in self._pages:
            self._table[page] = 0
        self._free = list(range(len(self._pages)))
        self._gone()

    def _release(self, number: int) -> None:
        """A code page holds nothing any more."""
        self._table[self._pages[number]] = 0
        self._free.append(number)
        self._gone()

    def stop_at(self, addresses: Iterable[int]) -> None:
        """From here on, leave to Python each instruction that may stand at one of these virtual addresses."""
        stops = frozenset(address % PAGE for address in addresses)
        if stops != self._stops:
            self._stops = stops
            self._stopping[:] = bytes(offset in stops for offset in range(PAGE))
            self.forget()

    # Forgetting

    def written(self, address: int, size: int) -> bool:
        """Bytes of a page with decoded instructions were written. Whether such stores must be seen further on."""
        page = (address - self._memory.base) // PAGE
        code = self._table[page]
        if not code:
            return False
        number = (code - self._start) // CODE_PAGE
        if size == PAGE:
            self._release(number)
            return False
        low, end = max((address % PAGE & ~1) - 2, 0), address % PAGE + size
        first = number * CODE_PAGE // 8
        slots = self._slots[first + low // 2 * _WORDS : first + (end + 1) // 2 * _WORDS : _WORDS].tolist()
        if slots.count(self._undecoded) < len(slots):
            for offset in range(low, end, 2):
                self._drop(number, offset)
            self._drop_before(number, low)
        if not self._slots[number * CODE_PAGE // 8 + _HELD]:
            self._release(number)
            return False
        self._memory.open[page] = OPEN_WATCHED if self._memory.is_watched(address) else OPEN_DATA
        return True

    def _drop(self, number: int, offset: int) -> bool:
        """Forget one slot; was it filled?"""
        first = number * CODE_PAGE // 8
        at = first + offset // 2 * _WORDS
        held = self._slots[at] != self._undecoded
        self._slots[at], self._slots[at + 1] = self._undecoded, 0
        self._slots[first + _HELD] -= held
        return held

    def _drop_before(self, number: int, offset: int) -> None:
        """Forget the straight lines that lead to what was dropped from `offset` on: they are counted anew."""
        free = 0  # how many slots in a row lead nowhere
        first, slots = number * CODE_PAGE // 8, self._slots
        while offset > 0 and free < 2:
            offset -= 2
            at = first + offset // 2 * _WORDS
            following = at + (1 if slots[at] in self._short else 2) * _WORDS
            leads = slots[at] != self._undecoded and slots[at + 1] >> _LEFT > 1
            if leads and slots[following] == self._undecoded:
                self._drop(number, offset)
                free = 0
            else:
                free += 1
