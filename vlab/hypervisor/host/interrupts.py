"""The host's side of the interrupt controller: which devices may interrupt, and which one did."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from vlab.machine.board import PLIC_BASE
from vlab.machine.snapshot import Checker

if TYPE_CHECKING:
    from vlab.hypervisor.host.kernel import Kernel
    from vlab.hypervisor.virtualmachine import VirtualMachine

# Context 1 is S mode of hart 0 (SiFive's PLIC, as every RISC-V board has it).
_PRIORITY, _ENABLE = PLIC_BASE, PLIC_BASE + 0x2080
_THRESHOLD, _CLAIM = PLIC_BASE + 0x20_1000, PLIC_BASE + 0x20_1004


class Driver(Protocol):
    """What the host asks of the driver of one of its devices."""

    @property
    def name(self) -> str:
        """What the host calls the device."""

    @property
    def source(self) -> int:
        """The device's line at the PLIC."""

    def start(self) -> None:
        """Make the device ready; its interrupts are enabled then."""

    def interrupted(self) -> "Sequence[VirtualMachine]":
        """Deal with the device's interrupt. The virtual machines that it was about; none: the host's own affair."""

    def serve(self) -> None:
        """Do what others left to be done, before a process goes on."""

    def state(self) -> dict[str, Any]:
        """All that it remembers, as plain data."""

    def restore(self, state: Checker) -> None:
        """Be as `state` says; VlabError if it can't be."""


class Controller:
    """The PLIC's registers for S mode, by loads and stores of the host. Without a PLIC nothing happens."""

    def __init__(self, host: "Kernel"):
        self._host = host

    @property
    def there(self) -> bool:
        """Whether the computer has one."""
        return self._host.computer.bus.find(PLIC_BASE) is not None

    def enable(self, source: int) -> None:
        """Let a device's interrupts through."""
        if self.there:
            word, bit = _ENABLE + source // 32 * 4, 1 << source % 32
            self._host.store(_PRIORITY + 4 * source, 4, 1)
            self._host.store(word, 4, self._host.load(word, 4) | bit)
            self._host.store(_THRESHOLD, 4, 0)

    def claim(self) -> int:
        """The source that interrupts and has been waiting for us; 0 if none does."""
        return self._host.load(_CLAIM, 4) if self.there else 0

    def complete(self, source: int) -> None:
        """It was dealt with: the source may interrupt again."""
        self._host.store(_CLAIM, 4, source)
