"""The network card (Virtio 1.2, 5.1): queue 0 takes packets in, queue 1 sends them out.

Each packet has 12 bytes before it, which are for work that a card may do for its driver. This one offers
none, so all of them are zero, but for the number of buffers (1) that a packet came in.
"""

import struct
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from vlab.language import VlabError, _
from vlab.machine.bus import checked
from vlab.machine.devices.virtio.transport import VirtioDevice
from vlab.machine.network.packets import HEADER, LARGEST, mac_text, parse_mac

RECEIVE, TRANSMIT = 0, 1
MOST_WAITING = 64  # packets that wait for the driver; what comes then is lost, as on a real wire
_HAS_MAC = 1 << 5  # feature: the configuration tells the card's address
_BEFORE = struct.Struct("<BBHHHHH")
_COUNTS = ("sent", "received", "dropped")
_COUNT = 1 << 64


class VirtioNet(VirtioDevice):
    """A network card with this MAC address, such as "02:00:00:00:00:01". A switch is its other end.

    `sent`, `received` and `dropped` count packets. `wire`, which a switch sets, is called with each packet
    that the driver sends; no snapshot keeps it. VlabError for what is no NIC's address.
    """

    kind: ClassVar[str] = "virtio-net"
    device_id: ClassVar[int] = 1
    queues: ClassVar[int] = 2
    features: ClassVar[int] = _HAS_MAC
    must_know_version: ClassVar[bool] = True  # without it, two of the bytes before a packet would be missing

    def __init__(self, mac: str | bytes = "02:00:00:00:00:01", name: str = "net"):
        self.mac = parse_mac(mac)
        self.wire: Callable[[bytes], None] | None = None
        self.waiting: deque[bytes] = deque()
        self.sent = self.received = self.dropped = 0
        super().__init__(name)

    def __repr__(self) -> str:
        return _("{name}: network card {mac}, {sent} packets sent, {received} received, {state}").format(
            name=self.name,
            mac=mac_text(self.mac),
            sent=self.sent,
            received=self.received,
            state=self.status_words(),
        )

    def config(self) -> bytes:
        """Its MAC address."""
        return self.mac

    def receive(self, data: bytes) -> None:
        """A packet comes over the wire. It waits, if need be, until the driver gives a buffer for it."""
        if not HEADER <= len(data) <= LARGEST or len(self.waiting) >= MOST_WAITING:
            self.dropped += 1
            return
        self.waiting.append(data)
        self.serve(self._take_in)

    def notified(self, number: int) -> None:
        """The driver has given buffers, or packets."""
        if number == RECEIVE:
            self._take_in()
        else:
            self._send()

    def _take_in(self) -> None:
        """Put what waits into the driver's buffers."""
        while self.waiting and (chain := self.queue[RECEIVE].pop()) is not None:
            packet = self.waiting.popleft()
            if _BEFORE.size + len(packet) <= chain.writable:
                chain.write(_BEFORE.pack(0, 0, 0, 0, 0, 0, 1) + packet)
                self.received += 1
            else:
                self.dropped += 1  # and the buffer goes back empty: it was made too small
            self.queue[RECEIVE].push(chain)

    def _send(self) -> None:
        """Send what the driver gave; what can't be a packet is dropped."""
        while (chain := self.queue[TRANSMIT].pop()) is not None:
            size = chain.readable - _BEFORE.size
            packet = chain.read(size, _BEFORE.size) if HEADER <= size <= LARGEST else None
            self.queue[TRANSMIT].push(chain)
            if packet is None:
                self.dropped += 1
                continue
            self.sent += 1
            if self.wire is not None:
                self.wire(packet)

    def reset(self) -> None:
        """The computer is switched on: nothing waits, and the counts begin anew."""
        super().reset()
        self.waiting.clear()
        self.sent = self.received = self.dropped = 0

    # What a snapshot keeps

    def own_state(self) -> dict[str, Any]:
        """Its address, its counts, and the packets that wait."""
        counts = {name: getattr(self, name) for name in _COUNTS}
        return counts | {"mac": self.mac, "waiting": list(self.waiting)}

    def restore_own(self, state: Mapping[str, Any]) -> None:
        """Be as `own_state` was; VlabError, and no change, if that can't be."""
        values = checked(self.name, state, **dict.fromkeys(_COUNTS, _COUNT), mac=bytes, waiting=list)
        waiting = values["waiting"]
        fit = all(type(packet) is bytes and HEADER <= len(packet) <= LARGEST for packet in waiting)
        if not fit or len(waiting) > MOST_WAITING:
            raise VlabError(
                _("The saved packets can't have been waiting for a network card."), where=self.name
            )
        self.mac = parse_mac(values["mac"])
        for name in _COUNTS:
            setattr(self, name, values[name])
        self.waiting = deque(waiting)
