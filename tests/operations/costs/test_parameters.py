"""Parameter sets: every number is published, or follows from published ones by the formula that is shown."""

import ast
import re
from pathlib import Path

import pytest

import vlab
from vlab.language import VlabError, set_language
from vlab.operations.costs import NAMES, facts, parameter_set

HOUSE = Path(vlab.__file__).parent
PUBLISHED = {
    number
    for row in facts().values()
    for _name, numbers in row.values
    for number in numbers
    if number is not None
}


@pytest.mark.parametrize("name", NAMES)
def test_every_number_is_published(name):
    found = parameter_set(name)
    assert found.name == name
    assert {row.source for row in found.facts} == {found.source}
    assert {row.unit for row in found.facts} == {found.unit}
    assert {row.columns for row in found.facts} == {found.ways}
    tables = {parameter: row for one in found.facts for parameter, row in one.table.items()}
    for parameter, row in found.values.items():
        if parameter not in found.derived:
            assert row == tables[parameter]


def test_what_is_derived_follows_from_published_numbers():
    paging = parameter_set("paging")
    assert set(paging.derived) == {"reference", "hidden fault"}
    for parameter, formula in paging.derived.items():
        assert re.fullmatch(r"[\d.()/ -]+", formula)
        assert {float(number) for number in re.findall(r"[\d.]+", formula)} <= PUBLISHED
        node = ast.parse(formula, mode="eval").body
        assert {_value(node)} == set(paging[parameter].values())


def _value(node: ast.expr) -> float:
    """What a formula of differences and quotients comes to."""
    if isinstance(node, ast.Constant):
        return node.value  # type: ignore[return-value]
    assert isinstance(node, ast.BinOp)
    left, right = _value(node.left), _value(node.right)
    return left - right if isinstance(node.op, ast.Sub) else left / right


def test_no_published_number_is_written_in_the_program():
    """It could differ there from what is published, or follows from it. Small numbers are anything."""
    derived = {number for row in parameter_set("paging").values.values() for number in row.values()}
    wanted = {number for number in PUBLISHED | derived if number > 100}
    drawn = (HOUSE / "views" / "operations" / f"{name}.py" for name in ("bars", "costs", "published"))
    for path in (*(HOUSE / "operations" / "costs").glob("*.py"), *drawn):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
                assert node.value not in wanted, (path.name, node.value)


def test_the_nanobenchmarks():
    found = parameter_set("nanobenchmarks")
    assert found.year == 2006 and found.unit == "cycles"
    assert found.ways == ("native", "binary translation", "hardware assist")
    assert set(found.values) == {"syscall", "in", "cr8write", "call/ret", "pgfault", "divzero", "ptemod"}
    # What the paper says of them, in words.
    syscall, ptemod = found["syscall"], found["ptemod"]
    assert syscall["hardware assist"] < syscall["binary translation"]
    assert ptemod["native"] < ptemod["binary translation"] < ptemod["hardware assist"]
    assert found["in"]["binary translation"] < found["in"]["native"]


# Read off the sources a second time: a slip of the keyboard in the file is seen here.
COPIED = {
    "T03-01": (
        *(242, 2308, 246, 3209, 216, 15826, 150, 35, 177, 11, 51, 11),
        *(1093, 3927, 11242, 889, 3223, 1014, 1, 391, 12733),
    ),
    "T03-02": (6.02, 36.95, 106.4),
    "T03-03": (2.62, 18.43, 38.89),
    "T03-16": (3963, 1579, 1266, 1009, 761, 784),
    "T03-17": (2333, 944, 643, 402, 460, 452, 318, 348),
    "T03-18": (1630, 727, 638, 344, 365, 334, 253, 265),
    "T07-05": (2, 8, 3, 15, 4, 24, 5, 35),
    "T07-06": (4.01, 3.9, 3.91, 4.57, 4.43),
    "T07-10": (1.5, 4.4),
    "T07-13": (215, 297, 3178, None, 1470, 2677, 87, 89, 88, 834, 1150, 11245),
}


def test_the_numbers_are_those_of_their_sources():
    found = {row.id: tuple(n for _name, numbers in row.values for n in numbers) for row in facts().values()}
    assert {id_: numbers for id_, numbers in found.items() if numbers} == COPIED


def test_round_trips_fall_from_generation_to_generation():
    found = parameter_set("round-trip")["round trip"]
    assert next(iter(found)) == "Prescott"
    assert found["Prescott"] > found["Merom"] > found["Penryn"] > found["Nehalem"] > found["Westmere"]


def test_it_says_whose_numbers_it_has():
    assert repr(parameter_set("forkwait")).startswith(
        "Fork and wait, 40 000 times: 6 published costs in seconds (K. Adams, O. Agesen. A Comparison"
    )
    assert "40 000 times" in parameter_set("forkwait").facts[0].claim
    assert parameter_set("paging").cited == "Wei et al., 2019"
    assert "12 published" not in repr(parameter_set("paging")) and "11 published" in repr(
        parameter_set("paging")
    )
    for name in NAMES:
        set_language("es")
        assert parameter_set(name).title


def test_names_that_are_not_there():
    with pytest.raises(
        VlabError, match=r"There is no parameter set 'nanobenchmark'\.\nDid you mean 'nanobenchmarks'"
    ):
        parameter_set("nanobenchmark")
    with pytest.raises(VlabError, match=r"nanobenchmarks has no 'sycall'\.\nDid you mean 'syscall'"):
        parameter_set("nanobenchmarks")["sycall"]
    with pytest.raises(
        VlabError, match=r"no number for Hypercall in this way: native\.\nIt has: nested, shadow\."
    ):
        parameter_set("paging").value("Hypercall", "native")
