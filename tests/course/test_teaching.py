"""The lecturers' pages: a row names a section that is there, its minutes and title; a class has 80 minutes."""

import re

import nbformat
import pytest

from tests.course import spelling
from vlab.course import links

ROW = re.compile(r"^\| `(\d\d)-([\w-]+)` \| (\d+) \| \[(.+?)\]\((.+?)\) \| .+\? \|$", re.MULTILINE)
PAGES = {"en": "TEACHING.md", "es": "TEACHING.es.md"}


@pytest.fixture(params=PAGES)
def page(request, repository):
    return request.param, repository / "notebooks" / PAGES[request.param]


def test_every_row_is_true(page):
    language, path = page
    rows = ROW.findall(path.read_text("utf-8"))
    assert len(rows) == sum(line.startswith("| `") for line in path.read_text("utf-8").splitlines())
    for lesson, name, minutes, title, link in rows:
        assert link.startswith(f"{language}/{lesson}_")
        notebook = nbformat.read(path.parent / link, as_version=4)
        (cell,) = (cell for cell in notebook.cells if cell.id == name)
        assert cell.metadata["vlab"]["minutes"] == int(minutes)
        assert title in cell.source.splitlines()[0].replace("*", "")


def test_both_languages_have_the_same_routes(repository):
    routes = [
        [row[:3] for row in ROW.findall((repository / "notebooks" / name).read_text("utf-8"))]
        for name in PAGES.values()
    ]
    assert routes[0] == routes[1]


def test_a_class_has_80_minutes(page):
    text = page[1].read_text("utf-8")
    tables = [table for table in re.split(r"\n\n", text) if table.startswith("| ") and ROW.search(table)]
    assert len(tables) == 3
    assert all(70 <= sum(int(row[2]) for row in ROW.findall(table)) <= 80 for table in tables)


def test_links_and_spelling(page):
    language, path = page
    assert list(links.complaints(path)) == []
    assert list(spelling.complaints(path.name, path.read_text("utf-8"), language)) == []
