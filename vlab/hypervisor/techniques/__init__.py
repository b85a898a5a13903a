"""The techniques, one file each: how a guest enters, and what its exits mean."""

from vlab.hypervisor.techniques.trap_and_emulate import TrapAndEmulate

TECHNIQUES = {TrapAndEmulate.name: TrapAndEmulate}

__all__ = ["TECHNIQUES", "TrapAndEmulate"]
