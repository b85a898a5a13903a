"""The published rows: each whole, and whose it is."""

import json
import re

import pytest

from vlab import files
from vlab.language import VlabError
from vlab.operations.costs import fact, facts

ROWS = json.loads((files.folder("data") / "published.json").read_text("utf-8"))
WITH_NUMBERS = [row for row in ROWS if "values" in row]


def test_each_row_stands_for_itself():
    assert len(facts()) == len(ROWS), "two rows have one id"
    for row in ROWS:
        for key in ("id", "claim", "source", "locator"):
            assert row[key].strip() == row[key] != "", (row["id"], key)
        assert not row["claim"].endswith("."), row["id"]
        assert re.fullmatch(r"T\d\d-\d\d", row["id"])


@pytest.mark.parametrize("row", WITH_NUMBERS, ids=lambda row: row["id"])
def test_a_row_with_numbers_says_what_they_are(row):
    assert row["unit"] in ("cycles", "s", "references", "times")
    assert str(row["year"]) in row["source"]
    for numbers in row["values"].values():
        assert len(numbers) == len(row["columns"])
        assert all(number is None or number > 0 for number in numbers)
    found = fact(row["id"])
    assert found.columns == tuple(row["columns"])
    for name, numbers in row["values"].items():
        assert [found.table[name].get(column) for column in row["columns"]] == numbers


def test_some_rows_have_numbers():
    assert len(WITH_NUMBERS) >= 9
    assert fact("T01-05").values == () and fact("T01-05").table == {}


def test_a_row_that_is_not_there():
    with pytest.raises(VlabError, match=r"There is no published row 'T03-99'\.\nDid you mean 'T0"):
        fact("T03-99")
