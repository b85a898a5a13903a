"""The rule that CI allows no skip, tried on one small test file for every way to skip."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

SKIPS = {
    "mark": "@pytest.mark.skip(reason='why')\ndef test_it(): pass",
    "condition": "@pytest.mark.skipif(True, reason='why')\ndef test_it(): pass",
    "call": "def test_it(): pytest.skip('why')",
    "fixture": "@pytest.fixture\ndef f(): pytest.skip('why')\ndef test_it(f): pass",
    "module": "pytest.skip('why', allow_module_level=True)",
    "import": "pytest.importorskip('no_such_thing', reason='why')",
    "case": "import unittest\nclass T(unittest.TestCase):\n @unittest.skip('why')\n def test_it(self): pass",
    "tool": "@pytest.mark.requires('nothing')\ndef test_it(): pass",
}
NOT_SKIPS = {
    "passes": "def test_it(): pass",
    "known": "@pytest.mark.xfail(reason='known')\ndef test_it(): assert False",
}
CELL = {"cell_type": "code", "execution_count": 1, "id": "a", "metadata": {}, "outputs": [], "source": "1"}
SKIPPED_CELL = CELL | {"metadata": {"tags": ["nbval-skip"]}}
NOTEBOOK = {"cells": [SKIPPED_CELL], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}

NO_SUCH_TOOL = """
from vlab.course.doctor import Tool
TOOLS["nothing"] = Tool("nothing", ("no-such-command",), "why")
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory, repository: Path):
    """What became of every small test, (kind, text) by its name: under the rule ("1") and without it ("")."""
    place = tmp_path_factory.mktemp("skips")
    (place / "tests").mkdir()
    (place / "notebooks").mkdir()
    for name, source in (SKIPS | NOT_SKIPS).items():
        (place / f"tests/test_{name}.py").write_text("import pytest\n" + source)
    (place / "tests/conftest.py").write_text((repository / "tests/conftest.py").read_text() + NO_SUCH_TOOL)
    (place / "notebooks/test_cell.ipynb").write_text(json.dumps(NOTEBOOK))
    runs = {rule: _start(place, repository, rule) for rule in ("1", "")}
    return {rule: _outcomes(report) for rule, (run, report) in runs.items() if run.wait(100) is not None}


def _start(place: Path, repository: Path, rule: str) -> tuple[subprocess.Popen[bytes], Path]:
    report = place / f"report{rule}.xml"
    command = [sys.executable, "-m", "pytest", f"-c{repository}/pyproject.toml", f"--rootdir={place}"]
    options = ["-n1", "--dist=loadfile", "--continue-on-collection-errors", "-pno:cacheprovider"]
    environment = os.environ | {"VLAB_NO_SKIPS": rule, "PYTHONPATH": str(repository)}
    command = [*command, *options, f"--junitxml={report}", "tests", "notebooks"]
    return subprocess.Popen(command, cwd=place, env=environment, stdout=subprocess.DEVNULL), report


def _outcomes(report: Path) -> dict[str, tuple[str, str]]:
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        result = next(iter(case), None)
        name = f"{case.get('classname')}.{case.get('name')}".split("test_")[1].split(".")[0]
        text = "" if result is None else f"{result.get('message')} {result.text}"
        found[name] = ("passed" if result is None else result.tag, text)
    return found


@pytest.mark.parametrize("name", [*SKIPS, "cell"])
def test_a_skip_is_a_failure_where_none_is_allowed(outcomes, name):
    kind, text = outcomes["1"][name]
    assert kind in ("failure", "error")
    assert "VLAB_NO_SKIPS allows no skip" in text


@pytest.mark.parametrize("name", [*SKIPS, "cell"])
def test_a_skip_is_a_skip_elsewhere(outcomes, name):
    assert outcomes[""][name][0] == "skipped"


def test_a_missing_tool_is_named_with_its_mend(outcomes):
    assert "this host has no nothing; mend: " in outcomes[""]["tool"][1]


@pytest.mark.parametrize("rule", ["1", ""])
def test_other_outcomes_stay(outcomes, rule):
    assert outcomes[rule]["passes"][0] == "passed"
    kind, text = outcomes[rule]["known"]
    assert kind == "skipped"  # how this report spells an expected failure
    assert "known" in text
