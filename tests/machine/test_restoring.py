"""Restoring: all or nothing, whatever the snapshot holds."""

import copy
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.machine.programs import MASK, machine
from tests.machine.test_computer import Firmware
from tests.machine.test_snapshot import BUSY
from vlab.language import VlabError
from vlab.machine import RESIDENTS, Machine, Snapshot
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.riscv import Mode, assemble

JUNK: list[Any] = [
    None,
    -1,
    0,
    1,
    3,
    1 << 63,
    1 << 64,
    MASK,
    True,
    1.5,
    math.nan,
    "x",
    b"",
    b"x",
    [],
    [1],
    {},
    {"x": 1},
    {1: 2},
    set(),
    object,
]
Path = tuple[Any, ...]


def paths(part: Any, here: Path = ()) -> Iterator[Path]:
    """The way to every part of a state; of long lists of like things only to the first."""
    items: Any = ()
    if isinstance(part, dict):
        items = part.items()
    elif isinstance(part, list):
        items = list(enumerate(part))[:1]
    for name, inner in items:
        yield (*here, name)
        yield from paths(inner, (*here, name))


def damaged(state: Any, path: Path, junk: Any) -> Any:
    """A copy of the state with junk in this place; or without it, if the junk is `del`."""
    state = copy.deepcopy(state)
    part = state
    for name in path[:-1]:
        part = part[name]
    if junk == "del":
        del part[path[-1]]
    else:
        part[path[-1]] = junk
    return state


def running() -> Machine:
    m: Machine = machine(BUSY)
    m.run(70)
    m.reservation = (RAM_BASE + 8, 8)
    return m


WHOLE = running().snapshot()
STATE = {**WHOLE.state, "memory": {**WHOLE.state["memory"], "pages": dict(WHOLE.pages)}}  # as one from a file
PATHS = list(paths(STATE))


def survives(state: Any) -> None:
    """Restoring it is refused with nothing changed, or the machine is one that runs and can be saved again."""
    m = machine("j .")
    m.run(10)
    before = m.snapshot()
    try:
        m.restore(Snapshot(state))
    except VlabError:
        assert m.snapshot() == before
        assert m.run(5)
        return
    after = m.snapshot()
    m.restore(after)
    assert m.snapshot() == after
    m.run(50)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
def test_each_field_missing_or_junk(path):
    survives(damaged(STATE, path, "del"))
    for junk in JUNK:
        survives(damaged(STATE, path, junk))


@given(
    st.lists(
        st.tuples(st.sampled_from(PATHS), st.sampled_from([*JUNK, "del"]) | st.integers(0, MASK)), max_size=6
    )
)
def test_many_fields_at_once(damages):
    state = STATE
    for path, junk in damages:
        try:
            state = damaged(state, path, junk)
        except (KeyError, IndexError, TypeError, AttributeError):
            continue  # an earlier damage took this place away
    survives(state)


@pytest.mark.parametrize("junk", [None, 5, "x", [], {}])
def test_what_is_no_state_at_all(junk):
    survives(junk)


MISSHAPEN = [
    (("hart", "x"), [0] * 31),
    (("hart", "x"), [1] + [0] * 31),
    (("hart", "pc"), RAM_BASE + 2),
    (("hart", "mode"), 2),
    (("hart", "csr", "mstatus"), 2 << 11),
    (("hart", "csr", "satp"), 9 << 60),
    (("hart", "csr", "mepc"), 2),
    (("hart", "csr", "mip"), 1 << 7),
    (("hart", "csr", "pmpcfg0"), 2),
    (("skipped",), 1 << 40),
    (("time",), 1 << 63),
    (("reservation",), [RAM_BASE + 4, 8]),
    (("reservation",), [0, 8]),
    (("reservation",), [RAM_BASE, 16]),
    (("memory", "size"), PAGE),
    (("memory", "base"), 0),
    (("memory", "pages"), {256: bytes(PAGE)}),
    (("memory", "pages"), {0: bytes(PAGE + 1)}),
    (("memory", "pages"), {"0": bytes(PAGE)}),
    (("tlb", 0, "entries"), [[1 << 52, 0, 1]]),
    (("tlb", 0, "entries"), [[0, 1 << 44, 1]]),
    (("tlb", 0, "entries"), [[0, 0, 8]]),
    (("tlb", 0, "entries"), [[0, 0]]),
    (("tlb", 0, "mode"), 2),
    (
        ("tlb", 0),
        {
            "mode": 1,
            "paged": True,
            "sum": False,
            "mxr": False,
            "nested": True,
            "host_mxr": False,
            "entries": [],
        },
    ),
    (("residents",), {"M": {"kind": "nobody", "state": {}}}),
    (("residents",), {"X": {"kind": "nobody", "state": {}}}),
    (("residents",), {"M": {"kind": ["unhashable"], "state": {}}}),
]


@pytest.mark.parametrize(("path", "value"), MISSHAPEN, ids=lambda value: str(value)[:40])
def test_what_no_machine_can_be(path, value):
    m = machine("j .")
    with pytest.raises(VlabError):
        m.restore(Snapshot(damaged(STATE, path, value)))


def test_a_tlb_has_no_context_of_m_mode_with_v():
    m = Machine(assemble("j ."), extensions="H")
    m.run(9)
    context = {
        "mode": 1,
        "paged": True,
        "sum": False,
        "mxr": False,
        "nested": True,
        "host_mxr": False,
        "entries": [],
    }
    state = m.snapshot().state
    m.restore(Snapshot({**state, "tlb": [*state["tlb"], context]}))
    with pytest.raises(VlabError, match="no entry of a TLB"):
        m.restore(Snapshot({**state, "tlb": [{**context, "mode": 3}]}))


def test_a_snapshot_of_a_machine_of_another_size():
    with pytest.raises(VlabError, match="bytes of memory, and this one has"):
        Machine(memory="2M").restore(running().snapshot())


def test_an_interruption_leaves_the_machine_as_it_was(monkeypatch):
    m = running()
    before = m.snapshot()

    def interrupt(_state):
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(m.uart, "restore", interrupt)
    with pytest.raises(KeyboardInterrupt):
        m.restore(machine("nop").snapshot())
    assert m.snapshot() == before


def test_residents_come_back_and_those_already_there_stay_the_same_objects(monkeypatch):
    monkeypatch.setitem(RESIDENTS, Firmware.kind, Firmware)
    m = machine("j .")
    resident = Firmware(m)
    m.residents = {Mode.M: resident}
    resident.calls = 7
    snapshot = m.snapshot()
    resident.calls = 8
    m.restore(snapshot)
    assert (m.residents[Mode.M], resident.calls) == (resident, 7)
    other = Machine(memory="1M")
    other.restore(snapshot)
    made = other.residents[Mode.M]
    assert isinstance(made, Firmware)
    assert (made.calls, made.computer) == (7, other)
    other.restore(machine("j .").snapshot())
    assert other.residents == {}
