"""What is particular about the exercises of lesson 08."""

import pytest

from tests.course.answers.wrong_08 import WRONG
from vlab.course.checking import examine, key
from vlab.course.exercises import find
from vlab.course.questions import guests_08
from vlab.hypervisor import StaleSatp, TrapAndEmulate
from vlab.machine import Machine


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
