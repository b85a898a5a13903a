"""`vlab doctor` prints every finding, and its status says whether something required is missing."""

import pytest

from vlab import cli
from vlab.course.doctor import Finding


@pytest.fixture
def findings(monkeypatch):
    """Puts other findings in the place of this host's."""

    def replace(*rows):
        monkeypatch.setattr("vlab.course.doctor.examine", lambda: iter(rows))

    return replace


def test_the_table_has_a_line_for_each_finding_and_its_mend(capsys, findings):
    findings(Finding("Python", "ok", "3.11"), Finding("git", "absent", "not found.", "get it"))
    assert cli.main(["doctor"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "ok  Python  3.11",
        "-   git     not found; get it",
        "",
        "Everything required is here. A line with - names something optional.",
    ]


def test_something_required_and_missing_is_status_1(capsys, findings):
    findings(
        Finding("a", "missing", "not installed", "pip install a"),
        Finding("b", "missing", "1", "pip install b"),
    )
    assert cli.main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "missing  a  not installed; pip install a\n" in shown
    assert shown.endswith("\nMissing: a, b.\n")


def test_this_host_is_described(capsys):
    cli.main(["doctor"])
    shown = capsys.readouterr().out
    names = ["Python", "jupyterlab", "numpy", "llvmlite", "git", "browser", "qemu", "KVM", "ptrace", "disk"]
    assert [name for name in names if f" {name} " not in shown] == []
