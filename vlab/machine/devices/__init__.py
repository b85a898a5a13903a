"""Devices, a file each. All keep the contract `vlab.machine.bus.Device`; none knows its computer.

`KINDS` says how to make an empty one of each kind, so that a saved computer can be built anew with its devices:
a reader's own is put into it under its `kind`.
"""

from collections.abc import Callable

from vlab.machine.bus import Device
from vlab.machine.devices.cards import Cards
from vlab.machine.devices.clint import Clint
from vlab.machine.devices.finisher import Finisher
from vlab.machine.devices.plic import Plic
from vlab.machine.devices.uart import Uart
from vlab.machine.devices.virtio.block import VirtioBlock
from vlab.machine.devices.virtio.console import VirtioConsole
from vlab.machine.devices.virtio.net import VirtioNet

KINDS: dict[str, Callable[[], Device]] = {
    "cards": Cards,
    "virtio-block": VirtioBlock,
    "virtio-console": VirtioConsole,
    "virtio-net": VirtioNet,
}

__all__ = ["KINDS", "Cards", "Clint", "Finisher", "Plic", "Uart", "VirtioBlock", "VirtioConsole", "VirtioNet"]
