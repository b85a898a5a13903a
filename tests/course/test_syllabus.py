"""The syllabus: every point of the slides, and nothing mapped to what is not there."""

import dataclasses
import json
import shutil

import pytest

from vlab import cli, files
from vlab.course import syllabus

IDS = [
    f"{letter}{n}"
    for letter, last in zip("VHTBCIA", (6, 7, 3, 4, 5, 7, 5), strict=True)
    for n in range(1, last + 1)
]


def test_every_point_of_the_slides_is_there():
    points = syllabus.points()
    assert [point.id for point in points] == IDS
    assert len({point.slide for point in points}) == 7
    for point in points:
        assert point.phrase
        assert point.point.endswith(".")
        assert len(set(point.sections)) == len(point.sections)


def test_every_section_and_exercise_that_is_named_exists():
    assert list(syllabus.complaints()) == []


def test_every_point_has_its_section_and_its_exercise():
    assert [point.id for point in syllabus.points() if not (point.sections and point.exercises)] == []


def test_every_exercise_after_the_start_is_about_a_point():
    asked = {name for point in syllabus.points() for name in point.exercises}
    assert [name for name in syllabus.exercises() - asked if not name.startswith("00-")] == []


def test_what_vanishes_is_named(tmp_path):
    point = next(point for point in syllabus.points() if point.id == "I5")
    assert point.exercises
    gone = dataclasses.replace(point, sections=("07-held", "07-gone"), exercises=("07-1", "07-99"))
    wrong = list(syllabus.complaints([gone]))
    assert wrong == [
        "data/syllabus.json, I5: there is no section '07-gone'",
        "data/syllabus.json, I5: there is no exercise '07-99'",
    ]
    shutil.copytree(files.folder("notebooks") / "en", tmp_path / "en")
    assert list(syllabus.complaints([point], tmp_path)) == []
    lesson = tmp_path / "en" / "07_trap_and_emulate.ipynb"
    book = json.loads(lesson.read_text())
    (heading,) = [cell for cell in book["cells"] if cell["id"] == "held"]
    heading["source"] = "No heading any more."
    lesson.write_text(json.dumps(book))
    assert list(syllabus.complaints([point], tmp_path)) == [
        "data/syllabus.json, I5: there is no section '07-held'"
    ]


@pytest.mark.parametrize(
    ("language", "said"), [("en", "Traps raised by a guest"), ("es", "Las interrupciones gatilladas")]
)
def test_the_command_shows_the_table(capsys, language, said):
    assert cli.main(["syllabus", "--lang", language]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name}  " in shown for name in IDS)
    assert said in shown
    assert f"({language}/07_trap_and_emulate.ipynb)" in shown
    assert not any(words in shown.lower() for words in ("not yet", "todavía no"))
    assert shown.splitlines()[-1].count(str(len(IDS))) == 2


def test_a_point_that_nothing_teaches_is_told(capsys, monkeypatch):
    points = [
        dataclasses.replace(point, sections=()) if point.id == "H5" else point for point in syllabus.points()
    ]
    monkeypatch.setattr(syllabus, "points", lambda: points)
    assert cli.main(["syllabus", "--lang", "en"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("not yet") == 1
    assert shown.endswith(f"Taught: {len(IDS) - 1} of {len(IDS)} points.\nNot yet: H5.\n")


def test_one_point(capsys):
    assert cli.main(["syllabus", "I1"]) == 0
    shown = capsys.readouterr().out
    assert "07-catch: The hypervisor catches the traps (en/07_trap_and_emulate.ipynb)" in shown
    assert "exercises: 07-2, 07-5, 07-6" in shown
    assert "I2" not in shown


def test_an_unknown_point_is_said_with_the_nearest_one(capsys):
    assert cli.main(["syllabus", "I1", "II1"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("vlab: The slides have no point 'II1'.\nDid you mean 'I1'?")
