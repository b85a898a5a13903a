"""Xen: a small hypervisor on the bare computer, and guests that know of it; one of them has the devices.

What it has of the real one: nothing but the hypervisor is under the guests, and no host. They are paravirtual: they ask
by hypercalls, are told of events by bits in a page, and write their own page tables, which are checked. Domain 0 has
the disk. Its driver serves the others: one grants it a page, writes there what it wants and rings by an event channel;
domain 0 copies the request, asks the disk, copies the answer and rings back. The hypervisor has no driver of a disk.

What it leaves out: domain 0 as a whole operating system, in whose programs an administrator makes guests (here that is
`create_vm`, which also tells domain 0 of a new guest); that the processor walks the guests' own page tables (here the
hypervisor enters what they say into its own); rings of requests, and grants of many pages, to be mapped; the network;
the credit scheduler; guests as they are, by hardware's help, which came later. Xen lies in a part of every guest's
address space, so it is entered with no other table; the model's does not. (P. Barham and others, "Xen and the Art of
Virtualization", 2003.)
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from vlab import guests
from vlab.hypervisor.hypervisor import Hypervisor
from vlab.hypervisor.techniques.hypercalls import Hypercalls
from vlab.hypervisor.virtualmachine import VirtualMachine
from vlab.language import VlabError, _
from vlab.machine import RESIDENTS, Computer
from vlab.machine.devices.virtio.block import VirtioBlock
from vlab.machine.disks import Disk
from vlab.machine.expecting import in_charge
from vlab.machine.snapshot import Checker

DOMAIN_0 = "domain0"
MEMORY = "64K"  # of domain 0


class Xen(Hypervisor):
    """Xen on a computer, with a driver domain that has `disk`. `create_vm` gives a paravirtual guest."""

    kind: ClassVar[str] = "xen"
    title: ClassVar[str] = "Xen"

    def __init__(self, computer: Computer, disk: Disk | None = None, *, power_on: bool = True):
        """See `Hypervisor`; domain 0 starts with it. Without a disk, it refuses who asks for one."""
        super().__init__(computer, power_on=power_on)
        if power_on:
            devices = () if disk is None else (VirtioBlock(disk),)
            self.create_vm(guests.load("driverdomain"), memory=MEMORY, devices=devices, name=DOMAIN_0)

    def __repr__(self) -> str:
        if not in_charge(self):
            return super().__repr__()
        names = ", ".join(vm.name for vm in self.vms[1:])
        return _("Xen at level {level}: domain 0 has the devices; guests: {vms}").format(
            level=self.computer.level, vms=names or _("none")
        )

    @property
    def dom0(self) -> VirtualMachine:
        """Domain 0, the one with the devices."""
        return self.vms[0]

    def create_vm(self, image: Any = None, **how: Any) -> VirtualMachine:
        """See `Hypervisor.create_vm`; paravirtual if nothing else is said. Domain 0 keeps a channel for it."""
        vm = super().create_vm(image, **{"technique": "paravirtual"} | how)
        self._introduce(vm)
        return vm

    def clone(self, vm: VirtualMachine, name: str = "") -> VirtualMachine:
        """See `Hypervisor.clone`. The twin has channels of its own to ask for."""
        twin = super().clone(vm, name)
        self._introduce(twin)
        return twin

    def _introduce(self, vm: VirtualMachine) -> None:
        driver = self.dom0.technique
        if vm is not self.dom0 and isinstance(driver, Hypercalls) and isinstance(vm.technique, Hypercalls):
            driver.connect(vm.technique)

    def remove(self, vm: VirtualMachine) -> None:
        """See `Hypervisor.remove`. VlabError for domain 0, without which no other would have its devices."""
        if vm is self.dom0:
            raise VlabError(_("The others need domain 0: it has the devices."), where=vm.name)
        technique, driver = vm.technique, self.dom0.technique
        super().remove(vm)
        if isinstance(technique, Hypercalls) and isinstance(driver, Hypercalls):
            driver.disconnect(technique)

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Hypervisor.restore`."""
        vms = Checker(state, self.kind).part("vms")
        if not vms.rows():
            raise vms.bad(_("There is no domain 0 in it."))
        super().restore(state)


RESIDENTS[Xen.kind] = partial(Xen, power_on=False)
