"""Many walks at once: arrays of addresses through the same tables. numpy is imported when first asked."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from vlab.language import VlabError, _
from vlab.paging.entries import access_of, mode_of
from vlab.paging.memory import Store
from vlab.paging.schemes import SV39, Scheme, scheme_of
from vlab.paging.twostage import expect_one_format, walk_two_stages
from vlab.paging.walk import Host, Load, Walk, walk
from vlab.paging.walks import Walks
from vlab.riscv.privilege import Access, Cause, Mode, Trap

if TYPE_CHECKING:
    from vlab.paging.descent import Array, Words

BLOCK = 1 << 14  # addresses that go together: what is known of them then fits a cache
ROOTS = 1 << 56  # no root table stands higher


def walk_many(
    memory: Store | bytes | bytearray | memoryview,
    root: int,
    addresses: Any,
    access: Access | str,
    *,
    mode: Mode | str,
    base: int = 0,
    sum: bool = False,
    mxr: bool = False,
    scheme: Scheme | str = SV39,
    hardware_ad: bool = True,
    host: Host | None = None,
    host_ad: bool = True,
) -> Walks:
    """Translate an array of virtual addresses, each as `walk` would (`walk_two_stages` with `host`). Only reads.

    `addresses` are whole numbers from 0 up in an array of any shape, or what numpy makes one of. `memory` is bytes
    of which the first stands at `base`, or has a `load` method; one that has all its bytes in `data`, from its
    `base` on, is as fast as bytes. Raises VlabError for other addresses, a root that no table can have, and as
    the scalar walks do.
    """
    from vlab.paging import descent

    scheme = scheme_of(scheme)
    request = (access_of(access), mode_of(mode), bool(sum), bool(mxr or (host is not None and host.mxr)))
    asked = _addresses(addresses)
    _expect_root(root, scheme)
    if host is not None:
        expect_one_format(scheme, host.scheme)
        _expect_root(host.root, host.scheme)
    load, words = _opened(memory, base)
    stage = descent.Stage(scheme, root, request, hardware_ad)
    if host is None:
        walker = descent.Single(stage, words(scheme.entry_size))
    else:
        below = words(host.scheme.entry_size)
        walker = descent.Nested(stage, words(scheme.entry_size), host, below, host_ad, request[0])
    flat, found = asked.ravel(), descent.Block.of(asked.size, nested=host is not None)
    for first in range(0, asked.size, BLOCK):
        block = slice(first, first + BLOCK)
        walker.block(flat[block], found.part(block))
    status: dict[str, Any] = {
        "mode": mode,
        "sum": sum,
        "mxr": mxr,
        "scheme": scheme,
        "hardware_ad": hardware_ad,
    }

    def again(address: int) -> Walk:
        if host is None:
            return walk(load, root, address, access, **status)
        return walk_two_stages(load, root, address, access, host=host, host_ad=host_ad, **status)

    told = walker.updates(), descent.rules(), *found.shaped(asked.shape)
    return Walks(scheme, request, host, asked, again, *told)


def _addresses(given: Any) -> "Array":
    """A copy of the addresses, as unsigned numbers of 64 bits."""
    import numpy as np

    try:
        asked = np.asarray(given)
    except (ValueError, TypeError, OverflowError):
        asked = np.zeros(1, object)
    if not asked.size and asked.dtype == float:  # what numpy makes of []
        asked = asked.astype(np.uint64)
    if asked.dtype.kind not in "ui":
        raise VlabError(
            _("Addresses are whole numbers of at most 64 bits, not an array of {kind}.").format(
                kind=asked.dtype
            ),
            mend=_("Make them such: np.array([…], np.uint64)."),
        )
    if asked.size and (least := int(asked.min())) < 0:
        raise VlabError(
            _("Addresses are unsigned, and {least} is below zero.").format(least=least),
            mend=_("Their two's complement is addresses.astype(np.int64).view(np.uint64)."),
        )
    return asked.astype(np.uint64)


def _expect_root(root: object, scheme: Scheme) -> None:
    if isinstance(root, int) and 0 <= root < ROOTS and root % scheme.entry_size == 0:
        return
    shown = hex(root) if isinstance(root, int) else repr(root)
    raise VlabError(
        _("{root} is no root of {scheme}.").format(root=shown, scheme=scheme.name),
        mend=_("It is a physical address below 2^56: a whole multiple of {size}.").format(
            size=scheme.entry_size
        ),
    )


def _opened(memory: Any, base: int) -> "tuple[Load, Callable[[int], Words]]":
    """How to read a memory: one number, or many entries of a size."""
    if not isinstance(memory, bytes | bytearray | memoryview):
        held = getattr(memory, "data", None)
        if held is None:
            return memory.load, partial(_asked, memory.load)
        base, memory = memory.base, held
    data = memoryview(memory).cast("B")

    def load(address: int, size: int) -> int:
        at = address - base
        if at < 0 or at + size > len(data):
            raise Trap(Cause.LOAD_ACCESS_FAULT, address)
        return int.from_bytes(data[at : at + size], "little")

    return load, partial(_held, data, base)


def _held(data: memoryview, base: int, size: int) -> "Words":
    """Entries out of bytes of which the first stands at `base`."""
    import numpy as np

    lead = min(-base % size, len(data))
    words = np.frombuffer(data[lead : len(data) - (len(data) - lead) % size], f"<u{size}")
    start, shift, count = np.uint64(base + lead & (1 << 64) - 1), size.bit_length() - 1, len(words)

    def read(at: "Array") -> "tuple[Array, Array | None]":
        index, refused = at - start, None
        index >>= shift
        if count and index.max(initial=0) < count:
            raw = words.take(index.view(np.int64), mode="clip")
        else:
            refused = index >= count
            raw = np.zeros(len(at), words.dtype)
            raw[~refused] = words[index[~refused]]
        return raw.astype(np.uint64, copy=False), refused

    return read


def _asked(load: Load, size: int) -> "Words":
    """Entries from a memory that gives them one by one: in a block each is asked for once."""
    import numpy as np

    def read(at: "Array") -> "tuple[Array, Array | None]":
        slots, where = np.unique(at, return_inverse=True)
        raw, refused = np.zeros(len(slots), np.uint64), np.zeros(len(slots), bool)
        for number, slot in enumerate(slots.tolist()):
            try:
                raw[number] = load(slot, size)
            except Trap:
                refused[number] = True
        return raw[where], refused[where] if refused.any() else None

    return read
