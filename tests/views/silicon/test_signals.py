"""Pictures of signals, alone and beside virtual interrupts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.views.structure import all_text, check
from vlab import Hypervisor, Machine, guests
from vlab.events import Recording
from vlab.language import LANGUAGES, set_language
from vlab.silicon import SignalRun, run_signals
from vlab.silicon.signals import SIGNALS, Moment
from vlab.views import signals_beside_interrupts, signals_picture

RECORDED = run_signals(live=False)


@pytest.fixture(scope="module")
def run():
    machine = Machine(memory="8M")
    Hypervisor(machine).create_vm(guests.load("kernel"), memory="4M", name="guest")
    with machine.events.record() as run:
        machine.run(60_000)
    return run


def play(steps):
    """What a kernel does with a script: the rules, for pictures of any run."""
    blocked, pending, moments = set(), set(), []
    for verb, chosen in steps:
        delivered, taken = [], ""
        if verb == "block":
            blocked |= {*chosen}
        elif verb == "unblock":
            blocked -= {*chosen}
        elif verb == "send":
            pending |= {*chosen}
        elif ready := sorted(pending & {*chosen}):
            taken = ready[0]
            pending.discard(taken)
        delivered = sorted(pending - blocked, key=SIGNALS.index)
        pending &= blocked
        moments.append(Moment(verb, tuple(chosen), tuple(sorted(pending)), tuple(delivered), taken))
    return SignalRun(tuple(moments), RECORDED.host)


steps = st.tuples(
    st.sampled_from(("block", "unblock", "send", "wait")),
    st.lists(st.sampled_from(SIGNALS), min_size=1, max_size=5, unique=True),
)


@given(st.lists(steps, max_size=20), st.booleans(), st.sampled_from(LANGUAGES))
def test_any_run_is_drawn_whole(script, details, code):
    set_language(code)
    check(signals_picture(play(script), details=details))


def test_the_waiting_the_merging_and_the_order_are_said():
    words = all_text(signals_picture(RECORDED))
    assert words.count("the mask") == 2
    assert words.count("merged") == 1
    assert "taken by the wait" in words
    lanes = [words.index(name) for name in ("SIGUSR1", "SIGUSR2", "SIGALRM")]
    assert lanes == sorted(lanes)
    assert words[lanes[0] : lanes[1]].count("1") == 1 and "2" in words[lanes[1] : lanes[2]]
    assert any("Recorded on" in line for line in all_text(RECORDED.details))


def test_signals_stand_beside_the_virtual_interrupt_that_was_held_back(run):
    picture = RECORDED.beside(run)
    check(picture)
    words = all_text(picture)
    assert {"sigwait()", "wfi", "sstatus.SIE", "the mask", "guest"} <= {*words}
    assert repr(RECORDED) in picture.sentence
    assert "held back for" in picture.sentence and "by sstatus.SIE" in picture.sentence


def test_a_part_that_was_chosen_is_shown_as_it_is(run):
    part = run.interrupts().only(vm="guest").between(0, 3000)
    picture = signals_beside_interrupts(RECORDED, part)
    check(picture)
    assert repr(part) in picture.sentence


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_recording_without_interrupts_is_drawn_too(code):
    set_language(code)
    check(signals_beside_interrupts(RECORDED, Recording()))
