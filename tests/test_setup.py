"""The set-up keeps its word: the wheel, the Makefile, the requirements, and what several files say alike."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml

import vlab
from vlab.cli import build_parser
from vlab.course.doctor import TOOLS

LESSON = "en/07_trap_and_emulate.ipynb"


@pytest.fixture(scope="session")
def project(repository: Path):
    return tomllib.loads((repository / "pyproject.toml").read_text())["project"]


# --- The wheel


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unpacked wheel of this package, one lesson and one table, made where other files lie about."""
    pytest.importorskip("hatchling")
    place = tmp_path_factory.mktemp("wheel")
    checkout = place / "checkout"
    shutil.copytree(repository / "vlab", checkout / "vlab", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-text", ".gitignore"):
        shutil.copy(repository / name, checkout)
    strangers = ("tests/x.py", "notebooks/en/.ipynb_checkpoints/x.ipynb")
    for name in (f"notebooks/{LESSON}", "data/table.json", *strangers):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("{}")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)]
    subprocess.run(build, cwd=checkout, check=True, capture_output=True)
    (packed,) = place.glob("*.whl")
    zipfile.ZipFile(packed).extractall(place / "installed")
    return place / "installed"


def test_a_wheel_carries_the_package_the_notebooks_and_the_data(repository, wheel):
    def every(folder: Path) -> set[str]:
        paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        return {path.as_posix() for path in paths if "__pycache__" not in path.parts}

    assert every(wheel / "vlab") == every(repository / "vlab") | {f"_notebooks/{LESSON}", "_data/table.json"}
    assert {path.name for path in wheel.iterdir()} == {"vlab", f"vlab-{vlab.__version__}.dist-info"}


def test_an_installed_wheel_finds_what_it_carries(wheel, tmp_path):
    program = (
        "import vlab.files, vlab.course.lab as lab; lab.workplace(None); print(vlab.files.folder('data'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(wheel)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"{wheel}/vlab/_data\n", done.stderr
    assert (tmp_path / "vlab-notebooks" / LESSON).read_text() == "{}"


# --- What is required


def test_requirements_are_lower_bounds(project):
    extras = project["optional-dependencies"]
    lines = project["dependencies"] + [line for more in extras.values() for line in more]
    wrong = [line for line in lines if not re.fullmatch(r"[\w-]+>=[\d.]+|vlab\[[\w,]+]", line)]
    assert wrong == []


def test_what_the_package_imports_is_required(repository, project):
    optional = project["optional-dependencies"]
    required = project["dependencies"] + optional["native"] + optional["png"]
    asked = {_canonical(re.split("[>=]", line)[0]) for line in required}
    known = dict(metadata.packages_distributions()) | {"llvmlite": ["llvmlite"]}
    for module, file in sorted(_imports(repository / "vlab")):
        sources = {_canonical(name) for name in known.get(module, ["something unknown"])}
        assert sources & asked, f"{file} imports {module}: pyproject.toml does not ask for {sources}"


def _canonical(name: str) -> str:
    return name.lower().replace("_", "-")


def _imports(folder: Path) -> set[tuple[str, str]]:
    """Every (module, file) that the package imports from outside itself and the standard library."""
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules = [node.module or ""]
            else:
                continue
            found |= {(module.split(".")[0], path.relative_to(folder).as_posix()) for module in modules}
    return {(module, file) for module, file in found if module not in sys.stdlib_module_names | {"vlab"}}


# --- The Makefile


@pytest.fixture
def make(repository: Path, tmp_path: Path):
    """Runs the project's Makefile on a host that has only these programs, into a venv of the test's own."""

    def make(*arguments: str, programs: dict[str, str]) -> subprocess.CompletedProcess[str]:
        (tmp_path / "bin").mkdir()
        for name, script in programs.items():
            (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / "bin" / name).chmod(0o755)
        return subprocess.run(
            [shutil.which("make") or "make", f"VENV={tmp_path}/venv", "PYTHON=", *arguments],
            cwd=repository,
            env={"PATH": str(tmp_path / "bin")},
            capture_output=True,
            text=True,
            check=False,
        )

    return make


needs_make = pytest.mark.requires("make")


@needs_make
def test_make_lab_uses_uv_where_present(make, tmp_path):
    done = make("-n", "lab", programs={"uv": "echo uv 1.0"})
    assert "uv venv " in done.stdout
    assert "uv pip install " in done.stdout
    assert "-m venv" not in done.stdout
    assert done.stdout.rstrip().endswith(f"{tmp_path}/venv/bin/vlab lab")


@needs_make
@pytest.mark.parametrize("uv", [{}, {"uv": "echo broken >&2; exit 1"}])
def test_make_lab_uses_pip_where_uv_is_absent(make, uv):
    done = make("-n", "lab", programs=uv)
    assert "-m venv" in done.stdout
    assert "-m pip install" in done.stdout
    assert "uv " not in done.stdout


@needs_make
def test_make_says_when_no_python_is_new_enough(make):
    done = make("lab", programs={"python3": "exit 1", "python": "exit 1"})
    assert done.returncode == 2
    assert "vlab needs Python 3.11 or newer, and found none." in done.stderr


@needs_make
def test_make_installs_only_once(make, tmp_path):
    (tmp_path / "venv").mkdir()
    for name in ("pyvenv.cfg", ".lab"):
        (tmp_path / "venv" / name).touch()
    assert make("-n", "lab", programs={}).stdout.split() == [f"{tmp_path}/venv/bin/vlab", "lab"]


# --- CI, conda, pre-commit


@pytest.mark.parametrize("script", ["install", "run", "slow", "coverage"])
def test_ci_scripts_are_whole(repository, script):
    path = repository / ".ci" / script
    assert os.access(path, os.X_OK)
    assert subprocess.run(["sh", "-n", path], check=False).returncode == 0


def test_ci_installs_every_tool_that_a_test_may_require(repository):
    scripts = [(repository / ".ci" / name).read_text() for name in ("install", "slow")]
    words = set("".join(scripts).replace("browser=", "").split())
    assert {tool.package for tool in TOOLS.values()} <= words


def test_the_workflow_calls_the_same_commands(repository):
    jobs = yaml.safe_load((repository / ".github/workflows/ci.yml").read_text())["jobs"]
    runs = {step["run"] for job in jobs.values() for step in job["steps"] if "run" in step}
    assert runs == {".ci/run", ".ci/slow", ".ci/coverage", "pip install .", "vlab doctor"}


def test_conda_installs_what_pyproject_says(repository, project):
    dependencies = yaml.safe_load((repository / "environment.yml").read_text())["dependencies"]
    assert f"python{project['requires-python']}" in dependencies
    assert {"pip": ["-e .[native,png]"]} in dependencies


def test_pre_commit_fetches_nothing(repository):
    config = yaml.safe_load((repository / ".pre-commit-config.yaml").read_text())
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    assert all(hook["language"] == "system" for repo in config["repos"] for hook in repo["hooks"])


# --- What people read


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_documents_link_to_what_exists(repository, document):
    links = re.findall(r"\]\(([^)#]+)", (repository / document).read_text())
    assert [link for link in links if "://" not in link and not (repository / link).exists()] == []


@pytest.mark.parametrize(
    "document", ["README.md", "CONTRIBUTING.md", "notebooks/TEACHING.md", "notebooks/TEACHING.es.md"]
)
def test_the_commands_in_documents_are_commands(repository, document):
    """A command alone is only named there; with more words it can be given as it stands."""
    text = (repository / document).read_text("utf-8")
    given = [shlex.split(words) for words in re.findall(r"(?:`|^)vlab ([^`\n]+)", text, re.MULTILINE)]
    assert given
    parser, commands = build_parser()
    assert {words[0] for words in given} - {"--lang"} <= commands.keys()
    assert [words for words in given if words[1:] and parser.parse_known_args(words)[1]] == []


def test_the_readme_lists_every_lesson(repository):
    shown = (repository / "README.md").read_text()
    lessons = [path.name for path in repository.glob("notebooks/en/[0-9][0-9]_*.ipynb")]
    assert [lesson for lesson in lessons if f"(notebooks/en/{lesson})" not in shown] == []


def test_the_version_is_the_same_everywhere(repository):
    assert yaml.safe_load((repository / "CITATION.cff").read_text())["version"] == vlab.__version__
    assert f"\n## {vlab.__version__}" in (repository / "CHANGELOG.md").read_text()


def test_the_licences_and_the_slides_credit(repository, project):
    assert project["license"] == "MIT AND CC-BY-4.0"
    assert "MIT License" in (repository / "LICENSE").read_text()
    text = (repository / "LICENSE-text").read_text()
    assert "Attribution 4.0 International" in text
    for document in (text, (repository / "README.md").read_text()):
        assert "Luis Mateu" in document
