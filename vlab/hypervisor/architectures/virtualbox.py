"""VirtualBox: a hosted hypervisor that takes hardware's help where there is some.

What it has of the real one: it is a program on an ordinary host, with a module in its kernel. On a processor that is
made for virtual machines the hardware runs the guest. On another one, as versions up to 6.0 could, the guest's kernel
runs with less privilege, and each of its troublesome instructions is patched: here, replaced by a call-out to the
monitor (`CallOutsOnly`, of binary translation). Which way it goes, it decides for the whole computer.

What it leaves out: in that older way the real one ran the kernel's code where it stands, in ring 1 of x86, and patched
in place what it had found to be troublesome; here all of the kernel's code is run from a copy. It could recompile code
too. Devices are as in `hosted`. (Oracle, VirtualBox source documentation, `src/VBox/VMM/Docs-RawMode.cpp`, 2024.)
"""

from functools import partial
from typing import ClassVar

from vlab.hypervisor.architectures.hosted import Hosted
from vlab.machine import RESIDENTS


class VirtualBox(Hosted):
    """A host with VirtualBox: `create_vm` gives a guest run by hardware, or where that doesn't help, patched."""

    kind: ClassVar[str] = "virtualbox"
    title: ClassVar[str] = "VirtualBox"

    @property
    def technique(self) -> str:
        """With the H extension, hardware assistance; else its patches."""
        return "hardware-assisted" if "H" in self.computer.extensions else "call-outs-only"


RESIDENTS[VirtualBox.kind] = partial(VirtualBox, power_on=False)
