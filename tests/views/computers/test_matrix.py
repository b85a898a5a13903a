"""The pictures of the matrix of isolation and of its cells."""

import re
from functools import cache
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.views.structure import all_text, check
from vlab.language import LANGUAGES, set_language
from vlab.operations import Cell, IsolationMatrix, Verdict, probe_isolation
from vlab.operations.isolation import ARRANGEMENTS, ATTACKS
from vlab.views import picture_of
from vlab.views.computers.matrix import matrix_picture


@cache
def probed() -> IsolationMatrix:
    return probe_isolation()


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_fits_in_every_language_and_nothing_is_shortened(language):
    set_language(language)
    picture = picture_of(probed())
    check(picture)
    assert picture.sentence == repr(probed())
    assert [words for words in all_text(picture) if words.endswith("…")] in (
        ["The attacker…"],
        ["El atacante…"],
    )


def test_it_says_each_verdict_and_what_it_rests_on():
    said = " ".join(all_text(picture_of(probed())))
    for cell in probed():
        assert cell.said in said
    words = [words for words in all_text(picture_of(probed())) if words in {v.value for v in Verdict}]
    assert words == [cell.verdict.value for cell in probed()]
    assert [f"{held} of 11 held off" in said for held in (2, 7, 11)] == [True] * 3


def test_no_two_verdicts_are_told_apart_by_colour_alone():
    shapes = set()
    for verdict in Verdict:
        cell = next(shape for shape in matrix_picture(every(verdict)).shapes if shape.tag == "g")
        drawn = (shape for shape in cell.children if not isinstance(shape, str) and shape.tag != "text")
        shapes.add(re.sub('class="[^"]*"', "", "".join(map(str, drawn))))
    assert len(shapes) == len(Verdict)


def every(verdict: Verdict) -> IsolationMatrix:
    """A matrix of this verdict alone."""
    return IsolationMatrix(
        tuple(
            Cell(attack, arrangement, verdict, ("victim: done",), (), ("victim: done",))
            if verdict not in (Verdict.CHANGED, Verdict.DENIED, Verdict.LEAKED)
            else Cell(
                attack, arrangement, verdict, ("victim: x",), ("attacker: got: victim",), ("victim: y",)
            )
            for attack, arrangement in product(ATTACKS, ARRANGEMENTS)
        )
    )


def test_a_column_shows_what_is_shared():
    said = all_text(picture_of(probed()))
    assert [said.count(words) for words in ("victim", "attacker", "kernel", "hypervisor", "machine")] == [
        *(3, 3),
        *(4, 1, 3),
    ]


def test_a_cell_shows_what_both_said():
    for place in product(ATTACKS, ARRANGEMENTS):
        cell = probed()[place]
        picture = picture_of(cell)
        check(picture)
        assert picture.sentence == repr(cell)
        said = [words.removesuffix("  ≠") for words in all_text(picture)]
        assert {*cell.victim, *cell.attacker} <= {*said}
    changed = all_text(picture_of(probed()["overwrite", "processes"]))
    assert [words for words in changed if words.endswith("≠")] == ["victim: diary:  mine now  ≠"]
    dead = all_text(picture_of(probed()["kill", "processes"]))
    assert "✗  victim: done" in dead


LINES = st.lists(st.text(max_size=120), max_size=12)


@settings(max_examples=40, deadline=None)
@given(LINES, LINES, LINES, st.sampled_from([Verdict.DIED, Verdict.HELD]))
def test_whatever_a_guest_prints_fits(victim, attacker, quiet, verdict):
    victim, attacker, quiet = (tuple(lines) for lines in (victim or ["x"], attacker, quiet))
    cell = Cell("read", "containers", verdict, victim, attacker, quiet)
    check(picture_of(cell))
    check(
        matrix_picture(
            IsolationMatrix(
                tuple(
                    Cell(attack, arrangement, verdict, victim, attacker, quiet)
                    for attack, arrangement in product(ATTACKS, ARRANGEMENTS)
                )
            )
        )
    )
