"""Hyper-V: a hypervisor on the bare computer, and an operating system that was there first, in a partition of its own.

What it has of the real one: the hypervisor lies under all, and the hardware runs its guests, called partitions, as they
are. One of them is the root: it has the computer's devices, and the operating system in it, with its users and programs
and its drivers, is what an administrator takes for the host. It is a guest like the others, and exits like them.

What it leaves out: VMBus, by which the other partitions have their devices served by the root: theirs are the
hypervisor's affair here. Enlightenments, that is guests which find out that there is a hypervisor, and ask it by
hypercalls. And that it is the root that makes partitions: here that is `create_vm`. (Microsoft, "Hypervisor Top Level
Functional Specification", v6.0b.)
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, ClassVar

from vlab.hypervisor.host import Host
from vlab.hypervisor.hypervisor import Hypervisor
from vlab.hypervisor.virtualmachine import VirtualMachine
from vlab.language import VlabError, _
from vlab.machine import RESIDENTS, Computer
from vlab.machine.bus import Device
from vlab.machine.expecting import expect_computer, in_charge
from vlab.machine.snapshot import Checker
from vlab.riscv import Mode

ROOT_PARTITION = "root"
MEMORY = "2M"  # of the root partition


class HyperV(Hypervisor):
    """Hyper-V on a computer; its root partition has `devices`. `create_vm` gives another partition."""

    kind: ClassVar[str] = "hyperv"
    title: ClassVar[str] = "Hyper-V"

    def __init__(
        self,
        computer: Computer,
        devices: Iterable[Device] = (),
        *,
        memory: str | int = MEMORY,
        power_on: bool = True,
    ):
        """See `Hypervisor`; `memory` is the root partition's. VlabError if the computer has no H extension."""
        expect_computer(computer)
        if "H" not in computer.extensions:
            raise VlabError(
                _("Hyper-V needs a processor that is made for virtual machines."),
                where=computer.name,
                mend=_('Build the machine with `Machine(extensions="H")`.'),
            )
        super().__init__(computer, power_on=power_on)
        if power_on:
            Host(self.create_vm(memory=memory, devices=devices, name=ROOT_PARTITION))

    def __repr__(self) -> str:
        if not in_charge(self):
            return super().__repr__()
        names = ", ".join(vm.name for vm in self.vms[1:])
        return _(
            "Hyper-V at level {level}: a root partition has the devices; other partitions: {vms}"
        ).format(level=self.computer.level, vms=names or _("none"))

    @property
    def root(self) -> VirtualMachine:
        """The root partition."""
        return self.vms[0]

    @property
    def host(self) -> Host:
        """The operating system in the root partition; VlabError if there is another by now."""
        found = self.root.residents.get(Mode.S)
        if not isinstance(found, Host):
            raise VlabError(_("The root partition's operating system is gone."), where=self.root.name)
        return found

    def create_vm(self, image: Any = None, **how: Any) -> VirtualMachine:
        """See `Hypervisor.create_vm`; the hardware runs it if nothing else is said."""
        return super().create_vm(image, **{"technique": "hardware-assisted"} | how)

    def remove(self, vm: VirtualMachine) -> None:
        """See `Hypervisor.remove`. VlabError for the root partition."""
        if vm is self.root:
            raise VlabError(_("The others need the root partition: it has the devices."), where=vm.name)
        super().remove(vm)

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Hypervisor.restore`."""
        vms = Checker(state, self.kind).part("vms")
        if not vms.rows():
            raise vms.bad(_("There is no root partition in it."))
        super().restore(state)


RESIDENTS[HyperV.kind] = partial(HyperV, power_on=False)
