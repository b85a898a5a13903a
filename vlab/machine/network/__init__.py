"""Networks: a switch that computers are plugged into, and what went over it."""

from vlab.machine.network.packets import Packet
from vlab.machine.network.switch import Port, Switch
from vlab.machine.network.tape import Capture

__all__ = ["Capture", "Packet", "Port", "Switch"]
