"""The child that asks the host's kernel for what an administrator may."""

import errno
import os
import socket

from tests.silicon.hosts import LINUX
from vlab.silicon.children import install

pytestmark = LINUX


def test_every_call_has_its_answer_and_none_installs_anything():
    found = install.answer({})
    calls = [row["call"] for row in found["tries"]]
    assert calls[:4] == ["sethostname", "init_module", "finit_module", "open"]
    assert all(row["error"] for row in found["tries"] if row["call"] in ("init_module", "finit_module"))
    plain = [row for row in found["tries"] if not row["root"]]
    if plain:
        assert plain[0]["error"] == "EPERM"
        assert {row["error"] for row in plain[1:3]} <= {"EPERM", "ENOSYS"}


def test_the_computer_keeps_its_name(monkeypatch):
    asked: list[object] = []
    monkeypatch.setattr(socket, "sethostname", asked.append)
    assert install._name_again() == ""
    assert asked == [os.uname().nodename]

    def refuse(_name):
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(socket, "sethostname", refuse)
    assert install._name_again() == "EPERM"


def test_what_the_kernel_answers_is_named(monkeypatch):
    assert install._call(-1) == "ENOSYS"
    monkeypatch.setattr(install, "_call", lambda number, *rest: f"{number}")
    assert install._error(errno.EPERM) == "EPERM"
    assert install._error(99999) == "99999"


def test_modules_are_looked_for_by_name(tmp_path):
    for name in ("kvm", "kvm_intel", "snd"):
        (tmp_path / name).mkdir()
    assert install.modules(tmp_path) == ["kvm", "kvm_intel"]
    assert install.modules(tmp_path / "nothing") == []


def test_a_device_says_whose_it_is(tmp_path):
    path = tmp_path / "device"
    path.touch(mode=0o640)
    found = install.device(path)
    assert found is not None
    assert found["rights"] == "-rw-r-----"
    assert install.device(tmp_path / "none") is None
    assert install._name("grp", "getgrgid", 4_000_000_000) == "4000000000"
    assert install._name("no_such_module", "get", 7) == "7"


def test_the_device_is_opened_or_the_reason_given(tmp_path):
    (tmp_path / "device").touch()
    assert install._open(tmp_path / "device") == ""
    assert install._open(tmp_path / "none") == "ENOENT"


def test_root_asks_as_a_plain_user_too_and_nobody_else_can():
    found = install._as_a_plain_user()
    assert len(found) == (4 if os.geteuid() == 0 else 0)
    assert not any(row["capable"] or row["root"] for row in found)
