"""`vlab run`: what starts, how it ends, what is written down, and what each mistake is told."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli import programs
from tests.machine.test_loading import elf, segment
from vlab import VlabError, cli, guests
from vlab.cli.running import Run
from vlab.events import EventSource
from vlab.hypervisor import Hypervisor, VirtualMachine
from vlab.machine import Machine, execute
from vlab.riscv import assemble

HELLO = "Hello from a computer.\n"
TRAP = "trap-and-emulate"


@pytest.fixture
def program(tmp_path):
    """Writes an assembly file; its name."""

    def write(text: str, name: str = "program.s") -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


@pytest.fixture
def run(capsysbinary):
    """Runs `vlab run`: its status, the console, and what it says besides."""

    def call(*arguments: object) -> tuple[int, str, str]:
        status = cli.main(["run", *map(str, arguments)])
        console, said = capsysbinary.readouterr()
        return status, console.decode("utf-8", "replace"), said.decode()

    return call


def image(source: str, base: int = 0x8000_0000) -> bytes:
    """The bytes of an assembled program."""
    return assemble(source, base=base).segments[0][1]


# What starts


@pytest.mark.parametrize(
    "where",
    [[], ["--depth", 1], ["--depth", 2], ["--technique", TRAP], ["--technique", f"hardware-assisted,{TRAP}"]],
)
def test_a_guest_says_the_same_at_every_depth(run, where):
    assert run("hello", *where) == (0, HELLO, "")


@pytest.mark.parametrize(
    ("where", "levels"),
    [
        ([], 0),
        (["--depth", 0], 0),
        (["--depth", 3], 3),
        (["--technique", TRAP], 1),
        (["--technique", TRAP, "--depth", 2], 2),
        (["--technique", f"{TRAP}, {TRAP}"], 2),
        (["--technique", f"{TRAP},{TRAP}", "--depth", 2], 2),
    ],
)
def test_how_many_hypervisors_deep(run, monkeypatch, where, levels):
    made = []
    create = Hypervisor.create_vm

    def create_vm(*arguments, technique, **settings):
        made.append(technique)
        return create(*arguments, technique=technique, **settings)

    monkeypatch.setattr(Hypervisor, "create_vm", create_vm)
    assert run("tiny", *where) == (0, "?!\n", "")
    assert made == [TRAP] * levels


@pytest.mark.parametrize(
    ("where", "policies"),
    [
        (["--depth", 2], ["lazy", "lazy"]),
        (["--shadow", "traced"], ["traced"]),
        (["--shadow", "traced", "--depth", 2], ["traced", "traced"]),
        (["--shadow", "eager, traced"], ["eager", "traced"]),
        (["--shadow", "eager,lazy", "--technique", TRAP, "--depth", 2], ["eager", "lazy"]),
        (["--technique", f"{TRAP},binary-translation"], ["lazy", "lazy"]),
        (["--shadow", "traced", "--technique", f"{TRAP},hardware-assisted"], ["traced", "traced"]),
    ],
)
def test_which_shadows_each_level_has(run, tmp_path, where, policies):
    assert run("tiny", "--memory", "1M", "--stats", tmp_path / "counts", *where) == (0, "?!\n", "")
    levels = json.loads((tmp_path / "counts").read_text("utf-8"))["levels"]
    assert [level["shadow"] for level in levels[1:]] == policies


def test_without_one_a_technique_has_the_shadows_that_suit_it(run, tmp_path):
    run("tiny", "--technique", "paravirtual", "--stats", tmp_path / "counts")
    levels = json.loads((tmp_path / "counts").read_text("utf-8"))["levels"]
    assert levels[1]["shadow"] == "traced"


def test_a_raw_image_starts_at_the_start_of_memory(run, tmp_path):
    (tmp_path / "raw").write_bytes(image(programs.START + programs.says("raw") + programs.ends(0)))
    assert run(tmp_path / "raw") == (0, "raw", "")


def test_an_elf_file_starts_at_its_entry(run, tmp_path):
    skipped = image(programs.START + programs.ends(9))
    code = image(programs.START + programs.says("elf") + programs.ends(0))
    file = elf([segment(content=skipped + code)], entry=0x8000_0000 + len(skipped))
    (tmp_path / "a.elf").write_bytes(file)
    assert run(tmp_path / "a.elf") == (0, "elf", "")


def test_a_file_goes_before_a_guest_of_its_name(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("hello").write_bytes(image(programs.START + programs.says("mine") + programs.ends(0)))
    Path("tiny").mkdir()
    assert run("hello") == (0, "mine", "")
    assert run("tiny") == (0, "?!\n", "")


def test_the_guest_sees_the_same_computer_at_every_depth(program, capsysbinary):
    seen = []
    for depth in range(3):
        options = ["--memory", "8M", "--append", "root=here quiet", "--depth", str(depth)]
        assert cli.main(["run", program(programs.SHOWS_TREE), *options]) == 0
        seen.append(capsysbinary.readouterr().out)
    assert seen[0][:4] == b"\xd0\x0d\xfe\xed"
    assert b"root=here quiet\0" in seen[0]
    assert (0x80_0000).to_bytes(4, "big") in seen[0]
    assert seen[1] == seen[0]
    assert seen[2] == seen[0]


def test_a_device_tree_of_the_readers_gets_the_arguments(program, tmp_path, capsysbinary):
    shows = program(programs.SHOWS_TREE)
    cli.main(["run", shows, "--memory", "2M", "--append", "one"])
    (tmp_path / "a.dtb").write_bytes(capsysbinary.readouterr().out)
    for options, wanted in ([], b"one"), (["--append", "other"], b"other"):
        assert cli.main(["run", shows, "--dtb", str(tmp_path / "a.dtb"), *options]) == 0
        shown = capsysbinary.readouterr().out
        assert b"bootargs\0" in shown
        assert wanted + b"\0" in shown


@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize("firmware", [programs.FW_DYNAMIC, programs.FW_JUMP])
def test_firmware_starts_its_next_stage_in_s_mode(run, program, tmp_path, firmware, depth):
    fw = program(firmware, "fw.s")
    after = image(programs.NEXT, base=0x8020_0000)
    (tmp_path / "raw").write_bytes(after)
    (tmp_path / "next.elf").write_bytes(elf([segment(0x8020_0000, after)], entry=0x8020_0000))
    for stage in program(programs.NEXT), tmp_path / "raw", tmp_path / "next.elf":
        assert run(stage, "--bios", fw, "--depth", depth) == (42, "fw next", "")


def test_firmware_is_told_where_the_next_stage_starts(run, program, tmp_path):
    code = image(programs.NEXT, base=0x8030_0000)
    moved = elf([segment(0x8030_0000, bytes(64) + code)], entry=0x8030_0040)
    (tmp_path / "next.elf").write_bytes(moved)
    assert run(tmp_path / "next.elf", "--bios", program(programs.FW_DYNAMIC)) == (42, "fw next", "")


# What the processor has


# Its status is 5 where `misa` has C, else 4.
SAYS_MISA = f"""{programs.START}
    c.nop
    csrr a0, misa
    srli a0, a0, 2
    andi a0, a0, 1
    addi a0, a0, 4
    slli a0, a0, 16
    li   t0, 0x3333
    add  a0, a0, t0
    li   t0, 0x100000
    sw   a0, 0(t0)
"""


@pytest.mark.parametrize("depth", [0, 1])
def test_compressed_instructions_are_there_for_who_needs_them(run, program, tmp_path, depth):
    """An assembly text with such instructions, an ELF file that says so, and any raw image, which says nothing."""
    code = image(SAYS_MISA)
    (tmp_path / "raw").write_bytes(code)
    (tmp_path / "c.elf").write_bytes(elf([segment(0x8000_0000, code)], flags=1))
    for name in program(SAYS_MISA), tmp_path / "raw", tmp_path / "c.elf":
        assert run(name, "--depth", depth)[0] == 5
    plain = SAYS_MISA.replace("c.nop", "nop")
    (tmp_path / "plain.elf").write_bytes(elf([segment(0x8000_0000, image(plain))]))
    for name in program(plain), tmp_path / "plain.elf":
        assert run(name, "--depth", depth)[0] == 4


def test_an_image_above_firmware_counts_too(run, program, tmp_path):
    code = image("c.nop\n" + programs.NEXT, base=0x8020_0000)
    (tmp_path / "next").write_bytes(code)
    assert run(tmp_path / "next", "--bios", program(programs.FW_JUMP))[0] == 42


# Above an SBI


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_above_an_sbi_an_image_starts_in_s_mode(run, depth):
    said = "hello from S mode\nslept well\n"
    assert run("sbi_hello", "--sbi", "--depth", depth) == (0, said, "")


def test_above_an_sbi_a_raw_image_begins_where_firmware_starts_kernels(run, tmp_path):
    code = image(
        """
        auipc a0, 0
        li    t0, 0x80200000
        sub   a0, a0, t0
        li    a7, 0x53525354
        li    a6, 0
        mv    a1, a0                # off; a failure unless it stands there
        li    a0, 0
        ecall
        """,
        base=0x8020_0000,
    )
    (tmp_path / "raw").write_bytes(code)
    assert run(tmp_path / "raw", "--sbi")[0] == 0


# A disk


@pytest.mark.parametrize("depth", [0, 1])
def test_a_disk_is_read_and_its_file_stays_as_it_is(run, tmp_path, depth):
    label = b"of a file\0" + bytes(494) + (6).to_bytes(8, "little")
    (tmp_path / "disk.img").write_bytes(label + bytes(4096 - 512))
    status, console, said = run("disk", "--disk", tmp_path / "disk.img", "--depth", depth)
    assert (status, said) == (0, "")
    assert "of a file" in console and "7" in console
    assert (tmp_path / "disk.img").read_bytes()[:512] == label


# How it ends


@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize(("code", "status"), [(0, 0), (7, 7), (255, 255), (256, 255), (40_000, 255)])
def test_the_guests_status_is_the_commands(run, program, code, status, depth):
    source = program(programs.START + programs.ends(code))
    assert run(source, "--depth", depth) == (status, "", "")


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize(("code", "status"), [(0, 0), (3, 3), (300, 255)])
def test_a_status_told_by_tohost(run, program, code, status, depth):
    assert run(program(programs.htif(code)), "--depth", depth) == (status, "ok", "")


def test_nothing_runs_on_after_the_word_in_tohost(run, program, tmp_path):
    times = []
    for depth in range(3):
        assert run(program(programs.htif(0)), "--depth", depth, "--stats", tmp_path / "s")[0] == 0
        times.append(json.loads((tmp_path / "s").read_text())["levels"][-1]["time"])
    assert times == times[:1] * 3
    assert times[0] < 100


def test_the_bound_on_instructions(run, program):
    status, console, said = run(program(programs.RUNS_ON), "--max-instructions", "10_000")
    assert (status, console) == (124, "ready\n")
    assert "limit of 10 000 instructions is reached; the guest is at 0x800000" in said
    assert "(again+0x" in said


def test_the_bound_counts_what_the_machine_attempts(run, tmp_path):
    for depth in range(3):
        results = ["--stats", tmp_path / "s", "--max-instructions", 20_000]
        assert run("kernel", "--depth", depth, *results)[0] == 124
        machine = json.loads((tmp_path / "s").read_text())["levels"][0]
        assert 20_000 <= machine["attempted"] < 20_500


@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize(
    ("source", "why"),
    [
        (guests.source("jump_nowhere"), "traps for ever: its trap handler, at 0x6660000000, begins with"),
        (guests.source("trap_forever"), "begins with another trap (illegal instruction); it is at 0x8000"),
        (programs.SLEEPS, "waits for an interrupt that nothing will send; it is at 0x80000008 (sleep+0x4)"),
        (programs.STAYS, "jumps to where it stands, and has not switched its computer off"),
    ],
)
def test_a_guest_that_will_never_end_is_told_of(run, program, source, why, depth):
    status, console, said = run(program(source), "--depth", depth)
    assert (status, console) == (125, "")
    assert why in said
    assert said.count("\n") == 1


FIRST = {
    "nothing set": (
        "_start: nop\n ld t1, 0(zero)",
        (
            "The first trap was at 0x80000004 (_start+0x4): load access fault, address 0x0. mtvec is 0: no trap "
            "handler was set. The guest traps for ever: its trap handler, at 0x0, begins with another trap"
        ),
    ),
    "a jump": (
        "_start: jr zero",
        "The first trap was at 0x0: instruction access fault. mtvec is 0: no trap handler was set. The guest traps",
    ),
    "a handler that isn't there": (
        "_start: li t0, 64\n csrw mtvec, t0\n li t0, 60000\n1: addi t0, t0, -1\n bnez t0, 1b\n ebreak",
        "breakpoint. The guest traps for ever: its trap handler, at 0x40, begins with another trap (instruction acc",
    ),
    "in S mode": (
        (
            "_start: li t0, -1\n csrw pmpaddr0, t0\n li t0, 31\n csrw pmpcfg0, t0\n li t0, 0x100\n csrw medeleg, t0\n"
            " la t0, user\n csrw mepc, t0\n mret\nuser: ecall"
        ),
        "(user+0x0): ecall from U. stvec is 0: no trap handler was set. The guest traps for ever",
    ),
}


@pytest.mark.parametrize(
    "where", [(), ("--technique", TRAP), ("--technique", "hardware-assisted"), ("--depth", 2)]
)
@pytest.mark.parametrize("what", FIRST)
def test_the_first_trap_of_those_without_end_is_told(run, program, what, where):
    source, why = FIRST[what]
    status, console, said = run(program(f".globl _start\n{source}"), *where)
    assert (status, console) == (125, "")
    assert why in said
    assert said.count("\n") == 1


def test_looking_for_the_first_trap_is_not_written_down(run, program, tmp_path):
    source = program(FIRST["nothing set"][0])
    run(source, "--trace", tmp_path / "trace", "--stats", tmp_path / "stats")
    assert json.loads((tmp_path / "trace").read_text())
    (level,) = json.loads((tmp_path / "stats").read_text())["levels"]
    assert sum(level["traps"].values()) == level["attempted"] - level["retired"]


@pytest.mark.parametrize("depth", [0, 1])
def test_a_guest_that_calls_firmware_where_there_is_none_is_told_who_starts_it(run, depth):
    status, _console, said = run("sbi_hello", "--depth", depth)
    assert status == 125
    assert "ecall from M. mtvec is 0" in said
    assert "--sbi starts it there" in said


@pytest.mark.parametrize("depth", [0, 1])
def test_a_guest_that_wants_more_memory_than_there_is_is_told_how_to_have_it(run, program, depth):
    """As OpenSBI's fw_jump does, which puts the device tree at 0x82200000: its early trap handler only sleeps."""
    source = f"""{programs.START}
    la   t0, hang
    csrw mtvec, t0
    li   t1, 0x82200000
    sd   t0, 0(t1)
    .balign 4
hang:
    wfi
    j    hang"""
    status, console, said = run(program(source), "--depth", depth, "--memory", "16M")
    assert (status, console) == (125, "")
    assert "waits for an interrupt that nothing will send" in said
    assert said.endswith("access to 0x82200000, and its memory ends before that: --memory gives it more.\n")
    said = run(program(source.replace("0x82200000", "0x40000000")), "--depth", depth)[2]
    assert said.count("\n") == 1


@pytest.mark.parametrize("depth", [0, 1])
def test_a_guest_that_its_alarm_will_save_is_not_given_up(run, program, depth):
    # Until then it jumps to where it stands.
    source = f"""{programs.START}
    la   t0, alarm
    csrw mtvec, t0
    li   t0, 0x2004000
    li   t1, 50000
    sd   t1, 0(t0)
    li   t0, 1<<7
    csrw mie, t0
    csrsi mstatus, 1<<3
stay:
    j    stay
    .balign 4
alarm:
{programs.ends(5)}"""
    assert run(program(source), "--depth", depth) == (5, "", "")


def test_a_guest_that_sleeps_until_its_alarm_is_not_given_up(run, program):
    # Every interrupt is off, and the alarm wakes the hart all the same: after a time that is all skipped.
    source = f"""{programs.START}
    li   t0, 0x2004000
    li   t1, 5000000
    sd   t1, 0(t0)
    li   t0, 1<<7
    csrw mie, t0
    wfi
{programs.ends(5)}"""
    assert run(program(source), "--max-instructions", 1000) == (5, "", "")


def test_a_guest_that_was_not_built_for_its_technique_is_told_what_to_do(run):
    status, console, said = run("kernel", "--technique", f"{TRAP},paravirtual")
    assert (status, console) == (1, "")
    assert "a paravirtual computer does not have `csrw mtvec, t0`.\nName another technique." in said
    assert "`vlab run kernel --set PARAVIRTUAL=1`" in said


def test_a_guest_is_built_with_the_numbers_that_are_set(run):
    status, console, said = run(
        "kernel", "--technique", "paravirtual", "--set", "PARAVIRTUAL=1", "--set", "TICK=0x200"
    )
    assert (status, said) == (0, "")
    assert "kernel: both have exited after 58 ticks" in console


def test_an_assembly_file_is_assembled_with_them(run, program):
    open_ = ".ifndef ENDS\n.equ ENDS, 0x3333\n.endif\n"
    source = f"{open_}{programs.START} li t0, 0x100000\n li t1, ENDS\n sw t1, 0(t0)"
    assert run(program(source), "--set", f"ENDS={7 << 16 | 0x3333}")[0] == 7
    assert run(program(source), "--set", "ENDS=0x5555")[0] == 0


def test_a_guest_that_makes_hypercalls_is_told_who_answers_them(run):
    assert "--technique paravirtual" in run("paravirtual")[2]


@pytest.mark.parametrize("guest", ["disk", "bank", "cms", "ping", "virtio_console"])
@pytest.mark.parametrize("way", [[], ["--technique", TRAP], ["--technique", "hardware-assisted"]])
def test_a_guest_that_lacks_a_device_is_told_how_to_have_it(run, guest, way):
    status, _console, said = run(guest, *way)
    assert status in (1, 125)
    assert "It looked for a device at 0x100010" in said
    assert "--disk attaches a disk." in said
    assert said.count("--disk") == 1


def test_who_has_the_device_is_told_nothing_of_it(run, program, tmp_path):
    (tmp_path / "disk.img").write_bytes(bytes(4096))
    assert "--disk" not in run("cms", "--disk", tmp_path / "disk.img")[2]
    # Registers of this device are four bytes wide, so that one traps.
    reads = f"{programs.START} la t0, ends\n csrw mtvec, t0\n li t0, 0x10001000\n ld t1, 0(t0)\n .balign 4\nends:\n"
    reads += programs.ends(3)
    assert "--disk attaches" in run(program(reads))[2]
    assert run(program(reads), "--disk", tmp_path / "disk.img") == (3, "", "")


@pytest.mark.parametrize("seed", [1, 0x9E3779B9])
def test_noise_on_devices_harms_nobody(run, program, seed):
    source = guests.source("device_noise").replace("0x1234567", hex(seed))
    status, _console, said = run(program(source), "--depth", 1)
    assert status != cli.MISTAKE or not said


def test_a_run_ends_as_soon_as_the_console_has_said_what_is_expected(run, program):
    assert run(program(programs.CHATTERS), "--expect", "....") == (0, "....", "")
    assert run(program(programs.RUNS_ON), "--expect", r"\x72eady\n", "--depth", 1) == (0, "ready\n", "")


@pytest.mark.parametrize(
    "arguments", [["hello"], ["hello", "--max-instructions", 50], ["jump_nowhere"], ["hello", "--depth", 1]]
)
def test_status_1_where_the_run_ends_before_that(run, arguments):
    status, _console, said = run(*arguments, "--expect", "Goodbye")
    assert status == 1
    assert "The run ended before the console printed what --expect says." in said


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_input_is_typed_as_the_guest_reads(run, program, depth):
    options = ["--input", r"one\ttwo\\\x21\n.never read", "--depth", depth]
    assert run(program(programs.ECHO), *options) == (0, "one\ttwo\\!\n.", "")


# What is written down


def test_counts_of_each_level(run, tmp_path):
    found = []
    for depth in range(3):
        assert run("tiny", "--depth", depth, "--stats", tmp_path / "s")[0] == 0
        found.append(json.loads((tmp_path / "s").read_text()))
    assert [{k: v for k, v in counts.items() if k != "levels"} for counts in found] == [
        {"image": "tiny", "end": "off", "status": 0}
    ] * 3
    bare = found[0]["levels"][0]
    assert bare["traps"] == {"ecall from U": 1, "supervisor timer interrupt": 1}
    assert bare["time"] == bare["attempted"] == bare["retired"] + 1 > 100
    for depth in (1, 2):
        levels = found[depth]["levels"]
        assert [row["level"] for row in levels] == list(range(depth + 1))
        own = {key: levels[-1][key] for key in bare if key != "level"}
        assert own == {key: bare[key] for key in bare if key != "level"}
        assert levels[-1]["exits"]["system call"] == 1
        assert sum(levels[0]["traps"].values()) == sum(levels[1]["exits"].values())
    # What a guest exits for does not depend on what lies below.
    assert found[1]["levels"][1]["exits"] == found[2]["levels"][2]["exits"]


def test_results_are_the_same_every_time(run, tmp_path):
    for name in "ab":
        files = ["--stats", tmp_path / f"{name}.stats", "--trace", tmp_path / f"{name}.trace"]
        assert run("tiny", "--depth", 1, *files)[0] == 0
    for kind in ("stats", "trace"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_the_trace_has_every_event_on_the_track_of_its_level(run, tmp_path):
    assert run("tiny", "--depth", 2, "--trace", tmp_path / "t")[0] == 0
    rows = json.loads((tmp_path / "t").read_text())
    tracks = {row["tid"]: row["args"]["name"] for row in rows if row["name"] == "thread_name"}
    assert tracks == {0: "the machine", 1: "vm1", 2: "vm1 at depth 2"}
    events = [row for row in rows if row["ph"] not in "Msf"]
    assert {row["tid"] for row in events} == {0, 1, 2}
    assert [row["ts"] for row in events] == sorted(row["ts"] for row in events)
    ids = {row["args"]["id"] for row in events}
    assert {row["args"]["parent"] for row in events if "parent" in row["args"]} <= ids


def test_listening_changes_nothing(run, tmp_path):
    plain = run("kernel", "--depth", 1)
    assert run("kernel", "--depth", 1, "--trace", tmp_path / "t", "--stats", tmp_path / "s") == plain


def test_counting_needs_no_listener(run, tmp_path, monkeypatch):
    """A run of which every event is told takes several times as long."""
    monkeypatch.setattr(EventSource, "listen", None)
    assert run("kernel", "--depth", 1, "--stats", tmp_path / "s")[0] == 0
    assert all(level["traps"] for level in json.loads((tmp_path / "s").read_text())["levels"])


@pytest.mark.parametrize("depth", [0, 1])
def test_the_signature(run, program, tmp_path, depth):
    assert run(program(programs.htif(0)), "--signature", tmp_path / "s", "--depth", depth)[0] == 0
    assert (tmp_path / "s").read_text() == "deadbeef\n00000007\n89abcdef\n01234567\n"


@pytest.mark.requires("binutils")
def test_the_same_test_program_by_gnu_tools(run, program, tmp_path):
    from tests.guests.gnu import build_files

    made = build_files(tmp_path, [Path(program(programs.htif(3)))])
    assert run(made, "--signature", tmp_path / "s") == (3, "ok", "")
    assert (tmp_path / "s").read_text() == "deadbeef\n00000007\n89abcdef\n01234567\n"


def test_results_take_the_place_of_older_ones_and_leave_nothing_beside(run, tmp_path):
    (tmp_path / "s").write_text("older and much longer than what comes" * 1000)
    assert run("hello", "--stats", tmp_path / "s")[0] == 0
    assert json.loads((tmp_path / "s").read_text())["end"] == "off"
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_a_run_that_does_not_start_leaves_older_results_alone(run, tmp_path):
    (tmp_path / "s").write_text("older")
    for arguments in (
        ["nothing", "--stats", tmp_path / "s"],
        ["hello", "--stats", tmp_path / "s", "--trace", tmp_path / "no/where"],
        ["hello", "--trace", tmp_path / "s", "--stats", tmp_path / "no/where"],
    ):
        status, console, _said = run(*arguments)
        assert (status, console) == (2, "")
    assert (tmp_path / "s").read_text() == "older"
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_results_of_a_run_that_reached_its_bound(run, tmp_path):
    files = ["--stats", tmp_path / "s", "--trace", tmp_path / "t"]
    assert run("kernel", "--depth", 1, "--max-instructions", 5000, *files)[0] == 124
    assert json.loads((tmp_path / "s").read_text())["end"] == "limit"
    assert len(json.loads((tmp_path / "t").read_text())) > 1000


# Mistakes


@pytest.fixture
def place(tmp_path, monkeypatch, program):
    """A folder full of what is wrong."""
    monkeypatch.chdir(tmp_path)
    good = elf()
    files = {
        "empty": b"",
        "cut.elf": good[:100],
        "x86.elf": elf(machine=62),
        "small.elf": elf(klass=1),
        "object.elf": elf(kind=1),
        "elsewhere.elf": elf(entry=0x1000),
        "hostile.elf": elf([segment(size=1 << 62)]),
        "large": b"\x13\0\0\0" * (1 << 18),
        "full": b"\x13\0\0\0" * ((1 << 18) - 1),
        "letters.s": b"    nop\n\xff\xfe",
        "no.dtb": b"this is no device tree",
        "good.elf": good,
        "higher.elf": elf([segment(0x8000_1000)], entry=0x8000_1000),
    }
    for name, content in files.items():
        Path(name).write_bytes(content)
    program("    nop\n    addd a0, a0\n", "typo.s")
    program(programs.htif(0).replace("begin_signature:", ".word 0\nbegin_signature: .byte 1\n"), "odd.s")
    program(programs.FW_JUMP, "fw.s")
    Path("folder").mkdir()
    Path("locked").write_text("")
    return tmp_path


MISTAKES = [
    (["nothing.elf"], "nothing.elf: There is no such file", "The guests are: arm, bank, careless"),
    (["kernle"], "kernle: There is no such file", "Did you mean kernel?"),
    (["folder"], "folder: This isn't a file.", ""),
    (["folder", "--bios", "folder"], "folder: This isn't a file.", ""),
    (["empty"], "empty: The image is empty.", ""),
    (["cut.elf"], "cut.elf: ", "The file is damaged"),
    (["x86.elf"], "x86.elf: This ELF file is for another processor", "riscv64-unknown-elf-gcc"),
    (["small.elf"], "small.elf: This is a 32-bit ELF file", ""),
    (["object.elf"], "object.elf: This ELF file isn't a linked program", ""),
    (["elsewhere.elf"], "elsewhere.elf: It starts at 0x1000, where nothing is loaded.", ""),
    (["hostile.elf"], "hostile.elf: Segment 0 (0x80000000 to", "isn't in memory"),
    (["large", "--memory", "512K"], "large: What is loaded at 0x80000000 (0x80000000 to 0x800fffff)", ""),
    (["full", "--memory", "1M"], "The image and the device tree", "Give the computer more memory."),
    (["typo.s"], "typo.s:2:5: ", "Did you mean `add"),
    (["letters.s"], "letters.s: This isn't text in UTF-8: byte 8", ""),
    (["hello", "tiny"], "tiny: `vlab run` takes no such argument", "See `vlab run --help`."),
    (
        ["hello", "--bios", "none"],
        "none: There is no such file",
        "Debian's package opensbi puts into /usr/lib",
    ),
    (["hello", "--bios", "opensib"], "opensib: There is no such file", "Did you mean opensbi?"),
    (["u-bot"], "u-bot: There is no such file", "Did you mean u-boot?"),
    (
        ["good.elf", "--bios", "fw.s"],
        "firmware and its next stage: The next stage (0x80000000 to 0x8000000f) overlaps the firmware (0x80000000 to",
        "Debian's packages opensbi and u-boot-qemu",
    ),
    (
        ["higher.elf", "--bios", "large"],
        "firmware and its next stage: The next stage (0x80001000 to 0x8000100f) overlaps the firmware (0x80000000 to",
        "OpenSBI's fw_dynamic.bin, begins at 0x80000000",
    ),
    (["hello", "--set", "TICK"], "--set: 'TICK' does not name a number", ""),
    (["hello", "--set", "1=2"], "--set: '1=2' does not name a number", ""),
    (["hello", "--set", "A=" + "9" * 9999], "--set: 'A=999", ""),
    (["hello", "--set", "A=0x10000000000000000"], "--set: 'A=0x1", ""),
    (["kernel", "--set", "TIC=3"], "The guest kernel has no constant 'TIC'.", "Did you mean 'TICK'?"),
    (["good.elf", "--set", "TICK=3"], "--set: good.elf is not assembled here", "Leave it out."),
    (["linux", "--set", "TICK=3"], "--set: linux is not assembled here", "Leave it out."),
    (["good.elf", "--bios", "fw.s", "--sbi"], "--sbi: not allowed with argument --bios", ""),
    (["hello", "--disk", "d"], "d: There is no such file", ""),
    (["hello", "--disk", "empty"], "empty: ", ""),
    (["hello", "--disk", "folder"], "folder: This isn't a file.", ""),
    (["hello", "--engine", "nativ"], "--engine: there is no 'nativ'.", "Did you mean native?"),
    (["hello", "--dtb", "none"], "none: There is no such file", ""),
    (["hello", "--dtb", "no.dtb"], "no.dtb: This isn't a device tree", "dtc"),
    (["hello", "--dtb", "no.dtb", "--append", "a"], "no.dtb: This isn't a device tree", ""),
    (["hello", "--append", "a\0b"], "device tree: ", "Leave it out."),
    (["hello", "--memory", "0"], "--memory: '0' is not a whole number of pages", ""),
    (["hello", "--memory", "5000"], "--memory: '5000' is not a whole number of pages", ""),
    (["hello", "--memory", "lots"], "--memory: 'lots' is not a size of memory.", "64M"),
    (["hello", "--memory", "-1"], "--memory: '-1' is not a size of memory.", ""),
    (["hello", "--memory", "4K"], "hello: What is loaded at 0x80001000", "give the machine more memory"),
    (["hello", "--memory", "999999G"], "--memory: ", "16 GiB"),
    (["hello", "--memory", "999999G", "--depth", "1"], "--memory: ", "16 GiB"),
    (["hello", "--depth", "-1"], "--depth: '-1' is not a depth; depths are 0 to 8.", ""),
    (["hello", "--depth", "9"], "--depth: 9 levels are refused", "about ten, and 8 is the limit."),
    (["hello", "--depth", "1" * 18], "--depth: ", "levels are refused"),
    (["hello", "--depth", "1" * 9999], "--depth: ", "is not a depth"),
    (["hello", "--depth", "one"], "--depth: 'one' is not a depth", ""),
    (["hello", "--technique", "trap-emulate"], "--technique: There is no technique", f"Did you mean {TRAP}?"),
    (["hello", "--technique", "magic"], "--technique: There is no technique 'magic'.", "There are: trap-and"),
    (["hello", "--technique", f"{TRAP},"], "--technique: There is no technique ''.", ""),
    (["hello", "--technique", TRAP, "--depth", "0"], "--technique, --depth: At depth 0", "Leave one"),
    (["hello", "--technique", f"paravirtual,{TRAP}"], "--technique: A hypervisor as it is needs", "another"),
    (["hello", "--technique", f"{TRAP},{TRAP}", "--depth", "3"], "--technique, --depth: 2 levels have", ""),
    (["hello", "--technique", ",".join([TRAP] * 9)], "--technique: 9 levels are refused", ""),
    (["hello", "--shadow", "trace"], "--shadow: There is no policy 'trace'", "Did you mean traced?"),
    (
        ["hello", "--shadow", "magic"],
        "--shadow: There is no policy 'magic'",
        "There are: lazy, eager, traced.",
    ),
    (
        ["hello", "--shadow", "lazy,eager", "--depth", "3"],
        "--shadow: 2 levels have a policy",
        "Name one policy",
    ),
    (["hello", "--shadow", "lazy", "--depth", "0"], "--shadow, --depth: At depth 0", "Leave one"),
    (
        ["hello", "--shadow", "traced", "--technique", "hardware-assisted"],
        "--shadow: Under hardware-assisted the processor itself translates: level 1 has no shadow page tables.",
        "Leave --shadow out.",
    ),
    (
        ["hello", "--shadow", "lazy,eager", "--technique", f"{TRAP},hardware-assisted"],
        "--shadow: Under hardware-assisted the processor itself translates: level 2 has no shadow page tables.",
        "Name one policy, for all levels that have them",
    ),
    (["hello", "--shadow", ",".join(["lazy"] * 9)], "--shadow: 9 levels are refused", ""),
    (["hello", "--max-instructions", "0"], "--max-instructions: '0' is not a number", ""),
    (["hello", "--max-instructions", "-5"], "--max-instructions: '-5' is not a number", ""),
    (["hello", "--max-instructions", "1e9"], "--max-instructions: '1e9' is not a number", ""),
    (["hello", "--input", r"a\q"], r"--input: '\\q' stands for nothing", ""),
    (["hello", "--input", "a\\"], "--input: '\\\\' stands for nothing", ""),
    (["hello", "--expect", ""], "--expect: the text is empty", ""),
    (["hello", "--stats", "no/s"], "no/s: This can't be written: No such file", "Choose another name"),
    (["hello", "--stats", "folder"], "folder: This isn't a file.", ""),
    (["hello", "--trace", "no/t"], "no/t: This can't be written", ""),
    (["hello", "--stats", "s" * 300], "s" * 300, "can't be written"),
    (["hello", "--stats", "r", "--trace", "./r"], "./r: Another argument names this file already.", ""),
    (["good.elf", "--stats", "good.elf"], "good.elf: Another argument names this file already.", ""),
    (["hello", "--signature", "s"], "--signature: The image has no symbol begin_signature.", ""),
    (["odd.s", "--signature", "s"], "--signature: No signature can be from 0x", "whole words"),
    ([], "the following arguments are required: IMAGE.", "See `vlab run --help`."),
]


@pytest.mark.parametrize(("arguments", "start", "hint"), MISTAKES)
def test_a_mistake_is_named_with_its_place_and_mend(run, place, arguments, start, hint):
    before = sorted(path.name for path in place.iterdir())
    status, console, said = run(*arguments)
    assert (status, console) == (2, "")
    assert said.startswith(f"vlab: {start}")
    assert hint in said
    assert sorted(path.name for path in place.iterdir()) == before


def test_a_file_that_may_not_be_written(run, place, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "locked")
    assert run("hello", "--stats", "locked")[::2] == (
        2,
        "vlab: locked: This can't be written.\nChoose another name.\n",
    )


def test_more_memory_than_the_host_has(run, monkeypatch):
    def refuse(*_arguments, **_named):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr("vlab.machine.memory.mmap", refuse)
    assert run("hello", "--memory", "1G")[::2] == (
        2,
        "vlab: --memory: This host does not have so much memory to give.\nAsk for less.\n",
    )


def test_a_damaged_symbol_table_is_told_of_and_done_without(run, tmp_path):
    code = image(programs.START + programs.ends(0))
    whole = elf([segment(content=code)], [(b"name", 0x8000_0000, 0x10, 1)])
    at = whole.rindex(b"name\0") + len(b"name\0") + 64 + 32  # the table's size, in its section header
    (tmp_path / "a.elf").write_bytes(whole[:at] + b"\x07" + whole[at + 1 :])
    status, _console, said = run(tmp_path / "a.elf")
    assert status == 0
    assert "its symbol table is damaged" in said


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8),
    cut=st.integers(0, 600),
    depth=st.integers(0, 1),
)
def test_a_hostile_file_is_run_or_refused(tmp_path, capsysbinary, changes, cut, depth):
    damaged = bytearray(elf([segment(content=image(guests.source("tiny")))]))
    for at, byte in changes:
        damaged[at] = byte
    (tmp_path / "a").write_bytes(damaged[:-cut] if cut else damaged)
    options = ["--max-instructions", "3000", "--memory", "64K", "--depth", str(depth)]
    assert 0 <= cli.main(["run", str(tmp_path / "a"), *options]) <= 255


# As a process


def vlab_run(*arguments: object, **options: Any) -> Any:
    """The command as a process; give it to `with`."""
    pipes: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
    }
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "vlab", "run", *map(str, arguments)]
    return subprocess.Popen(command, **pipes | options, env=environment)


def test_the_console_is_the_programs_output(tmp_path):
    done = vlab_run("hello", "--depth", 1, "--stats", tmp_path / "s")
    assert (*done.communicate(timeout=30), done.returncode) == (HELLO.encode(), b"", 0)


def test_the_console_is_shown_while_the_guest_runs(program):
    with vlab_run(program(programs.RUNS_ON)) as running:
        assert running.stdout.readline() == b"ready\n"
        assert running.poll() is None
        running.kill()


def test_a_mistake_shows_no_traceback():
    done = vlab_run("hello", "--depth", 99)
    out, err = done.communicate(timeout=30)
    assert (done.returncode, out) == (2, b"")
    assert err.startswith(b"vlab: --depth: 99 levels are refused")


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX signal")
def test_an_interrupted_run_still_writes_its_results(program, tmp_path):
    with vlab_run(program(programs.RUNS_ON), "--stats", tmp_path / "s") as running:
        running.stdout.readline()
        time.sleep(0.2)
        running.send_signal(signal.SIGINT)
        _out, err = running.communicate(timeout=30)
    assert running.returncode == cli.INTERRUPTED
    assert b"Interrupted; the guest is at 0x800000" in err
    assert b"Traceback" not in err
    assert json.loads((tmp_path / "s").read_text())["end"] == "interrupted"


def test_a_reader_who_leaves_is_no_error(program):
    with vlab_run(program(programs.CHATTERS)) as running:
        running.stdout.read(10)
        running.stdout.close()
        assert running.wait(30) == cli.READER_LEFT
        assert running.stderr.read() == b""


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX terminal")
@pytest.mark.parametrize("shared", [False, True])
def test_progress_is_shown_while_the_console_is_silent(program, shared):
    import pty
    from termios import tcsetwinsize

    ours, theirs = pty.openpty()
    tcsetwinsize(theirs, (24, 80))
    options = {"stderr": theirs, "stdout": theirs if shared else subprocess.PIPE}
    rest = ("--max-instructions", 8_000_000, "--engine", "interpreter")
    with vlab_run(program(programs.RUNS_ON), *rest, **options) as running:
        assert running.wait(60) == 124
    shown = os.read(ours, 100_000).decode()
    os.close(theirs)
    os.close(ours)
    assert " instructions [" in shown
    assert "The limit of 8 000 000 instructions is reached" in shown


def test_a_console_that_takes_only_text(monkeypatch, program):
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stdout", shown)
    letters = "".join(f"    li t1, {byte}\n    sb t1, 0(t0)\n" for byte in "né\n".encode())
    source = f"{programs.START}    li t0, {programs.UART}\n{letters}{programs.ends(0)}"
    assert cli.main(["run", program(source)]) == 0
    assert shown.getvalue() == "né\n"


def test_without_any_console(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert cli.main(["run", "hello"]) == 0
    assert cli.main(["run", "jump_nowhere"]) == 125


def test_the_memory_of_the_levels_below_is_just_enough():
    from vlab.cli.computers import build

    machine, computers = build(1 << 20, [TRAP] * 2, ["lazy", "traced"])
    assert [vm.technique.kind for vm in computers[1:] if isinstance(vm, VirtualMachine)] == [
        (TRAP, "lazy"),
        (TRAP, "traced"),
    ]
    assert [computer.level for computer in computers] == [0, 1, 2]
    assert computers[-1].memory.size == 1 << 20
    for computer in computers[:-1]:
        (resident,) = set(computer.residents.values())
        assert isinstance(resident, Hypervisor)
        assert isinstance(resident.vms[0], VirtualMachine)
        with pytest.raises(Exception, match="are needed, and the computer has 0 KiB left"):
            resident.create_vm(memory=4096)
    assert machine is computers[0]


# A debugger


@pytest.mark.parametrize(
    ("arguments", "where", "what"),
    [
        (["--gdb", "65536"], "--gdb", "is not a port"),
        (["--gdb", "x"], "--gdb", "is not a port"),
        (["--gdb", "0", "--gdb-level", "1"], "--gdb-level", "no computer at level 1"),
        (["--gdb", "0", "--depth", "1", "--gdb-level", "2"], "--gdb-level", "The levels are 0 to 1"),
    ],
)
def test_a_debugger_that_cannot_be_is_refused(run, arguments, where, what):
    status, console, said = run("hello", "--memory", "1M", *arguments)
    assert (status, console) == (2, "")
    assert where in said and what in said


def test_waiting_for_a_debugger_ends_with_ctrl_c():
    words = [sys.executable, "-m", "vlab", "run", "hello", "--memory", "1M", "--gdb", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as vlab:
        assert vlab.stderr is not None
        try:
            assert vlab.stderr.readline().startswith("vlab: Waiting for GDB: `target remote localhost:")
            vlab.send_signal(signal.SIGINT)
            out, said = vlab.communicate(timeout=30)
        finally:
            vlab.kill()
    assert (vlab.returncode, out) == (130, "")
    assert said.startswith("vlab: Interrupted; the guest is at 0x80000000")


def test_what_was_printed_is_not_shown_again_when_a_debugger_goes_back():
    machine = Machine(guests.load("hello"), memory="64K")
    shown = bytearray()
    Run(machine, machine, None, 10_000, shown.extend)
    machine.run(200)
    machine.goto(20)
    machine.run()
    assert shown.decode() == machine.console == HELLO


def test_a_level_for_gdb_without_gdb_is_a_mistake(run):
    status, console, said = run("hello", "--gdb-level", 0)
    assert (status, console) == (2, "")
    assert said.startswith("vlab: --gdb-level: Without --gdb nobody looks at a level.\n")


def test_an_engine_that_can_not_be_built_is_told_of_as_all_else_is(run, monkeypatch):
    monkeypatch.delenv("VLAB_ENGINE", raising=False)
    monkeypatch.setattr(execute, "_warn", cache(execute._warn.__wrapped__))
    monkeypatch.setattr(execute, "installed", lambda: True)
    monkeypatch.setattr(execute, "lacking", lambda: VlabError("It is broken."))
    said = "vlab: It is broken. Machines run on the interpreter: the same answers, more slowly.\n"
    assert run("hello") == (0, HELLO, said)
