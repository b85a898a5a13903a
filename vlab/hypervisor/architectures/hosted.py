"""What the hosted systems share: a host with users and devices, and a hypervisor that came to it as a module.

Each of their virtual machines is a process of the host, in two parts: the guest, which the module in the kernel lets
run, and a program in user mode that has the virtual devices. Where the guest wants one, the module goes back to the
program, and that asks for the guest to be run again. In the model the program is `monitor`, and the devices
themselves are Python's: they have answered before the program comes to run, so it only counts.
"""

from abc import abstractmethod
from typing import Any, ClassVar

from vlab.hypervisor.host import ROOT, Host
from vlab.hypervisor.virtualmachine import VirtualMachine
from vlab.language import _
from vlab.machine import Computer
from vlab.machine.expecting import expect_computer, in_charge

_COUNTER = 8  # s0, in which `monitor` counts


class Hosted(Host):
    """A host whose administrator has installed a hypervisor, of one of the named systems."""

    title: ClassVar[str]
    monitor: ClassVar[str] = "monitor"

    def __init__(self, computer: Computer, *, power_on: bool = True):
        """See `Host`; the module is installed already. VlabError where the computer can't carry this system."""
        expect_computer(computer)
        self._expect_help(computer)
        super().__init__(computer, power_on=power_on)
        if power_on:
            self.install_hypervisor()

    def __repr__(self) -> str:
        if not in_charge(self):
            return super().__repr__()
        text = _("{system}: a host at level {level}; virtual machines: {vms}, run by {techniques}")
        techniques = sorted({vm.technique.name for vm in self.vms}) or [self.technique]
        return text.format(
            system=self.title,
            level=self.computer.level,
            vms=len(self.vms),
            techniques=", ".join(techniques),
        )

    @property
    @abstractmethod
    def technique(self) -> str:
        """How its guests are run, where the reader doesn't say."""

    @classmethod
    def _expect_help(cls, computer: Computer) -> None:
        """VlabError where the computer lacks what this system needs."""

    def create_vm(
        self, image: Any = None, *, user: str = ROOT, weight: int = 1, **how: Any
    ) -> VirtualMachine:
        """See `Host.create_vm`; if nothing else is said, the guest is run as this system does."""
        return super().create_vm(image, user=user, weight=weight, **{"technique": self.technique} | how)

    def returns(self, vm: VirtualMachine) -> int:
        """How often the guest wanted a device, and the process went back to user mode for it.

        VlabError if it is no virtual machine of this host.
        """
        process = self.process_of(vm)
        direct = self.inside is process and process.outside
        return (self.computer.registers if direct else process.x)[_COUNTER]
