"""The comparisons say what the literature says, with counts that were measured here."""

import pytest

from vlab.language import VlabError
from vlab.operations.costs import (
    WORKLOADS,
    compare_paging,
    compare_processors,
    compare_techniques,
    count_walks,
    parameter_set,
)
from vlab.operations.costs.comparisons import Costs

LARGE, EDITS, FORK, CALLS = WORKLOADS


def total(costs: Costs, way: str, times: int) -> float:
    row = costs[way]
    return (row.start_cost + row.further_cost * (times - 1)).total


def test_with_a_large_working_set_nested_paging_loses():
    costs = compare_paging(LARGE)
    assert costs.order()[-1] == "nested" and costs.order()[0] == "native"
    assert costs["nested"].further_cost / costs["traced"].further_cost > 4
    assert costs["nested"].start_cost < costs["traced"].start_cost  # every page is a hidden fault first


def test_walks_of_two_stages_cost_about_as_many_times_more_as_was_published():
    costs = compare_paging(LARGE)
    ratio = costs["nested"].further_cost / costs["native"].further_cost
    published = parameter_set("walk-time")["nested walk"].values()
    references = parameter_set("references")["4 over 4"]
    assert min(published) < ratio < references["nested"] / references["native"]


def test_with_many_edits_shadows_lose():
    for name in (EDITS, FORK):
        costs = compare_paging(name)
        assert costs.order()[:2] == ("native", "nested")
        assert costs["traced"].further_cost / costs["nested"].further_cost > 10


@pytest.mark.parametrize("name", WORKLOADS)
def test_from_when_on_one_costs_more_is_where_it_turns(name):
    costs = compare_paging(name)
    for one in ("nested", "traced", "lazy"):
        for other in ("nested", "traced", "lazy"):
            dearer = [total(costs, one, n) > total(costs, other, n) for n in range(1, 400)]
            times = costs.dearer_from(one, other)
            if times is None:
                assert not dearer[-1]
            else:
                assert all(dearer[times - 1 :]) and not any(dearer[: times - 1])


def test_the_verdict():
    times = compare_paging(LARGE).dearer_from("nested", "traced")
    assert times is not None and times > 10
    said = f"Done {times} times or more, it costs more in all with nested paging than with traced shadows."
    assert compare_paging(LARGE).verdict == said
    assert repr(compare_paging(LARGE)).endswith(said)
    assert compare_paging(EDITS).verdict == (
        "Already done once, it costs more with traced shadows than with nested paging."
    )
    assert compare_techniques(FORK).verdict == "" == compare_paging(EDITS, ()).verdict


def test_eager_shadows_cost_more_than_their_price():
    costs = compare_paging(EDITS, ("eager",))
    assert costs["eager"].further_cost.unpriced == {"entry ahead": costs["eager"].further["entry ahead"]}
    for row in compare_paging(EDITS):
        assert not row.start_cost.unpriced and not row.further_cost.unpriced


def test_fork_and_wait_has_the_order_that_was_published():
    published = parameter_set("forkwait")
    for processor in published.values.values():
        assert compare_techniques(FORK).order() == tuple(sorted(processor, key=processor.__getitem__))


def test_system_calls_are_where_hardware_beats_translation():
    costs = compare_techniques(CALLS)
    assert costs.order() == ("native", "hardware assist", "binary translation")
    assert costs["native"].further["system call"] == 200 + 3


def test_all_techniques_are_priced_on_the_same_counts():
    rows = list(compare_techniques(FORK))
    assert len(rows) == 3
    assert all(row.start == rows[0].start and row.further == rows[0].further for row in rows)
    assert rows[0].further["page-table write"] > 0


def test_processors():
    costs = compare_processors(FORK)
    trips = parameter_set("round-trip")["round trip"]
    assert [row.way for row in costs] == list(trips)
    for row in costs:
        assert row.further_cost.total == row.further["exit"] * trips[row.way]
    assert costs.order()[-1] == "Prescott"


def test_walks_are_made_and_agree_with_what_is_published():
    counts = count_walks()
    assert (
        [row.counted[1] for row in counts.rows] == [8, 15, 24, 35] == [row.published for row in counts.rows]
    )
    assert [row.counted[0] for row in counts.rows] == [2, 3, 4, 5]
    for row in counts.rows:
        assert row.nested.physical is not None and row.native.physical == row.nested.gpa
        native = counts.parameters.value(f"{row.guest.levels} over {row.host.levels}", "native")
        assert row.counted[0] == native
    assert repr(counts) == (
        "References measured in one walk of two stages: Sv32 over Sv32x4 8, Sv39 over Sv39x4 15, "
        "Sv48 over Sv48x4 24, Sv57 over Sv57x4 35; published are 8, 15, 24, 35 (Bhargava et al., 2008)."
    )


def test_names_that_are_not_there():
    with pytest.raises(VlabError, match="Did you mean 'fork and wait'"):
        compare_techniques("fork & wait")
    with pytest.raises(VlabError, match=r"no way 'neste'\.\nDid you mean 'nested'"):
        compare_paging(EDITS)["neste"]
    with pytest.raises(VlabError, match="no way 'lasy' to run"):
        compare_paging(EDITS, ("lasy",))


def test_nothing_is_said_to_cost_more_than_what_has_no_price():
    costs = compare_paging(LARGE, ("eager",))
    assert costs["eager"].start_cost.unpriced and costs.dearer_from("nested", "eager") == 1
    assert costs.verdict == ""
