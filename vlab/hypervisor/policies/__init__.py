"""The policies, one file each: when shadow entries are made, and when they go."""

from vlab.hypervisor.policies.eager import Eager
from vlab.hypervisor.policies.lazy import Lazy
from vlab.hypervisor.policies.traced import Traced
from vlab.hypervisor.shadow import ShadowTables

POLICIES: dict[str, type[ShadowTables]] = {policy.name: policy for policy in (Lazy, Eager, Traced)}

__all__ = ["POLICIES", "Eager", "Lazy", "Traced"]
