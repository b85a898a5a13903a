"""Devices, a file each. All keep the contract `vlab.machine.bus.Device`; none knows its computer.

`KINDS` says how to make an empty one of each kind, so that a saved computer can be built anew with its devices:
a reader's own is put into it under its `kind`.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from vlab.later import later
from vlab.machine.bus import Device
from vlab.machine.devices.clint import Clint
from vlab.machine.devices.finisher import Finisher
from vlab.machine.devices.plic import Plic
from vlab.machine.devices.uart import Uart

if TYPE_CHECKING:
    from vlab.machine.devices.cards import Cards
    from vlab.machine.devices.virtio.block import VirtioBlock
    from vlab.machine.devices.virtio.console import VirtioConsole
    from vlab.machine.devices.virtio.net import VirtioNet

# What not every computer has: a class, and its file, by kind.
_ATTACHED = {
    "cards": ("Cards", "cards"),
    "virtio-block": ("VirtioBlock", "virtio.block"),
    "virtio-console": ("VirtioConsole", "virtio.console"),
    "virtio-net": ("VirtioNet", "virtio.net"),
}
__getattr__ = later(__name__, {name: f"{__name__}.{file}" for name, file in _ATTACHED.values()})


def _empty(name: str, file: str) -> Callable[[], Device]:
    def make() -> Device:
        device: Device = getattr(import_module(f"{__name__}.{file}"), name)()
        return device

    return make


KINDS: dict[str, Callable[[], Device]] = {kind: _empty(*where) for kind, where in _ATTACHED.items()}

__all__ = ["KINDS", "Cards", "Clint", "Finisher", "Plic", "Uart", "VirtioBlock", "VirtioConsole", "VirtioNet"]
