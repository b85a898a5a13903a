import json

import pytest

from tests.views.recordings import Script
from vlab.views import Stepper
from vlab.views.live.frames import STRIDE


@pytest.fixture
def stepper():
    return Stepper(Script(1).record(9))


@pytest.fixture
def sent(stepper, monkeypatch):
    messages = []
    monkeypatch.setattr(type(stepper.widget), "send", lambda _self, content: messages.append(content))
    return messages


def test_page_and_code_move_together(stepper):
    widget = stepper.widget
    stepper.goto(40)
    assert widget.at == 40
    widget.at = 12
    assert stepper.at == 12


@pytest.mark.parametrize(("wanted", "at"), [(-5, 0), (10**9, 323)])
def test_a_page_cannot_leave_the_frames(stepper, wanted, at):
    stepper.widget.at = wanted
    assert stepper.at == stepper.widget.at == at


def test_it_travels_with_the_frames_around_it(stepper):
    stepper.goto(100)
    ahead = stepper.widget.ahead
    assert [chunk["number"] for chunk in ahead] == [100 // STRIDE - 1, 100 // STRIDE, 100 // STRIDE + 1]
    sheet, lit, sentence, detail, wrote = ahead[1]["frames"][100 % STRIDE]
    assert f'data-event="{lit["lit"][0]}"' in ahead[1]["sheets"][str(sheet)]
    assert sentence == stepper.sentence
    assert detail.startswith("<table>")
    assert wrote == {}


def test_the_page_gets_the_chunk_it_asks_for(stepper, sent):
    stepper.widget._handle_custom_msg({"chunk": 5}, [])
    assert [chunk["number"] for chunk in sent] == [5]
    assert len(sent[0]["frames"]) == STRIDE
    json.dumps(sent)


@pytest.mark.parametrize("message", [{"chunk": -1}, {"chunk": 10**6}, {"chunk": "5"}, {}, [], "chunk", None])
def test_anything_else_is_left_unanswered(stepper, sent, message):
    stepper.widget._handle_custom_msg(message, [])
    assert sent == []


def test_all_chunks_together_are_all_frames(stepper):
    widget = stepper.widget
    frames = [frame for n in range(-(-len(stepper) // STRIDE)) for frame in widget.chunk(n)["frames"]]
    assert [frame[1]["lit"] for frame in frames] == [[at] for at in range(len(stepper))]
