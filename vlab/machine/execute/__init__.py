"""The engines that run instructions: one meaning, from the one table, several ways to execute it.

`interpreter` is the reference. `lowering` makes its operations, Python closures, from the meanings; `expressions`
writes what stands in them. `native` gives the same answers as machine code, where llvmlite is installed.
"""

import os
import warnings
from functools import cache
from importlib.util import find_spec

from vlab.language import VlabError, _, unknown

PACES = {"native": 64, "interpreter": 1}  # of each engine: instructions while the interpreter runs one, about
_VARIABLE = "VLAB_ENGINE"


def chosen_engine(wanted: object = None) -> str:
    """The engine of this name; if none is named, that of VLAB_ENGINE, else the fastest that this host has.

    Where the native one is installed and can't be built, whoever named none is warned, once.

    Raises:
        VlabError: if there is no such engine, or this host lacks what it needs.
    """
    name = os.environ.get(_VARIABLE) or None if wanted is None else wanted
    if name is not None and (not isinstance(name, str) or name not in PACES):
        raise unknown(_("There is no engine {name!r}.").format(name=str(name)[:40]), name, PACES)
    if name == "interpreter":
        return name
    lack = lacking()
    if lack is None:
        return "native"
    if name is not None:
        raise lack
    if installed():
        _warn(lack.what)
    return "interpreter"


def installed() -> bool:
    """Whether what the native engine needs is there at all."""
    return find_spec("llvmlite") is not None


def lacking() -> VlabError | None:
    """Why the native engine can't run on this host, and the mend; None if it can. It is built to see that."""
    if not installed():
        return VlabError(
            _("The native engine needs llvmlite, which is not installed."),
            mend=_('Install it: `pip install "vlab[native]"`. Without it, machines run on the interpreter.'),
        )
    from vlab.machine.execute.native.building import native

    try:
        native()
    except VlabError as error:
        return error
    return None


@cache
def _warn(problem: str) -> None:
    more = _("Machines run on the interpreter: the same answers, more slowly.")
    warnings.warn(f"{problem} {more}", RuntimeWarning, stacklevel=4)
