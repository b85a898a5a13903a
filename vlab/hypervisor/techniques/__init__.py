"""The techniques, one file each: how a guest enters, and what its exits mean."""

from vlab.hypervisor.techniques.binary_translation import BinaryTranslation, CallOutsOnly
from vlab.hypervisor.techniques.hardware import HardwareAssisted
from vlab.hypervisor.techniques.lost_interrupt import LostInterrupt
from vlab.hypervisor.techniques.missing_flush import MissingFlush
from vlab.hypervisor.techniques.paravirtual import Paravirtual
from vlab.hypervisor.techniques.stale_satp import StaleSatp
from vlab.hypervisor.techniques.trap_and_emulate import TrapAndEmulate
from vlab.hypervisor.techniques.trusting import Trusting
from vlab.language import _, unknown

TECHNIQUES: dict[str, type[TrapAndEmulate]] = {
    technique.name: technique
    for technique in (TrapAndEmulate, BinaryTranslation, CallOutsOnly, Paravirtual, HardwareAssisted)
}
# On purpose, each with a famous bug: to see it, and to mend it.
BROKEN: dict[str, type[TrapAndEmulate]] = {
    technique.name: technique for technique in (StaleSatp, MissingFlush, LostInterrupt, Trusting)
}

__all__ = [
    "BROKEN",
    "TECHNIQUES",
    "BinaryTranslation",
    "CallOutsOnly",
    "HardwareAssisted",
    "LostInterrupt",
    "MissingFlush",
    "Paravirtual",
    "StaleSatp",
    "TrapAndEmulate",
    "Trusting",
    "chosen_technique",
]


def chosen_technique(wanted: object) -> type[TrapAndEmulate]:
    """A technique, from its name or itself; VlabError if it is none."""
    if isinstance(wanted, type) and issubclass(wanted, TrapAndEmulate):
        return wanted
    known = {**TECHNIQUES, **BROKEN}
    if not isinstance(wanted, str) or wanted not in known:
        raise unknown(_("There is no technique {technique!r}.").format(technique=wanted), wanted, TECHNIQUES)
    return known[wanted]
