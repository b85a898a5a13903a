"""Directives: their bytes (`test_gnu` compares many more) and their mistakes."""

import pytest

from vlab.riscv import AssemblyError, assemble


def data(text: str) -> bytes:
    return b"".join(content for _address, content in assemble(f".data\n{text}\n").segments)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (".byte 1, -1, 255\n.BYTE 'a'\n.byte", b"\1\xff\xffa"),
        (".half -2\n.short 1\n.hword 2\n.2byte 3", b"\xfe\xff\1\0\2\0\3\0"),
        (".word 1\n.long 2\n.int 3\n.4byte 4", b"\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0"),
        (".dword -1\n.quad 1\n.8byte 1 << 63", b"\xff" * 8 + b"\1" + bytes(14) + b"\x80"),
        ('.ascii "ab", "c"\n.asciz "d"\n.string "e", "f"\n.ascii', b"abcd\0e\0f\0"),
        (".zero 2\n.skip 2, 1\n.space 1, 255", b"\0\0\1\1\xff"),
        (".fill 2\n.fill 2, 2, 1", b"\0\0\1\0\1\0"),
        (".fill 1, 8, -1\n.fill 1, 99, 1", b"\xff" * 4 + bytes(4) + b"\1" + bytes(7)),
        (".bss\n.word 0\n.ascii \"\\0\"", bytes(5)),
    ],
)  # fmt: skip
def test_data(text: str, expected: bytes) -> None:
    assert data(text) == expected


def test_directives_for_linkers_and_debuggers_change_nothing() -> None:
    text = """
        .file "x.c"
        .option push
        .option norvc
        .option arch, +zicsr
        .option no-csr-check
        .option pop
        .attribute arch, "rv64i2p0"
        .globl x, y
        .weak y
        .type x, @function
        x: .byte 1
        .size x, . - x
        .ident "me"
    """
    assert data(text) == b"\1"


@pytest.mark.parametrize(
    ("text", "column", "what", "mend"),
    [
        (".wrod 1", 1, "There is no directive `.wrod`.", "Did you mean `.word`?"),
        (".endmcro", 1, "There is no directive `.endmcro`.", "Did you mean `.endmacro`?"),
        (".byte 256", 7, "256 does not fit into 8 bits.", ""),
        (".byte 1, -129", 10, "-129 does not fit into 8 bits.", ""),
        (".half 65536", 7, "65536 does not fit into 16 bits.", ""),
        (".word 1 << 32", 7, "4294967296 does not fit into 32 bits.", ""),
        (".half x\nx:", 7, "2147483650 does not fit into 16 bits.", ""),
        (".word 1,", 9, "A value is missing here.", ""),
        (".word 1 2", 9, "`2` is too much here.", ""),
        ('.ascii "a', 8, "The string is not closed.", 'End it with `"`.'),
        ('.ascii "a\\"', 8, "The string is not closed.", 'End it with `"`.'),
        (".ascii a", 8, 'A string in `"` is needed here.', ""),
        ('.ascii "a\\q"', 10, "There is no escape `\\q`.", "Write `\\\\` for a backslash."),
        (".zero", 6, "A value is missing here.", ""),
        (".zero -1", 7, "A size cannot be negative: -1.", ""),
        (".fill -1, 4", 7, "A size cannot be negative: -1.", ""),
        (".align 21", 8, "The alignment 21 is out of range: 0 to 20.", ""),
        (".align -1", 8, "The alignment -1 is out of range: 0 to 20.", ""),
        (".balign 3", 9, "3 is not a power of two.", ""),
        (".balign 1 << 21", 9, "The alignment 2097152 is out of range: 0 to 1048576.", ""),
        ("nop\n.org 2", 1, "`.org` cannot go back: 0x4 bytes are written here already.", ""),
        ("beqz a0, x\n.org 2\nx:", 1, "`.org` cannot go back: 0x4 bytes are written here already.", ""),
        (".org x\nx:", 6, "`.org` takes an offset from the section's beginning, or a label in it.", ""),
        (
            ".data\nx:.text\n.org x",
            6,
            "`.org` takes an offset from the section's beginning, or a label in it.",
            "",
        ),
        (".bss\n.byte 1", 1, "`.bss` holds zeros only.", ""),
        ('.section own, "aw", @nobits\n.byte 1', 1, "`own` holds zeros only.", ""),
        (".section", 9, "A section's name is needed here.", ""),
        (".equ x", 7, "`,` is missing here.", ""),
        (".equ 5, 5", 6, "A name is needed here, not `5`.", ""),
        (".option rvc", 9, "Compressed instructions are not made here.", "Leave this line out."),
        (".option pic", 9, "Global offset tables are not made here.", "Leave this line out."),
        (".option norcv", 9, "There is no option `norcv`.", "Did you mean `norvc`?"),
        (
            '.include "x.s"',
            1,
            "`.include` is not done here: a text cannot read files.",
            "Give all the files to `assemble_files`, in their order.",
        ),
        (
            '.incbin "x"',
            1,
            "`.incbin` is not done here: a text cannot read files.",
            "Give all the files to `assemble_files`, in their order.",
        ),
        ('.error "too small"', 1, "too small", ""),
        (".err", 1, "`.err` was reached.", ""),
    ],
)
def test_mistakes(text: str, column: int, what: str, mend: str) -> None:
    with pytest.raises(AssemblyError) as error:
        assemble(text)
    assert [(p.column, p.what, p.mend) for p in error.value.problems] == [(column, what, mend)]


@pytest.mark.parametrize(
    "text",
    ["x: nop\nx: nop", "x = 1\nx: nop", "x: nop\nx = 1", ".equiv x, 1\n.equiv x, 1", "x = 1\nx == 2"],
)
def test_names_defined_twice(text: str) -> None:
    with pytest.raises(AssemblyError) as error:
        assemble(text, filename="f")
    assert error.value.what == "`x` is defined twice."
    assert (error.value.line, error.value.mend) == (2, "It was defined at f:1; rename one of the two.")


def test_names_given_beforehand_may_be_defined_otherwise() -> None:
    assert assemble(".byte x", symbols={"x": 5}).segments[0][1] == b"\5"
    assert assemble("x = 1\n.byte x", symbols={"x": 5}).segments[0][1] == b"\1"
    assert assemble("x: .byte x - .", symbols={"x": 5}).segments[0][1] == b"\0"
