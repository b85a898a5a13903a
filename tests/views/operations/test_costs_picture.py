"""Costs drawn: numbers that were measured, bars that are modelled, and each says which it is."""

from hypothesis import given
from hypothesis import strategies as st

from tests.views.structure import all_text, check
from vlab.language import grouped
from vlab.operations.costs import Measured, Workload, compare_paging, compare_processors, compare_techniques
from vlab.operations.costs.comparisons import Costs, Row
from vlab.operations.costs.model import paging_model
from vlab.operations.costs.quantities import _titles
from vlab.views import picture_of
from vlab.views.operations.costs import costs_picture

COUNTS = st.dictionaries(st.sampled_from([*_titles(), "own"]), st.integers(0, 10**9))
WAYS = st.lists(st.tuples(st.text(max_size=60), st.sampled_from(["native", "nested", "shadow"])), max_size=8)


@given(data=st.data(), title=st.text(max_size=100), ways=WAYS)
def test_any_costs_are_drawn_with_nothing_cut_or_overlapping(data, title, ways):
    model = paging_model()
    rows = []
    for name, way in ways:
        start, further = (Measured("x", data.draw(COUNTS)) for _once in range(2))
        rows.append(Row(name, start, further, model.price(start, way), model.price(further, way)))
    check(costs_picture(Costs(Workload(title, "pages", "ROUNDS"), model, tuple(rows))))


def test_each_number_is_called_what_it_is():
    costs = compare_paging("many edits")
    words = all_text(costs_picture(costs))
    for row in costs:
        assert grouped(row.further_cost.total) in words and grouped(row.start_cost.total) in words
    said = " ".join(words)
    for row in costs:
        assert f"measured: {row.further.listed}" in said
    assert {"until it is done once: modelled cycles", "each time more: modelled cycles"} <= set(words)
    assert "Modelled with “Shadow and nested paging on an Ivy Bridge”: S. Wei" in said
    assert costs.verdict in words
    assert costs.model.note in said


def test_a_bar_without_all_its_prices_says_so():
    words = all_text(costs_picture(compare_paging("many edits", ("eager",))))
    assert sum(word.startswith("≥ ") for word in words) == 2
    assert any(word.startswith("≥: ") for word in words)
    assert not any("≥" in word for word in all_text(costs_picture(compare_paging("many edits"))))


def test_the_legend_names_what_there_is():
    words = all_text(costs_picture(compare_techniques("fork and wait")))
    assert {"system calls", "page faults of the guest", "traced page-table writes"} <= set(words)
    assert "references of walks" not in words
    assert "exits" in all_text(costs_picture(compare_processors("fork and wait")))


def test_all_of_them_keep_the_rules():
    for costs in (
        compare_techniques("system calls"),
        compare_processors("many edits"),
        compare_paging("fork and wait"),
    ):
        check(picture_of(costs))
