"""Listings: read, refused, and run by another implementation of the CPU."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.language import VlabError
from vlab.silicon import Line, Listing, run_in_kvm
from vlab.silicon.children import kvm
from vlab.silicon.listing import LISTINGS, START


def run_in_unicorn(code):
    """The accesses of a guest, its registers at its end, and what it printed, as Unicorn's CPU makes them."""
    unicorn = pytest.importorskip("unicorn", reason="unicorn, another emulator, isn't installed")
    x86_const = pytest.importorskip("unicorn.x86_const")
    cpu, devices = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_16), kvm.Devices()
    found: list[list[object]] = []
    names = ("RAX", "RBX", "RCX", "RDX")
    registers = [getattr(x86_const, f"UC_X86_REG_E{name[1:]}") for name in names]

    def seen(row):
        found.append([row["access"], row["address"], row["value"]])

    def write(_cpu, port, size, value, _data):
        seen(devices.port(True, port, size, 1, memoryview(value.to_bytes(size, "little"))))

    def read(_cpu, port, size, _data):
        data = bytearray(size)
        seen(devices.port(False, port, size, 1, memoryview(data)))
        return int.from_bytes(data, "little")

    def maker(cpu, _data):
        for register, value in zip(registers, (0, int.from_bytes(kvm.MAKER, "little"), 0, 0), strict=True):
            cpu.reg_write(register, value)
        return 1

    def store(_cpu, offset, size, value, _data):
        data = memoryview(bytearray(value.to_bytes(size, "little")))
        seen(devices.memory(True, kvm.MEMORY + offset, size, data))

    def load(_cpu, offset, size, _data):
        data = bytearray(size)
        seen(devices.memory(False, kvm.MEMORY + offset, size, memoryview(data)))
        return int.from_bytes(data, "little")

    cpu.mem_map(0, kvm.MEMORY)
    cpu.mmio_map(kvm.MEMORY, 0x8000, load, None, store, None)
    cpu.mem_write(START, code)
    for hook, instruction in (
        (write, x86_const.UC_X86_INS_OUT),
        (read, x86_const.UC_X86_INS_IN),
        (maker, x86_const.UC_X86_INS_CPUID),
    ):
        cpu.hook_add(unicorn.UC_HOOK_INSN, hook, aux1=instruction)
    cpu.emu_start(START, START + len(code))
    return found, [cpu.reg_read(register) for register in registers], bytes(devices.console)


@pytest.mark.parametrize("name", LISTINGS)
def test_another_cpu_makes_the_same_of_its_bytes(name):
    listing, run = Listing.named(name), run_in_kvm(name, live=False)
    accesses, registers, console = run_in_unicorn(listing.code)
    assert accesses == [[one.access, one.address, one.value] for one in run if one.access]
    assert registers == list(run[-1].registers[1:])
    assert console.decode() == run.console == "vlab"


def test_a_listing_says_where_each_instruction_stands():
    listing = Listing.parse("\n b0 41   mov   $0x41, %al   #  a letter\n\n# nothing\nF4")
    assert listing.lines == (
        Line(0x1000, b"\xb0\x41", "mov $0x41, %al", "a letter"),
        Line(0x1002, b"\xf4", ""),
    )
    assert listing.code == b"\xb0\x41\xf4" and listing.lines[0].end == 0x1002
    assert repr(listing) == "A guest of 2 instructions, 3 bytes, for x86 in 16-bit mode."
    assert str(listing).splitlines() == [
        "0x1000  b0 41           mov $0x41, %al       # a letter",
        "0x1002  f4",
    ]


def test_what_is_printed_can_be_read_again():
    for name in LISTINGS:
        listing = Listing.named(name)
        printed = "\n".join(line.split("  ", 1)[1] for line in str(listing).splitlines())
        assert Listing.parse(printed, name) == listing


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "from 1 to 100 lines"),
        ("# a note", "from 1 to 100 lines"),
        ("f4\n" * 101, "from 1 to 100 lines"),
        ("hlt", "Line 1 of the listing is none: 'hlt'"),
        ("f4\n4 f", "Line 2"),
        ("f4f4 hlt", "Line 1"),
        ("90 " * 16 + "nop", "Line 1"),
        ("f4 h\x1blt", "Line 1"),
        ("f4 " + "hlt " * 60, "Line 1"),
    ],
)
def test_what_is_no_listing_is_said(text, complaint):
    with pytest.raises(VlabError, match=complaint):
        Listing.parse(text)


def test_a_name_that_is_none_is_said():
    with pytest.raises(VlabError, match="no listing 'dance'") as caught:
        Listing.named("dance")
    assert "word" in caught.value.mend


@given(st.text(max_size=80))
def test_any_text_is_a_listing_or_is_refused(text):
    try:
        assert Listing.parse(text).code
    except VlabError:
        pass
