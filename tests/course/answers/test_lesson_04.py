"""What is particular about the exercises of lesson 04: what they ask about has been run."""

import pytest

from vlab.course.checking import key
from vlab.course.exercises import find
from vlab.course.questions.lesson_04 import SYSTEMS, measured


@pytest.mark.parametrize(("name", "tick"), [(name, 400) for name in SYSTEMS] + [("KVM", 0), ("VMware", 0)])
def test_the_key_knows_each_system_by_what_it_measured(name, tick):
    exits, returns = measured(name, tick)
    assert key("04-4").answer((dict(exits), returns)) == name


def test_every_system_is_asked():
    found = {key("04-4").answer(case) for case in find("04-4").cases(1)}
    assert found == set(SYSTEMS)


def test_the_package_agrees_with_what_the_lesson_says_of_near_call_outs():
    special, plain = "csrr a2, scause", "add a0, a0, a1"
    for apart, exits in ((1, [0]), (5, [0]), (6, [0, 6])):
        code = [special, *[plain] * (apart - 1), special]
        assert key("04-2").answer((code,)) == exits


def test_on_a_silent_processor_nobody_hears_of_the_status():
    code = ["csrci sstatus, 2", "csrw sscratch, a0", "csrsi sstatus, 2", "addi a1, a1, -1", "bnez a1, again"]
    assert key("04-1").answer((code, 2, False)) == [0, 1, 2, 0, 1, 2]
    assert key("04-1").answer((code, 2, True)) == [1, 1]


def test_without_help_and_with_an_unchanged_kernel_two_systems_are_left_that_always_work():
    assert key("04-6").answer((True, False, False, False)) == ["VMware", "VirtualBox"]
    assert key("04-6").answer((False, True, True, True)) == []
