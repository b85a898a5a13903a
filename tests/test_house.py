"""The house holds: imports go down, floors keep to their budgets, nothing heavy loads before it is needed."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

from tests import house

NAMES = [size.name.removesuffix(".py") for size in house.sizes() if "/" not in size.name]
FLOORS = ["vlab", *(f"vlab.{name}" for name in NAMES if not name.startswith("__"))]
MAPPED = ("machine", "machine/execute", "machine/execute/native", "hypervisor", "paging", "riscv")
HEAVY = ("IPython", "ipywidgets", "llvmlite", "matplotlib", "nbformat", "networkx", "numpy", "polib")


def test_imports_go_down(repository):
    assert lint_imports(str(repository / "pyproject.toml"), no_cache=True) == 0


@pytest.mark.parametrize(
    ("file", "line", "complaint"),
    [
        ("language.py", "import vlab.cli", "vlab.language is not allowed to import vlab.cli"),
        ("course/doctor.py", "import vlab.cli.lab", "vlab.course is not allowed to import vlab.cli"),
        ("attic.py", "", "attic"),
    ],
)
def test_an_import_that_goes_up_is_seen(repository, tmp_path, file, line, complaint):
    shutil.copy(repository / "pyproject.toml", tmp_path)
    shutil.copytree(repository / "vlab", tmp_path / "vlab", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "vlab" / file).open("a") as wrong:
        wrong.write(f"\n{line}\n")
    lint = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    assert complaint in _python(lint, tmp_path)


def test_the_arrows_see_every_file():
    # What lies in a folder without __init__.py is no part of the package, and escapes the check.
    folders = {path.parent for path in house.VLAB.rglob("*.py")}
    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("floor", MAPPED)
def test_the_map_of_a_floor_names_each_of_its_chapters(floor):
    here = house.VLAB / floor
    words = ast.get_docstring(ast.parse((here / "__init__.py").read_text("utf-8"))) or ""
    parts = [path for path in here.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    chapters = {path.stem for path in parts} - {"__init__"}
    assert sorted(name for name in chapters if f"`{name}`" not in words) == []


@pytest.mark.parametrize("size", house.sizes(), ids=lambda size: size.name)
def test_a_floor_keeps_to_its_budget(size):
    assert size.budget is None or size.code <= size.budget


def test_functions_fit_a_screen():
    assert house.long_functions() == []


def test_the_report_shows_every_floor():
    shown = house.report()
    assert all(size.name in shown for size in house.sizes())


@pytest.mark.parametrize("floor", FLOORS)
def test_nothing_heavy_loads_before_it_is_needed(repository, floor):
    probe = f"import sys, {floor}; print(*sorted(set(sys.modules) & set({HEAVY})))"
    assert _python(probe, repository) == ""


def test_tests_stand_where_the_code_stands(repository):
    tests = repository / "tests"
    folders = sorted({path.parent.relative_to(tests) for path in tests.rglob("test_*.py")})
    strangers = [str(folder) for folder in folders if not (house.VLAB / folder).is_dir()]
    assert strangers in ([], ["benchmarks"])


def _python(program: str, checkout: Path) -> str:
    """Run a program on the package of this checkout; what it printed, complaints included."""
    command = [sys.executable, "-W", "error", "-c", program]
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip()
