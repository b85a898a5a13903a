"""Named systems, one file each: assemblies of the parts around them."""

from vlab.hypervisor.architectures.hyperv import HyperV
from vlab.hypervisor.architectures.kvm import KVM
from vlab.hypervisor.architectures.virtualbox import VirtualBox
from vlab.hypervisor.architectures.vm370 import VM370
from vlab.hypervisor.architectures.vmware import VMware
from vlab.hypervisor.architectures.xen import Xen

__all__ = ["KVM", "VM370", "HyperV", "VMware", "VirtualBox", "Xen"]
