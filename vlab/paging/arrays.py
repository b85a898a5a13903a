"""One table as a numpy structured array, and back. numpy is imported when first asked."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from vlab.language import VlabError, _
from vlab.paging.memory import Store
from vlab.paging.schemes import SV39, Scheme, scheme_of

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

    Entries of x86-64 have P RW US PWT PCD A D PS G NX, avl, available, ppn, reserved, raw.

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
    flags = [(str(flag.name), "?") for flag in scheme.format.flags]
    spare = [(name, "u2") for name, _shift, _width in scheme.format.spare]
    table = np.zeros(len(raw), [*flags, *spare, ("ppn", "u8"), ("reserved", "u2"), ("raw", "u8")])
    for name, shift, bits in _fields(scheme):
        table[name] = raw >> shift & bits
    table["raw"] = raw
    return table


def table_bytes(table: "numpy.ndarray[Any, Any]", scheme: Scheme | str = SV39) -> bytes:
    """The bytes of such a table. The single fields count; `raw` is only there to be looked at."""
    import numpy as np

    scheme = scheme_of(scheme)
    raw = np.zeros(len(table), np.uint64)
    for name, shift, bits in _fields(scheme):
        raw |= (table[name].astype(np.uint64) & bits) << shift
    return raw.astype(f"<u{scheme.entry_size}").tobytes()


def _fields(scheme: Scheme) -> Iterator[tuple[str, int, int]]:
    """Every field of an entry: its name, its lowest bit, and the mask that it has there."""
    form, top = scheme.format, scheme.format.ppn_shift + scheme.ppn_bits
    yield from ((str(flag.name), flag.bit_length() - 1, 1) for flag in form.flags)
    yield from ((name, shift, (1 << width) - 1) for name, shift, width in form.spare)
    yield "ppn", form.ppn_shift, scheme.ppn_mask
    yield "reserved", top, scheme.reserved_mask >> top
