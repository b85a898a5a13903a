"""Whatever is handed in is read without harm, or refused in words."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.course.grading import submissions
from vlab.course.grading.submissions import Cell, best_match, read, taken
from vlab.language import VlabError

NOT_NOTEBOOKS = {
    "nothing": b"",
    "no JSON": b"{",
    "no text": b"\xff\xfe\xfa",
    "deep": b"[" * 200_000,
    "a list": b"[]",
    "no cells": b"{}",
    "version 3": b'{"worksheets": [{"cells": []}], "nbformat": 3}',
    "cells of another kind": b'{"cells": {"a": 1}}',
    "very many cells": json.dumps({"cells": [{}] * 20_000}).encode(),
    "a huge number": b'{"cells": ' + b"9" * 10_000 + b"}",
}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "handed in.ipynb"


@pytest.mark.parametrize("name", NOT_NOTEBOOKS)
def test_what_is_no_notebook_is_refused(file, name):
    file.write_bytes(NOT_NOTEBOOKS[name])
    with pytest.raises(VlabError, match=r"handed in.ipynb: This .*\n.*as JupyterLab saves it"):
        read(file)


def test_a_huge_file_is_refused_unread(file, monkeypatch):
    monkeypatch.setattr(submissions, "_LARGEST", 10)
    file.write_text("x" * 11)
    with pytest.raises(VlabError, match="larger than"):
        read(file)


def test_what_is_no_file_is_refused(file, tmp_path):
    os.mkfifo(file)
    for path in (file, tmp_path, tmp_path / "missing", tmp_path / ("x" * 5000)):
        with pytest.raises(VlabError, match="This"):
            read(path)


def test_cells_of_any_shape_are_passed_over(file):
    good = {"id": "a", "cell_type": "code", "source": ["x\n", "y", 3], "outputs": "forged"}
    odd: list[object] = [
        None,
        3,
        [],
        {},
        {"id": 3},
        {"id": "b"},
        {"id": "c", "source": {"x": 1}, "cell_type": ["code"]},
    ]
    file.write_text(json.dumps({"cells": [good, *odd]}))
    assert read(file) == [Cell("a", "code", "x\ny"), Cell("b", "None", ""), Cell("c", "['code']", "")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["id", "source", "cell_type", "x"]), inner)
    ),
)


@given(JSON)
def test_any_cells_are_read_or_refused(tmp_path_factory, cells):
    file = tmp_path_factory.getbasetemp() / "any.ipynb"
    file.write_text(json.dumps({"cells": cells}))
    try:
        assert all(isinstance(cell, Cell) for cell in read(file))
    except VlabError:
        assert not isinstance(cells, list)


@pytest.mark.parametrize(
    ("cells", "source", "why"),
    [
        ([Cell("a", "code", "x")], "x", ""),
        ([Cell("b", "code", "x")], None, "is missing"),
        ([Cell("a", "markdown", "x")], None, "no code cell"),
        ([Cell("a", "code", "x"), Cell("a", "code", "y")], None, "2 cells claim to be"),
        ([Cell("a", "code", "x"), Cell("a", "code", "x")], "x", ""),
    ],
)
def test_a_blank_is_taken_by_its_id(cells, source, why):
    found, reason = taken(cells, "a")
    assert found == source
    assert why in reason


def test_the_notebook_with_most_of_the_blanks_is_meant():
    blanks = {"one": {"a", "b"}, "two": {"b", "c"}}
    assert best_match([Cell("b", "code", ""), Cell("c", "code", "")], blanks) == "two"
    assert best_match([Cell("x", "code", "")], blanks) == best_match([], blanks) == ""
