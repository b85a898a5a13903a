import pytest

from vlab import events as ev
from vlab.views.runs.control import HOST, OWN, PROCESS, SUPERVISOR, Control

MACHINE = frozenset({("",)})
TIMER = 1 << 63 | 5
TRAP = ev.Trap((1, 0), 0, None, TIMER, 0, 0, "U", "S")
KEEP = ev.Routing((1, 1), 0, None, TIMER, "timer", "host")
HAND = ev.Routing((1, 1), 0, None, 2, "vm1", "hypervisor", "vm1")
EXIT = ev.Exit((1, 2), 1, None, "x", 2, 0, 0, "S", "vm1")
ENTRY = ev.Entry((1, 3), 1, None, 0, "S", "vm1")
SRET = ev.Return((1, 4), 0, None, "sret", 0, "S", "U")
MRET = ev.Return((1, 4), 0, None, "mret", 0, "M", "S")
INTO_S = ev.Return((1, 4), 0, None, "sret", 0, "S", "S")
OWN_SRET = ev.Return((1, 5), 0, None, "sret", 0, "S", "U")


@pytest.mark.parametrize(
    ("events", "place"),
    [
        ([TRAP], (HOST, 0)),
        ([TRAP, KEEP], (HOST, 0)),
        ([TRAP, HAND], (SUPERVISOR, 0)),
        ([TRAP, KEEP, EXIT], (SUPERVISOR, 0)),
        ([TRAP, HAND, EXIT, ENTRY], (SUPERVISOR, 0)),
        ([TRAP, HAND, EXIT, ENTRY, SRET], (SUPERVISOR, 1)),
        ([TRAP, KEEP, SRET], (OWN, 0)),
        ([TRAP, KEEP, EXIT, SRET], (OWN, 0)),
        ([TRAP, HAND, EXIT, ENTRY, SRET, TRAP], (HOST, 0)),
        ([MRET], (HOST, 0)),
        ([TRAP, KEEP, INTO_S], (OWN, 0)),
        ([TRAP, KEEP, INTO_S, OWN_SRET], (OWN, 0)),
    ],
)
def test_on_a_host_the_mode_alone_does_not_tell(events, place):
    control = Control(events, 1, MACHINE)
    for event in events:
        control.follow(event)
    assert control.place == place


def test_without_a_host_the_modes_tell():
    events = [TRAP, EXIT, ENTRY, SRET]
    control = Control(events, 1)
    for event in events:
        control.follow(event)
    assert control.place == (SUPERVISOR, 1)
    control.follow(ev.Return((2, 0), 1, None, "sret", 0, "S", "U"))
    assert control.place == (PROCESS, 2)


@pytest.mark.parametrize(
    ("events", "place"),
    [
        ([TRAP, HAND, EXIT], (SUPERVISOR, 1)),
        ([TRAP, KEEP, SRET], (OWN, 0)),
        ([TRAP, KEEP, ENTRY, SRET], (OWN, 0)),
        ([KEEP, SRET], (HOST, 0)),
    ],
)
def test_a_run_may_begin_anywhere(events, place):
    assert Control(events, 1, MACHINE).place == place
