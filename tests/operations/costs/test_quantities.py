"""What was measured and what was modelled are kept apart, by their types."""

import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.language import VlabError
from vlab.operations.costs import Measured, Modelled, parameter_set

COUNTS = st.dictionaries(st.sampled_from(["exit", "fence", "system call", "own"]), st.integers(0, 1000))
PAGING, P4 = parameter_set("paging"), parameter_set("nanobenchmarks")
MEASURED = Measured("a run", {"fence": 3, "exit": 5, "system call": 0})
COST = Modelled({"exit": 10.0, "fence": 2.5}, PAGING, "shadow", {"own": 2})


def test_measured_counts_say_so_and_where():
    assert repr(MEASURED) == "measured in a run: exits 5, fences 3"
    assert repr(Measured("x\ny")) == "measured in x\N{REPLACEMENT CHARACTER}y: nothing"
    assert list(MEASURED) == ["exit", "fence"]
    assert MEASURED["exit"] == 5 and MEASURED["system call"] == 0 and MEASURED["nothing such"] == 0


def test_modelled_costs_say_so_and_with_what():
    assert repr(COST) == "12.5 cycles, modelled with paging (Wei et al., 2019)"
    assert COST.total == 12.5


@pytest.mark.parametrize("operation", [operator.add, operator.sub, operator.eq, operator.lt, operator.ge])
@pytest.mark.parametrize(
    ("one", "other"),
    [(MEASURED, COST), (COST, MEASURED), (MEASURED, 3), (3, MEASURED), (COST, 3.0), (3, COST), (COST, None)],
)
def test_they_are_never_mixed(operation, one, other):
    with pytest.raises((VlabError, TypeError)) as raised:
        operation(one, other)
    if operation is operator.add:
        assert isinstance(raised.value, VlabError)
        assert "kept apart" in str(raised.value)


def test_costs_of_different_computers_are_not_added_or_compared():
    other = Modelled({"exit": 1.0}, P4, "native")
    for operation in (operator.add, operator.lt, operator.gt, operator.eq, operator.truediv):
        with pytest.raises(VlabError, match="costs of different computers"):
            operation(COST, other)


@given(one=COUNTS, two=COUNTS)
def test_measured_counts_add_up(one, two):
    a, b = Measured("a", one), Measured("b", two)
    assert (a + b) - b == a
    assert sum([a, b]) == b + a
    assert all((a + b)[name] == one.get(name, 0) + two.get(name, 0) for name in {*one, *two})
    assert a.only("exit")["exit"] == one.get("exit", 0) and set(a.only("exit")) <= {"exit"}


def test_modelled_costs_add_up():
    twice = COST + COST
    assert twice == COST * 2 == 2 * COST == sum([COST, COST])
    assert twice.parts == {"exit": 20.0, "fence": 5.0} and twice.unpriced == {"own": 4}
    assert twice / COST == 2 and twice > COST and twice >= COST
    assert (COST + Modelled({"reference": 1.0}, PAGING, "nested")).way == "shadow + nested"
    with pytest.raises(VlabError, match="costs nothing"):
        COST / Modelled({}, PAGING, "native")
    with pytest.raises(VlabError, match="kept apart"):
        COST * 1.5  # type: ignore[operator]


def test_a_measured_count_has_no_price_by_itself():
    for forbidden in (float, int):
        with pytest.raises(TypeError):
            forbidden(MEASURED)  # type: ignore[arg-type, call-overload]
        with pytest.raises(TypeError):
            forbidden(COST)  # type: ignore[arg-type, call-overload]
