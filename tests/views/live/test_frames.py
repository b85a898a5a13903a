from functools import partial

from tests.views.recordings import Script
from tests.views.structure import check
from vlab.paging import PageTable
from vlab.views.addresses.chain import walk_picture
from vlab.views.live.frames import STRIDE, EventFrames, PictureFrames, WalkFrames


def test_every_event_stands_on_its_sheet_with_others_around_it():
    run = Script(1).record(6)
    frames = EventFrames(run)
    for at in range(len(run)):
        frame = frames.frame(at)
        svg = frames.sheet(frame.sheet).inline
        shown = [near for near in range(len(run)) if f'data-event="{near}"' in svg]
        assert at in shown
        assert at == 0 or at - 1 in shown
        assert at == len(run) - 1 or at + 1 in shown
        assert all(effect in shown for effect in frame.lit["effect"] if effect < shown[-1])


def test_a_short_run_has_one_sheet():
    frames = EventFrames(Script(1).record(1)[:20])
    assert {frames.frame(at).sheet for at in range(20)} == {0}


def test_sheets_do_not_cross_the_chunks_that_carry_them():
    frames = EventFrames(Script(1).record(6))
    sheets = [frames.frame(at).sheet for at in range(len(frames))]
    assert sheets == [at // STRIDE for at in range(len(frames))]


def test_stops_are_exits_and_traps():
    run = Script(1).record(2)
    stops = EventFrames(run).stops
    assert [run[at].kind for at in stops["exit"]] == ["Exit"] * len(run.only(type(run[1])))
    assert {run[at].kind for at in stops["trap"]} == {"Trap"}


def test_a_walk_is_stepped_to_its_result():
    table = PageTable()
    table.map(0x1000, 0x8000_3000, "R")
    frames = WalkFrames(table.walk(0x1000, "load", mode="S"))
    assert len(frames) == 4
    assert frames.frame(0).sentence.startswith("Reference 1 of 3, level 2, entry 0 at 0x80200000: ")
    assert frames.frame(3).sentence == repr(frames.walk)
    assert [frames.frame(at).lit for at in (0, 3)] == [{"lit": [0]}, {"lit": [3]}]


def test_a_film_strip_shows_the_first_and_the_last():
    table = PageTable()
    subjects = [table.walk(0x1000 * n, "load", mode="S") for n in range(9)]
    frames = PictureFrames(subjects, [partial(walk_picture, walked) for walked in subjects])
    strip = frames.strip(0)
    assert [caption.split(":")[0] for _picture, caption in strip] == ["0 / 8", "3 / 8", "5 / 8", "8 / 8"]
    run = Script(1).record(6)
    assert len(EventFrames(run).strip(0)) == 2
    for picture, _caption in EventFrames(run).strip(len(run) - 1):
        check(picture)
