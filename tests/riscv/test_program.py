"""A program: its sentence, its labels, its listing."""

from vlab.riscv import Program, assemble, assemble_files

TEXT = """\
    .equ SIZE, 16
_start: li a0, SIZE      # a comment
        la a1, text
loop:   j loop
inner = loop + 4
    .rodata
text:   .asciz "hello there"
end:
    .bss
    .zero SIZE
"""


def test_sentence_and_size() -> None:
    program = assemble(TEXT)
    assert program.size == 16 + 12 + 16
    assert repr(program) == "A program, entered at 0x80000000; bytes: 44, segments: 3."


def test_entry_is_the_start_symbol_or_the_base() -> None:
    assert assemble("nop").entry == 0x8000_0000
    assert assemble("nop", base=0x1000).entry == 0x1000
    assert assemble("nop\n_start: nop").entry == 0x8000_0004


def test_symbols_labels_first_by_address() -> None:
    program = assemble(TEXT)
    assert list(program.symbols.items()) == [
        ("_start", 0x8000_0000),
        ("loop", 0x8000_000C),
        ("text", 0x8000_1000),
        ("end", 0x8000_100C),
        ("SIZE", 16),
        ("inner", 0x8000_0010),
    ]
    assert program.constants == {"SIZE", "inner"}


def test_symbol_at() -> None:
    program = assemble(TEXT)
    assert program.symbol_at(0x8000_0000) == ("_start", 0)
    assert program.symbol_at(0x8000_0008) == ("_start", 8)
    assert program.symbol_at(0x8000_000F) == ("loop", 3)
    assert program.symbol_at(0x8000_1003) == ("text", 3)
    assert program.symbol_at(0x7FFF_FFFF) is None
    assert program.symbol_at(0x8000_0010) is None, "between two segments"
    assert program.symbol_at(0x8000_2000) is None, "a segment without a label"
    assert assemble("nop\nx: nop").symbol_at(0x8000_0000) is None


def test_symbol_at_prefers_the_label_defined_first() -> None:
    program = assemble("two: one: nop")
    assert program.symbol_at(0x8000_0000) == ("two", 0)


def test_lines_tell_file_and_line_of_code_and_data() -> None:
    program = assemble_files([("a.s", "nop\n.word 1, 2\n.zero 0\n"), ("b.s", "\nli a0, 0x12345; nop\n")])
    assert program.lines == {
        0x8000_0000: ("a.s", 1),
        0x8000_0004: ("a.s", 2),
        0x8000_000C: ("b.s", 2),
        0x8000_0010: ("b.s", 2),
        0x8000_0014: ("b.s", 2),
    }


def test_lines_of_a_macro_are_those_of_its_body_and_of_a_long_branch_both_its_instructions() -> None:
    program = assemble(".macro m\nnop\n\nnop\n.endm\nm\nbeqz a0, far\n.zero 5000\nfar:")
    first = 0x8000_0000
    numbers = [program.lines[first + offset][1] for offset in (0, 4, 8, 12, 16)]
    assert numbers == [2, 4, 7, 7, 8]


def test_listing() -> None:
    assert assemble(TEXT).listing().split("\n") == [
        "0000000080000000  01000513           li a0, 16                      2  _start: li a0, SIZE      # a comment",
        "0000000080000004  00001597           auipc a1, 0x1                  3          la a1, text",
        "0000000080000008  ffc58593           addi a1, a1, -4                3          la a1, text",
        "000000008000000c  0000006f           j 0x8000000c <loop>            4  loop:   j loop",
        '0000000080001000  68656c6c6f207468…                                 7  text:   .asciz "hello there"',
        "0000000080002000  0000000000000000…                                10      .zero SIZE",
    ]


def test_listing_of_a_program_without_sources_or_lines() -> None:
    assert Program(((0, b"1234"),), 0).listing() == ""
    assert (
        Program(((0, b"1234"),), 0, lines={0: ("x.s", 3)}).listing()
        == "0000000000000000  34333231                                          3"
    )


def test_listing_cannot_steer_a_terminal() -> None:
    assert "\x1b" not in assemble('.ascii "\x1b[2J"').listing()


def test_a_listing_reads_its_source_once():
    splits = []

    class Text(str):
        __slots__ = ()

        def split(self, *args):
            splits.append(args)
            return super().split(*args)

    program = assemble("nop\n" * 50)
    program.sources.update({name: Text(text) for name, text in program.sources.items()})
    assert len(program.listing().splitlines()) == 50
    assert len(splits) == 1
