from typing import Any

import pytest

from tests.hypervisor.towers import difference, end, finished, tower
from vlab import guests
from vlab.hypervisor import Hypervisor
from vlab.language import VlabError
from vlab.machine import Machine, Stop
from vlab.machine.snapshot import computer_state
from vlab.riscv import Mode, assemble

TINY, KERNEL = guests.load("tiny"), guests.load("kernel", TICK=200, LETTERS=1, PRIMES=100, WORK=50)
LATE = (0, 1, 17, 40, 333, 1500, 2999)


def test_it_shows_the_virtual_computer_with_the_specifications_names():
    vm = finished(TINY, 1).vms[0]
    assert vm.hart.csr["satp"] >> 60 == 8
    assert vm.hart.csr["scause"] == 1 << 63 | 5
    assert vm.mode == Mode.S
    assert repr(vm) == f"VM vm1: level 1, 1 MiB, virtual S mode at {vm.hart.pc:#x}, 39 exits"


def states_by_time(image, depth):
    """The guest's state by its own time, looked at after every step of the machine."""
    built = tower(image, depth)
    seen: dict[int, list[Any]] = {}
    while built.machine.status is None and built.guest.status is None:
        state = computer_state(built.guest)
        seen.setdefault(state["time"], []).append(
            (state["hart"], state["skipped"], state["devices"], built.guest.memory.peek(0x8000_0000, 0x2000))
        )
        built.machine.step()
    return seen


@pytest.mark.parametrize("depth", [1, 2])
def test_at_every_moment_it_looks_like_the_bare_machine_at_that_time_of_its_own(depth):
    """Also while an exit is before its hypervisor, or before one further out: it is then where it will try again."""
    bare = states_by_time(TINY, 0)
    seen = states_by_time(TINY, depth)
    assert seen.keys() == bare.keys()
    for time, states in seen.items():
        for state in states:
            # An injected interrupt takes no time: there may be a moment before and one after it.
            assert state in bare[time] or (len(states) > 1 and state == states[-1])


def test_time_does_not_pass_for_it_while_its_hypervisor_works():
    built = tower(KERNEL, 2)
    last = 0
    for _step in range(4000):
        built.machine.step()
        now = built.guest.time
        assert last <= now <= last + 1 or built.guest.skipped
        last = now
    assert built.machine.time > 5 * last


# Put something else in at any moment


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("steps", LATE)
def test_an_image_loaded_while_it_runs_starts_as_on_a_new_computer(depth, steps):
    built = tower(KERNEL, depth)
    built.machine.run(steps)
    built.guest.load(TINY)
    built.run()
    assert difference(end(built.guest), end(finished(TINY, 0).guest)) == []
    assert built.vms[-1].exits == finished(TINY, 1).vms[0].exits


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("steps", LATE)
def test_a_load_or_a_restore_that_fails_changes_nothing(depth, steps):
    built, other = tower(KERNEL, depth), tower(KERNEL, depth)
    built.machine.run(steps)
    other.machine.run(steps)
    before = built.guest.snapshot()
    with pytest.raises(VlabError):
        built.guest.load(b"")
    with pytest.raises(VlabError):
        built.guest.restore(Machine(memory="2M").snapshot())
    assert difference(built.guest.snapshot().state, before.state) == []
    for run in (built, other):
        run.run()
    assert difference(end(built.guest), end(other.guest)) == []


@pytest.mark.parametrize("steps", LATE)
def test_another_hypervisor_can_be_put_into_a_running_vm(steps):
    machine = Machine(memory="8M")
    vm = Hypervisor(machine).create_vm(KERNEL, memory="4M")
    machine.run(steps)
    inner = Hypervisor(vm).create_vm(TINY, memory="1M")
    assert machine.run() is Stop.ASLEEP
    assert difference(end(inner), end(finished(TINY, 0).guest)) == []


def test_stopping_it_is_a_trap_to_its_hypervisor_and_costs_it_nothing():
    for depth in (1, 2):
        built = tower(KERNEL, depth)
        for steps in range(1, 150):
            built.machine.run(steps)
            vm = built.vms[-1]
            if vm.status is None and vm.running:
                time, pc = vm.time, vm.hart.pc
                vm.stop()
                assert vm.hypervisor.inside is None
                assert (built.guest.time, built.guest.hart.pc) == (time, pc)
                assert built.machine.mode == Mode.S
        built.run()
        assert difference(end(built.guest), end(finished(KERNEL, 0).guest)) == []


def test_what_was_done_by_hand_ends_the_history():
    built = tower(KERNEL, 1)
    built.machine.run(3000)
    built.guest.load(TINY)
    with pytest.raises(VlabError, match="no checkpoint"):
        built.machine.back()
    built.machine.run(100)
    now = built.machine.snapshot()
    built.machine.run(100)
    built.machine.goto(now.time)
    assert built.machine.snapshot() == now


def test_a_vm_that_was_rewound_away_is_no_more():
    machine = Machine(memory="16M")
    hypervisor = Hypervisor(machine)
    saved = machine.snapshot()
    vm = hypervisor.create_vm(KERNEL, memory="8M")
    machine.run(1000)
    inner = Hypervisor(vm).create_vm(TINY, memory="1M")
    machine.run(2000)
    machine.restore(saved)
    for gone in (vm, inner):
        with pytest.raises(VlabError, match="This virtual machine is no more"):
            gone.load(TINY)
        assert repr(gone)
    again = hypervisor.create_vm(TINY, memory="8M")
    machine.run()
    assert again.console == "?!\n"


# Its parts


def test_a_reservation_is_a_guest_physical_address():
    built = tower(assemble("la t0, x\nlr.w t1, (t0)\n1: j 1b\n.data\n.balign 8\nx: .dword 0"), 2)
    built.machine.run(3000)
    inner, outer = built.vms[1], built.vms[0]
    place = inner.reservation
    assert place is not None and place[1] == 4
    assert outer.reservation == (inner.memory.host_address(place[0]), 4)
    assert built.machine.reservation == (outer.memory.host_address(outer.reservation[0]), 4)
    inner.reservation = None
    assert built.machine.reservation is None


def test_exits_are_counted_from_power_on():
    built = tower(TINY, 1).run()
    assert built.vms[0].exits.total() == 39
    built.guest.load(TINY)
    assert built.vms[0].exits.total() == 0
    built.run()
    assert built.vms[0].exits.total() == 39


def test_its_devices_are_its_own():
    built = tower(guests.load("hello"), 2).run()
    assert [computer.console for computer in (built.machine, *built.vms)] == [
        "",
        "",
        "Hello from a computer.\n",
    ]
    assert [computer.status for computer in (built.machine, *built.vms)] == [None, None, 0]
