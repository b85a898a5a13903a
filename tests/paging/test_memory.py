import pytest

from vlab.language import VlabError
from vlab.paging import Memory
from vlab.riscv.privilege import Cause, Trap


def test_little_endian():
    memory = Memory()
    memory.store(0x8000_0008, 8, 0x0102_0304_0506_0708)
    assert memory.load(0x8000_0008, 1) == 8
    assert memory.load(0x8000_000C, 4) == 0x0102_0304
    memory.store(0x8000_0000, 2, 0x12345)
    assert memory.load(0x8000_0000, 4) == 0x2345


@pytest.mark.parametrize("address", [0, 0x7FFF_FFFF, 0x8000_0FF9, 0x8000_1000, -1, 1 << 70])
def test_outside_it_traps(address):
    memory = Memory(0x1000)
    with pytest.raises(Trap) as trap:
        memory.load(address, 8)
    assert (trap.value.cause, trap.value.value) == (Cause.LOAD_ACCESS_FAULT, address)
    with pytest.raises(Trap) as trap:
        memory.store(address, 8, 1)
    assert trap.value.cause is Cause.STORE_ACCESS_FAULT
    assert not any(memory.data)


def test_frames_are_aligned_zeroed_and_used_again():
    memory = Memory(0x2_0000)
    first, large = memory.allocate(), memory.allocate(0x4000)
    assert first == 0x8001_0000
    assert large == 0x8001_4000
    memory.store(first, 8, 99)
    memory.release(first)
    assert memory.allocate() == first
    assert memory.load(first, 8) == 0


def test_no_frames_left():
    memory = Memory(0x4000)
    memory.allocate()
    memory.allocate()
    with pytest.raises(VlabError, match="Memory of 16 KiB at 0x80000000: No frame of 4 KiB is left"):
        memory.allocate()
