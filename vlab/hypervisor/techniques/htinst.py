"""What a plain load or store does; and what `htinst` tells of one that trapped, so that none needs to fetch it."""

from functools import lru_cache
from typing import NamedTuple

from vlab.machine.bus import Bus
from vlab.machine.choices import SINK
from vlab.machine.computer import Computer
from vlab.machine.hart import MASK
from vlab.riscv.instructions import ROWS, Instruction, decode

_STORES = ("sb", "sh", "sw", "sd")
_PLAIN = ("lb", "lh", "lw", "ld", "lbu", "lhu", "lwu", *_STORES)


class Told(NamedTuple):
    """A plain load or store: of so many bytes, of which the `sign` bits are all alike, by an instruction that long."""

    store: bool
    size: int
    sign: int
    register: int
    length: int

    def access(self, bus: Bus, place: int, computer: Computer) -> None:
        """Do it to a device's register, with what the hart's registers hold. BusError if it is refused."""
        if self.store:
            bus.store(place, self.size, computer.live_registers()[self.register])
            return
        read = bus.load(place, self.size)
        computer.live_registers()[self.register or SINK] = read | (self.sign if read & self.sign else 0)


@lru_cache(1 << 10)
def told_of(instruction: int) -> Told | None:
    """What `htinst` tells of an access; None if that is not all of it, or it is no plain load or store."""
    found = decode(instruction | 2) if instruction & 1 else None
    return None if found is None or found["rs1"] else _told(found, 4 if instruction & 2 else 2)


@lru_cache(1 << 10)
def plain(word: int) -> tuple[Told, int, int] | None:
    """The access of an instruction; the register and the distance that make its address. None if it is not plain."""
    found = decode(word)
    told = None if found is None else _told(found, found.row.size)
    return None if found is None or told is None else (told, found["rs1"], found["imm"])


def _told(found: Instruction, length: int) -> Told | None:
    name = found.row.base
    if name not in _PLAIN:
        return None
    function = ROWS[name].match >> 12 & 7
    size = 1 << (function & 3)
    store, signed = name in _STORES, not function & 4
    sign = MASK & -1 << 8 * size - 1 if signed else 0
    return Told(store, size, sign, found["rs2" if store else "rd"], length)
