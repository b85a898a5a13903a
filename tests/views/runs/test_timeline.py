import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.views.recordings import Script, recordings
from tests.views.structure import all_text, check
from vlab import events as ev
from vlab.events import Recording
from vlab.language import VlabError, set_language
from vlab.views import Timeline


@pytest.fixture
def run():
    return Script(1).record(6)


@pytest.fixture
def timeline(run):
    return run.timeline()


def test_it_shows_every_event_and_says_where(timeline, run):
    assert list(timeline.events) == list(run)
    counts = [
        int(part.rsplit(" ", 1)[1]) for part in timeline.sentence.rstrip(".").split("; ")[1].split(", ")
    ]
    assert sum(counts) == len(run)
    assert repr(timeline) == timeline.sentence == timeline.picture.sentence
    assert timeline.sentence.startswith(
        f"Timeline, time 107 to {run[-1].time + 1}: 216 of 216 events; machine "
    )


def test_only_keeps_a_kind_a_cause_or_what_follows_from_an_event(timeline, run):
    assert list(timeline.only(cause="Exit").events) == [one for one in run if isinstance(one, ev.Exit)]
    faults = timeline.only(cause="hidden-fault").events
    assert {one.reason for one in faults} == {"hidden-fault"} and len(faults) == 6
    timers = timeline.only(cause="supervisor timer interrupt").events
    assert {one.kind for one in timers} == {"Trap", "Injection"}
    assert list(timeline.only(cause=run[0]).events) == list(run.caused_by(run[0]))
    assert "Only: what follows from event 0." in timeline.sentence
    assert list(timeline.only().events) == list(run)


def test_only_keeps_a_vm_and_those_inside():
    run = []
    for time, vm in enumerate(("one", "two", "one")):
        run += [ev.Entry((time, 0), 1, None, 0, "S", vm), ev.Exit((time, 1), 1, None, "x", 2, 0, 0, "S", vm)]
    timeline = Timeline(Recording(run))
    assert [one.vm for one in timeline.only(vm="two").events] == ["two", "two"]
    assert [one.vm for one in timeline.only(vm="one", cause="Exit").events] == ["one", "one"]
    assert "Only: Exit, one." in timeline.sentence


def test_zoom_keeps_a_stretch_of_time(timeline, run):
    events = timeline.zoom(150, 200).events
    assert list(events) == [one for one in run if 150 <= one.time < 200]
    assert 0 < len(events) < len(run)
    assert timeline.window == (150, 200)
    assert timeline.zoom(start=150).window == (150, run[-1].time + 1)
    assert timeline.zoom().window == (107, run[-1].time + 1)


def test_at_chooses_an_event_and_brings_it_into_view(timeline, run):
    assert timeline.chosen is None
    assert timeline.at(run[30]).chosen is run[30]
    assert timeline.at(5).chosen is run[5]
    timeline.zoom(107, 120).at(run[100])
    assert timeline.window[0] <= run[100].time < timeline.window[1]
    assert timeline.window[1] - timeline.window[0] == 13
    assert f"Chosen, event 100: {run[100]!r}" in timeline.sentence
    assert timeline.at(None).chosen is None


@pytest.mark.parametrize(
    ("verb", "arguments", "mend"),
    [
        ("only", {"cause": "lunch"}, "There are: .*Exit"),
        ("only", {"vm": "vm9"}, "There are"),
        ("zoom", {"start": 5, "end": 5}, "earlier one first"),
        ("zoom", {"start": float("nan")}, "earlier one first"),
        ("zoom", {"end": float("inf")}, "earlier one first"),
        ("zoom", {"start": -1e308, "end": 1e308}, "earlier one first"),
        ("zoom", {"start": "x"}, "earlier one first"),
        ("at", {"event": 216}, "Choose one from 0 to 215"),
        ("at", {"event": -1}, "Choose one from 0 to 215"),
        ("at", {"event": "3"}, "Choose one from 0 to 215"),
        ("at", {"event": ev.TlbFlush((1, 1), 0, None, "x")}, "Choose one from 0 to 215"),
    ],
)
def test_what_is_not_there_is_said_and_changes_nothing(timeline, verb, arguments, mend):
    before = timeline.sentence
    with pytest.raises(VlabError, match=mend):
        getattr(timeline, verb)(**arguments)
    assert timeline.sentence == before


def test_the_picture_shows_who_ran_and_how_much_happened(timeline):
    picture = timeline.picture
    check(picture)
    assert {"machine", "hypervisor", "guest kernel", "guest process"} <= set(all_text(picture))
    shares = timeline._shares()
    for bar in range(len(shares[0])):
        assert sum(row[bar] for row in shares) == pytest.approx(1)


def test_a_share_is_the_time_that_a_lane_had_the_hart():
    run = [
        ev.Return((0, 0), 0, None, "sret", 0, "S", "U"),
        ev.Trap((75, 0), 0, None, 8, 0, 0, "U", "S"),
        ev.Return((99, 0), 0, None, "sret", 0, "S", "S"),
    ]
    timeline = Timeline(Recording(run))
    names = [row.name for row in timeline.columns.rows]
    shares = [sum(row) / len(row) for row in timeline._shares()]
    assert dict(zip(names, shares, strict=True)) == pytest.approx(
        {"machine": 0, "kernel": 0.25, "process": 0.75}
    )


def test_page_and_code_choose_together(timeline, run):
    widget = timeline.widget
    timeline.zoom(150, 200).only(cause="Exit").at(None)
    assert widget.window == [150, 200]
    assert timeline.causes[widget.cause].words[0] == "Exit"
    widget.at = 40
    assert timeline.chosen is run[40]
    widget.window = [100, 300]
    widget.cause = 0
    assert timeline.window == (100, 300)
    assert len(timeline.events) == sum(100 <= one.time < 300 for one in run)


def test_it_shows_a_widget_and_what_is_stored_of_it(timeline):
    shown, metadata = timeline._repr_mimebundle_()
    assert set(shown) == {"text/plain", "text/html", "image/png", "application/vnd.jupyter.widget-view+json"}
    assert shown["text/plain"] == repr(timeline)
    assert "image/png" in metadata
    json.dumps(shown)


def test_without_anywidget_the_picture_is_left(timeline, monkeypatch):
    monkeypatch.setitem(sys.modules, "vlab.views.live.timelinewidget", None)
    assert set(timeline._repr_mimebundle_()[0]) == {"text/plain", "text/html", "image/png"}


def test_nothing_has_a_timeline_too():
    timeline = Timeline(Recording())
    assert timeline.sentence == "Timeline, time 0 to 1: 0 of 0 events; none."
    check(timeline.picture)


def test_it_speaks_spanish(timeline):
    set_language("es")
    assert timeline.sentence.startswith("Línea de tiempo")


@given(recordings(), st.floats(-50, 50), st.floats(0.001, 100), st.integers(0, 40))
def test_any_stretch_of_any_run_is_drawn_whole(run, start, length, at):
    timeline = Timeline(run).zoom(start, start + length)
    if at < len(run):
        timeline.at(at)
    check(timeline.picture)
    assert len(timeline.events) <= len(run)


def test_what_follows_from_an_event_is_kept_of_one_vm_alone():
    exit_ = ev.Exit((0, 0), 1, None, "x", 2, 0, 0, "S", "one")
    entries = [ev.Entry((n, 1), 1, exit_.id, 0, "S", vm) for n, vm in enumerate(("one", "two"))]
    timeline = Timeline(Recording([exit_, *entries]))
    assert list(timeline.only(cause=exit_).events) == entries
    assert list(timeline.only(cause=exit_, vm="two").events) == entries[1:]
