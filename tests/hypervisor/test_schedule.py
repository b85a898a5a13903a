"""Several guests on one hart: shared by weight, and no guest can tell that it isn't alone."""

from copy import deepcopy
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.inspector import inspect, own_frames
from tests.hypervisor.programs import MEMORY
from tests.hypervisor.programs import guests as random_guests
from tests.hypervisor.towers import difference, end, finished, tower
from tests.parts import hypervisor_in
from vlab import guests
from vlab.hypervisor import Hypervisor
from vlab.hypervisor.host import Host
from vlab.language import VlabError
from vlab.machine import Machine, Stop
from vlab.machine.memory import PAGE
from vlab.riscv import assemble

TINY, KERNEL = guests.load("tiny"), guests.load("kernel", TICK=200, LETTERS=1, PRIMES=100, WORK=50)
BUSY = assemble("1: addi s0, s0, 1\nj 1b")
_RESERVING = (
    "la t0, x\nli s1, {times}\n1: lr.d t1, (t0)\naddi t1, t1, 1\nnop\nnop\nsc.d t2, t1, (t0)\nadd s0, s0, t2\n"
    "addi s1, s1, -1\nbnez s1, 1b\nli t0, 0x100000\nli t1, 0x5555\nsw t1, (t0)\n.data\n.balign 8\nx: .dword 0"
)
LONG_RESERVING, RESERVING = (assemble(_RESERVING.format(times=times)) for times in (9000, 50))


def several(images, *, depth=1, memory=1 << 20, time_slice=5000, weights=None):
    """So many guests side by side, at some depth: the machine, the hypervisor, and the guests."""
    inside = Hypervisor.memory_for(memory) * len(images)
    machine = Machine(memory=inside if depth == 1 else Hypervisor.memory_for(inside))
    computer = machine if depth == 1 else Hypervisor(machine).create_vm(memory=inside)
    hypervisor = Hypervisor(computer, time_slice=time_slice)
    weights = weights or [1] * len(images)
    vms = [
        hypervisor.create_vm(image, memory=memory, weight=weight)
        for image, weight in zip(images, weights, strict=True)
    ]
    return machine, hypervisor, vms


@pytest.mark.parametrize("weights", [(1, 1), (1, 3), (5, 2, 1)])
def test_busy_guests_share_the_hart_by_weight(weights):
    machine, _hypervisor, vms = several([BUSY] * len(weights), weights=weights, time_slice=500)
    machine.run(200_000)
    shares = [vm.time / weight for vm, weight in zip(vms, weights, strict=True)]
    assert max(shares) < 1.05 * min(shares)
    assert sum(vm.time for vm in vms) > 190_000


def test_a_guest_pays_for_the_work_on_its_exits():
    machine, _hypervisor, (calm, noisy) = several([BUSY, guests.load("trap_forever")], time_slice=500)
    machine.run(100_000)
    assert 45_000 < calm.time < 55_000
    assert noisy.time < calm.time / 2


def test_who_slept_or_stood_still_does_not_hoard():
    machine, _hypervisor, (first, second) = several([BUSY, BUSY], time_slice=500)
    second.pause()
    machine.run(100_000)
    assert (second.time, first.exits["time slice"]) == (0, 0)
    second.resume()
    machine.run(20_000)
    assert 9_000 < second.time < 11_000


def test_a_new_guest_starts_level_with_the_others():
    machine, hypervisor, (first, _second) = several([BUSY, None], time_slice=500)
    machine.run(50_000)
    hypervisor.vms[1].load(BUSY)
    machine.run(20_000)
    assert 9_000 < hypervisor.vms[1].time < 11_000
    assert first.time < 62_000


def test_a_guest_that_sleeps_lets_others_run():
    ticking = assemble(
        "li t0, 1<<7\ncsrw mie, t0\n1: li t0, 0x200bff8\nld t1, (t0)\naddi t1, t1, 1000\n"
        "li t0, 0x2004000\nsd t1, (t0)\nwfi\naddi s0, s0, 1\nj 1b"
    )
    machine, _hypervisor, (busy, idle) = several([BUSY, ticking], time_slice=500)
    machine.run(100_000)
    assert busy.time > 85_000
    assert 50 < idle.hart.x[8] < 110


def test_alone_a_guest_has_no_turns():
    machine, _hypervisor, (first, second) = several([BUSY, TINY], time_slice=100)
    machine.run(20_000)
    assert second.status == 0
    before = first.exits["time slice"]
    machine.run(20_000)
    assert first.exits["time slice"] <= before + 1


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("time_slice", [1, 2, 3, 7, 50])
def test_at_any_slice_a_guest_ends_as_if_alone(depth, time_slice):
    images = [TINY, RESERVING, TINY]
    machine, _hypervisor, vms = several(images, depth=depth, time_slice=time_slice, weights=(1, 2, 3))
    assert machine.run(3_000_000) is Stop.ASLEEP
    for vm, image in zip(vms, images, strict=True):
        assert vm.exits.pop("time slice", 0) > 0
        assert difference(end(vm), end(finished(image, 0).guest)) == []
        assert vm.exits == finished(image, 1).vms[0].exits


@given(
    st.lists(random_guests(), min_size=2, max_size=3),
    st.lists(st.integers(1, 9), min_size=3, max_size=3),
    st.integers(1, 60),
    st.sampled_from((1, 1, 1, 2)),
)
@settings(max_examples=20)
def test_random_guests_side_by_side(those, weights, time_slice, depth):
    bare = [tower(guest.program, 0, memory=MEMORY) for guest in those]
    if any(one.machine.run(10_000) is Stop.LIMIT for one in bare):
        return
    images = [guest.program for guest in those]
    machine, _hypervisor, vms = several(
        images, depth=depth, memory=MEMORY, time_slice=time_slice, weights=weights[: len(those)]
    )
    assert machine.run(3_000_000) is not Stop.LIMIT
    for vm, alone in zip(vms, bare, strict=True):
        assert difference(end(vm), end(alone.guest)) == []


def test_hypervisors_side_by_side():
    """Two VMs, each with a hypervisor and two guests: nobody is stopped in the middle of a hypervisor's work."""
    inside = 2 * Hypervisor.memory_for(1 << 20)
    machine = Machine(memory=2 * Hypervisor.memory_for(inside))
    outer = Hypervisor(machine, time_slice=37)
    inner = [Hypervisor(outer.create_vm(memory=inside), time_slice=23) for _number in range(2)]
    vms = [hypervisor.create_vm(image, memory="1M") for hypervisor in inner for image in (TINY, RESERVING)]
    assert machine.run(3_000_000) is Stop.ASLEEP
    for vm, image in zip(vms, [TINY, RESERVING] * 2, strict=True):
        assert difference(end(vm), end(finished(image, 0).guest)) == []


def test_a_resident_is_never_left_between_two_of_its_instructions():
    """As above, with a limit that is heard: one left in the middle would never come back."""
    inside = 2 * Hypervisor.memory_for(1 << 20)
    machine = Machine(memory=2 * Hypervisor.memory_for(inside))
    outer = Hypervisor(machine, time_slice=37)
    inner = [Hypervisor(outer.create_vm(memory=inside), time_slice=23) for _number in range(2)]
    vms = [hypervisor.create_vm(TINY, memory="1M") for hypervisor in inner for _number in range(2)]
    machine.run(1000)

    def limit(_event):
        assert machine.steps < 60_000

    machine.events.listen(limit)
    machine.run()
    assert [vm.console for vm in vms] == ["?!\n"] * 4


def test_a_run_is_rewound_and_saved_between_turns():
    machine, _hypervisor, vms = several([TINY, KERNEL], time_slice=13, weights=(2, 1))
    seen = []
    while machine.run(501) is Stop.LIMIT:
        seen.append(machine.snapshot())
    last = machine.snapshot()
    for saved in reversed(seen):
        machine.goto(saved.time - saved.state["skipped"])
        assert machine.snapshot() == saved
    other = Machine(memory=machine.memory.size)
    other.restore(seen[3])
    other.run()
    assert difference(other.snapshot().state, last.state) == []
    assert [vm.weight for vm in vms] == [2, 1]


# Pausing, removing


def test_who_is_paused_stands_still_and_goes_on_as_if_nothing_had_been():
    for steps in (0, 100, 1234):
        built = tower(KERNEL, 2)
        built.machine.run(steps)
        vm = built.vms[1]
        vm.pause()
        before = end(vm)
        assert built.machine.run(100_000) is Stop.ASLEEP
        assert (vm.paused, difference(end(vm), before)) == (True, [])
        vm.resume()
        built.run()
        assert difference(end(vm), end(finished(KERNEL, 0).guest)) == []


@pytest.mark.parametrize("weight", [0, -1, 10_001, 1.5, True, "1", None])
def test_weights_that_are_none(weight):
    machine = Machine(memory="4M")
    with pytest.raises(VlabError, match="is no weight"):
        Hypervisor(machine).create_vm(memory="1M", weight=weight)
    assert hypervisor_in(machine).vms == []


def test_who_is_removed_leaves_nothing_to_the_next():
    machine, hypervisor, (first, second) = several([KERNEL, BUSY], time_slice=300)
    machine.run(5000)
    frames = {*first.memory.frames, *first.technique.frames}
    hypervisor.remove(first)
    assert all(machine.memory.peek(frame * PAGE, PAGE) == bytes(PAGE) for frame in frames)
    assert not own_frames(second) & frames
    for act in (first.pause, first.log_writes, lambda: first.load(TINY), lambda: hypervisor.remove(first)):
        with pytest.raises(VlabError, match="no more"):
            act()
    assert not first.memory.holds(first.memory.base)
    again = hypervisor.create_vm(KERNEL, memory="1M")
    assert (set(again.memory.frames) <= frames, again.name) == (True, "vm3")
    second.pause()
    looks = 0
    while machine.run(50) is Stop.LIMIT:
        looks += inspect(machine, [again]) > 0
    assert looks > 100
    assert difference(end(again), end(finished(KERNEL, 0).guest)) == []


def test_the_tables_of_who_is_removed_are_used_no_more():
    """The next one's root is in the very same frame, its memory is not: the TLB must not lead to the first's."""
    machine = Machine(memory=Hypervisor.memory_for(1 << 20))
    hypervisor = Hypervisor(machine)
    first = hypervisor.create_vm(BUSY, memory="1M")
    machine.run(2000)
    root, frames = machine.hart.csr.values["satp"], set(first.memory.frames)
    hypervisor.remove(first)
    filler = hypervisor.create_vm(memory="512K")
    second = hypervisor.create_vm(TINY, memory="256K")
    assert second.memory.frames[0] != min(frames) == filler.memory.frames[0]
    machine.run(20)
    assert machine.hart.csr.values["satp"] == root
    machine.run(20_000)
    assert (second.console, second.exits["guest fault"]) == (
        "?!\n",
        finished(TINY, 1).vms[0].exits["guest fault"],
    )


def test_a_guest_in_scattered_frames():
    machine, hypervisor, vms = several([None] * 4, time_slice=100)
    for vm in (vms[0], vms[2]):
        hypervisor.remove(vm)
    wide = hypervisor.create_vm(KERNEL, memory=1 << 22)
    assert len(list(wide.memory.runs())) > 1
    machine.run()
    assert difference(end(wide), end(finished(KERNEL, 0, memory=1 << 22).guest)) == []
    saved = machine.snapshot()
    other = Machine(memory=machine.memory.size)
    other.restore(saved)
    assert difference(other.snapshot().state, saved.state) == []


ACTS = {
    "pause": lambda vm: vm.pause(),
    "resume": lambda vm: vm.resume(),
    "remove": lambda vm: vm.hypervisor.remove(vm),
    "clone": lambda vm: vm.clone(),
    "log": lambda vm: vm.log_writes(),
    "load": lambda vm: vm.load(TINY),
    "restore": lambda vm: vm.restore(vm.snapshot()),
    "hypervisor": Hypervisor,
}


@cache
def left_alone(depth):
    """How the kernel ends if nobody hears it, and its exits."""
    (vm,) = finished(KERNEL, depth).vms[-1:]
    return end(vm), vm.exits


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("act", ACTS)
def test_nothing_is_done_by_hand_in_the_middle_of_an_instruction(act, depth):
    """Where an event is heard, the machine is at work: what can't be done there is refused, and nothing happens."""
    built = tower(KERNEL, depth)
    vm = built.vms[-1]
    refused: list[int] = []

    def hears(_event):
        if len(refused) < 300 and vm.exits:
            with pytest.raises(VlabError, match="in the middle of an instruction"):
                ACTS[act](vm)
            refused.append(1)

    built.machine.events.listen(hears)
    built.run()
    assert len(refused) == 300
    assert (difference(end(vm), left_alone(depth)[0]), vm.exits) == ([], left_alone(depth)[1])


def test_by_hand_in_until_is_well():
    built = tower(KERNEL, 2)
    vm = built.vms[-1]

    def until():
        if built.machine.steps > 3000 and not vm.paused:
            vm.pause()
        return False

    assert built.machine.run(until=until) is Stop.ASLEEP
    vm.resume()
    built.run()
    assert difference(end(vm), end(finished(KERNEL, 0).guest)) == []


@pytest.mark.parametrize("slept", [0, 1])
@pytest.mark.parametrize("depth", [1, 2])
def test_what_is_reserved_outlives_other_guests_turns(depth, slept):
    """Each takes turns in the middle of the other's `lr` and `sc`, at one address: no `sc` ever fails for it."""
    images = [RESERVING] * 3
    machine, _hypervisor, vms = several(images, depth=depth, time_slice=1 + slept)
    machine.run()
    assert [(vm.hart.x[8], vm.exits["time slice"] > 20) for vm in vms] == [(0, True)] * 3


def test_what_is_reserved_outlives_the_turns_of_a_hosts_processes():
    machine = Machine(memory="16M")
    host = Host(machine)
    host.install_hypervisor()
    vms = [host.create_vm(LONG_RESERVING, memory="1M") for _number in range(2)]
    machine.run()
    assert [vm.hart.x[8] for vm in vms] == [0, 0]
    assert all(vm.exits["time slice"] > 20 for vm in vms)


# Damage

# By part of a hypervisor's state and name in it (None: the whole part).
DAMAGE: dict[tuple[str, str | None], list[Any]] = {
    ("account", "weight"): [0, -1, 10_001, None, "1", 1.5, True],
    ("account", "spent"): [-1, 1 << 96, None, "x"],
    ("account", "absent"): [0, None, "x"],
    ("account", "paused"): [0, None, "x"],
    ("schedule", "time_slice"): [-1, 1 << 97, None, "x", []],
    ("schedule", "floor"): [-1, 1 << 97, None, "x", []],
    ("schedule", "since"): [-1, 1 << 66, "x", [], False],
    ("schedule", "end"): [-1, 1 << 66, "x", [], False],
    ("written", None): [3, "x", {}, [-1], [256], [1 << 64], [None], [1.5], [[0]], [True]],
    ("account", None): [None, [], 3, {}, "x"],
    ("schedule", None): [None, [], 3, {}, "x"],
}


@pytest.mark.parametrize(
    ("part", "name", "junk"), [(*place, junk) for place, all_junk in DAMAGE.items() for junk in all_junk]
)
def test_damaged_turns_and_logs_are_refused_and_nothing_changes(part, name, junk):
    machine, hypervisor, vms = several([BUSY, BUSY], time_slice=100)
    vms[0].log_writes()
    machine.run(5000)
    before = machine.snapshot()
    state = deepcopy(hypervisor.state())
    place = state if part == "schedule" else state["vms"][0]
    if name is None:
        place[part] = junk
    else:
        place[part][name] = junk
    with pytest.raises(VlabError) as refused:
        hypervisor.restore(state)
    assert refused.value.where
    assert (machine.snapshot(), hypervisor.vms) == (before, vms)
