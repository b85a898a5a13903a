"""Decoding in native code: straight lines of a page of memory become slots.

The routine is written in the restricted Python of `functions`, and never run as Python. What an instruction is, it
reads from a table that `slots` makes of the table of instructions: who adds a row there, adds it here.
"""

from typing import TYPE_CHECKING

from vlab.machine.choices import SINK
from vlab.machine.execute.native.layout import (
    CODE_HELD,
    CODE_MEMORY,
    CODE_PAGE,
    DECODER_CSRS,
    DECODER_PAIRS,
    EXEC,
    EXEC_SIZE,
    IMM,
    LEFT,
    PAIR_BACK,
    PAIR_SIZE,
    RD,
    ROW_FIELDS,
    ROW_FIRST,
    ROW_HANDLER,
    ROW_HAS_CSR,
    ROW_HAS_RS2,
    ROW_LAST,
    ROW_MASK,
    ROW_MATCH,
    ROW_NEAR,
    ROW_NONZERO,
    ROW_PIECES,
    ROW_QUIET,
    ROW_SECOND,
    ROW_SIGN,
    RS1,
    SETS,
    SHORT_BUCKETS,
    SLOT_SHIFT,
)
from vlab.machine.execute.native.routines import YES
from vlab.machine.memory import PAGE
from vlab.machine.pmp import X

if TYPE_CHECKING:
    from vlab.machine.execute.native.routines import State, peek, poke, refill, unsigned

MOST_LEFT = 32  # instructions of a straight line
NO_CSR = (1 << 32) - 1
ALWAYS = 1 << 32  # a bit that every word is taken to have, for rows that ask for none
RD_SHIFT, RS2_SHIFT = 8 * (RD - IMM), 8 * (LEFT - IMM)  # of a row's fields: rs2 waits where `left` will be
_UPPER, _IMM_BITS, _ALL_IMM = 16, 0xFFFF, 0xFFFF_FFFF
_HALF, _IN_PAGE = PAGE - 2, PAGE - 1
_SIGN = 63
_FAR = 1 << 32  # an offset from which no jump leads into the page
_OFFSET_BITS, _SETS = 12, SETS - 1


def decode(s: "State", slot: int) -> int:
    """Fill the slots of a straight line: from this one to a jump, the page's end, or what is decoded."""
    code = slot & -CODE_PAGE
    memory = peek(code + CODE_MEMORY, 8)
    offset = (slot - code) >> SLOT_SHIFT
    count = 0
    at = slot
    row = 0
    before = 0  # the slot before, and the one before that
    earlier = 0
    plain = 0  # what handles that one alone
    last = 1  # what would end the line behind the last instruction; 0: that ends it anyway
    while last and count < MOST_LEFT and offset < PAGE and peek(at, 8) == s.undecoded:
        s.row = 0
        last = fill_at(s, at, offset, memory)
        earlier = before
        if before:
            plain = peek(before, 8)
            pair(s, before, row, at)
        before = at
        row = s.row
        count += 1
        offset += size_at(s, memory, offset)
        at = code + (offset << SLOT_SHIFT)
    poke(code + CODE_HELD, 8, peek(code + CODE_HELD, 8) + count)
    left = count
    if last and offset < PAGE:
        left += peek(at + LEFT, 2)
    cut = 0
    if last and (count == MOST_LEFT or left > MOST_LEFT):
        left = count
        cut = last
        if earlier:
            poke(earlier, 8, plain)
    # Once more, now that it is known how many there are.
    offset = (slot - code) >> SLOT_SHIFT
    at = slot
    while count:
        poke(at + LEFT, 2, left)
        if cut and count == 1:
            poke(at, 8, cut)
        count -= 1
        left -= 1
        offset += size_at(s, memory, offset)
        at = code + (offset << SLOT_SHIFT)
    return 0


def size_at(s: "State", memory: int, offset: int) -> int:
    """How many bytes the instruction at an offset of a page has."""
    if s.unaligned == 1 and peek(memory + offset, 1) & 3 != 3:
        return 2
    return 4


def fill_at(s: "State", at: int, offset: int, memory: int) -> int:
    """Fill the slot of an offset in a page, `left` left out. What would end the line here too; 0 if it ends here."""
    if peek(s.stops + offset, 1):
        return fill_with(at, s.leaving)
    if size_at(s, memory, offset) == 2:
        return fill(s, at, offset, peek(memory + offset, 2))
    if offset == _HALF:
        return fill_with(at, s.across)
    return fill(s, at, offset, peek(memory + offset, 4))


def row_of(s: "State", word: int) -> int:
    """The row of the decoder's table that an instruction fits; 0 for none."""
    bucket = SHORT_BUCKETS + ((word & 3) | (word >> 13 << 2))
    if word & 3 == 3:
        bucket = (word >> 2 & 31) | (word >> 12 & 7) << 5
    elif word >> 16:
        return 0
    at = s.decoder + peek(s.decoder + 4 * bucket, 4)
    given = word | ALWAYS
    while peek(at, 4):
        row = s.decoder + peek(at, 4)
        if word & peek(row + ROW_MASK, 8) == peek(row + ROW_MATCH, 8) and given & peek(row + ROW_NONZERO, 8):
            return row
        at += 4
    return 0


def fill(s: "State", at: int, offset: int, word: int) -> int:
    """The same for the instruction that stands there."""
    row = row_of(s, word)
    if not row:
        return fill_with(at, s.illegal)
    handler = peek(row + ROW_HANDLER, 8)
    if not handler:
        return fill_with(at, s.leaving)
    if handler == s.illegal:
        return fill_with(at, handler)
    fields = peek(row + ROW_FIELDS, 8)
    pieces = row + ROW_PIECES
    while peek(pieces, 4):
        fields |= (word >> peek(pieces + 4, 1) & peek(pieces, 4)) << peek(pieces + 5, 1)
        pieces += 8
    sign = peek(row + ROW_SIGN, 8)
    imm = ((fields & _ALL_IMM) ^ sign) - sign
    registers = fields >> RD_SHIFT & _IMM_BITS
    near = row + ROW_NEAR
    if not registers & 255:
        registers |= SINK
        near = row + ROW_QUIET
    if peek(near, 8):
        if imm & s.unaligned:
            return fill_with(at, s.leaving)
        # A target below the page is far above it here.
        if imm and unsigned(imm + offset) < PAGE:
            handler = peek(near + 8 * (imm >> _SIGN), 8)
            imm = imm << SLOT_SHIFT
    if peek(row + ROW_HAS_CSR, 8):
        imm = peek(s.decoder + DECODER_CSRS + 4 * imm, 4)
        if imm == NO_CSR:
            return fill_with(at, s.illegal)
    low = imm & _ALL_IMM
    if peek(row + ROW_HAS_RS2, 8):
        low = (imm & _IMM_BITS) << _UPPER | fields >> RS2_SHIFT
    poke(at, 8, handler)
    poke(at + IMM, 8, registers << RD_SHIFT | low)
    s.row = row
    return peek(row + ROW_LAST, 8)


def pair(s: "State", before: int, row: int, at: int) -> int:
    """Let one handler do two instructions, if there is one: that before, of this row, and the one decoded last."""
    if not s.row:
        return 0
    first = peek(row + ROW_FIRST, 8)
    second = peek(s.row + ROW_SECOND, 8)
    if not first or not second:
        return 0
    entry = s.decoder + DECODER_PAIRS + (first + second) * PAIR_SIZE
    if peek(s.row + ROW_QUIET, 8):
        if peek(at, 8) == peek(s.row + ROW_QUIET + 8, 8):
            entry += PAIR_BACK
        elif peek(at, 8) != peek(s.row + ROW_QUIET, 8):
            return 0
    rd = peek(before + RD, 1)
    handler = peek(entry + 16, 8)
    if rd == peek(at + RS1, 1) and peek(entry, 8):
        handler = peek(entry, 8)
    elif peek(s.row + ROW_HAS_RS2, 8) and rd == peek(at + IMM, 1) and peek(entry + 8, 8):
        handler = peek(entry + 8, 8)
    if handler:
        poke(before, 8, handler)
    return 0


def fill_with(at: int, handler: int) -> int:
    """Fill a slot with what is no instruction, and ends its line."""
    poke(at, 8, handler)
    poke(at + IMM, 8, 0)
    return 0


# An instruction by itself: in a slot of the page that is no page of memory's, where it has the same place


def alone(s: "State", slot: int) -> int:
    """The slot of an instruction in the midst of a straight line that is too long for the attempts left."""
    code = slot & -CODE_PAGE
    offset = (slot - code) >> SLOT_SHIFT
    memory = peek(code + CODE_MEMORY, 8)
    at = s.lone + slot - code
    fill_at(s, at, offset, memory)
    return lone(s, at, size_at(s, memory, offset))


def across(s: "State", slot: int) -> int:
    """The slot of an instruction whose second half is in the next page: made anew each time. 0 if Python must look."""
    page = s.code_page + PAGE
    entry = s.fetch + EXEC + (page >> _OFFSET_BITS & _SETS) * EXEC_SIZE
    if peek(entry, 8) != page and refill(s, s.fetch, page, X) != YES:
        return 0
    code = slot & -CODE_PAGE
    first = peek(peek(code + CODE_MEMORY, 8) + _HALF, 2)
    second = peek(peek(peek(entry + 8, 8) + CODE_MEMORY, 8), 2)
    at = s.lone + slot - code
    fill(s, at, _FAR, first | second << 16)
    return lone(s, at, 4)


def lone(s: "State", at: int, size: int) -> int:
    """A slot as a line of its own; whoever goes on behind it looks for the page of that instruction."""
    poke(at + LEFT, 2, 1)
    poke(at + (size << SLOT_SHIFT), 8, s.beyond)
    return at


# Forgetting


def forgotten(s: "State", at: int, size: int) -> int:
    """Forget the instructions that have one of these bytes of memory. Python does it where nothing would be left: 0."""
    code = peek(s.codes + 8 * (at >> _OFFSET_BITS), 8)
    low = at & _HALF
    if low:
        low -= 2
    offset = low
    end = (at & _IN_PAGE) + size
    count = 0
    while offset < end:
        count += peek(code + (offset << SLOT_SHIFT), 8) != s.undecoded
        offset += 2
    if peek(code + CODE_HELD, 8) <= count:
        return 0
    offset = low
    while offset < end:
        drop(s, code, offset)
        offset += 2
    # The straight lines that lead to what was dropped are counted anew. Where two slots lead nowhere, no line comes by.
    memory = peek(code + CODE_MEMORY, 8)
    free = 0
    while low and free < 2:
        low -= 2
        slot = code + (low << SLOT_SHIFT)
        following = slot + (size_at(s, memory, low) << SLOT_SHIFT)
        free += 1
        if peek(slot, 8) != s.undecoded and peek(slot + LEFT, 2) > 1 and peek(following, 8) == s.undecoded:
            drop(s, code, low)
            free = 0
    s.refetch = 1
    return 1


def drop(s: "State", code: int, offset: int) -> int:
    """Forget one slot."""
    slot = code + (offset << SLOT_SHIFT)
    if peek(slot, 8) != s.undecoded:
        poke(slot, 8, s.undecoded)
        poke(slot + IMM, 8, 0)
        poke(code + CODE_HELD, 8, peek(code + CODE_HELD, 8) - 1)
    return 0


DECODING = (size_at, fill_with, row_of, fill, pair, fill_at, decode, alone, across, lone, forgotten, drop)
