"""A split virtqueue (Virtio 1.2, 2.7): three rings in the driver's memory, and the device's place in them.

    descriptors    16 bytes each: address 8, length 4, flags 2, next 2
    available      flags 2, index 2, then 2 bytes each: the head of a chain of descriptors
    used           flags 2, index 2, then 8 bytes each: the head, and how many bytes were written into the chain

All of it is the guest's memory, so nothing in it is believed: whatever can't be is a `QueueError`.
"""

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from vlab.language import VlabError, _
from vlab.machine.bus import BusMaster, checked

LARGEST = 256  # descriptors of a queue
MOST = 4 << 20  # bytes of one chain: more than any driver asks for at once
_NEXT, _WRITE, _INDIRECT = 1, 2, 4  # flags of a descriptor
_NO_INTERRUPT = 1  # a flag of the available ring
_DESCRIPTOR = struct.Struct("<QIHH")
_ADDRESS = 1 << 64
_FIELDS = {
    "size": LARGEST + 1,
    "ready": 2,
    "descriptors": _ADDRESS,
    "available": _ADDRESS,
    "used": _ADDRESS,
    "taken": 1 << 16,
    "returned": 1 << 16,
}


class QueueError(Exception):
    """The rings say what can't be. The transport turns it into DEVICE_NEEDS_RESET."""


class Piece(NamedTuple):
    """Neighbouring bytes of the driver's memory."""

    address: int
    size: int


class Chain:
    """A request: what the driver lets the device read, and after it what it lets the device write.

    `readable` and `writable` are how many bytes; `written` is how many have been written.
    """

    def __init__(self, memory: BusMaster, head: int, readable: list[Piece], writable: list[Piece]):
        self._memory, self.head = memory, head
        self._readable, self._writable = readable, writable
        self.readable = sum(piece.size for piece in readable)
        self.writable = sum(piece.size for piece in writable)
        self.written = 0

    def read(self, size: int | None = None, start: int = 0) -> bytes:
        """What can be read of it, or `size` bytes of that from byte `start` on; fewer if there are no more."""
        end = self.readable if size is None else min(self.readable, start + size)
        return b"".join(self._memory.peek(*piece) for piece in _cut(self._readable, start, end))

    def write(self, data: bytes) -> int:
        """Write on where the last write ended. Returns how many bytes found room."""
        start = self.written
        end = min(self.writable, start + len(data))
        at = 0
        for address, size in _cut(self._writable, start, end):
            self._memory.poke(address, data[at : at + size])
            at += size
        self.written = max(start, end)
        return at


class Queue:
    """One virtqueue of a device. Its fields are what the driver has set up, and the device's place in it."""

    def __init__(self, used_something: Callable[[], None]):
        self.memory: BusMaster | None = None
        self._used_something = used_something
        self.allowance = 0  # how many chains may still be taken in this visit
        self.reset()

    def reset(self) -> None:
        """Be as before the driver set it up."""
        self.size = LARGEST
        self.ready = 0
        self.descriptors = self.available = self.used = 0
        self.taken = self.returned = 0

    def start(self) -> None:
        """The driver says that it is set up. QueueError where it can't be."""
        if self.size == 0 or self.size & self.size - 1:
            raise QueueError(f"{self.size} descriptors")
        self.ready, self.taken, self.returned = 1, 0, 0

    def stop(self) -> None:
        """The driver takes its rings back."""
        self.ready = 0

    def pop(self) -> Chain | None:
        """The next request, if the driver has made one available. QueueError if its rings can't be."""
        if not self.ready:
            return None
        index = self._number(self.available + 2)
        waiting = index - self.taken & 0xFFFF
        if not waiting:
            return None
        # The device's own writes may fall on the ring and make more appear available, for ever.
        if waiting > self.size or self.allowance <= 0:
            raise QueueError(f"{waiting} chains in a ring of {self.size}")
        self.allowance -= 1
        head = self._number(self.available + 4 + 2 * (self.taken % self.size))
        chain = self._chain(head)
        self.taken = self.taken + 1 & 0xFFFF
        return chain

    def push(self, chain: Chain) -> None:
        """Give a request back, done. The driver is interrupted unless it asked not to be."""
        place = self.used + 4 + 8 * (self.returned % self.size)
        self._write(place, struct.pack("<II", chain.head, chain.written))
        self.returned = self.returned + 1 & 0xFFFF
        self._write(self.used + 2, struct.pack("<H", self.returned))
        if not self._number(self.available) & _NO_INTERRUPT:
            self._used_something()

    def _chain(self, head: int) -> Chain:
        memory, number = self._connected(), head
        pieces: tuple[list[Piece], list[Piece]] = [], []
        total = 0
        for _descriptor in range(self.size):  # one longer than the table has a loop in it
            if number >= self.size:
                raise QueueError(f"descriptor {number} of {self.size}")
            fields = _DESCRIPTOR.unpack(self._read(self.descriptors + 16 * number, 16))
            address, size, flags, following = fields
            total += size
            out_of_order = pieces[1] and not flags & _WRITE
            if flags & _INDIRECT or out_of_order or total > MOST or not memory.holds(address, size):
                raise QueueError(f"descriptor {number}: {size} bytes at {address:#x}, flags {flags:#x}")
            pieces[1 if flags & _WRITE else 0].append(Piece(address, size))
            if not flags & _NEXT:
                return Chain(memory, head, *pieces)
            number = following
        raise QueueError("a loop")

    def _connected(self) -> BusMaster:
        if self.memory is None:
            raise QueueError("no memory")
        return self.memory

    def _read(self, address: int, size: int) -> bytes:
        memory = self._connected()
        if not memory.holds(address, size):
            raise QueueError(f"{address:#x}")
        return memory.peek(address, size)

    def _number(self, address: int) -> int:
        return int.from_bytes(self._read(address, 2), "little")

    def _write(self, address: int, data: bytes) -> None:
        memory = self._connected()
        if not memory.holds(address, len(data)):
            raise QueueError(f"{address:#x}")
        memory.poke(address, data)

    # What a snapshot keeps

    def state(self) -> dict[str, Any]:
        """Its fields."""
        return {name: getattr(self, name) for name in _FIELDS}

    @staticmethod
    def checked_state(where: str, state: object) -> dict[str, int]:
        """The fields in a saved state; VlabError if they can't be a queue's."""
        values = checked(where, state, **_FIELDS)
        size = values["size"]
        if values["ready"] and (size == 0 or size & size - 1):
            raise VlabError(_("No queue in use can have {size} descriptors.").format(size=size), where=where)
        return values

    def restore(self, values: dict[str, int]) -> None:
        """Be as fields that were checked say."""
        for name, value in values.items():
            setattr(self, name, value)


def _cut(pieces: list[Piece], start: int, end: int) -> list[Piece]:
    """The pieces that bytes `start` to `end` of them all lie in."""
    found, at = [], 0
    for address, size in pieces:
        first, last = max(start, at), min(end, at + size)
        if first < last:
            found.append(Piece(address + first - at, last - first))
        at += size
    return found
