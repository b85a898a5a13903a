"""The exercises of lesson 02: a stub is pending, the solution is right, each wrong answer is told why."""

import pytest

from tests.course.answers.wrong_02 import RIGHT, WRONG
from tests.course.solutions import defined
from vlab.course.checking import examine
from vlab.course.exercises import find
from vlab.course.questions.lesson_02 import EXERCISES

NAME = "02_the_machine"
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


@pytest.mark.parametrize(("exercise", "answer"), [b[:2] for b in BANK if b[0] != "02-5"])
def test_a_wrong_answer_is_wrong_whatever_the_seed(exercise, answer):
    assert {examine(find(exercise), answer, seed).state for seed in range(4)} == {"wrong"}


@pytest.mark.parametrize("exercise", [e for e in EXERCISES if e.id != "02-5"], ids=IDS[:-1])
def test_the_answers_depend_on_the_seed(exercise):
    lines = [str(examine(exercise, defined(NAME)[exercise.name], seed)) for seed in (0, 1, 0)]
    assert lines[0] == lines[2] != lines[1]


def test_a_wrong_walk_is_drawn():
    from vlab.views import picture_of

    verdict = examine(find("02-4"), WRONG["02-4"][0][0])
    assert "Sv39" in picture_of(verdict.picture).sentence


def test_the_right_handler_of_the_bank_is_right():
    assert examine(find("02-5"), lambda: RIGHT).state == "right"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * 30_000,
        ".globl handler\nhandler: .zero 1<<40",
        ".globl handler\nhandler: .zero 70000",
        ".globl handler\nhandler: li t0, 0x100000\n li t1, 0x5555\n sw t1, 0(t0)\n sret",
        ".globl handler\n.balign 4\nhandler: csrw stvec, zero\n la t0, program\n sw zero, 0(t0)\n sret",
        ".globl handler\n.balign 4\nprogram: nop\nhandler: j handler",
        ".globl handler\n.balign 4\nhandler: wfi\n j handler",
    ],
)
def test_a_handler_that_does_strange_things_is_only_wrong(text):
    assert examine(find("02-5"), lambda: text).state == "wrong"
