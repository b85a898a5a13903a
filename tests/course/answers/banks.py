"""The banks of wrong answers, one for each lesson: mistakes that people make, and the words that each must be told."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from vlab.course import students


class Bank(dict[str, list[tuple[Any, str]]]):
    """By exercise: answers that are wrong, each with a part of what its author must be told."""

    def wrong(self, exercise: str, told: str) -> Callable[[Any], Any]:
        """Enter the decorated answer."""

        def enter(answer: Any) -> Any:
            self.setdefault(exercise, []).append((answer, told))
            return answer

        return enter


LESSONS = sorted({path.stem for path in students.solutions()})


def exercises(lesson: str) -> Any:
    """The exercises of a lesson, such as "07_trap_and_emulate"."""
    return import_module(f"vlab.course.questions.lesson_{lesson[:2]}").EXERCISES


def bank(lesson: str) -> Bank:
    """Its bank."""
    found: Bank = import_module(f"tests.course.answers.wrong_{lesson[:2]}").WRONG
    return found
