"""`check`: the reader's work is asked, judged, and told what is wrong with it, by the smallest case."""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from vlab.course.asking import ask, transcript
from vlab.course.exercises import Exercise, find, load
from vlab.course.judging import Key, Verdict, judge
from vlab.language import VlabError, _

SEED = "VLAB_SEED"  # set where work is graded: the seed, whatever the notebook says
ANSWERS = "VLAB_ANSWERS"  # a file with the keys to private questions


def check(exercise: str, work: Any, seed: int = 0) -> None:
    """Put the cases of an exercise to your function, and print one line if it is right.

    If it is wrong, the smallest case in which it is wrong is shown, with the rule that it breaks. Another `seed`
    gives other cases.

    Raises:
        VlabError: if there is no such exercise.
    """
    asked = find(exercise)
    if grading := os.environ.get(SEED):
        print(transcript(ask(asked, work, int(grading))))
        return
    verdict = examine(asked, work, seed)
    print(verdict)
    _draw(verdict)
    from vlab.course.progress import record

    record("exercises", exercise, verdict.state)


def examine(exercise: Exercise, work: Any, seed: int = 0) -> Verdict:
    """Ask and judge: what `check` prints."""
    return judge(exercise, key(exercise.id), seed, ask(exercise, work, seed))


def key(name: str) -> Key:
    """What is right in an exercise.

    Raises:
        VlabError: if nobody says so.
    """
    private = os.environ.get(ANSWERS)
    keys: dict[str, Key] = dict(load(Path(private)).KEYS) if private else {}
    if name not in keys:
        try:
            keys = import_module(f"vlab.course.answers.lesson_{name[:2]}").KEYS
        except ModuleNotFoundError:
            keys = {}
    if name not in keys:
        raise VlabError(_("Nobody says what is right in exercise {name!r}.").format(name=name))
    return keys[name]


def _draw(verdict: Verdict) -> None:
    """Show the picture of a counter-example, where there is one and a notebook to show it."""
    if verdict.picture is None or "IPython" not in sys.modules:
        return
    from IPython.display import display

    from vlab.views import picture_of

    display(picture_of(verdict.picture))
