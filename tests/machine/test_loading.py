"""Images: what a good file becomes, and that a bad one is named, never more than that."""

import os
import struct
import subprocess
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.language import VlabError
from vlab.machine.loading import load_image, read_file
from vlab.riscv import Program

RAM = 0x8000_0000
MEMORY = (RAM, 1 << 20)
CODE = b"\x13\x00\x00\x00" * 4
HEADER, PROGRAM_HEADER, SECTION_HEADER, SYMBOL = 64, 56, 64, 24
PT_LOAD, PT_INTERP = 1, 3
GLOBAL, LOCAL = 0x10, 0


def segment(
    address=RAM, content=CODE, *, size=None, virtual=None, kind=PT_LOAD, offset=None, given_size=None
):
    return {
        "kind": kind,
        "offset": offset,
        "virtual": address if virtual is None else virtual,
        "physical": address,
        "content": content,
        "given": len(content) if given_size is None else given_size,
        "size": len(content) if size is None else size,
    }


def elf(segments=None, symbols=(), **header):
    """An ELF file: header, program headers, contents, symbol table, string table, section headers."""
    segments = [segment()] if segments is None else segments
    at = HEADER + PROGRAM_HEADER * len(segments)
    table, contents = b"", b""
    for one in segments:
        offset = at + len(contents) if one["offset"] is None else one["offset"]
        fields = (one["kind"], 7, offset, one["virtual"], one["physical"], one["given"], one["size"], 1)
        table += struct.pack("<IIQQQQQQ", *fields)
        contents += one["content"]
    names, records = b"\0", bytes(SYMBOL)
    for name, value, info, section in symbols:
        records += struct.pack("<IBBHQQ", len(names), info, 0, section, value, 0)
        names += name + b"\0"
    records_at = at + len(contents)
    names_at = records_at + len(records)
    sections = bytes(SECTION_HEADER)
    sections += struct.pack("<IIQQQQIIQQ", 0, 2, 0, 0, records_at, len(records), 2, 1, 8, SYMBOL)
    sections += struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, names_at, len(names), 0, 0, 1, 0)
    values = {
        "klass": 2, "order": 1, "kind": 2, "machine": 243, "version": 1, "entry": RAM, "phoff": HEADER,
        "shoff": names_at + len(names), "flags": 0, "ehsize": HEADER, "phentsize": PROGRAM_HEADER,
        "phnum": len(segments), "shentsize": SECTION_HEADER, "shnum": 3, "shstrndx": 0,
    } | header  # fmt: skip
    head = struct.pack(
        "<4sBBBB8xHHIQQQIHHHHHH",
        b"\x7fELF",
        values["klass"],
        values["order"],
        1,
        0,
        *list(values.values())[2:],
    )
    return head + table + contents + records + names + sections


def refused(image, **options):
    """The message with which an image is refused."""
    with pytest.raises(VlabError) as error:
        load_image(image, **{"memory": MEMORY} | options)
    return str(error.value)


def test_a_raw_image_goes_to_the_base_and_is_entered_there():
    assert load_image(b"\x13\0\0\0") == Program(((RAM, b"\x13\0\0\0"),), RAM)
    program = load_image(b"data", base=0x8020_0000, memory=(RAM, 4 << 20))
    assert (program.segments, program.entry) == (((0x8020_0000, b"data"),), 0x8020_0000)


def test_an_elf_file_says_where_it_goes():
    program = load_image(
        elf([segment(RAM + 0x100, b"b" * 8), segment(RAM, CODE)], entry=RAM + 4), memory=MEMORY
    )
    assert program.segments == ((RAM, CODE), (RAM + 0x100, b"b" * 8))  # ascending
    assert program.entry == RAM + 4


def test_what_the_file_does_not_give_is_zero():
    program = load_image(elf([segment(size=24), segment(RAM + 64, b"", size=8)]), memory=MEMORY)
    assert program.segments == ((RAM, CODE), (RAM + 16, bytes(8)), (RAM + 64, bytes(8)))
    assert program.size == 32


def test_a_huge_bss_costs_nothing_before_it_is_copied():
    image = elf([segment(size=512 << 20)])
    tracemalloc.start()
    load_image(image, memory=(RAM, 1 << 30))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 520 << 20
    assert "memory" in refused(elf([segment(size=1 << 62)]))
    assert "memory" in refused(elf([segment(size=1 << 62)]), memory=None)


def test_headers_in_front_of_memory_are_left_out():
    """What GNU ld makes of -Ttext=0x80000000: the headers, the rest of their page, then the code."""
    headers = HEADER + PROGRAM_HEADER

    def linked(between, outside=0x1000):
        content = bytes(headers) + between + bytes(outside - headers - len(between)) + CODE
        one = segment(RAM - outside, content, offset=0)
        whole = elf([one], shoff=0)
        return whole[:headers] + whole[2 * headers :]  # the segment is the file from its first byte on

    program = load_image(linked(b""), memory=MEMORY)
    assert (program.segments[0][0], program.segments[0][1][:16]) == (RAM, CODE)
    assert "0x7ffff000" in refused(linked(b"data"))
    assert "0x7ffff000" in refused(elf([segment(RAM - 0x1000, bytes(0x1000) + CODE)]))


def test_a_virtual_entry_becomes_physical():
    high = 0xFFFF_FFFF_8000_0000
    one = segment(RAM, virtual=high)
    assert load_image(elf([one], entry=high + 8)).entry == RAM + 8
    assert load_image(elf([one], entry=RAM + 8)).entry == RAM + 8


def test_symbols_are_places_or_numbers():
    program = load_image(
        elf(
            symbols=[
                (b"main.c", 0, 4, 0xFFF1),  # the name of a file
                (b"loop", RAM + 4, LOCAL, 1),
                (b"loop", RAM + 8, LOCAL, 1),
                (b"tohost", RAM + 12, LOCAL, 1),
                (b"tohost", RAM + 16, GLOBAL, 1),
                (b"SIZE", 42, GLOBAL, 0xFFF1),
                (b"missing", 0, GLOBAL, 0),
                (b"", RAM, GLOBAL, 1),
                (b"$x", RAM, LOCAL, 1),
                (b".L1", RAM, LOCAL, 1),
                (b"\x1b[31mred", RAM, GLOBAL, 1),
                (b"n" * 256, RAM, GLOBAL, 1),
            ]
        )
    )
    assert program.symbols == {"loop": RAM + 4, "tohost": RAM + 16, "SIZE": 42}
    assert program.constants == {"SIZE"}


def test_a_file_without_sections_has_no_symbols():
    notes: list[str] = []
    assert load_image(elf(symbols=[(b"a", 1, GLOBAL, 1)], shoff=0), notes=notes).symbols == {}
    assert load_image(elf(symbols=[(b"a", 1, GLOBAL, 1)], shnum=0), notes=notes).symbols == {}
    assert notes == []


@pytest.mark.parametrize(
    ("field", "value"),
    [(24, 1 << 63), (32, 1 << 63), (32, 25), (40, 99), (40, 1 << 31), (88, 1 << 62), (96, 1 << 62)],
)
def test_a_damaged_symbol_table_is_noted_and_the_program_loaded(field, value):
    whole = elf(symbols=[(b"name", RAM, GLOBAL, 1)])
    at = len(whole) - 2 * SECTION_HEADER + field  # in the headers of the two tables
    width = 4 if field == 40 else 8
    damaged = whole[:at] + value.to_bytes(width, "little") + whole[at + width :]
    notes: list[str] = []
    program = load_image(damaged, memory=MEMORY, notes=notes)
    assert (program.segments, program.symbols) == (((RAM, CODE),), {})
    assert len(notes) == 1
    assert "symbol table" in notes[0]


def test_a_program_is_taken_as_it_is_if_it_fits():
    program = Program(((RAM + 64, b"late"), (RAM, b"code")), RAM)
    assert load_image(program, memory=MEMORY) is program
    assert "0x80000040" in refused(program, memory=(RAM, 66))
    assert "empty" in refused(Program((), RAM))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"klass": 1}, ("32-bit", "-march=rv64")),
        ({"order": 2}, ("big-endian",)),
        ({"klass": 7}, ("damaged",)),
        ({"machine": 62}, ("EM_X86_64", "RISC-V compiler")),
        ({"machine": 0xABCD}, ("43981",)),
        ({"kind": 1}, ("ET_REL", "Link it")),
        ({"kind": 4}, ("ET_CORE",)),
        ({"phnum": 0}, ("nothing to load",)),
        ({"phoff": 0}, ("nothing to load",)),
        ({"phoff": 1 << 63}, ("program header table", "damaged")),
        ({"phentsize": 0}, ("program header table",)),
        ({"phnum": 0xFFFF}, ("65535",)),
        ({"shoff": 1 << 63}, ("section header table",)),
        ({"shentsize": 0}, ("section header table",)),
        ({"shnum": 0xFFFF}, ("65535",)),
        ({"entry": RAM + 2}, ("0x80000002",)),
        ({"entry": 0}, ("nothing is loaded", "_start")),
        ({"entry": RAM + 16}, ("0x80000010",)),
    ],
)
def test_a_wrong_header_is_named_with_its_mend(header, words):
    message = refused(elf(**header))
    assert message.startswith("image: ")
    assert [word for word in words if word.lower() not in message.lower()] == []


@pytest.mark.parametrize(
    ("segments", "words"),
    [
        ([segment(), segment(0x1_0000)], ("Segment 1", "0x10000", "0x80000000", "0x800fffff", "-Ttext")),
        ([segment(RAM + (1 << 20) - 8)], ("Segment 0", "0x80100007")),
        ([segment(RAM, size=1 << 63)], ("Segment 0",)),
        ([segment(RAM, size=(1 << 64) - 1)], ("Segment 0",)),
        ([segment(), segment(RAM + 12)], ("Segment 1", "overlaps Segment 0")),
        ([segment(size=64), segment(RAM + 32)], ("overlaps",)),
        ([segment(size=8)], ("16 bytes in the file", "8 in memory")),
        ([segment(offset=1 << 62)], ("Segment 0", "damaged")),
        ([segment(given_size=1 << 62, size=1 << 62)], ("claim more bytes",)),
        (
            [segment(RAM + n * 4096, b"", offset=0, given_size=200, size=200) for n in range(9)],
            ("claim more",),
        ),
        ([segment(), segment(kind=PT_INTERP)], ("dynamic loader", "-static")),
        ([segment(size=0, given_size=0)], ("nothing to load",)),
    ],
)
def test_wrong_segments_are_named_with_their_bounds(segments, words):
    message = refused(elf(segments))
    assert [word for word in words if word not in message] == []


def test_an_image_larger_than_memory_is_refused():
    assert "0x80000000 to 0x8000000f" in refused(CODE + b"more", memory=(RAM, 16))
    assert load_image(CODE, memory=(RAM, 16)).size == 16
    assert "0x80200000" in refused(CODE, base=0x8020_0000)


@pytest.mark.parametrize("base", [-4, 1 << 64])
def test_a_base_outside_of_all_memory_is_refused(base):
    refused(b"data", base=base, memory=None)


def test_files_are_read_and_their_names_kept_in_messages(tmp_path):
    good, raw, empty = tmp_path / "good.elf", tmp_path / "raw.bin", tmp_path / "empty"
    good.write_bytes(elf(symbols=[(b"a", RAM, GLOBAL, 1)]))
    raw.write_bytes(b"raw")
    empty.write_bytes(b"")
    assert load_image(good).symbols == {"a": RAM}
    assert load_image(str(raw)).segments == ((RAM, b"raw"),)
    assert refused(empty).startswith(f"{empty}: ")
    assert refused(tmp_path / "none").startswith(f"{tmp_path / 'none'}: There is no such file")
    assert "isn't a file" in refused(tmp_path)


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 5000, "\ud800"])
def test_names_that_no_file_can_have_are_refused(name):
    refused(name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.timeout(10)
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "isn't a file" in refused(tmp_path / "pipe")


def test_a_file_over_the_bound_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("vlab.machine.loading.LARGEST_FILE", 4)
    (tmp_path / "f").write_bytes(b"1234")
    assert read_file(tmp_path / "f") == b"1234"
    (tmp_path / "f").write_bytes(b"12345")
    os.truncate(tmp_path / "f", 64 << 20)
    tracemalloc.start()
    with pytest.raises(VlabError, match="larger"):
        read_file(tmp_path / "f")
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


WHOLE = elf([segment(size=64), segment(RAM + 0x1000, b"data")], [(b"tohost", RAM, GLOBAL, 1)])


def test_a_file_cut_off_anywhere_is_refused():
    for length in range(1, len(WHOLE)):
        if length < 4:  # not even the magic: a raw image
            assert load_image(WHOLE[:length]).size == length
        else:
            assert "damaged" in refused(WHOLE[:length])


FLIPS = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=8)


def flipped(image, flips):
    damaged = bytearray(image)
    for at, byte in flips:
        damaged[at % len(damaged)] = byte
    return bytes(damaged)


@given(FLIPS)
def test_a_damaged_file_is_loaded_inside_of_memory_or_refused(flips):
    check_inside(flipped(WHOLE, flips))


@given(st.integers(0, HEADER + 2 * PROGRAM_HEADER - 8), st.integers(0, (1 << 64) - 1))
def test_no_number_in_the_headers_does_harm(at, value):
    check_inside(WHOLE[:at] + value.to_bytes(8, "little") + WHOLE[at + 8 :])


def check_inside(image):
    try:
        program = load_image(image, memory=MEMORY)
    except VlabError:
        return
    for address, content in program.segments:
        assert address >= RAM
        assert address + len(content) <= RAM + (1 << 20)
    assert all(name.isprintable() for name in program.symbols)


@pytest.mark.timeout(20)
def test_a_hostile_string_table_takes_no_time():
    """Forty thousand symbols whose names are all one megabyte long."""
    name = b"x" * (1 << 20)
    whole = elf(symbols=[(name, RAM, GLOBAL, 1)])
    entry = struct.pack("<IBBHQQ", 1, GLOBAL, 0, 1, RAM, 0)
    many = 40_000
    at = len(whole)
    start = len(whole) - 2 * SECTION_HEADER
    fields = (0, 2, 0, 0, at, many * SYMBOL, 2, 1, 8, SYMBOL)
    hostile = (
        whole[:start] + struct.pack("<IIQQQQIIQQ", *fields) + whole[start + SECTION_HEADER :] + entry * many
    )
    assert load_image(hostile, memory=MEMORY).symbols == {}


# What real tools make.

C_SOURCE = """
volatile unsigned long tohost, table[1000];
const char text[] = "hello";
void _start(void) { table[1] = text[0]; tohost = 1; for (;;) ; }
"""


def compiled(folder, *options, source=C_SOURCE):
    (folder / "t.c").write_text(source)
    base = [
        "riscv64-unknown-elf-gcc",
        "-march=rv64ima_zicsr",
        "-mabi=lp64",
        "-mcmodel=medany",
        "-nostdlib",
        "-g",
    ]
    subprocess.run(
        [*base, *options, "-o", "t.elf", "t.c"], cwd=folder, check=True, timeout=60, capture_output=True
    )
    return folder / "t.elf"


@pytest.fixture(scope="module")
def from_gcc(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("gcc"), f"-Ttext={RAM:#x}").read_bytes()


@pytest.mark.requires("gcc")
def test_what_gcc_makes_is_loaded(from_gcc):
    program = load_image(from_gcc, memory=MEMORY)
    assert program.entry == program.symbols["_start"]
    assert program.segments[0][0] == RAM
    assert {"tohost", "text", "table"} <= set(program.symbols)
    assert program.symbol_at(program.symbols["table"]) == ("table", 0)
    assert any(b"hello" in content for _address, content in program.segments)


@pytest.mark.requires("gcc")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), ("isn't in memory", "-Ttext")),
        ((f"-Ttext={RAM:#x}", "-march=rv32ima_zicsr", "-mabi=ilp32"), ("32-bit",)),
        (("-c",), ("ET_REL",)),
    ],
)
def test_what_gcc_makes_for_others_is_refused(tmp_path, options, words):
    message = refused(compiled(tmp_path, *options))
    assert [word for word in words if word not in message] == []


@pytest.mark.requires("gcc")
@given(FLIPS)
def test_a_damaged_file_of_gcc_is_loaded_inside_of_memory_or_refused(from_gcc, flips):
    headers = [(at % 240, byte) for at, byte in flips]
    check_inside(flipped(from_gcc, headers))
    check_inside(flipped(from_gcc, flips))


@pytest.mark.requires("gcc")
def test_a_file_of_gcc_cut_off_anywhere_is_refused(from_gcc):
    for length in range(4, len(from_gcc), 7):
        refused(from_gcc[:length])


@pytest.mark.parametrize("image", [5, None, 1.5, [b"code"], Program])
def test_what_is_no_image_is_told_so(image: Any) -> None:
    with pytest.raises(VlabError, match="can't be read"):
        load_image(image)


def test_the_name_of_a_guest_is_no_file_but_it_is_known_what_was_meant(tmp_path, monkeypatch):
    with pytest.raises(VlabError, match="no such file") as caught:
        load_image("kernel")
    assert "`guests.load('kernel')`" in caught.value.mend
    with pytest.raises(VlabError, match="no such file") as caught:
        load_image("colonel")
    assert "guests" not in caught.value.mend
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kernel").write_bytes(b"\x73\x00\x10\x00")
    assert load_image("kernel").segments[0][1] == b"\x73\x00\x10\x00"


@pytest.mark.parametrize(
    "text", ["nop\n", "\n    addi a0, a0, 1\n    ecall", "li a0, 1; ecall", "ecall", "_start: nop"]
)
def test_a_programs_text_is_told_to_be_assembled(text):
    with pytest.raises(VlabError) as error:
        load_image(text)
    assert "There is no such file." in str(error.value)
    assert "assemble it first: `Machine(assemble(text))`" in str(error.value)
    assert error.value.where == text.strip().partition("\n")[0]


@pytest.mark.parametrize("name", ["none.elf", "kernle", "folder/none"])
def test_a_name_is_not_taken_for_a_text(name):
    with pytest.raises(VlabError, match=r"There is no such file\.\nCheck the name"):
        load_image(name)
