"""Plain `pytest --nbval` on the reader's notebook: red while blanks are empty, green when they are right."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.course.solutions import blanks
from vlab.course import students

NAME = "07_trap_and_emulate"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, repository):
    """What nbval says of the committed notebook, and of one whose blanks are filled in; both at once."""
    place = tmp_path_factory.mktemp("plain")
    (place / "pytest.ini").write_text("[pytest]\n")
    stored = repository / f"notebooks/en/exercises/{NAME}.ipynb"
    solved = json.loads(stored.read_text())
    for cell in solved["cells"]:
        if (found := students.role(cell))[0] == "blank":
            cell["source"] = blanks(NAME)[found[1]]
    (place / "empty.ipynb").write_bytes(stored.read_bytes())
    (place / "solved.ipynb").write_text(json.dumps(solved))
    runs = {name: _start(place, repository, name) for name in ("empty", "solved")}
    return {name: run.communicate(timeout=100)[0] for name, run in runs.items()}


def _start(place, repository, name):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval",
        f"{name}.ipynb",
        "-v",
        "--color=no",
        "-pno:cacheprovider",
    ]
    environment = os.environ | {"PYTHONPATH": str(repository), "VLAB_PROGRESS": "off"}
    return subprocess.Popen(command, cwd=place, env=environment, stdout=subprocess.PIPE, text=True)


def test_untouched_it_is_red_at_the_checks_and_only_there(outcomes):
    assert re.search(r"\n=+ 7 failed, 13 passed", outcomes["empty"]), outcomes["empty"]
    assert "07-7 is not written yet." in outcomes["empty"]


def test_solved_it_is_green(outcomes):
    assert re.search(r"\n=+ 20 passed", outcomes["solved"]), outcomes["solved"]
