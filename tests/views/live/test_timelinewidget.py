import json

import pytest

from tests.views.recordings import Script
from vlab.views import Timeline


@pytest.fixture
def widget():
    return Timeline(Script(1).record(9)).widget


@pytest.fixture
def sent(widget, monkeypatch):
    messages = []
    monkeypatch.setattr(type(widget), "send", lambda _self, content: messages.append(content))
    return messages


def test_the_page_gets_the_words_of_the_event_it_asks_for(widget, sent):
    widget._handle_custom_msg({"event": 5}, [])
    assert [answer["event"] for answer in sent] == [5]
    assert "<table>" in sent[0]["html"]
    assert "Caused" in widget.details(0)["html"]
    json.dumps(sent)


@pytest.mark.parametrize("message", [{"event": -1}, {"event": 10**6}, {"event": "5"}, {}, [], "event", None])
def test_anything_else_is_left_unanswered(widget, sent, message):
    widget._handle_custom_msg(message, [])
    assert sent == []


@pytest.mark.parametrize(
    ("name", "wanted", "held"),
    [("at", -7, -1), ("at", 10**9, 323), ("root", 10**9, 323), ("cause", -3, 0), ("vm", 99, 1)],
)
def test_a_page_cannot_choose_what_is_not_there(widget, name, wanted, held):
    setattr(widget, name, wanted)
    assert getattr(widget, name) == held


@pytest.mark.parametrize("wanted", [[], [1], [2, 1], [1, 1], [float("nan"), 3], [1, 2, 3], [0, float("inf")]])
def test_a_page_cannot_show_a_time_that_is_none(widget, wanted):
    before = widget.window
    widget.window = wanted
    assert widget.window == before


def test_choices_have_their_numbers(widget):
    kinds = {title: numbers for title, numbers, group in widget.plan["causes"] if group == "kinds"}
    assert {"Exit", "Trap", "Entry"} <= set(kinds)
    assert all(widget.plan["kinds"][number][0] == "Exit" for number in kinds["Exit"])
    json.dumps(widget.plan)
