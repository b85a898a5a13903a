"""Mistakes: each names its place, shows the line with a caret, and says how to mend it."""

import pytest

from vlab.language import VlabError
from vlab.riscv import AssemblyError, assemble, assemble_files
from vlab.riscv.assembler.problems import suggestion


def problems(text: str) -> list[tuple[int, int, str, str]]:
    with pytest.raises(AssemblyError) as error:
        assemble(text)
    return [(p.line, p.column, p.what, p.mend) for p in error.value.problems]


def test_a_mistake_reads_like_this() -> None:
    with pytest.raises(AssemblyError) as error:
        assemble("start:\n    adi  a0, a0, 1  # count\n", filename="kernel.s")
    assert str(error.value) == (
        "kernel.s:2:5: There is no instruction `adi`.\n"
        "        adi  a0, a0, 1  # count\n"
        "        ^\n"
        "Did you mean `addi` or `andi`?"
    )
    assert isinstance(error.value, VlabError)
    assert (error.value.file, error.value.line, error.value.column) == ("kernel.s", 2, 5)
    assert error.value._render_traceback_() == [str(error.value)]


INSTRUCTIONS = [
    ("sdd a0, (a1)", 1, "There is no instruction `sdd`.", "Did you mean `sd`?"),
    ("ADDI a0, a0, 1", 1, "There is no instruction `ADDI`.", "Did you mean `addi`?"),
    ("globl x", 1, "There is no instruction `globl`.", "Did you mean `.globl`?"),
    ("csrr a0, sstatsu", 10, "There is no CSR `sstatsu`.", "Did you mean `sstatus`?"),
    ("csrr a0, 4096", 10, "4096 does not fit: `csr` goes from 0 to 4095.", ""),
    ("add a0, a1, x32", 13, "The symbol `x32` is not defined.", "Did you mean `x2` or `x3`?"),
    ("mv a0, x32", 8, "`x32` is not a register.", "Did you mean `x2` or `x3`?"),
    (
        "mv a9, a0",
        4,
        "`a9` is not a register.",
        "The registers are zero ra sp gp tp t0-t6 s0-s11 a0-a7 fp, x0-x31.",
    ),
    ("mv 5, a0", 4, "`5` is not a register.", "Did you mean `s5` or `t5` or `x5`?"),
    ("lw a0, 4(spp)", 10, "`spp` is not a register.", "Did you mean `sp`?"),
    (
        "add a0, a1",
        1,
        "Operands of `add`: 3 expected, 2 given.",
        "It is written `add rd, rs1, rs2` or `add rd, rs1, imm`.",
    ),
    ("ret a0", 1, "Operands of `ret`: 0 expected, 1 given.", "It is written `ret`."),
    (
        "sfence.vma a0, a1, a2",
        1,
        "Operands of `sfence.vma`: 2 or 0 or 1 expected, 3 given.",
        "It is written `sfence.vma rs1, rs2` or `sfence.vma` or `sfence.vma rs1`.",
    ),
    ("addi a0, , 1", 10, "An operand is missing here.", ""),
    ("addi a0, a0,", 13, "An operand is missing here.", ""),
    ("addi a0, a0, a1", 14, "`a1` is a register; a value is needed here.", ""),
    (
        "addi a0, a0, 2048",
        14,
        "2048 does not fit: `imm` goes from -2048 to 2047.",
        "Put the value into a register with `li` first.",
    ),
    ("lw a0, -2049(sp)", 8, "-2049 does not fit: `imm` goes from -2048 to 2047.", ""),
    (
        "lw a0, 8",
        8,
        "8 is a number, not a symbol.",
        "Put the address into a register with `li`, then write `offset(register)`.",
    ),
    ("lr.w a0, a1", 10, "A place in memory is needed here, such as `(a0)`.", ""),
    ("amoadd.w a0, a1, 4(a2)", 18, "There is no room for an offset here: `(register)` alone.", ""),
    ("slli a0, a0, 64", 14, "64 does not fit: `shamt` goes from 0 to 63.", ""),
    ("slliw a0, a0, 32", 15, "32 does not fit: `shamt` goes from 0 to 31.", ""),
    ("csrwi mstatus, 32", 16, "32 does not fit: `zimm` goes from 0 to 31.", ""),
    ("lui a0, 0x100000", 9, "1048576 does not fit: `imm` goes from 0 to 1048575.", ""),
    (
        "fence wr, rw",
        7,
        "`wr` is not a set of accesses.",
        "Write some of the letters `i`, `o`, `r`, `w`, in this order.",
    ),
    (
        "li a0, there\nthere:",
        8,
        "`li` needs a number that is known here.",
        "Use `la` for an address; define a constant above its use.",
    ),
    ("la a0, %lo(x)", 8, "A plain symbol is needed here.", ""),
    ("j %lo(x)", 3, "A jump takes a plain target.", ""),
    ("lui a0, %high(x)", 9, "There is no relocation function `%high`.", "Did you mean `hi`?"),
    ("lui a0, %hi x", 13, "`(` is missing here.", ""),
    (
        "lui a0, %hi(x)\nx:",
        9,
        "0x80000004 is out of reach of `%hi` and `%lo`: they make signed 32-bit addresses.",
        "Use `la`, or `%pcrel_hi`.",
    ),
    (
        "addi a0, a0, %pcrel_lo(x)\nx:",
        14,
        "There is no instruction with `%pcrel_hi` at 0x80000004.",
        "`%pcrel_lo` names the label of the `auipc`, not the symbol.",
    ),
    (
        "la a0, x\n.equ x, 1 << 40",
        8,
        "The distance to 0x10000000000 is 1097364144128 bytes; ±2 GiB is possible.",
        "Use `li` for it.",
    ),
    ("j .+2", 3, "The target is 2 bytes away, no multiple of 4: no instruction begins there.", ""),
    (
        "j x\n.skip 1 << 20\nx:",
        3,
        "The target is 1048580 bytes away; `jal` reaches from -1048576 to 1048574.",
        "`call` and `tail` reach further.",
    ),
    (
        "beqz a0, x\n.skip 1 << 20\nx:",
        10,
        "The target is 1048580 bytes away; `jal` reaches from -1048576 to 1048574.",
        "`call` and `tail` reach further.",
    ),
]


@pytest.mark.parametrize(("text", "column", "what", "mend"), INSTRUCTIONS)
def test_instructions(text: str, column: int, what: str, mend: str) -> None:
    assert problems(text) == [(1, column, what, mend)]


STATEMENTS = [
    ("j nowhere", 3, "The symbol `nowhere` is not defined.", ""),
    ("j lop\nloop:", 3, "The symbol `lop` is not defined.", "Did you mean `loop`?"),
    ("j 1f\n1x:", 3, "There is no label `1:` below.", ""),
    ("5", 1, "`5` cannot begin a statement.", ""),
    (", nop", 1, "`,` cannot begin a statement.", ""),
    ('"a" nop', 1, '`"a"` cannot begin a statement.', ""),
    ("(x): nop", 1, "`(` cannot begin a statement.", ""),
    ("+: nop", 1, "`+` cannot be a label.", ""),
    (".: nop", 1, "`.` cannot be a label.", ""),
    ("nop ?", 5, "The character '?' has no meaning here.", ""),
    ("x = ", 4, "A value is missing here.", ""),
    ("x = 1 2", 7, "`2` is too much here.", ""),
]


@pytest.mark.parametrize(("text", "column", "what", "mend"), STATEMENTS)
def test_statements(text: str, column: int, what: str, mend: str) -> None:
    assert (1, column, what, mend) in problems(text)


def test_all_mistakes_are_told_in_the_order_of_the_text() -> None:
    found = problems("j nowhere\nadi a0, a0, 1\n\nx: .byte 300; add a0\nx: j elsewhere\n")
    assert [(line, column) for line, column, _what, _mend in found] == [
        (1, 3),
        (2, 1),
        (4, 10),
        (4, 15),
        (5, 1),
    ]


def test_of_many_mistakes_the_first_ten_are_told() -> None:
    with pytest.raises(AssemblyError) as error:
        assemble("\n".join(["bad"] * 50))
    assert [problem.line for problem in error.value.problems] == [*range(1, 11)]
    assert error.value.more
    assert str(error.value).endswith("\n\nThere is more; mend these first.")
    with pytest.raises(AssemblyError) as error:
        assemble("\n".join(["bad"] * 10))
    assert not error.value.more


def test_mistakes_in_several_files_stand_in_the_order_of_the_files() -> None:
    with pytest.raises(AssemblyError) as error:
        assemble_files([("z.s", "nop\nj nowhere"), ("a.s", "bad")])
    assert [(p.file, p.line) for p in error.value.problems] == [("z.s", 2), ("a.s", 1)]


def test_a_mistake_does_not_cause_others() -> None:
    assert len(problems("x = 1 +\nli a0, x\n.word x")) == 1
    assert len(problems(".if nobody\nbad\n.else\nbad\n.endif")) == 1
    assert len(problems(".byte 1\nnop\nnop\nnop")) == 1


def test_the_caret_stands_under_its_character() -> None:
    def shown(text: str) -> tuple[int, str, str]:
        with pytest.raises(AssemblyError) as error:
            assemble(text)
        _place, line, caret, *_rest = str(error.value).split("\n")
        return error.value.column, line, caret

    assert shown("\tli\ta0, nobody") == (9, "    \tli\ta0, nobody", "    \t  \t    ^")
    assert shown("/* ñandú */ j nobody") == (15, "    /* ñandú */ j nobody", "    " + " " * 14 + "^")
    assert shown("/* 漢字 */ j nobody") == (12, "    /* 漢字 */ j nobody", "    " + " " * 13 + "^")
    assert shown("/* e\u0301 */ j nobody") == (12, "    /* e\u0301 */ j nobody", "    " + " " * 10 + "^")
    column, line, caret = shown("j " + "x" * 300 + "+" + "y" * 300)
    assert (column, len(line), line[len(caret) - 1]) == (3, 4 + 160, "x")
    column, line, caret = shown(" " * 500 + "bad" + " " * 500 + ";nop")
    assert (column, len(line), line[len(caret) - 1 :][:3]) == (501, 4 + 160, "bad")


def test_a_text_cannot_steer_a_terminal() -> None:
    with pytest.raises(AssemblyError) as error:
        assemble("\x1b[2Jnop \x07 \u202e\n j \x00")
    assert not set(str(error.value)) & set("\x1b\x07\u202e\x00")
    assert "\N{REPLACEMENT CHARACTER}[2Jnop" in str(error.value)


def test_the_fault_of_a_definition_is_told_there() -> None:
    assert problems("nop\n.equ size, end - begn\nbegin:\n.word size, size\nend:") == [
        (2, 18, "The symbol `begn` is not defined.", "Did you mean `begin`?")
    ]


def test_suggestions() -> None:
    words = ["add", "addi", "andi", "sub", "sstatus"]
    assert suggestion("sstatu", words) == "Did you mean `sstatus`?"
    assert suggestion("ADD", words) == "Did you mean `add`?"
    assert suggestion("adi", words) == "Did you mean `addi` or `andi`?"
    assert suggestion("zzz", words) == ""
    assert suggestion("add" * 1000, words) == ""
