"""The hypervisor: virtual machines on a computer, which may be a virtual machine itself."""

from vlab.hypervisor.chain import Chain
from vlab.hypervisor.hypervisor import Hypervisor
from vlab.hypervisor.techniques import TrapAndEmulate
from vlab.hypervisor.virtualmachine import VirtualMachine

__all__ = ["Chain", "Hypervisor", "TrapAndEmulate", "VirtualMachine"]
