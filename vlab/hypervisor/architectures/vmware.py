"""VMware Workstation: a virtual machine monitor on an ordinary host, for a processor that was not made for it.

What it has of the real one: the guest's user programs run directly, its kernel by binary translation (`techniques/`);
its page tables are traced, so shadows stay true while the guest switches among them. It works on a processor with
x86's fault, where trap and emulate does not: try `Machine(quirks=…)`. Devices are the host's affair: where the guest
wants one, the way leads out of the monitor, to a program of the host's (see `hosted`).

What it leaves out: the world switch in which the monitor takes the whole processor from the host's kernel, with its
descriptor tables and its address space; here the monitor is a module and keeps the host's. The chaining of translated
blocks, and what the model's devices do instead of the host's. Later versions used hardware's help too. (J. Sugerman,
G. Venkitachalam, B.-H. Lim, "Virtualizing I/O Devices on VMware Workstation's Hosted Virtual Machine Monitor", 2001;
K. Adams, O. Agesen, "A Comparison of Software and Hardware Techniques for x86 Virtualization", 2006; E. Bugnion,
J. Nieh, D. Tsafrir, "Hardware and Software Support for Virtualization", 2017.)
"""

from functools import partial
from typing import Any, ClassVar

from vlab.hypervisor.architectures.hosted import Hosted
from vlab.hypervisor.host import ROOT
from vlab.hypervisor.virtualmachine import VirtualMachine
from vlab.machine import RESIDENTS


class VMware(Hosted):
    """A host with VMware's monitor: `create_vm` gives a guest whose kernel is translated as it runs."""

    kind: ClassVar[str] = "vmware"
    title: ClassVar[str] = "VMware Workstation"

    @property
    def technique(self) -> str:
        """Binary translation, on any computer."""
        return "binary-translation"

    def create_vm(
        self, image: Any = None, *, user: str = ROOT, weight: int = 1, **how: Any
    ) -> VirtualMachine:
        """See `Hosted.create_vm`; if nothing else is said, the guest's page tables are traced."""
        return super().create_vm(image, user=user, weight=weight, **{"shadow": "traced"} | how)


RESIDENTS[VMware.kind] = partial(VMware, power_on=False)
