"""The techniques, one file each: how a guest enters, and what its exits mean."""

from vlab.hypervisor.techniques.stale_satp import StaleSatp
from vlab.hypervisor.techniques.trap_and_emulate import TrapAndEmulate

TECHNIQUES = {TrapAndEmulate.name: TrapAndEmulate}
BROKEN = {StaleSatp.name: StaleSatp}  # on purpose, each with a famous bug: to see it, and to mend it

__all__ = ["BROKEN", "TECHNIQUES", "StaleSatp", "TrapAndEmulate"]
