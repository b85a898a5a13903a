"""The decoder's table, made from the table of instructions: what each instruction's slot holds, in native code's terms.

    buckets  4 bytes each: where the list of those rows begins that an instruction with these bits may be
    csrs     4 bytes a number: where native code finds that CSR; NO_CSR where it doesn't know it
    pairs    8 bytes a handler, by the second instruction's number, by the first one's
    rows     8 bytes a number, from ROW_MASK on; then the pieces of its operands
    lists    4 bytes a row: where it is; 0 ends it

A piece says which bits of the word go where among the fields of a slot: {mask, shift to the right, to the left}.
"""

import struct
from collections.abc import Mapping
from functools import cache, lru_cache

from vlab.machine.execute.native.building import Native
from vlab.machine.execute.native.decoding import ALWAYS, NO_CSR, RD_SHIFT, RS2_SHIFT
from vlab.machine.execute.native.kinds import NEAR, QUIET, handler_name
from vlab.machine.execute.native.layout import (
    BUCKETS,
    DECODER_CSRS,
    DECODER_PAIRS,
    IMM,
    PAIR_BACK,
    PAIR_SIZE,
    RS1,
)
from vlab.machine.execute.native.pairs import FIRSTS, PAIRS, SECONDS, WAYS
from vlab.riscv.instructions import ROWS, Piece, Row

_CSR_NUMBERS = 4096
_WIDE_BITS = (2, 3, 4, 5, 6, 12, 13, 14)  # the bits of an instruction that tell its bucket
_SHORT_BITS = (0, 1, 13, 14, 15)
# Where an operand is put together. What is not among them, native code has no use for.
_PLACES = {
    "imm": 0, "shamt": 0, "csr": 0, "rd": RD_SHIFT, "rs1": 8 * (RS1 - IMM), "zimm": 8 * (RS1 - IMM), "rs2": RS2_SHIFT,
}  # fmt: skip


@lru_cache(maxsize=16)
def decoder_table(made: Native, lacking: frozenset[str], csrs: tuple[tuple[int, int], ...]) -> bytearray:
    """The table for a hart that lacks some extensions; nobody writes to it.

    `csrs` are the places of those that native code knows, by number.
    """
    handlers = made.handlers
    pairs = _pairs(handlers)
    rows, at = b"", DECODER_PAIRS + len(pairs)
    places: dict[str, int] = {}
    for row in ROWS.values():
        places[row.name] = at + len(rows)
        rows += _row(row, handlers, row.extension not in lacking)
    lists, starts = b"", []
    for bits, size in ((_WIDE_BITS, 4), (_SHORT_BITS, 2)):
        for bucket in _buckets(bits, size):
            starts.append(at + len(rows) + len(lists))
            found = [places[row.name] for row in bucket]
            lists += struct.pack(f"<{len(found) + 1}I", *found, 0)
    here = dict(csrs)
    known = (here.get(number, NO_CSR) for number in range(_CSR_NUMBERS))
    head = struct.pack(f"<{BUCKETS}I", *starts) + struct.pack(f"<{_CSR_NUMBERS}I", *known)
    assert BUCKETS * 4 == DECODER_CSRS
    assert len(head) == DECODER_PAIRS
    return bytearray(head + pairs + rows + lists)


def _pairs(handlers: Mapping[str, int]) -> bytes:
    """The table of pairs. Of an instruction that begins none, or ends none, the number is 0."""
    table = [0] * (PAIR_SIZE // 8 * (len(FIRSTS) + 1) * (len(SECONDS) + 1))
    for pair in PAIRS:
        number = (FIRSTS.index(pair.first) + 1) * (len(SECONDS) + 1) + SECONDS.index(pair.second) + 1
        place = PAIR_SIZE * number + PAIR_BACK * pair.back
        table[place // 8 + WAYS.index(pair.by)] = handlers[pair.name]
    return struct.pack(f"<{len(table)}Q", *table)


@cache
def _buckets(bits: tuple[int, ...], size: int) -> list[list[Row]]:
    """The rows that an instruction of so many bytes may be, by what those of its `bits` are."""
    buckets: list[list[Row]] = [[] for _bucket in range(1 << len(bits))]
    for row in (row for row in ROWS.values() if row.size == size):
        fixed, match = (
            sum((part >> bit & 1) << at for at, bit in enumerate(bits)) for part in (row.mask, row.match)
        )
        for number, bucket in enumerate(buckets):
            if number & fixed == match:
                bucket.append(row)
    return buckets


def _row(row: Row, handlers: Mapping[str, int], known: bool) -> bytes:
    """One row of the table; one that native code can't do has no handler."""
    name, base, sign = handler_name(row.base, row.size), ROWS[row.base], 0
    # What has been made for a row tells what kind of row it is, sooner than its meaning does.
    handler, last = (handlers.get(kind, 0) for kind in (name, f"{name}.last"))
    if not known:
        handler = handlers["illegal"]
    near, quiet = ([handlers.get(f"{name}.{kind}", 0) for kind in kinds] for kinds in (NEAR, QUIET))
    if not any(quiet):
        quiet = near
    if row.signed and row.width("imm"):
        sign = 1 << row.width("imm") - 1
    (nonzero,) = row.nonzero or (ALWAYS,)
    fields = sum(bits << _PLACES[operand] for operand, bits in row.implied)
    given = ("rs2" in base.operands, "csr" in base.operands)
    first = (FIRSTS.index(row.name) + 1) * (len(SECONDS) + 1) if row.name in FIRSTS else 0
    second = SECONDS.index(row.name) + 1 if row.name in SECONDS else 0
    by_kind = (handler, last, *near, *quiet)
    numbers = (row.mask, row.match, nonzero, *by_kind, sign, fields, *given, first, second)
    pieces = [_piece(piece) for piece in row.pieces if piece.operand in _PLACES]
    return struct.pack(f"<{len(numbers)}Q", *numbers) + b"".join(pieces) + bytes(8)


def _piece(piece: Piece) -> bytes:
    return struct.pack("<IBBxx", (1 << piece.width) - 1, piece.shift, _PLACES[piece.operand] + piece.low)
