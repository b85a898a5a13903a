"""Stores to devices: Python makes them, and the hart's state stays where native code left it."""

from operator import itemgetter
from typing import TYPE_CHECKING

from vlab.machine.bus import BusError
from vlab.machine.execute.native.layout import OFFSETS
from vlab.riscv import Access, Trap
from vlab.riscv.privilege import ACCESS_FAULT

if TYPE_CHECKING:
    from vlab.machine.execute.native.engine import NativeEngine
    from vlab.machine.machine import Machine

_STORE = itemgetter(*(OFFSETS[name] // 8 for name in ("device", "width", "stored", "next")))
_PC, _ADDRESS = OFFSETS["pc"] // 8, OFFSETS["value"] // 8


class Outside:
    """The devices of a machine, while its native code runs with nobody looking on."""

    def __init__(self, engine: "NativeEngine", machine: "Machine", state: "memoryview[int]"):
        self._engine, self._machine, self._state = engine, machine, state
        self._before: tuple[object, ...] | None = None

    def store(self) -> bool:
        """Make the store at which native code has stopped, and count it as an attempt.

        False if the machine has to look around; its hart then has its state back. The state is lent meanwhile: who
        looks at the hart, in a device's listener say, finds it at this instruction.
        """
        engine, machine, state = self._engine, self._machine, self._state
        place, width, stored, following = _STORE(state)
        if self._before is None:
            self._before = self._seen()
        engine.lent, engine.returning = True, False
        machine.set_clock(machine.time + 1)
        try:
            machine.bus.store(place, width, stored)
        except BusError:
            trap = Trap(ACCESS_FAULT[Access.STORE], state[_ADDRESS])
            machine.hart.trap(trap.cause, trap.value, raised=trap)
            return False
        except BaseException:  # a reader's own device, or listener
            machine.take_back()
            raise
        if not engine.lent:  # somebody has looked
            machine.hart.pc = following
            return False
        state[_PC] = following
        if self._seen() != self._before:
            engine.settle()
            return False
        engine.lent = False
        return True

    def _seen(self) -> tuple[object, ...]:
        """What a store to a device may change that native code goes by."""
        machine, time = self._machine, self._machine.time
        bus, looked_at = machine.bus, (machine.events.on, machine.stops)
        clock = machine.mtime - time, *bus.signals(time)
        return *clock, machine.uart.status, machine.status, *looked_at, bus.devices
