"""From meanings to Python: the text that is made, and what it must never do."""

from dataclasses import replace

import pytest

from vlab.machine.execute.lowering import PARAMETERS, factory, quotient, remainder, source
from vlab.riscv import ROWS


def row(meaning):
    return replace(ROWS["add"], name="test", meaning=meaning)


@pytest.mark.parametrize("each", ROWS.values(), ids=lambda each: each.name)
def test_every_row_becomes_a_factory(each):
    assert callable(factory(each))
    assert source(each).startswith(f"def factory({', '.join(PARAMETERS)}):")


def test_what_depends_on_the_operands_alone_is_computed_once():
    assert "    value = (imm & 18446744073709551615)\n    def operation():\n        x[rd] = value" in source(
        ROWS["lui"]
    )
    assert "    target = " in source(ROWS["beq"]).split("def operation")[0]


def test_no_bool_stands_in_a_register():
    assert "(1 if x[rs1] < x[rs2] else 0)" in source(ROWS["sltu"])
    x = [0] * 33
    x[1], x[2] = 3, 4
    operands = {"x": x, "rd": 5, "rs1": 1, "rs2": 2}
    factory(ROWS["sltu"])(*(operands.get(name, 0) for name in PARAMETERS))()
    assert type(x[5]) is int


def test_fences_do_nothing():
    for name in ("fence", "fence.i"):
        assert source(ROWS[name]).endswith("    def operation():\n        return next\n    return operation")


def test_only_what_may_be_illegal_says_where_it_stands():
    for name, says in (
        ("csrrw", True),
        ("sret", True),
        ("ecall", True),
        ("addi", False),
        ("ld", False),
        ("amoadd.d", False),
    ):
        assert ("hart.pc, hart.word = pc, word" in source(ROWS[name])) == says


def test_a_meaning_outside_the_language_is_refused():
    with pytest.raises(ValueError, match="not in the language"):
        source(row("rd = rs1 ** 2"))


@pytest.mark.parametrize(
    ("dividend", "divisor", "result"),
    [
        (7, 2, (3, 1)),
        (-7, 2, (-3, -1)),
        (7, -2, (-3, 1)),
        (-7, -2, (3, -1)),
        (7, 0, (-1, 7)),
        (0, 5, (0, 0)),
        (-(1 << 63), -1, (1 << 63, 0)),
    ],
)
def test_division_is_towards_zero_and_by_zero_defined(dividend, divisor, result):
    assert (quotient(dividend, divisor), remainder(dividend, divisor)) == result
