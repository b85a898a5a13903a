"""The bar of a long run: when it is on the terminal, and that it makes way."""

import io
import time
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from vlab.cli import progress
from vlab.cli.progress import Progress


class Terminal(io.StringIO):
    """Remembers when something was last written."""

    def __init__(self):
        super().__init__()
        self.written = Event()

    def write(self, text):
        self.written.set()
        return super().write(text)

    def isatty(self):
        return True

    def line(self):
        """What stands on its last line."""
        return self.getvalue().rpartition("\n")[2].rpartition("\r")[2].strip()


class Counting:
    """One that runs on by itself."""

    def __init__(self):
        self._steps, self.running = 0, True

    @property
    def steps(self):
        self._steps += 1000 * self.running
        return self._steps


def counting() -> Any:
    return Counting()


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr(progress, "_LOOK", 0.01)
    monkeypatch.setattr(progress, "_SILENCE", 0.05)
    shown = Terminal()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=shown))  # pytest's own changes
    return shown


def soon(what):
    """Whether it becomes true."""
    end = time.monotonic() + 20
    while not what() and time.monotonic() < end:
        time.sleep(0.005)
    return bool(what())


@pytest.mark.parametrize("shared", [False, True])
def test_it_shows_how_far_the_machine_is_and_leaves_nothing(terminal, shared):
    with Progress(counting(), shared=shared):
        assert soon(lambda: "k instructions [" in terminal.line())
        before = terminal.line()
        assert soon(lambda: terminal.line() not in (before, ""))
    assert terminal.line() == ""


def test_while_the_machine_stands_still_there_is_none(terminal):
    machine = counting()
    with Progress(machine, shared=False):
        assert soon(terminal.line)
        machine.running = False
        assert soon(lambda: not terminal.line())
        machine.running = True
        assert soon(terminal.line)


def test_it_makes_way_for_the_console_until_its_line_has_ended(terminal):
    with Progress(counting(), shared=True) as shown:
        assert soon(terminal.line)
        with shown.printing(b"#"):
            assert terminal.line() == ""
        time.sleep(0.2)
        assert terminal.line() == ""
        with shown.printing(b"\n"):
            assert terminal.line() == ""
        assert soon(terminal.line)


def test_beside_a_console_that_is_elsewhere_it_stays(terminal):
    with Progress(counting(), shared=False) as shown:
        with shown.printing(b"#"):
            pass
        assert soon(terminal.line)
