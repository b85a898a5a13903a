"""The whole of native code as LLVM IR: generated where it isn't kept yet."""

from vlab.machine.execute.native.common import common
from vlab.machine.execute.native.csrs import ACCESSES
from vlab.machine.execute.native.decoding import DECODING
from vlab.machine.execute.native.functions import function
from vlab.machine.execute.native.handlers import handlers
from vlab.machine.execute.native.privileged import PRIVILEGED
from vlab.machine.execute.native.routines import ROUTINES
from vlab.machine.execute.native.walks import WALKS
from vlab.machine.execute.native.words import WORDS

COMMON = ("leave", "illegal", "undecoded", "page_end", "across", "beyond")  # handlers that no row makes


def source() -> tuple[str, list[str]]:
    """The whole module as LLVM IR, and the names of the handlers in the order of its table."""
    rows = dict(handlers())
    names = [*COMMON, *rows]
    table = ", ".join(f'ptr @"{name}"' for name in names)
    table = f"@handlers = constant [{len(names)} x ptr] [{table}]"
    routines = map(function, WALKS + ROUTINES + WORDS + PRIVILEGED + ACCESSES + DECODING)
    return "\n\n".join([common(), *routines, *rows.values(), table]), names
