"""What is particular about the exercises of lesson 07."""

import pytest

from tests.course.answers.wrong_07 import WRONG
from vlab.course.checking import examine, key
from vlab.course.exercises import find


def test_the_counter_example_is_the_smallest():
    answer = WRONG["07-1"][0][0]
    exercise = find("07-1")
    wrong = [c for c in exercise.cases(0) if answer(*c) != key("07-1").answer(c)]
    assert exercise.show(exercise.name, min(wrong, key=exercise.size)) in str(examine(exercise, answer))


@pytest.mark.parametrize("exercise", ["07-5", "07-6"])
def test_a_counter_example_that_has_a_picture_is_drawn(exercise):
    from vlab.views import picture_of

    verdict = examine(find(exercise), WRONG[exercise][0][0])
    assert "ladder" in picture_of(verdict.picture).sentence


@pytest.mark.parametrize(
    ("name", "answer"),
    [("a function", lambda cause, value: ""), ("a number", 3), ("no exit of its own", type("A", (), {}))],
)
def test_what_is_no_technique_is_told_so(name, answer):
    assert "is not a class like" in str(examine(find("07-6"), answer))
