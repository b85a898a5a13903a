"""The word of an instruction that traps: as `xtval` has it, and transformed, as `htinst` does.

In the restricted Python of `functions`, never run as Python. The answer 0 is what Python must look at.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from vlab.machine.execute.native.layout import RIGHTS_BITS
from vlab.machine.execute.native.privileged import ILLEGAL
from vlab.riscv.instructions import ROWS

if TYPE_CHECKING:
    from vlab.machine.execute.native.privileged import trap
    from vlab.machine.execute.native.routines import State, peek, remembered

_LOAD, _STORE, _ATOMIC = (ROWS[name].match & 127 for name in ("lb", "sb", "lr.w"))
_LOAD_KEPT, _STORE_KEPT, _ATOMIC_KEPT = 0x7FFF, 0x1F0707F, 0xFFF07FFF  # all but rs1 and the offset


def word_at(s: "State", pc: int) -> int:
    """The four bytes at pc, where an instruction is executed: so the TLB knows where it stands, or it is Python's: 0.

    So is what may end in another page: the next one in memory may be another's.
    """
    place = place_of(s, pc)
    if not place:
        return 0
    return peek(place, 4)


def place_of(s: "State", pc: int) -> int:
    """Where in the host they are."""
    known = remembered(s.fetch, pc)
    at = (known >> RIGHTS_BITS << 12 | pc & 4095) - s.base
    if not known or pc & 4095 > 4092 or at >= s.size:
        return 0
    return s.ram + at


def unknown(s: "State", pc: int) -> int:
    """What stands at pc is no instruction of this hart: enter the handler of that."""
    place = place_of(s, pc)
    if not place:
        return 0
    word = peek(place, 4)
    if s.unaligned == 1 and word & 3 != 3:
        word = word & 0xFFFF
    return trap(s, pc, ILLEGAL, word)


def transformed(word: int) -> int:
    """A load, store or atomic as `htinst` has it, that lies in one page: rs1 and its offset are 0 (8.6.3)."""
    opcode = word & 127
    if opcode == _LOAD:
        return word & _LOAD_KEPT
    if opcode == _STORE:
        return word & _STORE_KEPT
    if opcode == _ATOMIC:
        return word & _ATOMIC_KEPT
    # A compressed one expanded, but for bit 1: by words or double words, from the stack pointer or another register.
    form = word & 3
    by = word >> 13 & 3
    if by < 2 or form == 1 or form == 3:
        return 0
    source = word >> 2 & 31
    target = word >> 7 & 31
    if form == 0:
        source = 8 | source & 7
        target = source
    if word >> 15 & 1:
        return (_STORE & ~2) | by << 12 | source << 20
    return (_LOAD & ~2) | by << 12 | target << 7


WORDS: tuple[Callable[..., int], ...] = (word_at, place_of, unknown, transformed)
