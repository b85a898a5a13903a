"""Snapshots: of the whole machine and of one VM, at any step, at any depth; and what a damaged one can do: nothing."""

from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.policies.setting import paged
from tests.hypervisor.programs import MEMORY
from tests.hypervisor.programs import guests as random_guests
from tests.hypervisor.towers import POLICIES, difference, end, finished, tower
from tests.parts import hypervisor_in
from vlab import guests
from vlab.hypervisor import Hypervisor
from vlab.language import VlabError
from vlab.machine import Computer, Machine, Snapshot, Stop
from vlab.machine.restoring import restore_residents
from vlab.machine.snapshot import Checker
from vlab.riscv import assemble

TINY = guests.load("tiny")
RESERVING = assemble(
    """
    li s1, 5
1:  la t0, x
    lr.d t1, (t0)
    addi t1, t1, 1
    ld t2, 8(t0)
    csrr t3, mscratch
    sc.d t4, t1, (t0)
    add s0, s0, t4
    addi s1, s1, -1
    bnez s1, 1b
    li t0, 0x100000
    li t1, 0x5555
    sw t1, (t0)
    .data
    .balign 4096
x:  .dword 0, 0
    """
)

EDITING = paged(
    "ld s4, (t0)\nsd t1, 8(t3)\nsd s4, 8(t0)\nsd x0, (t3)\nsfence.vma\nld s5, (t0)\nsd t1, (t3)\nld s6, (t0)"
)


def stops(machine):
    """Let a machine run to its end, step by step; the number of each stop."""
    number = 0
    while True:
        yield number
        before, number = machine.steps, number + 1
        if machine.step().steps == before:
            return


def machine_snapshots_resume(image, depth, every=1, shadow="lazy"):
    last = finished(image, depth, shadow=shadow).machine.snapshot()
    built = tower(image, depth, shadow=shadow)
    for stop in stops(built.machine):
        if stop % every == 0:
            saved = built.machine.snapshot()
            fresh = Machine(memory=built.machine.memory.size)
            fresh.restore(saved)
            assert difference(fresh.snapshot().state, saved.state) == []
            fresh.run()
            assert difference(fresh.snapshot().state, last.state) == []
    return stop


def test_a_machine_saved_at_every_step_goes_on_elsewhere():
    assert machine_snapshots_resume(TINY, 1) > 150


def test_a_machine_saved_at_some_steps_goes_on_elsewhere_two_deep():
    assert machine_snapshots_resume(TINY, 2, every=5) > 200
    assert machine_snapshots_resume(RESERVING, 2, every=5) > 50


@pytest.mark.parametrize(
    "policies", [("eager", "traced"), ("traced", "eager"), ("traced", "traced")], ids="-".join
)
def test_a_machine_saved_at_some_steps_goes_on_under_every_policy(policies):
    assert machine_snapshots_resume(TINY, 2, every=13, shadow=policies) > 200


@pytest.mark.parametrize("shadow", ["eager", "traced"])
def test_a_machine_whose_guest_edits_its_tables_goes_on_elsewhere(shadow):
    assert machine_snapshots_resume(EDITING, 1, every=3, shadow=shadow) > 100


@pytest.mark.slow
@pytest.mark.parametrize("image", [TINY, EDITING], ids=["tiny", "editing"])
@pytest.mark.parametrize(
    "policies", [("eager", "traced"), ("traced", "eager"), ("traced", "traced")], ids="-".join
)
def test_a_machine_saved_at_every_step_goes_on_under_every_policy(image, policies):
    machine_snapshots_resume(image, 2, shadow=policies)


@pytest.mark.slow
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("image", [TINY, RESERVING], ids=["tiny", "reserving"])
def test_a_machine_saved_at_every_step_goes_on_elsewhere_at_any_depth(image, depth):
    machine_snapshots_resume(image, depth)


def vm_snapshots_resume(image, depth, which, every=1):
    """A VM saved at any step goes on in another VM, deeper, less deep, and on the bare machine, if a guest is in it."""
    done = finished(image, depth)
    last, inner = end(done.vms[which]), end(done.guest)
    built = tower(image, depth)
    size = built.vms[which].memory.size
    for stop in stops(built.machine):
        if stop % every:
            continue
        saved = built.vms[which].snapshot()
        again = tower(image, depth)
        again.machine.run(37 * stop % 1500)  # wherever that is
        again.vms[which].restore(saved)
        assert difference(again.vms[which].snapshot().state, saved.state) == []
        again.machine.run()
        assert difference(end(again.vms[which]), last) == []
        assert difference(end(again.guest), inner) == []
        for elsewhere in (0, 1, 2):
            other = tower(None, elsewhere, memory=size)
            other.guest.restore(saved)
            other.machine.run()
            if which == depth - 1:
                assert difference(end(other.guest), last) == []
            else:
                assert other.machine.residents
    return stop


@pytest.mark.parametrize("image", [TINY, RESERVING], ids=["tiny", "reserving"])
def test_a_vm_saved_at_some_steps_goes_on_anywhere(image):
    vm_snapshots_resume(image, 1, 0, every=7)
    vm_snapshots_resume(image, 2, 1, every=23)
    vm_snapshots_resume(image, 2, 0, every=23)


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "which"), [(1, 0), (2, 0), (2, 1)])
@pytest.mark.parametrize("image", [TINY, RESERVING], ids=["tiny", "reserving"])
def test_a_vm_saved_at_every_step_goes_on_anywhere(image, depth, which):
    vm_snapshots_resume(image, depth, which)


@given(random_guests(), st.integers(0, 400), st.sampled_from((1, 2)))
@settings(max_examples=25)
def test_a_random_guest_moves_from_machine_to_vm_and_back(guest, steps, depth):
    bare = tower(guest.program, 0, memory=MEMORY)
    bare.machine.run(steps)
    saved = bare.guest.snapshot()
    if bare.machine.run(20_000) is Stop.LIMIT:
        return
    built = tower(None, depth, memory=MEMORY)
    built.guest.restore(saved)
    built.machine.run(20 * depth)
    back = Machine(memory=MEMORY)
    back.restore(built.guest.snapshot())
    for computer in (built.machine, back):
        computer.run(3_000_000)
    assert difference(end(built.guest), end(bare.guest)) == []
    assert difference(end(back), end(bare.guest)) == []


@pytest.mark.parametrize("depth", [1, 2])
def test_stepping_back_leads_to_every_stop(depth):
    built = tower(TINY, depth)
    machine, seen = built.machine, []
    for stop in stops(machine):
        if stop % (7 * depth) == 0:
            seen.append(machine.snapshot())
            if machine.step().time > seen[-1].time:
                machine.back()
                assert machine.snapshot() == seen[-1]
    for saved in reversed(seen):
        machine.goto(saved.state["time"] - saved.state["skipped"])
        assert machine.snapshot() == saved
        assert built.guest.time == saved_time(saved, depth)


def saved_time(saved, depth):
    """The guest's time in a machine's snapshot, of a VM that has nothing open: or what it says itself."""
    fresh = Machine(memory=saved.state["memory"]["size"])
    fresh.restore(saved)
    computer: Computer = fresh
    for _level in range(depth):
        computer = hypervisor_in(computer).vms[0]
    return computer.time


def test_a_snapshot_does_not_depend_on_who_looked():
    one, other = tower(TINY, 2), tower(TINY, 2)
    for _stop in zip(stops(one.machine), stops(other.machine), strict=True):
        for vm in one.vms:
            assert (vm.hart.pc, vm.time, vm.mode, repr(vm)) is not None
            vm.chain(0x4000_0000)
            vm.snapshot()
        assert one.machine.snapshot() == other.machine.snapshot()


def test_what_is_typed_to_a_guest_is_typed_again_in_a_replay():
    echo = assemble(
        "li t0, 0x10000000\n1: lbu t1, 5(t0)\nandi t1, t1, 1\nbeqz t1, 1b\nlbu a0, (t0)\nsb a0, (t0)\nj 1b"
    )
    built = tower(echo, 2)
    machine = built.machine
    machine.run(8000)
    built.guest.type("hi")
    machine.run(8000)
    now = machine.snapshot()
    assert built.guest.console == "hi"
    machine.goto(2000)
    assert built.guest.console == ""
    machine.goto(now.state["time"])
    assert built.guest.console == "hi"
    assert machine.snapshot() == now


def test_restoring_keeps_the_objects_that_the_reader_holds():
    built = tower(TINY, 2)
    built.machine.run(500)
    saved = built.machine.snapshot()
    built.machine.run()
    built.machine.restore(saved)
    hypervisor = built.vms[0].hypervisor
    assert built.machine.residents == dict.fromkeys(built.machine.residents, hypervisor)
    assert hypervisor.vms == [built.vms[0]]
    assert built.vms[1].hypervisor.vms == [built.vms[1]]
    built.machine.run()
    assert built.vms[1].console == "?!\n"


# Damage

OPTIONAL = ("current", "fence", "held", "tohost", "status", "satp", "since", "end", "written")
JUNK: tuple[Any, ...] = (None, True, -1, 1 << 64, 1.5, "x", b"x", [], [0], [[]], {}, {"x": 0}, (1, 2, 3))


def spots(state, path=()):
    """Every place in a state, as the way to it; of long lists and of memory's pages only the first ones."""
    yield path
    if isinstance(state, dict):
        for key in list(state)[:60]:
            yield from spots(state[key], (*path, key))
    elif isinstance(state, list):
        for index in range(min(len(state), 3)):
            yield from spots(state[index], (*path, index))


def put(state, path, value):
    """A copy of the state with something else there."""
    if not path:
        return value
    copy = dict(state) if isinstance(state, dict) else list(state)
    copy[path[0]] = put(state[path[0]], path[1:], value)
    return copy


def at(state, path):
    for key in path:
        state = state[key]
    return state


RUNNING = tower(TINY, 2)
RUNNING.machine.run(1700)
HOSTS = RUNNING.machine.snapshot()
SPOTS = [path for path in spots(HOSTS.state["residents"]["S"]["state"]) if path and "S" not in path]


def survivor():
    """A machine two deep in the midst of a run, to try damage on."""
    built = tower(TINY, 2)
    built.machine.run(900)
    return built


@given(st.sampled_from(SPOTS), st.sampled_from(JUNK))
@settings(max_examples=150)
def test_a_damaged_hypervisor_is_refused_and_nothing_changes(path, junk):
    refuses(path, junk)


@pytest.mark.slow
@pytest.mark.parametrize("path", SPOTS, ids=str)
def test_a_hypervisor_damaged_anywhere_is_refused_and_nothing_changes(path):
    for junk in JUNK:
        refuses(path, junk)


def refuses(path, junk):
    built = survivor()
    state = HOSTS.state["residents"]["S"]["state"]
    damaged = put(state, path, junk)
    before = built.machine.snapshot()
    hypervisor = built.vms[0].hypervisor
    if type(at(state, path)) is type(junk) or path[-1] in OPTIONAL or junk == (1, 2, 3):
        with suppress(VlabError):
            hypervisor.restore(damaged)  # it may be no damage
        return
    with pytest.raises(VlabError) as refused:
        hypervisor.restore(damaged)
    assert refused.value.where
    assert difference(built.machine.snapshot().state, before.state) == []
    assert hypervisor.vms == [built.vms[0]]
    assert hypervisor_in(built.vms[0]).vms == [built.vms[1]]


@given(st.data())
@settings(max_examples=150)
def test_a_damaged_snapshot_is_refused_or_runs_and_never_raises(data):
    machine = data.draw(st.booleans())
    source = HOSTS.state if machine else RUNNING.vms[data.draw(st.sampled_from((0, 1)))].snapshot().state
    every = list(spots(source))
    damaged = source
    for _damage in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(every))
        try:
            value = at(damaged, path)
        except (KeyError, IndexError, TypeError):
            continue
        near = (
            [value ^ 1, value ^ 1 << 62, 0, value + 1]
            if type(value) is int
            else [not value]
            if type(value) is bool
            else []
        )
        damaged = put(damaged, path, data.draw(st.sampled_from([*JUNK, *near])))
    built = survivor()
    target = built.machine
    if not machine:
        fitting = [vm for vm in built.vms if vm.memory.size == source["memory"]["size"]]
        target = fitting[0]
    before = target.snapshot()
    try:
        target.restore(Snapshot(damaged))
    except VlabError:
        assert difference(target.snapshot().state, before.state) == []
        return
    try:
        built.machine.run(5000)
        built.machine.snapshot()
        [vm.snapshot() for vm in built.vms]
    except VlabError:
        assert machine  # a hypervisor in ruins may say so; a VM's snapshot can't do that to its host


@given(st.data())
@settings(max_examples=60)
def test_damaged_shadows_of_any_policy_are_refused_or_run(data):
    policies = data.draw(st.sampled_from((("traced", "traced"), ("eager", "traced"), ("traced", "eager"))))
    built = tower(TINY, 2, shadow=policies)
    built.machine.run(1700)
    state = built.machine.snapshot().state["residents"]["S"]["state"]
    shadow = ("vms", 0, "technique", "shadow")
    path = data.draw(st.sampled_from([(*shadow, *rest) for rest in spots(at(state, shadow)) if rest]))
    junk = [*JUNK, *POLICIES, "stale-satp"]
    if type(at(state, path)) is int:
        junk += [at(state, path) ^ 4096, at(state, path) + 1, 0]
    before = built.machine.snapshot()
    try:
        built.vms[0].hypervisor.restore(put(state, path, data.draw(st.sampled_from(junk))))
    except VlabError:
        assert difference(built.machine.snapshot().state, before.state) == []
    with suppress(VlabError):
        built.machine.run(5000)
        built.machine.snapshot()


def test_a_vm_of_one_policy_goes_on_under_another():
    last = end(finished(EDITING, 0).guest)
    built = tower(EDITING, 1, shadow="traced")
    for stop in stops(built.machine):
        if stop % 11 == 0:
            other = tower(None, 1, shadow=POLICIES[stop % 3])
            other.guest.restore(built.guest.snapshot())
            other.run()
            assert difference(end(other.guest), last) == []


def test_a_machine_is_rewound_to_where_the_policy_was_another():
    machine = Machine(memory="4M")
    first = Hypervisor(machine).create_vm(TINY, memory="1M", shadow="traced", technique="stale-satp")
    machine.run(200)
    saved = machine.snapshot()
    Hypervisor(machine).create_vm(TINY, memory="1M", shadow="eager", technique="stale-satp")
    machine.run(100)
    machine.restore(saved)
    now = hypervisor_in(machine).vms[0]
    assert (now.technique.kind, now is first) == (("stale-satp", "traced"), False)
    assert machine.snapshot() == saved


def test_frames_that_overlap_are_refused():
    built = survivor()
    state = deepcopy(HOSTS.state["residents"]["S"]["state"])
    vm = state["vms"][0]
    for frames in (
        [vm["frames"][0]] * len(vm["frames"]),
        [frame + 1 for frame in vm["frames"]],
        vm["frames"] * 2,
    ):
        vm["frames"] = frames
        with pytest.raises(VlabError):
            built.vms[0].hypervisor.restore(state)


def test_a_snapshot_of_a_machine_with_another_size_is_refused():
    built = tower(TINY, 1)
    before = built.guest.snapshot()
    with pytest.raises(VlabError, match="bytes of memory"):
        built.guest.restore(built.machine.snapshot())
    assert built.guest.snapshot() == before


def test_a_machine_with_a_hypervisor_moves_into_a_vm():
    """A machine's snapshot, with its TLB and its hypervisor, goes on in a VM of the same size."""
    below = tower(TINY, 1)
    below.machine.run(300)
    saved = below.machine.snapshot()
    below.run()
    above = tower(None, 1, memory=below.machine.memory.size)
    above.guest.restore(saved)
    above.run()
    inner = hypervisor_in(above.guest).vms[0]
    assert difference(end(inner), end(below.guest)) == []


def test_residents_that_nobody_knows_are_refused():
    machine = Machine(memory="1M")
    with pytest.raises(VlabError, match="no resident"):
        restore_residents(machine, Checker({"S": {"kind": "stranger", "state": {}}}))
    assert machine.residents == {}


def test_a_readers_own_technique_is_rewound_where_it_was():
    from vlab.hypervisor import TrapAndEmulate

    class Own(TrapAndEmulate):
        name = "own"

    machine = Machine(memory="4M")
    vm = Hypervisor(machine).create_vm(TINY, memory="1M", technique=Own)
    machine.run(200)
    now = machine.snapshot()
    machine.run(100)
    machine.goto(now.time)
    assert machine.snapshot() == now
    assert type(vm.technique) is Own
    with pytest.raises(VlabError, match="no technique 'own'"):
        Machine(memory="4M").restore(now)
