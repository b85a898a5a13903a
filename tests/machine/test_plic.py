"""The PLIC: who is asked first, one claim at a time, and that no state or guest breaks it."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.language import VlabError
from vlab.machine.bus import BusError
from vlab.machine.devices import Plic

PENDING, ENABLE, THRESHOLD, CLAIM = 0x1000, 0x2000, 0x20_0000, 0x20_0004
MEI, SEI = 1 << 11, 1 << 9


class Board(SimpleNamespace):
    """A PLIC with pins 1, 5 and 31, and shorthands for its registers."""

    def __init__(self):
        self.plic = Plic()
        self.pin = {n: SimpleNamespace(name=f"pin{n}", interrupting=False) for n in (1, 5, 31)}
        for source, pin in self.pin.items():
            self.plic.wire(source, pin)

    def set(self, offset, value):
        self.plic.store(offset, 4, value)

    def get(self, offset):
        return self.plic.load(offset, 4)

    def enable(self, *sources, context=0, priority=1):
        for source in sources:
            self.set(4 * source, priority)
        self.set(ENABLE + 0x80 * context, sum(1 << source for source in sources))

    def up(self, *sources):
        for source, pin in self.pin.items():
            pin.interrupting = source in sources


@pytest.fixture
def board():
    return Board()


def test_nothing_interrupts_before_it_is_set_up(board):
    board.up(1, 5, 31)
    assert board.get(PENDING) == 1 << 1 | 1 << 5 | 1 << 31
    assert board.plic.lines(0) == 0
    board.set(ENABLE, 1 << 5)
    assert board.plic.lines(0) == 0  # of priority 0: never
    board.set(4 * 5, 1)
    assert board.plic.lines(0) == MEI


def test_each_context_has_its_own_enables_and_threshold(board):
    board.enable(5, context=1, priority=3)
    board.up(5)
    assert board.plic.lines(0) == SEI
    board.enable(5, context=0, priority=3)
    assert board.plic.lines(0) == SEI | MEI
    board.set(THRESHOLD + 0x1000, 3)
    assert board.plic.lines(0) == MEI
    board.set(THRESHOLD + 0x1000, 2)
    assert board.plic.lines(0) == SEI | MEI
    assert board.get(THRESHOLD + 0x1000) == 2


def test_one_claim_at_a_time_until_it_is_completed(board):
    board.enable(5)
    board.up(5)
    assert board.get(CLAIM) == 5
    assert board.plic.lines(0) == 0
    assert board.get(PENDING) == 0
    assert board.get(CLAIM) == 0
    board.set(CLAIM, 5)
    assert board.plic.lines(0) == MEI  # its pin is still up
    board.up()
    assert board.plic.lines(0) == 0


def test_the_most_urgent_is_claimed_first_and_of_equals_the_lowest(board):
    board.enable(1, 5, 31)
    board.set(4 * 31, 7)
    board.up(1, 5, 31)
    assert [board.get(CLAIM) for _again in range(4)] == [31, 1, 5, 0]


def test_a_claim_does_not_ask_for_the_threshold(board):
    board.enable(1)
    board.up(1)
    board.set(THRESHOLD, 7)
    assert board.plic.lines(0) == 0
    assert board.get(CLAIM) == 1


@pytest.mark.parametrize("source", [0, 1, 32, 0xFFFF_FFFF])
def test_completing_what_is_not_enabled_is_ignored(board, source):
    board.enable(5)
    board.up(5)
    assert board.get(CLAIM) == 5
    board.set(CLAIM, source)
    assert board.plic.lines(0) == 0
    board.set(ENABLE, 0)
    board.set(CLAIM, 5)
    board.set(ENABLE, 1 << 5)
    assert board.plic.lines(0) == 0


def test_registers_keep_what_they_can(board):
    board.set(4 * 31, 0xFFFF_FFFF)
    board.set(0, 5)
    board.set(ENABLE, 0xFFFF_FFFF)
    board.set(PENDING, 0xFFFF_FFFF)
    board.set(THRESHOLD, 0xF)
    assert [board.get(at) for at in (4 * 31, 0, ENABLE, PENDING, THRESHOLD)] == [7, 0, 0xFFFF_FFFE, 0, 7]
    for nowhere in (4 * 32, 0x1004, 0x1FFC, 0x2004, 0x2100, 0x20_0008, 0x20_2000, 0x3FF_FFFC):
        board.set(nowhere, 1)
        assert board.get(nowhere) == 0


@pytest.mark.parametrize("size", [1, 2, 8])
def test_it_takes_words_only(board, size):
    with pytest.raises(BusError):
        board.plic.load(0, size)
    with pytest.raises(BusError):
        board.plic.store(0, size, 1)


@pytest.mark.parametrize("source", [0, 32, -1, 5])
def test_a_pin_goes_to_a_source_of_its_own(board, source):
    with pytest.raises(VlabError, match=f"new: .*{source}"):
        board.plic.wire(source, SimpleNamespace(name="new", interrupting=False))


OFFSET = st.sampled_from([0, PENDING, ENABLE, ENABLE + 0x80, THRESHOLD, THRESHOLD + 0x1000]).flatmap(
    lambda at: st.integers(0, 0x20).map(lambda n: at + 4 * n)
)
ACTION = st.tuples(OFFSET, st.none() | st.integers(0, 0xFFFF_FFFF)) | st.sets(st.sampled_from([1, 5, 31]))


def seen(board, actions):
    """What software sees when these happen."""
    result = []
    for action in actions:
        if isinstance(action, set):
            board.up(*action)
        elif action[1] is None:
            result.append(board.get(action[0]))
        else:
            board.set(*action)
        result.append(board.plic.lines(0))
    return result


@given(st.lists(ACTION, max_size=40), st.lists(ACTION, max_size=40))
def test_a_restored_one_goes_on_as_the_first(before, after):
    board = Board()
    seen(board, before)
    saved, pins = board.plic.state(), {n for n, pin in board.pin.items() if pin.interrupting}
    expected = seen(board, after)
    other = Board()
    other.plic.restore(saved)
    other.up(*pins)
    assert seen(other, after) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"priority": [0] * 31},
        {"priority": [8] * 32},
        {"priority": [True] * 32},
        {"enabled": [1 << 32, 0]},
        {"threshold": [0]},
        {"threshold": [0, -1]},
        {"claimed": 1 << 32},
        {"more": 1},
    ],
)
def test_a_bad_state_changes_nothing(board, change):
    board.enable(1, 5)
    before = board.plic.state()
    with pytest.raises(VlabError, match="plic"):
        board.plic.restore(before | change)
    assert board.plic.state() == before
