import pytest

from vlab.hypervisor.frames import FramePool, OutOfFrames, clear
from vlab.machine.memory import PAGE, Memory

FIRST = 0x80000


def test_frames_are_handed_out_and_taken_back_zeroed():
    memory = Memory(4 * PAGE)
    pool = FramePool(memory, [FIRST, FIRST + 2])
    frames = {pool.allocate(), pool.allocate()}
    assert frames == {FIRST * PAGE, (FIRST + 2) * PAGE}
    with pytest.raises(OutOfFrames, match="No frame is left"):
        pool.allocate()
    memory.poke(FIRST * PAGE, b"used")
    pool.release(FIRST * PAGE)
    assert memory.peek(FIRST * PAGE, 4) == bytes(4)
    assert pool.allocate() == FIRST * PAGE


def test_frames_are_cleared_before_their_first_use():
    memory = Memory(4 * PAGE)
    memory.poke(FIRST * PAGE, b"x" * 4 * PAGE)
    memory.pages()
    clear(memory, [FIRST + 1, FIRST + 2])
    assert memory.pages().keys() == {0, 3}


def test_clearing_writes_only_where_something_is():
    memory = Memory(4 * PAGE)
    clear(memory, range(FIRST, FIRST + 4))
    assert memory.dirty == set()
