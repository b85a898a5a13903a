"""Exits of several guests, drawn beside each other."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hypervisor.towers import tower
from tests.views.structure import all_text, check
from vlab import guests
from vlab.language import LANGUAGES, VlabError, set_language
from vlab.views import Exits, picture_of
from vlab.views.operations.exits import MOST, ROWS
from vlab.views.terms import reasons

NAMES = st.text(max_size=40)
CAUSES = st.sampled_from([*reasons(), "hypercall: return", "hypercall: off"]) | st.text(max_size=40)
COUNTS = st.dictionaries(CAUSES, st.integers(0, 10**9), max_size=14)


def test_every_count_stands_in_its_column_and_the_sum_behind_them():
    built = tower(guests.load("tiny"), 1)
    built.machine.run()
    vm = built.vms[0]
    exits = Exits({"mine": vm, "other": {"device access": 3}})
    assert exits.counts["mine"] == vm.exits
    words = all_text(picture_of(exits))
    assert {str(count) for count in vm.exits.values()} | {str(vm.exits.total()), "mine", "in all"} <= set(
        words
    )
    assert f"mine {vm.exits.total()} (" in repr(exits) and repr(exits).endswith("other 3 (device access 3).")


def test_it_keeps_what_was_when_it_was_made():
    counts = {"timer": 1}
    exits = Exits({"a": counts})
    counts["timer"] = 2
    assert exits.counts["a"]["timer"] == 1


def test_hypercalls_are_one_cause():
    exits = Exits({"a": {"hypercall: off": 1, "hypercall: return": 4, "timer": 0}})
    assert exits.counts == {"a": {"hypercall": 5}}
    assert exits.causes == ("hypercall",)
    assert "hypercalls" in all_text(picture_of(exits))


def test_what_is_frequent_comes_first_and_what_is_rare_is_together():
    exits = Exits({"a": {f"cause {n}": 100 - n for n in range(15)}, "b": {"cause 14": 1000}})
    assert exits.causes[:2] == ("cause 14", "cause 0")
    words = all_text(picture_of(exits))
    assert "others" in words and str(sum(100 - n for n in range(MOST - 2, 14))) in words


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_common_cause_is_cut(language):
    set_language(language)
    exits = Exits({"a": {"timer": 1, "privileged instruction": 2, "hypercall: off": 1}})
    words = all_text(picture_of(exits))
    assert not any("…" in word for word in words)


def test_of_too_many_guests_the_rest_are_counted():
    picture = picture_of(Exits({f"guest {n}": {"timer": n} for n in range(ROWS + 3)}))
    check(picture)
    assert "and 3 more" in all_text(picture)


def test_the_longest_bar_is_the_largest_count():
    svg = picture_of(Exits({"a": {"timer": 10}, "b": {"timer": 5}})).svg
    assert 'width="62"' in svg and 'width="31"' in svg


@given(st.dictionaries(NAMES, COUNTS, max_size=30))
def test_any_exits_are_drawn_with_nothing_cut_or_overlapping(found):
    check(picture_of(Exits(found)))


@pytest.mark.parametrize("wrong", [7, {"a": 7}, {"a": {"timer": -1}}, {"a": {"timer": True}}, {"a": {3: 1}}])
def test_what_are_no_exits_is_refused(wrong):
    thing: Any = wrong
    with pytest.raises(VlabError, match="no exits"):
        Exits(thing)
