"""Both engines run programs that change what they stand on, while a host meddles: every part of the state is alike."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("llvmlite")


def run_alike(repository: Path, seed: int, count: int) -> None:
    script = repository / "tests/machine/execute/native/changing.py"
    done = subprocess.run(
        [sys.executable, str(script), str(seed), str(count)],
        env=os.environ | {"PYTHONPATH": str(repository)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, f"{count} machines alike\n"), done.stderr


def test_programs_that_change_what_they_stand_on(repository: Path) -> None:
    run_alike(repository, 1, 40)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_many_programs_that_change_what_they_stand_on(repository: Path) -> None:
    run_alike(repository, 1000, 4000)
