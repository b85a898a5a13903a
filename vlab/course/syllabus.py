"""The slides, point by point, and what teaches each: `data/syllabus.json`, shown by `vlab syllabus`."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlab import files
from vlab.course.sections import Lesson
from vlab.course.students import role
from vlab.language import _, named


@dataclass(frozen=True)
class Point:
    """One point of the slides: its id, the slide's title and phrase, what it says, and what teaches it.

    `sections` are names such as "07-held", `exercises` names such as "07-1". Both empty: not yet taught.
    """

    id: str
    slide: str
    phrase: str
    point: str
    sections: tuple[str, ...]
    exercises: tuple[str, ...]


def points() -> list[Point]:
    """All points, in the order of the slides."""
    rows = json.loads((files.folder("data") / "syllabus.json").read_text(encoding="utf-8"))
    return [Point(**row | {key: tuple(row[key]) for key in ("sections", "exercises")}) for row in rows]


def chosen(ids: Sequence[str]) -> list[Point]:
    """The points that are asked for, in the order of the slides; all of them where none is.

    Raises VlabError, with the nearest one, for an id that no point has.
    """
    said = points()
    known = {point.id: point for point in said}
    asked = {named(name, known, _("The slides have no point {word!r}.")).id for name in ids}
    return [point for point in said if not ids or point.id in asked]


def sections(language: str = "en", folder: Path | None = None) -> dict[str, tuple[Lesson, str]]:
    """Each section by its name, with its lesson and its title."""
    place = (files.folder("notebooks") if folder is None else folder) / language
    lessons = [Lesson(path) for path in sorted(place.glob("[0-9][0-9]_*.ipynb"))]
    return {section.id: (lesson, section.title) for lesson in lessons for section in lesson.sections}


def exercises(folder: Path | None = None) -> set[str]:
    """The names of all exercises of the solution notebooks."""
    place = (files.folder("notebooks") if folder is None else folder) / "en" / "solutions"
    cells = (cell for path in sorted(place.glob("[0-9][0-9]_*.ipynb")) for cell in Lesson(path).cells)
    return {name for kind, name in map(role, cells) if kind == "blank"}


def complaints(said: list[Point] | None = None, folder: Path | None = None) -> Iterator[str]:
    """Which sections and exercises the syllabus names that are not there, a sentence each."""
    known, asked = sections(folder=folder), exercises(folder)
    for point in points() if said is None else said:
        for name in (one for one in point.sections if one not in known):
            yield _("data/syllabus.json, {id}: there is no section {name!r}").format(id=point.id, name=name)
        for name in (one for one in point.exercises if one not in asked):
            yield _("data/syllabus.json, {id}: there is no exercise {name!r}").format(id=point.id, name=name)
