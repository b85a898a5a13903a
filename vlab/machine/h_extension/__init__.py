"""The hypervisor extension, H: what a hart with it does otherwise (Privileged ISA, chapter "H").

A hart gets a virtualization mode, V. With V = 1 it is in VS or VU mode: a guest's S and U, in which the VS
registers stand in for the supervisor's, and every address is translated twice.
"""

from vlab.language import _
from vlab.machine.h_extension.hart import HypervisorHart
from vlab.riscv.csrs import unknown
from vlab.riscv.instructions import OPTIONAL

__all__ = ["HypervisorHart", "chosen_extensions"]


def chosen_extensions(wanted: object) -> str:
    """The extensions that a computer is to have, in order: "", "C", "H", "CH"; VlabError for any other."""
    if not isinstance(wanted, str) or not set(wanted) <= set(OPTIONAL) or len(set(wanted)) < len(wanted):
        raise unknown(_("There is no extension {name!r}.").format(name=wanted), wanted, OPTIONAL)
    return "".join(letter for letter in OPTIONAL if letter in wanted)
