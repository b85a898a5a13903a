"""`vlab check`: what it shows, what it writes, and its exit status."""

import csv
import json
from pathlib import Path

import pytest

from vlab import cli
from vlab.course.grading import pool, sandbox
from vlab.course.grading.pool import Report


def report(file, seed, first, said, points):
    states, messages = {"07-1": first, "07-2": "right"}, {"07-1": said, "07-2": "good."}
    return Report(Path(file), seed, "07", states, messages, points, 3)


GOOD = report("class/ana.ipynb", 1, "right", "fine.", 3)
HALF = report("class/=ben.ipynb", 2, "wrong", "no.", 2)
ODD = Report(Path("class/eva.ipynb"), 3, trouble="eva.ipynb: This is not a notebook.\nHand it in again.")


@pytest.fixture
def graded(monkeypatch, tmp_path):
    """`vlab check` without grading: what it is to report, and what it asks for."""
    asked = []

    def grade_all(paths, settings, done):
        asked.append((paths, settings))
        for _path in paths:
            done()
        return reports

    reports = [GOOD]
    monkeypatch.setattr(pool, "grade_all", grade_all)
    monkeypatch.setattr(sandbox, "can_separate", lambda: True)
    (tmp_path / "ana.ipynb").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return reports, asked


def test_one_notebook_that_is_right(graded, capsys):
    assert cli.main(["check", "ana.ipynb", "--scale", "1.0-7.0"]) == 0
    assert capsys.readouterr() == ("fine.\ngood.\n\n3 of 3 points, mark 7.0\n", "")


def test_one_that_is_not(graded, capsys):
    graded[0][:] = [HALF]
    assert cli.main(["check", "ana.ipynb"]) == 1
    assert capsys.readouterr().out == "no.\ngood.\n\n2 of 3 points\n"


def test_one_that_is_no_notebook(graded, capsys):
    graded[0][:] = [ODD]
    assert cli.main(["check", "ana.ipynb"]) == 1
    assert "Hand it in again." in capsys.readouterr().out


def test_many_are_a_table(graded, capsys):
    graded[0][:] = [GOOD, HALF, ODD]
    assert cli.main(["check", ".", "--scale", "0-100"]) == 1
    assert capsys.readouterr().out.splitlines()[:5] == [
        "notebook    07-1  07-2  points  mark",
        "ana.ipynb   +     +     3/3     100",
        "=ben.ipynb  -     +     2/3     67",
        "eva.ipynb   eva.ipynb: This is not a notebook. Hand it in again.",
        "",
    ]


def test_the_table_says_why_a_blank_was_not_run(graded, capsys):
    refused = report(
        "class/zoe.ipynb", 1, "refused", "07-1: line 2 is not plain Python:\n'(' was never closed.", 1
    )
    broken = report("class/max.ipynb", 1, "broken", "07-1: it does not come to an end in time.", 1)
    graded[0][:] = [GOOD, refused, HALF, broken]
    cli.main(["check", "."])
    said = capsys.readouterr().out
    assert "! was not run" in said
    assert said.endswith(
        "\n\nzoe.ipynb: 07-1: line 2 is not plain Python: '(' was never closed.\n"
        "max.ipynb: 07-1: it does not come to an end in time.\n"
    )


def test_a_table_without_such_ends_with_its_signs(graded, capsys):
    graded[0][:] = [GOOD, HALF]
    cli.main(["check", "."])
    assert capsys.readouterr().out.endswith("x ended in an error, or not at all\n")


def test_all_unreadable_are_a_table_too(graded, capsys):
    graded[0][:] = [ODD, ODD]
    assert cli.main(["check", "."]) == 1
    assert "class/eva.ipynb  eva.ipynb: This" in capsys.readouterr().out


def test_what_is_written(graded, capsys):
    graded[0][:] = [GOOD, HALF, ODD]
    assert (
        cli.main(["check", ".", "--csv", "marks.csv", "--json", "all.json", "--scale", "1.0-4.0@60-7.0"]) == 1
    )
    rows = list(csv.DictReader(Path("marks.csv").read_text().splitlines()))
    assert [row["mark"] for row in rows] == ["7.0", "4.5", ""]
    assert [row["file"] for row in rows] == ["class/ana.ipynb", "class/=ben.ipynb", "class/eva.ipynb"]
    told = json.loads(Path("all.json").read_text())
    assert told[1]["messages"]["07-1"] == "no."
    assert [row.get("mark") for row in told] == ["7.0", "4.5", None]
    assert [row["seed"] for row in told] == [1, 2, 3]


def test_a_spreadsheet_computes_nothing(graded, capsys):
    graded[0][:] = [Report(Path("=1+1"), 1, trouble="@x")] * 2
    cli.main(["check", ".", "--csv", "marks.csv"])
    assert Path("marks.csv").read_text().splitlines()[1] == "'=1+1,,0,0,'@x"


def test_settings_are_passed_on(graded, tmp_path):
    words = ["--seed", "7", "--jobs", "3", "--timeout", "9", "--memory", "1G", "--bank", str(tmp_path)]
    assert cli.main(["check", "ana.ipynb", *words]) == 0
    assert graded[1] == [([Path("ana.ipynb")], pool.Settings(tmp_path, 7, 9, 1 << 30, 3))]


def test_less_protection_is_said(graded, monkeypatch, capsys):
    monkeypatch.setattr(sandbox, "can_separate", lambda: False)
    cli.main(["check", "ana.ipynb"])
    assert "the same rights as you" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["missing.ipynb"], "no such file"),
        (["ana.ipynb", "--scale", "7"], "not a scale"),
        (["ana.ipynb", "--bank", "missing"], "--bank missing: There is no such folder"),
        (["ana.ipynb", "--seed", "x"], "--seed"),
        (["ana.ipynb", "--seed", "9" * 30], "--seed"),
        (["ana.ipynb", "--jobs", "0"], "--jobs"),
        (["ana.ipynb", "--timeout", "-1"], "--timeout"),
        (["ana.ipynb", "--memory", "much"], "not a size"),
        (["ana.ipynb", "--memory", "1M"], "at least 1G"),
        ([], "NOTEBOOK|FOLDER"),
    ],
)
def test_mistakes_are_told(graded, capsys, words, told):
    assert cli.main(["check", *words]) == 2
    assert told in capsys.readouterr().err
