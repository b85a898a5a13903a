"""KVM, VMware, VirtualBox: the same guest on a host, each by its own technique, and each with its own exits."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.test_saving import JUNK, put, spots, stops
from tests.hypervisor.towers import difference, end
from vlab import guests
from vlab.hypervisor import Hypervisor
from vlab.hypervisor.architectures import KVM, VirtualBox, VMware
from vlab.hypervisor.host import Host, programs
from vlab.language import VlabError
from vlab.machine import Computer, Machine, Snapshot, Stop
from vlab.machine.restoring import restore_residents
from vlab.machine.snapshot import Checker
from vlab.riscv import Mode, assemble
from vlab.views import picture_of

STEPS = 3_000_000
SYSTEMS = {
    "KVM": (KVM, "H"),
    "VMware": (VMware, ""),
    "VirtualBox": (VirtualBox, "H"),
    "patching": (VirtualBox, ""),
}
GUESTS = {
    "tiny": guests.load("tiny"),
    "hello": guests.load("hello"),
    "kernel": guests.load("kernel", LETTERS=2, PRIMES=100),
    "crash": guests.load("crash", WORK=100),
}
ALL = pytest.mark.parametrize("name", SYSTEMS)


def system(name, computer=None, memory="4M"):
    kind, extensions = SYSTEMS[name]
    return kind(Machine(memory=memory, extensions=extensions) if computer is None else computer)


def machine_of(host):
    return host.computer.history.machine


@ALL
@pytest.mark.parametrize("guest", GUESTS)
def test_the_guest_is_as_on_the_bare_machine(name, guest):
    host = system(name)
    host.start("count")
    vm = host.create_vm(GUESTS[guest], memory="256K")
    assert machine_of(host).run(STEPS) is Stop.ASLEEP
    bare = Machine(GUESTS[guest], memory="256K", extensions=SYSTEMS[name][1])
    bare.run(STEPS)
    assert difference(end(vm), end(bare)) == []
    assert (vm.console, vm.time) == (bare.console, bare.time)
    assert (
        host.returns(vm) <= vm.exits["device access"] <= host.returns(vm) + 1
    )  # the last one switched it off


def test_each_has_an_exit_pattern_of_its_own():
    found = {}
    for name in SYSTEMS:
        host = system(name)
        vm = host.create_vm(GUESTS["kernel"], memory="256K")
        machine_of(host).run(STEPS)
        found[name] = vm.exits
    for name in ("KVM", "VirtualBox"):  # the hardware helps both
        assert found[name]["G-stage fill"]
        assert not {"translation", "system call", "call-out"} & set(found[name])
    for name in ("VMware", "patching"):
        assert min(found[name][reason] for reason in ("translation", "system call", "call-out")) > 0
        assert "G-stage fill" not in found[name]
    # Traced tables: another process is no reason to fill a shadow again.
    assert found["VMware"]["shadow fill"] * 2 < found["patching"]["shadow fill"]


@ALL
def test_each_device_leads_back_to_user_mode_and_the_host_sees_it(name):
    host = system(name)
    vm = host.create_vm(
        assemble("li t0, 0x10000000\nli t1, 65\n1: lbu a0, 5(t0)\nsb t1, (t0)\nj 1b"), memory="64K"
    )
    machine, modes = machine_of(host), set()
    for _stop in zip(stops(machine), range(400), strict=False):
        process = host.process_of(vm)
        if host.inside is process and process.outside and not host.in_control:
            modes.add((machine.hart.mode, machine.hart.virtual, vm.running))
    assert modes == {(Mode.U, False, False)}
    assert host.returns(vm) > 3
    assert host.routed["vm1", "host"] - host.returns(vm) in (0, 1)


@ALL
def test_a_guest_stands_still_until_its_process_asks_for_it(name):
    host = system(name)
    vm = host.create_vm(GUESTS["kernel"], memory="256K")
    machine, seen = machine_of(host), None
    for _stop in zip(stops(machine), range(3000), strict=False):
        outside = host.process_of(vm).outside
        assert seen in (None, vm.time) or not outside
        seen = vm.time if outside else None


def test_a_plain_host_has_no_such_loop():
    host = Host(Machine(memory="4M"))
    host.install_hypervisor()
    vm = host.create_vm(GUESTS["hello"], memory="64K")
    machine_of(host).run(STEPS)
    assert (vm.status, host.routed["vm1", "host"]) == (0, 0)


def test_who_has_no_guest_cannot_run_one():
    host = system("KVM")
    process = host.start("monitor")
    machine_of(host).run(STEPS)
    assert "no guest to run" in process.reason


def test_kvm_needs_the_hardware():
    machine = Machine(memory="4M")
    with pytest.raises(VlabError, match="made for virtual machines"):
        KVM(machine)
    assert not machine.residents
    wrong: Any = "no computer"
    for kind in (KVM, VMware, VirtualBox):
        with pytest.raises(VlabError):
            kind(wrong)


@pytest.mark.parametrize("kind", [VMware, VirtualBox])
def test_a_processor_with_x86s_fault_is_no_obstacle(kind):
    host = kind(Machine(memory="4M", quirks="silent-sstatus"))
    vm = host.create_vm(GUESTS["kernel"], memory="256K")
    broken = host.create_vm(GUESTS["kernel"], memory="256K", technique="trap-and-emulate")
    machine_of(host).run(STEPS)
    bare = Machine(GUESTS["kernel"], memory="256K")
    bare.run(STEPS)
    assert vm.console == bare.console != broken.console


@ALL
def test_members_of_the_group_only(name):
    host = system(name)
    host.add_user("ana", groups=["vm"])
    host.add_user("eva")
    host.create_vm(GUESTS["tiny"], memory="64K", user="ana")
    with pytest.raises(VlabError, match="eva may not"):
        host.create_vm(GUESTS["tiny"], memory="64K", user="eva")
    with pytest.raises(VlabError, match="installed already"):
        host.install_hypervisor()


def test_nobody_who_was_refused_leaves_anything():
    host = system("VMware")
    free = host.frames.free
    for how in ({"image": "no file"}, {"memory": 5}, {"technique": "hardware-assisted"}, {"weight": 0}):
        with pytest.raises(VlabError):
            host.create_vm(**{"image": GUESTS["tiny"], "memory": "64K"} | how)
    assert (host.frames.free, host.vms, host.processes) == (free, [], [])


def busy(name, depth=0):
    """Two guests, one that uses its console often, a program, and something typed."""
    machine: Computer = Machine(memory="6M" if depth else "3M", extensions=SYSTEMS[name][1])
    computer = machine
    for _level in range(depth):
        computer = Hypervisor(computer).create_vm(memory="3M")
    host = system(name, computer)
    host.create_vm(GUESTS["hello"], memory="64K")
    host.create_vm(GUESTS["tiny"], memory="64K", weight=2)
    host.start(programs.load("count", WORK=30, LETTERS=2))
    return machine, host


@pytest.mark.parametrize(
    ("name", "depth", "every"), [("KVM", 0, 3), ("KVM", 1, 61), ("VMware", 0, 7), ("patching", 0, 11)]
)
def test_a_snapshot_anywhere_is_invisible(name, depth, every):
    machine, _host = busy(name, depth)
    machine.run(STEPS)
    last = machine.snapshot()
    machine, _host = busy(name, depth)
    for stop in stops(machine):
        if stop % every == 0:
            saved = machine.snapshot()
            fresh = Machine(memory=machine.memory.size, extensions=SYSTEMS[name][1])
            fresh.restore(saved)
            assert difference(fresh.snapshot().state, saved.state) == []
            fresh.run(STEPS)
            assert difference(fresh.snapshot().state, last.state) == []
    assert stop > 200


@ALL
def test_taking_the_hart_by_hand_changes_no_guest(name):
    (machine, host), (quiet, still) = busy(name), busy(name)
    quiet.run(STEPS)
    for stop in stops(machine):
        if stop % 5 == 0:
            host.take_hart()
        elif stop % 5 == 3:
            for vm in host.vms:
                vm.pause()
                vm.resume()
    assert [difference(end(vm), end(other)) for vm, other in zip(host.vms, still.vms, strict=True)] == [
        [],
        [],
    ]


@ALL
@pytest.mark.parametrize("most", range(20, 200, 17))
def test_a_guest_can_be_stopped_anywhere(name, most):
    machine, host = busy(name)
    free = host.frames.free
    vm, other = host.vms
    process = host.process_of(vm)
    taken = Hypervisor.room_for(vm.memory.size) // 4096 + len(list(process.space.frames()))
    machine.run(most)
    host.stop(vm)
    assert (process.alive, host.vms, host.frames.free) == (False, [other], free + taken)
    machine.run(STEPS)
    assert other.status == 0


@ALL
def test_a_clone_goes_on_like_the_first(name):
    host = system(name)
    vm = host.create_vm(GUESTS["kernel"], memory="256K")
    machine_of(host).run(4000)
    twin = vm.clone()
    machine_of(host).run(STEPS)
    assert (twin.console, twin.time) == (vm.console, vm.time)


def test_systems_in_a_virtual_machine_of_each_other():
    for outer, inner in (
        ("KVM", "KVM"),
        ("VMware", "patching"),
        ("KVM", "VirtualBox"),
        ("patching", "VMware"),
    ):
        machine = Machine(memory="8M", extensions=SYSTEMS[outer][1])
        host = system(inner, system(outer, machine).create_vm(memory="5M"))
        vm = host.create_vm(GUESTS["kernel"], memory="256K")
        machine.run(STEPS)
        flat = system(inner)
        alone = flat.create_vm(GUESTS["kernel"], memory="256K")
        machine_of(flat).run(STEPS)
        assert difference(end(vm), end(alone)) == []
        assert vm.exits == alone.exits
        assert host.returns(vm) == flat.returns(alone)


@ALL
def test_another_kind_of_host_is_not_taken_for_it(name):
    machine, host = busy(name)
    saved = machine.snapshot()
    Host(machine)
    machine.restore(saved)
    assert type(machine.residents[Mode.S]) is type(host)
    if name == "KVM":
        with pytest.raises(VlabError):
            Machine(memory="3M").restore(saved)


RUNNING = busy("KVM")[0]
RUNNING.run(150)
SAVED = RUNNING.snapshot()
STATE = SAVED.state["residents"]["S"]["state"]
SPOTS = [path for path in spots(STATE["processes"], ("processes",)) if path]


@given(st.sampled_from(SPOTS), st.sampled_from((*JUNK, False, 7, 8, 0x1_0000)))
@settings(max_examples=80)
def test_a_damaged_state_is_refused_or_runs_and_nothing_else(path, junk):
    damaged = put(STATE, path, junk)
    residents = {mode: {"kind": "kvm", "state": damaged} for mode in ("M", "S")}
    machine, _host = busy("KVM")
    before = machine.snapshot()
    try:
        restore_residents(machine, Checker(residents, "residents"))
    except VlabError:
        assert machine.snapshot() == before
        return
    fresh = Machine(memory="3M", extensions="H")
    try:
        fresh.restore(Snapshot(dict(SAVED.state) | {"residents": residents}))
    except VlabError:
        return
    fresh.run(20_000)
    fresh.snapshot()


def test_a_monitor_that_goes_wrong_takes_its_guest_with_it():
    machine, host = busy("KVM")
    machine.run(40)
    process, free = host.processes[0], host.frames.free
    host.take_hart()
    process.outside, process.pc = True, 0x10
    machine.run(STEPS)
    assert (process.state, process.vm, len(host.vms)) == ("killed", None, 1)
    assert host.frames.free > free
    assert host.vms[0].status == 0


@ALL
def test_it_says_and_shows_what_it_is(name):
    machine, host = busy(name)
    machine.run(300)
    assert repr(host).startswith(
        f"{host.title}: a host at level 0; virtual machines: 2, run by {host.technique}"
    )
    assert host.title in picture_of(host).svg
    Hypervisor(machine)
    assert repr(host) == "A host that no longer has its computer, at level 0"
