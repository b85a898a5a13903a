"""What native code does beside instructions: look pages up, walk their tables, remember what was found.

Written in the restricted Python of `functions`, and never run as Python. Whatever is not plain here leaves to
Python (the answer 0), before anything has changed.
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
    OPEN,
    OPEN_DATA,
    PAGES,
    PMP_ROW,
    QUICK_SIZE,
    READ_TAG,
    RIGHTS_BITS,
    SETS,
    SLOT_SHIFT,
    WRITE_TAG,
)
from vlab.machine.mmu import PHYSICAL_BITS
from vlab.machine.pmp import LOCKED, R, W, X
from vlab.paging import SV39, SV48, Flags
from vlab.riscv import Mode

if TYPE_CHECKING:

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
_MODE, _PAGED, _SUM, _MXR, _VIRTUAL, _NESTED, _HOST_MXR = (KEY + 8 * number for number in range(7))
_V, _R, _W, _X, _U, _A, _D = (int(Flags[name]) for name in "VRWXUAD")
_USER, _SUPERVISOR, _MACHINE = int(Mode.U), int(Mode.S), int(Mode.M)
_RWX = R | W | X
_PPN = (1 << 44) - 1
_SV39, _SV48 = SV39.mode, SV48.mode
_SV39_SHIFT, _SV48_SHIFT = SV39.shift(2), SV48.shift(3)
_RESERVED = 0x3FF << 54  # entries have no other use for these bits
_OFFSET_BITS = 12
_FLAG_BITS = 10
_FLAGS = (1 << _FLAG_BITS) - 1
_HIGH = PHYSICAL_BITS - _OFFSET_BITS
_ALL_RIGHTS = (1 << RIGHTS_BITS) - 1
_SETS = SETS - 1
_YES = 1 << 8  # another answer than any reason to stop


def refill(s: "State", context: int, address: int, need: int) -> int:
    """Let the page of `address` be reached quickly for `need`. _YES, or why not."""
    page = address >> _OFFSET_BITS
    index = (page ^ page >> 10) & _SETS
    if peek(context + PAGES + 8 * index, 8) == page:
        known = peek(context + FRAMES + 8 * index, 8)
        if known & need:
            return quicken(s, context, page, known >> RIGHTS_BITS, need)
    if s.told or (s.stopping and need == X):
        return 0
    before = peek(context + PAGES + 8 * index, 8)
    code = s.code_page >> _OFFSET_BITS
    found = translate(s, context, address, need)
    if not found & need:
        return 0
    if context == s.fetch and before == code and need != X:
        # The page being executed loses its place, but not before this instruction is done.
        at = (found >> RIGHTS_BITS << _OFFSET_BITS) - s.base
        if need == W and peek(s.open + (at >> _OFFSET_BITS), 1) != OPEN:
            return 0
        s.refetch = 1
    slow(context, before)
    poke(context + PAGES + 8 * index, 8, page)
    poke(context + FRAMES + 8 * index, 8, found)
    filled(context, page)
    return quicken(s, context, page, found >> RIGHTS_BITS, need)


def quicken(s: "State", context: int, page: int, frame: int, need: int) -> int:
    """Set the tag of a page that the context remembers."""
    at = (frame << _OFFSET_BITS) - s.base
    tag = page << _OFFSET_BITS
    if at >= s.size:
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
        poke(entry + READ_TAG, 8, tag)
        return _YES
    if peek(s.open + (at >> _OFFSET_BITS), 1) != OPEN:
        return 0
    poke(entry + WRITE_TAG, 8, tag)
    return _YES


def locate(s: "State", context: int, address: int, size: int, need: int) -> int:
    """Where in the host the bytes at an address are, for an access that found no tag; 0 if it is Python's."""
    if (address & 4095) + size > 4096:
        return 0
    if refill(s, context, address, need) == _YES:
        return address + peek(context + (address >> _OFFSET_BITS & _SETS) * QUICK_SIZE + ADDEND, 8)
    page = address >> _OFFSET_BITS
    index = (page ^ page >> 10) & _SETS
    known = peek(context + FRAMES + 8 * index, 8)
    if need != W or peek(context + PAGES + 8 * index, 8) != page or not known & W:
        return 0
    at = (known >> RIGHTS_BITS << _OFFSET_BITS | address & 4095) - s.base
    if at >= s.size or peek(s.open + (at >> _OFFSET_BITS), 1) != OPEN_DATA or decoded(s, at, size):
        return 0
    return s.ram + at


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


def translate(s: "State", context: int, address: int, need: int) -> int:
    """The frame behind an address, and the context's rights to it; 0 for what Python must look at."""
    mode = peek(context + _MODE, 8)
    if peek(context + _VIRTUAL, 8):
        found = guest(s, context, address, need)
    elif peek(context + _PAGED, 8):
        found = walk(s, context, address, need)
    else:
        if address >> PHYSICAL_BITS:
            return 0
        found = (address >> _OFFSET_BITS) << RIGHTS_BITS | _RWX
    page = found >> RIGHTS_BITS << _OFFSET_BITS
    if not found or not inside(s, page):
        return 0
    return found & ~_ALL_RIGHTS | (found & protected(s, page, mode))


def protected(s: "State", page: int, mode: int) -> int:
    """What PMP lets a mode do in all of a page; 0 where a region begins or ends inside it."""
    whole = s.pmp_below
    if mode == _MACHINE:
        whole = s.pmp_machine
    if whole:
        return whole
    rights = 0
    if mode == _MACHINE:
        rights = _RWX
    at = s.pmp + PMP_ROW * s.pmp_count
    while at > s.pmp:
        at -= PMP_ROW  # the first one counts most, so it comes last
        first = peek(at, 8)
        end = peek(at + 8, 8)
        config = peek(at + 16, 8)
        if (page < first and first < page + 4096) or (page < end and end < page + 4096):
            return 0
        if first <= page and page < end:
            rights = config & _RWX
            if mode == _MACHINE and not config & LOCKED:
                rights = _RWX
    return rights


def inside(s: "State", address: int) -> int:
    """Whether the page at a physical address is memory."""
    return unsigned(address - s.base) < s.size


def walk(s: "State", context: int, address: int, need: int) -> int:
    """The same through the table of `satp`; A and D are set, if its page may be written straight."""
    found = look_up(s, s.satp, address, 0, 0)
    if not found or not granted(context, found) & need:
        return 0
    entry = peek(s.ram + s.place, 8)
    wanted = entry | _A
    if need == W:
        wanted |= _D
    if wanted != entry:
        writable = protected(s, s.base + (s.place & -4096), _SUPERVISOR) & W
        if s.keeps_marks or not writable or peek(s.open + (s.place >> _OFFSET_BITS), 1) != OPEN:
            return 0
        poke(s.ram + s.place, 8, wanted)
    return found >> _FLAG_BITS << RIGHTS_BITS | clean(granted(context, found), wanted)


def guest(s: "State", context: int, address: int, need: int) -> int:
    """The same for V = 1, through one stage, or two, or none; where A or D is to be set, it is Python's."""
    rights = _RWX
    frame = address >> _OFFSET_BITS
    if peek(context + _PAGED, 8):
        below = 0
        if peek(context + _NESTED, 8):
            below = s.hgatp
        found = look_up(s, s.vsatp, address, 0, below)
        if not found or not marked(found, need):
            return 0
        rights = clean(granted(context, found), found)
        frame = found >> _FLAG_BITS
    elif address >> PHYSICAL_BITS:
        return 0
    if peek(context + _NESTED, 8):
        found = look_up(s, s.hgatp, frame << _OFFSET_BITS, 1, 0)
        if not found or not marked(found, need) or not found & _U:
            return 0
        own = found >> 1 & _RWX
        if peek(context + _HOST_MXR, 8) and own & X:
            own |= R
        rights &= clean(own, found)
        frame = found >> _FLAG_BITS
    return frame << RIGHTS_BITS | rights


def marked(entry: int, need: int) -> int:
    """Whether A is set, and D for a store."""
    wanted = _A
    if need == W:
        wanted |= _D
    return (entry & wanted) == wanted


def clean(rights: int, entry: int) -> int:
    """Rights to a page; one that is not dirty can't be written without a look."""
    if not entry & _D:
        rights &= ~W
    return rights


def look_up(s: "State", satp: int, address: int, wide: int, below: int) -> int:
    """The leaf for an address: its frame, above its flags; 0 for a fault (Privileged ISA, 4.3.2).

    A `wide` table is the G-stage's (8.5.1). If the table lies in a guest's memory, `below` is the `hgatp` of that.
    """
    shift = _SV39_SHIFT
    if satp >> 60 == _SV48 and not wide:
        shift = _SV48_SHIFT
    elif satp >> 60 != _SV39:
        return 0
    # From the top index on, the upper bits of an address are all alike.
    top = address >> (shift + 8)
    ones = (1 << (56 - shift)) - 1
    if wide:
        top = address >> (shift + 11)
        ones = 0
    if top != 0 and top != ones:
        return 0
    indices = 511 | wide * 2047
    at = (satp & _PPN) << _OFFSET_BITS
    while shift >= _OFFSET_BITS:
        at += (address >> shift & indices) << 3
        if below:
            host = look_up(s, below, at, 1, 0)
            if not host or ~host & (_R | _U | _A):
                return 0
            at = host >> _FLAG_BITS << _OFFSET_BITS | at & 4095
        page = at & -4096
        if not inside(s, page) or not protected(s, page, _SUPERVISOR) & R:
            return 0
        entry = peek(s.ram + at - s.base, 8)
        if not entry & _V or entry & _RESERVED or entry & (_R | _W) == _W:
            return 0
        frame = entry >> _FLAG_BITS & _PPN
        if entry & (_R | _X):
            low = (1 << (shift - _OFFSET_BITS)) - 1
            s.place = at - s.base
            if frame & low:
                return 0
            return (frame | (address >> _OFFSET_BITS & low)) << _FLAG_BITS | entry & _FLAGS
        if entry & (_A | _D | _U):
            return 0
        at = frame << _OFFSET_BITS
        shift -= 9
        indices = 511
    return 0


def granted(context: int, entry: int) -> int:
    """What a context may do through a leaf."""
    mode = peek(context + _MODE, 8)
    user = entry & _U
    foreign = 0
    if mode == _USER and not user:
        return 0
    if mode == _SUPERVISOR and user:
        if not peek(context + _SUM, 8):
            return 0
        foreign = 1
    rights = 0
    if entry & _R or (peek(context + _MXR, 8) and entry & _X):
        rights |= R
    if entry & _W:
        rights |= W
    if entry & _X and not foreign:
        rights |= X
    return rights


ROUTINES: tuple[Callable[..., int], ...] = (
    look_up,
    guest,
    marked,
    clean,
    protected,
    refill,
    quicken,
    locate,
    decoded,
    slow,
    filled,
    empty,
    translate,
    inside,
    walk,
    granted,
)
YES = _YES
