"""Who may install, who may use: on this host, and what each error means."""

import pytest

from tests.silicon.hosts import LINUX
from vlab.display import bundle
from vlab.language import VlabError
from vlab.silicon import Modules, asking, modules, try_modules
from vlab.silicon.fields import Fields
from vlab.silicon.modules import Device, Request, modules_from

HOST = asking.recorded().host


@LINUX
def test_a_plain_user_is_refused_on_this_host():
    found = try_modules()
    if found.live:
        plain = [one for one in found.installing if not one.root]
        assert plain and not any(one.allowed for one in plain)
    assert "was refused" in repr(found)


def test_every_host_stores_the_same(monkeypatch):
    live = try_modules()

    def refuse(*_arguments):
        raise asking.Unavailable("no")

    monkeypatch.setattr(modules, "ask_child", refuse)
    stored = try_modules()
    assert bundle(stored)[0]["text/html"] == bundle(live)[0]["text/html"]
    assert stored.why == "no"
    assert bundle(try_modules(live=False))[0]["text/html"] == try_modules(live=False).details.html()


@LINUX
def test_root_that_can_be_nobody_else_proves_nothing_of_plain_users(monkeypatch):
    row = {"root": True, "capable": True, "call": "init_module", "error": "ENOEXEC"}
    answer = {"answer": {"tries": [row], "modules": [], "device": None}}
    monkeypatch.setattr(modules, "ask_child", lambda *_a: Fields(answer, "x"))
    assert try_modules().why == "there is no plain user to ask as"


@pytest.mark.parametrize(
    ("root", "capable", "call", "error", "allowed", "reason"),
    [
        (True, True, "init_module", "ENOEXEC", True, "it is no module"),
        (True, True, "finit_module", "EBADF", True, "it is no module"),
        (False, False, "init_module", "EPERM", False, "only who has CAP_SYS_MODULE"),
        (True, False, "init_module", "EPERM", False, "root of a container"),
        (True, True, "init_module", "EPERM", False, "forbids it to everybody"),
        (True, True, "init_module", "ENOSYS", False, "no modules at all"),
        (False, False, "open", "", True, "rights allow it"),
        (False, False, "open", "EACCES", False, "rights forbid it"),
        (True, True, "open", "EPERM", False, "the host forbids it"),
        (True, True, "open", "ENOENT", False, "no such device"),
        (True, True, "open", "EIO", False, "can't be used"),
    ],
)
def test_what_an_error_means(root, capable, call, error, allowed, reason):
    one = Request(root, capable, call, error)
    assert one.allowed is allowed
    assert reason in one.reason
    assert reason in repr(one)


def test_answers_go_into_json_and_out():
    found = try_modules(live=False)
    assert modules_from(Fields(found.to_json(), "x"), HOST) == found
    bare = Modules((), None, (), HOST)
    assert modules_from(Fields(bare.to_json(), "x"), HOST) == bare
    assert "no /dev/kvm" in bare.particulars and "in the kernel: none" in bare.particulars
    assert str(Device("/dev/kvm", "root", "kvm", "crw-rw----")) == "/dev/kvm: crw-rw---- root kvm"


@pytest.mark.parametrize(
    "damage",
    [
        {"tries": {}},
        {"tries": [{}]},
        {"modules": ["\n"]},
        {"device": {"path": 3}},
        {"tries": [1]},
        {"modules": None},
    ],
)
def test_damaged_answers_are_said(damage):
    with pytest.raises(VlabError, match="no recorded data"):
        modules_from(Fields(try_modules(live=False).to_json() | damage, "x"), HOST)
