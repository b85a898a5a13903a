"""Instructions, from the rows of `vlab.riscv.table`: what a row says, and the word that is one of them, taken apart.

`ROWS` has each row by the name of its instruction, in the table's order: of two that a word fits, the first is meant.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from vlab.language import _
from vlab.riscv.table import EXTENSIONS

_ONE_BIT = ("aq", "rl")
_SHORT_BASE = 8  # the first register that three bits name


@dataclass(frozen=True, slots=True)
class Piece:
    """`width` bits of an operand, from its bit `low` on, at bit `shift` of the instruction."""

    operand: str
    low: int
    width: int
    shift: int


class Encoding(NamedTuple):
    """What a row's encoding says: `size` in bytes, the fixed bits, the operands' pieces.

    `implied` bits stand in no field of the instruction, and are set in an operand; of each mask in `nonzero` some
    bit must be 1.
    """

    size: int
    mask: int
    match: int
    pieces: tuple[Piece, ...]
    signed: bool
    implied: tuple[tuple[str, int], ...]
    nonzero: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One instruction: what it looks like in bits and in text, and what it does.

    `base` is the name of the row that has its meaning: its own, or of a compressed one that which it expands to.
    """

    name: str
    extension: str
    encoding: str
    syntax: str
    meaning: str
    base: str = field(repr=False)
    size: int = field(repr=False)
    mask: int = field(repr=False)
    match: int = field(repr=False)
    pieces: tuple[Piece, ...] = field(repr=False)
    signed: bool = field(repr=False)
    implied: tuple[tuple[str, int], ...] = field(repr=False)
    nonzero: tuple[int, ...] = field(repr=False)

    def fits(self, word: int) -> bool:
        """Whether a word is this instruction, if no row before it is."""
        return word & self.mask == self.match and all(word & bits for bits in self.nonzero)

    def width(self, operand: str) -> int:
        """How many bits, from bit 0 up, the operand's largest value takes (an immediate's sign bit included)."""
        return max((p.low + p.width for p in self.pieces if p.operand == operand), default=0)

    def step(self, operand: str) -> int:
        """The operand must be a multiple of this: 2 for branches, 4096 for `lui`."""
        return 1 << min((p.low for p in self.pieces if p.operand == operand), default=0)

    @property
    def operands(self) -> tuple[str, ...]:
        """The operands' names, in the order of their first bit from the left."""
        return tuple(dict.fromkeys(p.operand for p in self.pieces))


@dataclass(frozen=True, slots=True, repr=False)
class Instruction:
    """A decoded instruction: its row and its operands' values (`imm` signed, all others unsigned)."""

    row: Row
    word: int
    values: dict[str, int]

    def __repr__(self) -> str:
        from vlab.riscv.disassembler import disassemble

        word = f"{self.word:#0{2 + 2 * self.row.size}x}"
        return _("Instruction {word}: {text}").format(word=word, text=disassemble(self.word))

    @property
    def name(self) -> str:
        """The mnemonic, without `.aq` and `.rl`."""
        return self.row.name

    def __getitem__(self, operand: str) -> int:
        return self.values.get(operand, 0)


def encode(row: Row, values: dict[str, int]) -> int:
    """The word of an instruction (of 16 bits, if compressed); operands not given are 0, bits that don't fit dropped."""
    word = row.match
    for piece in row.pieces:
        word |= (values.get(piece.operand, 0) >> piece.low & (1 << piece.width) - 1) << piece.shift
    return word


def length(word: int) -> int:
    """How many bytes an instruction has that begins with these 16 or 32 bits (Unprivileged ISA, 1.5)."""
    return 4 if word & 3 == 3 else 2


@lru_cache(maxsize=1 << 14)
def decode(word: int) -> Instruction | None:
    """The instruction that a word is, or None where no row matches. A compressed one has 16 bits, and no others."""
    if length(word) == 2 and word >> 16:
        return None
    for row in _BY_OPCODE.get(_opcode(word), ()):
        if row.fits(word):
            return Instruction(row, word, _operand_values(row, word))
    return None


def expanded(instruction: Instruction) -> int:
    """The 32-bit word that does the same, but for its length (Unprivileged ISA, chapter "C")."""
    return encode(ROWS[instruction.row.base], instruction.values)


def _opcode(word: int) -> int:
    return word & (0x7F if length(word) == 4 else 3)


def _operand_values(row: Row, word: int) -> dict[str, int]:
    values: dict[str, int] = {}
    for piece in row.pieces:
        bits = word >> piece.shift & (1 << piece.width) - 1
        values[piece.operand] = values.get(piece.operand, 0) | bits << piece.low
    for operand, bits in row.implied:
        values[operand] = values.get(operand, 0) | bits
    if "imm" in values and row.signed:
        sign = 1 << row.width("imm") - 1
        values["imm"] = (values["imm"] ^ sign) - sign
    if "rs1" in values:
        values["source"] = values["rs1"]
    return values


def _rows() -> Iterator[Row]:
    meanings: dict[str, str] = {}
    for extension, text in EXTENSIONS.items():
        for line in text.strip().splitlines():
            # Columns stand between spaced bars; those inside imm[12|10:5] have no spaces. A meaning may use both.
            name, encoding, syntax, meaning = (part.strip() for part in line.split(" | ", 3))
            base = meaning if meaning in meanings else name
            meanings[name] = meaning = meanings.get(meaning, meaning)
            yield Row(name, extension, encoding, syntax, meaning, base, *_parse_encoding(encoding))


def _parse_encoding(text: str) -> Encoding:
    mask = match = at = 0
    pieces: list[Piece] = []
    implied: dict[str, int] = {}
    nonzero: dict[str, int] = {}
    signed = True
    for token in reversed(text.split()):
        if set(token) <= {"0", "1"}:
            mask |= (1 << len(token)) - 1 << at
            match |= int(token, 2) << at
            at += len(token)
            continue
        if "=" in token and "!=" not in token:
            operand, _equals, value = token.partition("=")
            implied[operand] = int(value)
            continue
        fields, _unequal, zero = token.partition("!=")
        first = at
        for name in fields.split("/"):
            operand, _bracket, bits = name.rstrip("]").partition("[")
            signed &= operand != "uimm"
            operand = {"uimm": "imm"}.get(operand, operand)
            at = first
            for low, width in reversed([*_ranges(operand, bits)]):
                pieces.append(Piece(operand.rstrip("'"), low, width, at))
                at += width
            if operand.endswith("'"):
                implied[operand.rstrip("'")] = _SHORT_BASE
        if zero:
            nonzero[fields[:3]] = nonzero.get(fields[:3], 0) | (1 << at) - (1 << first)
    assert at in (16, 32), text
    pieces.reverse()
    return Encoding(
        at // 8, mask, match, tuple(pieces), signed, tuple(implied.items()), tuple(nonzero.values())
    )


def _ranges(operand: str, bits: str) -> Iterator[tuple[int, int]]:
    if not bits:
        yield 0, 1 if operand in _ONE_BIT else 3 if operand.endswith("'") else 5
        return
    for part in bits.split("|"):
        high, _colon, low = part.partition(":")
        first = int(low or high)
        yield first, int(high) - first + 1


ROWS: dict[str, Row] = {row.name: row for row in _rows()}
_BY_OPCODE: dict[int, list[Row]] = {}
for _row in ROWS.values():
    _BY_OPCODE.setdefault(_opcode(_row.match), []).append(_row)
