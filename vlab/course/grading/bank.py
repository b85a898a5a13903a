"""Where the pristine notebooks and the keys come from: the course's own, or a private folder."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlab import files
from vlab.course import checking, exercises, students
from vlab.language import VlabError, _


@dataclass(frozen=True)
class Bank:
    """A folder of solution notebooks; in a private one there may be `questions.py` and `answers.py` as well."""

    folder: Path
    private: bool

    @property
    def questions(self) -> Path | None:
        """The file of private questions, if there is one."""
        path = self.folder / "questions.py"
        return path if self.private and path.exists() else None

    def notebooks(self) -> dict[str, Any]:
        """The solution notebooks by name.

        Raises:
            VlabError: if there is none, or one is damaged.
        """
        found = {}
        for path in sorted(self.folder.glob("*.ipynb")):
            try:
                found[path.stem] = json.loads(path.read_bytes())
            except ValueError:
                raise VlabError(_("This solution notebook is damaged."), where=str(path)) from None
        if not found:
            raise VlabError(_("There are no solution notebooks here."), where=str(self.folder))
        return found

    def open(self) -> None:
        """Let this process look for questions and keys here too."""
        for name, file in ((exercises.QUESTIONS, "questions.py"), (checking.ANSWERS, "answers.py")):
            if self.private and (self.folder / file).exists():
                os.environ[name] = str(self.folder / file)

    def hidden(self) -> tuple[Path, ...]:
        """The folders in which something stands that no submission may see."""
        own = [Path(checking.__file__).parent / "answers", files.folder("notebooks"), self.folder]
        if not files.installed():
            own += [files.checkout() / "tests", files.checkout() / ".git"]
        return tuple(path.resolve() for path in own)


def bank(folder: Path | None = None) -> Bank:
    """The course's own bank, or the private one in a folder."""
    if folder is None:
        return Bank(files.folder("notebooks") / "en" / "solutions", private=False)
    return Bank(folder.resolve(), private=True)


def blanks(notebook: Any) -> dict[str, str]:
    """The id of each exercise's blank cell, by exercise."""
    found = ((students.role(cell), cell["id"]) for cell in notebook["cells"])
    return {exercise: name for (what, exercise), name in found if what == "blank"}


def given(notebook: Any) -> frozenset[str]:
    """The names that the cells outside the blanks import or define."""
    import ast

    names: set[str] = set()
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and students.role(cell)[0] != "blank":
            for node in ast.walk(ast.parse("".join(cell["source"]))):
                if isinstance(node, ast.alias):
                    names.add((node.asname or node.name).split(".")[0])
                elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    names.add(node.id)
    return frozenset(names)
