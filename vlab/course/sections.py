"""A lesson as its parts: numbered sections, each found by one name, such as "07-held".

The name is the lesson's number and the id of the Markdown cell that begins the section. What a lecturer needs to know
of a cell stands in its metadata, under "vlab":

the title       `{"minutes": 75, "shows": "…", "picture": "catch-stepper"}`, for the list of lessons
a section       `{"minutes": 8, "notes": "…", "misconceptions": ["…"]}`, for the lecturer's notebook
a code cell     `{"live": "blank"}`: the lecturer's notebook has it empty, and brings it when asked
any cell        `{"slide": "new"}` or `{"slide": "skip"}`, for the slides
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from vlab import files
from vlab.language import LANGUAGES, VlabError, _, language

_NAME = re.compile(r"(\d\d)-(.+)")
_NUMBERED = re.compile(r"## \d+\. (.+?)(?: \(([^()]*)\))?$")
_CORE = ("core", "esencial")

Cell = Mapping[str, Any]


@dataclass(frozen=True)
class Section:
    """One section: its name, its title as it stands, whether it is *core*, and its cells, the heading first."""

    id: str
    title: str
    core: bool
    cells: tuple[Cell, ...]

    @property
    def minutes(self) -> int:
        """What it takes in class; 0 where nobody says."""
        return int(marks(self.cells[0]).get("minutes", 0))

    @property
    def code(self) -> list[Cell]:
        """Its code cells, in order."""
        return [cell for cell in self.cells if cell["cell_type"] == "code"]


class Lesson:
    """A stored lesson or solution notebook, read without nbformat, which takes a second to load."""

    def __init__(self, path: Path):
        self.path = path
        self.number = path.name[:2]

    @cached_property
    def cells(self) -> list[Cell]:
        """Its cells, each source one text."""
        stored = json.loads(self.path.read_text(encoding="utf-8"))["cells"]
        return [cell | {"source": "".join(cell["source"])} for cell in stored]

    @property
    def title(self) -> str:
        """Its first heading."""
        return str(self.cells[0]["source"]).splitlines()[0].removeprefix("# ")

    @cached_property
    def sections(self) -> list[Section]:
        """Its numbered sections, in order."""
        return sections(self.cells, self.number)

    def section(self, name: str) -> Section | None:
        """The section of this name, if there is one."""
        return next((section for section in self.sections if section.id == name), None)

    def cell(self, name: str) -> Cell | None:
        """The cell "07-x" by its id "x", if there is one."""
        return next((cell for cell in self.cells if f"{self.number}-{cell['id']}" == name), None)


def marks(cell: Cell) -> dict[str, Any]:
    """What a cell's metadata says under "vlab"."""
    found = cell.get("metadata", {}).get("vlab")
    return found if isinstance(found, dict) else {}


def sections(cells: list[Cell], number: str) -> list[Section]:
    """The numbered sections among the cells of lesson `number`."""
    starts = [at for at, cell in enumerate(cells) if heading(cell)]
    found = []
    for at, end in zip(starts, [*starts[1:], len(cells)], strict=True):
        if numbered := _NUMBERED.match(heading(cells[at])):
            core = (numbered[2] or "").split(",")[0] in _CORE
            found.append(Section(f"{number}-{cells[at]['id']}", numbered[1], core, tuple(cells[at:end])))
    return found


def heading(cell: Cell) -> str:
    """The heading of the second level that a Markdown cell begins with, as it stands; empty if it has none."""
    first = str(cell["source"]).partition("\n")[0] if cell["cell_type"] == "markdown" else ""
    return first if first.startswith("## ") else ""


def lesson(name: str, wanted: str = "", folder: Path | None = None) -> Lesson:
    """The lesson that a name such as "07" or "07-held" begins with, in a language, the reader's by default.

    Where it has no translation it is the English one.

    Raises:
        VlabError: if there is no such lesson.
    """
    place = files.folder("notebooks") if folder is None else folder
    number = str(name)[:2]
    for code in (wanted or language(), "en"):
        if number.isdecimal() and (paths := sorted((place / code).glob(f"{number}_*.ipynb"))):
            return Lesson(paths[0])
    names = sorted({path.name[:2] for path in place.glob("*/[0-9][0-9]_*.ipynb")})
    raise VlabError(
        _("There is no lesson {name!r}.").format(name=name),
        mend=_("There are: {known}.").format(known=", ".join(names)),
    )


def here() -> str:
    """The language of the notebook that this runs in, by its folder, where a kernel starts; else the reader's."""
    place = Path.cwd().name
    return place if place in LANGUAGES else language()


def split(name: str) -> tuple[str, str]:
    """The lesson's number and the id in a name such as "07-held". Raises VlabError if it is none."""
    found = _NAME.fullmatch(str(name))
    if found is None:
        what = _("{name!r} names no part of a lesson.").format(name=name)
        raise VlabError(what, mend=_('A name is a lesson and a part of it, such as "07-held".'))
    return found[1], found[2]
