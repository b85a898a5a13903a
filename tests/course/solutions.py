"""The solutions as objects: what the blanks of a solution notebook define, without a kernel."""

import json
from functools import cache
from pathlib import Path

from vlab import files
from vlab.course import students

PATH = files.folder("notebooks") / "en/solutions"


@cache
def notebook(name):
    return json.loads((PATH / f"{name}.ipynb").read_text())


def source(cell):
    return "".join(cell["source"])


def blanks(name):
    """The source of each blank, by exercise."""
    roles = [(students.role(cell), cell) for cell in notebook(name)["cells"]]
    return {exercise: source(cell) for (what, exercise), cell in roles if what == "blank"}


@cache
def defined(name, empty=False):
    """All names, after the notebook's imports and its blanks: solved, or as the reader gets them."""
    names: dict[str, object] = {}
    for cell in notebook(name)["cells"]:
        blank = students.role(cell)[0] == "blank"
        if cell["id"] == "imports" or blank:
            exec(students.stub(source(cell)) if blank and empty else source(cell), names)
    return names


def submission(folder: Path, name, file="handed_in.ipynb", **changed):
    """A solved notebook in a file, with these blanks (`x07_1` is 07-1) holding something else."""
    book = json.loads(json.dumps(notebook(name)))
    texts = {key.removeprefix("x").replace("_", "-"): text for key, text in changed.items()}
    for cell in book["cells"]:
        what, exercise = students.role(cell)
        if what == "blank" and exercise in texts:
            cell["source"] = texts[exercise]
    path = folder / file
    path.write_text(json.dumps(book))
    return path
