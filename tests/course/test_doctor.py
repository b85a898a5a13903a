"""Each finding of the doctor, on hosts that have and that lack the thing."""

import errno
import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from vlab.course import doctor, packages
from vlab.course.packages import Package


def finding(findings, name):
    return next(found for found in findings if found.name == name)


def test_every_finding_says_what_it_found_and_a_lack_has_its_mend():
    for found in doctor.examine():
        assert found.found, found
        assert found.state in ("ok", "absent", "missing")
        assert found.state == "ok" or found.mend or found.name in ("ptrace", "KVM"), found


def test_a_mend_works_as_it_is_typed(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/my env/bin/python")
    mend = Package("thing", "2.1", "", None).mend()
    assert shlex.split(mend) == ["/my env/bin/python", "-m", "pip", "install", "thing>=2.1"]


def test_an_old_python_is_missing(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    found = finding(doctor.examine(), "Python")
    assert (found.state, found.mend) == ("missing", "install Python 3.11 or newer")


@pytest.mark.parametrize("extra", ["", "png"])
@pytest.mark.parametrize("installed", [None, "2.0.9", "2.1", "10.0rc1"])
def test_a_package_must_be_installed_and_new_enough(monkeypatch, installed, extra):
    monkeypatch.setattr(packages, "wanted", lambda: [Package("thing", "2.1", extra, installed)])
    found = finding(doctor.examine(), "thing")
    if installed in ("2.1", "10.0rc1"):
        assert (found.state, found.mend) == ("ok", "")
    else:
        assert found.state == ("absent" if extra else "missing")
        assert found.mend == f'{sys.executable} -m pip install "thing>=2.1"'


def test_a_host_without_programs(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(Path, "is_file", lambda path: False)
    lacking = {found.name for found in doctor.examine() if found.state == "absent"}
    assert lacking >= {"git", *doctor.TOOLS}
    assert doctor.TOOLS["dtc"].mend() == "install a package that has `dtc`"


def test_a_host_without_lessons(monkeypatch, tmp_path):
    monkeypatch.setattr("vlab.files.folder", lambda name: tmp_path / name)
    assert finding(doctor.examine(), "lessons").state == "missing"


def test_a_full_disk_is_said(monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1_000_000_000))
    found = finding(doctor.examine(), "disk")
    assert (found.state, found.found) == ("absent", "1.0 GB free here")


@pytest.mark.skipif(sys.platform != "linux", reason="ptrace is probed on Linux only")
@pytest.mark.parametrize(
    ("status", "state", "found"),
    [(0, "ok", "a child let itself be traced"), (errno.EPERM, "absent", "Operation not permitted")],
)
def test_ptrace_is_what_a_child_found_out(monkeypatch, status, state, found):
    monkeypatch.setattr(doctor, "_TRACE_ME", f"import sys; sys.exit({status})")
    probed = finding(doctor.examine(), "ptrace")
    assert (probed.state, probed.found) == (state, found)


def test_a_kvm_that_does_not_open_is_said_with_its_reason(monkeypatch, tmp_path):
    closed = tmp_path / "kvm"
    closed.touch()
    monkeypatch.setattr(doctor, "_KVM", closed)
    found = finding(doctor.examine(), "KVM")  # it opens, and is no such device
    assert (found.state, found.found) == ("absent", os.strerror(errno.ENOTTY))
    monkeypatch.setattr(doctor, "_KVM", tmp_path / "none")
    assert finding(doctor.examine(), "KVM").state == "absent"


@pytest.mark.parametrize("error", [OSError(), subprocess.TimeoutExpired("git", 10)])
def test_a_program_that_hangs_or_breaks_does_not_stop_the_doctor(monkeypatch, error):
    def fail(*args, **settings):
        raise error

    monkeypatch.setattr(subprocess, "run", fail)
    assert {found.name for found in doctor.examine()} >= {"Python", "ptrace", "qemu"}
