"""The language of meanings: every row is in it, and little else is."""

import ast
from dataclasses import replace

import pytest

from vlab.riscv import ROWS
from vlab.riscv.meaning import CONTROL, MEMORY, OPERANDS, PURE, meaning


def row(text):
    return replace(ROWS["add"], name="test", meaning=text)


@pytest.mark.parametrize("each", ROWS.values(), ids=lambda each: each.name)
def test_every_row_is_in_the_language(each):
    statements = meaning(each)
    assert statements
    names = {n.id for statement in statements for n in ast.walk(statement) if isinstance(n, ast.Name)}
    own = set(ROWS[each.base].operands) | {"rd", "pc", "next", "old", "there", "source"}
    assert names <= own | set(PURE) | set(MEMORY) | set(CONTROL)


def test_every_word_of_the_language_is_used():
    statements = [statement for each in ROWS.values() for statement in meaning(each)]
    used = {n.id for statement in statements for n in ast.walk(statement) if isinstance(n, ast.Name)}
    assert (set(PURE) | set(MEMORY) | set(CONTROL) | OPERANDS) - used == set()


@pytest.mark.parametrize(
    "text",
    ["rd = __import__('os')", "rd = rs1.x", "rd = rs1[0]", "rd = [rs1]", "rd = lambda: 0", "rd = load(rs1, size=4)",
     "rd += 1", "rd = pc = 0", "del rd", "import os", "rd = 1.5", "rd = True", "rd = rs1 if rs2 else unknown",
     "x = 1", "rd = rs1 ** 2", "rd = rs1 / 2", "rd = 1 < rs1 < 3", "rs1", "rd = rs1 and rs2", "rd = not rs1",
     "rd: int = 1", "for i in rs1: rd = i", "rd = (a := 1)"],
)  # fmt: skip
def test_what_is_not_in_it_is_refused(text):
    with pytest.raises(ValueError, match="not in the language"):
        meaning(row(text))


def test_a_meaning_is_parsed_once():
    assert meaning(ROWS["add"]) is meaning(ROWS["add"])
