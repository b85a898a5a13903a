"""What is particular about the exercises of lesson 02."""

import pytest

from tests.course.answers.wrong_02 import RIGHT, WRONG
from vlab.course.checking import examine
from vlab.course.exercises import find


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
