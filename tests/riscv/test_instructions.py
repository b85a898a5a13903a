"""The table of instructions: no two rows share a word, and encoding and decoding undo each other."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlab.riscv import ROWS, Row, decode, encode
from vlab.riscv.instructions import length
from vlab.riscv.table import EXTENSIONS

words = st.integers(0, (1 << 32) - 1)
WIDE = [row for row in ROWS.values() if row.size == 4]  # those of 16 bits: see `test_compressed`


def values_of(row: Row) -> st.SearchStrategy[dict[str, int]]:
    """Values for all operands of a row, as large as they may be."""
    ranges = {}
    for operand in row.operands:
        step, width = row.step(operand), row.width(operand)
        low = -(1 << width - 1) if operand == "imm" and row.signed else 0
        steps = st.integers(low // step, (low + (1 << width)) // step - 1)
        ranges[operand] = steps.map(step.__mul__)
    return st.fixed_dictionaries(ranges)


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.name)
def test_bits_of_a_row_are_either_fixed_or_an_operands(row: Row) -> None:
    free = 0
    shared = {(piece.shift, piece.width): piece for piece in row.pieces}  # rd and rs1 may be one field
    for piece in shared.values():
        bits = (1 << piece.width) - 1 << piece.shift
        assert not free & bits
        free |= bits
    assert free ^ row.mask == (1 << 8 * row.size) - 1
    assert row.match & ~row.mask == 0
    assert length(row.match) == row.size


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.name)
def test_each_bit_of_an_operand_is_encoded_once(row: Row) -> None:
    for operand in row.operands:
        bits = [
            piece.low + bit for piece in row.pieces if piece.operand == operand for bit in range(piece.width)
        ]
        first = row.step(operand).bit_length() - 1
        assert sorted(bits) == list(range(first, row.width(operand)))


def test_no_two_rows_share_a_word() -> None:
    """Of 16 bits some do, and the first counts: that is held by `test_compressed`, word for word."""
    for one, other in combinations([row for row in ROWS.values() if row.size == 4], 2):
        both = one.mask & other.mask
        assert one.match & both != other.match & both, (one.name, other.name)


def test_names_are_distinct() -> None:
    lines = [line for text in EXTENSIONS.values() for line in text.strip().splitlines()]
    assert len(lines) == len(ROWS)


@pytest.mark.parametrize("row", WIDE, ids=lambda row: row.name)
def test_decoding_undoes_encoding(row: Row) -> None:
    @given(values_of(row))
    @settings(max_examples=20)
    def check(values: dict[str, int]) -> None:
        instruction = decode(encode(row, values))
        assert instruction is not None
        assert instruction.row is row
        assert {operand: instruction[operand] for operand in values} == values

    check()


@given(st.sampled_from(WIDE), words)
def test_encoding_undoes_decoding(row: Row, word: int) -> None:
    word = word & ~row.mask | row.match
    instruction = decode(word)
    assert instruction is not None
    assert (instruction.name, instruction.word) == (row.name, word)
    assert encode(row, instruction.values) == word


@given(words.filter(lambda word: length(word) == 4))
def test_a_word_is_decoded_by_the_row_that_matches_it(word: int) -> None:
    matching = [row for row in WIDE if word & row.mask == row.match]
    instruction = decode(word)
    assert matching == ([instruction.row] if instruction else [])


@pytest.mark.parametrize("word", [0, 0xFFFF_FFFF, 0x0001_0001, 0x0000_707F, 0x7C00_0073])
def test_words_that_are_no_instruction(word: int) -> None:
    assert decode(word) is None


def test_operands_that_are_not_given_are_zero() -> None:
    assert encode(ROWS["addi"], {}) == 0x13
    instruction = decode(0x13)
    assert instruction is not None
    assert instruction["rs2"] == 0


@pytest.mark.parametrize(
    ("name", "operand", "width", "step"),
    [
        ("lui", "imm", 32, 4096),
        ("jal", "imm", 21, 2),
        ("beq", "imm", 13, 2),
        ("addi", "imm", 12, 1),
        ("slli", "shamt", 6, 1),
        ("slliw", "shamt", 5, 1),
        ("csrrw", "csr", 12, 1),
        ("add", "imm", 0, 1),
    ],
)
def test_width_and_step_of_operands(name: str, operand: str, width: int, step: int) -> None:
    assert (ROWS[name].width(operand), ROWS[name].step(operand)) == (width, step)
