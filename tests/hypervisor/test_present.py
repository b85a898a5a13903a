"""Who has lost a computer, or was removed from one, says so; who took it over, works."""

from collections.abc import Callable
from typing import Any

import pytest

from vlab import guests
from vlab.hypervisor import Hypervisor
from vlab.hypervisor.host import Host
from vlab.language import VlabError
from vlab.machine import Machine
from vlab.machine.devices import VirtioBlock, VirtioNet
from vlab.machine.disks import Disk
from vlab.machine.network import Switch
from vlab.operations import Migration, Protected, Snapshots, Watchdog

HELLO = guests.load("hello")


def cell(machine):
    """A cell that makes a hypervisor, as somebody writes it who may run it again."""
    hypervisor = Hypervisor(machine)
    vm = hypervisor.create_vm(HELLO, memory="64K", name="web")
    machine.run()
    return hypervisor, vm


def test_a_cell_can_be_run_again():
    machine = Machine(memory="4M")
    old, old_vm = cell(machine)
    new, vm = cell(machine)
    assert vm.console == old_vm.console != ""
    assert repr(new) == "Hypervisor at level 0: web"
    assert repr(vm).startswith("VM web: level 1")
    assert repr(old) == "A hypervisor that no longer has its computer, at level 0; it had: web"
    assert repr(old_vm).startswith("VM web is no more")


def test_a_cell_with_a_host_can_be_run_again():
    machine = Machine(memory="4M")
    old = Host(machine)
    old.install_hypervisor()
    old_vm = old.create_vm(HELLO, memory="64K")
    new = Host(machine)
    new.install_hypervisor()
    vm = new.create_vm(HELLO, memory="64K")
    machine.run()
    assert vm.console
    assert repr(old) == "A host that no longer has its computer, at level 0"
    assert repr(old_vm).startswith("VM vm1 is no more")
    assert "no longer" not in repr(new) + repr(vm)


def hosted(machine):
    host = Host(machine)
    host.install_hypervisor()
    return host


OLD: dict[str, tuple[Callable[[Machine], Any], Callable[[Any], Any], str]] = {
    "a virtual machine": (Hypervisor, lambda old: old.create_vm(HELLO, memory="64K"), "hypervisor"),
    "one on a host": (hosted, lambda old: old.create_vm(HELLO, memory="64K"), "hypervisor"),
    "a program": (Host, lambda old: old.start("count"), "host"),
    "a kernel": (Host, lambda old: old.run_in_system_mode(HELLO), "host"),
    "a module": (Host, lambda old: old.install_hypervisor(), "host"),
    "a bridge": (Host, lambda old: old.bridge(Switch()), "host"),
}


@pytest.mark.parametrize("what", OLD)
def test_who_has_lost_the_computer_touches_nothing(what):
    make, do, kind = OLD[what]
    machine = Machine(memory="4M", devices=[VirtioNet()])
    old = make(machine)
    Hypervisor(machine).create_vm(HELLO, memory="64K")
    before = machine.snapshot()
    with pytest.raises(VlabError, match=f"This {kind} no longer has the computer") as error:
        do(old)
    assert "Use the newer one" in str(error.value)
    assert machine.snapshot() == before


GHOST: dict[str, Callable[[Any], Any]] = {
    "migrate": lambda vm: Migration(vm, Hypervisor(Machine(memory="4M"))),
    "snapshots": Snapshots,
    "watch": Watchdog,
    "protect": lambda vm: Protected(vm, Hypervisor(Machine(memory="4M"))),
    "type": lambda vm: vm.type("a"),
    "give": lambda vm: vm.give("uart", b"a"),
    "attach": lambda vm: vm.attach(VirtioNet()),
    "plug": lambda vm: Switch().plug(vm),
    "map": lambda vm: vm.memory_map(),
    "resume": lambda vm: vm.resume(),
    "run a hypervisor": Hypervisor,
    "run a host": Host,
}


@pytest.mark.parametrize("what", GHOST)
@pytest.mark.parametrize("how", ["removed", "of an old hypervisor", "in one that was removed"])
def test_a_virtual_machine_that_is_no_more_says_so(what, how):
    machine = Machine(memory="8M")
    hypervisor = Hypervisor(machine)
    vm = hypervisor.create_vm(memory="3M", devices=[VirtioNet(name="card")])
    if how == "removed":
        hypervisor.remove(vm)
    elif how == "of an old hypervisor":
        Hypervisor(machine)
    else:
        outer, vm = vm, Hypervisor(vm).create_vm(memory="64K")
        hypervisor.remove(outer)
    assert not vm.there
    assert "is no more" in repr(vm)
    with pytest.raises(VlabError, match="This virtual machine is no more"):
        GHOST[what](vm)


def test_the_memory_of_one_that_was_removed_is_no_more():
    hypervisor = Hypervisor(Machine(memory="4M"))
    vm = hypervisor.create_vm(memory="64K")
    hypervisor.remove(vm)
    with pytest.raises(VlabError, match="There is none at all any more"):
        vm.memory.peek(0x8000_0000, 8)


def test_a_device_is_one_computers():
    hypervisor = Hypervisor(Machine(memory="4M"))
    drive = VirtioBlock(Disk("64K"))
    vm = hypervisor.create_vm(memory="64K", devices=[drive])
    free = hypervisor.free
    with pytest.raises(VlabError, match="It is attached to vm1 already"):
        hypervisor.create_vm(memory="64K", devices=[drive])
    assert (hypervisor.vms, hypervisor.free) == ([vm], free)
    hypervisor.remove(vm)
    hypervisor.create_vm(memory="64K", devices=[drive])


def test_the_cable_of_one_that_was_removed_can_be_pulled():
    hypervisor, switch = Hypervisor(Machine(memory="4M")), Switch()
    vm = hypervisor.create_vm(memory="64K", devices=[VirtioNet()])
    switch.plug(vm)
    hypervisor.remove(vm)
    switch.unplug(vm)
    assert switch.ports == []


@pytest.mark.parametrize("resident", [Hypervisor, Host])
def test_a_resident_needs_a_computer(resident):
    with pytest.raises(VlabError, match="'8M' is no computer"):
        resident("8M")


@pytest.mark.parametrize("address", ["0x1000", 1.5, -1, 1 << 64])
def test_what_is_walked_is_an_address(address):
    machine = Machine(memory="4M")
    process = Host(machine).start("count")
    vm = Hypervisor(Machine(memory="4M")).create_vm(memory="64K")
    for look in (process.walk, process.address_of, vm.chain):
        with pytest.raises(VlabError, match="is not an address of 64 bits"):
            look(address)


def test_groups_are_names():
    with pytest.raises(VlabError, match="5 are no groups of users"):
        Host(Machine(memory="4M")).add_user("ana", groups=5)  # type: ignore[arg-type]


def test_a_device_of_no_kind_is_not_carried_and_its_owner_is_told_how():
    class Lamp(VirtioNet):
        kind = "lamp"

    vm = Hypervisor(Machine(memory="4M")).create_vm(memory="64K", devices=[Lamp()])
    with pytest.raises(VlabError, match="of the kind 'lamp' can't be made anew") as error:
        Migration(vm, Hypervisor(Machine(memory="4M"))).run()
    assert "vlab.machine.devices.KINDS" in str(error.value)
    assert "another version" not in str(error.value)
