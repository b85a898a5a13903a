"""The lessons as files: executing them, storing what they show, and the rules that nbval leaves open."""

import ast
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from vlab import files
from vlab.course import index, links, students, translation
from vlab.course.live import CHECKPOINT
from vlab.course.pixels import smaller
from vlab.course.sections import Section, marks, sections
from vlab.language import VlabError, _

GALLERY = "gallery_"  # how the names of notebooks begin that show every picture once: no lessons
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
LIBRARIES = {
    "vlab",
    "networkx",
    "numpy",
    "matplotlib",
    "collections",
    "itertools",
    "random",
    "math",
    "hashlib",
}
_WIDGET = "application/vnd.jupyter.widget-view+json"
# nbval passes a magic that doesn't exist. These are vlab's own; a test holds them to `vlab.magics`.
MAGICS = ("guest", "asm")
_LOADS = "%load_ext vlab"
_SKIPS = re.compile(r"nbval[-_:]|NBVAL", re.IGNORECASE)
_IGNORES = "nbval-ignore-output"  # the one tag that may stand, where `{"vlab": {"ignored": "why"}}` says why
_IGNORED_AT_MOST = 0.05  # of the cells
_FORBIDDEN = {"interact", "interactive", "interactive_output", "Output", "clear_output", "input"}
_RANDOM_ID = re.compile(r'\bid="[^"]*[0-9a-f]{8}|<dc:date>')
_SVG = re.compile(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)")
_HEADING = re.compile(r"^#+ (?:\d+\. )?(.*?)(?: \((?:core|more|esencial|adicional).*\))?$", re.MULTILINE)


def lessons(names: Iterable[str] = ()) -> list[Path]:
    """The lessons of the checkout, or those whose file name begins with one of `names`, in order.

    Raises:
        VlabError: if there is none of a name.
    """
    return _chosen(_lessons(), list(names))


def authored(names: Iterable[str] = ()) -> list[Path]:
    """What authors write: lessons, galleries, and solution notebooks after them. VlabError as from `lessons`.

    Translations that have a catalogue and are not made yet are among them, after their English notebooks.
    """
    chosen = list(names)
    written = _chosen([*_lessons(), *_galleries()], chosen) + _named(students.solutions(), chosen)
    planned = _named(translation.catalogued(files.folder("notebooks")), chosen)
    return written + [path for path in planned if path not in written]


def _lessons() -> list[Path]:
    return sorted(files.folder("notebooks").glob("*/[0-9][0-9]_*.ipynb"))


def _galleries() -> list[Path]:
    return sorted(files.folder("notebooks").glob(f"*/{GALLERY}*.ipynb"))


def _chosen(everything: list[Path], names: list[str]) -> list[Path]:
    for name in names:
        if not any(path.name.startswith(name) for path in everything):
            raise VlabError(
                _("There is no lesson {name!r}.").format(name=name),
                mend=_("Say its number, such as 07. There are: {names}.").format(
                    names=", ".join(sorted({path.stem for path in everything}))
                ),
            )
    return _named(everything, names)


def _named(paths: list[Path], names: list[str]) -> list[Path]:
    return [path for path in paths if not names or path.name.startswith(tuple(names))]


def build(path: Path) -> None:
    """Execute a notebook from its first cell and store what it shows; nothing that differs from run to run is kept.

    A translated one is first made anew from the English one and its catalogue. Of a solution notebook, the reader's
    exercise notebook is made anew.

    Raises:
        VlabError: if a cell fails; the file is then as it was.
    """
    notebook = translation.source(path)
    before = path.read_bytes() if path.exists() else None
    if translation.english_of(path) is not None:
        _write(path, notebook)  # a checkpoint in it reads the notebook that calls it
    try:
        _execute(notebook, path)
    except VlabError:
        if before is None:
            path.unlink(missing_ok=True)
        else:
            files.write_atomically(path, before)
        raise
    _settle(notebook)
    _write(path, notebook)
    if _is_solution(path):
        students.write_student(path)
    elif path.is_relative_to(files.folder("notebooks")):
        index.update(files.checkout())


def _write(path: Path, notebook: Any) -> None:
    import nbformat

    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_atomically(path, nbformat.writes(notebook).encode() + b"\n")


def _execute(notebook: Any, path: Path) -> None:
    """Execute all cells in the notebook's folder; VlabError if one fails or takes too long."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError

    client = NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,  # else what is printed falls into pieces, others in each run
    )
    try:
        client.execute(cwd=str(path.parent))
    except CellExecutionError as error:
        raise VlabError(f"{error.ename}: {error.evalue}", where=_where(path, notebook)) from None
    except CellTimeoutError:
        wrong = _("It runs longer than {seconds} seconds.").format(seconds=SECONDS)
        raise VlabError(wrong, where=_where(path, notebook)) from None


def _is_solution(path: Path) -> bool:
    return path.parent.name == "solutions"


def _where(path: Path, notebook: Any) -> str:
    """The cell at which an execution ended."""
    executed = [cell for cell in notebook.cells if cell.get("execution_count")]
    return f"{path.name}, cell {executed[-1].id}" if executed else path.name


def _settle(notebook: Any) -> None:
    """Take out what would differ in another run or on another host, and make pictures small."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            data.pop(_WIDGET, None)
            if "image/png" in data:
                data["image/png"] = smaller(data["image/png"])


def complaints(path: Path) -> list[str]:
    """What is wrong with a stored lesson or solution notebook, a sentence each; empty if nothing is."""
    import nbformat

    found = list(translation.complaints(path))
    if not path.exists():
        return found
    name = f"{path.parent.name}/{path.name}"
    notebook = nbformat.read(path, as_version=4)
    lesson = not _is_solution(path) and not path.name.startswith(GALLERY)
    skeleton = SKELETONS[translation.language_of(path)] if lesson else ()
    found += [f"{name}: {wrong}" for wrong in _about_file(path, notebook, skeleton)]
    found += links.complaints(path, name)
    if _is_solution(path):
        found += [*students.complaints(path), *students.stale(path)]
    elif lesson:
        found += [f"{name}, {wrong}" for wrong in _about_sections(notebook, path.name[:2])]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, 1):
        wrongs = _about_cell(cell, count)
        found += [_("{name}, cell {cell}: {wrong}").format(name=name, cell=cell.id, wrong=w) for w in wrongs]
    found += [f"{name}, {wrong}" for wrong in _about_magics(code)]
    if sum(map(_ignored, code)) > _IGNORED_AT_MOST * len(code):
        found.append(f"{name}: " + _("more than 5 % of its cells are marked for nbval to look away"))
    return found


def _about_file(path: Path, notebook: Any, skeleton: tuple[str, ...]) -> Iterator[str]:
    if path.stat().st_size > LARGEST_FILE:
        yield _("larger than {most} bytes").format(most=LARGEST_FILE)
    headings = [title for cell in notebook.cells for title in _headings(cell)]
    for wanted in skeleton:
        if wanted not in headings:
            yield _("the section {title!r} is missing").format(title=wanted)
    if [title for title in headings if title in skeleton] != [t for t in skeleton if t in headings]:
        yield _("its sections are not in the order {titles}").format(titles=", ".join(skeleton))


def _about_sections(notebook: Any, number: str) -> Iterator[str]:
    """What a lecturer needs of a lesson: each section's minutes, and a checkpoint at its beginning."""
    found = sections(notebook.cells, number)
    for section in found:
        where = _("cell {cell}: ").format(cell=section.cells[0]["id"])
        if not section.minutes:
            yield where + _("the section does not say its minutes")
        if section.code and not _begins(section):
            yield where + _("the section does not begin with checkpoint({name!r})").format(name=section.id)
    minutes = sum(section.minutes for section in found)
    if found and minutes > marks(notebook.cells[0]).get("minutes", 0):
        where = _("cell {cell}: ").format(cell=notebook.cells[0].id)
        yield where + _("the sections take {minutes} minutes, more than the lesson").format(minutes=minutes)


def _begins(section: Section) -> bool:
    """Whether the first code cell of a section is its checkpoint."""
    first = section.code[0]
    line = f'checkpoint("{section.id}")'
    return str(first["source"]).endswith(line) and first["id"] == section.id[3:] + CHECKPOINT


def _headings(cell: Any) -> list[str]:
    return _HEADING.findall(cell.source) if cell.cell_type == "markdown" else []


def _about_cell(cell: Any, count: int) -> Iterator[str]:
    if cell.execution_count != count:
        yield _("executed as number {n}, stands as number {count}").format(
            n=cell.execution_count, count=count
        )
    longest = LONGEST_SOLUTION if students.role(cell)[0] == "blank" else LONGEST_CELL
    if len(cell.source.splitlines()) > longest:
        yield _("more than {longest} lines").format(longest=longest)
    if _SKIPS.search(cell.source + " ".join(set(cell.metadata.get("tags", [])) - {_IGNORES})):
        yield _("marked for nbval to look away")
    if _ignored(cell) and not marks(cell).get("ignored"):
        yield _("marked for nbval to look away, and nobody says why")
    yield from _about_code(_python_of(cell.source))
    for output in cell.outputs:
        yield from _about_output(output)


def _ignored(cell: Any) -> bool:
    return _IGNORES in cell.metadata.get("tags", [])


def _python_of(source: str) -> str:
    """What of a cell is Python: nothing where one of vlab's magics takes it, and all but the line that loads them."""
    if _magic(source) in MAGICS:
        return ""
    return "\n".join("" if line == _LOADS else line for line in source.splitlines())


def _magic(source: str) -> str:
    """The name of the magic that takes the whole cell; empty if none does."""
    found = re.match(r"%%(\S+)", source)
    return found[1] if found else ""


def _about_magics(code: Iterable[Any]) -> Iterator[str]:
    """nbval passes a magic that nobody has brought in: so the notebook must do so first."""
    loaded = False
    for cell in code:
        if _magic(cell.source) in MAGICS and not loaded:
            wrong = _("%%{magic} stands before {loads}").format(magic=_magic(cell.source), loads=_LOADS)
            yield _("cell {cell}: ").format(cell=cell.id) + wrong
        loaded = loaded or _LOADS in cell.source.splitlines()


def _about_code(source: str) -> Iterator[str]:
    try:
        tree = ast.parse(source)
    except SyntaxError:
        yield _("not plain Python: magics and `!` escape nbval")
        return
    if any(line.lstrip().startswith("#") for line in source.splitlines()):
        yield _("a comment in code: it could not be translated")
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names = [name for name in names if name.split(".")[0] not in LIBRARIES]
        yield from (_("imports {name}").format(name=name) for name in names)
        if isinstance(node, ast.Call) and (used := _called(node)) in _FORBIDDEN:
            yield _("uses {name}, which nbval cannot compare").format(name=used)


def _called(node: ast.Call) -> str:
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _about_output(output: Any) -> Iterator[str]:
    if output.output_type == "error":
        yield _("ends in {error}").format(error=output.ename)
    data = output.get("data", {})
    shown = output.get("text", "") + "".join(str(part) for part in data.values())
    if " object at 0x" in shown:
        yield _("shows a memory address")
    if _WIDGET in data:
        yield _("stores a widget, whose id is random")
    if any(map(_RANDOM_ID.search, _drawings(data))):
        yield _("stores an SVG whose ids or date are others in each run")
    pictures = re.findall(r"<img\b[^>]*>", str(data.get("text/html", "")))
    if any(not re.search(r'alt="[^"]+"', picture) for picture in pictures):
        yield _("shows a picture without a sentence")


def _drawings(data: Any) -> Iterator[str]:
    """The SVG that an output holds, as itself or in the address of a picture."""
    page = str(data.get("text/html", ""))
    yield from (str(data.get("image/svg+xml", "")), page if "<svg" in page else "")
    for found in _SVG.findall(page):
        yield b64decode(found).decode(errors="replace")
