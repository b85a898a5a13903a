"""Named systems, one file each: assemblies of the parts around them."""

from vlab.hypervisor.architectures.vm370 import VM370

__all__ = ["VM370"]
