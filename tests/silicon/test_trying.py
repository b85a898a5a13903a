"""Instructions tried on this host where it can, and recorded ones everywhere."""

import dataclasses
import subprocess
import sys

import pytest

from tests.silicon.hosts import LINUX, X86
from vlab.display import bundle
from vlab.language import VlabError
from vlab.silicon import Attempt, asking, try_all, try_instruction, trying
from vlab.silicon.fields import Fields
from vlab.silicon.instructions import INSTRUCTIONS, SHARED, instructions_of


def elsewhere(monkeypatch, why="no"):
    """As on a host that can't do it."""

    def refuse(*_arguments):
        raise asking.Unavailable(why)

    monkeypatch.setattr(trying, "ask_child", refuse)


@LINUX
def test_switching_interrupts_off_traps_to_the_hosts_kernel():
    found = try_instruction("interrupts off")
    assert (found.outcome, found.live, found.at in (True, None)) == ("trapped", True, True)
    assert found.signal in ("SIGSEGV", "SIGILL")


@LINUX
def test_what_every_machine_has_is_trapped_on_this_one():
    found = try_all()
    assert [row.instruction.act for row in found.shared()] == list(SHARED)
    assert {row.outcome for row in found.shared()} == {"trapped"}
    assert found.counts["done"] == 0


@X86
def test_popf_passes_in_silence_and_pushf_shows_the_real_flag():
    found = try_all()
    assert found["popf"].outcome == "ignored"
    assert found["pushf"].outcome == "read" and (found["pushf"].result or 0) >> 9 & 1
    assert found["cli"].code_name == "SI_KERNEL"


@X86
def test_the_recorded_run_is_what_this_machine_does():
    live, recorded = try_all(), try_all(live=False)
    assert [row.instruction for row in live] == [row.instruction for row in recorded]
    fixed = ("cli", "sti", "popf", "pushf", "hlt", "mov-cr3", "lidt", "rdmsr", "wrmsr", "in", "out")
    assert [live[name].outcome for name in fixed] == [recorded[name].outcome for name in fixed]


def test_every_host_says_and_stores_the_same(monkeypatch):
    live = try_instruction("interrupts off")
    elsewhere(monkeypatch, "it is a fridge")
    stored = try_instruction("interrupts off")
    assert not stored.live and "because here it is a fridge" in stored.source
    arm = next(row for row in instructions_of("arm64") if row.act == "interrupts off")
    other = Attempt("interrupts off", arm, stored.host, signal="SIGILL", si_code=1, live=True)
    shown = {bundle(one)[0]["text/html"] for one in (live, stored, other)}
    assert len(shown) == 1 and len({repr(one) for one in (live, stored, other)}) == 1
    assert len({one.details.sentence for one in (stored, other)}) == 2


def test_all_of_them_are_stored_alike_too(monkeypatch):
    live = try_all()
    elsewhere(monkeypatch)
    stored = try_all()
    assert bundle(live)[0]["text/html"] == bundle(stored)[0]["text/html"]
    assert "SIGSEGV" not in bundle(stored)[0]["text/plain"]


def test_recorded_data_that_is_asked_for_shows_its_particulars():
    shown, _metadata = bundle(try_all(live=False))
    assert shown["text/html"] == try_all(live=False).details.html()
    assert "Recorded on" in try_all(live=False).details.sentence
    assert "application/vnd.jupyter.widget-view+json" not in shown


def test_a_running_notebook_shows_what_was_seen_here(monkeypatch):
    elsewhere(monkeypatch)
    shown, _metadata = bundle(try_instruction("cli"))
    assert "application/vnd.jupyter.widget-view+json" in shown


def test_a_host_that_starts_no_child_is_shown_recorded_data(monkeypatch):
    def refuse(*_arguments, **_options):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(subprocess, "run", refuse)
    found = try_instruction("cli")
    assert not found.live
    assert found.why


@pytest.mark.parametrize("system", ["darwin", "win32", "emscripten"])
def test_other_systems_are_shown_recorded_data(monkeypatch, system):
    monkeypatch.setattr(sys, "platform", system)
    found = try_all()
    assert (found.live, found.why) == (False, "this works on Linux alone")


@LINUX
def test_a_child_that_dies_hangs_or_babbles_is_no_error(monkeypatch):
    def ended(status, out):
        monkeypatch.setattr(
            subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, status, out, b"")
        )
        return try_instruction("cli")

    assert "failed (-9)" in ended(-9, b"").why
    for babble in (
        b"",
        b"{",
        b"[{}]",
        b"[]",
        b'[{"signal": 3}]',
        b'[{"result": "x"}]',
        b"[[]]",
        b"\xff",
        b"7",
    ):
        assert not ended(0, babble).live, babble

    def hang(*_arguments, **_options):
        raise subprocess.TimeoutExpired("x", 1)

    monkeypatch.setattr(subprocess, "run", hang)
    assert "too long" in try_instruction("cli").why


@LINUX
def test_w_xor_x_is_said(monkeypatch):
    fields = Fields.parse(b'{"answer": [{"error": "Permission denied"}]}', "x")
    monkeypatch.setattr(trying, "ask_child", lambda *_a: fields)
    found = try_instruction("interrupts off")
    assert not found.live and "Permission denied" in found.why


def test_a_cpu_without_a_table_is_shown_recorded_data(monkeypatch):
    monkeypatch.setattr(trying, "machine_name", lambda: "mips")
    host = dataclasses.replace(asking.recorded().host, machine="mips")
    monkeypatch.setattr(asking, "this_host", lambda: host)
    assert "mips" in try_instruction("interrupts off").why
    assert "mips" in try_all().why
    assert try_instruction("cli").instruction.machine == "x86-64"


def test_what_is_no_instruction_is_said():
    with pytest.raises(VlabError, match="no instruction 'dance'") as caught:
        try_instruction("dance")
    assert "interrupts off" in caught.value.mend
    with pytest.raises(VlabError, match="Nothing is recorded of 'hvc #0'"):
        try_instruction("hvc #0", live=False)
    with pytest.raises(VlabError, match="Nothing is recorded of 'hypercall'"):
        try_instruction("hypercall", live=False)
    with pytest.raises(VlabError, match="'dance' was not tried"):
        try_all(live=False)["dance"]
    with pytest.raises(VlabError, match="no outcome 'x'"):
        try_all(live=False).only("x")


def test_an_effect_is_seen_where_there_is_one():
    recorded = try_all(live=False)
    popf = recorded["popf"]
    done = dataclasses.replace(popf, result=0)
    assert (popf.outcome, done.outcome) == ("ignored", "done")
    assert "It was done" in repr(done)
    every = dataclasses.replace(recorded, rows=(done,))
    assert "popfq was done" in repr(every)
    assert [row.instruction.name for row in recorded.only("ignored")] == ["popf"]
    assert sum(recorded.counts.values()) == len(recorded)


def test_names_are_one_of_a_kind_and_the_bytes_are_whole():
    for machine in ("x86-64", "arm64", "riscv64"):
        rows = instructions_of(machine)
        assert len({row.name for row in rows}) == len(rows)
        assert {row.act for row in rows} >= set(SHARED)
    assert all(len(row.code) == 4 for row in INSTRUCTIONS if row.machine != "x86-64")
