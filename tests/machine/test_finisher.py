"""The finisher: what a guest can ask for, and what the machine then sees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.language import VlabError
from vlab.machine.bus import BusError
from vlab.machine.devices import Finisher


def test_a_guest_that_has_not_asked_runs_on():
    finisher = Finisher()
    assert (finisher.status, finisher.reset, finisher.load(0, 4)) == (None, False, 0)


@pytest.mark.parametrize(
    ("value", "status", "reset"),
    [
        (0x5555, 0, False),
        (0xABCD_5555, 0, False),
        (0x2A_3333, 42, False),
        (0xFFFF_3333, 0xFFFF, False),
        (0x3333, 1, False),
        (0x7777, 0, True),
        (0x1234, None, False),
        (0, None, False),
        (0x5555_0000, None, False),
    ],
)
def test_the_low_half_says_what_is_wanted(value, status, reset):
    finisher = Finisher()
    finisher.store(0, 4, value)
    assert (finisher.status, finisher.reset) == (status, reset)
    other = Finisher()
    other.restore(finisher.state())
    assert (other.status, other.reset) == (status, reset)


def test_a_word_that_means_nothing_withdraws_nothing():
    finisher = Finisher()
    finisher.store(0, 4, 0x7_3333)
    finisher.store(0, 4, 0x1234)
    assert finisher.status == 7


@pytest.mark.parametrize(("half", "status"), [(0x5555, 0), (0x3333, 1), (0x7777, 0)])
def test_the_low_half_may_be_stored_alone(half, status):
    finisher = Finisher()
    finisher.store(0, 2, half)
    assert finisher.status == status


@given(st.integers(-8, 0x1008), st.sampled_from([1, 2, 4, 8]))
def test_only_its_register_answers(offset, size):
    if (offset, size) in ((0, 4), (0, 2)):  # OpenSBI stores two bytes
        return
    finisher = Finisher()
    with pytest.raises(BusError):
        finisher.load(offset, size)
    with pytest.raises(BusError):
        finisher.store(offset, size, 0x5555)
    assert finisher.status is None


@pytest.mark.parametrize("request_", [1, -1, 1 << 32, 0x1_5555, None, "0"])
def test_a_bad_state_is_refused_and_changes_nothing(request_):
    finisher = Finisher()
    finisher.store(0, 4, 0x5555)
    with pytest.raises(VlabError, match="finisher"):
        finisher.restore({"request": request_})
    assert finisher.status == 0
