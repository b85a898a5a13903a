"""From text to statements and tokens: comments, strings, columns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.riscv import assemble
from vlab.riscv.assembler.lines import Line, Statement, character, statements, string, tokens


def split(text: str) -> list[tuple[int, int, str]]:
    return [(s.line.number, s.column, s.text) for s in statements("f", 0, text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  nop  ", [(1, 2, "nop")]),
        ("nop # comment ; not code", [(1, 0, "nop")]),
        ("nop // comment", [(1, 0, "nop")]),
        ("nop;nop ; nop", [(1, 0, "nop"), (1, 4, "nop"), (1, 10, "nop")]),
        (";;", []),
        ("a /* b */ c", [(1, 0, "a         c")]),
        ("a /* b */ c /* d */", [(1, 0, "a         c")]),
        ("a /* b\nc */ d\ne", [(1, 0, "a"), (2, 5, "d"), (3, 0, "e")]),
        ("a /* b\nc */ d /* e\n f\n*/ g", [(1, 0, "a"), (2, 5, "d"), (4, 3, "g")]),
        ("a /* never closed\nb", [(1, 0, "a")]),
        ("a /* ' \" # // */ b", [(1, 0, "a                b")]),
        ('.ascii "# ; // /*" # x', [(1, 0, '.ascii "# ; // /*"')]),
        (".byte '#', ';', '/', '\"', '\\'' # x", [(1, 0, ".byte '#', ';', '/', '\"', '\\''")]),
        ("a\r\nb\rc\n", [(1, 0, "a"), (2, 0, "b\rc")]),
        ("nop; nop; nop", [(1, 0, "nop"), (1, 5, "nop"), (1, 10, "nop")]),
    ],
)
def test_statements(text: str, expected: list[tuple[int, int, str]]) -> None:
    assert split(text) == expected


@given(st.text())
def test_a_statement_stands_where_it_says(text: str) -> None:
    for statement in statements("f", 0, text):
        line = text.replace("\r\n", "\n").split("\n")[statement.line.number - 1]
        assert statement.line.text == line
        assert statement.text == statement.text.strip() != ""
        if "/*" not in text and "*/" not in text:
            assert line[statement.column :].startswith(statement.text)


def words(text: str) -> list[tuple[str, str, int]]:
    return [(t.kind, t.text, t.column) for t in tokens(Statement(Line("f", 0, 1, text), 0, text))]


def test_tokens() -> None:
    assert words("1: amoadd.w\ta0,%lo(.L1+0x1f)<<2") == [
        ("number", "1", 0),
        ("mark", ":", 1),
        ("name", "amoadd.w", 3),
        ("name", "a0", 12),
        ("mark", ",", 14),
        ("mark", "%", 15),
        ("name", "lo", 16),
        ("mark", "(", 18),
        ("name", ".L1", 19),
        ("mark", "+", 22),
        ("number", "0x1f", 23),
        ("mark", ")", 27),
        ("mark", "<<", 28),
        ("number", "2", 30),
    ]
    assert words("año: .ascii \"ñ\"'x'") == [
        ("name", "año", 0),
        ("mark", ":", 3),
        ("name", ".ascii", 5),
        ("string", '"ñ"', 12),
        ("character", "'x'", 15),
    ]


def test_strings_and_characters() -> None:
    text = r'"a\n\t\r\b\f\v\a\e\\\"\'\?\0\101\x41\x141ñ"'
    (token,) = tokens(Statement(Line("f", 0, 1, text), 0, text))
    assert string(token) == b"a\n\t\r\b\f\v\a\x1b\\\"'?\0AAA\xc3\xb1"
    for text, value in [
        ("'a'", 97),
        ("'a", 97),
        ("' '", 32),
        (r"'\''", 39),
        (r"'\n'", 10),
        (r"'\0'", 0),
        ("'''", 39),
    ]:
        (token,) = tokens(Statement(Line("f", 0, 1, text), 0, text))
        assert character(token) == value


def test_characters_that_are_no_text_become_question_marks() -> None:
    assert assemble('.ascii "\ud800"').segments == ((0x8000_0000, b"?"),)
