import pytest

from tests.views.recordings import Script
from vlab.language import VlabError
from vlab.machine import Machine
from vlab.machine.look import look
from vlab.paging import PageTable
from vlab.views import ladder_picture, picture_of, walk_picture
from vlab.views.state import state_picture


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
