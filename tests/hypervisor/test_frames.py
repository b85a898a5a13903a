import pytest

from vlab.hypervisor.frames import FramePool, Frames, OutOfFrames, clear
from vlab.language import VlabError
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


def test_all_of_a_memory_is_handed_out_in_runs_and_singly():
    memory = Memory(8 * PAGE)
    frames = Frames(memory, 2)
    assert frames.take(3, "x") == [FIRST + 2, FIRST + 3, FIRST + 4]
    assert frames.allocate() == (FIRST + 7) * PAGE
    memory.poke((FIRST + 3) * PAGE, b"used")
    frames.give([FIRST + 3])
    assert memory.peek((FIRST + 3) * PAGE, 4) == bytes(4)
    with pytest.raises(VlabError, match="16 KiB are needed, and the computer has 12 KiB left"):
        frames.take(4, "x")
    assert frames.take(3, "x") == [FIRST + 3, FIRST + 5, FIRST + 6]
    with pytest.raises(OutOfFrames):
        frames.allocate()
    frames.release((FIRST + 7) * PAGE)
    assert frames.free == 1


@pytest.mark.parametrize(
    "wrong",
    [
        [FIRST],
        [FIRST + 1],
        [FIRST - 1],
        [FIRST + 4],
        [FIRST + 2] * 2,
        ["x"],
        [None],
        [True],
        [1.5],
        [1 << 70],
    ],
)
def test_only_free_frames_are_claimed_and_all_or_none(wrong):
    frames = Frames(Memory(4 * PAGE), 2)
    assert not frames.claim([FIRST + 3, *wrong])
    assert frames.claim([FIRST + 3, FIRST + 2])
    assert frames.free == 0


def test_too_many_frames_are_refused_without_counting_them() -> None:
    frames = Frames(Memory(4 * PAGE), 2)
    with pytest.raises(VlabError, match="are needed"):
        frames.take(1 << 62, "huge")
    assert frames.free == 2
