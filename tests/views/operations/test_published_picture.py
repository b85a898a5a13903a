"""Published numbers drawn: all of them, and whose they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.views.structure import all_text, check
from vlab.language import grouped
from vlab.operations.costs import NAMES, ParameterSet, count_walks, parameter_set
from vlab.views import picture_of
from vlab.views.operations.bars import length, log_length
from vlab.views.operations.published import parameters_picture, walk_counts_picture

NUMBERS = st.floats(0.01, 1e9, allow_nan=False)


@pytest.mark.parametrize("name", NAMES)
def test_every_number_is_there_with_its_source(name):
    parameters = parameter_set(name)
    picture = picture_of(parameters)
    check(picture)
    words = all_text(picture)
    for row in parameters.values.values():
        assert all(grouped(number) in words for number in row.values())
    said = " ".join(words)
    assert parameters.citation in said
    assert "Published, in " in said and "easured" not in said.replace("Meas. Anal.", "")
    for parameter, formula in parameters.derived.items():
        assert f"{parameter} *" in words and f"{parameter} = {formula}" in said


@given(
    rows=st.dictionaries(
        st.text(max_size=50),
        st.dictionaries(st.sampled_from(["native", "nested", "shadow"]), NUMBERS, min_size=1),
        min_size=1,
        max_size=6,
    ),
    other=st.booleans(),
)
def test_any_numbers_are_drawn_with_nothing_cut_or_overlapping(rows, other):
    facts = parameter_set("round-trip" if other else "paging").facts
    check(parameters_picture(ParameterSet("paging", facts, rows)))


def test_a_steep_scale_is_told():
    assert any("powers of ten" in word for word in all_text(picture_of(parameter_set("nanobenchmarks"))))
    assert not any("powers of ten" in word for word in all_text(picture_of(parameter_set("forkwait"))))


@given(one=NUMBERS, other=NUMBERS)
def test_more_is_longer(one, other):
    for scale in (length, log_length):
        assert (scale(one, 1e9, 400) <= scale(other, 1e9, 400)) or one > other
        assert 0 < scale(one, 1e9, 400) <= 400


def test_walks_are_drawn_as_counted_beside_what_is_published():
    picture = walk_counts_picture(count_walks())
    check(picture)
    words = all_text(picture)
    assert {"2", "3", "4", "5", "8", "15", "24", "35"} <= set(words)
    assert {"References of one walk, measured", "published", "Sv57 over Sv57x4", "5 over 5 levels"} <= set(
        words
    )
