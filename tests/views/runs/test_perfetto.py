"""The trace of events for Chrome's and Perfetto's viewers: whole, balanced, in order."""

import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.views.hosts import bare, hosted
from tests.views.recordings import Script
from vlab import events as ev
from vlab.events import EventSource
from vlab.riscv import Cause
from vlab.views.runs.perfetto import PerfettoTrace


def written(events):
    """All rows of a trace."""
    text: list[str] = []
    trace = PerfettoTrace(text.append)
    for event in events:
        trace(event)
    trace.close()
    return json.loads("".join(text))


def rows(events):
    """The rows of a trace that are events themselves, not the tracks' names nor arrows."""
    return [row for row in written(events) if row["ph"] not in "Msf"]


def track_names(events):
    return [row["args"]["name"] for row in written(events) if row["name"] == "thread_name"]


def storm(traps, returns):
    """Traps in each other, and then returns."""
    source = EventSource(lambda: 1)
    with source.record() as run:
        for _trap in range(traps):
            source.emit(ev.Trap, 0, Cause.ILLEGAL_INSTRUCTION, 0, 0x8000_0000, "M", "M")
        for _return in range(returns):
            source.emit(ev.Return, 0, "mret", 0x8000_0000, "M", "M")
    return run


def test_a_trace_of_nothing_names_the_machines_track():
    names = [row["args"].get("name") for row in written([])]
    assert [name for name in names if name] == ["vlab: 1 µs is one attempted instruction", "the machine"]


def test_each_vm_has_a_track_with_its_name():
    entries = [ev.Entry((time, 0), 1, None, 0, "S", vm) for time, vm in enumerate(["one", "two", "one"])]
    late = ev.Emulation((9, 0), 1, None, 0, 0x73, "ecall", "S", ())
    assert track_names([*entries, late]) == ["the machine", "one", "two"]
    assert [row["tid"] for row in rows([*entries, late])] == [1, 2, 1, 1]
    assert track_names(Script(depth=1).record(1)) == ["the machine", "the VM"]


def test_an_arrow_leads_from_a_slice_to_each_slice_that_follows_from_it():
    recording = Script(depth=1).record(2)
    found = written(recording)
    begun = {row["args"]["id"] for row in found if row["ph"] == "B"}
    followers = [
        event for event in recording if event.parent is not None and f"{event.time}.{event.id[1]}" in begun
    ]
    starts = {row["id"]: row for row in found if row["ph"] == "s"}
    ends = {row["id"]: row for row in found if row["ph"] == "f"}
    assert len(starts) == len(ends) == len(followers) > 4
    for number, event in enumerate(followers, 1):
        assert ends[number]["tid"] == event.level
        assert starts[number]["ts"] == ends[number]["ts"] == event.time
        assert ends[number]["bp"] == "e"  # binds to the slice that encloses it, which has just begun
    for row in [*starts.values(), *ends.values()]:
        before = found[: found.index(row)]
        phases = [one["ph"] for one in before if one.get("tid") == row["tid"]]
        assert phases.count("B") > phases.count("E"), "an arrow's end needs an open slice on its track"


def test_slices_last_from_trap_to_return_and_while_the_guest_runs():
    recording = Script(depth=1).record(1)
    found = rows(recording)
    for level in (0, 1):
        phases = [row["ph"] for row in found if row["tid"] == level]
        opened = [phases[: at + 1].count("B") - phases[: at + 1].count("E") for at in range(len(phases))]
        assert min(opened) >= 0
        assert max(opened) in (1, 2)
    names = {row["name"] for row in found if row["ph"] == "B"}
    assert {"runs directly in S", "trap: illegal instruction"} <= names
    exits = [row for row in found if row["name"].startswith("exit:")]
    assert Counter(row["ph"] for row in exits)["i"] == len(recording.only(ev.Exit))


def test_every_event_is_there_with_its_cause():
    recording = Script(depth=1).record(2)
    found = {row["args"]["id"]: row for row in rows(recording)}
    assert set(found) == {f"{event.time}.{event.id[1]}" for event in recording}
    for event in recording:
        row = found[f"{event.time}.{event.id[1]}"]
        parent = None if event.parent is None else f"{event.parent[0]}.{event.parent[1]}"
        assert row["args"].get("parent") == parent
        assert (row["cat"], row["ts"], row["tid"]) == (event.kind, event.time, event.level)


def test_fields_are_readable():
    source = EventSource(lambda: 1)
    with source.record() as run:
        source.emit(ev.CsrWrite, 0, "satp", 0, 8 << 60 | 0x80012, 0x8000_0000)
        source.emit(ev.Emulation, 1, 0x8000_0000, 0x73, "ecall", "S", (("a0", 1, 16),))
        source.emit(ev.DeviceAccess, 0, "uart", 5, 1, 0x60, False)
    csr, emulated, device = (row["args"] for row in rows(run))
    assert csr["after"] == "0x8000000000080012"  # as a number, a viewer would round it
    assert emulated["changes"] == {"a0": "0x1 → 0x10"}
    assert (device["offset"], device["size"], device["value"], device["store"]) == (5, 1, "0x60", False)


@given(st.integers(0, 80), st.integers(0, 80))
def test_slices_are_balanced_and_never_too_deep(traps, returns):
    phases = [row["ph"] for row in rows(storm(traps, returns))]
    assert len(phases) == traps + returns
    opened = deepest = 0
    for phase in phases:
        opened += {"B": 1, "E": -1, "i": 0}[phase]
        deepest = max(deepest, opened)
        assert opened >= 0
    assert deepest == min(traps, 32)
    assert opened == max(0, min(traps, 32) - max(0, returns - max(0, traps - 32)))


def test_a_return_to_user_mode_ends_all_handlers():
    source = EventSource(lambda: 1)
    with source.record() as run:
        for _trap in range(3):
            source.emit(ev.Trap, 0, Cause.ECALL_FROM_U, 0, 0x8000_0000, "U", "S")
        for target in ("S", "U", "U"):
            source.emit(ev.Return, 0, "sret", 0x8000_0000, "S", target)
    assert [row["ph"] for row in rows(run)] == ["B", "B", "B", "E", "E", "E", "i"]


def test_a_hosts_processes_have_tracks_with_the_time_that_they_had():
    run, host, _truth = hosted()
    found = written(run)
    tracks = {row["tid"]: row["args"]["name"] for row in found if row["name"] == "thread_name"}
    assert sorted(tracks.values()) == ["process count", "process nap", "the machine", "vm1", "vm2"]
    times: Counter[str] = Counter()
    for row in found:
        if row["ph"] == "X":
            times[tracks[row["tid"]]] += row["dur"]
    for process in host.processes[:2]:
        slices = sum(row["ph"] == "X" and tracks[row["tid"]] == f"process {process.name}" for row in found)
        assert abs(times[f"process {process.name}"] - process.used) <= 4 * slices
    assert not [row for row in written(Script(1).record(2)) if row["ph"] == "X"]


def test_an_interrupt_is_on_the_track_of_the_vm_whose_turn_comes():
    timer = 1 << 63 | 5
    run = [
        ev.Entry((0, 0), 1, None, 0, "U", "one"),
        ev.Exit((1, 0), 1, None, "x", 2, 0, 0, "S", "one"),
        ev.Injection((2, 0), 1, None, timer, 0, 0, "U", "S"),
        ev.CsrWrite((3, 0), 0, None, "sepc", 0, 0, 0),
        ev.Entry((4, 0), 1, None, 0, "S", "two"),
    ]
    found = [(row["cat"], row["tid"]) for row in rows(run)]
    assert found == [("Entry", 1), ("Exit", 1), ("Exit", 1), ("Injection", 2), ("CsrWrite", 0), ("Entry", 2)]
    assert [row["cat"] for row in rows(run[:4])][-2:] == ["Injection", "CsrWrite"]
    late = [ev.CsrWrite((5 + n, 0), 0, None, "sepc", 0, 0, 0) for n in range(200)]
    assert len(rows([*run[:3], *late])) == 204
    injections = [row for row in rows(bare().run) if row["cat"] == "Injection"]
    assert {row["tid"] for row in injections} == {1, 2}
