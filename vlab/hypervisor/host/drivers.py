"""A host's drivers for its own virtio devices: block, network, console (Virtio 1.2, split virtqueues).

A driver remembers nothing in Python. Its rings, its buffers and its place in them lie in frames of the host's
memory, which are handed to it: so a snapshot of the host has them, and a driver made again goes on where the
last one stood.

    a ring, 1024 bytes:   0 descriptors, 128 available, 256 used, 512 how many used ones we have taken
"""

from collections.abc import Iterator
from typing import ClassVar, Protocol

from vlab.language import VlabError, _
from vlab.machine.bus import BusError
from vlab.machine.computer import Computer
from vlab.machine.devices.virtio.transport import (
    ACKNOWLEDGE,
    DRIVER,
    DRIVER_OK,
    FEATURES_OK,
    VERSION_1,
)
from vlab.machine.memory import PAGE
from vlab.machine.network.packets import LARGEST

N = 8  # descriptors of a ring
BUFFER = PAGE // 2
SECTOR = 512
_RING, _AVAILABLE, _USED, _TAKEN = 1024, 128, 256, 512
_NEXT, _WRITE = 1, 2  # flags of a descriptor
_NO_INTERRUPT = 1  # flag of an available ring
_WORD = 0xFFFF_FFFF
_MAGIC = 0x7472_6976
_HALF, _FEATURES, _QUEUE, _SIZE, _READY, _NOTIFY = 0x24, 0x20, 0x30, 0x38, 0x44, 0x50
_INTERRUPT, _ACKNOWLEDGE, _STATUS, _CONFIG = 0x60, 0x64, 0x70, 0x100
_PLACES = {0x80: 0, 0x90: _AVAILABLE, 0xA0: _USED}  # register → where in a ring


class Registers(Protocol):
    """The way to a device's registers: a bus, or the loads and stores of a kernel."""

    def load(self, address: int, size: int) -> int:
        """Load a number of `size` bytes."""

    def store(self, address: int, size: int, value: int) -> None:
        """Store a number of `size` bytes."""


class Driver:
    """What all drivers share: `memory` is the address of `frames` pages that are theirs alone.

    They reach the device's registers over `registers`; if not given, over the computer's bus.
    """

    device_id: ClassVar[int]
    queues: ClassVar[int]
    frames: ClassVar[int]

    def __init__(self, computer: Computer, base: int, memory: int, registers: Registers | None = None):
        self.computer, self.base, self.memory = computer, base, memory
        self._registers = computer.bus if registers is None else registers

    def start(self) -> None:
        """Set the device up (3.1.1). VlabError if there is none of this kind, or it wants what we can't do."""
        if not self._found():
            raise VlabError(_("There is no device at {base:#x} for this driver.").format(base=self.base))
        self.computer.memory.poke(self.memory, bytes(self.frames * PAGE))
        self._store(_STATUS, 0)
        self._store(_STATUS, ACKNOWLEDGE | DRIVER)
        for half in (0, 1):
            self._store(_HALF, half)
            self._store(_FEATURES, VERSION_1 >> 32 * half & _WORD)
        self._store(_STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK)
        if not self._load(_STATUS) & FEATURES_OK:
            raise VlabError(_("The device at {base:#x} refuses this driver.").format(base=self.base))
        for number in range(self.queues):
            self._store(_QUEUE, number)
            self._store(_SIZE, N)
            for register, within in _PLACES.items():
                place = self._ring(number) + within
                self._store(register, place & _WORD)
                self._store(register + 4, place >> 32)
            self._store(_READY, 1)
        self._store(_STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK)

    def _found(self) -> bool:
        try:
            return (self._load(0x000), self._load(0x008)) == (_MAGIC, self.device_id)
        except BusError:
            return False

    def acknowledge(self) -> int:
        """The device interrupted: let its pin go down, and be told why (1 buffers came back, 2 it changed)."""
        reasons = self._load(_INTERRUPT)
        self._store(_ACKNOWLEDGE, reasons)
        return reasons

    def _load(self, register: int) -> int:
        return self._registers.load(self.base + register, 4)

    def _store(self, register: int, value: int) -> None:
        self._registers.store(self.base + register, 4, value)

    def _ring(self, number: int) -> int:
        return self.memory + number * _RING

    def _number(self, address: int, size: int = 2) -> int:
        return int.from_bytes(self.computer.memory.peek(address, size), "little")

    def _put(self, address: int, *numbers: tuple[int, int]) -> None:
        """Numbers one after the other, each with its bytes."""
        data = b"".join(number.to_bytes(size, "little") for number, size in numbers)
        self.computer.memory.poke(address, data)

    def _describe(self, queue: int, number: int, address: int, size: int, flags: int = 0) -> None:
        place = self._ring(queue) + 16 * number
        self._put(place, (address, 8), (size, 4), (flags, 2), (number + 1 & 0xFFFF, 2))

    def _offer(self, queue: int, head: int) -> None:
        """Make a chain available."""
        ring = self._ring(queue) + _AVAILABLE
        index = self._number(ring + 2)
        self._put(ring + 4 + 2 * (index % N), (head, 2))
        self._put(ring + 2, (index + 1 & 0xFFFF, 2))

    def _used(self, queue: int) -> Iterator[tuple[int, int]]:
        """The chains that came back since last time: head, and bytes written."""
        ring = self._ring(queue)
        taken = self._number(ring + _TAKEN)
        while taken != self._number(ring + _USED + 2):
            place = ring + _USED + 4 + 8 * (taken % N)
            taken = taken + 1 & 0xFFFF
            self._put(ring + _TAKEN, (taken, 2))
            yield self._number(place, 4) % N, self._number(place + 4, 4)


class _TwoWay(Driver):
    """A device with a queue for what comes and one for what goes; `before`: bytes before each piece of it."""

    queues = 2
    frames = 6  # the rings; eight buffers for what comes, two in a frame; one for what goes
    before: ClassVar[int] = 0
    longest: ClassVar[int] = BUFFER

    def start(self) -> None:
        """See `Driver.start`; the device may bring something from now on."""
        super().start()
        self._put(self._ring(1) + _AVAILABLE, (_NO_INTERRUPT, 2))  # `send` looks itself what came back
        for number in range(N):
            self._describe(0, number, self._buffer(number), BUFFER, _WRITE)
            self._offer(0, number)
        self._store(_NOTIFY, 0)

    def receive(self) -> list[bytes]:
        """What has come since last time, piece by piece."""
        found = []
        for number, written in self._used(0):
            if written > self.before:
                size = min(written, BUFFER) - self.before
                found.append(self.computer.memory.peek(self._buffer(number) + self.before, size))
            self._offer(0, number)
        self._store(_NOTIFY, 0)
        return found

    def send(self, data: bytes) -> None:
        """Send, in pieces if it is long. It is gone when this returns: the devices here take it at once."""
        place = self.memory + 5 * PAGE
        for at in range(0, len(data), self.longest):
            piece = bytes(self.before) + data[at : at + self.longest]
            self.computer.memory.poke(place, piece)
            self._describe(1, 0, place, len(piece))
            self._offer(1, 0)
            self._store(_NOTIFY, 1)
            for _chain in self._used(1):
                pass

    def _buffer(self, number: int) -> int:
        return self.memory + PAGE + number * BUFFER


class NetDriver(_TwoWay):
    """The driver of a network card; `send` and `receive` are of whole Ethernet frames."""

    device_id = 1
    before = 12
    longest = LARGEST

    @property
    def mac(self) -> bytes:
        """The card's address."""
        return bytes(self._registers.load(self.base + _CONFIG + at, 1) for at in range(6))


class ConsoleDriver(_TwoWay):
    """The driver of a console."""

    device_id = 3


class BlockDriver(Driver):
    """The driver of a disk."""

    device_id = 2
    queues = 1
    frames = 2  # the ring and a request's head and status; its data
    _HEAD, _RESULT = 2048, 2064  # in the first of them

    @property
    def sectors(self) -> int:
        """How large the disk is."""
        return self._registers.load(self.base + _CONFIG, 8)

    def read(self, sector: int, count: int = 1) -> bytes:
        """So many sectors. VlabError where the disk fails, or has none there."""
        most = PAGE // SECTOR
        return b"".join(
            self._request(0, at, min(most, sector + count - at)) for at in range(sector, sector + count, most)
        )

    def write(self, sector: int, data: bytes) -> None:
        """Whole sectors. VlabError where the disk fails, is for reading only, or has none there."""
        for at in range(0, len(data), PAGE):
            piece = data[at : at + PAGE]
            self.computer.memory.poke(self.memory + PAGE, piece)
            self._request(1, sector + at // SECTOR, len(piece) // SECTOR)

    def _request(self, kind: int, sector: int, count: int) -> bytes:
        """One request (5.2.6): head, data, status, in three descriptors."""
        head, data, result = self.memory + self._HEAD, self.memory + PAGE, self.memory + self._RESULT
        self._put(head, (kind, 4), (0, 4), (sector, 8))
        self._put(result, (0xFF, 1))
        self._describe(0, 0, head, 16, _NEXT)
        self._describe(0, 1, data, count * SECTOR, _NEXT | (_WRITE if kind == 0 else 0))
        self._describe(0, 2, result, 1, _WRITE)
        self._offer(0, 0)
        self._store(_NOTIFY, 0)
        done = list(self._used(0))
        if not done or self._number(result, 1):
            raise VlabError(
                _("The disk at {base:#x} failed: {count} sectors from {sector} on.").format(
                    base=self.base, count=count, sector=sector
                )
            )
        return self.computer.memory.peek(data, count * SECTOR)
