"""Quizzes: questions with a few answers to choose from, and something to learn from each.

They are data, in `data/quizzes/`. A notebook holds a question's id alone, so it gives nothing away.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from vlab import files
from vlab.course.progress import record
from vlab.display import Bundle
from vlab.language import VlabError, _
from vlab.views.live.live import live_bundle
from vlab.views.words import marked

_ID = re.compile(r"(\d\d)-q\d{1,2}")


@dataclass(frozen=True)
class Option:
    """One answer, what is to be said of it, and whether it is the right one."""

    text: str
    feedback: str
    right: bool = False


@dataclass(frozen=True)
class Question:
    """One question and its answers, in the order in which they are shown.

    A question to *predict* is answered before something is run: what is to be said of the answer waits until then.
    """

    id: str
    text: str
    options: tuple[Option, ...]
    predict: bool = False


def questions(lesson: str) -> list[Question]:
    """All questions of a lesson, such as "07"; none if it has no file."""
    path = files.folder("data") / "quizzes" / f"{lesson}.json"
    if not path.exists():
        return []
    return [
        Question(
            row["id"],
            row["question"],
            tuple(Option(**option) for option in row["options"]),
            row.get("predict", False),
        )
        for row in json.loads(path.read_text("utf-8"))
    ]


def quiz(name: str) -> "Quiz":
    """The quiz with this id, such as "07-q1", to be shown as a cell's last line.

    Raises:
        VlabError: if there is none.
    """
    found = _ID.fullmatch(str(name))
    known = {question.id: question for question in questions(found[1] if found else "")}
    if name not in known:
        raise VlabError(
            _("There is no quiz {name!r}.").format(name=name),
            mend=_("There are: {known}.").format(known=", ".join(known)) if known else "",
        )
    return Quiz(known[name])


_STATUS = '<p role="status">{}</p>'
_NARROW = {"width": "auto", "align_self": "flex-start"}
# An answer may be longer than a line: ipywidgets gives each the height of one, and the next lies over the rest.
_WRAPPED = """<style>
.vlab-quiz .widget-radio-box label {
  display: flex; flex-direction: row-reverse; justify-content: flex-end; align-items: flex-start; height: auto;
}
.vlab-quiz .widget-radio-box label input { flex: none; }
</style>"""


class Quiz:
    """One question, to be answered by mouse, by keyboard, or by `choose`."""

    def __init__(self, question: Question):
        self.question = question
        self._widget: Any = None

    def __repr__(self) -> str:
        options = " ".join(f"({n}) {_(o.text)}" for n, o in enumerate(self.question.options, 1))
        return _("Quiz {id}: {question} {options}").format(
            id=self.question.id, question=_(self.question.text), options=options
        )

    def choose(self, number: int) -> str:
        """What is to be said of an answer, counted from 1. Raises VlabError where there is none."""
        options = self.question.options
        if number not in range(1, len(options) + 1):
            what = _("There is no answer {number!r}.").format(number=number)
            raise VlabError(what, mend=_("Choose one from 1 to {last}.").format(last=len(options)))
        chosen = options[number - 1]
        record("quizzes", self.question.id, "right" if chosen.right else "wrong")
        verdict = _("Right.") if chosen.right else _("No.")
        return f"{verdict} {_(chosen.feedback)}"

    def html(self) -> str:
        """The question as a page without a kernel shows it."""
        items = "".join(f"<li>{marked(_(option.text))}</li>" for option in self.question.options)
        return f"<p><b>{marked(_(self.question.text))}</b></p><ol>{items}</ol>"

    @property
    def widget(self) -> Any:
        """The live quiz, made when first asked for. Needs ipywidgets."""
        if self._widget is None:
            self._widget = self._built()
        return self._widget

    def _built(self) -> Any:
        import ipywidgets as widgets

        texts = [_(option.text).replace("`", "") for option in self.question.options]
        radio = widgets.RadioButtons(
            options=[(text, n) for n, text in enumerate(texts, 1)],
            value=None,
            description=_("Your answer"),  # what a screen reader calls the group
            style={"description_width": "initial"},
            layout={"width": "auto"},
        )
        button = widgets.Button(description=_("This is my answer"), disabled=True, layout=_NARROW)
        feedback = widgets.HTML(_STATUS.format(""))
        radio.observe(lambda change: setattr(button, "disabled", change.new is None), "value")

        def say(text: str) -> None:
            feedback.value = _STATUS.format(marked(text))

        def answer(_button: object) -> None:
            if self.question.predict and not radio.disabled:
                radio.disabled = True  # committed: the next cells show what happens
                button.description = _("I have run it: compare")
                told = _("You said: {answer} Now run the cells that follow, then compare.")
                say(told.format(answer=_(self.question.options[radio.value - 1].text)))
            else:
                radio.disabled = False
                button.description = _("This is my answer")
                say(self.choose(radio.value))

        button.on_click(answer)
        title = widgets.HTML(f"{_WRAPPED}<p><b>{marked(_(self.question.text))}</b></p>")
        return widgets.VBox([title, radio, button, feedback], _dom_classes=["vlab-quiz"])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        still = {"text/plain": repr(self), "text/html": self.html()}
        return live_bundle((still, {}), lambda: self.widget)
