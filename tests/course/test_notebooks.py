"""The lessons as files: each hole that nbval leaves open has its complaint, and the stored lessons have none."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from vlab.course import notebooks
from vlab.language import VlabError

HEADINGS = [f"## {title}" for title in notebooks.SKELETON]


def written(tmp_path, *cells, headings=HEADINGS):
    """A lesson with these code cells, numbered as executed unless they say otherwise."""
    path = tmp_path / "07_test.ipynb"
    for number, cell in enumerate(cells, 1):
        cell.execution_count = number if cell.execution_count is None else cell.execution_count
    book = new_notebook(cells=[new_markdown_cell("# Title"), *map(new_markdown_cell, headings), *cells])
    nbformat.write(book, path)
    return path


def html(text):
    return new_output("display_data", {"text/html": text})


@pytest.mark.parametrize("path", notebooks.lessons(), ids=lambda path: path.stem)
def test_the_stored_lessons_have_no_complaint(path):
    assert notebooks.complaints(path) == []


def test_a_clean_lesson_has_no_complaint(tmp_path):
    cell = new_code_cell("import vlab\n\nvlab", outputs=[html('<img alt="a ladder" src="x">')])
    assert notebooks.complaints(written(tmp_path, cell)) == []


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        (new_code_cell("1", execution_count=7), "executed as number 7"),
        (new_code_cell("%time 1"), "magics"),
        (new_code_cell("!ls"), "magics"),
        (new_code_cell("1\n" * 16), "more than 15 lines"),
        (new_code_cell("# NBVAL_SKIP\n1"), "look away"),
        (new_code_cell("1", metadata={"tags": ["nbval-ignore-output"]}), "look away"),
        (new_code_cell("1\n# why not"), "a comment"),
        (new_code_cell("import os"), "imports os"),
        (new_code_cell("from subprocess import run"), "imports subprocess"),
        (new_code_cell("1/0", outputs=[new_output("error", ename="ZeroDivisionError")]), "ends in Zero"),
        (new_code_cell("a", outputs=[html("<object object at 0x7f00>")]), "memory address"),
        (new_code_cell("a", outputs=[html('<img src="x">')]), "without a sentence"),
        (new_code_cell("a", outputs=[html('<img alt="" src="x">')]), "without a sentence"),
        (new_code_cell("a", outputs=[new_output("display_data", {notebooks._WIDGET: {}})]), "widget"),
    ],
)
def test_each_hole_is_seen(tmp_path, cell, complaint):
    assert [text for text in notebooks.complaints(written(tmp_path, cell)) if complaint in text]


def test_a_missing_section_is_seen(tmp_path):
    assert "'Synopsis' is missing" in "".join(
        notebooks.complaints(written(tmp_path, headings=[h for h in HEADINGS if "Synopsis" not in h]))
    )


def test_sections_out_of_order_are_seen(tmp_path):
    assert "order" in "".join(notebooks.complaints(written(tmp_path, headings=HEADINGS[::-1])))


def test_a_large_file_is_seen(tmp_path):
    cell = new_code_cell("1", outputs=[html("x" * notebooks.LARGEST_FILE)])
    assert "larger than" in "".join(notebooks.complaints(written(tmp_path, cell)))


def test_building_stores_the_same_bytes_twice(tmp_path):
    path = written(tmp_path, new_code_cell("from collections import Counter\n\nCounter('abca')"))
    notebooks.build(path)
    first = path.read_bytes()
    notebooks.build(path)
    assert path.read_bytes() == first
    assert b"Counter({" in first


def test_a_cell_that_fails_leaves_the_file_as_it_was(tmp_path):
    path = written(tmp_path, new_code_cell("1"), new_code_cell("1/0", id="broken"))
    before = path.read_bytes()
    with pytest.raises(VlabError, match="cell broken: ZeroDivisionError"):
        notebooks.build(path)
    assert path.read_bytes() == before


def test_a_lesson_that_is_not_there_is_named():
    with pytest.raises(VlabError, match="There is no lesson '99'"):
        notebooks.lessons(["99"])
