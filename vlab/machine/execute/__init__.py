"""The engines that run instructions: one meaning, from the one table, several ways to execute it."""

import os
from importlib.util import find_spec

from vlab.language import VlabError, _

PACES = {"native": 64, "interpreter": 1}  # of each engine: instructions while the interpreter runs one, about
_VARIABLE = "VLAB_ENGINE"


def chosen_engine(wanted: object = None) -> str:
    """The engine of this name; if none is named, that of VLAB_ENGINE, else the fastest that this host has.

    Raises:
        VlabError: if there is no such engine, or this host lacks what it needs.
    """
    fastest = "interpreter" if find_spec("llvmlite") is None else "native"
    name = os.environ.get(_VARIABLE) or fastest if wanted is None else wanted
    if not isinstance(name, str) or name not in PACES:
        raise VlabError(
            _("There is no engine {name!r}.").format(name=str(name)[:40]),
            mend=_("There are: {known}.").format(known=", ".join(PACES)),
        )
    if name == "native" != fastest:
        raise VlabError(
            _("The native engine needs llvmlite, which is not installed."),
            mend=_('Install it: `pip install "vlab[native]"`. Without it, machines run on the interpreter.'),
        )
    return name
