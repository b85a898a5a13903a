"""Expressions: values as GNU works them out (`test_gnu` compares many more), and their limits."""

import pytest

from vlab.riscv import AssemblyError, assemble


def value(text: str, before: str = "") -> int:
    ((_address, data),) = assemble(f"{before}\n.data\n.dword {text}\n").segments
    return int.from_bytes(data[-8:], "little", signed=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("1 << 2 + 1", 5),
        ("6 | 1 & 3", 3),
        ("1 + 2 == 3", -1),
        ("1 == 2 || 1", 1),
        ("-7 / 2", -3),
        ("-7 % 2", -1),
        ("-8 >> 60", 15),
        ("2 ! 1", -2),
        ("!5", 0),
        ("~5", -6),
        ("0x7fffffffffffffff + 1", -(1 << 63)),
        ("0xffffffffffffffff", -1),
        ("0b101 + 010 + 10", 23),
        ("'a' + '\\n' + '\\'' + '\\x41' + '\\101' + ' '", 97 + 10 + 39 + 65 + 65 + 32),
        ("(((2)))", 2),
        ("x * 2", 10),
        ("later - 1", 6),
    ],
)
def test_values(text: str, expected: int) -> None:
    assert value(text, "x = 5\n.equ later, seven\n.equ seven, 7") == expected


def test_addresses_are_numbers_once_they_are_known() -> None:
    text = "a: nop\nbeqz a0, b\nb: nop\n.data\n.dword b - a, b + 1, -a, (a + b) / 2, b > a, d - b\nd:"
    ((_, _code), (_, data)) = assemble(text).segments
    start = 0x8000_0000
    values = [int.from_bytes(data[at : at + 8], "little", signed=True) for at in range(0, 48, 8)]
    assert values == [8, start + 9, -start, start + 4, -1, 0x1000 + 48 - 8]


def test_a_name_has_the_value_it_has_at_that_point() -> None:
    ((_, data),) = assemble(".data\nx = 1\n.byte x\nx = x + 1\n.byte x\n.set x, 9\n.byte x").segments
    assert data == b"\1\2\x09"


@pytest.mark.parametrize(
    ("text", "column", "what"),
    [
        ("1 +", 11, "A value is missing here."),
        ("(1", 10, "`)` is missing here."),
        ("1)", 9, "`)` is too much here."),
        ("1 / 0", 10, "This divides by zero."),
        ("1 % (2 - 2)", 10, "This divides by zero."),
        ("1 << 64", 10, "This shifts by 64; 0 to 63 is possible."),
        ("1 >> -1", 10, "This shifts by -1; 0 to 63 is possible."),
        ("0x1ffffffffffffffff", 8, "The number is larger than 64 bits."),
        ("9" * 10_000, 8, "The number is larger than 64 bits."),
        ("0b12", 8, "`0b12` is not a number."),
        ("09", 8, "`09` is not a number."),
        ("1_0", 8, "`1_0` is not a number."),
        ("0x", 8, "`0x` is not a number."),
        ("* 2", 8, "`*` is not a value."),
        ('"a"', 8, '`"a"` is not a value.'),
        ("'ñ'", 8, "A character constant is one byte."),
        ("1b", 8, "There is no label `1:` above."),
        ("2f", 8, "There is no label `2:` below."),
        ("nobody", 8, "The symbol `nobody` is not defined."),
        ("\\argument", 8, "There is no argument of a macro with this name here."),
        ("+".join(["x"] * 300), 409, "The expression is too long."),
        ("(" * 50, 49, "The expression is nested too deeply."),
        ("-" * 50, 49, "The expression is nested too deeply."),
    ],
)
def test_mistakes(text: str, column: int, what: str) -> None:
    with pytest.raises(AssemblyError) as error:
        assemble(f".dword {text}")
    assert (error.value.column, error.value.what) == (column, what)


def test_names_defined_by_themselves_or_through_too_many_others() -> None:
    with pytest.raises(AssemblyError, match="`a` is defined by itself"):
        assemble(".equ a, b\n.equ b, a + 1\n.word a")
    chain = "".join(f".equ n{i}, n{i + 1} + 1\n" for i in range(1000))
    with pytest.raises(AssemblyError, match="is defined through too many others"):
        assemble(chain + ".word n0")
    short = "".join(f".equ n{i}, n{i + 1} + 1\n" for i in range(100))
    assert value("n0", short + ".equ n100, 5") == 105


def test_doubling_names_take_no_time() -> None:
    doubling = "".join(f".equ n{i}, n{i + 1} + n{i + 1}\n" for i in range(60))
    assert value("n0", doubling + ".equ n60, 1") == 1 << 60
