"""The core-local interruptor (CLINT): the timer, its alarm, and the software interrupt of hart 0.

    offset    bytes   register
    0x0000    4       msip: bit 0 asserts the machine software interrupt
    0x4000    8       mtimecmp: the machine timer interrupt is asserted while mtime >= mtimecmp
    0xBFF8    8       mtime: counts by itself

The registers and their places are SiFive's, as software expects them. The timer is the Privileged ISA's,
"Machine Timer (mtime and mtimecmp) Registers".
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from vlab.language import _
from vlab.machine.bus import BusError, Phandle, checked
from vlab.riscv import Interrupt

_MSIP, _MTIMECMP, _MTIME = 0x0000, 0x4000, 0xBFF8
_WORD = 0xFFFF_FFFF
_DOUBLE = 0xFFFF_FFFF_FFFF_FFFF
_FOR_EVER = 1 << 63  # at 10 MHz, 29,000 years


class Clint:
    """The CLINT of a computer with one hart. `clock` tells the computer's time; `mtime` runs with it."""

    name = "clint"
    size = 0x1_0000
    node: ClassVar[str] = "clint"
    properties: ClassVar[Mapping[str, Any]] = {
        "compatible": ["sifive,clint0", "riscv,clint0"],
        "interrupts-extended": [Phandle.HART, int(Interrupt.MSI), Phandle.HART, int(Interrupt.MTI)],
    }

    def __init__(self, clock: Callable[[], int]):
        self._clock = clock
        self._offset = 0  # mtime - time, modulo 2**64: what a write to mtime changed
        self._msip = 0
        self._mtimecmp = _DOUBLE  # so that no alarm rings before software sets one

    def __repr__(self) -> str:
        return _("CLINT: mtime {mtime}, alarm at {alarm}, software interrupt {msip}").format(
            mtime=self.mtime, alarm=self._mtimecmp, msip=self._msip
        )

    @property
    def mtime(self) -> int:
        """The timer now; the `time` CSR reads it."""
        return self.mtime_at(self._clock())

    @property
    def mtimecmp(self) -> int:
        """The alarm: the timer interrupt is asserted while `mtime` is at or past it."""
        return self._mtimecmp

    def load(self, offset: int, size: int) -> int:
        """Read `msip` (4 bytes), `mtimecmp` or `mtime` (8 bytes, or either half). BusError for all else."""
        if (offset, size) == (_MSIP, 4):
            return self._msip
        register, shift, mask = _part(offset, size)
        return (self._mtimecmp if register == _MTIMECMP else self.mtime) >> shift & mask

    def store(self, offset: int, size: int, value: int) -> None:
        """Write one of them. Writing half of a register keeps its other half."""
        if (offset, size) == (_MSIP, 4):
            self._msip = value & 1
            return
        register, shift, mask = _part(offset, size)
        kept = ~(mask << shift)
        if register == _MTIMECMP:
            self._mtimecmp = self._mtimecmp & kept | (value & mask) << shift
        else:
            self._offset = (self.mtime & kept | (value & mask) << shift) - self._clock() & _DOUBLE

    def lines(self, time: int) -> int:
        """The bits of `mip` asserted at `time`: MSIP and MTIP."""
        timer = self.mtime_at(time) >= self._mtimecmp
        return self._msip << Interrupt.MSI | timer << Interrupt.MTI

    def deadline(self, time: int) -> int | None:
        """When MTIP next changes: mtime reaches the alarm, or, once past it, starts again at 0."""
        mtime = self.mtime_at(time)
        if mtime < self._mtimecmp:
            distance = self._mtimecmp - mtime
        else:
            distance = _DOUBLE + 1 - mtime if self._mtimecmp else _FOR_EVER
        # Software switches the alarm off by setting it as far away as it can: that is none, not a late one.
        return time + distance if distance < _FOR_EVER else None

    def state(self) -> dict[str, Any]:
        """Both registers, and how far `mtime` is from the computer's time."""
        return {"msip": self._msip, "mtimecmp": self._mtimecmp, "offset": self._offset}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Be as `state` says; VlabError if a field of it can't be."""
        values = checked(self.name, state, msip=2, mtimecmp=_DOUBLE + 1, offset=_DOUBLE + 1)
        self._msip, self._mtimecmp, self._offset = values["msip"], values["mtimecmp"], values["offset"]

    def mtime_at(self, time: int) -> int:
        """The timer at a time of the computer's."""
        return time + self._offset & _DOUBLE


def _part(offset: int, size: int) -> tuple[int, int, int]:
    """The 64-bit register that an access reaches, with shift and mask of the part: all of it, or a half."""
    register, within = offset & ~7, offset & 7
    if register not in (_MTIMECMP, _MTIME) or (within, size) not in ((0, 8), (0, 4), (4, 4)):
        raise BusError
    return register, 8 * within, _DOUBLE if size == 8 else _WORD
