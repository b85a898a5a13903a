"""Any text at all: a program or an AssemblyError, in bounded time and memory."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlab.riscv import AssemblyError, assemble
from vlab.riscv.assembler.directives import DIRECTIVES
from vlab.riscv.assembler.flow import FLOW_WORDS
from vlab.riscv.pseudo import FORMS

CORPUS = [
    path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.parent.glob("corpus/*.s"))
]
WORDS = [
    *FORMS,
    *(3 * [*DIRECTIVES, *FLOW_WORDS]),
    *"a0 x1 sp zero x y 1f 1b 1: x: y: m m , , , ( ) %hi( %lo( %pcrel_lo( rw mstatus".split(),
    *"'a' \" ' \\x \\@ \\() + - * / << = ; # . /* */ // 0 4 -1 0x7fffffff 1<<40".split(),
    *("99999999999999999999", "é", "\0", "\x1b", "\u202e", "\ud800", "\t"),
    *("\n" * 60),
]


def survives(text: str) -> None:
    """The text is assembled or refused, and a refusal is nothing but text."""
    try:
        told = repr(assemble(text))
    except AssemblyError as error:
        told = str(error)
    assert all(character.isprintable() or character in "\n\t" for character in told)


@given(st.text())
def test_any_characters(text: str) -> None:
    survives(text)


@given(st.lists(st.sampled_from(WORDS), max_size=60))
def test_any_words(words: list[str]) -> None:
    survives(" ".join(words))


@given(st.sampled_from(CORPUS), st.data())
@settings(max_examples=50)
def test_real_texts_with_pieces_missing_or_replaced(text: str, data: st.DataObject) -> None:
    for _each in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        end = at + data.draw(st.integers(0, 12))
        text = text[:at] + data.draw(st.sampled_from(["", "\n", *WORDS])) + text[end:]
    survives(text)


LARGE = {
    "repetition": ".rept 20000\nnop\n.endr",
    "repetition in repetition": ".rept 1000\n.rept 1000\nnop\n.endr\n.endr",
    "macro that uses itself twice": ".macro m\nm\nm\n.endm\nm",
    "macro that doubles its argument": ".macro m x\nm \\x\\x\n.endm\nm aaaa",
    "macro with many arguments": ".macro m a:vararg\n.endm\nm " + "a + " * 50_000,
    "long line of data": ".byte " + ",".join(["1"] * 50_000),
    "many comments": "/**/" * 100_000 + "nop",
    "many statements": "nop;" * 30_000,
    "many parentheses": "li a0, " + "(" * 100_000,
    "many signs": "li a0, " + "-" * 100_000 + "1",
    "many terms": ".word " + "+".join(["x"] * 10_000),
    "long chain of names": "".join(f".equ a{i}, a{i + 1}+1\n" for i in range(1_000)) + ".word a1",
    "doubling chain of names": "".join(f".equ a{i}, a{i - 1}+a{i - 1}\n" for i in range(1, 3_000)),
    "long string": '.ascii "' + "\\n" * 100_000,
    "many branches": "".join(f"l{i}: beqz a0, l{i * 7919 % 10_000}\n" for i in range(10_000)),
    "many labels": "".join(f"l{i}:\n" for i in range(20_000)) + "j nop\nj l20001",
    "labels on one line": "a:" * 20_000,
    "alignments": "beqz a0, x\n" + ".align 20\nnop\n" * 200 + "x:",
    "holes": ".zero 60000000\n" * 20,
    "long number": ".word " + "9" * 500_000,
    "long name": "a" * 500_000,
    "long blank": " " * 500_000 + "x",
    "many parameters": ".macro m " + ",".join(f"a{i}" for i in range(20_000)) + "\n.endm",
}


@pytest.mark.parametrize("name", LARGE)
def test_large_texts_end_soon(name: str) -> None:
    start = time.process_time()
    survives(LARGE[name])
    assert time.process_time() - start < 10  # seconds; each takes less than one
