"""Page-table walks as native code does them: one stage or two, with PMP.

In the restricted Python of `functions`, never run as Python. The answer 0 is a trap, of which `fault` is then the
cause, or what Python must look at.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from vlab.machine.csrfile import ADUE
from vlab.machine.execute.native.layout import KEEPS_MARKS, KEY, PMP_ROW, RIGHTS_BITS
from vlab.machine.h_extension.mmu import ENTRY_READ
from vlab.machine.mmu import PHYSICAL_BITS
from vlab.machine.pmp import LOCKED, R, W, X
from vlab.paging import SV39, SV48, Flags
from vlab.riscv import Access, Mode
from vlab.riscv.privilege import ACCESS_FAULT, GUEST_PAGE_FAULT, PAGE_FAULT

if TYPE_CHECKING:
    from vlab.machine.execute.native.routines import State, may_store, peek, poke, unsigned

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
_ALL_RIGHTS = (1 << RIGHTS_BITS) - 1
_PAGE_FAULT, _GUEST_PAGE_FAULT, _ACCESS_FAULT = 1, 2, 3  # until it is known what it is a fault of
_FETCH_FAULT, _LOAD_FAULT, _STORE_FAULT = (int(PAGE_FAULT[access]) for access in Access)
_GUEST_FETCH_FAULT, _GUEST_LOAD_FAULT, _GUEST_STORE_FAULT = (
    int(GUEST_PAGE_FAULT[access]) for access in Access
)
_FETCH_ACCESS, _LOAD_ACCESS, _STORE_ACCESS = (int(ACCESS_FAULT[access]) for access in Access)
_PARTLY = 1 << RIGHTS_BITS  # beside what PMP lets a mode do: it isn't one answer for all of the page


def translate(s: "State", context: int, address: int, need: int) -> int:
    """The frame behind an address, and the context's rights to it; 0 for what Python must look at."""
    mode = peek(context + _MODE, 8)
    if peek(context + _VIRTUAL, 8):
        found = guest(s, context, address, need)
    elif peek(context + _PAGED, 8):
        found = walk(s, context, address, need)
    else:
        found = (address >> _OFFSET_BITS) << RIGHTS_BITS | _RWX
        if address >> PHYSICAL_BITS:
            found = 0
            s.fault = _ACCESS_FAULT
    if not found:
        if s.fault:
            s.fault = fault_of(s.fault, need)
        return 0
    rights = protected(s, found >> RIGHTS_BITS << _OFFSET_BITS, mode)
    if rights & _PARTLY:
        return 0
    if found & need and not rights & need:
        s.fault = fault_of(_ACCESS_FAULT, need)
    return found & ~_ALL_RIGHTS | (found & rights)


def fault_of(kind: int, need: int) -> int:
    """The cause of a page fault, of a guest-page fault, or of an access fault."""
    if kind == _ACCESS_FAULT:
        return access_fault_of(need)
    if need == X:
        if kind == _GUEST_PAGE_FAULT:
            return _GUEST_FETCH_FAULT
        return _FETCH_FAULT
    if need == W:
        if kind == _GUEST_PAGE_FAULT:
            return _GUEST_STORE_FAULT
        return _STORE_FAULT
    if kind == _GUEST_PAGE_FAULT:
        return _GUEST_LOAD_FAULT
    return _LOAD_FAULT


def access_fault_of(need: int) -> int:
    """The cause of an access fault."""
    if need == X:
        return _FETCH_ACCESS
    if need == W:
        return _STORE_ACCESS
    return _LOAD_ACCESS


def protected(s: "State", page: int, mode: int) -> int:
    """What PMP lets a mode do in all of a page; _PARTLY where a region begins or ends inside it."""
    whole = s.pmp_below
    if mode == _MACHINE:
        whole = s.pmp_machine
    if whole and inside(s, page):
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
            return _PARTLY
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
    if not found:
        return 0
    if not granted(context, found) & need:
        s.fault = _PAGE_FAULT
        return 0
    entry = peek(s.ram + s.place, 8)
    wanted = entry | _A
    if need == W:
        wanted |= _D
    if wanted != entry:
        writable = protected(s, s.base + (s.place & -4096), _SUPERVISOR) & W
        if s.keeps_marks and not s.menvcfg & ADUE:
            s.fault = _PAGE_FAULT
            return 0
        if not writable or not may_store(s, s.place):
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
        if not found:
            return 0
        if not granted(context, found) & need or (s.keeps_marks == KEEPS_MARKS and not marked(found, need)):
            s.fault = _PAGE_FAULT
            return 0
        if not marked(found, need):
            return 0
        rights = clean(granted(context, found), found)
        frame = found >> _FLAG_BITS
    elif address >> PHYSICAL_BITS:
        return 0
    if peek(context + _NESTED, 8):
        found = look_up(s, s.hgatp, frame << _OFFSET_BITS, 1, 0)
        if not found and not s.fault:
            return 0
        own = found >> 1 & _RWX
        if peek(context + _HOST_MXR, 8) and own & X:
            own |= R
        if not found & _U or not own & need:
            return refuse_guest(s, frame << _OFFSET_BITS | address & 4095, 0)
        if not marked(found, need):
            return 0
        rights &= clean(own, found)
        frame = found >> _FLAG_BITS
    return frame << RIGHTS_BITS | rights


def refuse_guest(s: "State", gpa: int, instruction: int) -> int:
    """The second stage has no way to a guest-physical address; of the walker's own accesses the instruction tells."""
    s.fault = _GUEST_PAGE_FAULT
    s.second = gpa >> 2
    s.instruction = instruction
    return 0


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
    """The leaf for an address: its frame, above its flags; 0 for a `fault`, or for Python (Privileged ISA, 4.3.2).

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
        s.fault = _PAGE_FAULT
        return 0
    indices = 511 | wide * 2047
    at = (satp & _PPN) << _OFFSET_BITS
    while shift >= _OFFSET_BITS:
        at += (address >> shift & indices) << 3
        if below:
            host = look_up(s, below, at, 1, 0)
            if not host and not s.fault:
                return 0
            if not host & _U or not host & _R:
                return refuse_guest(s, at, ENTRY_READ)
            if not host & _A:
                return 0
            at = host >> _FLAG_BITS << _OFFSET_BITS | at & 4095
        rights = protected(s, at & -4096, _SUPERVISOR)
        if not inside(s, at & -4096) or not rights & R:
            if not rights & _PARTLY and not wide and not below:
                s.fault = _ACCESS_FAULT
            return 0
        entry = peek(s.ram + at - s.base, 8)
        if not entry & _V or entry & _RESERVED or entry & (_R | _W) == _W:
            s.fault = _PAGE_FAULT
            return 0
        frame = entry >> _FLAG_BITS & _PPN
        if entry & (_R | _X):
            low = (1 << (shift - _OFFSET_BITS)) - 1
            s.place = at - s.base
            if frame & low:
                s.fault = _PAGE_FAULT
                return 0
            return (frame | (address >> _OFFSET_BITS & low)) << _FLAG_BITS | entry & _FLAGS
        if entry & (_A | _D | _U):
            s.fault = _PAGE_FAULT
            return 0
        at = frame << _OFFSET_BITS
        shift -= 9
        indices = 511
    s.fault = _PAGE_FAULT
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


WALKS: tuple[Callable[..., int], ...] = (
    *(
        translate,
        fault_of,
        access_fault_of,
        protected,
        inside,
        walk,
        guest,
        refuse_guest,
        marked,
        clean,
        look_up,
        granted,
    ),
)
VIRTUAL = _VIRTUAL
