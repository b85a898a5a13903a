from itertools import pairwise

import pytest

from tests.views.hosts import bare, hosted
from tests.views.recordings import Script, nested
from vlab import events as ev
from vlab.events import Recording
from vlab.views.runs.lanes import Lanes


def lane_names(recording):
    lanes = Lanes(recording)
    names = [lane.name for lane in lanes.lanes]
    return names, [(names[p.before], names[p.start], names[p.end], names[p.after]) for p in lanes.places]


@pytest.mark.parametrize(
    ("recording", "names"),
    [
        (Script(0).record(1), ["machine", "kernel", "process"]),
        (Script(1).record(1), ["machine", "hypervisor", "guest kernel", "guest process"]),
        (nested(1), ["machine", "hypervisor 0", "hypervisor 1", "guest kernel", "guest process"]),
    ],
)
def test_lanes_follow_the_depth(recording, names):
    assert lane_names(recording)[0] == names


def test_one_deep_a_system_call_goes_up_to_the_hypervisor_and_down_to_the_kernel():
    places = lane_names(Script(1).record(1))[1][:5]
    process, hypervisor, kernel = "guest process", "hypervisor", "guest kernel"
    assert places == [
        (process, process, hypervisor, hypervisor),  # the trap
        (hypervisor, hypervisor, hypervisor, hypervisor),  # the exit
        (hypervisor, hypervisor, kernel, hypervisor),  # the injection
        (hypervisor, hypervisor, hypervisor, hypervisor),  # the entry
        (hypervisor, hypervisor, kernel, kernel),  # the real sret
    ]


def test_two_deep_the_inner_hypervisor_is_the_outer_ones_guest():
    run = nested(1)
    names, places = lane_names(run)
    moves = [(p[1], p[2]) for p in places if p[1] != p[2]]
    outer, inner, kernel = "hypervisor 0", "hypervisor 1", "guest kernel"
    assert moves == [
        (kernel, outer),  # the guest kernel's instruction really traps to the outermost hypervisor,
        (outer, inner),  # which delivers the trap to the inner one,
        (outer, inner),  # and resumes it;
        (inner, outer),  # the inner one's own sret traps again,
        (outer, kernel),  # and only then does the guest kernel go on.
    ]
    assert names[0] == "machine"


def test_machine_events_have_the_machines_lane():
    run = Script(1).record(1)
    _names, places = lane_names(run)
    fills = [place for event, place in zip(run, places, strict=True) if isinstance(event, ev.TlbFill)]
    assert fills == [("guest kernel", "machine", "machine", "guest kernel")]


def test_the_first_event_that_tells_a_mode_tells_it_for_the_time_before():
    run = Script(1).record(1)
    assert lane_names(run[1:])[1][0][0] == "hypervisor"
    assert lane_names(run[5:])[1][0][0] == "guest kernel"
    assert lane_names(Recording())[0] == ["machine", "kernel", "process"]


def test_a_vm_that_runs_in_turn_has_its_own_inside():
    entries = [("outer", "U"), ("other", "S"), ("outer", "U")]
    run = [ev.Exit((0, 0), 2, None, "illegal", 2, 0, 0, "S"), ev.Return((0, 1), 0, None, "sret", 0, "S", "U")]
    for time, (vm, mode) in enumerate(entries, 1):
        run += [ev.Trap((time, 0), 0, None, 2, 0, 0, "U", "S"), ev.Entry((time, 1), 1, None, 0, mode, vm)]
        run += [ev.Return((time, 2), 0, None, "sret", 0, "S", "U")]
    names, places = lane_names(Recording(run))
    ran = [place[3] for event, place in zip(run, places, strict=True) if event.kind == "Return"]
    assert ran[1:] == ["guest kernel (outer)", "guest kernel (other)", "guest kernel (outer)"]
    assert names.count("guest kernel (outer)") == 1


RETURN = ev.Return((9, 0), 0, None, "sret", 0, "S", "U")


@pytest.mark.parametrize(
    ("tells", "runs"),
    [
        (ev.Injection((5, 0), 1, None, 8, 0, 0, "U", "S"), "guest kernel"),
        (ev.Injection((5, 0), 1, None, 8, 0, 0, "U", "M"), "guest kernel"),
        (ev.Exit((5, 0), 1, None, "ecall", 8, 0, 0, "U"), "guest process"),
        (ev.Exit((5, 0), 1, None, "illegal", 2, 0, 0, "M"), "guest kernel"),
        (ev.Entry((5, 0), 1, None, 0, "U"), "guest process"),
        (ev.Entry((5, 0), 1, None, 0, "M"), "guest kernel"),
        (ev.Return((5, 0), 1, None, "mret", 0, "M", "U"), "guest process"),
    ],
)
def test_the_last_event_that_tells_the_virtual_mode_says_who_runs(tells, runs):
    other = "S" if runs == "guest process" else "U"
    before = ev.Entry((1, 0), 1, None, 0, other)
    run = Recording([ev.Trap((0, 0), 0, None, 2, 0, 0, "U", "S"), before, tells, RETURN])
    assert lane_names(run)[1][-1] == ("hypervisor", "hypervisor", runs, runs)


def runner(name: str, mode: str) -> str:
    return f"guest process ({name})" if mode == "U" else f"guest kernel ({name})"


@pytest.mark.parametrize(("busy", "own"), [(bare, []), (hosted, ["process (count)", "process (nap)"])])
def test_of_several_vms_it_is_known_at_each_step_who_runs(busy, own):
    run, _resident, truth = busy()
    names, places = lane_names(run)
    vms = [f"guest {who} ({vm})" for vm in ("vm1", "vm2") for who in ("kernel", "process")]
    assert names == ["machine", *(["host"] if own else []), "hypervisor", *vms, *own]
    seen = set()
    for count, truly in truth.items():
        if count and truly:
            name, _space, mode = truly.partition(" ")
            seen.add(truly)
            assert places[count - 1][3] == (runner(name, mode) if mode else f"process ({name})")
        elif count:
            assert places[count - 1][3] in ("hypervisor", "host")
    assert len(seen) >= 4 + len(own)


def test_a_host_hands_traps_down_to_the_hypervisor_and_keeps_its_own():
    run = hosted().run
    _names, places = lane_names(run)
    for event, (before, start, end, after) in zip(run, places, strict=True):
        if event.kind == "Trap":
            assert after == "host"
        if event.kind == "Routing":
            assert (before, start) == ("host", "host")
            assert end == after == ("hypervisor" if event.to == "hypervisor" else "host")


@pytest.mark.parametrize("busy", [bare, hosted])
def test_world_switches_are_all_seen(busy):
    run, _resident, truth = busy()
    lanes = Lanes(run)
    runs = [truly.split(" ")[0] for truly in truth.values() if truly]
    changes = [(one, other) for one, other in pairwise(runs) if one != other]
    found = [tuple(lanes.switches[number]) for number in sorted(lanes.switches)]
    assert len(changes) > 3
    assert [change for change in found if change in changes] == found
    assert len(found) >= len(changes)


def test_an_interrupt_goes_to_the_vm_whose_turn_comes():
    timer = 1 << 63 | 5
    run = Recording(
        [
            ev.Exit((0, 0), 1, None, "x", 2, 0, 0, "S", "vm1"),
            ev.Injection((1, 0), 1, None, timer, 0, 0, "U", "S"),
            ev.Entry((2, 0), 1, None, 0, "S", "vm10"),
            ev.Exit((3, 0), 1, None, "x", 2, 0, 0, "S", "vm10"),
            ev.Injection((4, 0), 1, None, 8, 0, 0, "U", "S"),
            ev.Entry((5, 0), 1, None, 0, "S", "vm2"),
            ev.Return((6, 0), 0, None, "sret", 0, "S", "U"),
        ]
    )
    names, places = lane_names(run)
    assert places[1][1:3] == ("hypervisor", "guest kernel (vm10)")
    assert places[4][1:3] == ("hypervisor", "guest kernel (vm10)")
    assert names == ["machine", "hypervisor", "guest kernel (vm2)", "guest kernel (vm10)"]
