"""The lecturer's notebook, made from a lesson: cells that build the idea are empty, and come when they are asked for.

Nothing is written twice: an empty cell holds `reveal("07-x")`, which brings the lesson's own cell.
"""

import copy
import json
import re
from collections.abc import Iterable
from typing import Any

from vlab.course.sections import Cell, Lesson, Section, heading, marks
from vlab.course.translation import LANGUAGE_CELL
from vlab.language import _

CHECKPOINT = "-checkpoint"  # ends the id of a section's first code cell
FOLDER = "live"  # beside the folders of the languages, so that links lead from it to them
_LINK = re.compile(r"\]\((?![a-z]+:|#)([^)]+)\)")


def live_name(lesson: Lesson) -> str:
    """Where a lecturer's notebook stands in the folder of the lessons."""
    return f"{FOLDER}/{lesson.path.parent.name}/{lesson.path.name}"


def live_notebook(lesson: Lesson) -> bytes:
    """The lecturer's notebook for a lesson, as the bytes of its file. It changes nothing."""
    begins = {section.id: start for section, start in _clock(lesson.sections)}
    by_heading = {section.cells[0]["id"]: section for section in lesson.sections}
    cells: list[dict[str, Any]] = []
    for at, (cell, slide) in enumerate(zip(lesson.cells, slide_types(lesson.cells), strict=True)):
        cells.append(_live_cell(cell, slide, lesson))
        if at == 0:
            cells.append(_markdown("live-plan", _plan(lesson), "notes"))
        if cell["id"] == LANGUAGE_CELL:
            cells.append(_code("live-reveal", "from vlab.course import reveal", "skip"))
        if section := by_heading.get(cell["id"]):
            cells.append(_markdown(f"{cell['id']}-notes", _notes(section, begins[section.id]), "notes"))
    stored = json.loads(lesson.path.read_text(encoding="utf-8"))
    return (json.dumps(stored | {"cells": cells}, indent=1, ensure_ascii=False) + "\n").encode()


def _live_cell(cell: Cell, slide: str, lesson: Lesson) -> dict[str, Any]:
    new = copy.deepcopy(dict(cell))
    said = marks(cell)
    new["metadata"] = {key: value for key, value in cell["metadata"].items() if key != "vlab"}
    new["metadata"]["slideshow"] = {"slide_type": slide}
    if cell["cell_type"] == "code":
        new |= {"outputs": [], "execution_count": None}
        if said.get("live") == "blank":
            new["source"] = f'reveal("{lesson.number}-{cell["id"]}")'
    else:
        new["source"] = _LINK.sub(rf"](../../{lesson.path.parent.name}/\1)", cell["source"])
    return new


def slide_types(cells: Iterable[Cell]) -> list[str]:
    """Each cell's place on slides, which follows from headings: "slide" begins a section, "subslide" a slide in it.

    Code joins the slide before it ("-") if that has no code yet. What only sets the notebook up is on none ("skip").
    """
    found: list[str] = []
    full = False
    for cell in cells:
        said, code = marks(cell).get("slide"), cell["cell_type"] == "code"
        if said == "skip" or cell["id"] == LANGUAGE_CELL or cell["id"].endswith(CHECKPOINT):
            found.append("skip")
            continue
        if heading(cell) or cell["source"].startswith("# "):
            found.append("slide")
        else:
            found.append("-" if code and not full and said != "new" else "subslide")
        full = code
    return found


def _clock(sections: list[Section]) -> list[tuple[Section, int]]:
    """Each section and the minute at which it begins."""
    return [(section, sum(one.minutes for one in sections[:at])) for at, section in enumerate(sections)]


def _plan(lesson: Lesson) -> str:
    """How to use the notebook, and the route through it."""
    core = sum(section.minutes for section in lesson.sections if section.core)
    lines = [
        f"<details><summary>{_('For the lecturer: how this works, and the plan')}</summary>",
        "",
        _(
            "A cell that says `reveal(…)` is yours to type. When it is run, its content comes; when it is run "
            "again, the content runs. Ctrl+Enter stays in the cell. Each section begins with a checkpoint, so "
            "that you may leave sections out, or begin anew with any of them."
        ),
        "",
        f"| {_('section')} | {_('minutes')} | {_('from minute')} | {_('way')} | {_('checkpoint')} |",
        "|---|---|---|---|---|",
    ]
    for section, start in _clock(lesson.sections):
        way = _("core") if section.core else _("more")
        lines.append(f"| {section.title} | {section.minutes} | {start} | {way} | `{section.id}` |")
    total = _("Core: {core} minutes of {all}.").format(
        core=core, all=sum(section.minutes for section in lesson.sections)
    )
    return "\n".join([*lines, "", total, "", "</details>"])


def _notes(section: Section, start: int) -> str:
    """The speaker notes of a section, folded, so that the class doesn't read them on the wall."""
    said = marks(section.cells[0])
    title = _("Notes: {minutes} minutes, from minute {start}").format(minutes=section.minutes, start=start)
    parts = [f"<details><summary>{title}</summary>", *([said["notes"]] if said.get("notes") else [])]
    if wrong := said.get("misconceptions"):
        parts += [_("Often believed:"), "\n".join(f"- {one}" for one in wrong)]
    return "\n\n".join([*parts, "</details>"])


def _markdown(name: str, source: str, slide: str) -> dict[str, Any]:
    metadata = {"slideshow": {"slide_type": slide}}
    return {"cell_type": "markdown", "id": name, "metadata": metadata, "source": source}


def _code(name: str, source: str, slide: str) -> dict[str, Any]:
    return _markdown(name, source, slide) | {"cell_type": "code", "outputs": [], "execution_count": None}
