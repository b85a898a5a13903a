"""Pictures of tried instructions: what every host shows, and the particulars."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.views.structure import all_text, check
from vlab.language import LANGUAGES, set_language
from vlab.silicon import INSTRUCTIONS, Attempt, Attempts, Host, try_all
from vlab.views import attempt_picture, attempts_picture

RECORDED = try_all(live=False)
SIGNS = st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), max_size=60)


@st.composite
def attempts(draw, words=SIGNS):
    instruction = draw(st.sampled_from(INSTRUCTIONS))
    asked = draw(st.sampled_from((instruction.name, instruction.act)))
    host = Host(instruction.machine, draw(words), draw(words), draw(st.booleans()))
    rest = {"live": draw(st.booleans()), "why": draw(words)}
    if draw(st.booleans()):
        return Attempt(asked, instruction, host, result=draw(st.integers(0, (1 << 64) - 1)), **rest)
    at, code = draw(st.sampled_from((None, True, False))), draw(st.sampled_from((None, 1, 128, -6)))
    return Attempt(
        asked, instruction, host, draw(st.sampled_from(("SIGSEGV", "SIGILL", "SIGTRAP"))), code, at=at, **rest
    )


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("name", ["cli", "popf", "pushf", "vmxon"])
def test_each_outcome_is_drawn_whole(name, code):
    set_language(code)
    for details in (False, True):
        check(attempt_picture(RECORDED[name], details=details))


def test_a_trap_goes_up_and_a_signal_comes_down():
    words = all_text(attempt_picture(RECORDED["cli"]))
    assert {"trap", "signal", "told of it", "✗ not executed"} <= {*words}
    details = all_text(RECORDED["cli"].details)
    assert "SIGSEGV" in details and "signal" not in details
    assert any("Recorded on" in line for line in details)


def test_where_nothing_trapped_nothing_goes_up():
    words = all_text(attempt_picture(RECORDED["popf"]))
    assert "no trap" in words and "trap" not in words
    assert "✗ executed, and without its effect: 0x246" in all_text(RECORDED["popf"].details)
    done = dataclasses.replace(RECORDED["popf"], result=0)
    check(attempt_picture(done))
    assert "✓ executed" in all_text(attempt_picture(done))


@given(attempts(), st.booleans(), st.sampled_from(LANGUAGES))
def test_any_attempt_is_drawn_whole(attempt, details, code):
    set_language(code)
    check(attempt_picture(attempt, details=details))


@given(st.lists(attempts(st.just("")), max_size=8), st.booleans(), st.sampled_from(LANGUAGES))
def test_any_table_is_drawn_whole(rows, details, code):
    set_language(code)
    check(attempts_picture(Attempts(tuple(rows), RECORDED.host), details=details))


def test_the_table_has_a_row_for_each():
    words = all_text(RECORDED.details)
    assert [row.instruction.text for row in RECORDED] == [
        line for line in words if line in {row.instruction.text for row in RECORDED}
    ]
    assert words.count("trapped") == RECORDED.counts["trapped"] == 21
    assert all_text(attempts_picture(RECORDED)).count("trapped") == 6
