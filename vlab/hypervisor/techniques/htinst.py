"""What `htinst` tells of the instruction whose access trapped: so a hypervisor needs not fetch it."""

from functools import lru_cache
from typing import NamedTuple

from vlab.machine.hart import MASK
from vlab.riscv.instructions import decode

_STORES = ("sb", "sh", "sw", "sd")
_PLAIN = ("lb", "lh", "lw", "ld", "lbu", "lhu", "lwu", *_STORES)


class Told(NamedTuple):
    """A plain load or store: of so many bytes, of which the `sign` bits are all alike, by an instruction that long."""

    store: bool
    size: int
    sign: int
    register: int
    length: int


@lru_cache(1 << 10)
def told_of(instruction: int) -> Told | None:
    """What `htinst` tells of an access; None if that is not all of it, or it is no plain load or store."""
    found = decode(instruction | 2) if instruction & 1 else None
    if found is None or found.row.name not in _PLAIN or found["rs1"]:
        return None
    size = 1 << (instruction >> 12 & 3)
    store, signed = found.row.name in _STORES, not instruction >> 14
    sign = MASK & -1 << 8 * size - 1 if signed else 0
    return Told(store, size, sign, found["rs2" if store else "rd"], 4 if instruction & 2 else 2)
