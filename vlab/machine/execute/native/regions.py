"""What native code knows of physical memory: PMP's regions, and where devices answer."""

import struct
from typing import TYPE_CHECKING

from vlab.machine.execute.native.blocks import address_of, new_block
from vlab.machine.execute.native.layout import OFFSETS, PMP_ROW, WINDOW
from vlab.machine.memory import Memory
from vlab.riscv import Mode
from vlab.riscv.csrs import PMP_ENTRIES

if TYPE_CHECKING:
    from vlab.machine.machine import Machine
    from vlab.machine.pmp import Pmp

_REGION, _WINDOW = struct.Struct("<3Q"), struct.Struct("<2Q")
_FIELDS = ("pmp", "pmp_count", "pmp_below", "pmp_machine", "devices", "devices_end")
_PMP, _COUNT, _BELOW, _MACHINE, _DEVICES, _DEVICES_END = (OFFSETS[name] // 8 for name in _FIELDS)


class Regions:
    """Tells the state block of them, whenever they are others than before."""

    def __init__(self, machine: "Machine", memory: Memory, state: "memoryview[int]"):
        self._machine, self._memory, self._state = machine, memory, state
        self._pmp: object = None
        self._devices: object = None
        self._rows = new_block(PMP_ROW * PMP_ENTRIES)
        state[_PMP] = address_of(self._rows)

    def tell(self, pmp: "Pmp") -> None:
        """Say what holds now."""
        if pmp is not self._pmp:
            self._pmp = pmp
            self._protect(pmp)
        if self._machine.bus.devices is not self._devices:
            self._devices = self._machine.bus.devices
            self._open_windows()

    def _protect(self, pmp: "Pmp") -> None:
        memory, state = self._memory, self._state
        for field, mode in ((_BELOW, Mode.S), (_MACHINE, Mode.M)):
            whole = pmp.uniform(memory.base, memory.size)
            state[field] = pmp.allowed(memory.base, memory.size, mode) if whole else 0
        state[_COUNT] = len(pmp.regions)
        for number, region in enumerate(pmp.regions):
            _REGION.pack_into(self._rows, number * PMP_ROW, region.first, region.end, region.config)

    def _open_windows(self) -> None:
        windows = [(base, device.size) for base, device in self._machine.bus.devices.values()]
        self._windows = new_block(WINDOW * max(1, len(windows)))
        for number, window in enumerate(windows):
            _WINDOW.pack_into(self._windows, number * WINDOW, *window)
        start = address_of(self._windows)
        self._state[_DEVICES], self._state[_DEVICES_END] = start, start + len(self._windows)
