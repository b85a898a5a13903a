"""What an exercise is: the questions that it asks. What is right stands elsewhere, in `vlab.course.answers`.

The two are kept apart on purpose. When work is graded, the reader's code runs in a kernel that has the questions
and no answers; only its replies leave that kernel, and they are judged outside (see `vlab.course.grading`).
"""

import copy
import importlib.util
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

from vlab.language import VlabError, _

Case = tuple[Any, ...]
QUESTIONS = "VLAB_QUESTIONS"  # a file with questions that are not the package's own: a course's private ones
_ID = re.compile(r"(\d\d)-\d{1,2}")
_LARGE = 256  # from here on a number is more readable in hexadecimal


class Changed(Exception):
    """The reader's function changed an argument that is not its own."""


class Misused(VlabError):
    """What was handed in can't be asked at all; the message says why."""


def call(work: Callable[..., Any], case: Case) -> Any:
    """Ask a function: call it with copies of the case's arguments. It must leave them as they are."""
    arguments = copy.deepcopy(case)
    reply = work(*arguments)
    if arguments != case:
        raise Changed
    return reply


def shown(value: Any) -> str:
    """A value as it is written in Python, large numbers in hexadecimal."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(shown, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(shown, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, frozenset):
        return "{" + ", ".join(sorted(map(shown, value))) + "}" if value else "set()"
    if type(value) is int and value >= _LARGE:
        return hex(value)
    return repr(value)


def shown_call(name: str, case: Case) -> str:
    """A call of the reader's function, as it is written in Python."""
    return f"{name}({', '.join(map(shown, case))})"


@dataclass(frozen=True)
class Exercise:
    """One exercise: the name that its blank defines, the cases that it is asked, and how.

    `draw` makes cases from a random source; the smallest are asked first. `ask` puts one case to the reader's work
    and gives its reply. `gives` are the names of the notebook that a blank may use.
    """

    id: str
    name: str
    draw: Callable[[Random], Iterable[Case]]
    ask: Callable[[Any, Case], Any] = call
    size: Callable[[Case], int] = lambda case: len(repr(case))
    show: Callable[[str, Case], str] = shown_call
    gives: frozenset[str] = frozenset()
    points: int = 1
    seconds: float = 10

    def cases(self, seed: int) -> list[Case]:
        """The cases for a seed, the smallest first."""
        return sorted(self.draw(Random(f"{self.id} {seed}")), key=self.size)


def find(name: str) -> Exercise:
    """The exercise of this id, such as "07-1".

    Raises:
        VlabError: if there is none.
    """
    known = {exercise.id: exercise for exercise in _questions(name)}
    if name not in known:
        raise VlabError(
            _("There is no exercise {name!r}.").format(name=name),
            mend=_("There are: {known}.").format(known=", ".join(known)) if known else "",
        )
    return known[name]


def _questions(name: str) -> tuple[Exercise, ...]:
    """The exercises among which that of this id must be."""
    private = os.environ.get(QUESTIONS)
    exercises: tuple[Exercise, ...] = load(Path(private)).EXERCISES if private else ()
    found = _ID.fullmatch(str(name))
    module = f"vlab.course.questions.lesson_{found[1]}" if found else ""
    if found and importlib.util.find_spec(module):
        exercises += import_module(module).EXERCISES
    return exercises


@lru_cache
def load(path: Path) -> ModuleType:
    """The module in a Python file of a course's own questions or answers."""
    spec = importlib.util.spec_from_file_location(f"vlab_private_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise VlabError(_("There is no such file of exercises."), where=str(path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
