"""Plain values keep their kinds, and cross from one process to another with them."""

import enum
import json
import sys
from collections import Counter, OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.course.values import Strange, packed, plain, same, unpacked

PARTS = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.text(max_size=4)
    | st.floats(allow_nan=False)
)
KEYS = st.recursive(
    PARTS, lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3)
)
VALUES = st.recursive(
    KEYS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=12,
)


class Number:
    def __index__(self):
        return 7


class Colour(enum.IntEnum):
    RED = 3


def forever():
    while True:
        yield 1


class Endless(list[int]):
    __iter__ = staticmethod(forever)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (True, True),
        (Colour.RED, 3),
        (Number(), 7),
        ((1, [2]), (1, [2])),
        ({3, 1, 2}, frozenset({1, 2, 3})),
        (Counter("aab"), {"a": 2, "b": 1}),
        (OrderedDict(b=1), {"b": 1}),
        ({1: (None,), Colour.RED: 1}, {1: (None,), 3: 1}),
        (1.5, 1.5),
        (1 << 255, 1 << 255),
    ],
)
def test_plain_values(value, wanted):
    found = plain(value)
    assert found == wanted
    assert type(found) is type(wanted)
    assert all(type(key) is not Colour for key in (found if isinstance(found, dict) else ()))


def nested(depth):
    value: list[object] = []
    for _level in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        object(),
        b"x",
        len,
        1 << 256,
        [0] * 60_000,
        Endless(),
        nested(10 * sys.getrecursionlimit()),
        [{1}, int],
        {1: open},
    ],
)
def test_values_that_are_not_plain(value):
    with pytest.raises(Strange):
        plain(value)


def kinds(value):
    """A value with the kind of each of its parts."""
    if isinstance(value, dict):
        return "dict", [(kinds(key), kinds(part)) for key, part in value.items()]
    if isinstance(value, frozenset):
        return "set", sorted(map(kinds, value), key=repr)
    return type(value).__name__, list(map(kinds, value)) if isinstance(value, list | tuple) else repr(value)


@given(VALUES)
def test_a_value_comes_out_as_it_went_in(value):
    carried = unpacked(json.loads(json.dumps(packed(value))))
    assert kinds(carried) == kinds(plain(value))
    assert same(value, carried)


@pytest.mark.parametrize(
    ("right", "other"),
    [
        ((1, "a"), [1, "a"]),
        ([1, 2], {2, 1}),
        (True, 1),
        ({1: (True, [])}, {1: [1, ()]}),
    ],
)
def test_what_need_not_be_told_apart(right, other):
    assert same(plain(right), plain(other))
    assert same(plain(other), plain(right))


@pytest.mark.parametrize(
    ("right", "other"),
    [
        ({1: 2}, {"1": 2}),
        ({(1, 2): 2}, {"[1, 2]": 2}),
        (1, "1"),
        (1, 1.0),
        ("1.5", 1.5),
        (None, "None"),
        (0, None),
        ([1], [1, 1]),
        ({1: 1}, [[1, 1]]),
    ],
)
def test_what_is_told_apart(right, other):
    assert not same(plain(right), plain(other))
    assert not same(plain(other), plain(right))
