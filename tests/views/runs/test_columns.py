"""A run in columns: every event's lane, VM, cause and effects."""

import zlib
from array import array
from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st

from tests.views.hosts import bare, hosted
from tests.views.recordings import Script, nested, recordings
from vlab import events as ev
from vlab.events import Recording
from vlab.riscv.privilege import INTERRUPT_BIT, Interrupt
from vlab.views.runs.columns import Columns
from vlab.views.runs.lanes import Lanes
from vlab.views.words import Causes

TIMER = INTERRUPT_BIT | Interrupt.STI


def lanes(columns):
    return [columns.rows[lane].name for lane in columns.lanes]


def runners(columns):
    return [columns.rows[lane].name for lane in columns.control]


def vms(columns):
    return ["/".join(columns.paths[number]) for number in columns.vms]


def test_one_vm_has_the_lanes_of_the_ladder():
    for run in (Script(0).record(2), Script(1).record(2)):
        columns, ladder = Columns(run), Lanes(run)
        names = [lane.name for lane in ladder.lanes]
        assert {row.name for row in columns.rows} <= set(names)
        assert lanes(columns) == [names[place.start] for place in ladder.places]
        assert runners(columns) == [names[place.after] for place in ladder.places]


def test_hypervisors_in_vms_are_numbered_and_named():
    entries = [
        ev.Entry((0, 0), 1, None, 0, "S", "outer"),
        ev.Exit((1, 0), 2, None, "e", 2, 0, 0, "S", "inner"),
    ]
    entries += [ev.Entry((2, 0), 2, None, 0, "U", "inner"), ev.Entry((3, 0), 1, None, 0, "U", "outer")]
    entries += [ev.Return((4, 0), 0, None, "sret", 0, "S", "U")]
    columns = Columns(Recording(entries))
    assert [row.name for row in columns.rows] == [
        "machine",
        "hypervisor 0",
        "hypervisor 1 (outer)",
        "guest process (outer / inner)",
    ]
    assert lanes(columns)[1] == "hypervisor 1 (outer)"
    assert runners(columns)[-1] == "guest process (outer / inner)"


def test_two_vms_have_lanes_of_their_own():
    run = []
    for time, vm in enumerate(("one", "two", "one")):
        run += [ev.Entry((time, 0), 1, None, 0, "S", vm), ev.Return((time, 1), 0, None, "sret", 0, "S", "U")]
        run += [
            ev.Trap((time, 2), 0, None, 2, 0, 0, "U", "S"),
            ev.Exit((time, 3), 1, None, "x", 2, 0, 0, "S", vm),
        ]
    columns = Columns(Recording(run))
    traps = [lane for event, lane in zip(run, lanes(columns), strict=True) if type(event) is ev.Trap]
    assert traps == ["guest kernel (one)", "guest kernel (two)", "guest kernel (one)"]
    assert vms(columns)[2::4] == ["one", "two", "one"]


def test_an_interrupt_is_its_vms_before_its_turn():
    run = [
        ev.Exit((0, 0), 1, None, "x", 2, 0, 0, "S", "one"),
        ev.InterruptChange((0, 1), 1, None, TIMER, True, "", "two"),
        ev.Injection((0, 2), 1, None, TIMER, 0, 0, "U", "S"),
        ev.Entry((0, 3), 1, None, 0, "S", "two"),
    ]
    assert vms(Columns(Recording(run))) == ["one", "two", "two", "two"]


def test_causes_and_effects_are_those_of_the_words():
    for run in (Script(1).record(3), nested(3)):
        columns, causes = Columns(run), Causes(run)
        for number in range(len(run)):
            assert columns.cause(number) == causes.cause(number)
            assert list(columns.effects(number)) == list(causes.effects(number))
            assert columns.count(number) == causes.count(number)


def test_what_is_packed_is_all_there():
    columns = Columns(Script(1).record(3))
    raw, count = zlib.decompress(columns.pack()), len(columns)
    steps = array("d", raw[: 8 * count])
    assert [columns.times[0] + sum(steps[: n + 1]) for n in range(count)] == list(columns.times)
    assert array("I", raw[8 * count : 12 * count]) == columns.parents
    parts = [raw[start * count : (start + 1) * count] for start in range(12, 16)]
    assert parts == [columns.lanes, columns.control, columns.causes, columns.vms]
    assert len(raw) == 16 * count


def test_names_without_end_get_numbers_that_end():
    run: list[ev.Event] = [ev.Entry((n, 0), 1, None, 0, "S", f"vm{n}") for n in range(500)]
    run += [ev.CsrWrite((500 + n, 0), 1, None, f"csr{n}", 0, 1, 0) for n in range(500)]
    columns = Columns(Recording(run))
    assert len(columns.paths) <= 41
    assert len(columns.rows) <= 100
    assert max(columns.causes) < len(columns.kinds) <= 255
    assert columns.kinds[columns.causes[-1]].kind == "CsrWrite"


def test_several_vms_have_the_lanes_of_the_ladder():
    for busy in (bare, hosted):
        run = busy().run
        columns, ladder = Columns(run), Lanes(run)
        assert columns.rows == ladder.lanes
        assert list(columns.lanes) == [place.start for place in ladder.places]
        assert list(columns.control) == [place.after for place in ladder.places]
    assert [row.who for row in columns.rows[:3]] == ["machine", "host", "hypervisor"]


def test_routing_is_of_the_vm_that_it_is_for():
    run = hosted().run
    for event, vm in zip(run, vms(Columns(run)), strict=True):
        if event.kind == "Routing":
            assert vm == event.vm


@given(recordings(), st.floats(-10, 60), st.floats(-10, 60))
def test_any_run_has_columns(run, start, end):
    columns = Columns(run)
    assert len(columns.lanes) == len(columns.control) == len(columns.vms) == len(columns.causes) == len(run)
    assert all(lane < len(columns.rows) for lane in (*columns.lanes, *columns.control))
    assert all(number < len(columns.paths) for number in columns.vms)
    between = columns.between(start, end)
    assert between == range(bisect_left(columns.times, start), bisect_left(columns.times, end))
