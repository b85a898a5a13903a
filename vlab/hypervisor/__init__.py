"""The hypervisor: virtual machines on a computer, which may be a virtual machine itself.

Its chapters, in an order in which they can be read:

- `hypervisor` stands behind the trap vector: a guest exits, somebody deals with that, a guest enters. Its `firmware` is
  what M mode has to let it do. `virtualmachine` is a virtual computer as one visible struct.
- `techniques`: what an exit means, and how a guest enters; `trap_and_emulate` first. `shadow` has the tables that the
  real MMU walks meanwhile, and `policies` say when their entries are made and dropped.
- `inventory` makes, clones and removes virtual machines; `schedule` says whose turn it is; `saving` keeps them.
- `frames` are pages of the computer below, and `guestmemory` is RAM made of them; `sharing` lets several virtual
  machines have the same.
- `nesting` builds virtual machines one in the other.
- `chain`, `tables` and `memorymap` are addresses, tables and memories as values, for pictures.
- `host` is an operating system that has a hypervisor as its module; `architectures` are named systems, made of all
  these parts.
"""

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
