"""The lessons as files: executing them, storing what they show, and the rules that nbval leaves open."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from vlab import files
from vlab.course import students, translation
from vlab.language import VlabError, _

LONGEST_CELL = 15  # lines of code
LONGEST_SOLUTION = 40
LARGEST_FILE = 1 << 20
SECONDS = 120  # for one cell
SKELETON = (
    *("What you need first", "What you will be able to do", "Synopsis"),
    *("Lessons learned", "Next steps", "Background", "Exercises"),
)
SKELETONS = {
    "en": SKELETON,
    "es": (
        *("Lo que necesitas saber antes", "Lo que sabrás hacer", "Sinopsis"),
        *("Lo aprendido", "Próximos pasos", "Antecedentes", "Ejercicios"),
    ),
}
LIBRARIES = {"vlab", "networkx", "numpy", "matplotlib", "collections", "itertools", "random", "math"}
_WIDGET = "application/vnd.jupyter.widget-view+json"
_SKIPS = re.compile(r"nbval[-_:]|NBVAL", re.IGNORECASE)
_HEADING = re.compile(r"^#+ (?:\d+\. )?(.*?)(?: \((?:core|more|esencial|adicional).*\))?$", re.MULTILINE)


def lessons(names: Iterable[str] = ()) -> list[Path]:
    """The lessons of the checkout, or those whose file name begins with one of `names`, in order.

    Raises:
        VlabError: if there is none of a name.
    """
    everything = sorted(files.folder("notebooks").glob("*/[0-9][0-9]_*.ipynb"))
    chosen = list(names)
    for name in chosen:
        if not any(path.name.startswith(name) for path in everything):
            raise VlabError(
                _("There is no lesson {name!r}.").format(name=name),
                mend=_("Say its number, such as 07. There are: {names}.").format(
                    names=", ".join(sorted({path.stem for path in everything}))
                ),
            )
    return _named(everything, chosen)


def authored(names: Iterable[str] = ()) -> list[Path]:
    """What authors write: those lessons, and their solution notebooks after them. VlabError as from `lessons`.

    Translations that have a catalogue and are not made yet are among them, after their English notebooks.
    """
    chosen = list(names)
    written = lessons(chosen) + _named(students.solutions(), chosen)
    planned = _named(translation.catalogued(files.folder("notebooks")), chosen)
    return written + [path for path in planned if path not in written]


def _named(paths: list[Path], names: list[str]) -> list[Path]:
    return [path for path in paths if not names or path.name.startswith(tuple(names))]


def build(path: Path) -> None:
    """Execute a notebook from its first cell and store what it shows; nothing that differs from run to run is kept.

    A translated one is first made anew from the English one and its catalogue. Of a solution notebook, the reader's
    exercise notebook is made anew.

    Raises:
        VlabError: if a cell fails; the file is then as it was.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError

    notebook = translation.source(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    client = NotebookClient(
        notebook, timeout=SECONDS, kernel_name="python3", record_timing=False, store_widget_state=False
    )
    try:
        client.execute(cwd=str(path.parent))
    except CellExecutionError as error:
        raise VlabError(f"{error.ename}: {error.evalue}", where=_where(path, notebook)) from None
    except CellTimeoutError:
        wrong = _("It runs longer than {seconds} seconds.").format(seconds=SECONDS)
        raise VlabError(wrong, where=_where(path, notebook)) from None
    _settle(notebook)
    files.write_atomically(path, nbformat.writes(notebook).encode() + b"\n")
    if _is_solution(path):
        students.write_student(path)


def _is_solution(path: Path) -> bool:
    return path.parent.name == "solutions"


def _where(path: Path, notebook: Any) -> str:
    """The cell at which an execution ended."""
    executed = [cell for cell in notebook.cells if cell.get("execution_count")]
    return f"{path.name}, cell {executed[-1].id}" if executed else path.name


def _settle(notebook: Any) -> None:
    """Take out what would differ in another run or on another host."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(_WIDGET, None)


def complaints(path: Path) -> list[str]:
    """What is wrong with a stored lesson or solution notebook, a sentence each; empty if nothing is."""
    import nbformat

    found = list(translation.complaints(path))
    if not path.exists():
        return found
    notebook = nbformat.read(path, as_version=4)
    skeleton = () if _is_solution(path) else SKELETONS[translation.language_of(path)]
    found += _about_file(path, notebook, skeleton)
    found += [*students.complaints(path), *students.stale(path)] if _is_solution(path) else []
    count = 0
    for cell in notebook.cells:
        if cell.cell_type == "code":
            count += 1
            found += [f"{path.name}, cell {cell.id}: {wrong}" for wrong in _about_cell(cell, count)]
    return found


def _about_file(path: Path, notebook: Any, skeleton: tuple[str, ...]) -> Iterator[str]:
    if path.stat().st_size > LARGEST_FILE:
        yield f"{path.name}: larger than {LARGEST_FILE} bytes"
    headings = [title for cell in notebook.cells for title in _headings(cell)]
    for wanted in skeleton:
        if wanted not in headings:
            yield f"{path.name}: the section {wanted!r} is missing"
    if [title for title in headings if title in skeleton] != [t for t in skeleton if t in headings]:
        yield f"{path.name}: its sections are not in the order {', '.join(skeleton)}"


def _headings(cell: Any) -> list[str]:
    return _HEADING.findall(cell.source) if cell.cell_type == "markdown" else []


def _about_cell(cell: Any, count: int) -> Iterator[str]:
    if cell.execution_count != count:
        yield f"executed as number {cell.execution_count}, stands as number {count}"
    longest = LONGEST_SOLUTION if students.role(cell)[0] == "blank" else LONGEST_CELL
    if len(cell.source.splitlines()) > longest:
        yield f"more than {longest} lines"
    if _SKIPS.search(cell.source + " ".join(cell.metadata.get("tags", []))):
        yield "marked for nbval to look away"
    yield from _about_code(cell.source)
    for output in cell.outputs:
        yield from _about_output(output)


def _about_code(source: str) -> Iterator[str]:
    try:
        tree = ast.parse(source)
    except SyntaxError:
        yield "not plain Python: magics and `!` escape nbval"
        return
    if any(line.lstrip().startswith("#") for line in source.splitlines()):
        yield "a comment in code: it could not be translated"
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        yield from (f"imports {name}" for name in names if name.split(".")[0] not in LIBRARIES)


def _about_output(output: Any) -> Iterator[str]:
    if output.output_type == "error":
        yield f"ends in {output.ename}"
    data = output.get("data", {})
    shown = output.get("text", "") + "".join(str(part) for part in data.values())
    if " object at 0x" in shown:
        yield "shows a memory address"
    if _WIDGET in data:
        yield "stores a widget, whose id is random"
    pictures = re.findall(r"<img\b[^>]*>", str(data.get("text/html", "")))
    if any(not re.search(r'alt="[^"]+"', picture) for picture in pictures):
        yield "shows a picture without a sentence"
