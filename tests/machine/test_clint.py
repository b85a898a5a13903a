"""The CLINT: its registers and their halves, the interrupts it asserts, and when they change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.language import VlabError
from vlab.machine.bus import BusError
from vlab.machine.devices import Clint

MSIP, MTIMECMP, MTIME = 0x0000, 0x4000, 0xBFF8
MSI, MTI = 1 << 3, 1 << 7
DOUBLE = (1 << 64) - 1
U64 = st.integers(min_value=0, max_value=DOUBLE)
TIME = st.integers(min_value=0, max_value=1 << 62)


class Clock:
    def __init__(self, now=0):
        self.now = now

    def __call__(self):
        return self.now


def test_at_reset_nothing_is_asserted_and_no_alarm_is_set():
    clint = Clint(Clock())
    assert (clint.load(MSIP, 4), clint.load(MTIME, 8), clint.load(MTIMECMP, 8)) == (0, 0, DOUBLE)
    assert clint.lines(0) == 0
    assert clint.deadline(0) is None


def test_mtime_follows_the_clock():
    clock = Clock(41)
    clint = Clint(clock)
    clock.now = 42
    assert (clint.mtime, clint.load(MTIME, 8), clint.load(MTIME, 4), clint.load(MTIME + 4, 4)) == (
        42,
        42,
        42,
        0,
    )


def test_the_timer_interrupt_is_asserted_from_the_alarm_on():
    clint = Clint(Clock())
    clint.store(MTIMECMP, 8, 100)
    assert clint.mtimecmp == 100
    assert clint.deadline(0) == 100
    assert clint.lines(99) == 0
    assert clint.lines(100) == MTI
    assert clint.lines(101) == MTI


def test_setting_the_alarm_ahead_withdraws_the_interrupt():
    clint = Clint(Clock(100))
    clint.store(MTIMECMP, 8, 50)
    assert clint.lines(100) == MTI
    clint.store(MTIMECMP, 8, 150)
    assert clint.lines(100) == 0


def test_the_comparison_is_unsigned():
    clint = Clint(Clock())
    clint.store(MTIMECMP, 8, 1 << 63)
    assert clint.lines(5) == 0


def test_msip_keeps_bit_0_only():
    clint = Clint(Clock())
    clint.store(MSIP, 4, 0xFFFF_FFFF)
    assert clint.load(MSIP, 4) == 1
    assert clint.lines(0) == MSI
    clint.store(MSIP, 4, 0xFFFF_FFFE)
    assert clint.lines(0) == 0


def test_halves_are_written_apart():
    clock = Clock(7)
    clint = Clint(clock)
    clint.store(MTIMECMP, 4, 0x1111_1111)
    clint.store(MTIMECMP + 4, 4, 0x2222_2222)
    assert clint.load(MTIMECMP, 8) == 0x2222_2222_1111_1111
    assert clint.load(MTIMECMP + 4, 4) == 0x2222_2222
    clint.store(MTIME + 4, 4, 3)
    assert clint.mtime == 3 << 32 | 7
    clint.store(MTIME, 4, 9)
    assert clint.mtime == 3 << 32 | 9


def test_writing_mtime_shifts_it_and_it_goes_on_counting():
    clock = Clock(1000)
    clint = Clint(clock)
    clint.store(MTIMECMP, 8, 50)
    clint.store(MTIME, 8, 10)
    assert clint.mtime == 10
    assert clint.lines(1000) == 0
    assert clint.deadline(1000) == 1040
    clock.now = 1039
    assert clint.mtime == 49
    assert clint.lines(1039) == 0
    assert clint.lines(1040) == MTI


def test_mtime_starts_again_at_0_and_with_it_the_interrupt():
    clint = Clint(Clock(0))
    clint.store(MTIMECMP, 8, 5)
    clint.store(MTIME, 8, DOUBLE - 1)
    assert clint.lines(0) == MTI
    assert clint.deadline(0) == 2
    assert clint.lines(2) == 0
    assert clint.deadline(2) == 7
    clint.store(MTIMECMP, 8, 0)
    assert clint.deadline(0) is None
    assert clint.lines(2) == MTI


@given(TIME, U64, U64, st.integers(min_value=0, max_value=1 << 20))
def test_the_lines_change_at_the_deadline_and_not_before(time, mtime, mtimecmp, step):
    clint = Clint(Clock(time))
    clint.store(MTIME, 8, mtime)
    clint.store(MTIMECMP, 8, mtimecmp)
    deadline, lines = clint.deadline(time), clint.lines(time)
    if deadline is None:
        assert clint.lines(time + step) == lines
    else:
        assert deadline > time
        assert clint.lines(min(time + step, deadline - 1)) == lines
        assert clint.lines(deadline - 1) == lines
        assert clint.lines(deadline) == lines ^ MTI


@pytest.mark.parametrize(
    ("offset", "size"),
    [
        (MSIP, 1),
        (MSIP, 8),
        (4, 4),
        (MTIMECMP, 1),
        (MTIMECMP, 2),
        (MTIMECMP + 2, 4),
        (MTIMECMP + 4, 8),
        (MTIMECMP + 8, 8),
        (MTIME - 8, 8),
        (MTIME + 8, 8),
        (MTIME + 6, 2),
        (-8, 8),
    ],
)
def test_what_is_no_register_is_refused(offset, size):
    clint = Clint(Clock())
    with pytest.raises(BusError):
        clint.load(offset, size)
    with pytest.raises(BusError):
        clint.store(offset, size, 0)


ACCESS = st.tuples(
    st.sampled_from([MSIP, MTIMECMP, MTIMECMP + 4, MTIME, MTIME + 4]) | st.integers(-8, 0x1_0008),
    st.sampled_from([1, 2, 4, 8]),
    st.none() | U64,
)


def traffic(clint, clock, accesses):
    """What a guest sees of these accesses."""
    seen = []
    for offset, size, value in accesses:
        clock.now += 3
        try:
            seen.append(clint.load(offset, size) if value is None else clint.store(offset, size, value))
        except BusError:
            seen.append("refused")
        seen.append((clint.lines(clock.now), clint.deadline(clock.now), clint.mtime))
    return seen


@given(st.lists(ACCESS, max_size=30), st.lists(ACCESS, max_size=30))
def test_a_restored_one_goes_on_as_the_first(before, after):
    clock = Clock()
    clint = Clint(clock)
    traffic(clint, clock, before)
    saved, then = clint.state(), clock.now
    expected = traffic(clint, clock, after)
    other_clock = Clock(then)
    other = Clint(other_clock)
    other.restore(saved)
    assert traffic(other, other_clock, after) == expected
    assert other.state() == clint.state()


@pytest.mark.parametrize(
    "change",
    [{"msip": 2}, {"mtimecmp": 1 << 64}, {"offset": -1}, {"offset": "0"}, {"msip": None}, {"extra": 0}],
)
def test_a_bad_state_is_refused_and_changes_nothing(change):
    clint = Clint(Clock())
    clint.store(MTIMECMP, 8, 77)
    before = clint.state()
    with pytest.raises(VlabError, match="clint"):
        clint.restore({"msip": 1, "mtimecmp": 0, "offset": 1} | change)
    assert clint.state() == before
