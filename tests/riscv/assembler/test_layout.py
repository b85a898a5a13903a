"""Where sections lie, how alignments fill, and what becomes of branches out of reach."""

import pytest

from vlab.language import VlabError
from vlab.riscv import AssemblyError, assemble, decode

START = 0x8000_0000
NOP = b"\x13\0\0\0"


def test_families_of_sections_lie_in_a_fixed_order_each_at_a_new_page() -> None:
    program = assemble("""
        .section mine
        m: .byte 1
        .bss
        b: .zero 1
        .section .sdata
        s: .byte 2
        .data
        d: .byte 3
        .rodata
        r: .byte 4
        .section .text.init
        i: nop
        .section .vectors
        v: .byte 5
        .text
        t: nop
    """)
    assert program.segments == (
        (START, NOP + NOP),
        (START + 0x1000, b"\4"),
        (START + 0x2000, b"\3\2"),
        (START + 0x3000, b"\0"),
        (START + 0x4000, b"\1"),
        (START + 0x5000, b"\5"),
    )
    assert [program.symbols[name] - START for name in "tirdsbmv"] == [
        *(0, 4, 0x1000, 0x2000, 0x2001, 0x3000, 0x4000, 0x5000)
    ]


def test_no_page_holds_code_and_data_and_a_section_is_as_aligned_as_its_contents() -> None:
    program = assemble(".zero 4100\n.data\nd: .byte 1\n.bss\n.balign 0x10000\nb: .zero 1")
    assert program.symbols == {"d": START + 0x2000, "b": START + 0x10000}


def test_a_section_may_be_left_and_entered_again() -> None:
    text = ".byte 1\n.data\n.byte 2\n.pushsection .text\n.byte 3\n.popsection\n.byte 4\n.previous\n.byte 5"
    with pytest.raises(AssemblyError, match=r"There is no `\.pushsection` before this"):
        assemble(".popsection")
    assert assemble(text).segments == ((START, b"\1\3\5"), (START + 0x1000, b"\2\4"))


@pytest.mark.parametrize("base", [0, 0x1000, 0x8020_0000, 0xFFFF_FFFF_8000_0000])
def test_any_page_may_be_the_base(base: int) -> None:
    program = assemble("_start: la a0, d\nj _start\n.data\nd: .dword d", base=base)
    assert program.entry == base
    assert program.symbols["d"] == base + 0x1000
    assert program.segments[1] == (base + 0x1000, (base + 0x1000).to_bytes(8, "little"))


@pytest.mark.parametrize("base", [1, 0x8000_0004, -4096, 1 << 64])
def test_a_base_that_is_no_page(base: int) -> None:
    with pytest.raises(VlabError, match="is not the address of a page"):
        assemble("nop", base=base)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (".data\n.byte 1\n.align 2\n.byte 2", b"\1\0\0\0\2"),
        (".data\n.byte 1\n.balign 4, 9\n.byte 2", b"\1\x09\x09\x09\2"),
        (".data\n.byte 1\n.p2align 3, , 6\n.byte 2", b"\1\2"),
        (".data\n.byte 1\n.p2align 3, , 7\n.byte 2", b"\1" + bytes(7) + b"\2"),
        ("nop\n.align 4\nnop", NOP * 8),  # code ends as it is aligned
        ("nop\n.byte 1, 2\n.balign 8\nnop", NOP + b"\1\2\1\0" + NOP * 2),
        ("nop\n.byte 1\n.balign 8, 0\nnop", NOP + b"\1\0\0\0" + NOP * 2),
        (".data\n.byte 1\n.org 4\n.byte 2\n.org 6, 7\n.byte 3", b"\1\0\0\0\2\7\3"),
        (".data\nx: .byte 1\n.org x + 2\n.byte 2", b"\1\0\2"),
    ],
)
def test_alignments_and_origins(text: str, expected: bytes) -> None:
    ((_address, data),) = assemble(text).segments
    assert data == expected


@pytest.mark.parametrize("stretch", [".align 3", ".org 16", ".org start + 16", ".balign 16"])
def test_an_alignment_after_an_open_branch(stretch: str) -> None:
    program = assemble(f"start: beqz a0, end\nnop\nnop\n{stretch}\nlabel: nop\nend:")
    assert program.symbols["label"] == START + 16


def branches(text: str) -> list[tuple[str, int]]:
    program = assemble(text)
    data = program.segments[0][1]
    words = [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]
    decoded = [decode(word) for word in words if word not in (0, 0x13)]
    return [(i.name, i["imm"]) for i in decoded if i]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("beqz a0, x\n.skip 4088\nx:", [("beq", 4092)]),
        ("beqz a0, x\n.skip 4092\nx:", [("bne", 8), ("jal", 4096)]),
        ("x: .skip 4096\nbltu a0, a1, x", [("bltu", -4096)]),
        ("x: .skip 4100\nbltu a0, a1, x", [("bgeu", 8), ("jal", -4104)]),
        (
            "x: beqz a0, y\n.skip 4092\nbltu a0, a1, x\ny:",
            [("bne", 8), ("jal", 4104), ("bgeu", 8), ("jal", -4104)],
        ),
        ("x: j y\n.skip 4088\nbeqz a0, y\nbltu a0, a1, x\ny:", [("jal", 4100), ("beq", 8), ("bltu", -4096)]),
        ("blez a0, x\n.section .text.other\nx:", [("blt", 8), ("jal", 4)]),
        # The second is out of reach of the first because the ones between have grown.
        (
            "beqz a0, x\nbnez a0, y\n.skip 4080\nx: nop\n.skip 4080\ny:",
            [("beq", 4092), ("beq", 8), ("jal", 8168)],
        ),
        (
            "beqz a0, x\nbnez a0, y\n.skip 4084\nx: nop\n.skip 4080\ny:",
            [("bne", 8), ("jal", 4096), ("beq", 8), ("jal", 8172)],
        ),
    ],
)
def test_branches_out_of_reach_become_two_instructions(text: str, expected: list[tuple[str, int]]) -> None:
    assert branches(text) == expected


def test_a_program_that_is_too_large() -> None:
    assert assemble(".bss\n.zero 64 << 20").size == 64 << 20
    for text in (
        ".zero (64 << 20) + 1",
        ".zero 1 << 60",
        ".fill 1 << 60, 8, 0",
        ".data\n.org 1 << 62",
        ".zero 1 << 25\n.data\n.zero 1 << 25\n.byte 1",
        "beqz a0, x\n.org 1 << 40\nx:",
        "beqz a0, x\n" + ".align 20\nnop\n" * 100 + "x:",
    ):
        with pytest.raises(AssemblyError, match="a program may have 64 MiB"):
            assemble(text)
