"""The table of techniques as HTML: a row for each run, and for each level of one."""

import re

from vlab.language import LANGUAGES, set_language
from vlab.operations import compare_all

FOUND = compare_all(["tiny"])


def html(thing):
    shown, _metadata = thing._repr_mimebundle_()
    assert shown["text/plain"] == repr(thing)
    return shown["text/html"]


def rows(table):
    return [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", table)[1:]]


def test_a_row_for_each_run_with_what_it_came_to():
    found = rows(html(FOUND))
    assert len(found) == len(FOUND)
    for cells, row in zip(found, FOUND, strict=True):
        assert cells[:3] == ["tiny", str(row.depth), " / ".join(row.techniques)]
        if row.levels:
            assert cells[3] == "✓ the same"
            assert cells[4:6] == [str(row.levels[-1].direct), str(row.levels[-1].emulated)]
            assert cells[6].split(" / ") == [str(level.total) for level in row.levels]
            counted = [int(words.rsplit(" ", 1)[1]) for words in cells[7].split(", ")]
            assert counted == sorted(counted, reverse=True) and sum(counted) == row.levels[-1].total
        else:
            assert cells[3] == "– can't be" and "does not have" in cells[7]


def test_a_run_has_a_row_for_each_level_and_one_that_cannot_be_has_none():
    row = FOUND["tiny", ("hardware-assisted", "trap-and-emulate")]
    assert [cells[1] for cells in rows(html(row))] == list(row.techniques)
    assert "<table>" not in html(FOUND["tiny", "paravirtual"])


def test_in_every_language():
    said = set()
    for language in LANGUAGES:
        set_language(language)
        said.add((html(FOUND).split("<tbody>")[0], repr(FOUND[("tiny", "paravirtual")])))
    assert len({head for head, _one in said}) == len(LANGUAGES)
