from hypothesis import given

from tests.views.hosts import bare, hosted
from tests.views.recordings import Script, nested, recordings
from vlab import events as ev
from vlab.views.runs.hosts import find_hosts, process_names


def test_a_host_is_where_routing_is_told():
    assert find_hosts(hosted().run.events, 1) == {("",)}
    for run in (bare().run, Script(1).record(2), nested(1)):
        assert find_hosts(run.events, 2) == frozenset()


def test_a_host_in_a_vm_is_found():
    events = [
        ev.Entry((0, 0), 1, None, 0, "S", "outer"),
        ev.Routing((1, 0), 1, None, 8, "shell", "host"),
    ]
    assert find_hosts(events, 1) == {("", "outer")}


def test_every_run_of_a_process_has_its_name():
    run, _host, truth = hosted()
    names = process_names(run.events, 1, frozenset({("",)}))
    told = {number: truth[number + 1] for number in names if number + 1 in truth}
    assert len(told) > 8
    assert {number: names[number] for number in told} == told
    assert set(names.values()) == {"count", "nap"}


def test_who_is_only_interrupted_is_known_by_its_page_table():
    timer = 1 << 63 | 5
    events: list[ev.Event] = [ev.CsrWrite((0, 0), 0, None, "satp", 0, 7, 0)]
    for time, cause in enumerate((timer, timer, 8, timer), 1):
        source = "timer" if cause == timer else "shell"
        events.append(ev.Return((time, 0), 0, None, "sret", 0, "S", "U"))
        events.append(ev.Trap((time, 1), 0, None, cause, 0, 0, "U", "S"))
        events.append(ev.Routing((time, 2), 0, None, cause, source, "host"))
    assert process_names(events, 0, frozenset({("",)})) == {1: "shell", 4: "shell", 7: "shell", 10: "shell"}


def test_of_very_many_processes_only_some_are_named():
    events: list[ev.Event] = []
    for time in range(200):
        events.append(ev.CsrWrite((time, 0), 0, None, "satp", 0, time, 0))
        events.append(ev.Return((time, 1), 0, None, "sret", 0, "S", "U"))
        events.append(ev.Trap((time, 2), 0, None, 8, 0, 0, "U", "S"))
        events.append(ev.Routing((time, 3), 0, None, 8, f"p{time}", "host"))
    names = process_names(events, 0, frozenset({("",)}))
    assert len(names) == 200
    assert len(set(names.values())) == 13
    assert "…" in names.values()


@given(recordings())
def test_any_run_is_looked_through(run):
    hosts = find_hosts(run.events, 3)
    names = process_names(run.events, 3, hosts)
    assert bool(hosts) == any(event.kind == "Routing" for event in run)
    assert all(-1 <= number < len(run) for number in names)
