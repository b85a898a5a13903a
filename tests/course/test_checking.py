"""`check`, as a reader uses it, and as grading does."""

import pytest

from tests.course.solutions import defined
from vlab.course import asking, check, checking, exercises, progress
from vlab.language import VlabError
from vlab.views import Picture

NAME = "07_trap_and_emulate"


def nobody(mode, sstatus, sie, sip):
    return None


def test_a_right_solution_gets_one_line(capsys):
    check("07-1", defined(NAME)["deliverable"])
    first = capsys.readouterr().out
    check("07-1", defined(NAME)["deliverable"])
    assert capsys.readouterr().out == first
    assert first.startswith("07-1 right: ")
    assert first.count("\n") == 1


def test_another_seed_gives_another_line(capsys):
    lines = []
    for seed in (0, 1):
        check("07-1", defined(NAME)["deliverable"], seed=seed)
        lines.append(capsys.readouterr().out)
    assert lines[0] != lines[1]


def test_a_wrong_one_gets_the_smallest_case(capsys):
    check("07-1", nobody)
    assert "  deliverable(" in capsys.readouterr().out


def test_an_exercise_that_is_not_there():
    with pytest.raises(VlabError, match="There is no exercise '07-77'"):
        check("07-77", nobody)


def test_what_came_of_it_is_recorded(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(progress.PLACE, str(tmp_path / "progress.json"))
    check("07-1", nobody)
    assert progress.marks()["exercises"] == {"07-1": "wrong"}
    check("07-1", defined(NAME)["deliverable"])
    check("07-1", nobody)
    assert progress.marks()["exercises"] == {"07-1": "right"}


def test_where_work_is_graded_the_replies_are_all_that_is_shown(monkeypatch, capsys):
    monkeypatch.setenv(checking.SEED, "5")
    monkeypatch.setattr(checking, "key", None)  # nothing may ask for what is right
    check("07-1", nobody, seed=3)
    replies = asking.read_transcript(capsys.readouterr().out)
    assert [reply.value for reply in replies] == [None] * len(exercises.find("07-1").cases(5))


def test_private_keys_come_from_a_file(tmp_path, monkeypatch):
    (tmp_path / "answers.py").write_text("KEYS = {'lab-1': print}\n")
    monkeypatch.setenv(checking.ANSWERS, str(tmp_path / "answers.py"))
    assert repr(checking.key("lab-1")) == repr(print)
    assert checking.key("07-1").returns()


@pytest.mark.parametrize("name", ["07-99", "99-1", "x"])
def test_without_a_key_that_is_said(name):
    with pytest.raises(VlabError, match="Nobody says what is right"):
        checking.key(name)


def test_a_picture_is_shown_where_there_is_a_notebook(monkeypatch, capsys):
    shown: list[Picture] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    check("07-5", lambda run: [0])
    assert "ladder" in shown[0].sentence
