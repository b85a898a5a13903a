"""What is particular about the exercises of lesson 00."""

from tests.course.answers.wrong_00 import WRONG
from vlab.course.checking import examine
from vlab.course.exercises import find


def test_a_counter_example_that_has_a_picture_is_drawn():
    from vlab.views import picture_of

    verdict = examine(find("00-1"), WRONG["00-1"][0][0])
    assert "ladder" in picture_of(verdict.picture).sentence
