from tests.views.structure import check
from vlab import guests
from vlab.machine import Machine
from vlab.views.computers.state import SHOWN
from vlab.views.computers.stateframes import StateFrames
from vlab.views.computers.states import States


def frames(steps=700):
    return StateFrames(States(Machine(guests.load("kernel"), memory="1M"), steps))


def test_a_frame_tells_the_changes_with_their_fields_and_the_events():
    frame = frames().frame(675)
    assert "<th scope=row>mstatus</th>" in frame.detail
    assert "SPIE 0 → 1" in frame.detail
    assert "The real hart traps" in frame.detail
    assert frame.subject.step == 675


def test_a_frame_knows_who_wrote_all_that_is_shown():
    made = frames()
    wrote = made.frame(675).wrote
    assert {"ra", "t6", *SHOWN} <= set(wrote)
    assert wrote["scause"] == wrote["sepc"] == 675
    assert wrote["mtvec"] == 3
    assert wrote["mtval"] == -1
    words = [name for name in wrote if name.startswith("0x")]
    assert len(words) == 8
    assert made.states.who_wrote(int(words[0], 16), 675) == wrote[words[0]]


def test_the_first_frame_has_no_changes_and_the_strip_is_the_state():
    made = frames(3)
    assert made.frame(0).detail == ""
    ((picture, caption),) = made.strip(2)
    assert caption == ""
    check(picture)
