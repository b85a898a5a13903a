"""How a computer is started, and how `tohost` ends a run: on a machine and in a VM alike."""

import struct

import pytest

from vlab.hypervisor import Hypervisor
from vlab.language import VlabError
from vlab.machine import Machine
from vlab.riscv import Mode, assemble

STAY = assemble("_start: j _start\n    .globl _start\n")
NEXT = assemble("    nop\n_start: j _start\n    .globl _start\n", base=0x8020_0000)
TEST = assemble("    .globl _start\n_start: j _start\n    .balign 8\ntohost: .dword 0\n")
SIZE = 4 << 20


@pytest.fixture(params=[0, 1], ids=["machine", "vm"])
def computer(request):
    if request.param == 0:
        return Machine(memory=SIZE)
    machine = Machine(memory=Hypervisor.memory_for(SIZE))
    return Hypervisor(machine).create_vm(memory=SIZE)


def test_an_image_starts_in_m_mode_with_its_device_tree(computer):
    computer.load(STAY)
    hart = computer.hart
    assert (hart.mode, hart.pc, hart.x[10], hart.x[12]) == (Mode.M, 0x8000_0000, 0, 0)
    assert computer.memory.peek(hart.x[11], 4) == b"\xd0\x0d\xfe\xed"


def test_firmware_is_told_of_its_next_stage(computer):
    both = computer.load(STAY, next_stage=NEXT)
    hart = computer.hart
    assert (both.entry, both.symbols["_start"]) == (0x8000_0000, 0x8020_0004)
    assert (hart.mode, hart.pc, hart.x[10]) == (Mode.M, 0x8000_0000, 0)
    assert computer.memory.peek(0x8020_0000, 4) == NEXT.segments[0][1][:4]
    told = struct.unpack("<6Q", computer.memory.peek(hart.x[12], 48))
    assert told == (0x4942_534F, 2, 0x8020_0004, Mode.S, 0, 0)


def test_firmware_may_lengthen_the_device_tree_where_it_stands(computer):
    computer.load(STAY, next_stage=NEXT)
    place, info = computer.hart.x[11:13]
    tree = int.from_bytes(computer.memory.peek(place + 4, 4), "big")
    assert computer.memory.peek(place + tree, 4000) == bytes(4000)
    assert place + tree + 4000 <= info


def test_a_raw_next_stage_stands_where_firmware_looks_for_it(computer):
    computer.load(STAY, next_stage=b"\x13\0\0\0")
    assert computer.memory.peek(0x8020_0000, 4) == b"\x13\0\0\0"
    told = struct.unpack("<6Q", computer.memory.peek(computer.hart.x[12], 48))
    assert told[2] == 0x8020_0000


def test_stages_that_overlap_are_refused(computer):
    with pytest.raises(VlabError, match=r"firmware and its next stage: .* overlaps"):
        computer.load(STAY, next_stage=STAY)


@pytest.mark.parametrize("bootargs", ["", "quiet"])
def test_what_is_no_device_tree_is_refused(computer, bootargs):
    with pytest.raises(VlabError, match="This isn't a device tree"):
        computer.load(STAY, dtb=b"garbage", bootargs=bootargs)


@pytest.mark.parametrize(("value", "status"), [(1, 0), (7, 3), (0xFFFF_FFFF, 0x7FFF_FFFF)])
def test_an_odd_word_in_tohost_is_the_status(computer, value, status):
    program = computer.load(TEST)
    computer.memory.store(program.symbols["tohost"], 8, value)
    assert computer.status == status


@pytest.mark.parametrize("value", [0, 2, 0x8000_1000, 0x0100_0000_0000_0001, 0x0201_0000_0000_0001])
def test_other_words_in_tohost_end_nothing(computer, value):
    program = computer.load(TEST)
    computer.memory.store(program.symbols["tohost"], 8, value)
    assert computer.status is None


def test_a_character_in_tohost_is_shown_and_taken(computer):
    heard: list[bytes] = []
    program = computer.load(TEST)
    computer.uart.listener = heard.append
    for letter in b"ok":
        computer.memory.store(program.symbols["tohost"], 8, 0x0101 << 48 | letter)
        assert computer.memory.load(program.symbols["tohost"], 8) == 0
    assert (computer.console, heard, computer.status) == ("ok", [b"o", b"k"], None)
