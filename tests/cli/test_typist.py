"""What is typed, and when: in the guest's time, and in the log, so that a replay asks nobody."""

import pytest

from tests.cli import programs
from vlab import guests
from vlab.cli import running, typist
from vlab.cli.computers import build
from vlab.cli.keyboard import Stream
from vlab.cli.running import End, Run
from vlab.machine.devicetree import TIMEBASE
from vlab.riscv import assemble


class Played:
    """A keyboard at which a piece is played: waits, of so many seconds, and keys."""

    keys = live = True
    over = left = False

    def __init__(self, *piece: float | bytes):
        self._piece = list(piece)
        self.now = 0.0
        self.waits = 0

    def __enter__(self) -> "Played":
        return self

    def __exit__(self, *_exception: object) -> None:
        pass

    def clock(self) -> float:
        return self.now

    def read(self, seconds: float | None, room: int) -> bytes:
        assert room
        if not self._piece:
            self.over = True
            return b""
        first = self._piece[0]
        if isinstance(first, bytes):
            self._piece.pop(0)
            return first
        waited = first if seconds is None else min(first, seconds)
        self.waits += seconds != 0
        self.now += waited
        left = first - waited
        self._piece[:1] = [left] if left > 1e-9 else []
        return b""


@pytest.fixture
def played(monkeypatch):
    """Plays a piece to a guest; the run, how it ended, and the keyboard."""

    def play(source: str, *piece: float | bytes, technique: str = "", limit: int | None = None):
        machine, computers = build(1 << 20, [technique] if technique else [], [None] if technique else [])
        keyboard = Played(*piece)
        for module in (running, typist):
            monkeypatch.setattr(module, "monotonic", keyboard.clock)
        computers[-1].load(assemble(source))
        run = Run(machine, computers[-1], None, limit, lambda byte: None, keyboard)
        return run, run.go(), keyboard

    return play


WAYS = ["", "trap-and-emulate", "binary-translation", "hardware-assisted"]


@pytest.mark.parametrize("technique", WAYS)
@pytest.mark.parametrize("source", [programs.ECHO, programs.listens(), programs.listens(300_000)])
def test_a_run_with_keys_is_rewound_and_replayed(played, source, technique):
    pauses = () if source == programs.ECHO else (0.1,)  # who never sleeps lets no time go by here
    run, end, _keyboard = played(source, b"a", *pauses, b"bc", *pauses, b"d.", technique=technique)
    assert end is End.OFF
    machine, guest = run.machine, run.guest
    last, said, status, time = machine.steps, guest.console, guest.status, guest.time
    assert said.replace("*", "").removeprefix("ready ") == "abcd."
    for step in (last // 2, 0):
        machine.goto(step)
        machine.run(last)
        assert (machine.steps, guest.console, guest.status, guest.time) == (last, said, status, time)


@pytest.mark.parametrize("alarm", [0, TIMEBASE, 10 * TIMEBASE])
def test_keys_come_at_the_time_at_which_they_are_pressed(played, alarm):
    run, _end, _keyboard = played(programs.listens(alarm), 1.5, b"a", 0.25, b".")
    seconds = [arrival.time / TIMEBASE for arrival in run.machine.history.input]
    assert seconds == pytest.approx([1.5, 1.75], abs=0.001)
    assert run.machine.steps < 10_000


@pytest.mark.parametrize("technique", WAYS)
def test_sleep_lasts_as_long_as_the_guests_clock_says(played, technique):
    run, _end, keyboard = played(programs.listens(TIMEBASE // 20), 2.02, b".", technique=technique)
    assert run.guest.console in ("ready " + "*" * number + "." for number in range(38, 43))
    assert keyboard.waits < 90


def test_a_file_is_typed_as_there_is_room_for_it(monkeypatch, tmp_path):
    monkeypatch.setattr(typist, "_ROOM", 64)
    text = bytes(range(ord("."))) * 20
    (tmp_path / "input").write_bytes(text + b".")
    machine, _computers = build(1 << 20, [], [])
    machine.load(assemble(programs.ECHO))
    with (tmp_path / "input").open("rb") as file:
        run = Run(machine, machine, None, None, lambda byte: None, Stream(file.fileno(), live=False))
        waiting = []
        run.guest.uart.listener = lambda byte: waiting.append(machine.uart.waiting)
        assert run.go() is End.OFF
    assert machine.uart.output == text + b"."
    assert max(waiting) < 64


def test_who_never_sleeps_is_not_kept_waiting(played):
    run, end, keyboard = played(programs.RUNS_ON, 1000.0, limit=3_000_000)
    assert (end, run.guest.console, keyboard.waits) == (End.LIMIT, "ready\n", 0)
    assert 3_000_000 <= run.machine.steps < 3_000_100


def test_while_somebody_may_type_there_is_no_limit(played, monkeypatch):
    monkeypatch.setattr(running, "DEFAULT_LIMIT", 50_000)
    ends = []
    for pause in ([], [b"a"] * 20):
        monkeypatch.setattr(
            Played, "live", False
        )  # whose keys come as they are asked for: one for each piece of it
        run, end, _keyboard = played(programs.ECHO, *(keys for key in pause for keys in (key, 0.0)))
        assert end is End.LIMIT
        ends.append(run.machine.steps)
    assert ends[0] == 50_000
    assert ends[1] > 500_000


@pytest.mark.parametrize("technique", WAYS)
@pytest.mark.parametrize("guest", ["kernel", "tiny"])
def test_that_somebody_could_type_changes_nothing(played, guest, technique):
    run, end, _keyboard = played(guests.source(guest), 1e6, technique=technique)
    machine, computers = build(1 << 20, [technique] if technique else [], [None] if technique else [])
    computers[-1].load(assemble(guests.source(guest)))
    assert Run(machine, computers[-1], None, None, lambda byte: None).go() is end is End.OFF
    seen, unseen = run.machine.snapshot(), machine.snapshot()
    assert seen.state == unseen.state
    assert seen.pages == unseen.pages


@pytest.mark.parametrize("source", [programs.SLEEPS, programs.STAYS])
def test_nobody_is_waited_for_who_could_change_nothing(played, source):
    run, end, keyboard = played(source, 1000.0, b"a")
    assert (end, keyboard.waits) == (End.ENDLESS, 0)
    assert run.machine.history.input == []


def test_what_listens_while_it_jumps_to_where_it_stands_is_waited_for(played):
    source = (
        programs.listens()
        .replace("    wfi\n", "")
        .replace("sleep:\n    j    sleep", "sleep:\n    j    sleep")
    )
    run, end, keyboard = played(source, 1.0, b"a", 1.0, b".")
    assert (end, run.guest.console) == (End.OFF, "ready a.")
    assert keyboard.waits == 2
    assert run.machine.steps < 1_000_000
