"""What went over a switch: of each machine the packets that it sent, as far as it has a past."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from vlab.display import Drawn
from vlab.files import write_atomically
from vlab.language import VlabError, _
from vlab.machine.network.packets import Packet
from vlab.machine.network.pcap import pcap

if TYPE_CHECKING:
    from vlab.machine.network.switch import Port

MOST = 1 << 14  # packets of one machine that are kept; a guest may send for ever


@dataclass(frozen=True)
class Capture(Drawn):
    """The packets that went over a switch, in the order of their machines' times.

    `ports` are the switch's, by name and address; one that leads on has no address.
    """

    packets: tuple[Packet, ...]
    ports: tuple[tuple[str, bytes], ...] = ()

    def __repr__(self) -> str:
        return _("A capture of {count} packets.").format(count=len(self.packets))

    def __len__(self) -> int:
        return len(self.packets)

    def __iter__(self) -> Iterator[Packet]:
        return iter(self.packets)

    def __getitem__(self, number: int) -> Packet:
        return self.packets[number]

    def receivers(self, packet: Packet) -> list[str]:
        """The ports to which the switch handed a packet: the one that it is for, or all others."""
        known = [name for name, mac in self.ports if mac and mac == packet.data[: len(mac)]]
        return [name for name in known or [name for name, _mac in self.ports] if name != packet.port]

    def pcap(self) -> bytes:
        """All of them as a pcap file, which every network tool reads."""
        return pcap(self.packets)

    def save(self, path: str | Path) -> Path:
        """Write the pcap file, all of it or nothing, and be its path. VlabError if it can't be written."""
        path = Path(path)
        try:
            write_atomically(path, self.pcap())
        except (OSError, ValueError) as error:  # ValueError: a name with a zero in it
            raise VlabError(
                _("The packets can't be saved: {error}").format(error=error), where=str(path)
            ) from error
        return path


@dataclass
class Sent:
    """A packet on a tape: where it came in, to which ports of other machines it must still go, and has gone."""

    packet: Packet
    port: "Port"
    owed: "list[Port]"
    given: "list[Port]"

    @property
    def time(self) -> int:
        """When it was sent."""
        return self.packet.time


class Tape:
    """What one machine sent. Rewound, the machine sends it again: it is recognized, and stands here once.

    A machine sends within an instruction, whose time is that of the state after it. So what a machine has sent
    when its time is t is what stands here up to t.
    """

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self._next = 0  # where the machine stands on it
        self._dropped = -1  # the time of the last packet that is no longer kept

    def add(self, packet: Packet, port: "Port") -> Sent | None:
        """The machine sends a packet; None if it has sent it before, and was rewound since."""
        if packet.time <= self._dropped:
            return None
        if self._next < len(self.sent):
            known = self.sent[self._next]
            if known.packet == packet and known.port is port:
                self._next += 1
                return None
            del self.sent[self._next :]  # something was changed by hand
        found = Sent(packet, port, [], [])
        self.sent.append(found)
        self._next += 1
        if len(self.sent) > MOST:
            self._dropped = self.sent.pop(0).time
            self._next -= 1
        return found

    def until(self, time: int) -> list[Sent]:
        """What was sent up to a time."""
        return self.sent[: self._place(time)]

    def rewound(self, time: int) -> None:
        """The machine is where it was then."""
        self._next = self._place(time)

    def forget(self, time: int) -> None:
        """What the machine did after that is no more."""
        self._next = self._place(time)
        del self.sent[self._next :]

    def _place(self, time: int) -> int:
        return bisect_right(self.sent, time, key=attrgetter("time"))
