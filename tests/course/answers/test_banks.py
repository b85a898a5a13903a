"""The exercises of every lesson: a stub is pending, the solution is right, each wrong answer is told why."""

import pytest

from tests.course.answers.banks import LESSONS, bank, exercises
from tests.course.solutions import defined
from vlab.course.checking import examine
from vlab.course.exercises import find

EXERCISES = [
    pytest.param(lesson, exercise, id=exercise.id) for lesson in LESSONS for exercise in exercises(lesson)
]
WRONG = [
    pytest.param(exercise, answer, told, id=f"{exercise}: {told[:30]}")
    for lesson in LESSONS
    for exercise, answers in bank(lesson).items()
    for answer, told in answers
]


@pytest.mark.parametrize(("lesson", "exercise"), EXERCISES)
def test_a_stub_is_pending(lesson, exercise):
    verdict = examine(exercise, defined(lesson, empty=True)[exercise.name])
    assert (verdict.state, str(verdict)) == ("pending", f"{exercise.id} is not written yet.")


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("lesson", "exercise"), EXERCISES)
def test_the_solution_is_right(lesson, exercise, seed):
    verdict = examine(exercise, defined(lesson)[exercise.name], seed)
    assert verdict.state == "right", str(verdict)


@pytest.mark.parametrize(("exercise", "answer", "told"), WRONG)
def test_a_wrong_answer_is_told_why(exercise, answer, told):
    verdict = examine(find(exercise), answer)
    assert verdict.state == "wrong"
    assert told in str(verdict), str(verdict)


@pytest.mark.parametrize(("lesson", "exercise"), EXERCISES)
def test_the_bank_has_at_least_three_each_with_words_of_its_own(lesson, exercise):
    told = [words for _answer, words in bank(lesson)[exercise.id]]
    assert len(told) == len(set(told)) >= 3


@pytest.mark.parametrize(("exercise", "answer", "told"), WRONG)
def test_a_wrong_answer_is_wrong_with_other_seeds_too(exercise, answer, told):
    seeds = (1, 2) if find(exercise).points < 3 else (1,)  # the dearest run whole guests
    assert {examine(find(exercise), answer, seed).state for seed in seeds} == {"wrong"}


@pytest.mark.parametrize(("lesson", "exercise"), EXERCISES)
def test_the_answers_depend_on_the_seed(lesson, exercise):
    lines = [str(examine(exercise, defined(lesson)[exercise.name], seed)) for seed in (0, 1, 0)]
    assert lines[0] == lines[2] != lines[1]
