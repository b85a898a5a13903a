"""The lecturers' pages: a row names a section that is there, its minutes and title; a class has 80 minutes.

A route follows the lessons' order, and the one through the whole unit leaves no section out.
"""

import re

import pytest

from tests.course import spelling
from vlab.course import links, syllabus
from vlab.course.live import CHECKPOINT
from vlab.course.sections import Lesson

ROW = re.compile(r"^\| `(\d\d-[\w-]+)` \| (\d+) \| \[(.+?)\]\((.+?)\) \| .+\? \|$", re.MULTILINE)
CLASS = re.compile(r"^#{2,3} [^\n]*\((\d+) minut[eo]s\)$(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
SHORTER = re.compile(r"(?:Leave out|Omite) (.+): (?:quedan )?(\d+) minut[eo]s")
UNIT = re.compile(r"^### (?:Class|Clase) \d+: ", re.MULTILINE)
PAGES = {"en": "TEACHING.md", "es": "TEACHING.es.md"}
ROUTES = {"one class": 1, "two classes": 2, "the unit": 11}  # how many classes each has


@pytest.fixture(params=PAGES)
def page(request, repository):
    return request.param, repository / "notebooks" / PAGES[request.param]


def sections(path):
    """The sections that begin with a checkpoint, by name, with their lessons, in the order of these."""
    lessons = [Lesson(place) for place in sorted(path.glob("[0-9][0-9]_*.ipynb"))]
    return {
        section.id: (section, lesson)
        for lesson in lessons
        for section in lesson.sections
        if section.code and section.code[0]["id"].endswith(CHECKPOINT)
    }


def classes(text):
    """Of each class: the minutes in its heading, its rows, and what to leave out with the minutes left then."""
    found = []
    for heading, body in CLASS.findall(text):
        ((said, left),) = SHORTER.findall(body)
        found.append((int(heading), ROW.findall(body), re.findall("`(.+?)`", said), int(left)))
    return found


def names(rows):
    return [row[0] for row in rows]


def test_every_row_is_true(page):
    language, path = page
    text, there = path.read_text("utf-8"), sections(path.parent / language)
    rows = ROW.findall(text)
    assert len(rows) == sum(line.startswith("| `") for line in text.splitlines())
    for name, minutes, title, link in rows:
        section, lesson = there[name]
        assert (path.parent / link).resolve() == lesson.path.resolve()
        assert (title, int(minutes)) == (section.title.replace("*", ""), section.minutes), name


def test_both_languages_have_the_same_routes(repository):
    routes = [
        [(heading, names(rows), out, left) for heading, rows, out, left in classes(path.read_text("utf-8"))]
        for path in ((repository / "notebooks" / name) for name in PAGES.values())
    ]
    assert routes[0] == routes[1]


def test_a_class_has_70_to_80_minutes_as_its_heading_says(page):
    text = page[1].read_text("utf-8")
    found = classes(text)
    assert len(found) == sum(ROUTES.values())
    assert sum(len(rows) for _heading, rows, *_others in found) == len(ROW.findall(text))
    for heading, rows, out, left in found:
        assert heading == sum(int(row[1]) for row in rows)
        assert 70 <= heading <= 80
        assert set(out) < set(names(rows))
        assert left == sum(int(row[1]) for row in rows if row[0] not in out)


def test_a_route_follows_the_lessons(page):
    language, path = page
    order, found = list(sections(path.parent / language)), classes(path.read_text("utf-8"))
    for number in ROUTES.values():
        route = [name for _heading, rows, *_others in found[:number] for name in names(rows)]
        assert route == sorted(set(route), key=order.index)
        found = found[number:]


def test_the_unit_has_every_section_of_every_lesson(page):
    language, path = page
    text, there = path.read_text("utf-8"), sections(path.parent / language)
    assert len(UNIT.findall(text)) == ROUTES["the unit"]
    unit = [name for _heading, rows, *_others in classes(text)[-ROUTES["the unit"] :] for name in names(rows)]
    assert unit == list(there)
    assert {name[:2] for name in unit} == {
        lesson.name[:2] for lesson in (path.parent / language).glob("[0-9][0-9]_*")
    }


def test_what_the_unit_may_leave_out_takes_no_point_of_the_slides_away(page):
    unit = classes(page[1].read_text("utf-8"))[-ROUTES["the unit"] :]
    out = {name for _heading, _rows, names, _left in unit for name in names}
    assert [point.id for point in syllabus.points() if point.sections and set(point.sections) <= out] == []


def test_links_and_spelling(page):
    language, path = page
    assert list(links.complaints(path)) == []
    assert list(spelling.complaints(path.name, path.read_text("utf-8"), language)) == []


def test_the_list_of_lessons_leads_to_both_pages(repository):
    text = (repository / "notebooks" / "README.md").read_text("utf-8")
    assert all(f"]({name})" in text for name in PAGES.values())
