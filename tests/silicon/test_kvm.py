"""Guests under KVM: run on this host where it has one, recorded everywhere, and damaged data."""

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.silicon.hosts import kvm_only
from vlab.display import bundle
from vlab.language import VlabError
from vlab.silicon import Backend, KvmExit, Listing, Registers, asking, kvm, run_in_kvm, time_exits
from vlab.silicon.fields import Fields
from vlab.silicon.kvm import RECORDED, run_from, times_from

DATA = json.loads(asking.recorded_path(RECORDED).read_text("utf-8"))
HOST = asking.recorded(RECORDED).host
WORD = Listing.named("word")


def elsewhere(monkeypatch, why="no"):
    """As on a host that can't do it."""

    def refuse(*_arguments):
        raise asking.Unavailable(why)

    monkeypatch.setattr(kvm, "ask_child", refuse)
    monkeypatch.setattr(kvm, "machine_name", lambda: "x86-64")


def answers(monkeypatch, answer):
    """As on a host whose child says so."""
    monkeypatch.setattr(kvm, "ask_child", lambda *_a: Fields({"answer": answer}, "x"))
    monkeypatch.setattr(kvm, "machine_name", lambda: "x86-64")


@kvm_only
def test_the_guest_does_here_what_was_recorded():
    live, recorded = run_in_kvm(), run_in_kvm(live=False)
    assert live.live and live.source.startswith("Live")
    assert live.exits == recorded.exits
    assert repr(live) == repr(recorded)


@kvm_only
def test_a_guest_that_spins_is_ended_by_the_limit():
    run = run_in_kvm("eb fe  jmp .")
    assert (run.live, run.ended, len(run)) == (True, "time", 0)
    assert "ran for too long" in repr(run)
    trap = run_in_kvm("0f 01 c1  vmcall")  # one module goes round and round, another one says that it can't
    assert trap.live and trap.ended in ("time", "stopped") and len(trap) <= 1


@kvm_only
def test_a_guest_that_exits_for_ever_is_ended_too():
    run = run_in_kvm("ba f8 03  mov $0x3f8, %dx\nb0 41 mov $0x41, %al\nee  out %al, (%dx)\neb fd  jmp .-1")
    assert (run.ended, len(run), run.console) == ("exits", 100, "A" * 40)


@kvm_only
def test_a_reader_runs_a_guest_of_their_own():
    run = run_in_kvm("b0 7e  mov $0x7e, %al\ne7 10  out %ax, $0x10\nf4  hlt")
    assert [one.reason for one in run] == ["KVM_EXIT_IO", "KVM_EXIT_HLT"]
    assert (run[0].address, run[0].size, run[0].value) == (0x10, 2, 0x7E)
    assert run[0].did == "ignores 0x7e: no such port"


@kvm_only
def test_an_access_that_is_repeated_belongs_to_its_line():
    run = run_in_kvm("bf 00 c0 mov $0xc000, %di\nb9 03 00 mov $3, %cx\nf3 aa rep stosb\nf4 hlt")
    assert [one.what for one in run] == ["write 0xc000", "write 0xc001", "write 0xc002", ""]
    texts = [line.text for one in run if (line := run.line(one))]
    assert texts[-2:] == ["rep stosb", "hlt"] and {*texts} == {"rep stosb", "hlt"}


@kvm_only
def test_times_are_measured_here():
    times = time_exits()
    assert times.live
    assert times.percentile(0) >= 1 and times.percentile(0, "call") >= 1


def test_the_recorded_run_is_the_story_of_the_lesson():
    run = run_in_kvm(live=False)
    assert dict(run.counts) == {"KVM_EXIT_IO": 5, "KVM_EXIT_MMIO": 2, "KVM_EXIT_HLT": 1}
    assert (run.console, run.ended, run.live) == ("vlab", "halted", False)
    assert [one.what for one in run][4:] == ["in 0x3f8", "write 0xc000", "read 0xc000", ""]
    lines = [line.text for one in run if (line := run.line(one))]
    assert lines == ["out %al, (%dx)"] * 4 + ["in (%dx), %al", "mov %al, 0xc000", "mov 0xc000, %al", "hlt"]
    assert [one.registers.rax for one in run] == [0x76, 0x6C, 0x61, 0x62, 0x41, 0x41, 0x42, 0x42]
    assert repr(run[0]) == "KVM_EXIT_IO (out 0x3f8): console: prints 0x76 'v'"
    assert "8 (5 × KVM_EXIT_IO, 2 × KVM_EXIT_MMIO, 1 × KVM_EXIT_HLT)" in repr(run)


def test_the_module_is_named_with_what_was_recorded():
    for found in (run_in_kvm(live=False), time_exits(live=False)):
        assert f"Run by {found.backend.module}" in found.particulars
        assert "Recorded on" in found.details.sentence and found.backend.module in found.details.sentence
    assert "shadow page tables" in str(Backend("kvm_pvm", False))
    assert str(Backend("kvm_intel", True)).endswith("a second page table")
    assert str(Backend("kvm_amd", False)).endswith("and shadow page tables")
    assert str(Backend("kvm_hv", None)) == "kvm_hv" and str(Backend("", None)) == "an unknown module"


def test_every_host_stores_the_same(monkeypatch):
    live, times = run_in_kvm(), time_exits()
    elsewhere(monkeypatch)
    stored = run_in_kvm()
    assert stored.why == "no" and "because here no" in stored.source
    assert bundle(stored)[0]["text/html"] == bundle(live)[0]["text/html"]
    assert bundle(time_exits())[0]["text/html"] == bundle(times)[0]["text/html"]
    assert repr(time_exits()) == repr(times)
    for asked in (run_in_kvm(live=False), time_exits(live=False)):
        assert bundle(asked)[0]["text/html"] == asked.details.html()


def test_of_another_guest_nothing_is_recorded(monkeypatch):
    elsewhere(monkeypatch, "it is a fridge")
    with pytest.raises(VlabError, match="Nothing is recorded of this guest") as caught:
        run_in_kvm("f4 hlt")
    assert "it is a fridge" in caught.value.mend
    with pytest.raises(VlabError, match="Nothing is recorded") as caught:
        run_in_kvm("f4 hlt", live=False)
    assert "it was not asked for" in caught.value.mend
    with pytest.raises(VlabError, match="is none: 'dance'"):
        run_in_kvm("dance")


@pytest.mark.parametrize(
    ("error", "why"),
    [
        ("ENOENT", "there is no /dev/kvm"),
        ("EACCES", "you may not open /dev/kvm"),
        ("EPERM", "the host forbids /dev/kvm"),
        ("time", "KVM took too long"),
        ("ENOTTY", "/dev/kvm refuses (ENOTTY)"),
    ],
)
def test_why_there_is_no_kvm_is_said(monkeypatch, error, why):
    answers(monkeypatch, {"error": error})
    assert run_in_kvm().why in (why, "this works on Linux alone")
    assert time_exits().why == run_in_kvm().why


def test_another_cpu_is_shown_recorded_data(monkeypatch):
    monkeypatch.setattr(kvm, "machine_name", lambda: "arm64")
    assert "the CPU is arm64" in run_in_kvm().why


def test_a_kvm_that_does_not_run_our_guest_is_no_evidence(monkeypatch):
    answers(monkeypatch, DATA["kvm"] | {"ended": "stopped"})
    assert run_in_kvm().why == "KVM did not run the guest to its end"


def test_each_end_and_each_exit_has_its_words():
    run = run_in_kvm(live=False)
    said = {repr(dataclasses.replace(run, ended=ended)) for ended in kvm.ENDED}
    assert len(said) == 4
    at = Registers(0, 0, 0, 0, 0)
    assert KvmExit("KVM_EXIT_SHUTDOWN", "", None, 0, 0, None, at).did.startswith("can't deal")
    assert KvmExit("KVM_EXIT_IO", "in", 1, 1, 3, 0xFF, at).did == "gives 0xff: no such port"
    assert KvmExit("KVM_EXIT_IO", "in", 1, 1, 3, 0xFF, at).what == "in 0x1 × 3"
    assert KvmExit("KVM_EXIT_IO", "out", 0x3F8, 1, 1, 0x0A, at).did == "console: prints 0xa"
    assert run.line(KvmExit("KVM_EXIT_HLT", "", None, 0, 0, None, at)) is None
    assert "(none)" in repr(dataclasses.replace(run, exits=()))


def test_a_run_goes_into_json_and_out():
    run, times = run_in_kvm(live=False), time_exits(live=False)
    assert run_from(Fields(run.to_json(), "x"), WORD, HOST) == run
    assert times_from(Fields(times.to_json(), "x"), HOST) == times
    assert (run.to_json(), times.to_json()) == (DATA["kvm"], DATA["times"])


def test_parts_of_the_times_are_asked_for_by_their_hundredth():
    times = time_exits(live=False)
    assert times.percentile(50) > times.percentile(50, "call")
    wrong: list[tuple[Any, str]] = [(101, "exit"), (-1, "exit"), (50, "wait"), ("x", "exit")]
    for part, of in wrong:
        with pytest.raises(VlabError, match="no such part"):
            times.percentile(part, of)


EXIT = DATA["kvm"]["exits"][0]


@pytest.mark.parametrize(
    "damage",
    [
        {"exits": None},
        {"exits": [{}]},
        {"exits": [EXIT | {"access": "dance"}]},
        {"exits": [EXIT | {"access": ""}]},
        {"exits": [EXIT | {"address": None}]},
        {"exits": [EXIT | {"value": "x"}]},
        {"exits": [EXIT | {"size": -1}]},
        {"exits": [EXIT | {"rip": None}]},
        {"exits": [EXIT | {"rax": -5}]},
        {"exits": [EXIT | {"reason": "\n"}]},
        {"console": "7"},
        {"console": "zz"},
        {"ended": "soon"},
        {"backend": None},
        {"backend": {"module": "x", "second": "yes"}},
    ],
)
def test_a_damaged_run_is_said(damage):
    with pytest.raises(VlabError, match="no recorded data"):
        run_from(Fields(DATA["kvm"] | damage, "x"), WORD, HOST)


@pytest.mark.parametrize(
    "exit_", [[], [1] * 100, [2] * 100 + [1], [0] * 101, ["x"] * 101, [None] * 101, None, [1] * 300]
)
def test_damaged_times_are_said(exit_):
    with pytest.raises(VlabError, match="no recorded data"):
        times_from(Fields(DATA["times"] | {"exit": exit_}, "x"), HOST)


TEXT = asking.recorded_path(RECORDED).read_bytes()


def read_all(text):
    """Everything that is read from this recorded data."""
    data = asking.Recorded(Fields.parse(text, "x"))
    run_from(data.fields.part("kvm"), WORD, data.host)
    times_from(data.fields.part("times"), data.host)


@given(st.integers(0, len(TEXT) - 2))
def test_a_file_that_is_cut_off_is_an_error(length):
    with pytest.raises(VlabError):
        read_all(TEXT[:length].rstrip(b"}\n"))


@given(st.integers(0, len(TEXT) - 1), st.integers(0, 255))
def test_a_flipped_byte_is_an_error_or_other_data(place, value):
    text = bytearray(TEXT)
    text[place] = value
    try:
        read_all(bytes(text))
    except VlabError:
        pass


def test_the_recorded_host_names_no_place():
    assert {"/", "\\"} & {*json.dumps(DATA["host"])} == set()
    assert DATA["kvm"]["code"] == WORD.code.hex()
