"""A host saved at any step goes on elsewhere; stepping back leads to every stop; damage is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.host.settings import host_on
from tests.hypervisor.test_saving import JUNK, put, spots, stops
from tests.hypervisor.towers import difference
from vlab import guests
from vlab.hypervisor import Hypervisor
from vlab.hypervisor.host import Host, programs
from vlab.language import VlabError
from vlab.machine import Computer, Machine
from vlab.machine.restoring import restore_residents
from vlab.machine.snapshot import Checker
from vlab.riscv import Mode

TINY = guests.load("tiny")


def busy(system=True, depth=0):
    """A host with a bit of everything, on a machine or in a VM."""
    machine = Machine(memory="6M" if depth else "4M")
    computer: Computer = machine
    for _level in range(depth):
        computer = Hypervisor(computer).create_vm(memory="4M")
    host = host_on(computer)
    host.start(programs.load("count", WORK=30, LETTERS=2), user="ana")
    host.start(programs.load("nap", LONG=300, NAPS=2), user="eva")
    host.start("echo")
    host.start(programs.load("wild"), user="eva")
    host.create_vm(TINY, memory="64K", user="ana")
    host.create_vm(TINY, memory="64K", user="ana", weight=2)
    if system:
        host.run_in_system_mode(guests.load("crash", WORK=300), memory="64K")
    computer.type("hi\n")
    return machine, host


@pytest.mark.parametrize(("system", "depth", "every"), [(True, 0, 5), (False, 0, 7), (False, 1, 41)])
def test_a_host_saved_at_some_steps_goes_on_elsewhere(system, depth, every):
    machine, _host = busy(system, depth)
    machine.run(500_000)
    last = machine.snapshot()
    machine, _host = busy(system, depth)
    for stop in stops(machine):
        if stop % every == 0:
            saved = machine.snapshot()
            fresh = Machine(memory=machine.memory.size)
            fresh.restore(saved)
            assert difference(fresh.snapshot().state, saved.state) == []
            fresh.run(500_000)
            assert difference(fresh.snapshot().state, last.state) == []
    assert stop > 200


def test_stepping_back_leads_to_every_stop():
    machine, host = busy()
    processes, vms, seen = list(host.processes), list(host.vms), []
    for stop in stops(machine):
        if stop % 11 == 0:
            seen.append(machine.snapshot())
            if machine.step().time > seen[-1].time:
                machine.back()
                assert machine.snapshot() == seen[-1]
    for saved in reversed(seen):
        machine.goto(saved.state["time"] - saved.state["skipped"])
        assert difference(machine.snapshot().state, saved.state) == []
    assert host.processes == processes
    assert host.vms == vms
    assert machine.residents[Mode.S] is host


def test_a_snapshot_does_not_depend_on_who_looked():
    (one, looked), (other, _host) = busy(), busy()
    for _stop in zip(stops(one), stops(other), strict=True):
        repr(looked)
        repr(looked.ps())
        looked.memory_map()
        for vm in looked.vms:
            vm.chain(0x8000_0000)
            looked.process_of(vm).walk(0x10_8000_0000)
        assert one.snapshot() == other.snapshot()


def test_taking_the_hart_by_hand_changes_no_guest():
    machine, host = busy(system=False)
    quiet, still = busy(system=False)
    quiet.run(500_000)
    for stop in stops(machine):
        if stop % 5 == 0:
            host.take_hart()
    assert [vm.console for vm in host.vms] == [vm.console for vm in still.vms]
    assert [vm.time for vm in host.vms] == [vm.time for vm in still.vms]
    assert sorted(machine.console) == sorted(quiet.console)


RUNNING = busy()[0]
RUNNING.run(700)
SAVED = RUNNING.snapshot()
STATE = SAVED.state["residents"]["S"]["state"]
SPOTS = [path for path in spots(STATE) if path]


@given(st.sampled_from(SPOTS), st.sampled_from(JUNK))
@settings(max_examples=120)
def test_a_damaged_host_is_refused_or_runs_and_nothing_else(path, junk):
    machine, _host = busy()
    machine.run(300)
    before = machine.snapshot()
    damaged = put(STATE, path, junk)
    residents = {mode: {"kind": "host", "state": damaged} for mode in ("M", "S")}
    try:
        restore_residents(machine, Checker(residents, "residents"))
    except VlabError:
        assert machine.snapshot() == before
        return
    state = dict(SAVED.state) | {"residents": residents}
    fresh = Machine(memory="4M")
    try:
        fresh.restore(type(SAVED)(state))
    except VlabError:
        return
    fresh.run(20_000)
    fresh.snapshot()


def test_a_host_is_restored_with_its_module_removed():
    machine, host = busy(system=False)
    machine.run(500)
    saved = machine.snapshot()
    for vm in list(host.vms):
        host.stop(vm)
    host.remove_hypervisor()
    machine.restore(saved)
    assert len(host.vms) == 2
    fresh = Host(Machine(memory="4M"))
    fresh.computer.restore(saved)
    assert [vm.name for vm in fresh.vms] == ["vm1", "vm2"]


def test_no_frame_is_anybody_elses_after_a_restore():
    machine, host = busy()
    machine.run(300)
    saved = machine.snapshot()
    fresh = Host(Machine(memory="4M"))
    fresh.computer.restore(saved)
    assert fresh.frames.free == host.frames.free
    rows = saved.state["residents"]["S"]["state"]["processes"]
    first, second = (number for number, row in enumerate(rows[:3]) if row["space"])
    state = put(host.state(), ("processes", second, "space"), rows[first]["space"])
    with pytest.raises(VlabError, match="frames of a process"):
        fresh.restore(state)
    assert fresh.frames.free == host.frames.free
