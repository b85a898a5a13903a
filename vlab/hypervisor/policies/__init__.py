"""The policies, one file each: when shadow entries are made, and when they go."""

from vlab.hypervisor.policies.eager import Eager
from vlab.hypervisor.policies.lazy import Lazy
from vlab.hypervisor.policies.traced import Traced
from vlab.hypervisor.shadow import ShadowTables
from vlab.language import _, unknown

POLICIES: dict[str, type[ShadowTables]] = {policy.name: policy for policy in (Lazy, Eager, Traced)}

__all__ = ["POLICIES", "Eager", "Lazy", "Traced", "chosen_policy"]


def chosen_policy(wanted: object) -> type[ShadowTables]:
    """A policy of shadow page tables, from its name or itself; VlabError if it is none."""
    if isinstance(wanted, type) and issubclass(wanted, ShadowTables):
        return wanted
    if not isinstance(wanted, str) or wanted not in POLICIES:
        what = _("There is no policy {name!r} of shadow page tables.").format(name=wanted)
        raise unknown(what, wanted, POLICIES)
    return POLICIES[wanted]
