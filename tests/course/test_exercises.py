"""Exercises by name, their cases, and values in words."""

import pytest

from vlab.course import exercises
from vlab.course.exercises import QUESTIONS, Changed, call, find, shown, shown_call
from vlab.language import VlabError

PRIVATE = """
from vlab.course.exercises import Exercise
EXERCISES = (Exercise("lab-1", "double", lambda random: [(random.randrange(9),)]),)
"""


def test_an_exercise_is_found_by_its_id():
    assert find("07-1").name == "deliverable"


@pytest.mark.parametrize("name", ["07-99", "98-1", "", "../x", 7, None])
def test_what_is_not_there_is_said(name):
    with pytest.raises(VlabError, match="There is no exercise"):
        find(name)


def test_where_there_are_others_they_are_named():
    with pytest.raises(VlabError, match="There are: 07-1, 07-2"):
        find("07-9")


def test_private_questions_come_from_a_file(tmp_path, monkeypatch):
    (tmp_path / "questions.py").write_text(PRIVATE)
    monkeypatch.setenv(QUESTIONS, str(tmp_path / "questions.py"))
    assert find("lab-1").name == "double"
    assert find("07-1").name == "deliverable"
    monkeypatch.setenv(QUESTIONS, str(tmp_path / "nothing.py"))
    exercises.load.cache_clear()
    with pytest.raises(VlabError, match="no such file"):
        find("lab-1")


def test_the_smallest_cases_come_first_and_the_seed_decides():
    exercise = find("07-1")
    sizes = [exercise.size(case) for case in exercise.cases(3)]
    assert sizes == sorted(sizes)
    assert exercise.cases(3) == exercise.cases(3) != exercise.cases(4)


def test_a_function_may_not_change_what_it_is_given():
    case = ([1, 2],)
    assert call(sum, case) == 3
    with pytest.raises(Changed):
        call(lambda numbers: numbers.append(3), case)
    assert case == ([1, 2],)


def test_values_are_shown_as_they_are_written():
    assert shown({"a": [1, 0x100, True, None], "b": "x"}) == "{'a': [1, 0x100, True, None], 'b': 'x'}"
    assert shown_call("f", (1, "x", 4096)) == "f(1, 'x', 0x1000)"
