"""`vlab lab` as a reader starts it from an installed package, on a host without a screen."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from vlab import cli, files

LESSON = "en/07_trap_and_emulate.ipynb"
EMPTY_NOTEBOOK = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture
def environment(tmp_path: Path, repository: Path) -> dict[str, str]:
    """An installation whose only lesson is an empty notebook, and a Jupyter without anybody's settings."""
    package = tmp_path / "installed/vlab"
    shutil.copytree(repository / "vlab", package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "_notebooks/en").mkdir(parents=True)
    (package / "_notebooks" / LESSON).write_text(json.dumps(EMPTY_NOTEBOOK))
    jupyter = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    return os.environ | jupyter | {"PYTHONPATH": str(package.parent), "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free: int = probe.getsockname()[1]
        return free


@contextmanager
def served(place: Path, environment: dict[str, str], *options: str) -> Iterator[tuple[str, str]]:
    """Run `vlab lab` in `place`; give all that it printed, and its address."""
    command = [sys.executable, "-m", "vlab", "lab", "--no-browser", *options]
    with (place / "log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield _started(server, place / "log")
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def _started(server: subprocess.Popen[bytes], log: Path) -> tuple[str, str]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        shown = log.read_text()
        if found := re.search(r"http://\S+[?]token=\w+", shown):
            return shown, found[0]
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def _answer(address: str) -> HTTPResponse:
    """What the server answers, once it does: on a busy host it tells its address before it listens."""
    deadline = time.monotonic() + 30
    while True:
        try:
            answer: HTTPResponse = urlopen(address, timeout=30)
            return answer
        except URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def test_jupyterlab_answers_at_the_first_lesson(tmp_path, environment, port):
    reader = tmp_path / "reader"
    reader.mkdir()
    with served(reader, environment, "--lang", "es", "--port", str(port)) as (shown, address):
        assert "vlab-notebooks" in shown
        assert LESSON in shown
        assert f":{port}/" in address
        with _answer(address) as page:
            assert page.status == 200
            assert "JupyterLab" in page.read().decode()
        with _answer(re.sub(r"/lab.*[?]", f"/api/contents/{LESSON}?", address)) as lesson:
            assert json.load(lesson)["type"] == "notebook"
    assert (reader / "vlab-notebooks" / LESSON).exists()


def test_what_jupyterlab_is_told(tmp_path, monkeypatch, capsys):
    told = []
    monkeypatch.setattr("jupyterlab.labapp.LabApp.launch_instance", lambda argv: told.extend(argv))
    monkeypatch.setattr(files, "folder", lambda name: tmp_path / name)
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "")
    for language in ("en", "es"):
        (tmp_path / "notebooks" / language).mkdir(parents=True)
    (tmp_path / "notebooks" / LESSON).write_text("")
    assert cli.main(["lab"]) == 0
    assert f"--ServerApp.root_dir={tmp_path / 'notebooks'}" in told
    assert f"--LabApp.default_url=/lab/tree/{LESSON}" in told
    assert "--no-browser" not in told
    assert not any(word.startswith("--ServerApp.port") for word in told)
    assert "no translation" not in capsys.readouterr().out


@pytest.mark.parametrize("translated", [False, True])
def test_an_untranslated_lesson_opens_in_english_and_says_so(tmp_path, monkeypatch, capsys, translated):
    told = []
    monkeypatch.setattr("jupyterlab.labapp.LabApp.launch_instance", lambda argv: told.extend(argv))
    monkeypatch.setattr("vlab.language._catalogue", lambda code: {})
    monkeypatch.setattr(files, "folder", lambda name: tmp_path / name)
    lesson = LESSON.replace("en/", "es/") if translated else LESSON
    for name in {LESSON, lesson}:
        (tmp_path / "notebooks" / name).parent.mkdir(parents=True)
        (tmp_path / "notebooks" / name).write_text("")
    assert cli.main(["lab", "--lang", "es"]) == 0
    assert f"--LabApp.default_url=/lab/tree/{lesson}" in told
    assert ("It has no translation yet" in capsys.readouterr().out) is not translated


def test_without_jupyterlab_the_doctor_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "notebooks/en").mkdir(parents=True)
    (tmp_path / "notebooks" / LESSON).write_text("")
    monkeypatch.setattr(files, "folder", lambda name: tmp_path / name)
    monkeypatch.setitem(sys.modules, "jupyterlab.labapp", None)
    assert cli.main(["lab"]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("vlab: JupyterLab does not load")
    assert "vlab doctor" in shown
