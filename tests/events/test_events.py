"""Events: who caused what, stable ids, and that listening changes nothing."""

from collections import Counter
from itertools import pairwise
from typing import Any

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.programs import MEMORY
from tests.hypervisor.programs import guests as random_guests
from tests.hypervisor.towers import tower
from vlab import guests
from vlab.events import (
    CsrWrite,
    DeviceAccess,
    Emulation,
    Entry,
    EventSource,
    Exit,
    Injection,
    Recording,
    Return,
    ShadowFill,
    TlbFill,
    Trap,
)
from vlab.hypervisor import Hypervisor
from vlab.machine import Machine
from vlab.riscv import Cause

TINY, KERNEL = guests.load("tiny"), guests.load("kernel", TICK=200, LETTERS=1, PRIMES=100, WORK=50)
BUSY = guests.load("kernel", TICK=300, LETTERS=3, PRIMES=200)
TIMER = 1 << 63 | 5


class Script:
    """Events told by hand."""

    def __init__(self):
        self.time, self.stack = 0, 0
        self.source = EventSource(lambda: self.time, lambda: self.stack)
        self.run = Recording()
        self.source.listen(self.run.events.append)

    def tell(self, kind, level, *rest):
        self.time += 1
        return self.source.emit(kind, level, *rest)

    def trap(self, level=0, cause=8, pc=0x100, origin="U", kind=Trap):
        return self.tell(kind, level, cause, 0, pc, origin, "S")

    def back(self, level=0, pc=0x100, target="U"):
        return self.tell(Return, level, "sret", pc, "S", target)

    def exit(self, cause=2, level=1):
        trap = self.trap(level - 1, cause)
        return trap, self.tell(Exit, level, "reason", cause, 0, 0x100, "S", "vm1")

    def enter(self, level=1, vm="vm1"):
        self.tell(Entry, level, 0x100, "S", vm)
        return self.back(level - 1)

    def mark(self, level=0):
        return self.tell(CsrWrite, level, "sscratch", 0, 1, 0x104)


# Ids


def test_an_id_is_the_time_and_a_count_within_it():
    script = Script()
    for time, level in ((0, 0), (0, 0), (7, 1)):
        script.time = time
        script.source.emit(TlbFill, level, 1, 2, "load", "U")
    first, second, third = script.run
    assert [event.id for event in (first, second, third)] == [(0, 0), (0, 1), (7, 0)]
    assert (third.time, third.kind, third.level) == (7, "TlbFill", 1)


def test_with_no_listener_nothing_is_made():
    source = EventSource(lambda: 1 // 0)
    assert source.emit(TlbFill, 0, 1, 2, "load", "U") is None
    assert not source.on


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_replay_tells_the_same_events_with_the_same_ids(depth):
    built = tower(KERNEL, depth)
    with built.machine.events.record() as first:
        built.machine.run(6000)
    end = built.machine.steps
    built.machine.goto(0)
    with built.machine.events.record() as second:
        built.machine.goto(end)
    assert second.events == first.events
    assert len({event.id for event in first}) == len(first)
    assert all(one.id < other.id for one, other in pairwise(first))


# Causes, told by hand


def test_a_trap_opens_and_the_return_that_ends_its_handler_closes():
    script = Script()
    before, trap, inside, end, after = (
        script.mark(),
        script.trap(),
        script.mark(),
        script.back(),
        script.mark(),
    )
    assert (before.parent, trap.parent, after.parent) == (None, None, None)
    assert inside.parent == end.parent == trap.id


def test_a_trap_in_a_handler_is_inside_it():
    script = Script()
    outer = script.trap()
    inner = script.trap(pc=0x200, origin="S")
    script.mark()
    script.back(pc=0x204, target="S")  # past the instruction that trapped
    later = script.mark()
    script.back()
    assert (inner.parent, script.run[2].parent, later.parent) == (outer.id, inner.id, outer.id)
    assert script.mark().parent is None


def test_an_interrupt_follows_from_nothing_and_what_it_interrupted_goes_on():
    script = Script()
    call = script.trap()
    tick = script.trap(cause=TIMER, pc=0x300, origin="S")
    during = script.mark()
    script.back(pc=0x300, target="S")
    after = script.mark()
    assert (tick.parent, during.parent, after.parent) == (None, tick.id, call.id)


def test_a_tick_may_lead_to_another_process_and_back():
    """Two processes are interrupted in their system calls, at the same pc, on stacks of their own."""
    script = Script()
    calls = []
    for stack in (1000, 2000):
        script.stack = stack
        calls.append(script.trap())
        script.trap(cause=TIMER, pc=0x300, origin="S")
        script.back(pc=0x4000)  # to the other process, in U mode
        assert script.mark().parent is None
    for stack, call in zip((1000, 2000), calls, strict=True):
        script.trap(cause=TIMER)
        script.stack = stack
        script.back(pc=0x300, target="S")
        assert script.mark().parent == call.id
        script.back()


def test_an_exit_is_inside_the_trap_and_all_that_the_hypervisor_does_is_inside_the_exit():
    script = Script()
    trap, left = script.exit()
    emulation = script.tell(Emulation, 1, 0x100, 0, "csrw", "S", ())
    injection = script.trap(1, kind=Injection)
    write = script.mark()
    script.enter()
    assert left.parent == trap.id
    assert emulation.parent == injection.parent == write.parent == left.id
    assert [event.parent for event in script.run.events[-2:]] == [left.id, left.id]  # entry and sret
    trap, left = script.exit()  # the guest's handler runs, and exits
    assert (trap.parent, left.parent) == (injection.id, trap.id)
    script.tell(Return, 1, "sret", 0x100, "S", "U")
    script.enter()
    assert script.exit()[0].parent is None


def test_a_timer_exit_leads_to_the_interrupt_that_is_injected_for_it():
    script = Script()
    trap, left = script.exit(TIMER)
    injection = script.trap(1, TIMER, kind=Injection)
    assert (trap.parent, left.parent, injection.parent) == (None, trap.id, left.id)
    script.enter()
    _trap, left = script.exit()  # one that was held back comes when the guest enables interrupts
    held_back = script.trap(1, TIMER, origin="S", kind=Injection)
    assert held_back.parent is None


def test_another_guest_has_its_own_past():
    script = Script()
    script.exit()
    script.enter(vm="first")
    script.exit()
    script.trap(1, kind=Injection)  # and then it is switched off in its handler
    script.enter(vm="second")
    assert script.exit()[0].parent is None


def test_what_is_put_in_its_place_has_no_past():
    script = Script()
    script.exit()
    script.trap(1, kind=Injection)
    script.enter()
    script.source.forget(1)
    assert script.mark().parent is None
    script.trap()
    script.source.forget()
    assert script.mark().parent is None


def test_traps_that_never_return_do_not_pile_up():
    script = Script()
    for pc in range(0, 4000, 4):
        script.stack = pc
        script.trap(pc=pc, origin="M")
    first, last = script.run[-2], script.run[-1]
    assert last.parent == first.id
    software = script.source._levels[0]
    assert len(software.open) <= 64
    assert len(software.interrupted) <= 64


# Causes, in real runs


class KernelsOwn:
    """Who causes an exit, by the small kernel's own stacks: the call of the process on whose stack it happens."""

    def __init__(self, computer, level, symbols):
        self.stacks = {
            name: range(symbols[name] + 1, symbols[name] + 1025)
            for name in ("idle_stack", "stack_1", "stack_2")
        }
        self.hart, self.level = computer.hart, level
        self.contexts: dict[str, list[Any]] = {name: [] for name in self.stacks}
        self.now = None
        self.owners = {}

    def stack(self, pointer):
        return next((name for name, inside in self.stacks.items() if pointer in inside), None)

    def __call__(self, event):
        if event.level != self.level:
            return
        match event:
            case Exit(mode="S"):
                self.now = self.stack(self.hart.x[2]) or self.now
                if self.now and self.contexts[self.now] and not event.interrupt:
                    self.owners[event.id] = self.contexts[self.now][-1]
            case Trap():
                name = self.stack(self.hart.csr.values["sscratch"] if event.origin == "U" else self.hart.x[2])
                if name:
                    self.contexts[name].append(None if event.interrupt else event.id)
            case Return(instruction="sret") if self.now and self.contexts[self.now]:
                self.contexts[self.now].pop()


@pytest.mark.parametrize(
    ("depth", "image", "counts"), [(1, BUSY, (14, 5)), (2, KERNEL, (8, 2))], ids=["1", "2"]
)
def test_the_exits_of_a_call_are_those_that_the_kernel_makes_on_the_callers_stack(depth, image, counts):
    """Also where a tick stops the call, other processes run, and it goes on later."""
    built = tower(image, depth)
    own = KernelsOwn(built.guest, depth, image.symbols)
    built.machine.events.listen(own)
    with built.machine.events.record() as run:
        built.run()
    calls = [event for event in run.only(Injection, level=depth) if event.cause == Cause.ECALL_FROM_U]
    written = 0
    for call in calls:
        mine = {event.id for event in run.caused_by(call) if event.id in own.owners}
        theirs = {event for event, owner in own.owners.items() if owner == call.id}
        if len(theirs) > 20:  # a `write`; yield, sleep and exit end in another's trap
            assert mine == theirs
            written += 1
    assert (len(calls), written) == counts


@pytest.mark.parametrize("depth", [1, 2])
def test_every_exit_follows_from_the_real_trap_of_its_level(depth):
    built = tower(KERNEL, depth)
    with built.machine.events.record() as run:
        built.run()
    events: dict[Any, Any] = {event.id: event for event in run}
    for event in run:
        cause: Any = events.get(event.parent)
        if isinstance(event, Exit):
            assert isinstance(cause, Trap) and cause.level == event.level - 1
            assert cause.cause == event.cause
            assert (cause.value, cause.pc) == (event.value, event.pc)
        if isinstance(event, Emulation | ShadowFill | Entry):
            assert isinstance(cause, Exit) or event.kind == "Entry"
            assert cause is None or cause.level == event.level or event.kind == "Entry"
        if isinstance(event, ShadowFill):
            assert (cause.reason, cause.value) == ("shadow fill", event.gva)
        if isinstance(event, DeviceAccess) and event.level:
            assert cause.reason == "device access"


@pytest.mark.parametrize("depth", [1, 2])
def test_entries_and_exits_take_turns_and_are_counted(depth):
    built = tower(KERNEL, depth)
    with built.machine.events.record() as run:
        built.run()
    for level, vm in enumerate(built.vms, 1):
        turns = [event.kind for event in run.only(Exit, Entry, level=level)]
        assert set(turns[::2]) == {"Entry"}
        assert set(turns[1::2]) == {"Exit"}
        assert Counter(event.reason for event in run.only(Exit, level=level)) == vm.exits
        assert {event.vm for event in run.only(Entry, level=level)} == {vm.name}
    reasons = Counter(event.reason for event in run.only(Exit))
    assert len(run.only(ShadowFill)) == reasons["shadow fill"]
    emulated = sum(reasons[reason] for reason in ("privileged instruction", "device access"))
    assert len(run.only(Emulation)) == emulated
    assert len(run.only(Trap, level=0)) == len(run.only(Exit, level=1)) == len(run.only(Return, level=0)) - 1


def test_everything_that_a_call_caused_two_deep_hangs_below_it():
    built = tower(TINY, 2)
    with built.machine.events.record() as run:
        built.run()
    (call,) = [event for event in run.only(Exit, level=2) if event.reason == "system call"]
    caused = run.caused_by(call)
    assert {event.id for event in caused} == networkx.descendants(run.graph(), call.id)
    assert len(caused.only(Exit, level=1)) > len(caused.only(Exit, level=2)) > 3
    (injection,) = caused.only(Injection, level=2)
    assert injection.cause == Cause.ECALL_FROM_U
    assert {event.id for event in run.caused_by(injection)} < {event.id for event in caused}


def test_two_guests_in_one_recording_do_not_mix():
    machine = Machine(memory="8M")
    hypervisor = Hypervisor(machine)
    with machine.events.record() as run:
        for _guest in range(2):
            hypervisor.create_vm(TINY, memory="1M")
            machine.run()
    roots = [event for event in run.only(Injection) if event.parent is None]
    assert len(run.only(Injection)) == len(roots) == 4
    assert [event.vm for event in run.only(Entry)][::39] == ["vm1", "vm2"]


# Listening


def test_listening_changes_nothing():
    for image, depth in ((TINY, 0), (KERNEL, 1), (TINY, 2), (guests.load("device_noise", ROUNDS=100), 1)):
        quiet, heard = tower(image, depth), tower(image, depth)
        quiet.run()
        with heard.machine.events.record() as run:
            heard.run()
        assert len(run)
        assert heard.machine.snapshot() == quiet.machine.snapshot()


@given(random_guests(), st.sampled_from((0, 1, 2)))
@settings(max_examples=25)
def test_listening_to_a_random_guest_changes_nothing(guest, depth):
    quiet, heard = tower(guest.program, depth, memory=MEMORY), tower(guest.program, depth, memory=MEMORY)
    quiet.machine.run(5000)
    with heard.machine.events.record():
        heard.machine.run(5000)
    assert heard.machine.snapshot() == quiet.machine.snapshot()


def test_recordings_may_overlap():
    script = Script()
    with script.source.record() as outer:
        script.mark()
        with script.source.record() as inner:
            script.mark()
        script.mark()
    assert (len(outer), len(inner), len(script.run)) == (3, 1, 3)
    script.source.unlisten(script.run.events.append)
    assert not script.source.on
    script.source.unlisten(script.run.events.append)


# Recordings


@pytest.fixture
def recording():
    script = Script()
    script.exit()
    script.trap(1, kind=Injection)
    script.enter()
    script.exit()
    script.tell(ShadowFill, 1, 1, 2, 3, "flags", "load")
    script.enter()
    return script.run


def test_a_recording_is_a_list_of_events(recording):
    assert len(recording) == len(list(recording)) == 10
    assert recording[0].kind == "Trap"
    assert isinstance(recording[2:4], Recording)
    assert [event.kind for event in recording[2:4]] == ["Injection", "Entry"]
    assert repr(recording) == "10 events: Entry 2, Exit 2, Injection 1, Return 2, ShadowFill 1, Trap 2"
    assert repr(Recording()) == "0 events: none"


def test_only_some_kinds_hang_together_through_those_left_out(recording):
    exits = recording.exits
    assert [event.kind for event in exits] == ["Exit", "Injection", "Exit"]
    first, injection, second = exits
    assert (first.parent, injection.parent, second.parent) == (None, first.id, injection.id)
    assert [event.kind for event in recording.only(level=0)] == ["Trap", "Return", "Trap", "Return"]
    assert len(recording.only(Trap)) == 3  # an injection is a trap as well
    assert len(recording.only(Trap, level=1)) == 1


def test_the_graph_leads_from_cause_to_effect(recording):
    graph = recording.graph()
    assert len(graph) == 10
    assert networkx.is_forest(graph.to_undirected())
    fill = recording[7]
    assert graph.nodes[fill.id] == {
        "event": fill,
        "kind": "ShadowFill",
        "time": fill.time,
        "level": 1,
        "gva": 1,
        "gpa": 2,
        "hpa": 3,
        "flags": "flags",
        "access": "load",
    }
    assert fill.id in networkx.descendants(graph, recording[0].id)
    assert fill.id in {event.id for event in recording.caused_by(recording[0])}
    assert list(recording.caused_by(fill)) == []


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_causes_come_before_effects_and_make_a_forest(depth):
    built = tower(KERNEL, depth)
    with built.machine.events.record() as run:
        built.machine.run(20_000)
    for part in (run, run.exits, run.only(Trap), run[100:]):
        graph = part.graph()
        assert all(cause < effect for cause, effect in graph.edges)
        assert not len(graph) or networkx.is_forest(graph)


def test_apart_nobody_else_hears_and_what_was_open_stays_open():
    source = EventSource(lambda: 7)
    with source.record() as run:
        source.emit(Trap, 0, 2, 0, 0x80, "U", "S")
        with source.apart() as ahead:
            source.emit(Return, 0, "sret", 0x80, "S", "U")
            source.emit(CsrWrite, 0, "satp", 0, 1, 0)
        source.emit(CsrWrite, 0, "satp", 0, 1, 0)
    assert [event.parent for event in ahead] == [(7, 0), None]
    assert [(event.id, event.parent) for event in run] == [((7, 0), None), ((7, 1), (7, 0))]


def test_only_so_many_events_of_a_guest_that_traps_for_ever_are_kept(monkeypatch):
    monkeypatch.setattr("vlab.events.recording.MOST", 10)
    machine = Machine(memory="1M")  # a word of zeros traps, and so does its handler
    with machine.events.record() as events:
        machine.run(100)
    assert len(events) == 10
    assert events.missed > 50
    assert repr(events).endswith(". Only the first 10 events were kept.")
    assert events.missing() in repr(events)
    assert events.only(Trap).missing() == ""
