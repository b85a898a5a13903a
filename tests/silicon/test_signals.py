"""Scripts of signals: played here, recorded, and what is no script."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.silicon.hosts import LINUX
from vlab.display import bundle
from vlab.language import VlabError
from vlab.silicon import SignalRun, asking, run_signals, signals
from vlab.silicon.fields import Fields
from vlab.silicon.signals import SCRIPT, SIGNALS, VERBS, Moment, moment_from, parse

HOST = asking.recorded().host


@LINUX
def test_the_story_of_the_script():
    run = run_signals()
    assert run.live
    assert run.delivered == ("SIGUSR1", "SIGUSR2", "SIGUSR1")
    one, other = run.journeys[:2]
    assert (one.signal, one.pending, one.merged, one.delivered) == ("SIGUSR2", 1, (), 4)
    assert (other.signal, other.pending, other.merged, other.delivered) == ("SIGUSR1", 2, (3,), 4)
    assert [(last.signal, last.waited, last.taken) for last in run.journeys[2:]] == [
        ("SIGUSR1", 0, None),
        ("SIGALRM", 0, 8),
    ]
    assert "4 sent, 1 of them merged" in repr(run)
    assert run.blocked("SIGUSR1") == [(0, 4)] and run.blocked("SIGALRM") == [(6, 9)]


@LINUX
def test_what_was_recorded_is_what_happens_here():
    live, recorded = run_signals(), run_signals(live=False)
    assert live.moments == recorded.moments
    assert repr(live) == repr(recorded)
    assert not recorded.live and recorded.source.startswith("Recorded on")


def test_every_host_stores_the_same(monkeypatch):
    live = run_signals()

    def refuse(*_arguments):
        raise asking.Unavailable("no")

    monkeypatch.setattr(signals, "ask_child", refuse)
    assert bundle(run_signals())[0]["text/html"] == bundle(live)[0]["text/html"]
    with pytest.raises(VlabError, match="Nothing is recorded of this script"):
        run_signals(["send SIGUSR1"])


@LINUX
def test_a_script_that_would_wait_for_ever_is_said():
    with pytest.raises(VlabError, match=r"At step 1 \(wait SIGUSR1\) the process would wait for ever"):
        run_signals(["block SIGUSR1", "wait SIGUSR1"])
    timer = ["block SIGALRM", "alarm SIGALRM", "wait SIGALRM"]
    with pytest.raises(VlabError, match="At step 3"):  # it rings once
        run_signals([*timer, "wait SIGALRM"])
    assert [moment.taken for moment in run_signals(timer)] == ["", "", "SIGALRM"]


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ([], "from 1 to 20 steps"),
        (["send SIGUSR1"] * 21, "from 1 to 20 steps"),
        (["kill SIGUSR1"], "Step 0 is no step"),
        (["send"], "Step 0 is no step"),
        ([""], "Step 0 is no step"),
        (["send SIGKILL"], "Step 0 is no step"),
        (["block SIGUSR1", "alarm SIGUSR1"], "Step 1 is no step"),
        (["alarm SIGALRM"], "must be blocked"),
        (["block SIGUSR1", "unblock SIGUSR1", "wait SIGUSR1"], "Step 2: what is waited for must be blocked"),
    ],
)
def test_what_is_no_script_is_said(script, complaint):
    with pytest.raises(VlabError, match=complaint):
        parse(script)


def test_a_script_of_one_step_may_be_a_text():
    assert parse("send SIGHUP SIGTERM") == [["send", "SIGHUP", "SIGTERM"]]


def test_moments_go_into_json_and_out():
    for moment in run_signals(live=False):
        data = moment.to_json()
        assert moment_from(data["step"], Fields(data, "x")) == moment


@pytest.mark.parametrize(
    "damage", [{"pending": ["SIGKILL"]}, {"pending": "SIGUSR1"}, {"delivered": [3]}, {"taken": None}]
)
def test_a_damaged_moment_is_said(damage):
    data = {"pending": [], "delivered": [], "taken": ""} | damage
    with pytest.raises(VlabError, match="no recorded data"):
        moment_from(["send", "SIGUSR1"], Fields(data, "x"))


names = st.lists(st.sampled_from(SIGNALS), min_size=1, max_size=3, unique=True)


@LINUX
@settings(max_examples=6)
@given(st.lists(st.tuples(st.sampled_from(("block", "unblock", "send")), names), min_size=1, max_size=20))
def test_any_script_keeps_the_rules_of_signals(steps):
    run = run_signals([" ".join((verb, *chosen)) for verb, chosen in steps])
    blocked: set[str] = set()
    sent = 0
    for moment in run:
        blocked = blocked | {*moment.signals} if moment.verb == "block" else blocked
        blocked = blocked - {*moment.signals} if moment.verb == "unblock" else blocked
        sent += len(moment.signals) * (moment.verb == "send")
        assert {*moment.pending} <= blocked
        assert not {*moment.delivered} & blocked
    merged = sum(len(one.merged) for one in run.journeys)
    waiting = sum(one.end is None for one in run.journeys)
    assert len(run.delivered) + merged + waiting == sent


def test_a_run_of_no_steps_is_none_the_less_a_run():
    run = SignalRun((), HOST)
    assert (len(run), run.signals, run.journeys) == (0, (), ())
    assert "0 steps" in repr(run)
    assert Moment("send", ("SIGHUP",)).step == "send SIGHUP" and "send" in VERBS and len(SCRIPT) == 9
