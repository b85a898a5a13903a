"""`vlab run` on a terminal, with a pipe, and with a file: what is typed, and how the reader leaves."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.cli import programs
from vlab.cli import keyboard

termios = pytest.importorskip("termios")
from tests.cli.sitting import Sitting  # noqa: E402

WAYS = [
    (),
    ("--engine", "interpreter"),
    ("--depth", "1"),
    ("--technique", "hardware-assisted"),
    ("--depth", "2"),
]
HINT = "Ctrl-A x leaves, Ctrl-A h helps."


@pytest.fixture
def program(tmp_path):
    """Writes an assembly file; its name."""

    def write(text: str) -> str:
        (tmp_path / "program.s").write_text(text)
        return str(tmp_path / "program.s")

    return write


def used(process: "subprocess.Popen[Any]") -> float:
    """The processor time that a process has had, in seconds."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


# A terminal


@pytest.mark.parametrize(
    ("source", "way"), [(programs.ECHO, ()), *((programs.listens(), way) for way in WAYS)]
)
def test_keys_go_to_the_guest_one_by_one(program, source, way):
    with Sitting(program(source), "--memory", "1M", *way) as sitting:
        sitting.sees(HINT)
        for key in ("a", "\r", "\x03", "\x1a", "\x04", "\x7f", "é"):
            sitting.types(key)
            sitting.sees(key)
        assert not sitting.restored()
        sitting.types(".")
        assert sitting.ends() == (0 if source is programs.ECHO else 6)
        assert sitting.restored()


@pytest.mark.parametrize("way", WAYS[::2])
def test_the_reader_leaves(program, way):
    with Sitting(program(programs.ECHO), "--memory", "1M", *way) as sitting:
        sitting.sees(HINT)
        sitting.types("\x01h")
        sitting.sees("Ctrl-A Ctrl-A types Ctrl-A")
        sitting.types("\x01")
        sitting.types("\x01b")
        sitting.sees("\x01b")
        sitting.types("\x01xy")
        assert sitting.ends() == 0
        assert b"You have left; the guest is at 0x8000" in sitting.seen
        assert sitting.restored()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux")
@pytest.mark.parametrize("way", WAYS[1:3])
@pytest.mark.parametrize("alarm", [0, 200_000])
def test_a_guest_that_waits_for_a_key_takes_no_processors_time(program, alarm, way):
    with Sitting(program(programs.listens(alarm)), "--memory", "1M", *way) as sitting:
        sitting.sees("ready ")
        time.sleep(0.3)
        before, began = used(sitting.process), time.monotonic()
        time.sleep(1)
        assert used(sitting.process) - before < 0.4 * (
            time.monotonic() - began
        )  # one that does not wait takes all
        sitting.types("k")
        shown = sitting.sees("k")
        assert not alarm or 5 < shown.count("*") < 400  # fifty in a second, as its clock says
        sitting.types(".")
        assert sitting.ends() == 6


def test_an_alarm_rings_when_its_clock_says_so(program):
    with Sitting(program(programs.listens(5_000_000))) as sitting:
        sitting.sees("ready ")
        began = time.monotonic()
        sitting.sees("*")
        sitting.sees("*")
        assert time.monotonic() - began > 0.9


def test_ctrl_c_is_the_guests_as_long_as_it_reads_it(program):
    with Sitting(program(programs.ECHO)) as sitting:
        sitting.sees(HINT)
        for _again in range(3):
            sitting.types("\x03")
            sitting.sees("\x03")
            time.sleep(0.5)
        assert sitting.process.poll() is None


def test_ctrl_c_ends_the_run_of_a_guest_that_does_not_read_it(program):
    with Sitting(program(programs.RUNS_ON)) as sitting:
        sitting.sees("ready")
        sitting.types("\x03\x03\x03")
        sitting.sees("The guest doesn't read your Ctrl-C. Once more ends the run.")
        assert not sitting.restored()
        sitting.types("\x03")
        assert sitting.ends() == 130
        assert b"Interrupted; the guest is at 0x8000" in sitting.seen
        assert sitting.restored()


@pytest.mark.parametrize(
    ("number", "status", "source"),
    [
        (signal.SIGTERM, -signal.SIGTERM, programs.listens()),
        (signal.SIGTERM, -signal.SIGTERM, programs.RUNS_ON),
        (signal.SIGHUP, -signal.SIGHUP, programs.listens()),
        (signal.SIGQUIT, -signal.SIGQUIT, programs.RUNS_ON),
        (signal.SIGINT, 130, programs.listens()),
        (signal.SIGINT, 130, programs.RUNS_ON),
    ],
)
def test_a_signal_leaves_the_terminal_as_it_was(program, number, status, source):
    with Sitting(program(source)) as sitting:
        sitting.sees("ready")
        time.sleep(0.2)
        assert not sitting.restored()
        sitting.process.send_signal(number)
        assert sitting.ends() == status
        assert sitting.restored()


def test_a_run_that_is_stopped_gives_the_terminal_back_meanwhile(program):
    with Sitting(program(programs.listens()), controlling=False) as sitting:
        sitting.sees("ready ")
        sitting.process.send_signal(signal.SIGTSTP)
        assert os.WIFSTOPPED(os.waitpid(sitting.process.pid, os.WUNTRACED)[1])
        assert sitting.restored()
        sitting.process.send_signal(signal.SIGCONT)
        end = time.monotonic() + 20
        while sitting.restored():
            assert time.monotonic() < end
        sitting.types("on.")
        sitting.sees("on.")
        assert sitting.ends() == 6
        assert sitting.restored()


def test_a_run_that_nobody_could_let_go_on_is_not_stopped(program):
    with Sitting(program(programs.listens())) as sitting:  # it leads a session of its own
        sitting.sees("ready ")
        sitting.process.send_signal(signal.SIGTSTP)
        time.sleep(0.2)
        sitting.types("on.")
        sitting.sees("on.")
        assert sitting.ends() == 6


def test_a_run_in_the_background_leaves_the_terminal_alone(monkeypatch, capsys):
    ours, theirs = os.openpty()
    at_first = termios.tcgetattr(theirs)
    monkeypatch.setattr(os, "tcgetpgrp", lambda _place: os.getpgrp() + 1)
    with keyboard.Terminal(theirs) as terminal:
        os.write(ours, b"for somebody else\n")
        assert terminal.read(0, 100) == b""
        assert termios.tcgetattr(theirs) == at_first
        assert capsys.readouterr().err == ""
        monkeypatch.undo()
        os.kill(os.getpid(), signal.SIGCONT)
        assert termios.tcgetattr(theirs) != at_first
        assert terminal.read(1, 100) == b"for somebody else\n"
    assert termios.tcgetattr(theirs) == at_first
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("why", [KeyboardInterrupt, BrokenPipeError])
def test_who_does_not_even_begin_leaves_the_terminal_as_it_was(monkeypatch, why):
    def fails(*_message: object) -> None:
        raise why

    ours, theirs = os.openpty()
    at_first = termios.tcgetattr(theirs)
    monkeypatch.setattr(keyboard, "say", fails)
    with pytest.raises(why), keyboard.Terminal(theirs):
        pass
    assert termios.tcgetattr(theirs) == at_first
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    os.close(ours)
    os.close(theirs)


def test_an_error_leaves_the_terminal_as_it_was(monkeypatch):
    ours, theirs = os.openpty()
    at_first = termios.tcgetattr(theirs)
    with suppress(RuntimeError), keyboard.Terminal(theirs):
        assert termios.tcgetattr(theirs) != at_first
        raise RuntimeError
    assert termios.tcgetattr(theirs) == at_first
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    os.close(ours)
    os.close(theirs)


def test_a_guest_that_no_key_can_wake_ends_as_without_a_terminal(program):
    for source in (programs.SLEEPS, programs.STAYS):
        with Sitting(program(source)) as sitting:
            assert sitting.ends() == 125
            assert sitting.restored()


def test_a_limit_that_is_given_holds_on_a_terminal_too(program):
    with Sitting(program(programs.ECHO), "--max-instructions", "100_000") as sitting:
        assert sitting.ends() == 124
        assert sitting.restored()


def test_a_terminal_whose_console_is_shown_elsewhere_is_left_alone(program):
    with Sitting(
        program(programs.ECHO), "--max-instructions", "3_000_000", stdout=subprocess.PIPE
    ) as sitting:
        sitting.types("no.")
        assert not sitting.process.communicate(timeout=60)[0]
        assert sitting.process.returncode == 124


# A pipe, a file


def typed(data: bytes, *arguments: object) -> "subprocess.CompletedProcess[bytes]":
    """`vlab run` with this on a pipe."""
    command = [sys.executable, "-m", "vlab", "run", *map(str, arguments)]
    return subprocess.run(command, input=data, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize(("source", "way"), [(programs.ECHO, WAYS[1]), (programs.listens(), WAYS[2])])
def test_a_pipes_bytes_are_typed(program, source, way):
    done = typed(b"a\x01x\xff\n.", program(source), "--memory", "1M", *way)
    assert done.stdout.removeprefix(b"ready ") == b"a\x01x\xff\n."
    assert done.returncode == (0 if source is programs.ECHO else 6)


@pytest.mark.parametrize("way", WAYS[:3:2])
def test_with_no_input_left_it_ends_as_without_any(program, way):
    done = typed(b"ab", program(programs.listens()), "--memory", "1M", *way)
    assert (done.returncode, done.stdout) == (125, b"ready ab")
    assert b"waits for an interrupt that nothing will send" in done.stderr


def test_a_pipe_may_bring_more_later(program):
    command = [sys.executable, "-m", "vlab", "run", program(programs.listens())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdin is not None and running.stdout is not None
        for keys in (b"ready ", b"one", b"two", b"."):
            if keys != b"ready ":
                running.stdin.write(keys)
                running.stdin.flush()
            assert running.stdout.read(len(keys)) == keys
        assert running.wait(60) == 6


def test_a_files_bytes_are_typed_however_many(program, tmp_path):
    text = bytes(byte for byte in range(256) if byte != ord(".")) * 20
    (tmp_path / "input").write_bytes(text + b".")
    command = [sys.executable, "-m", "vlab", "run", program(programs.ECHO)]
    with (tmp_path / "input").open("rb") as file:
        done = subprocess.run(command, stdin=file, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout == text + b".") == (0, True)


def test_who_reads_nothing_is_not_given_more_than_there_is_room_for(program):
    with Path("/dev/zero").open("rb") as zeros:
        command = [
            sys.executable,
            "-m",
            "vlab",
            "run",
            program(programs.RUNS_ON),
            "--max-instructions",
            "9_000_000",
        ]
        done = subprocess.run(command, stdin=zeros, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (124, b"ready\n")


def test_input_that_is_given_is_all_that_is_typed(program):
    done = typed(
        b"from the pipe.", program(programs.ECHO), "--input", "given", "--max-instructions", "3_000_000"
    )
    assert (done.returncode, done.stdout) == (124, b"given")


# By lines, where terminals can't be read key by key


def test_without_termios_what_is_typed_goes_to_the_guest_by_lines(program):
    script = "import sys; sys.modules['termios'] = None; from vlab import cli; sys.exit(cli.main())"
    command = [sys.executable, "-c", script, "run", program(programs.listens())]
    done = subprocess.run(command, input=b"line\r\n.", capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (6, b"ready line\n.")
    ours, theirs = os.openpty()
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as running:
        seen = b""
        while b"ready " not in seen:
            seen += os.read(ours, 1000)
        assert b"what you type goes to the guest by lines." in b" ".join(seen.split())
        os.write(ours, b"a.\n")
        assert running.wait(60) == 6
    os.close(ours)
    os.close(theirs)


# Others' software


@pytest.mark.requires("opensbi", "u-boot")
@pytest.mark.parametrize("way", [(), ("--engine", "interpreter"), ("--technique", "hardware-assisted")])
def test_u_boot_answers_what_is_typed(way):
    with Sitting("u-boot", *way) as sitting:
        sitting.sees("Hit any key")
        sitting.types(" ")
        sitting.sees("=> ")
        sitting.types("version\r")
        assert "U-Boot 20" in sitting.sees("GNU ld (GNU Binutils")
        sitting.sees("=> ")
        sitting.types("\x01x")
        assert sitting.ends() == 0
        assert sitting.restored()
