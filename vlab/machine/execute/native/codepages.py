"""Pages of instructions, decoded into slots that native code runs along."""

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from vlab.machine.execute.native.blocks import address_of, new_block
from vlab.machine.execute.native.building import Native
from vlab.machine.execute.native.layout import (
    ASK,
    CODE_PAGE,
    END_SLOT,
    LEFT,
    OPEN_DATA,
    SLOT,
    SLOT_SHIFT,
)
from vlab.machine.execute.native.slots import Slots
from vlab.machine.memory import PAGE, Memory
from vlab.riscv.instructions import length

if TYPE_CHECKING:
    from vlab.machine.hart import Hart

# Pages that hold decoded instructions: a guest that jumps everywhere must not fill the host's memory.
MOST_PAGES = 1024
MOST_LEFT = 32  # instructions of a straight line: of the last one before a deadline, Python does them
_LEFT = 8 * (LEFT - 8)
_WORDS = SLOT // 8
_SLOT = struct.Struct("<2Q")


class CodePages:
    """The code pages of one machine.

    `table` leads to them, by page of memory; `gone` is called when some are no more, and no tag may lead there.
    """

    def __init__(
        self, made: Native, hart: "Hart", memory: Memory, csrs: Mapping[int, int], gone: Callable[[], None]
    ):
        self._hart, self._memory, self._handlers, self._gone = hart, memory, made.handlers, gone
        self._arena = new_block((MOST_PAGES + 1) * CODE_PAGE)
        start = address_of(self._arena)
        self._start = start + -start % CODE_PAGE
        first = self._start - start
        self._slots = memoryview(self._arena)[first : first + MOST_PAGES * CODE_PAGE].cast("Q")
        self.table = new_block(memory.size // PAGE * 8)
        self._table = memoryview(self.table).cast("Q")
        self._pages: list[int] = []  # of memory, in the order of the arena
        self._held: list[int] = []  # how many slots of each are filled
        self._free: list[int] = []  # places in the arena
        self._fillings = Slots(made.handlers, hart, csrs)
        self._stops: frozenset[int] = frozenset()  # offsets in a page at which instructions are Python's
        self._short = {address for name, address in made.handlers.items() if ".2" in name}  # of two bytes
        self.undecoded = made.handlers["undecoded"]
        empty = _SLOT.pack(self.undecoded, 0) * END_SLOT + _SLOT.pack(made.handlers["page_end"], 0)
        self._empty = memoryview(empty).cast("Q")

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
            self._held.append(0)
        at = number * CODE_PAGE
        self._slots[at // 8 : at // 8 + len(self._empty)] = self._empty
        self._table[page] = self._start + at
        self._memory.hold_code(self._memory.base + page * PAGE)

    def forget(self) -> None:
        """All code pages are no more."""
        for page in self._pages:
            self._table[page] = 0
        self._held, self._free = [0] * len(self._pages), list(range(len(self._pages)))
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
            self.forget()

    # Decoding

    def decode(self, slot: int) -> None:
        """Fill the slots of straight lines: from this one to a jump, the page's end, or what is decoded."""
        number, inside = divmod(slot - self._start, CODE_PAGE)
        first, slots = number * CODE_PAGE // 8, self._slots
        start = self._pages[number] * PAGE
        line, offset, left = [], inside >> SLOT_SHIFT, 0
        while offset < PAGE:
            at = first + offset // 2 * _WORDS
            if slots[at] != self.undecoded:
                left = slots[at + 1] >> _LEFT
                break
            word, size = self._word(start, offset)
            filling = self._fillings.leaving if offset in self._stops else self._fillings.filling(word)
            line.append((at, offset, filling))
            if filling.ends:
                break
            offset += size
        self._held[number] += len(line)
        for at, offset, filling in reversed(line):
            handler, operands = filling.handler, filling.operands
            if filling.reach and 0 <= offset + filling.reach < PAGE:
                handler, operands = filling.near, filling.near_operands
            left += 1
            if left > MOST_LEFT and filling.last:
                handler, left = filling.last, 1
            slots[at], slots[at + 1] = handler, operands | left << _LEFT

    def _word(self, start: int, offset: int) -> tuple[int, int]:
        """The instruction in a page, and its bytes; one that reaches into the next page counts as none: 0."""
        parcels, at = self._memory.views[2], (start + offset) // 2
        word = parcels[at]
        if self._hart.parcel == 2 and length(word) == 2:
            return word, 2
        return (word | parcels[at + 1] << 16 if offset + 4 <= PAGE else 0), 4

    # Forgetting

    def written(self, address: int, size: int) -> bool:
        """Bytes of a page with decoded instructions were written. Whether such stores must be seen further on."""
        page = (address - self._memory.base) // PAGE
        code = self._table[page]
        if not code:
            return False
        number = (code - self._start) // CODE_PAGE
        low = max((address % PAGE & ~1) - 2, 0)
        dropped = [self._drop(number, offset) for offset in range(low, address % PAGE + size, 2)]
        if any(dropped):
            self._drop_before(number, low)
            if not self._held[number]:
                self._release(number)
                return False
        self._memory.open[page] = ASK if self._memory.is_watched(address) else OPEN_DATA
        return True

    def _drop(self, number: int, offset: int) -> bool:
        """Forget one slot; was it filled?"""
        at = number * CODE_PAGE // 8 + offset // 2 * _WORDS
        held = self._slots[at] != self.undecoded
        self._slots[at], self._slots[at + 1] = self.undecoded, 0
        self._held[number] -= held
        return held

    def _drop_before(self, number: int, offset: int) -> None:
        """Forget the straight lines that lead to what was dropped from `offset` on: they are counted anew."""
        free = 0  # how many slots in a row lead nowhere
        first, slots = number * CODE_PAGE // 8, self._slots
        while offset > 0 and free < 2:
            offset -= 2
            at = first + offset // 2 * _WORDS
            following = at + (1 if slots[at] in self._short else 2) * _WORDS
            leads = slots[at] != self.undecoded and slots[at + 1] >> _LEFT > 1
            if leads and slots[following] == self.undecoded:
                self._drop(number, offset)
                free = 0
            else:
                free += 1
