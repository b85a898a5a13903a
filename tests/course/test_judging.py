"""Replies against a key."""

import pytest

from vlab.course.asking import Reply
from vlab.course.exercises import Exercise
from vlab.course.judging import Key, Why, differences, judge
from vlab.course.values import plain

EXERCISE = Exercise("00-1", "double", lambda random: [(3,), (1,), (2,)], size=lambda case: case[0])
TWICE = Why("It is twice as much.", "step 1")
KEY = Key(lambda case: 2 * case[0], lambda case, right, given: TWICE, lambda: "a number")
RIGHT = [Reply("value", 2), Reply("value", 4), Reply("value", 6)]


def judged(*replies, key=KEY):
    return judge(EXERCISE, key, 0, list(replies))


def test_all_right():
    verdict = judged(*RIGHT)
    assert verdict.state == "right"
    assert str(verdict).startswith("00-1 right: 3 cases, answers ")


def test_the_smallest_wrong_case_is_explained():
    verdict = judged(RIGHT[0], Reply("value", 5), Reply("value", 7))
    assert verdict.state == "wrong"
    assert str(verdict).splitlines() == [
        "00-1 wrong in 2 of 3 cases. The smallest:",
        "  double(2)",
        "  expected    4",
        "  yours       5",
        "  differs at  step 1",
        "  rule        It is twice as much.",
    ]


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply("value", "4"), "returns '4', which is not a number"),
        (Reply("raised", note="KeyError: 'x'"), "raises KeyError: 'x'"),
        (Reply("endless", note="10"), "does not come to an end within 10 seconds"),
        (Reply("memory"), "needs more memory than there is"),
        (Reply("changed"), "changes its arguments"),
        (Reply("printed", note="4"), "prints '4' and returns nothing; it should return a number"),
        (Reply("strange", note="object"), "can't be compared (object); it should return a number"),
        (Reply("misused", note="is no function"), "is no function"),
        (Reply("anything else"), "gives no reply"),
    ],
)
def test_a_reply_that_is_no_value_is_told_in_words(reply, told):
    verdict = judged(RIGHT[0], reply, RIGHT[2])
    assert verdict.state == "wrong"
    assert told in str(verdict)


def test_pending_is_pending_whatever_came_before():
    assert judged(RIGHT[0], Reply("pending")).state == "pending"


@pytest.mark.parametrize("replies", [[], RIGHT[:2], [*RIGHT, RIGHT[0]]])
def test_too_few_or_too_many_replies_are_wrong(replies):
    assert judged(*replies).state == "wrong"


def test_only_what_differs_is_shown():
    right, given = {"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1, "b": {"c": 2, "d": 4}, "e": 5}
    assert differences(right, given) == ({"b": {"d": 3}}, {"b": {"d": 4}, "e": 5})


def test_a_reply_of_another_shape_ends_in_words_too():
    key = Key(
        lambda case: {"a": case[0]}, lambda case, right, given: Why(given["a"]["b"]), lambda: "a dictionary"
    )
    assert "It has not the shape" in str(judged(Reply("value", {}), key=key))


def test_a_very_long_reply_is_cut():
    key = Key(lambda case: [0] * 5000, lambda case, right, given: Why("Too few."), lambda: "a list")
    assert max(map(len, judged(Reply("value", []), key=key).lines)) < 500


def told(right, given):
    """What a reader is told who returns this in place of that."""
    key = Key(lambda case: right, lambda case, right, given: TWICE, lambda: "what is wanted")
    return str(judged(*[Reply("value", given)] * 3, key=key))


@pytest.mark.parametrize(
    ("right", "given", "shown"),
    [
        (True, False, "expected    True\n  yours       False\n"),
        ((1, "a"), [1, "b"], "expected    (1, 'a')\n  yours       [1, 'b']\n"),
        ([("a", 1)], [("a", 2)], "expected    [('a', 1)]\n  yours       [('a', 2)]\n"),
        ({1: "a"}, {1: "b", 2: ()}, "expected    {1: 'a'}\n  yours       {1: 'b', 2: ()}\n"),
        ((0x1000,), (0x2000,), "expected    (0x1000,)\n  yours       (0x2000,)\n"),
        ([1], {2}, "expected    [1]\n  yours       {2}\n"),
        ([1], set(), "expected    [1]\n  yours       set()\n"),
    ],
)
def test_what_is_shown_is_what_was_returned(right, given, shown):
    assert shown in told(right, plain(given))


@pytest.mark.parametrize("given", [2, None, 0, "True", 1.0, []])
def test_a_truth_is_wanted_and_nothing_else_will_do(given):
    assert f"returns {given!r}, which is not what is wanted" in told(True, given)


@pytest.mark.parametrize("given", [1.0, "1", [1]])
def test_a_number_is_wanted(given):
    assert f"returns {given!r}, which is not what is wanted" in told(1, given)


def test_keys_of_another_kind_are_the_first_to_be_told():
    assert "rule      The keys of the dictionary are such as 1, not '1'." in told({1: "a"}, {"1": "a"})
    assert "such as 1, not '1'" in told(([], {1: "a"}), [[], {"1": "a"}])
    assert "It is twice as much" in told({1: "a", "b": 2}, {"1": "a"})
    assert "It is twice as much" in told({}, {"1": "a"})
