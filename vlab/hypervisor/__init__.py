"""The hypervisor: virtual machines on a computer, which may be a virtual machine itself."""

from vlab.hypervisor.chain import Chain
from vlab.hypervisor.hypervisor import Hypervisor
from vlab.hypervisor.nesting import nested
from vlab.hypervisor.policies import Eager, Lazy, Traced
from vlab.hypervisor.shadow import ShadowTables
from vlab.hypervisor.techniques import (
    BinaryTranslation,
    CallOutsOnly,
    HardwareAssisted,
    LostInterrupt,
    MissingFlush,
    Paravirtual,
    StaleSatp,
    TrapAndEmulate,
    Trusting,
)
from vlab.hypervisor.virtualmachine import VirtualMachine

__all__ = [
    "BinaryTranslation",
    "CallOutsOnly",
    "Chain",
    "Eager",
    "HardwareAssisted",
    "Hypervisor",
    "Lazy",
    "LostInterrupt",
    "MissingFlush",
    "Paravirtual",
    "ShadowTables",
    "StaleSatp",
    "Traced",
    "TrapAndEmulate",
    "Trusting",
    "VirtualMachine",
    "nested",
]
