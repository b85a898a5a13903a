"""Quizzes: data that is whole, and a widget that gives nothing away."""

import json

import pytest

from vlab import files
from vlab.course import progress, quiz, quizzes
from vlab.language import VlabError

FILES = sorted((files.folder("data") / "quizzes").glob("*.json"))
QUESTIONS = [question for path in FILES for question in quizzes.questions(path.stem)]


def test_there_are_some():
    assert QUESTIONS
    assert len({question.id for question in QUESTIONS}) == len(QUESTIONS)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
def test_a_question_is_whole(question):
    assert quiz(question.id).question == question
    assert len(question.options) >= 3
    assert sum(option.right for option in question.options) == 1
    assert len({option.text for option in question.options}) == len(question.options)
    assert all(len(option.feedback) > 20 for option in question.options)


def test_the_right_answer_is_not_always_at_one_place():
    places = {next(n for n, o in enumerate(q.options) if o.right) for q in QUESTIONS}
    assert len(places) > 1


@pytest.mark.parametrize("name", ["07-q99", "99-q1", "../../x", "", None])
def test_a_quiz_that_is_not_there(name):
    with pytest.raises(VlabError, match="There is no quiz"):
        quiz(name)


def test_each_answer_has_something_said_of_it(tmp_path, monkeypatch):
    monkeypatch.setenv(progress.PLACE, str(tmp_path / "progress.json"))
    asked = quiz("07-q1")
    said = [asked.choose(n) for n in (1, 2, 3)]
    assert [text.split()[0] for text in said] == ["No.", "Right.", "No."]
    assert len(set(said)) == 3
    assert progress.marks()["quizzes"] == {"07-q1": "right"}


@pytest.mark.parametrize("number", [0, 4, -1, "1", None])
def test_an_answer_that_is_not_there(number):
    with pytest.raises(VlabError, match="Choose one from 1 to 3"):
        quiz("07-q1").choose(number)


def test_what_a_notebook_stores_gives_nothing_away():
    asked = quiz("07-q1")
    shown, _metadata = asked._repr_mimebundle_()
    stored = json.dumps({kind: shown[kind] for kind in ("text/plain", "text/html")})
    assert shown == asked._repr_mimebundle_()[0]
    assert not any(option.feedback in stored for option in asked.question.options)
    assert all(str(n) in shown["text/plain"] for n in (1, 2, 3))
    assert "right" not in stored.lower()


def test_the_widget_says_what_choose_says():
    asked = quiz("07-q2")
    title, radio, button, feedback = asked.widget.children
    assert set(asked.widget._dom_classes) & {"vlab-quiz"} and ".vlab-quiz" in title.value  # long answers wrap
    assert button.disabled
    radio.value = 1
    assert not button.disabled
    assert feedback.value == '<p role="status"></p>'
    button.click()
    assert "That is the condition of Popek and Goldberg" in feedback.value


def test_a_prediction_is_committed_first_and_compared_later(tmp_path, monkeypatch):
    monkeypatch.setenv(progress.PLACE, str(tmp_path / "progress.json"))
    asked = quiz("07-q6")
    assert asked.question.predict
    _title, radio, button, feedback = asked.widget.children
    radio.value = 1
    button.click()
    assert radio.disabled
    assert button.description == "I have run it: compare"
    assert "You said: About 4 times." in feedback.value
    assert not any(option.feedback in feedback.value for option in asked.question.options)
    assert progress.marks()["quizzes"] == {}
    button.click()
    assert "No. The kernel has more privileged instructions" in feedback.value
    assert not radio.disabled
    assert progress.marks()["quizzes"] == {"07-q6": "wrong"}


def test_without_ipywidgets_the_text_is_shown(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ipywidgets", None)
    shown, _metadata = quiz("07-q1")._repr_mimebundle_()
    assert set(shown) == {"text/plain", "text/html"}
    assert "<code>csrci sstatus, 2</code>" in shown["text/html"]


def test_texts_are_no_markup():
    question = quizzes.Question("x", "a <b> & `c<d`", (quizzes.Option("<i>", "f"),))
    assert "a &lt;b&gt; &amp; <code>c&lt;d</code>" in quizzes.Quiz(question).html()
