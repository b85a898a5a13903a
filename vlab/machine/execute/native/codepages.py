"""Pages of instructions, decoded into slots that native code runs along."""

import ctypes
from collections.abc import Callable, Mapping
from mmap import mmap
from typing import TYPE_CHECKING

from vlab.machine.execute.native.building import Native
from vlab.machine.execute.native.handlers import handler_name, jumps, jumps_near, native
from vlab.machine.execute.native.layout import (
    ASK,
    CODE_PAGE,
    END_SLOT,
    LEFT,
    OPEN_DATA,
    RD,
    RS1,
    SINK,
    SLOT,
    SLOT_SHIFT,
    UPPER_IMM,
)
from vlab.machine.memory import PAGE, Memory
from vlab.riscv.instructions import ROWS, length

if TYPE_CHECKING:
    from vlab.machine.hart import Hart

MOST_PAGES = (
    1024  # that hold decoded instructions; a guest that jumps everywhere must not fill the host's memory
)
_RD, _RS1, _LEFT, _UPPER = (8 * (place - 8) for place in (RD, RS1, LEFT, UPPER_IMM))
_WORDS = SLOT // 8
_ONE_LEFT = 1 << _LEFT


def address_of(buffer: mmap | bytearray) -> int:
    """Where a buffer lies in the host."""
    return ctypes.addressof((ctypes.c_char * len(buffer)).from_buffer(buffer))


class CodePages:
    """The code pages of one machine.

    `table` leads to them, by page of memory; `gone` is called when some are no more, and no tag may lead there.
    """

    def __init__(
        self, made: Native, hart: "Hart", memory: Memory, csrs: Mapping[int, int], gone: Callable[[], None]
    ):
        self._hart, self._memory, self._handlers, self._gone = hart, memory, made.handlers, gone
        self._arena = mmap(-1, (MOST_PAGES + 1) * CODE_PAGE)
        start = address_of(self._arena)
        self._start = start + -start % CODE_PAGE
        first = self._start - start
        self._slots = memoryview(self._arena)[first : first + MOST_PAGES * CODE_PAGE].cast("Q")
        self.table = mmap(-1, max(memory.size // PAGE * 8, 1))
        self._table = memoryview(self.table).cast("Q")
        self._pages: list[int] = []  # of memory, in the order of the arena
        self._held: list[int] = []  # how many slots of each are filled
        self._free: list[int] = []  # places in the arena
        self._csrs = csrs
        self._known: dict[int, tuple[int, int, int, bool]] = {}
        self._short = {address for name, address in made.handlers.items() if ".2" in name}  # of two bytes
        self.undecoded = made.handlers["undecoded"]
        empty = [self.undecoded, 0] * END_SLOT + [made.handlers["page_end"], 0]
        self._empty = memoryview(b"".join(word.to_bytes(8, "little") for word in empty)).cast("Q")

    def hold(self, page: int) -> None:
        """Let a page of memory have a code page; if there is no room for more, all others are forgotten."""
        if not self._free and len(self._pages) == MOST_PAGES:
            self._forget()
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

    def _forget(self) -> None:
        for page in self._pages:
            self._table[page] = 0
        self._held, self._free = [0] * MOST_PAGES, list(range(MOST_PAGES))
        self._gone()

    def _release(self, number: int) -> None:
        """A code page holds nothing any more."""
        self._table[self._pages[number]] = 0
        self._free.append(number)
        self._gone()

    # Decoding

    def decode(self, slot: int) -> None:
        """Fill the slots of a straight line: from this one to a jump, the page's end, or what is decoded."""
        number, inside = divmod(slot - self._start, CODE_PAGE)
        first, slots = number * CODE_PAGE // 8, self._slots
        start = self._memory.base + self._pages[number] * PAGE
        line, offset, left = [], inside >> SLOT_SHIFT, 0
        while offset < PAGE:
            at = first + (offset << SLOT_SHIFT) // 8
            if slots[at] != self.undecoded:
                left = slots[at + 1] >> _LEFT
                break
            word, size = self._word(start, offset)
            handler, operands, ends = self._operation(word, offset)
            line.append((at, handler, operands))
            if ends:
                break
            offset += size
        self._held[number] += len(line)
        for at, handler, operands in reversed(line):
            left += 1
            slots[at], slots[at + 1] = handler, operands | left << _LEFT

    def _word(self, start: int, offset: int) -> tuple[int, int]:
        """The instruction in a page, and its bytes; one that reaches into the next page counts as none: 0."""
        parcel = self._hart.parcel
        word = self._memory.load(start + offset, parcel)
        size = max(parcel, length(word))
        if size == parcel:
            return word, size
        return (self._memory.load(start + offset, size) if offset + size <= PAGE else 0), size

    def _operation(self, word: int, offset: int) -> tuple[int, int, bool]:
        """What stands in the slot of an instruction, `left` left out, and whether its straight line ends there."""
        known = self._known.get(word)
        if known is None:
            if len(self._known) >= 1 << 16:
                self._known.clear()
            known = self._known[word] = self._made(word)
        handler, operands, reach, ends = known
        if reach and 0 <= offset + reach < PAGE:
            near = self._handlers[f"{self._name(word)}.near"]
            return near, self._with_imm(operands, word, reach << SLOT_SHIFT), ends
        return handler, operands, ends

    def _name(self, word: int) -> str:
        found = self._hart.decode(word)
        assert found is not None
        return handler_name(found.row.base, found.row.size)

    def _made(self, word: int) -> tuple[int, int, int, bool]:
        """The handler, its operands, how far it jumps (0: that isn't said in it), and whether the line ends there."""
        found = self._hart.decode(word)
        leaving = self._handlers["leave"], 0, 0, True
        if found is None:
            return leaving
        row = ROWS[found.row.base]
        reach = found["imm"] if jumps_near(row) else 0
        unknown = "csr" in row.operands and found["csr"] not in self._csrs
        if not native(row) or unknown or reach % self._hart.parcel:
            return leaving
        operands = (found["rd"] or SINK) << _RD | (found["rs1"] or found["zimm"]) << _RS1
        imm = self._csrs[found["csr"]] if "csr" in row.operands else found["imm"] or found["shamt"]
        operands = self._with_imm(operands, word, imm)
        return self._handlers[self._name(word)], operands, reach, jumps(row)

    def _with_imm(self, operands: int, word: int, imm: int) -> int:
        """Operands with an immediate, and rs2 below it if there is one."""
        found = self._hart.decode(word)
        assert found is not None
        kept = operands >> _RD << _RD
        if "rs2" in ROWS[found.row.base].operands:
            return kept | (imm & 0xFFFF) << _UPPER | found["rs2"]
        return kept | imm & 0xFFFF_FFFF

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
