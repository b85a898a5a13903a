import re
from pathlib import Path

import pytest

from tests.views.recordings import Script
from vlab.course.quizzes import quiz
from vlab.language import VlabError
from vlab.paging import PageTable
from vlab.views import Explorer, Stepper, Timeline
from vlab.views.live import live
from vlab.views.live.live import live_bundle, script, size_of, style

STILL = ({"text/plain": "a lamp", "image/png": "x"}, {"image/png": {"alt": "a lamp"}})


class Widget:
    def __init__(self, shown):
        self._shown = shown

    def _repr_mimebundle_(self):
        return self._shown


@pytest.mark.parametrize("wrapped", [lambda shown: shown, lambda shown: (shown, {})])
def test_what_a_notebook_stores_stands_beside_the_widget(wrapped):
    shown = wrapped({"text/plain": "LampWidget()", "application/vnd.lamp": 1})
    assert live_bundle(STILL, lambda: Widget(shown)) == (
        {"text/plain": "a lamp", "image/png": "x", "application/vnd.lamp": 1},
        {"image/png": {"alt": "a lamp"}},
    )


@pytest.mark.parametrize("make", [lambda: Widget(None), lambda: __import__("no_such_package")])
def test_without_a_widget_it_stays_still(make):
    assert live_bundle(STILL, make) == STILL


def views():
    run = Script(1).record(2)
    return [Stepper(run), Timeline(run), Explorer(PageTable()), quiz("07-q1")]


@pytest.mark.parametrize("number", range(4))
def test_each_live_view_is_one(number):
    shown, _metadata = views()[number]._repr_mimebundle_()
    assert {"text/html", "text/plain", "application/vnd.jupyter.widget-view+json"} <= set(shown)


@pytest.mark.parametrize("name", ["stepper", "explorer", "timeline"])
def test_what_they_share_stands_once_in_each_module(name):
    source, shared = script(name), (Path(live.__file__).parent / "page.js").read_text("utf-8")
    assert source.startswith(shared)
    for word in re.findall(r"^(?:function|const) (\w+)", shared, re.MULTILINE):
        assert len(re.findall(rf"^(?:function|const) {word}\b", source, re.MULTILINE)) == 1
        assert source.count(word) > shared.count(word)
    assert style(name).startswith(".vlab{")


@pytest.mark.parametrize("view", [Stepper, Timeline])
def test_a_size_that_there_is_not(view):
    assert size_of("lecture") == "lecture"
    with pytest.raises(VlabError, match=r"no size 'huge'\.\nThere are: normal, lecture"):
        view(Script(1).record(1), size="huge")
