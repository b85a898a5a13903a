"""The C extension (Unprivileged ISA, chapter "C"): every word of 16 bits, against GNU's tools."""

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.machine import Machine
from vlab.riscv import ROWS, AssemblyError, assemble, decode, disassemble, encode
from vlab.riscv.instructions import expanded, length

HALVES = [word for word in range(1 << 16) if length(word) == 2]
DECODED = {word: found for word in HALVES if (found := decode(word)) is not None}
ROWS_OF_C = [row for row in ROWS.values() if row.extension == "C"]
GNU = ["riscv64-linux-gnu-objdump", *"-D -z -b binary -m riscv:rv64 -M no-aliases".split()]
# What objdump has names of its own for, or refuses: hints, and instructions of F and D.
_HINTS = re.compile(r"c\.(f\w+|unimp|ntl\.\w+|nop|slli64|srli64|srai64)\b")


@pytest.mark.requires("binutils")
def test_each_word_is_what_objdump_says(tmp_path: Path) -> None:
    image = tmp_path / "halves.bin"
    image.write_bytes(b"".join(word.to_bytes(2, "little") for word in HALVES))
    done = subprocess.run([*GNU, str(image)], capture_output=True, text=True, check=True, timeout=60)
    lines = re.findall(r"^ *([0-9a-f]+):\t([0-9a-f]{4}) +\t([^#<\n]*)", done.stdout, re.M)
    assert [int(word, 16) for _at, word, _text in lines] == HALVES
    told = 0
    for at, word, text in lines:
        ours, theirs = DECODED.get(int(word, 16)), text.replace("\t", " ").strip()
        if _HINTS.match(theirs):
            continue
        if ours is None:
            assert theirs.startswith((".2byte", "c.addi16sp sp,0")), (word, theirs)  # which is reserved
            continue
        said = disassemble(int(word, 16), int(at, 16), aliases=False).replace(", ", ",")
        assert said.replace("0x", "") == theirs.replace("0x", ""), word
        told += 1
    assert told > 35_000


def kind(word: int) -> str:
    """What the chapter's tables say of a word, for RV64: "code", "hint", "reserved", or "F and D"."""
    quadrant, which = word & 3, word >> 13
    rd, rs2 = word >> 7 & 31, word >> 2 & 31
    immediate = word >> 7 & 32 | rs2
    match quadrant, which:
        case 0, 0:
            return "code" if word >> 5 else "reserved"  # c.addi4spn, and its immediate of 0
        case (0 | 2, 1 | 5):
            return "F and D"
        case 0, 4:
            return "reserved"
        case 1, 0:
            return (
                "hint" if bool(rd) != bool(immediate) else "code"
            )  # c.nop with an immediate, c.addi without
        case 1, 1:
            return "code" if rd else "reserved"  # c.addiw
        case 1, 2:
            return "code" if rd else "hint"  # c.li
        case 1, 3:
            return "reserved" if not immediate else "code" if rd else "hint"  # c.lui, c.addi16sp
        case 1, 4 if not word >> 11 & 1:
            return "code" if immediate else "hint"  # c.srli, c.srai
        case 1, 4 if word >> 10 & 7 == 7:
            return "code" if not word >> 6 & 1 else "reserved"  # c.subw, c.addw, and two more
        case 2, 0:
            return "code" if rd and immediate else "hint"  # c.slli
        case (2, 2 | 3):
            return "code" if rd else "reserved"  # c.lwsp, c.ldsp
        case 2, 4 if rs2:
            return "code" if rd else "hint"  # c.mv, c.add
        case 2, 4:
            return "code" if rd or word >> 12 & 1 else "reserved"  # c.jr, c.jalr, c.ebreak
    return "code"


HINTS = [word for word in HALVES if kind(word) == "hint"]


def test_hints_are_instructions_and_reserved_words_are_none() -> None:
    assert {word for word in HALVES if kind(word) in ("code", "hint")} == set(DECODED)
    assert (len(HINTS), len(DECODED)) == (394, 38_551)


def test_encoding_undoes_decoding() -> None:
    for word, found in DECODED.items():
        assert encode(found.row, found.values) == word


def test_the_assembler_reads_it_back() -> None:
    """All of them in one text; a target is written as a distance from `.`."""
    text = "".join(f"{disassemble(word)}\n" for word in DECODED)
    code = b"".join(word.to_bytes(2, "little") for word in DECODED)
    program = assemble(text)
    assert program.segments[0][1][: len(code)] == code
    assert program.extensions == "C"


@pytest.mark.requires("binutils")
def test_gnu_expands_them_to_the_same(tmp_path: Path) -> None:
    """What `as` compresses into a word, is what the word expands to."""
    words = [word for word, found in list(DECODED.items())[::7] if _compressible(found.word)]
    text = "".join(f"{disassemble(expanded(DECODED[word]))}\n" for word in words)
    source, made, image = tmp_path / "text.s", tmp_path / "text.o", tmp_path / "text.bin"
    source.write_text(text)
    for command in (
        ["riscv64-linux-gnu-as", "-march=rv64imac", "-mno-relax", "-o", made, source],
        ["riscv64-linux-gnu-objcopy", "-O", "binary", "-j", ".text", made, image],
    ):
        subprocess.run([str(part) for part in command], check=True, timeout=60)
    code = image.read_bytes()
    made_words = [int.from_bytes(code[at : at + 2], "little") for at in range(0, 2 * len(words), 2)]
    assert made_words == words


def _compressible(word: int) -> bool:
    """Not a hint, which `as` leaves alone; nor a jump, whose target would need a label.

    To sp, `as` adds by `c.addi16sp` only what `c.addi` can't.
    """
    found = DECODED[word]
    hint = found["rd"] == 0 and "rd" in found.row.operands
    nothing = found.name in ("c.addi", "c.slli", "c.srli", "c.srai") and not found["imm"] | found["shamt"]
    to_sp = found.name == "c.addi16sp" and -32 <= found["imm"] < 32
    return not (hint or nothing or to_sp or found.row.syntax.endswith("target"))


@pytest.mark.parametrize("row", ROWS_OF_C, ids=lambda row: row.name)
def test_each_row_has_the_meaning_of_the_one_it_expands_to(row) -> None:
    assert row.meaning == ROWS[row.base].meaning and row.base != row.name
    assert row.size == 2


@pytest.mark.parametrize(
    "text",
    [
        *("c.add a0, zero", "c.lw t0, 0(a0)", "c.lw a0, 2(a1)", "c.lw a0, 128(a1)", "c.lw a0, -4(a1)"),
        *("c.lwsp a0, 8(s0)", "c.lwsp zero, 8(sp)", "c.addi16sp s0, 16", "c.addi16sp sp, 0"),
        *("c.addi4spn a0, sp, 0", "c.addi4spn a0, s0, 4", "c.lui a0, 32", "c.lui sp, 1", "c.addi a0, 32"),
        *("c.jr zero", "c.beqz a0, .+256", "c.j .+3"),
    ],
)
def test_operands_without_room_are_refused(text: str) -> None:
    with pytest.raises(AssemblyError):
        assemble(text)


@given(st.integers(0, (1 << 16) - 1), st.integers(1, (1 << 16) - 1))
def test_a_compressed_instruction_has_no_more_bits(low: int, high: int) -> None:
    if length(low) == 2:
        assert decode(low | high << 16) is None


def test_a_program_that_uses_them_needs_a_hart_that_has_them() -> None:
    program = assemble("c.nop\nc.j .")
    Machine(program, memory="1M", extensions="C")
    from vlab.language import VlabError

    with pytest.raises(VlabError, match="compressed"):
        Machine(program, memory="1M")
