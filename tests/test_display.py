import pytest

from vlab import display
from vlab.display import Drawn, bundle, one_line, renders, says, sentence


class Lamp(Drawn):
    def __repr__(self):
        return sentence(self)


class Blue(Lamp):
    pass


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    for table in ("_renderers", "_sentences"):
        monkeypatch.setattr(display, table, dict(getattr(display, table)))
    says(Lamp)(lambda lamp: f"A {type(lamp).__name__}.\n")


def test_the_sentence_is_that_of_the_nearest_kind_on_one_line():
    assert repr(Blue()) == "A Blue.\N{REPLACEMENT CHARACTER}"


def test_what_has_no_picture_shows_its_sentence():
    assert bundle(Blue()) == ({"text/plain": repr(Blue())}, {})


def test_a_picture_of_the_nearest_kind_is_shown_with_the_sentence():
    renders(Lamp)(lambda lamp: ({"text/html": "<p>lit</p>", "text/plain": "no"}, {"a": 1}))
    assert Blue()._repr_mimebundle_() == ({"text/html": "<p>lit</p>", "text/plain": repr(Blue())}, {"a": 1})


def test_one_line_keeps_what_can_be_printed():
    assert one_line("a → ñ\t\n\x1b") == "a → ñ" + 3 * "\N{REPLACEMENT CHARACTER}"
