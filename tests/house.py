"""The size of each floor of the house against its budget: `python -m tests.house` prints the report."""

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

VLAB = Path(__file__).parent.parent / "vlab"

# Lines of code: blank lines, comments and docstrings don't count, because explaining must cost nothing.
# Raising a budget takes a reason in the commit.
BUDGETS = {
    # Two stages of translation, and x86-64's format beside RISC-V's: the walk of 15 (24) references of every
    # textbook is this floor's, because a translation is a value here, with no machine needed.
    # What a reader can mend (a memory of no size, one that gives no frames) is said, not left to Python.
    # Arrays of addresses walk by the same rules: the lists of steps become arrays, in blocks, and entries become kinds.
    "paging": 1610,
    # Many guests at once: fair scheduling, frames that come back, the log of writes that migration needs, and
    # clones that share their pages until one of them writes. Shadows of a guest that is a hypervisor itself, and
    # shadow entries that lead to a technique's own frames, which the tables and chains tell from stale ones. What
    # hardware assistance asks of entries and exits, with a root table of four frames. Who has lost the computer to
    # another, and who was removed, says so. Virtual machines one in the other are built in one place.
    # A host's process of a guest may have a program in user mode, to which a technique's exits go on. A guest with much
    # memory gets more frames for its shadows. Shadow entries are found by the frame to which they lead. An exit
    # that changes little is emulated in brief, and a series of equal exits is one turn. What is loaded at a brief
    # entry is its technique's. Pages that nobody touched are not read to see that. Exits that one act is all there is
    # to leave the guest's registers in the hart.
    "hypervisor": 2000,  # without techniques/, policies/ and architectures/
}
TECHNIQUE_BUDGET = 300
# A second resident, and the larger one: an operating system with processes, users, a console and interrupts of its
# own, which gives the hypervisor its frames and its turns; a quarter of it are drivers of its virtio devices. And the
# bridge from its network card to the switch of its guests. A host that has lost its computer says so. The process of
# a virtual machine may have a program in user mode too, to which the hypervisor goes back for devices.
HOST_BUDGET = 1535
POLICY_BUDGET = 150
SYSTEM_BUDGET = 150

# A file is a chapter, and a function fits a screen: whole lines of both, comments included.
LONG_FILE = 400
LONG_FUNCTION = 60

_LAYOUT = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


@dataclass(frozen=True)
class Size:
    """One floor, technique or named system: files, lines, lines of code, and the budget if it has one."""

    name: str
    files: int
    lines: int
    code: int
    budget: int | None


def sizes() -> list[Size]:
    """Every floor, then every technique, every policy of shadows, and every named system."""
    found = [_size(path, BUDGETS.get(path.name)) for path in sorted(VLAB.iterdir()) if _python_files(path)]
    parts = ("techniques", TECHNIQUE_BUDGET), ("policies", POLICY_BUDGET), ("architectures", SYSTEM_BUDGET)
    found.append(_size(VLAB / "hypervisor" / "host", HOST_BUDGET))
    for part, budget in parts:
        chapters = [path for path in _python_files(VLAB / "hypervisor" / part) if path.name != "__init__.py"]
        found += [_size(path, budget) for path in chapters]
    return found


def long_files() -> list[tuple[str, int]]:
    """Files that are more than a chapter, with their lines."""
    return [(_name(path), lines) for path in _python_files(VLAB) if (lines := _lines(path)) > LONG_FILE]


def long_functions() -> list[tuple[str, int]]:
    """Functions that don't fit a screen, with their lines."""
    found = []
    for path in _python_files(VLAB):
        for node in _functions(path):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONG_FUNCTION:
                found.append((f"{_name(path)}:{node.lineno} {node.name}", lines))
    return found


def report() -> str:
    """The table, and what is longer than it should be."""
    rows = [f"{'floor':36} {'files':>5} {'lines':>6} {'code':>6} {'budget':>6}"]
    rows += [f"{s.name:36} {s.files:5} {s.lines:6} {s.code:6} {s.budget or '':>6}" for s in sizes()]
    rows += [f"long: {name}, {lines} lines" for name, lines in long_files() + long_functions()]
    return "\n".join(rows)


def _size(path: Path, budget: int | None) -> Size:
    files = [file for file in _python_files(path) if path.name != "hypervisor" or file.parent == path]
    return Size(_name(path), len(files), sum(map(_lines, files)), sum(map(_code, files)), budget)


def _python_files(path: Path) -> list[Path]:
    return [path] if path.suffix == ".py" else sorted(path.rglob("*.py"))


def _lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def _code(path: Path) -> int:
    """How many lines carry code."""
    source = path.read_text("utf-8")
    carrying: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in (*_LAYOUT, tokenize.COMMENT):
            carrying.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if _is_docstring(node):
            carrying.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(carrying)


def _is_docstring(node: ast.AST) -> TypeGuard[ast.Expr]:
    """A docstring is a statement that is nothing but a text."""
    text = node.value if isinstance(node, ast.Expr) else None
    return isinstance(text, ast.Constant) and isinstance(text.value, str)


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _name(path: Path) -> str:
    return path.relative_to(VLAB).as_posix()


if __name__ == "__main__":
    print(report())
