"""The child that runs guests, its functions called here: with KVM where the host has one, and with a CPU of paper."""

import errno
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.silicon.hosts import LINUX, kvm_only
from vlab.silicon.kvm import ENDED

pytestmark = LINUX
kvm = pytest.importorskip("vlab.silicon.children.kvm", reason="this host has no ioctl", exc_type=ImportError)
ZERO = dict.fromkeys(("rip", "rax", "rbx", "rcx", "rdx"), 0)


def open_files():
    return len([*Path("/proc/self/fd").iterdir()])


class Paper:
    """A CPU whose exits are given: reasons, each with what KVM says of it."""

    def __init__(self, *exits):
        self.exits, self.completed, self.told = list(exits), 0, []

    def run(self):
        reason, self.now = self.exits.pop(0)
        return reason

    def io(self):
        *said, size, count, data = self.now
        self.data = memoryview(bytearray(data))
        return (*said, size, count, self.data)

    def mmio(self):
        *said, data = self.now
        self.data = memoryview(bytearray(data))
        return (*said, self.data)

    def complete(self):
        self.completed += 1
        self.told.append(bytes(self.data))

    def registers(self):
        return dict(ZERO)


def play(*exits):
    cpu, devices = Paper(*exits), kvm.Devices()
    rows: list[dict[str, Any]] = []
    return kvm.run_loop(cpu, devices, rows), cpu, devices, rows


HLT = (kvm.Reason.KVM_EXIT_HLT, ())


def test_the_loop_plays_a_console_and_an_adder():
    ended, cpu, devices, rows = play(
        (2, (True, 0x3F8, 1, 2, b"ok")),
        (2, (True, 0x80, 1, 1, b"x")),
        (2, (False, 0x3F8, 1, 1, b"\0")),
        (2, (False, 0x3F8, 1, 1, b"\0")),
        (6, (True, 0xC000, 1, b"\xff")),
        (6, (False, 0xC000, 1, b"\0")),
        (6, (True, 0xC000, 2, b"\xff\x00")),
        (6, (False, 0xC000, 2, b"\0\0")),
        HLT,
    )
    assert (ended, bytes(devices.console), cpu.completed) == ("halted", b"ok", 8)
    assert cpu.told == [b"ok", b"x", b"A", b"\xff", b"\xff", b"\0", b"\xff\0", b"\0\1"]
    assert [row["access"] for row in rows] == ["out"] * 2 + ["in"] * 2 + ["write", "read"] * 2 + [""]
    assert rows[0] | ZERO == {
        "reason": "KVM_EXIT_IO",
        "access": "out",
        "address": 0x3F8,
        "size": 1,
        "count": 2,
        "value": ord("o"),
        **ZERO,
    }


@pytest.mark.parametrize(
    ("reason", "name"), [(8, "KVM_EXIT_SHUTDOWN"), (17, "KVM_EXIT_INTERNAL_ERROR"), (99, "KVM_EXIT_99")]
)
def test_what_the_loop_cannot_deal_with_stops_the_guest(reason, name):
    ended, cpu, _devices, rows = play((reason, ()))
    assert (ended, rows[0]["reason"], cpu.completed) == ("stopped", name, 0)


def test_a_guest_that_exits_for_ever_is_left():
    ended, _cpu, devices, rows = play(*[(2, (True, 0x3F8, 1, 99, b"x" * 99))] * 200)
    assert (ended, len(rows)) == ("exits", kvm.MOST_EXITS)
    assert len(devices.console) <= 40 * kvm.MOST_EXITS


@kvm_only
def test_a_guest_that_never_exits_is_ended_and_nothing_is_left(monkeypatch):
    monkeypatch.setattr(kvm, "SECONDS", 0.1)
    files = open_files()
    before = signal.getsignal(signal.SIGPROF)
    assert kvm.answer({"code": "ebfe"})["ended"] == "time"
    assert signal.getsignal(signal.SIGPROF) is before
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)
    assert open_files() == files


@kvm_only
@settings(max_examples=30)
@given(code=st.binary(min_size=1, max_size=60))
def test_any_bytes_come_to_an_end(code):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kvm, "SECONDS", 0.02)
        found = kvm.answer({"code": code.hex()})
    assert "error" in found or (found["ended"] in ENDED and len(found["exits"]) <= kvm.MOST_EXITS)


@kvm_only
def test_the_module_answers_cpuid_and_a_store_to_memory_by_itself():
    found = kvm.answer({"code": "66 31c0 0fa2 66891e0020 668b0e0020 f4"})
    assert [row["reason"] for row in found["exits"]] == ["KVM_EXIT_HLT"]
    assert found["exits"][0]["rcx"].to_bytes(4, "little") == kvm.MAKER


@kvm_only
def test_an_instruction_is_complete_when_its_exit_is_listed():
    (read, _hlt) = kvm.answer({"code": "a000c0 f4"})["exits"]
    assert (read["access"], read["rip"], read["rax"]) == ("read", kvm.START + 3, 1)


@kvm_only
def test_times_are_in_order_and_an_exit_takes_longer_than_a_call():
    found = kvm.times({})
    assert found["exit"] == sorted(found["exit"]) and len(found["exit"]) == len(found["call"]) == 101
    assert found["backend"]["module"] or found["backend"]["second"] is None


def test_no_device_and_one_that_is_something_else_are_errors(monkeypatch, tmp_path):
    monkeypatch.setattr(kvm, "_DEVICE", tmp_path / "kvm")
    assert kvm.answer({"code": "f4"}) == kvm.times({}) == {"error": "ENOENT"}
    (tmp_path / "kvm").touch()
    files = open_files()
    assert kvm.answer({"code": "f4"}) == {"error": "ENOTTY"}
    assert open_files() == files


def test_another_api_is_an_error(monkeypatch, tmp_path):
    (tmp_path / "kvm").touch()
    monkeypatch.setattr(kvm, "_DEVICE", tmp_path / "kvm")
    monkeypatch.setattr(kvm, "ask", lambda *_a: 11)
    assert kvm.answer({"code": "f4"}) == {"error": errno.errorcode[errno.ENOTSUP]}


def test_requests_are_made_of_direction_size_and_number():
    sizes = {
        "SET_USER_MEMORY_REGION": 32,
        "GET_REGS": 144,
        "GET_SREGS": 312,
        "SET_SREGS": 312,
        "SET_CPUID2": 8,
    }
    for name, size in sizes.items():
        direction = {"GET": 2, "SET": 1}[re.split("_", name)[0]]
        assert kvm.Ask[name] >> 16 == direction << 14 | size
        assert kvm.Ask[name] >> 8 & 0xFF == 0xAE


@pytest.mark.parametrize(
    ("modules", "flags", "expected"),
    [
        ({}, "", {"module": "", "second": None}),
        ({"kvm_pvm": {}}, "", {"module": "kvm_pvm", "second": False}),
        ({"kvm_intel": {"ept": "Y\n"}}, "vmx", {"module": "kvm_intel", "second": True}),
        ({"kvm_intel": {"ept": "N\n"}}, "vmx", {"module": "kvm_intel", "second": False}),
        ({"kvm_amd": {"npt": "1\n"}}, "svm", {"module": "kvm_amd", "second": True}),
        ({"kvm_amd": {}}, "svm", {"module": "kvm_amd", "second": None}),
        (
            {"kvm_intel": {"ept": "Y"}, "kvm_amd": {"npt": "N"}},
            "fpu svm",
            {"module": "kvm_amd", "second": False},
        ),
    ],
)
def test_the_module_that_runs_guests_is_found(tmp_path, modules, flags, expected):
    for name, parameters in modules.items():
        (tmp_path / name / "parameters").mkdir(parents=True)
        for parameter, value in parameters.items():
            (tmp_path / name / "parameters" / parameter).write_text(value)
    assert kvm.backend(tmp_path, f"flags : {flags}") == expected
