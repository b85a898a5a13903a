"""KVM: a module that makes a hypervisor of its host's kernel, where the processor is made for it.

What it has of the real one: a guest is an ordinary process of the host, in a third mode beside user and kernel mode;
the hardware runs it (two-stage translation, its own traps are its own). The loop: the process asks for its guest to
be run; the kernel's module deals with most exits by itself, and goes back to the process in user mode where a device
is wanted. An administrator installs the module; who is of the group "vm" may use it.

What it leaves out: `/dev/kvm` as a file, the program QEMU (see `hosted`: `monitor` has its place, and no devices of its
own), several harts, and what KVM does without such hardware: it had shadow page tables once, but always needed a guest
mode. (A. Kivity, Y. Kamay, D. Laor, U. Lublin, A. Liguori, "kvm: the Linux Virtual Machine Monitor", 2007.)
"""

from functools import partial
from typing import ClassVar

from vlab.hypervisor.architectures.hosted import Hosted
from vlab.language import VlabError, _
from vlab.machine import RESIDENTS, Computer


class KVM(Hosted):
    """A host with KVM in its kernel: `create_vm` gives a guest that the H extension runs."""

    kind: ClassVar[str] = "kvm"
    title: ClassVar[str] = "KVM"

    @property
    def technique(self) -> str:
        """Hardware assistance, if nothing else is said."""
        return "hardware-assisted"

    @classmethod
    def _expect_help(cls, computer: Computer) -> None:
        if "H" not in computer.extensions:
            raise VlabError(
                _("KVM needs a processor that is made for virtual machines."),
                where=computer.name,
                mend=_('Build the machine with `Machine(extensions="H")`.'),
            )


RESIDENTS[KVM.kind] = partial(KVM, power_on=False)
