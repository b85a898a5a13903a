"""The exercises of lesson 08: a stub is pending, the solution is right, each wrong answer is told why."""

import pytest

from tests.course.answers.wrong_08 import WRONG
from tests.course.solutions import defined
from vlab.course.checking import examine, key
from vlab.course.exercises import find
from vlab.course.questions import guests_08
from vlab.course.questions.lesson_08 import EXERCISES
from vlab.hypervisor import StaleSatp, TrapAndEmulate
from vlab.machine import Machine

NAME = "08_virtual_virtual_memory"
IDS = [exercise.id for exercise in EXERCISES]
BANK = [(exercise, answer, told) for exercise, answers in WRONG.items() for answer, told in answers]


@pytest.mark.parametrize("exercise", EXERCISES, ids=IDS)
def test_a_stub_is_pending(exercise):
    verdict = examine(exercise, defined(NAME, empty=True)[exercise.name])
    assert (verdict.state, str(verdict)) == ("pending", f"{exercise.id} is not written yet.")


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("exercise", EXERCISES, ids=IDS)
def test_the_solution_is_right(exercise, seed):
    verdict = examine(exercise, defined(NAME)[exercise.name], seed)
    assert verdict.state == "right", str(verdict)


@pytest.mark.parametrize(("exercise", "answer", "told"), BANK, ids=[f"{e}: {t[:30]}" for e, _a, t in BANK])
def test_a_wrong_answer_is_told_why(exercise, answer, told):
    verdict = examine(find(exercise), answer)
    assert verdict.state == "wrong"
    assert told in str(verdict), str(verdict)


@pytest.mark.parametrize("exercise", IDS)
def test_the_bank_has_at_least_three_each_with_words_of_its_own(exercise):
    told = [words for _answer, words in WRONG[exercise]]
    assert len(told) == len(set(told)) >= 3


@pytest.mark.parametrize(("exercise", "answer"), [b[:2] for b in BANK if b[0] != "08-5"])
def test_a_wrong_answer_is_wrong_whatever_the_seed(exercise, answer):
    assert {examine(find(exercise), answer, seed).state for seed in range(4)} == {"wrong"}


@pytest.mark.parametrize("exercise", EXERCISES, ids=IDS)
def test_the_answers_depend_on_the_seed(exercise):
    lines = [str(examine(exercise, defined(NAME)[exercise.name], seed)) for seed in (0, 1, 0)]
    assert lines[0] == lines[2] != lines[1]


def test_the_counter_example_is_the_smallest():
    answer = WRONG["08-1"][0][0]
    exercise = find("08-1")
    wrong = [c for c in exercise.cases(0) if answer(*c) != key("08-1").answer(c)]
    assert exercise.show(exercise.name, min(wrong, key=exercise.size)) in str(examine(exercise, answer))


def test_a_guest_that_went_wrong_is_drawn():
    from vlab.views import picture_of

    assert "ladder" in picture_of(examine(find("08-5"), WRONG["08-5"][0][0]).picture).sentence


@pytest.mark.parametrize("answer", [lambda vm: 0, 3, StaleSatp, TrapAndEmulate, type("A", (), {})])
def test_what_is_no_mended_technique_is_told_so(answer):
    assert "is not a class like" in str(examine(find("08-5"), answer))


def test_the_guests_of_the_last_exercise_end_as_on_the_bare_machine():
    for case in find("08-5").cases(0):
        program = guests_08.program(case)
        bare = Machine(program, memory="64K")
        bare.run(guests_08.STEPS)
        read = [bare.memory.load(program.symbols["log"] + 8 * n, 8) for n in range(case[1].count("read"))]
        assert (read, bare.status) == (key("08-5").answer(case)["read"], 0)
