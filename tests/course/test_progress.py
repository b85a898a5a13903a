"""Progress is kept if it can be, and never in the way."""

import json
import os

import pytest

from vlab.course import progress, show_progress

HOSTILE = {
    "not JSON": b"{",
    "not text": b"\xff\xfe\x00",
    "a list": b"[1]",
    "deep": b"[" * 100_000,
    "large": b" " * (2 << 20) + b"{}",
    "other kinds": b'{"exercises": 3, "quizzes": [1], "more": {}}',
    "other states": b'{"exercises": {"07-1": 3, "x": {}}}',
    "long names": json.dumps({"exercises": {"x" * 1000: "right"}}).encode(),
}


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "deep/er/progress.json"
    monkeypatch.setenv(progress.PLACE, str(path))
    return path


def test_what_is_recorded_is_shown(file):
    progress.record("exercises", "07-1", "right")
    progress.record("exercises", "07-2", "wrong")
    progress.record("quizzes", "07-q1", "right")
    assert repr(show_progress()) == "Exercises right: 07-1. Quiz questions right: 07-q1."
    assert [path.name for path in file.parent.iterdir()] == ["progress.json"]


def test_nothing_recorded_is_shown_too(file):
    assert repr(show_progress()) == "Exercises right: none yet. Quiz questions right: none yet."
    assert not file.exists()


def test_what_was_right_stays_right(file):
    for state in ("wrong", "right", "wrong", "pending"):
        progress.record("exercises", "07-1", state)
    assert progress.marks()["exercises"] == {"07-1": "right"}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_damaged_file_counts_as_none_and_is_mended(file, name):
    file.parent.mkdir(parents=True)
    file.write_bytes(HOSTILE[name])
    assert progress.marks() == {"exercises": {}, "quizzes": {}}
    progress.record("exercises", "07-1", "right")
    assert progress.marks()["exercises"] == {"07-1": "right"}


def test_a_place_that_can_not_be_written_does_not_matter(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(progress.PLACE, str(tmp_path / "file/progress.json"))
    progress.record("exercises", "07-1", "right")
    assert progress.marks() == {"exercises": {}, "quizzes": {}}


@pytest.mark.parametrize("value", ["", "off"])
def test_it_can_be_switched_off(monkeypatch, value):
    monkeypatch.setenv(progress.PLACE, value)
    assert progress.place() is None
    progress.record("exercises", "07-1", "right")


@pytest.mark.parametrize(
    ("platform", "variable", "wanted"),
    [
        ("linux", "XDG_DATA_HOME", "data/vlab/progress.json"),
        ("win32", "APPDATA", "data/vlab/progress.json"),
        ("linux", None, "home/.local/share/vlab/progress.json"),
        ("darwin", None, "home/Library/Application Support/vlab/progress.json"),
    ],
)
def test_each_platform_has_its_folder(tmp_path, monkeypatch, platform, variable, wanted):
    for name in (progress.PLACE, "PYTEST_VERSION", "XDG_DATA_HOME", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("sys.platform", platform)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "data"))
    assert progress.place() == tmp_path / wanted


def test_a_test_run_is_nobodys_progress(monkeypatch):
    monkeypatch.delenv(progress.PLACE, raising=False)
    assert "PYTEST_VERSION" in os.environ
    assert progress.place() is None
