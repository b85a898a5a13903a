"""Expressions as text, and the widths that decide where a mask is needed."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.machine.execute.expressions import MASK, OPERAND_WIDTHS, condition, fitting, register, text, width
from vlab.machine.execute.lowering import quotient, remainder
from vlab.riscv import ROWS
from vlab.riscv.meaning import CONTROL, MEMORY, meaning

U64 = st.integers(0, MASK)


def parsed(written):
    return ast.parse(written, mode="eval").body


def value(written, **names):
    """What the text of an expression computes; the registers' values go by the names of their fields."""
    x = {name: names[name] for name in ("rs1", "rs2") if name in names}
    known = {
        "x": x,
        "rs1": "rs1",
        "rs2": "rs2",
        "quotient": quotient,
        "remainder": remainder,
        "min": min,
        "max": max,
    }
    return eval(text(parsed(written), OPERAND_WIDTHS), known | {k: v for k, v in names.items() if k not in x})


@given(U64)
def test_functions_of_the_language(a):
    def signed(bits):
        low = a & (1 << bits) - 1
        return low - (1 << bits) if low >> bits - 1 else low

    assert value("signed(rs1)", rs1=a) == signed(64)
    assert value("word(rs1)", rs1=a) == signed(32)
    assert value("half(rs1)", rs1=a) == signed(16)
    assert value("byte(rs1)", rs1=a) == signed(8)
    assert value("low(rs1)", rs1=a) == a & 0xFFFF_FFFF
    assert value("unsigned(imm)", imm=a - (1 << 63)) == (a - (1 << 63)) & MASK


@given(U64, U64)
def test_comparisons_signed_and_unsigned(a, b):
    signed = [n - (1 << 64) if n >> 63 else n for n in (a, b)]
    assert value("signed(rs1) < signed(rs2)", rs1=a, rs2=b) == int(signed[0] < signed[1])
    assert value("rs1 >= rs2", rs1=a, rs2=b) == int(a >= b)
    assert value("signed(rs1) < imm", rs1=a, imm=-5) == int(signed[0] < -5)


@pytest.mark.parametrize(
    ("written", "bits"),
    [
        ("rs1", 64), ("imm", None), ("shamt", 6), ("5", 3), ("0", 0), ("-1", None), ("rs1 + rs2", None),
        ("rs1 & imm", 64), ("rs1 & 63", 6), ("imm & imm", None), ("rs1 | imm", None), ("rs1 ^ rs2", 64),
        ("rs1 >> shamt", 64), ("rs1 << shamt", None), ("rs1 < rs2", 1), ("word(rs1)", None), ("low(rs1)", 32),
        ("unsigned(imm)", 64), ("load(rs1, 2)", 16), ("amo_load(rs1, 4)", 32), ("store_conditional(rs1, 4, rs2)", 1),
        ("csr_write(csr, rs1)", 64), ("min(rs1, low(rs2))", 64), ("max(rs1, imm)", None), ("signed(rs1) >> 1", None),
    ],
)  # fmt: skip
def test_widths(written, bits):
    assert width(parsed(written), OPERAND_WIDTHS) == bits


@given(U64, U64, st.integers(-2048, 2047), st.integers(0, 63))
def test_a_width_is_never_too_small(a, b, imm, shamt):
    """Of every value in the table that needs no machine to compute."""
    names = {"rs1": a, "rs2": b, "imm": imm, "shamt": shamt, "pc": a, "next": b, "there": a}
    values = [s.value for row in ROWS.values() for s in meaning(row) if isinstance(s, ast.Assign)]
    known = [node for node in values if simple(node) and width(node, OPERAND_WIDTHS) is not None]
    assert len(known) >= 10
    for node in known:
        assert 0 <= value(ast.unparse(node), **names) < 1 << (width(node, OPERAND_WIDTHS) or 0)


def simple(node):
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    whole = not any(isinstance(n, ast.IfExp) for n in ast.walk(node))
    return whole and not names & {"old", *MEMORY, *CONTROL}


def test_masks_only_where_they_are_needed():
    assert register(parsed("rs1 & rs2"), OPERAND_WIDTHS) == "(x[rs1] & x[rs2])"
    assert register(parsed("rs1 + rs2"), OPERAND_WIDTHS) == f"((x[rs1] + x[rs2]) & {MASK})"
    assert fitting(parsed("rs2"), 8, OPERAND_WIDTHS) == "(x[rs2] & 255)"
    assert text(parsed("word(load(rs1, 4))"), OPERAND_WIDTHS).count("&") == 0


def test_addresses_wrap_round():
    assert text(parsed("load(rs1 + imm, 1)"), OPERAND_WIDTHS) == f"hart.load(((x[rs1] + imm) & {MASK}), 1)"
    assert text(parsed("load(rs1, 1)"), OPERAND_WIDTHS) == "hart.load(x[rs1], 1)"


def test_a_condition_is_no_number():
    assert condition(parsed("rs1 == rs2"), OPERAND_WIDTHS) == "x[rs1] == x[rs2]"


def test_what_is_no_expression_of_the_language():
    with pytest.raises(ValueError, match="lambda"):
        text(parsed("lambda: 0"), OPERAND_WIDTHS)
