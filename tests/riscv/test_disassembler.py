"""The disassembler says what objdump says, and the assembler reads it back."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.riscv.gnu import disassembled
from vlab.riscv import ROWS, assemble, decode, disassemble
from vlab.riscv.csrs import BY_NUMBER
from vlab.riscv.table import OPTIONAL

any_word = st.integers(1 << 16, (1 << 32) - 1)
WIDE = [row for row in ROWS.values() if row.size == 4]  # those of 16 bits: see `test_compressed`
any_row = st.sampled_from(WIDE)
words = st.one_of(any_word, st.builds(lambda row, word: word & ~row.mask | row.match, any_row, any_word))


@pytest.mark.parametrize(
    ("word", "text", "plain"),
    [
        (0x00000013, "nop", "addi zero, zero, 0"),
        (0x00500513, "li a0, 5", "addi a0, zero, 5"),
        (0x00058513, "mv a0, a1", "addi a0, a1, 0"),
        (0x00008067, "ret", "jalr zero, 0(ra)"),
        (0x000500E7, "jalr a0", "jalr ra, 0(a0)"),
        (0x00B50463, "beq a0, a1, .+8", "beq a0, a1, .+8"),
        (0xFFDFF06F, "j .-4", "jal zero, .-4"),
        (0x30529073, "csrw mtvec, t0", "csrrw zero, mtvec, t0"),
        (0xC0102573, "rdtime a0", "csrrs a0, time, zero"),
        (0x0FF0000F, "fence", "fence iorw, iorw"),
        (0x8330000F, "fence.tso", "fence.tso"),
        (0x12000073, "sfence.vma", "sfence.vma zero, zero"),
        (0x12050073, "sfence.vma a0", "sfence.vma a0, zero"),
        (0x0E5620AF, "amoswap.w.aqrl ra, t0, (a2)", "amoswap.w.aqrl ra, t0, (a2)"),
        (0xFFF50537, "lui a0, 0xfff50", "lui a0, 0xfff50"),
        (0xFE113C23, "sd ra, -8(sp)", "sd ra, -8(sp)"),
        (0x7FF01073, "csrw 0x7ff, zero", "csrrw zero, 0x7ff, zero"),
        (0x00000000, ".word 0x00000000", ".word 0x00000000"),
        (0xF330000F, ".word 0xf330000f", ".word 0xf330000f"),
        (0x0000010F, ".word 0x0000010f", ".word 0x0000010f"),
    ],
)  # fmt: skip
def test_words(word: int, text: str, plain: str) -> None:
    assert disassemble(word) == text
    assert disassemble(word, aliases=False) == plain


def test_targets_are_addresses_with_symbols() -> None:
    branch = 0xFE051CE3  # bnez a0, .-8
    assert disassemble(branch, 0x8000_0010) == "bnez a0, 0x80000008"
    symbols = {"_start": 0x8000_0000, "loop": 0x8000_0008, "far": 0x8000_1000}
    assert disassemble(branch, 0x8000_0010, symbols) == "bnez a0, 0x80000008 <loop>"
    assert disassemble(branch, 0x8000_000C, symbols) == "bnez a0, 0x80000004 <_start+0x4>"
    assert disassemble(branch, 0x8000_0010, {"far": 0x8000_1000}) == "bnez a0, 0x80000008"
    assert disassemble(branch, 0, symbols) == "bnez a0, 0xfffffffffffffff8 <far+0xffffffff7fffeff8>"


@given(words, st.booleans())
def test_the_assembler_reads_it_back(word: int, aliases: bool) -> None:
    instruction = decode(word)
    if instruction and instruction.row.syntax.endswith("target") and instruction["imm"] % 4:
        return  # a target that no instruction can begin at is refused
    text = disassemble(word, aliases=aliases)
    assert assemble(text).segments == ((0x8000_0000, word.to_bytes(4, "little")),)


# objdump drops the `i` of these when it writes aliases.
_WITHOUT_I = {
    **{f"{name}i": name for name in ("add", "and", "or", "xor", "sll", "srl", "sra")},
    **{f"{name}iw": f"{name}w" for name in ("add", "sll", "srl", "sra")},
    **{f"{name}i": name for name in ("csrrw", "csrrs", "csrrc", "csrw", "csrs", "csrc")},
}


def as_objdump(text: str, aliases: bool) -> str:
    """Our text in objdump's writing: all the differences there are, but for `has_unnamed_csr`."""
    name, _space, operands = text.partition(" ")
    operands = operands.replace(", ", ",")
    if name == ".word":
        return f".4byte {int(operands, 16):#x}"
    if name == "fence":
        operands = ",".join("unknown" if part == "0" else part for part in operands.split(","))
    return f"{_WITHOUT_I.get(name, name) if aliases else name} {operands}".strip()


def has_unnamed_csr(word: int) -> bool:
    """A CSR that isn't in our table: objdump knows more of them, and has instructions of its own for some."""
    return word & 0x7F == 0x73 and word >> 12 & 3 != 0 and word >> 20 not in BY_NUMBER


def sample(count: int) -> list[int]:
    """Words of all rows, with some operands zero, and words at random."""
    source = random.Random(1)
    made = []
    for row in WIDE:
        for _each in range(count):
            word = source.getrandbits(32)
            for piece in row.pieces:
                if source.random() < 0.3:
                    word &= ~((1 << piece.width) - 1 << piece.shift)
            made.append(word & ~row.mask | row.match)
    # Opcodes that end in 11111 begin a longer instruction, of which objdump takes more than 32 bits.
    made += [source.getrandbits(32) & ~0x10 | 3 for _each in range(20 * count)]
    return [word for word in made if not has_unnamed_csr(word)]


@pytest.mark.requires("binutils")
@pytest.mark.parametrize("aliases", [True, False])
def test_objdump_says_the_same(aliases: bool, tmp_path: Path) -> None:
    # objdump knows more instructions; but those of H not in plain bytes, which say nothing of extensions.
    sampled = [
        word for word in sample(100) if (found := decode(word)) and found.row.extension not in OPTIONAL
    ]
    theirs = disassembled(tmp_path, sampled, *([] if aliases else ["-M", "no-aliases"]))
    for place, (word, text) in enumerate(zip(sampled, theirs, strict=True)):
        ours = disassemble(word, 4 * place, aliases=aliases)
        # objdump writes most targets without 0x.
        assert as_objdump(ours, aliases).replace("0x", "") == text.replace("0x", ""), f"{word:#010x}"
