"""Conditions, macros and repetitions: what they let through, and how they go wrong."""

import pytest

from vlab.riscv import AssemblyError, assemble


def data(text: str) -> bytes:
    """The bytes of `.data`; the text begins in it."""
    return b"".join(content for _address, content in assemble(f".data\n{text}\n").segments)


def mistake(text: str) -> tuple[int, int, str, str]:
    with pytest.raises(AssemblyError) as error:
        assemble(text)
    first = error.value.problems[0]
    return first.line, first.column, first.what, first.mend


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (".if 1\n.byte 1\n.else\n.byte 2\n.endif", b"\1"),
        (".if 0\n.byte 1\n.else\n.byte 2\n.endif", b"\2"),
        (
            ".if 0\n.byte 1\n.elseif 0\n.byte 2\n.elseif 5\n.byte 3\n.elseif 1\n.byte 4\n.endif",
            b"\3",
        ),
        (".if 0\n.if 1\n.byte 1\n.else\n.byte 2\n.endif\n.elseif nobody knows\n.endif", None),
        ('.if 0\nbad "\n.if nobody\n.elseif nobody\n.else\n.endif\n.else\n.byte 1\n.endif', b"\1"),
        (".ifdef x\n.byte 1\n.endif\nx = 1\n.ifdef x\n.byte 2\n.endif", b"\2"),
        (".ifndef x\n.byte 1\n.endif\n.ifnotdef x\n.byte 2\n.endif", b"\1\2"),
        (".ifc a b, a b\n.byte 1\n.endif\n.ifnc a, b\n.byte 2\n.endif", None),
        (".ifc ab, ab\n.byte 1\n.endif\n.ifnc a, b\n.byte 2\n.endif", b"\1\2"),
        (".ifb\n.byte 1\n.endif\n.ifnb x\n.byte 2\n.endif", b"\1\2"),
        ("x: .if 1\n.byte x - .data_start\n.endif\n.data_start = x", b"\0"),
        (".if 0\nx: .if 1\n.endif\nx: .rept 1\n.endr\nx: nop\n.endif\nx: .byte 1", b"\1"),
        ("a: .rept 2\n.byte a - a\n.endr", b"\0\0"),
    ],
)
def test_conditions(text: str, expected: bytes | None) -> None:
    if expected is None:
        with pytest.raises(AssemblyError):
            data(text)
    else:
        assert data(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            ".macro m a, b=7, c\n.byte \\a, \\b, 0\\c\n.endm\nm 1\nm 1, 2\nm 1 2 3\nm c=3, a=1",
            b"\1\7\0\1\2\0\1\2\3\1\7\3",
        ),
        (".macro m a:vararg\n.byte \\a\n.endm\nm 1, 2, 3", b"\1\2\3"),
        (".macro m a:req\n.byte \\a\n.endm\nm 1", b"\1"),
        (".macro m a\n.byte \\a\n.endm\nm (1 + 2)\nm 1 + 2\nm 2 * (1, )\n", None),
        (".macro m a, b\n.byte \\a, \\b\n.endm\nm (1 + 2), 1 + 2\nm 1+1 -1, 5", b"\3\3\1\5"),
        (".macro m a\n.byte \\a\\()1\n.endm\nm 2", b"\x15"),
        (".macro m\n.byte \\@\n.endm\nm\nm\n.rept 2\nm\n.endr", b"\0\1\2\3"),
        ('.macro m a\n.ascii "<\\a>"\n.endm\nm b\nm "c, d"', b"<b><c, d>"),
        (".macro m a\n.macro n\n.byte \\a\n.endm\n.endm\nm 5\nn\nm 6\nn", b"\5\6"),
        (".macro m a\n.if \\a\n.byte \\a\nm \\a-1\n.endif\n.endm\nm 3", b"\3\2\1"),
        (".macro m a\n.if \\a\n.exitm\n.endif\n.byte 1\n.endm\nm 1\nm 0\n.byte 2", b"\1\2"),
        (".macro byte a\n.byte \\a\n.endm\nbyte 1; byte 2\n x: byte 3", b"\1\2\3"),
        (".macro nop\n.byte 9\n.endm\nnop\n.purgem nop\n.text\nnop\n.data", b"\x13\0\0\0\x09"),
        (".rept 3\n.byte 1; .byte 2\n.endr", b"\1\2\1\2\1\2"),
        (".rept 0\nbad\n.endr\n.rept 2; .byte 3; .endr", b"\3\3"),
        (".rept 2\n.rept 2\n.byte 1\n.endr\n.byte 2\n.endr", b"\1\1\2\1\1\2"),
        (".irp n, 1, 2, 3\n.byte \\n\n.endr\n.irp n\n.byte 4\\n\n.endr", b"\1\2\3\4"),
        (".irpc n, 123\n.byte \\n\n.endr", b"\1\2\3"),
        (".macro m list:vararg\n.irp n, \\list\n.byte \\n\n.endr\n.endm\nm 1, 2", b"\1\2"),
        (".byte 1\n.end\nbad\n.byte 2", b"\1"),
    ],
)
def test_macros_and_repetitions(text: str, expected: bytes | None) -> None:
    if expected is None:
        with pytest.raises(AssemblyError):
            data(text)
    else:
        assert data(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (".if 1\nnop", (1, 1, "This condition is never closed.", "Put `.endif` where it ends.")),
        ("nop\n .endif", (2, 2, "There is no `.if` before this `.endif`.", "")),
        (".else", (1, 1, "There is no `.if` before this `.else`.", "")),
        (".if 1\n.else\n.else\n.endif", (3, 1, "The `.else` of this condition is above already.", "")),
        (".if 1\n.else\n.elseif 1\n.endif", (3, 1, "The `.else` of this condition is above already.", "")),
        (
            ".if later\n.endif\nlater:",
            (
                1,
                5,
                "This value is not known here yet.",
                "Numbers, constants defined above, and distances between near labels can stand here.",
            ),
        ),
        (".ifdef 5\n.endif", (1, 8, "A name is needed here, not `5`.", "")),
        (".ifdef x y\n.endif", (1, 10, "`y` is too much here.", "")),
        (".ifc a\n.endif", (1, 5, "Two texts with a comma between them are needed here.", "")),
        (".macro", (1, 1, "This `.macro` is never closed.", "Put `.endm` where it ends.")),
        (".macro 5\n.endm", (1, 7, "A macro needs a name.", "")),
        (".macro m a, a\n.endm", (1, 13, "The parameter `a` is there twice.", "")),
        (".macro m 5\n.endm", (1, 10, "A parameter's name is needed here.", "")),
        (".macro m a\n.endm\nm 1, 2", (3, 6, "Arguments of the macro `m`: at most 1.", "")),
        (".macro m a:req\n.endm\nm", (3, 2, "The macro `m` needs `a`.", "")),
        (
            ".macro m\n.if 1\n.endm\nm",
            (2, 1, "This condition is never closed.", "Put `.endif` where it ends."),
        ),
        (
            ".macro m\nm\n.endm\nm",
            (
                2,
                1,
                "Macros use each other more than 60 deep.",
                "A macro that uses itself needs an `.if` that ends it.",
            ),
        ),
        (
            ".macro m\nm\nm\n.endm\nm",
            (
                2,
                1,
                "Macros use each other more than 60 deep.",
                "A macro that uses itself needs an `.if` that ends it.",
            ),
        ),
        (
            ".macro m a\nm \\a\\a\n.endm\nm abcd",
            (2, 1, "The macro makes a line of more than 4096 characters.", ""),
        ),
        (".rept 5\nnop", (1, 1, "This `.rept` is never closed.", "Put `.endr` where it ends.")),
        (
            ".rept x\n.endr",
            (
                1,
                7,
                "This value is not known here yet.",
                "Numbers, constants defined above, and distances between near labels can stand here.",
            ),
        ),
        (".rept 1 2\n.endr", (1, 9, "`2` is too much here.", "")),
        (".rept 50001\nnop\n.endr", (1, 1, "Macros and repetitions make more than 50000 statements.", "")),
        (".irp\n.endr", (1, 5, "A name is needed here.", "")),
        (".endr", (1, 1, "There is nothing here that `.endr` could end.", "")),
        (".exitm", (1, 1, "There is nothing here that `.exitm` could end.", "")),
    ],
)
def test_mistakes(text: str, expected: tuple[int, int, str, str]) -> None:
    assert mistake(text) == expected


def test_a_mistake_in_a_macro_shows_the_line_as_it_became_and_where_it_was_used() -> None:
    with pytest.raises(AssemblyError) as error:
        assemble(
            ".macro inner a\n    addi a0, a0, \\a\n.endm\n.macro outer b\ninner \\b\n.endm\nouter 9999",
            filename="m.s",
        )
    assert str(error.value) == (
        "m.s:2:14: 9999 does not fit: `imm` goes from -2048 to 2047.\n"
        "    addi a0, a0, 9999\n"
        "                 ^\n"
        "Put the value into a register with `li` first.\n"
        "in the macro `inner`, used at m.s:5\n"
        "in the macro `outer`, used at m.s:7"
    )


def test_a_mistake_in_a_macro_is_told_once_for_all_its_uses() -> None:
    with pytest.raises(AssemblyError) as error:
        assemble(".macro m\nbad\n.endm\n" + "m\n" * 20)
    assert len(error.value.problems) == 1


def test_empty_rounds_end_at_once() -> None:
    assert assemble(".rept 1 << 62\n.endr").size == 0
    assert assemble(".rept -5\nnop\n.endr").size == 0
