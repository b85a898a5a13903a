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
        plain = [one for one in found.naming if not one.root]
        assert plain and all(one.refused for one in plain)
        assert not any(one.allowed for one in found.installing if not one.root)
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
        (True, True, "init_module", "ENOSYS", False, "can't tell"),
        (True, True, "sethostname", "", True, "the name that it had"),
        (True, False, "sethostname", "EPERM", False, "not given CAP_SYS_ADMIN"),
        (False, False, "sethostname", "EPERM", False, "only who has CAP_SYS_ADMIN"),
        (False, False, "sethostname", "ENOSYS", False, "can't tell"),
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
    assert one.refused is (error in ("EPERM", "EACCES"))
    assert reason in one.reason
    assert reason in repr(one)


@LINUX
def test_a_plain_user_who_is_told_nothing_proves_nothing(monkeypatch):
    row = {"root": False, "capable": False, "call": "sethostname", "error": "ENOSYS"}
    answer = {"answer": {"tries": [row], "modules": [], "device": None}}
    monkeypatch.setattr(modules, "ask_child", lambda *_a: Fields(answer, "x"))
    assert try_modules().why == "the answer to a plain user tells nothing"


@pytest.mark.parametrize(
    ("call", "answers", "verdict"),
    [
        ("init_module", {True: "ENOSYS", False: "ENOSYS"}, "this host can't tell who may."),
        ("init_module", {}, "this host can't tell who may."),
        ("init_module", {True: "ENOEXEC"}, "this host can't tell who may."),
        (
            "init_module",
            {True: "ENOEXEC", False: "EPERM"},
            "the administrator may, and the plain user may not.",
        ),
        ("init_module", {False: "EPERM"}, "nobody could ask as the administrator."),
        ("sethostname", {False: "EPERM"}, "nobody could ask as the administrator."),
        (
            "sethostname",
            {True: "EPERM", False: "EPERM"},
            "this administrator may not either, as the reason says.",
        ),
        ("sethostname", {True: "", False: "EPERM"}, "the administrator may, and the plain user may not."),
        ("sethostname", {True: "", False: ""}, "the plain user may."),
    ],
)
def test_a_verdict_says_no_more_than_the_answers(call, answers, verdict):
    rows = tuple(Request(root, root, call, error) for root, error in answers.items())
    said = Modules(rows, None, (), HOST).verdicts
    name, installing = said
    assert name.startswith("The computer's name: ") and installing.startswith("Modules: ")
    assert said[call == "init_module"].endswith(verdict)
    assert said[call == "sethostname"].endswith("this host can't tell who may.")


def test_the_recorded_kernel_takes_no_modules_and_says_so():
    found = try_modules(live=False)
    assert {one.error for one in found.installing} == {"ENOSYS"}
    assert [(one.root, one.error) for one in found.naming] == [(True, ""), (False, "EPERM")]
    picture = found.details.sentence
    assert "Modules: this host can't tell who may." in picture
    assert "The computer's name: the administrator may, and the plain user may not." in picture


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
