"""The bus: which device answers at which physical address, and the contract that every device keeps.

A device is any object with these members; it needs no base class. This one is whole, and works:

    class Lamp:
        '''One register: bit 0 lights the lamp; reading tells whether it is lit.'''
        name, size = "lamp", 0x1000

        def __init__(self):
            self.lit = 0

        def load(self, offset, size):
            if offset:
                raise BusError
            return self.lit

        def store(self, offset, size, value):
            if offset:
                raise BusError
            self.lit = value & 1

        def state(self):
            return {"lit": self.lit}

        def restore(self, state):
            self.lit = checked(self.name, state, lit=2)["lit"]

    machine.attach(Lamp())

More members make more of it; a device has those that it has a use for:

    kind                    what `vlab.machine.devices.KINDS` knows it by: it can be built anew from a saved state
    interrupting            its interrupt pin; the computer leads it to the interrupt controller
    lines(time)             bits of `mip` that it asserts by itself at `time`; asking has no effect
    deadline(time)          the next time, later than `time`, when its lines may change untouched; None: never
    connect(memory)         it reads and writes memory by itself: a `BusMaster`
    receive(data)           bytes come to it from outside
    reset()                 the computer is switched on; without this, it is restored to what it was when attached
    node, properties        what the device tree says of it

So this one interrupts: at `machine.attach(Bell(), irq=5)` and `machine.give("bell", b"!")`.

    class Bell(Lamp):
        '''A lamp that is lit from outside too. While it is lit, it interrupts.'''
        name, kind, node = "bell", "bell", "bell"
        properties = {"compatible": "example,bell"}

        @property
        def interrupting(self):
            return bool(self.lit)

        def receive(self, data):
            self.lit = 1

    KINDS["bell"] = Bell
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, Protocol, runtime_checkable

from vlab.language import VlabError, _

_WIDTHS = (1, 2, 4, 8)
_ADDRESSES = 1 << 56  # what Sv39 page tables can reach (Privileged ISA, "Sv39")


class BusError(Exception):
    """Nothing answers the access, or its device refuses it. The hart turns it into an access fault."""


class Device(Protocol):
    """What the bus asks of a device.

    Through a bus, an access is one of 1, 2, 4 or 8 bytes, aligned to its size and inside the window, and a
    stored value fits that size: a device need not check these again. Everything else that a guest does wrong,
    it answers as hardware would, or refuses with `BusError`; it raises nothing else.
    """

    @property
    def name(self) -> str:
        """Its name on the bus, used in events and in snapshots."""

    @property
    def size(self) -> int:
        """Bytes of its window."""

    def load(self, offset: int, size: int) -> int:
        """The `size` bytes at `offset`, little-endian. Reading may have effects."""

    def store(self, offset: int, size: int, value: int) -> None:
        """Take `size` bytes at `offset`."""

    def state(self) -> dict[str, Any]:
        """All that it remembers, as plain data: int, str, bytes, list, dict, None."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Be again as `state` says. One that can't be its own raises VlabError and changes nothing."""


@runtime_checkable
class Interrupting(Protocol):
    """A device with an interrupt pin."""

    @property
    def name(self) -> str:
        """Its name on the bus."""

    @property
    def interrupting(self) -> bool:
        """Whether the pin is up. Looking has no effect."""


@runtime_checkable
class Receiving(Protocol):
    """A device to which something comes from outside."""

    def receive(self, data: bytes) -> None:
        """Take it."""


class BusMaster(Protocol):
    """What a device that reads and writes memory by itself (DMA) is given of its computer."""

    def holds(self, address: int, size: int = 1) -> bool:
        """Whether all these bytes are memory."""

    def peek(self, address: int, size: int) -> bytes:
        """Read bytes that `holds` is true of."""

    def poke(self, address: int, data: bytes) -> None:
        """Write bytes that `holds` is true of."""

    def attend(self) -> None:
        """The device's pin went up: if its computer sleeps, it must look."""


class Phandle(IntEnum):
    """The numbers by which nodes of a device tree refer to others."""

    HART = 1  # its own interrupt controller: `mip` and `mie`
    FINISHER = 2
    PLIC = 3


class Bus:
    """Devices by physical address. Instruction fetches never come here: code runs from memory only."""

    def __init__(self) -> None:
        self.devices: dict[str, tuple[int, Device]] = {}  # name -> (base, device), ordered by base
        self._bases: list[int] = []
        self._slots: list[tuple[int, Device]] = []
        self._lines: list[Callable[[int], int]] = []  # of the devices that have such a method
        self._deadlines: list[Callable[[int], int | None]] = []

    def __repr__(self) -> str:
        places = ", ".join(f"{name} {base:#x}" for name, (base, _device) in self.devices.items())
        return _("Bus with {count} devices: {places}").format(count=len(self.devices), places=places or "–")

    def attach(self, base: int, device: Device) -> None:
        """Let `device` answer from physical address `base` on. VlabError where another one already does."""
        if not isinstance(base, int):
            raise VlabError(
                _("{base} can't be a device's base.").format(base=repr(base)[:40]), where=device.name
            )
        end = base + device.size
        if not 0 <= base < end <= _ADDRESSES:
            raise VlabError(_("{base} can't be a device's base.").format(base=hex(base)), where=device.name)
        for name, (start, other) in self.devices.items():
            if name == device.name:
                raise VlabError(_("There is a device of this name on the bus already."), where=name)
            if start < end and base < start + other.size:
                raise VlabError(
                    _("It would overlap {other}, which has {start:#x} to {last:#x}.").format(
                        other=name, start=start, last=start + other.size - 1
                    ),
                    where=device.name,
                    mend=_("Attach it at another base."),
                )
        self._slots = sorted([*self._slots, (base, device)], key=lambda slot: slot[0])
        self._bases = [start for start, _device in self._slots]
        self.devices = {found.name: (start, found) for start, found in self._slots}
        self._lines = [found.lines for _start, found in self._slots if hasattr(found, "lines")]
        self._deadlines = [found.deadline for _start, found in self._slots if hasattr(found, "deadline")]

    def find(self, address: int) -> tuple[Device, int] | None:
        """The device that answers at `address`, and the offset inside its window; None if none does."""
        slot = bisect_right(self._bases, address) - 1
        if slot < 0:
            return None
        base, device = self._slots[slot]
        offset = address - base
        return (device, offset) if offset < device.size else None

    def load(self, address: int, size: int) -> int:
        """Read `size` bytes from the device at `address`: unsigned, little-endian. BusError if refused.

        VlabError if the device answers with what is no number.
        """
        device, offset = self._target(address, size)
        value = device.load(offset, size)
        try:
            return value & ((1 << 8 * size) - 1)
        except TypeError:
            raise VlabError(
                _("Its `load` returned {value}, which is no whole number.").format(value=repr(value)[:40]),
                where=device.name,
            ) from None

    def store(self, address: int, size: int, value: int) -> None:
        """Write the low `size` bytes of `value` to the device at `address`. BusError if refused."""
        device, offset = self._target(address, size)
        device.store(offset, size, value & ((1 << 8 * size) - 1))

    def _target(self, address: int, size: int) -> tuple[Device, int]:
        """The device and offset of an access; BusError unless it is aligned and inside one window."""
        found = self.find(address)
        if found is None or size not in _WIDTHS or address % size or found[1] + size > found[0].size:
            raise BusError
        return found

    def lines(self, time: int) -> int:
        """The bits of `mip` that devices assert at `time`."""
        asserted = 0
        for lines in self._lines:
            asserted |= lines(time)
        return asserted

    def deadline(self, time: int) -> int | None:
        """The next time, later than `time`, when `lines` may change with nobody touching a device."""
        earliest = None
        for deadline in self._deadlines:
            there = deadline(time)
            if there is not None and (earliest is None or there < earliest):
                earliest = there
        return earliest

    def signals(self, time: int) -> tuple[int, int | None]:
        """Both: all that a hart goes by of the devices. An access that leaves it the same wakes nobody."""
        return self.lines(time), self.deadline(time)

    def state(self) -> dict[str, Any]:
        """The state of each device, by name."""
        return {name: device.state() for name, (_base, device) in self.devices.items()}

    def restore(self, state: object) -> None:
        """Restore every device, or none: VlabError if the devices are others, or one refuses its state."""
        if not isinstance(state, Mapping) or set(state) != set(self.devices):
            raise VlabError(
                _("The saved state isn't that of these devices: {names}.").format(
                    names=", ".join(self.devices)
                ),
                where="bus",
                mend=_("Restore it into a machine with the devices that it was saved from."),
            )
        before = self.state()
        try:
            for name, (_base, device) in self.devices.items():
                device.restore(state[name])
        except Exception:
            for name, (_base, device) in self.devices.items():
                device.restore(before[name])
            raise


def checked(where: str, state: object, **bounds: int | type) -> dict[str, Any]:
    """A saved state, checked field by field before any of it is used.

    Each bound is a number (the field is a whole number from 0 to less than it), or a type: `bytes`, `str`, and
    `list` or `dict`, of which the caller checks the parts. `where` names the device in the VlabError for a
    field that is missing, unknown, of another type, or out of bounds.
    """
    if not isinstance(state, Mapping) or set(state) != set(bounds):
        raise VlabError(
            _("The saved state must have exactly these fields: {names}.").format(names=", ".join(bounds)),
            where=where,
        )
    for name, bound in bounds.items():
        value = state[name]
        # `type(...) is`: True would pass for a number.
        fits = type(value) is int and 0 <= value < bound if isinstance(bound, int) else type(value) is bound
        if not fits:
            raise VlabError(
                _("The saved field {name} can't be {value}.").format(name=name, value=_short(value)),
                where=where,
            )
    return dict(state)


def _short(value: object) -> str:
    """A hostile value, named without printing all of it."""
    return str(value) if isinstance(value, int) and abs(value) < 1 << 64 else type(value).__name__
