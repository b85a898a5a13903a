"""Hyper-V: a hypervisor under all, and a host with the devices that is a guest itself."""

from typing import Any

import pytest

from tests.hypervisor.test_saving import stops
from tests.hypervisor.towers import difference, end
from vlab import guests
from vlab.hypervisor import Hypervisor
from vlab.hypervisor.architectures import KVM, HyperV
from vlab.hypervisor.host import Host, programs
from vlab.language import VlabError
from vlab.machine import Machine, Snapshot, Stop
from vlab.machine.devices.virtio.block import VirtioBlock
from vlab.machine.disks import Disk
from vlab.riscv import Mode
from vlab.views import picture_of

STEPS = 3_000_000
GUESTS = {name: guests.load(name) for name in ("tiny", "hello", "kernel")}


def built(computer=None, **how):
    """Hyper-V with a program in its root partition."""
    hyperv = HyperV(Machine(memory="6M", extensions="H") if computer is None else computer, **how)
    hyperv.host.start(programs.load("count", WORK=30, LETTERS=3))
    return hyperv.computer.history.machine, hyperv


@pytest.mark.parametrize("name", GUESTS)
def test_a_partition_is_as_the_bare_machine_and_the_root_runs_beside_it(name):
    machine, hyperv = built()
    vm = hyperv.create_vm(GUESTS[name], memory="256K")
    assert machine.run(STEPS) is Stop.ASLEEP
    bare = Machine(GUESTS[name], memory="256K", extensions="H")
    bare.run(STEPS)
    assert difference(end(vm), end(bare)) == []
    assert (vm.console, vm.time) == (bare.console, bare.time)
    assert "C" in hyperv.root.console
    assert machine.console == ""


def test_the_host_is_a_guest_and_exits_like_one():
    machine, hyperv = built()
    vm = hyperv.create_vm(GUESTS["kernel"], memory="256K")
    machine.run(STEPS)
    assert hyperv.root.exits["device access"] > 0
    assert vm.exits["G-stage fill"] > 0
    assert {one.technique.name for one in hyperv.vms} == {"hardware-assisted"}
    assert hyperv.host.vms == []  # the partitions are no affair of its
    assert not any(to == "hypervisor" for _source, to in hyperv.host.routed)
    assert hyperv.host.computer is hyperv.root


def test_the_root_has_the_devices():
    _machine, hyperv = built(devices=[VirtioBlock(Disk("64K"))])
    assert "disk" in hyperv.root.bus.devices
    assert "disk" not in hyperv.create_vm(memory="64K").bus.devices


def test_a_root_that_panics_does_not_take_the_others_with_it():
    machine, hyperv = built()
    vm = hyperv.create_vm(GUESTS["kernel"], memory="256K")
    hyperv.host.run_in_system_mode(guests.load("crash", WORK=10), memory="64K")
    machine.run(STEPS)
    assert (hyperv.root.status, vm.status) == (1, 0)


@pytest.mark.parametrize("every", [29])
def test_a_snapshot_anywhere_is_invisible(every):
    def begin():
        machine, hyperv = built(memory="1280K")
        hyperv.create_vm(GUESTS["hello"], memory="64K")
        return machine

    machine = begin()
    machine.run(STEPS)
    last = machine.snapshot()
    machine = begin()
    for stop in stops(machine):
        if stop % every == 0:
            saved = machine.snapshot()
            fresh = Machine(memory="6M", extensions="H")
            fresh.restore(saved)
            assert difference(fresh.snapshot().state, saved.state) == []
            fresh.run(STEPS)
            assert difference(fresh.snapshot().state, last.state) == []
    assert stop > 300


def test_in_a_virtual_machine_of_kvm_it_is_the_same():
    found = []
    for outside in (False, True):
        machine = Machine(memory="10M", extensions="H")
        computer = KVM(machine).create_vm(memory="6M") if outside else None
        machine, hyperv = built(computer)
        vm = hyperv.create_vm(GUESTS["tiny"], memory="64K")
        machine.run(STEPS)
        found.append((end(vm), vm.exits))
    assert found[0] == found[1]


def test_what_cannot_be_is_refused():
    machine = Machine(memory="6M")
    with pytest.raises(VlabError, match="made for virtual machines"):
        HyperV(machine)
    assert not machine.residents
    wrong: Any = "no computer"
    with pytest.raises(VlabError):
        HyperV(wrong)
    _machine, hyperv = built()
    with pytest.raises(VlabError, match="has the devices"):
        hyperv.remove(hyperv.root)
    free = hyperv.free
    for how in ({"image": "no file"}, {"technique": "magic"}, {"memory": 5}):
        with pytest.raises(VlabError):
            hyperv.create_vm(**how)
    assert hyperv.free == free
    vm = hyperv.create_vm(GUESTS["tiny"], memory="64K")
    hyperv.remove(vm)
    assert hyperv.free == free
    hyperv.root.load(GUESTS["hello"])
    with pytest.raises(VlabError, match="is gone"):
        _ = hyperv.host


def test_a_state_without_a_root_partition_is_refused():
    machine = HyperV(Machine(memory="16M", extensions="H")).computer
    state: Any = machine.snapshot().state
    state["residents"]["S"]["state"] |= {"vms": [], "current": None, "inside": False}
    with pytest.raises(VlabError, match="root partition"):
        Machine(memory="16M", extensions="H").restore(Snapshot(state))


def test_it_says_and_shows_what_it_is():
    machine, hyperv = built()
    hyperv.create_vm(GUESTS["tiny"], memory="64K", name="ana")
    assert repr(hyperv) == "Hyper-V at level 0: a root partition has the devices; other partitions: ana"
    assert "Hyper-V" in picture_of(hyperv).svg
    saved = machine.snapshot()
    Hypervisor(machine)
    assert repr(hyperv).startswith("A hypervisor that no longer has its computer")
    machine.restore(saved)
    again = machine.residents[Mode.S]
    assert isinstance(again, HyperV)
    assert isinstance(again.host, Host)
