"""Many submissions, each in a worker of its own, and a report whatever becomes of it."""

import json
import sys

import pytest
from nbformat import v4

from vlab.course.grading import pool
from vlab.course.grading.pool import Report, Settings, grade, grade_all, notebooks_in, shown
from vlab.course.grading.worker import Job
from vlab.language import VlabError

QUESTIONS = """
from vlab.course.exercises import Exercise
EXERCISES = (Exercise("lab-1", "double", lambda random: [(random.randrange(999),) for _ in range(5)], points=3),)
"""
ANSWERS = """
from vlab.course.judging import Key, Why
KEYS = {"lab-1": Key(lambda case: 2 * case[0], lambda *a: Why("Twice."), lambda: "a number")}
"""


def job(path, folder, **settings):
    return Job(
        **{
            "path": path,
            "place": folder / "place",
            "bank": None,
            "seed": 5,
            "seconds": 20,
            "memory": 2 << 30,
            "separate": False,
        }
        | settings
    )


def lab(source):
    """A notebook of a private exercise, its blank holding this."""
    cells = [
        v4.new_code_cell("from vlab.course import check", id="imports"),
        v4.new_code_cell(source, id="the-blank", metadata={"vlab": {"blank": "lab-1"}}),
        v4.new_code_cell('check("lab-1", double)', id="the-check", metadata={"vlab": {"check": "lab-1"}}),
    ]
    return json.dumps(v4.new_notebook(cells=cells))


@pytest.fixture
def bank(tmp_path):
    folder = tmp_path / "bank"
    folder.mkdir()
    (folder / "lab.ipynb").write_text(lab("def double(x):\n    return x + x\n"))
    (folder / "questions.py").write_text(QUESTIONS)
    (folder / "answers.py").write_text(ANSWERS)
    return folder


@pytest.fixture
def handed_in(tmp_path):
    folder = tmp_path / "handed in"
    (folder / ".ipynb_checkpoints").mkdir(parents=True)
    (folder / ".ipynb_checkpoints/b.ipynb").write_text("{")
    (folder / "b.ipynb").write_text(lab("def double(x):\n    return 2 * x\n"))
    (folder / "a.ipynb").write_text(lab("def double(x):\n    return x * x\n"))
    (folder / "notes.txt").write_text("")
    return folder


def test_a_private_bank(bank, handed_in, tmp_path):
    seen = []
    paths = notebooks_in([handed_in])
    reports = grade_all(paths, Settings(bank=bank, jobs=2, seconds=40), lambda: seen.append(1))
    assert [(r.path.name, r.states, r.points, r.of) for r in reports] == [
        ("a.ipynb", {"lab-1": "wrong"}, 0, 3),
        ("b.ipynb", {"lab-1": "right"}, 3, 3),
    ], reports
    assert "  rule      Twice." in reports[0].messages["lab-1"]
    assert [report.share for report in reports] == [0, 1]
    assert reports[0].seed != reports[1].seed
    assert len(seen) == 2


def test_what_there_is_to_grade(handed_in):
    names = [path.name for path in notebooks_in([handed_in, handed_in / "a.ipynb"])]
    assert names == ["a.ipynb", "b.ipynb"]
    assert [path.name for path in notebooks_in([handed_in / "notes.txt"])] == ["notes.txt"]


def test_nothing_to_grade(tmp_path):
    for place, told in ((tmp_path, "no notebooks"), (tmp_path / "missing", "no such file")):
        with pytest.raises(VlabError, match=told):
            notebooks_in([place])


def test_what_is_no_exercise_is_said(tmp_path):
    (tmp_path / "x.ipynb").write_text(json.dumps(v4.new_notebook(cells=[v4.new_code_cell("1")])))
    assert "None of its cells" in grade(job(tmp_path / "x.ipynb", tmp_path)).trouble
    (tmp_path / "x.ipynb").write_text("{")
    report = grade(job(tmp_path / "x.ipynb", tmp_path, language="en"))
    assert report == Report(tmp_path / "x.ipynb", 5, trouble=report.trouble)
    assert report.trouble.startswith("x.ipynb: This is not a notebook")


def test_a_worker_that_does_not_end_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "_GRACE", 0)
    assert "in time" in grade(job(tmp_path / "x.ipynb", tmp_path, seconds=0.01)).trouble


def test_a_worker_that_says_nothing_is_reported(tmp_path, monkeypatch):
    (tmp_path / "python").symlink_to("/bin/true")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert grade(job(tmp_path / "x.ipynb", tmp_path)).trouble == "It broke the check off."


@pytest.mark.parametrize(
    "told", [b"", b"{", b"[]", b"3", b'{"results": 3}', b'{"results": {"07-1": {}}}', b"\xff"]
)
def test_a_damaged_report_is_no_report(tmp_path, told):
    assert pool._read_report(job(tmp_path, tmp_path), told).trouble == "It broke the check off."


def test_secrets_of_the_environment_stay_here(monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "secret")
    assert "MY_TOKEN" not in pool._environment()


def test_what_could_confuse_a_terminal_is_not_shown():
    assert shown("\x1b[31mred\x07\n\u202eok é") == "?[31mred?\n?ok é"
