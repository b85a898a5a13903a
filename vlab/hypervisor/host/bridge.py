"""A bridge: the host's network card on one side, the virtual switch of its guests on the other.

What comes over the real cable interrupts the host. Its driver takes the packets from the card and lets them in
at the switch's uplink; what is for nobody at the switch, the driver sends. The host itself has no address.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from vlab.hypervisor.frames import too_little
from vlab.hypervisor.host.drivers import NetDriver
from vlab.hypervisor.virtualmachine import VirtualMachine
from vlab.language import VlabError, _
from vlab.machine.devices import VirtioNet
from vlab.machine.memory import PAGE
from vlab.machine.network import Port, Switch
from vlab.machine.network.packets import HEADER, LARGEST
from vlab.machine.snapshot import Checker

if TYPE_CHECKING:
    from vlab.hypervisor.host.kernel import Kernel

MOST_WAITING = 64  # packets that the host still has to send; what comes then is lost, as on a real wire


class Bridge:
    """The driver of the card called `name`. `switch` and `port`, its uplink there, are cables: no snapshot keeps them.

    Raises VlabError if the host's computer has no such network card.
    """

    def __init__(self, host: "Kernel", name: str):
        device: object = host.computer.bus.devices.get(name, (0, None))[1]
        if not isinstance(device, VirtioNet):
            raise VlabError(
                _("There is no network card {name!r}.").format(name=name),
                where=host.computer.name,
                mend=_("Give the computer one: devices=[VirtioNet(…)]."),
            )
        self.name = name
        self.source = host.computer.board.sources[name]
        self.switch: Switch | None = None
        self.port: Port | None = None
        self._host, self._card = host, device
        self._reset()

    def _reset(self) -> None:
        self.memory = 0  # where the driver's frames are
        self._started = False
        self._to_send: deque[bytes] = deque()

    @property
    def frames(self) -> range:
        """The frames of the host's memory that are the driver's."""
        return range(self.memory // PAGE, self.memory // PAGE + NetDriver.frames)

    @property
    def _driver(self) -> NetDriver:
        base, _device = self._host.computer.bus.devices[self.name]
        return NetDriver(self._host.computer, base, self.memory, self._host)

    # Cables

    def plug(self, switch: Switch, name: str) -> Port:
        """Be an uplink of a switch; VlabError, and nothing has changed, if that would lead round in a loop."""
        if self.port is not None and self.port.nic.wire is not None:
            raise VlabError(_("There is a cable in it already."), where=self.name)
        others = (other.switch for other in self._host.bridges.values() if other is not self)
        if any(port.nic is self._card for port in switch.ports) or switch in others:
            raise VlabError(
                _("With this bridge packets would go round in a loop."),
                where=self.name,
                mend=_(
                    "Lead each switch to the outside over one card, which is plugged into another switch."
                ),
            )
        self.port = switch.uplink(self._host.computer, self._from_guests, name=name)
        self.switch = switch
        return self.port

    def set_up(self) -> None:
        """Take the frames that the driver needs; VlabError if there are not so many beside each other."""
        self._reset()
        frames = self._host.frames.take(NetDriver.frames, self.name)
        if frames[-1] - frames[0] != len(frames) - 1:
            self._host.frames.give(frames)
            raise too_little(NetDriver.frames, 0, self.name)
        self.memory = frames[0] * PAGE

    # What the host's kernel asks of a driver

    def start(self) -> None:
        """Set the card up."""
        self._driver.start()
        self._started = True

    def serve(self) -> None:
        """Send what guests have sent, as far as it had come when this began. A card that is new is started."""
        if not self._started:
            self.start()
            self._host.controller.enable(self.source)
        for _packet in range(len(self._to_send)):
            self._driver.send(self._to_send.popleft())

    def interrupted(self) -> Sequence[VirtualMachine]:
        """Take what came from outside to the switch, and be the virtual machines that got some of it."""
        driver, found = self._driver, dict[VirtualMachine, None]()
        driver.acknowledge()
        packets = driver.receive()
        own = driver.mac if packets else b""
        for packet in packets:
            if self.port is not None and packet[: len(own)] != own:
                found |= dict.fromkeys(self._receivers(self.port, packet))
                self.port.send(packet)
        return list(found)

    def _receivers(self, port: Port, packet: bytes) -> Iterator[VirtualMachine]:
        """The host's virtual machines to whose cards, or to the cards of computers inside them, a packet goes."""
        if self.switch is None or port not in self.switch.ports:
            return
        for other in self.switch.receivers(port, packet):
            computer = other.computer
            while isinstance(computer, VirtualMachine) and computer.host is not self._host.computer:
                computer = computer.host
            if isinstance(computer, VirtualMachine):
                yield computer

    def _from_guests(self, packet: bytes) -> None:
        """The switch has something for the outside. The hart may stand in a guest's hypervisor: so it waits."""
        if len(self._to_send) < MOST_WAITING:
            self._to_send.append(packet)

    # Saving

    def state(self) -> dict[str, Any]:
        """All that it remembers, as plain data."""
        return {"memory": self.memory, "started": self._started, "to_send": list(self._to_send)}

    def restore(self, state: Checker) -> None:
        """Be as `state` says; VlabError if it can't be."""
        self._reset()
        self.memory, self._started = state.number("memory"), state.flag("started")
        packets = [row.state for row in state.part("to_send").rows()]
        fit = all(type(packet) is bytes and HEADER <= len(packet) <= LARGEST for packet in packets)
        if not fit or len(packets) > MOST_WAITING or self.memory % PAGE:
            raise state.bad(_("This is no driver of a network card."))
        if not self._host.frames.claim(self.frames):
            raise state.bad(_("The frames of a driver are not where they can be."))
        self._to_send.extend(packets)
