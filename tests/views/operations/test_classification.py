"""The picture and the tables of Popek and Goldberg's classes."""

import re
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.views.structure import all_text, check
from vlab.language import LANGUAGES, set_language
from vlab.machine import Machine
from vlab.operations import classify
from vlab.operations.classification.experiments import instructions
from vlab.views import picture_of

FOUND = classify(
    lambda: Machine(memory="128K", quirks="silent-sstatus"),
    only=["sret", "add", "csrrs sstatus", "csrrw mscratch"],
)


EVERY = [f"{row.name} {csr}".rstrip() for row, csr in instructions(Machine(memory="64K").hart)]


@cache
def classified(quirks):
    return classify(lambda: Machine(memory="128K", quirks=quirks))


def html(thing):
    shown, _metadata = thing._repr_mimebundle_()
    assert shown["text/plain"] == repr(thing)
    return shown["text/html"]


def rows(table):
    return [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", table)[1:]]


def test_each_pair_has_a_row_for_each_verdict_culprits_first_and_marked():
    tables = html(FOUND).split("</table>")
    assert len(tables) == 4
    found = rows(tables[0])
    assert [row[2] for row in found] == ["csrrs sstatus", "sret", "add", "csrrw mscratch"]
    assert [row[0].startswith("✗") for row in found] == [True, False, False, False]
    assert "mstatus was" in found[0][3]
    assert [row[1] for row in found] == ["1"] * 4


@pytest.mark.parametrize("pair", [("U", "S"), ("U", "M"), ("S", "M")])
@pytest.mark.parametrize("quirks", [(), "silent-sstatus"])
def test_the_picture_has_every_instruction_and_keeps_the_rules(quirks, pair):
    found = classified(quirks)[pair]
    picture = picture_of(found)
    check(picture)
    said = " ".join(all_text(picture))
    for row in found:
        assert row.csr.rstrip("0123456789") in said if row.csr else f"{row.name}" in said
    assert f"sensitive: {sum(row.sensitive for row in found)} " in said
    assert f"privileged: {sum(row.privileged for row in found)} " in said


@given(st.sets(st.sampled_from(EVERY), min_size=1, max_size=12), st.sampled_from(LANGUAGES), st.booleans())
@settings(max_examples=30, deadline=None)
def test_any_instructions_make_a_picture_in_any_language(only, language, quirky):
    set_language(language)
    for pair in classify(
        lambda: Machine(memory="128K", quirks="silent-sstatus" if quirky else ()), only=sorted(only)
    ).pairs:
        check(picture_of(pair))


def test_culprits_stick_out_and_where_there_are_none_one_set_lies_in_the_other():
    """The two frames: the set of the sensitive ones, and that of the privileged ones."""

    def frames(pair):
        shapes = [dict(shape.attributes) for shape in picture_of(pair).shapes if shape.tag == "rect"]
        (one,) = [box(facts) for facts in shapes if "l-ink" in facts["class"]]
        (other,) = [box(facts) for facts in shapes if "l-hypervisor" in facts["class"]]
        return one, other

    def box(facts):
        x, y, width, height = (float(facts[name]) for name in ("x", "y", "width", "height"))
        return x, y, x + width, y + height

    (left, top, right, bottom), (x, y, end, under) = frames(classified(())["U", "S"])
    assert x < left < right < end and y < top < bottom < under
    (left, _top, right, _bottom), (x, _y, end, _under) = frames(classified("silent-sstatus")["U", "S"])
    assert left < x < right < end


def test_one_instruction_shows_its_experiments():
    row = FOUND["U", "S"]["sret"]
    assert [cells[1] for cells in rows(html(row))] == [repr(one) for one in row.evidence]
    assert "<table>" not in html(FOUND["U", "S"]["add"])
    assert html(FOUND["U", "S"]) == picture_of(FOUND["U", "S"]).html()
