import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.views.hosts import bare, hosted
from tests.views.recordings import Script, nested, recordings
from tests.views.structure import all_text, check
from vlab.events import Recording
from vlab.language import VlabError
from vlab.views.runs.ladder import Ladder, ladder_picture, stretch
from vlab.views.words import event_sentence


@given(recordings(), st.data())
def test_any_run_is_drawn_whole(run, data):
    check(ladder_picture(run))
    if len(run):
        at = data.draw(st.integers(0, len(run) - 1))
        picture = ladder_picture(run, at)
        check(picture)
        assert f"; at {at}: {event_sentence(run[at])}" in picture.sentence


@given(st.integers(0, 100), st.integers(0, 200), st.integers(-3, 40))
def test_a_window_lies_in_the_recording(total, at, window):
    first, last = stretch(total, min(at, max(0, total - 1)), window)
    assert 0 <= first <= last <= total
    assert last - first == (min(max(window, 1), total))
    assert not total or first <= min(at, total - 1) < last


def test_the_window_is_around_the_chosen_event():
    run = Script(1).record(5)
    picture = ladder_picture(run, 60, window=10)
    assert 'data-event="55"' in picture.svg
    assert 'data-event="65"' not in picture.svg
    assert [words for words in all_text(picture) if words.isdigit()] == ["55", "60", "64"]
    assert f"events 55 to 64 of {len(run)}, time" in " ".join(all_text(picture))


def test_the_chosen_event_its_cause_and_its_effects_are_lit():
    run = nested(1)
    at = next(number for number, event in enumerate(run) if event.kind == "Injection")
    cause, *_others = (number for number, event in enumerate(run) if event.id == run[at].parent)
    effect, *_others = (number for number, event in enumerate(run) if event.parent == run[at].id)
    svg = ladder_picture(run, at).svg
    assert svg.count('class="lit"') == 2  # the light behind it, and its mark
    assert f'class="cause" data-event="{cause}"' in svg
    assert f'class="effect" data-event="{effect}"' in svg
    assert ladder_picture(run).svg.count('class="lit"') == 0


def test_traps_go_up_and_resumes_go_down():
    ladder = Ladder(Script(1).record(3))
    for event, place in zip(ladder.events, ladder.lanes.places, strict=True):
        if event.kind == "Trap":
            assert place.end < place.start
        if event.kind in ("Injection", "Return") and place.start != place.end:
            assert place.end > place.start


def test_a_sheet_counts_what_it_shows():
    run = Script(1).record(1)
    assert ladder_picture(run).sentence == (
        "Trap ladder, events 0 to 23 of 36: traps 5, exits 4, injections 1."
    )
    assert ladder_picture(Recording()).sentence == "Trap ladder with no events."


@pytest.mark.parametrize("at", [-1, 36, "7", 1.5])
def test_an_event_that_is_not_there_is_said(at):
    with pytest.raises(VlabError, match=r"(?s)There is no event .*Choose one from 0 to 35"):
        ladder_picture(Script(1).record(1), at)


def test_long_words_are_shortened_in_the_picture_and_whole_in_the_sentence():
    run = Script(1, device="a-device-whose-name-is-far-too-long-for-a-picture").record(1)
    said = all_text(ladder_picture(run, 25))
    assert any(words.startswith("a-device-whose") and words.endswith("…") for words in said)


def test_a_world_switch_is_a_line_across_all_lanes_with_words_of_its_own():
    run = bare().run
    ladder = Ladder(run)
    at = min(ladder.lanes.switches)
    picture = ladder_picture(run, at)
    assert picture.sentence.endswith("in virtual mode M. A world switch: before, vm1 had the hart.")
    assert "switch: vm1 → vm2" in all_text(picture)
    assert picture.svg.count("l-ink thick") > ladder_picture(run, at - 20).svg.count("l-ink thick")
    assert ladder.picture(at - 9, at + 9).sentence.endswith("World switches: 1.")
    assert "World switches" not in ladder_picture(Script(1).record(2)).sentence


def test_routing_has_marks_of_its_own():
    run = hosted().run
    kinds = {
        to: next(n for n, e in enumerate(run) if e.kind == "Routing" and e.to == to)
        for to in ("host", "hypervisor")
    }
    handed, kept = ladder_picture(run, kinds["hypervisor"]), ladder_picture(run, kinds["host"])
    assert "l-host thick dashed" in handed.svg
    assert handed.sentence.endswith("The host hands instruction page fault from vm1 to the hypervisor.")
    assert kept.sentence.endswith("The host keeps ecall from U from count for itself.")
    assert 'class="b-host"' in kept.svg
    check(handed)
    check(kept)


@pytest.mark.parametrize("busy", [bare, hosted])
def test_several_vms_are_drawn_whole(busy):
    run = busy().run
    for at in (0, *sorted(Ladder(run).lanes.switches)[:4], len(run) - 1):
        check(ladder_picture(run, at))
