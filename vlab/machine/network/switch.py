"""A switch: what is sent to the address of a port goes there, everything else to all other ports.

A real switch learns who is where by listening. This one looks at the cards that are plugged in: so it has no
state, and no snapshot must keep one.

Within one machine (its virtual machines, its host) a packet is there at once. Between machines, which have each
a time of their own, it waits until `vlab.operations.Together` runs them.
"""

from collections.abc import Callable, Sequence
from functools import partial
from heapq import merge
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from vlab.display import Drawn, one_line
from vlab.language import VlabError, _
from vlab.machine.expecting import expect_computer
from vlab.machine.network.packets import BROADCAST, HEADER, LARGEST, Packet, mac_text
from vlab.machine.network.tape import Capture, Sent, Tape

if TYPE_CHECKING:
    from vlab.machine.computer import Computer
    from vlab.machine.history import Arrival
    from vlab.machine.machine import Machine


@runtime_checkable
class Nic(Protocol):
    """What can be plugged in: a network card. `wire` is called with each packet that it sends."""

    name: str
    mac: bytes
    wire: Callable[[bytes], None] | None

    def receive(self, data: bytes) -> None:
        """A packet comes to it."""


class Uplink:
    """The end of a switch that leads on, to a network outside; it has no address of its own."""

    mac = b""

    def __init__(self, name: str, out: Callable[[bytes], None]):
        self.name, self.receive = name, out
        self.wire: Callable[[bytes], None] | None = None


class Port(Drawn):
    """A port of a switch: `nic` of `computer` is plugged in. `name` is what captures call it."""

    def __init__(self, computer: "Computer", nic: Nic, name: str):
        self.computer, self.nic, self.name = computer, nic, name

    def __repr__(self) -> str:
        address = mac_text(self.nic.mac) if self.nic.mac else _("leads on")
        return _("Port of {name}: {address}").format(name=one_line(self.name), address=address)

    @property
    def machine(self) -> "Machine":
        """The machine that its computer is, or is in."""
        return self.computer.history.machine

    def send(self, data: bytes) -> None:
        """Let a packet come in here, as if the card had sent it."""
        if self.nic.wire is not None:
            self.nic.wire(data)


class Switch(Drawn):
    """An Ethernet switch. `plug` computers into it; `capture` is what went over it."""

    def __init__(self, name: str = "switch"):
        self.name = name
        self.ports: list[Port] = []
        self._tapes: dict[Machine, Tape] = {}
        self._forwarding = False

    def __repr__(self) -> str:
        names = ", ".join(one_line(port.name) for port in self.ports)
        return _("Switch {name}: {count} ports: {names}").format(
            name=one_line(self.name), count=len(self.ports), names=names or _("nothing plugged in")
        )

    @property
    def machines(self) -> list["Machine"]:
        """The machines that its ports are in."""
        return list(dict.fromkeys(port.machine for port in self.ports))

    # Cables

    def plug(self, computer: "Computer", nic: Nic | str | None = None, *, name: str = "") -> Port:
        """Plug a computer in: its network card of this name, or its first one that has no cable yet.

        `name` is what the port will be called; if not given, the computer's. The history of its machine begins
        anew, because it goes on in another world.

        Raises:
            VlabError: if there is no such card, it has a cable, or its address is another port's.
        """
        expect_computer(computer)
        computer.expect_there()
        card = _card(computer, nic)
        others = [port for port in self.ports if port.nic.mac == card.mac]
        if others:
            raise VlabError(
                _("{other} has the address {mac} already.").format(
                    other=others[0].name, mac=mac_text(card.mac)
                ),
                where=name or computer.name,
                mend=_(
                    "Give each network card an address of its own, or pull that cable first: `switch.unplug`."
                ),
            )
        return self._add(Port(computer, card, self._free_name(name or computer.name or _("machine"))))

    def uplink(self, computer: "Computer", out: Callable[[bytes], None], *, name: str = "uplink") -> Port:
        """A port that leads on: what is for nobody here goes to `out`; what comes from there, `send` to the port.

        So software of `computer` (a host) joins the virtual network of its guests to a real one. VlabError if
        there are ports of other machines.
        """
        if any(machine is not computer.history.machine for machine in self.machines):
            raise VlabError(
                _("A switch between machines can't lead on by software of one of them."), where=name
            )
        return self._add(Port(computer, Uplink(name, out), self._free_name(name)))

    def unplug(self, computer: "Computer") -> None:
        """Pull the cables of a computer; what was under way to it is lost. VlabError if it has none here."""
        expect_computer(computer)
        pulled = [port for port in self.ports if port.computer is computer]
        if not pulled:
            raise VlabError(_("It is not plugged into this switch."), where=computer.name)
        for port in pulled:
            port.nic.wire = None
            self.ports.remove(port)
            for sent in self._all_sent():
                sent.owed = [other for other in sent.owed if other is not port]
        pulled[0].machine.history.begin()

    def _add(self, port: Port) -> Port:
        port.nic.wire = partial(self._send, port)
        self.ports.append(port)
        machine = port.machine
        if machine not in self._tapes:
            self._tapes[machine] = Tape()
            machine.history.lines.append(self)
        machine.history.begin()
        return port

    def _free_name(self, wanted: str) -> str:
        taken, number, name = {port.name for port in self.ports}, 1, wanted
        while name in taken:
            number += 1
            name = f"{wanted} {number}"
        return name

    # Packets

    def _send(self, port: Port, data: bytes) -> None:
        """A packet comes in at a port. One that comes while another is handed on has gone round a loop."""
        if self._forwarding or not HEADER <= len(data) <= LARGEST:
            return
        machine, receivers = port.machine, self.receivers(port, data)
        if not machine.history.apart:
            sent = self._tapes[machine].add(Packet(machine.time, port.name, data), port)
            if sent is not None:
                sent.owed = [other for other in receivers if other.machine is not machine]
        self._forwarding = True
        try:
            for other in receivers:
                if other.machine is machine:
                    other.nic.receive(data)
        finally:
            self._forwarding = False

    def receivers(self, sender: Port, data: bytes) -> list[Port]:
        """The ports to which it hands a packet that comes in at one."""
        to = data[: len(BROADCAST)]
        known = [port for port in self.ports if port.nic.mac == to]
        return [port for port in known or self.ports if port is not sender]

    def _all_sent(self, *, but: "Machine | None" = None) -> list[Sent]:
        """What was sent by machines, in the order of time; `but` for one of them."""
        tapes = [tape.until(machine.time) for machine, tape in self._tapes.items() if machine is not but]
        return list(merge(*tapes, key=attrgetter("time")))

    @property
    def capture(self) -> Capture:
        """The packets that went over it, up to where each machine stands; the last 16,384 of each."""
        ports = tuple((port.name, port.nic.mac) for port in self.ports)
        return Capture(tuple(sent.packet for sent in self._all_sent()), ports)

    # A line of its machines: see `vlab.machine.history.Line`

    def bring(self, machine: "Machine", time: int) -> None:
        """Give a machine what others sent to it before `time`."""
        while (found := self._next_owed(machine, time)) is not None:
            sent, port = found
            sent.owed.remove(port)
            sent.given.append(port)
            if machine.status is None:
                machine.history.arrived(port.computer, port.nic.name, sent.packet.data, time)

    def _next_owed(self, machine: "Machine", time: int) -> tuple[Sent, Port] | None:
        for sent in self._all_sent(but=machine):
            if sent.time >= time:
                return None
            for port in sent.owed:
                if port.machine is machine:
                    return sent, port
        return None

    def under_way(self, machine: "Machine") -> bool:
        """Whether something was sent to the machine and has not come yet."""
        return any(port.machine is machine for sent in self._all_sent(but=machine) for port in sent.owed)

    def rewound(self, machine: "Machine") -> None:
        """The machine will send again what it sent after its present time."""
        self._tapes[machine].rewound(machine.time)

    def forgotten(self, machine: "Machine", arrivals: "Sequence[Arrival]") -> None:
        """What the machine sent after its present time was never sent; what came after it, comes again."""
        self._tapes[machine].forget(machine.time)
        lost = [(id(arrival.data), arrival.computer, arrival.device) for arrival in arrivals]
        if not lost:
            return
        for sent in self._all_sent(but=machine):
            for port in list(sent.given):
                if (id(sent.packet.data), port.computer, port.nic.name) in lost:
                    sent.given.remove(port)
                    sent.owed.append(port)


def _card(computer: "Computer", wanted: Nic | str | None) -> Any:
    """The network card that is to be plugged in."""
    cards = [device for _base, device in computer.bus.devices.values() if isinstance(device, Nic)]
    if wanted is None:
        found = [card for card in cards if card.wire is None][:1] or cards[:1]
    else:
        found = [card for card in cards if card is wanted or card.name == wanted]
    if not found:
        raise VlabError(
            _("It has no network card to plug in."),
            where=computer.name,
            mend=_("Give it one: devices=[VirtioNet(…)]."),
        )
    if found[0].wire is not None:
        raise VlabError(
            _("There is a cable in it already."),
            where=computer.name or found[0].name,
            mend=_("Pull that first: `switch.unplug(…)`. Or give the computer one more network card."),
        )
    return found[0]
