"""The reader's exercise notebook, made from the solution notebook: blanks emptied, explanations left out.

What a cell is, its metadata says, under "vlab":

`{"blank": "07-1"}`     the reader writes this cell; the solution stands in it
`{"check": "07-1"}`     it calls `check`, and its stored output is what a right solution shows
`{"hints": "07-1"}`     the three hints
`{"explains": "07-1"}`  why the solution is as it is; for the solution notebook alone

All the rest is for both. The outputs of check cells are kept: so plain `pytest --nbval` is red while blanks are
empty, and green when they are right.
"""

import ast
import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlab import files
from vlab.course.sections import marks
from vlab.language import _

HINTS = 3
GOES_ON = "raises-exception"  # a tag: Run All goes on after this cell, whatever it raises
ROLES = ("blank", "check", "hints", "explains")
_HINT = re.compile(r"<details>\s*<summary>(.+?)</summary>(.+?)</details>", re.DOTALL)
_HEADING = re.compile(r"^#+ .*\b(\d\d-\d{1,2})\b", re.MULTILINE)


def role(cell: Any) -> tuple[str, str]:
    """What a cell is, and of which exercise; ("", "") for one that belongs to none."""
    said = marks(cell)
    return next(((name, str(said[name])) for name in ROLES if name in said), ("", ""))


def student_notebook(solution: Any) -> Any:
    """The reader's notebook for a solution notebook (both as nbformat gives them). It changes nothing."""
    notebook = copy.deepcopy(solution)
    notebook["cells"] = [_student_cell(cell) for cell in notebook["cells"] if role(cell)[0] != "explains"]
    return notebook


def _student_cell(cell: Any) -> Any:
    if role(cell)[0] == "blank":
        cell["source"] = stub(cell["source"])
        cell["outputs"] = []
        cell["metadata"]["tags"] = [GOES_ON]
    return cell


def stub(source: str) -> str:
    """A solution without what the reader has to write: signatures and docstrings, and for a class its attributes.

    Raises:
        ValueError: if there is no function or class in it, or one whose body begins in its first line.
    """
    lines = source.splitlines()
    kept = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    if not kept:
        raise ValueError("a blank defines a function or a class")
    return "\n\n\n".join("\n".join(_emptied(node, lines)) for node in kept)


def _emptied(node: ast.stmt, lines: list[str]) -> list[str]:
    """The lines of a definition, its functions' bodies replaced."""
    first = min([node.lineno, *(part.lineno for part in getattr(node, "decorator_list", []))])
    if not isinstance(node, ast.FunctionDef | ast.ClassDef):
        return lines[first - 1 : node.end_lineno]
    body = node.body[0]
    if body.lineno <= node.lineno:
        raise ValueError("the body of a definition begins on a line of its own")
    if isinstance(node, ast.FunctionDef):
        end = body.end_lineno if ast.get_docstring(node) is not None else body.lineno - 1
        return [*lines[first - 1 : end], " " * body.col_offset + "raise NotImplementedError"]
    found, end = lines[first - 1 : body.lineno - 1], body.lineno - 1
    for part in node.body:
        found += [*lines[end : part.lineno - 1], *_emptied(part, lines)]
        end = part.end_lineno or part.lineno
    return found


def solutions() -> list[Path]:
    """The solution notebooks of the checkout, in order."""
    return sorted(files.folder("notebooks").glob("*/solutions/[0-9][0-9]_*.ipynb"))


def student_path(solution: Path) -> Path:
    """Where the reader's notebook for a solution notebook stands."""
    return solution.parents[1] / "exercises" / solution.name


def write_student(solution: Path) -> None:
    """Make the reader's notebook anew."""
    import nbformat

    notebook = student_notebook(nbformat.read(solution, as_version=4))
    path = student_path(solution)
    path.parent.mkdir(exist_ok=True)
    files.write_atomically(path, nbformat.writes(notebook).encode() + b"\n")


def stale(solution: Path) -> Iterator[str]:
    """In what the stored reader's notebook differs from the one that would be made, a sentence for each cell."""
    import nbformat

    path = student_path(solution)
    name = "/".join(path.parts[-3:])
    if not path.exists():
        yield _("{name}: is missing; build it from {source}").format(
            name=name, source="/".join(solution.parts[-3:])
        )
        return
    wanted = student_notebook(nbformat.read(solution, as_version=4))
    stored = nbformat.read(path, as_version=4)
    cells = {cell.id: cell for cell in stored.cells}
    for cell in wanted.cells:
        found = cells.pop(cell.id, None)
        if found is None:
            yield f"{name}, " + _("cell {cell}: is missing").format(cell=cell.id)
        elif found != cell:
            parts = [part for part in {**cell, **found} if cell.get(part) != found.get(part)]
            wrong = _("cell {cell}: differs from what the solution gives in {parts}")
            yield f"{name}, " + wrong.format(cell=cell.id, parts=", ".join(sorted(parts)))
    for left in cells:
        yield f"{name}, " + _("cell {cell}: is not in the solution notebook").format(cell=left)
    if not cells and [cell.id for cell in stored.cells] != [cell.id for cell in wanted.cells]:
        yield f"{name}: " + _("its cells are not in the order of the solution notebook")
    if stored.metadata != wanted.metadata:
        yield f"{name}: " + _("its metadata is not the solution notebook's")


def complaints(solution: Path) -> Iterator[str]:
    """What is wrong with the exercises of a solution notebook, a sentence each, naming the cell."""
    import nbformat

    name = "/".join(solution.parts[-3:])
    notebook = nbformat.read(solution, as_version=4)
    cells: dict[str, dict[str, Any]] = {}
    for cell in notebook.cells:
        what, exercise = role(cell)
        if what:
            if what in cells.setdefault(exercise, {}):
                twice = _("cell {cell}: exercise {exercise} has two cells that are its {what}")
                yield f"{name}, " + twice.format(cell=cell.id, exercise=exercise, what=what)
            cells[exercise][what] = cell
    headings = {
        h for cell in notebook.cells if cell.cell_type == "markdown" for h in _HEADING.findall(cell.source)
    }
    for exercise, parts in cells.items():
        for what in (what for what in ROLES if what not in parts):
            yield f"{name}: " + _("exercise {exercise} has no {what}").format(exercise=exercise, what=what)
        for part, wrong in _about(exercise, parts):
            yield _("{name}, cell {cell}: {wrong}").format(name=name, cell=parts[part].id, wrong=wrong)
        if exercise not in headings:
            yield f"{name}: " + _("no heading names exercise {exercise}").format(exercise=exercise)


def _about(exercise: str, parts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "hints" in parts:
        yield from (("hints", wrong) for wrong in _about_hints(parts["hints"].source))
    if "check" in parts and not re.match(rf'check\("{exercise}", \w+\)$', parts["check"].source):
        yield "check", _("is not a plain {call}").format(call=f'check("{exercise}", …)')
    if "check" in parts and sum(shown.get("text", "").count("\n") for shown in parts["check"].outputs) != 1:
        yield "check", _("does not show the one line of a right solution")
    if "blank" in parts:
        try:
            stub(parts["blank"].source)
        except (SyntaxError, ValueError) as error:
            yield "blank", _("cannot be emptied: {error}").format(error=error)
        if parts["blank"].outputs:
            yield "blank", _("shows something: a solution only defines")


def _about_hints(source: str) -> Iterator[str]:
    """Three hints, numbered as they rise, and none that says what another says."""
    hints = _HINT.findall(source)
    if len(hints) != HINTS:
        yield _("has {count} hints, not {wanted}").format(count=len(hints), wanted=HINTS)
    numbers = [re.sub(r"\D", "", title) for title, _text in hints]
    if numbers != [str(n) for n in range(1, len(hints) + 1)]:
        yield _("its hints are not numbered from 1 up")
    texts = [" ".join(text.split()) for _title, text in hints]
    if len(set(texts)) < len(texts) or not all(texts):
        yield _("two of its hints say the same, or one says nothing")
