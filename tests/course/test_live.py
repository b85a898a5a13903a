"""The lecturer's notebook: cells that come when asked for, notes, minutes; and nobody's work overwritten."""

import json
import re

import nbformat
import polib
import pytest

from vlab import cli
from vlab.course import live, notebooks, sections, translation

LESSONS = notebooks.lessons()


def made(lesson):
    return nbformat.reads(live.live_notebook(lesson).decode(), as_version=4)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_lecturers_notebook_is_whole(path):
    lesson = sections.Lesson(path)
    book = made(lesson)
    nbformat.validate(book)
    ids = [cell.id for cell in book.cells]
    assert len(set(ids)) == len(ids)
    assert [cell["id"] for cell in lesson.cells] == [
        name for name in ids if not name.endswith(("-notes", "live-plan", "live-reveal"))
    ]
    for cell in book.cells:
        assert not cell.get("outputs")
        if sections.marks(original := lesson.cell(f"{lesson.number}-{cell.id}") or {}).get("live") == "blank":
            assert cell.source == f'reveal("{lesson.number}-{cell.id}")'
        elif original and cell.cell_type == "code":
            assert cell.source == original["source"]
    assert all(f"{section.cells[0]['id']}-notes" in ids for section in lesson.sections)


def test_there_is_something_to_type_in_lesson_07():
    revealed = [cell for cell in made(sections.lesson("07")).cells if cell.source.startswith("reveal(")]
    assert len(revealed) >= 5


def test_notes_say_minutes_and_what_is_often_believed():
    lesson = sections.lesson("07", "es")
    (notes,) = [cell.source for cell in made(lesson).cells if cell.id == "held-notes"]
    section = next(one for one in lesson.sections if one.id == "07-held")
    said = sections.marks(section.cells[0])
    before = sum(one.minutes for one in lesson.sections[: lesson.sections.index(section)])
    assert f"{section.minutes} minutes, from minute {before}" in notes
    assert said["notes"] in notes
    assert all(one in notes for one in said["misconceptions"])
    english = sections.marks(sections.lesson("07", "en").cell("07-held") or {})
    assert said["notes"] != english["notes"], "not translated"


def test_the_core_route_fits_a_class():
    lesson = sections.lesson("07")
    core = sum(section.minutes for section in lesson.sections if section.core)
    assert f"Core: {core} minutes of" in live._plan(lesson)
    assert core <= 45


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_its_links_lead_to_the_lessons(path, tmp_path):
    lesson = sections.Lesson(path)
    links = [
        link
        for cell in made(lesson).cells
        if cell.cell_type == "markdown"
        for link in re.findall(r"\]\(([^):#]+)\)", cell.source)
    ]
    place = path.parents[1] / live.live_name(lesson)
    assert [link for link in links if not (place.parent / link).resolve().exists()] == []


@pytest.mark.parametrize(
    ("cell", "kinds"),
    [
        (
            [("markdown", "# T", {}), ("markdown", "## A", {}), ("code", "1", {}), ("code", "2", {})],
            ["slide", "slide", "-", "subslide"],
        ),
        ([("markdown", "## A", {}), ("markdown", "b", {}), ("code", "1", {})], ["slide", "subslide", "-"]),
        ([("markdown", "## A", {}), ("code", "1", {"slide": "new"})], ["slide", "subslide"]),
        (
            [("markdown", "## A", {}), ("code", "1", {"slide": "skip"}), ("code", "2", {})],
            ["slide", "skip", "-"],
        ),
    ],
)
def test_slides_follow_from_headings(cell, kinds):
    cells = [
        {"id": str(at), "cell_type": kind, "source": source, "metadata": {"vlab": said}}
        for at, (kind, source, said) in enumerate(cell)
    ]
    assert live.slide_types(cells) == kinds


def test_the_command_writes_and_never_overwrites_work(tmp_path, capsys):
    place = tmp_path / "mine"
    assert cli.main(["live", "07", "--lang", "es", "--dir", str(place)]) == 0
    path = place / "live/es/07_trap_and_emulate.ipynb"
    assert str(path) in capsys.readouterr().out
    assert (place / "en/07_trap_and_emulate.ipynb").exists(), "what its links lead to"
    written = json.loads(path.read_text())
    written["cells"][0]["source"] = "# My own title"
    path.write_text(json.dumps(written))
    assert cli.main(["live", "07", "--lang", "es", "--dir", str(place)]) == 0
    assert "live/es/07_trap_and_emulate.ipynb" in capsys.readouterr().out
    assert "My own title" in path.read_text()
    path.unlink()
    assert cli.main(["live", "07", "--lang", "es", "--dir", str(place)]) == 0
    assert "My own title" not in path.read_text()
    capsys.readouterr()
    assert cli.main(["live", "07", "--lang", "es", "--dir", str(place)]) == 0
    assert all(capsys.readouterr().out.splitlines()), "nothing is new, and no line is empty"


def test_a_lesson_that_is_not_there(tmp_path, capsys):
    assert cli.main(["live", "99", "--dir", str(tmp_path)]) == cli.MISTAKE
    assert "There is no lesson '99'" in capsys.readouterr().err


def test_what_lecturers_read_is_translated():
    cell = nbformat.v4.new_markdown_cell(
        "## 1. A",
        metadata={"vlab": {"notes": "One.", "misconceptions": ["Two."], "minutes": 3, "shows": "Three."}},
    )
    assert translation.prose(cell) == ["Three.", "One.", "Two."]
    book = nbformat.v4.new_notebook(cells=[cell])
    catalogue = polib.POFile()
    for english, spanish in (("One.", "Uno."), ("Two.", "Dos."), ("Three.", "Tres.")):
        catalogue.append(polib.POEntry(msgctxt=cell.id, msgid=english, msgstr=spanish))
    said = sections.marks(translation.translated(book, catalogue).cells[0])
    assert said == {"notes": "Uno.", "misconceptions": ["Dos."], "minutes": 3, "shows": "Tres."}
    assert sections.marks(cell)["notes"] == "One.", "the English one is as it was"
