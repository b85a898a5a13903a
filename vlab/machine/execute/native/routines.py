"""What native code does beside instructions: look pages up in the TLB, remember what a walk has found.

Written in the restricted Python of `functions`, and never run as Python. Whatever is not plain here leaves to
Python (the answer 0), before anything has changed; but where `fault` is the cause of a trap, that is all it is.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from vlab.machine.choices import TLB_ENTRIES
from vlab.machine.execute.native.layout import (
    ADDEND,
    CODE,
    EXEC,
    EXEC_SIZE,
    FILLED,
    FIRST_FILLED,
    FRAMES,
    KEY,
    MOST_FIRST,
    NO_PAGE,
    NOTE_SIZE,
    PAGES,
    QUICK_SIZE,
    READ_TAG,
    RIGHTS_BITS,
    SETS,
    SLOT_SHIFT,
    TLB_FILL,
    WINDOW,
    WRITE_TAG,
)
from vlab.machine.memory import CLEAN, MOST_LISTED, OPEN, OPEN_DATA, OPEN_WATCHED
from vlab.machine.pmp import R, W, X
from vlab.riscv import Cause

if TYPE_CHECKING:
    from vlab.machine.execute.native.decoding import forgotten
    from vlab.machine.execute.native.walks import access_fault_of, translate

    class State(int):
        """Where the state block is in the host, and its fields."""

        def __getattr__(self, field: str) -> int: ...

        def __setattr__(self, field: str, value: int) -> None: ...

    def peek(address: int, size: int) -> int:
        """So many bytes of the host's memory."""

    def poke(address: int, size: int, value: int) -> None:
        """Write them."""

    def unsigned(value: int) -> int:
        """The low 64 bits."""


assert SETS == TLB_ENTRIES
_OFFSET_BITS = 12
_SETS = SETS - 1
_STACK_POINTER = 8 * 2  # x2, among the registers
_YES, _TRAPPED = 1 << 8, 1 << 9  # other answers than any reason to stop
_LOAD_MISALIGNED, _STORE_MISALIGNED = int(Cause.LOAD_MISALIGNED), int(Cause.STORE_MISALIGNED)


def refill(s: "State", context: int, address: int, need: int) -> int:
    """Let the page of `address` be reached quickly for `need`. _YES, or why not."""
    page = address >> _OFFSET_BITS
    index = (page ^ page >> 10) & _SETS
    s.fault = 0
    if peek(context + PAGES + 8 * index, 8) == page:
        known = peek(context + FRAMES + 8 * index, 8)
        if known & need:
            return quicken(s, context, page, known >> RIGHTS_BITS, need)
    if unheard(s) or (s.halting and need == X):
        return 0
    before = peek(context + PAGES + 8 * index, 8)
    code = s.code_page >> _OFFSET_BITS
    found = translate(s, context, address, need)
    if not found & need:
        return 0
    if context == s.fetch and before == code and need != X:
        # The page being executed loses its place, but not before this instruction is done.
        at = (found >> RIGHTS_BITS << _OFFSET_BITS) - s.base
        if at >= s.size or (need == W and not may_store(s, at)):
            return 0
        s.refetch = 1
    slow(context, before)
    poke(context + PAGES + 8 * index, 8, page)
    poke(context + FRAMES + 8 * index, 8, found)
    filled(context, page)
    note(s, TLB_FILL, address, found >> RIGHTS_BITS << _OFFSET_BITS | address & 4095, need, context, 0)
    return quicken(s, context, page, found >> RIGHTS_BITS, need)


def unheard(s: "State") -> int:
    """Whether native code can't tell of an event now, so that what has one is Python's."""
    return s.told | (s.note == s.notes_end)


def note(s: "State", kind: int, a: int, b: int, c: int, d: int, e: int) -> int:
    """Note an event, if somebody listens. `count` are the attempts left behind the one that is being made."""
    at = s.note
    if at:
        poke(at, 8, kind)
        poke(at + 8, 8, s.end - s.count)
        poke(at + 16, 8, peek(s + _STACK_POINTER, 8))
        poke(at + 24, 8, a)
        poke(at + 32, 8, b)
        poke(at + 40, 8, c)
        poke(at + 48, 8, d)
        poke(at + 56, 8, e)
        s.note = at + NOTE_SIZE
    return 0


def count_trap(s: "State", cause: int) -> int:
    """Count an exception."""
    at = s.traps + 8 * cause
    poke(at, 8, peek(at, 8) + 1)
    s.unretired += 1
    return 0


def quicken(s: "State", context: int, page: int, frame: int, need: int) -> int:
    """Set the tag of a page that the context remembers."""
    at = (frame << _OFFSET_BITS) - s.base
    tag = page << _OFFSET_BITS
    if at >= s.size:
        if need == X and not s.halting:
            s.fault = access_fault_of(X)
        return 0
    if need == X:
        code = peek(s.codes + 8 * (at >> _OFFSET_BITS), 8)
        if not code:
            s.value = at >> _OFFSET_BITS
            return CODE
        entry = context + EXEC + (page & _SETS) * EXEC_SIZE
        poke(entry, 8, tag)
        poke(entry + 8, 8, code)
        return _YES
    entry = context + (page & _SETS) * QUICK_SIZE
    if peek(entry + READ_TAG, 8) != tag and peek(entry + WRITE_TAG, 8) != tag:
        poke(entry + READ_TAG, 8, NO_PAGE)
        poke(entry + WRITE_TAG, 8, NO_PAGE)
    poke(entry + ADDEND, 8, s.ram + at - tag)
    if need == R:
        if not unwatched(s.loads_watched, frame << _OFFSET_BITS, 4096):
            return 0
        poke(entry + READ_TAG, 8, tag)
        return _YES
    if not may_store(s, at):
        return 0
    poke(entry + WRITE_TAG, 8, tag)
    return _YES


def may_store(s: "State", at: int) -> int:
    """Whether a store that is about to be made may go straight to the page of a place in memory."""
    state = s.open + (at >> _OFFSET_BITS)
    if peek(state, 1) == CLEAN:
        poke(state, 1, OPEN)
    return peek(state, 1) == OPEN


def may_store_data(s: "State", physical: int, size: int) -> int:
    """The same of so many bytes in a page to which stores can't go straight, where no decoded instruction stands."""
    state = peek(s.open + ((physical - s.base) >> _OFFSET_BITS), 1)
    if state != OPEN_WATCHED:
        return state == OPEN_DATA
    return unwatched(s.watched, physical, size)


def unwatched(words: int, physical: int, size: int) -> int:
    """Whether none of these watched words has one of so many bytes."""
    left = peek(words, 8)
    if left > MOST_LISTED:
        return 0
    at = words
    while left:
        at += 8
        word = peek(at, 8)
        if word < physical + size and physical < word + 8:
            return 0
        left -= 1
    return 1


def locate(s: "State", context: int, address: int, size: int, need: int) -> int:
    """Where in the host the bytes at an address are, for an access that found no tag.

    0 if it is Python's; or a trap, of which `fault` is then the cause; or a store to a `device`.
    """
    s.fault = 0
    s.device = 0
    if (address & 4095) + size > 4096:
        return locate_across(s, context, address, need)
    if refill(s, context, address, need) == _YES:
        return address + addend(context, address)
    known = remembered(context, address)
    if not known & need:
        return 0
    physical = known >> RIGHTS_BITS << _OFFSET_BITS | address & 4095
    at = physical - s.base
    if at >= s.size and nobody(s, physical):
        s.fault = access_fault_of(need)
        return 0
    if need == W and at >= s.size:
        s.device = physical
        return 0
    if need == W:
        if not may_store_data(s, physical, size) or (decoded(s, at, size) and not forgotten(s, at, size)):
            return 0
        return s.ram + at
    if at < s.size and unwatched(s.loads_watched, physical, size):
        return s.ram + at
    if need == R and size == 1 and physical == s.polled:
        return s.status
    return 0


def locate_across(s: "State", context: int, address: int, need: int) -> int:
    """The same for what ends in the next page: where the TLB knows both, and they are side by side in the host too."""
    following = (address & -4096) + 4096
    if not remembered(context, address) & remembered(context, following) & need:
        return 0
    if refill(s, context, address, need) != _YES or refill(s, context, following, need) != _YES:
        return 0
    if addend(context, address) != addend(context, following):
        return 0
    return address + addend(context, address)


def remembered(context: int, address: int) -> int:
    """The frame and the rights that the TLB knows of the page of an address; 0 if it doesn't know it."""
    page = address >> _OFFSET_BITS
    index = (page ^ page >> 10) & _SETS
    if peek(context + PAGES + 8 * index, 8) != page:
        return 0
    return peek(context + FRAMES + 8 * index, 8)


def addend(context: int, address: int) -> int:
    """How far away in the host the page of an address is, which is quick."""
    return peek(context + (address >> _OFFSET_BITS & _SETS) * QUICK_SIZE + ADDEND, 8)


def nobody(s: "State", physical: int) -> int:
    """Whether no device answers at an address that is no memory."""
    at = s.devices
    while at < s.devices_end:
        offset = physical - peek(at, 8)
        if offset < peek(at + 8, 8):
            return 0
        at += WINDOW
    return 1


def locate_aligned(s: "State", context: int, address: int, size: int, need: int) -> int:
    """The same for an atomic, which must be aligned, and in memory."""
    found = 0
    if address & (size - 1):
        s.fault = _LOAD_MISALIGNED
        if need == W:
            s.fault = _STORE_MISALIGNED
    else:
        found = locate(s, context, address, size, need)
        if s.device:
            s.fault = access_fault_of(W)
    s.device = 0
    return found


def decoded(s: "State", at: int, size: int) -> int:
    """Whether one of these bytes of memory may be part of a decoded instruction."""
    code = peek(s.codes + 8 * (at >> _OFFSET_BITS), 8)
    first = at & 4094
    if first:
        first -= 2
    end = (at & 4095) + size
    if not code:
        return 0
    while first < end:
        if peek(code + (first << SLOT_SHIFT), 8) != s.undecoded:
            return 1
        first += 2
    return 0


def slow(context: int, page: int) -> int:
    """A page is remembered no more, so it isn't quick any more."""
    tag = page << _OFFSET_BITS
    entry = context + (page & _SETS) * QUICK_SIZE
    if peek(entry + READ_TAG, 8) == tag:
        poke(entry + READ_TAG, 8, NO_PAGE)
    if peek(entry + WRITE_TAG, 8) == tag:
        poke(entry + WRITE_TAG, 8, NO_PAGE)
    entry = context + EXEC + (page & _SETS) * EXEC_SIZE
    if peek(entry, 8) == tag:
        poke(entry, 8, NO_PAGE)
    return 0


def filled(context: int, page: int) -> int:
    """The context remembers one page more."""
    count = peek(context + FILLED, 8)
    if count < MOST_FIRST:
        poke(context + FIRST_FILLED + 8 * count, 8, page)
    poke(context + FILLED, 8, count + 1)
    return 0


def empty(context: int) -> int:
    """Forget all that the context remembers."""
    count = peek(context + FILLED, 8)
    if count > MOST_FIRST:
        at = context
        while at < context + KEY:
            poke(at, 8, NO_PAGE)
            at += 8
        count = 0
    while count:
        count -= 1
        page = peek(context + FIRST_FILLED + 8 * count, 8)
        slow(context, page)
        poke(context + PAGES + 8 * ((page ^ page >> 10) & _SETS), 8, NO_PAGE)
    poke(context + FILLED, 8, 0)
    return 0


ROUTINES: tuple[Callable[..., int], ...] = (
    refill,
    unheard,
    note,
    count_trap,
    quicken,
    *(may_store, may_store_data, unwatched),
    *(locate, locate_across, remembered, addend, nobody, locate_aligned),
    decoded,
    slow,
    filled,
    empty,
)
YES, TRAPPED = _YES, _TRAPPED
