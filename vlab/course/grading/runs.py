"""One run of a notebook by nbval, in the worker: what each cell showed, and how it ended."""

import copy
import json
import os
import sys
import tempfile
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from vlab.course import students
from vlab.course.asking import KINDS
from vlab.course.checking import SEED
from vlab.course.exercises import QUESTIONS
from vlab.course.grading.kernel import CONFINES

_LOOK = 0.5  # seconds between looks at whether the kernel still lives
_KERNEL = "vlab-graded"


@dataclass(frozen=True)
class Confines:
    """What a submission's kernel has: see `sandbox`. `seconds` is for one cell."""

    hidden: tuple[Path, ...]
    separate: bool
    memory: int
    seconds: float
    questions: Path | None = None


@dataclass
class Run:
    """What came of a run, by cell id: whether nbval found the cell as expected, what it printed, the error it ended in.

    `ended` is "well", or "died" or "late" if the kernel was lost on the way.
    """

    passed: set[str] = field(default_factory=set)
    shown: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    ended: str = "well"
    ended_in: str = ""


def run(
    pristine: Any,
    blanks: dict[str, str],
    expected: dict[str, str],
    seed: int,
    place: Path,
    confines: Confines,
) -> Run:
    """Run the pristine notebook with these blanks (by exercise), against what its checks should show.

    `place` is an empty folder for this run alone.
    """
    notebook = _graft(pristine, blanks, expected)
    work, private = place / "work", place / "private"
    for folder in (work, private / "jupyter/kernels" / _KERNEL, private / "home"):
        folder.mkdir(parents=True)
    (work / "notebook.ipynb").write_text(json.dumps(notebook))
    (private / "pytest.ini").write_text("[pytest]\n")
    (private / "kinds").write_text(f"regex: {KINDS}.*\nreplace: \n")
    _install_kernel(private, work, seed, confines)
    watcher = _Watcher()
    options = ["--nbval", f"--nbval-kernel-name={_KERNEL}", f"--nbval-cell-timeout={confines.seconds}"]
    options += [
        "-p",
        "nbval.plugin",
        "-p",
        "no:cacheprovider",
        f"-c{private / 'pytest.ini'}",
        f"--nbval-sanitize-with={private / 'kinds'}",
        f"--rootdir={work}",
    ]
    pytest.main([str(work / "notebook.ipynb"), *options], plugins=[watcher])
    return watcher.run


def _graft(pristine: Any, blanks: dict[str, str], expected: dict[str, str]) -> Any:
    """The pristine notebook's code with these blanks. Only check cells are compared: all others count as not run."""
    cells = [copy.deepcopy(cell) for cell in pristine["cells"] if cell["cell_type"] == "code"]
    for cell in cells:
        what, exercise = students.role(cell)
        cell |= {"outputs": [], "execution_count": None}
        if what == "blank":
            cell["source"] = blanks.get(exercise) or students.stub("".join(cell["source"]))
            cell["metadata"]["tags"] = [students.GOES_ON]
        elif what == "check":
            text = expected[exercise] + "\n"
            cell |= {
                "outputs": [{"output_type": "stream", "name": "stdout", "text": text}],
                "execution_count": 1,
            }
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def _install_kernel(private: Path, work: Path, seed: int, confines: Confines) -> None:
    """Say how the kernel is started, and let Jupyter keep all its own files in the worker's folder."""
    told = {
        "hidden": [str(folder) for folder in (*confines.hidden, private)],
        "writable": str(work),
        "memory": confines.memory,
        "separate": confines.separate,
    }
    environment = {CONFINES: json.dumps(told), SEED: str(seed)}
    if confines.questions is not None:
        (work / "questions.py").write_bytes(confines.questions.read_bytes())
        environment[QUESTIONS] = str(work / "questions.py")
    command = [sys.executable, "-m", "vlab.course.grading.kernel", "-f", "{connection_file}"]
    spec = {"argv": command, "display_name": _KERNEL, "language": "python", "env": environment}
    (private / "jupyter/kernels" / _KERNEL / "kernel.json").write_text(json.dumps(spec))
    os.environ |= {
        "JUPYTER_PATH": str(private / "jupyter"),
        "JUPYTER_CONFIG_DIR": str(private / "config"),
        "JUPYTER_DATA_DIR": str(private / "data"),
        "JUPYTER_RUNTIME_DIR": str(work),
        "TMPDIR": str(work),  # the connection file is put there, and the kernel has to see it
        "IPYTHONDIR": str(work / "ipython"),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    tempfile.tempdir = str(work)


class _Watcher:
    """A plugin of pytest: it notes what nbval finds, and takes the expected outputs off the disk in time."""

    def __init__(self) -> None:
        self.run = Run()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """nbval has read the notebook, and no kernel runs yet: from now on it is in the worker's memory alone."""
        for item in session.items:
            item.path.unlink(missing_ok=True)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: Any) -> Generator[None, None, None]:
        """Before a cell: make waiting for a kernel that has died end at once."""
        kernel = item.parent.kernel
        if not hasattr(kernel, "patient"):
            kernel.patient, kernel.get_message = True, _impatient(kernel, kernel.get_message)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Generator[None, Any, Any]:
        """After a cell: note what it showed and how it ended."""
        report = yield
        if call.when == "call":
            self._note(item, call.excinfo)
        elif call.excinfo is not None and call.when == "setup":
            self._end("died", item.cell["id"])
        return report

    def _note(self, item: Any, trouble: Any) -> None:
        name, run = item.cell["id"], self.run
        if trouble is None:
            run.passed.add(name)
        for output in item.test_outputs or []:
            if output.output_type == "stream" and output.name == "stdout":
                run.shown[name] = run.shown.get(name, "") + output.text
            elif output.output_type == "error":
                run.errors[name] = f"{output.ename}: {output.evalue}"
        if item.parent.timed_out:
            self._end("late", name)
        elif not item.parent.kernel.is_alive():
            self._end("died", name)

    def _end(self, how: str, cell: str) -> None:
        if self.run.ended == "well":
            self.run.ended, self.run.ended_in = how, cell


def _impatient(kernel: Any, get_message: Any) -> Any:
    """nbval's way to wait for a message, which notices that nobody is left to send one."""
    from queue import Empty

    def get(stream: str, timeout: float | None = None) -> Any:
        left = float("inf") if timeout is None else timeout
        while True:
            try:
                return get_message(stream, min(left, _LOOK))
            except Empty:
                left -= _LOOK
                if left <= 0:
                    raise
                if not kernel.is_alive():
                    raise RuntimeError("the kernel died") from None

    return get
