"""Devices, a file each. All keep the contract `vlab.machine.bus.Device`; none knows its computer."""

from vlab.machine.devices.clint import Clint
from vlab.machine.devices.finisher import Finisher
from vlab.machine.devices.uart import Uart

__all__ = ["Clint", "Finisher", "Uart"]
