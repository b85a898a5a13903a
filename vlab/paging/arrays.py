"""One table as a numpy structured array, and back. numpy is imported when first asked."""

from typing import TYPE_CHECKING, Any

from vlab.language import VlabError, _
from vlab.paging.entries import Flags
from vlab.paging.memory import Store
from vlab.paging.schemes import FLAG_BITS, SV39, Scheme, scheme_of

if TYPE_CHECKING:
    import numpy


def table_array(
    memory: Store | bytes | bytearray | memoryview,
    address: int = 0,
    *,
    base: int = 0,
    scheme: Scheme | str = SV39,
    level: int = 0,
) -> "numpy.ndarray[Any, Any]":
    """The table at `address`, a record an entry: V R W X U G A D (bool), rsw, ppn, reserved, raw.

    `memory` has a `load` method, or is bytes of which the first stands at address `base`. `level` matters
    only for a root with extra bits. The array is a copy. Raises VlabError where the table isn't all in the
    bytes; a Trap of `load` is passed on.
    """
    import numpy as np

    scheme = scheme_of(scheme)
    size, width = scheme.table_size(level), scheme.entry_size
    if isinstance(memory, bytes | bytearray | memoryview):
        page = bytes(memoryview(memory).cast("B")[max(address - base, 0) : max(address - base + size, 0)])
    else:
        slots = range(address, address + size, width)
        page = b"".join(memory.load(slot, width).to_bytes(width, "little") for slot in slots)
    if len(page) != size:
        raise VlabError(
            _("There is no whole table at {address:#x}.").format(address=address),
            mend=_("`base` is the physical address of the first byte."),
        )
    raw = np.frombuffer(page, f"<u{width}").astype(np.uint64)
    bits = [(str(flag.name), "?") for flag in Flags]
    table = np.zeros(len(raw), [*bits, ("rsw", "u1"), ("ppn", "u8"), ("reserved", "u2"), ("raw", "u8")])
    for shift, (name, _kind) in enumerate(bits):
        table[name] = raw >> shift & 1
    table["rsw"] = raw >> len(bits) & 3
    table["ppn"] = raw >> FLAG_BITS & scheme.ppn_mask
    table["reserved"] = raw >> FLAG_BITS + scheme.ppn_bits
    table["raw"] = raw
    return table


def table_bytes(table: "numpy.ndarray[Any, Any]", scheme: Scheme | str = SV39) -> bytes:
    """The bytes of such a table. The single fields count; `raw` is only there to be looked at."""
    import numpy as np

    scheme = scheme_of(scheme)
    raw = table["reserved"].astype(np.uint64) << FLAG_BITS + scheme.ppn_bits
    raw |= (table["ppn"] & scheme.ppn_mask) << FLAG_BITS | (table["rsw"].astype(np.uint64) & 3) << len(Flags)
    for shift, flag in enumerate(Flags):
        raw |= table[flag.name].astype(np.uint64) << shift
    return raw.astype(f"<u{scheme.entry_size}").tobytes()
