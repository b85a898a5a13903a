import pytest

from tests.views.recordings import Script
from vlab import guests
from vlab.language import VlabError
from vlab.machine import Machine
from vlab.machine.look import look
from vlab.machine.tlb import Tlb
from vlab.paging import PageTable
from vlab.views import Stepper, drawn, ladder_picture, picture_of, walk_picture
from vlab.views.computers.state import state_picture


def test_objects_draw_themselves():
    walked = PageTable().walk(0x1000, "load", mode="S")
    run = Script(1).record(1)
    for thing, picture in ((walked, walk_picture(walked)), (run, ladder_picture(run))):
        shown, metadata = thing._repr_mimebundle_()
        assert shown["text/plain"] == repr(thing)
        assert shown["text/html"] == picture.html()
        assert metadata["image/png"]["alt"] == picture.sentence


def test_an_event_shows_its_table():
    shown, metadata = Script(1).record(1)[1]._repr_mimebundle_()
    assert "<th scope=row>reason</th><td>ecall</td>" in shown["text/html"]
    assert metadata == {}


def test_a_picture_is_its_own_and_other_things_have_none():
    picture = ladder_picture(Script(0).record(1))
    assert picture_of(picture) is picture
    with pytest.raises(VlabError, match="int has no picture"):
        picture_of(3)


def test_a_hart_draws_its_computers_state():
    machine = Machine(memory="1M")
    shown, metadata = machine.hart._repr_mimebundle_()
    assert shown["text/plain"] == repr(machine.hart)
    assert metadata["image/png"]["alt"] == state_picture(look(machine)).sentence


def test_pictures_of_a_long_series_are_drawn_when_they_are_asked_for(monkeypatch):
    asked, draw = [], drawn._DRAWN[Tlb]

    def noted(tlb):
        asked.append(tlb)
        return draw(tlb)

    monkeypatch.setitem(drawn._DRAWN, Tlb, noted)
    machine = Machine(guests.load("kernel"), memory="1M")
    run = machine.watch_tlb(3000)
    stepper = Stepper(run, at=3)
    assert len(stepper) == len(run) > 10
    assert asked == [run[3]]
    assert stepper.picture == picture_of(run[3])
    assert stepper.sentence == repr(run[3])
    assert len(asked) == 2  # picture_of drew it once more
    stepper.strip()
    assert len(asked) <= 2 + 4


def test_what_may_change_is_drawn_as_it_was_given():
    table = PageTable()
    before = picture_of(table)
    stepper = Stepper([table.walk(0, "load", mode="S"), table])
    table.map(0x1000, 0x8000_0000, "R")
    stepper.last()
    assert stepper.picture == before != picture_of(table)
    with pytest.raises(VlabError, match="int has no picture"):
        Stepper([table, 3])
