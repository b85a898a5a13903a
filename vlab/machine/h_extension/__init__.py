"""The hypervisor extension, H: what a hart with it does otherwise (Privileged ISA, chapter "H").

A hart gets a virtualization mode, V. With V = 1 it is in VS or VU mode: a guest's S and U, in which the VS
registers stand in for the supervisor's, and every address is translated twice.
"""

from vlab.language import _, unknown
from vlab.riscv.table import NAMED, OPTIONAL


def chosen_extensions(wanted: object) -> str:
    """The extensions that a computer is to have, in order: letters, then names, as in "CH_svade".

    VlabError for any other, and for one that is there twice.
    """
    letters, *names = wanted.split("_") if isinstance(wanted, str) else ["?"]
    has = "".join(letter for letter in OPTIONAL if letter in letters)
    known = [name for name in NAMED if name in names]
    if len(letters) + len(names) != len(has) + len(known):
        raise unknown(_("There is no extension {name!r}.").format(name=wanted), wanted, [*OPTIONAL, *NAMED])
    return "_".join([has, *known])
