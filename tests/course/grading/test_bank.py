"""Where pristine notebooks and keys come from."""

import json
import os

import pytest

from tests.course.solutions import PATH, notebook
from vlab import files
from vlab.course import checking, exercises
from vlab.course.grading.bank import bank, blanks, given
from vlab.language import VlabError

NAME = "07_trap_and_emulate"


def test_the_courses_own():
    own = bank()
    assert NAME in own.notebooks()
    assert own.questions is None
    hidden = own.hidden()
    assert files.folder("notebooks") in hidden
    assert any(path.name == "answers" for path in hidden)


def test_the_blanks_of_a_notebook():
    found = blanks(notebook(NAME))
    assert found["07-1"] == "07-1-blank"
    assert len(found) == 7


def test_the_names_that_a_notebook_gives():
    assert given(notebook(NAME)) >= {"vlab", "check", "quiz", "TrapRaised", "Mode"}
    assert not given(notebook(NAME)) & {"deliverable", "Mine"}


def test_a_private_one(tmp_path, monkeypatch):
    private = bank(tmp_path)
    with pytest.raises(VlabError, match="no solution notebooks"):
        private.notebooks()
    (tmp_path / "lab.ipynb").write_text(json.dumps(json.loads((PATH / f"{NAME}.ipynb").read_text())))
    assert list(private.notebooks()) == ["lab"]
    assert tmp_path.resolve() in private.hidden()
    (tmp_path / "questions.py").write_text("")
    monkeypatch.setattr(os, "environ", {})
    private.open()
    assert os.environ == {exercises.QUESTIONS: str(tmp_path / "questions.py")}
    assert private.questions == tmp_path / "questions.py"
    (tmp_path / "answers.py").write_text("")
    private.open()
    assert os.environ[checking.ANSWERS] == str(tmp_path / "answers.py")


def test_a_damaged_one(tmp_path):
    (tmp_path / "lab.ipynb").write_text("{")
    with pytest.raises(VlabError, match="damaged"):
        bank(tmp_path).notebooks()
