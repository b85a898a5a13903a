"""The hypervisor as a module of a host: its guests are the host's processes, and interrupts are the host's."""

import pytest

from tests.hypervisor.host.settings import host_on
from tests.hypervisor.towers import difference, end, finished
from tests.parts import machine_under
from vlab import guests
from vlab.events import Routing, Trap
from vlab.hypervisor import Hypervisor
from vlab.hypervisor.host import VM_OFFSET, Host, programs
from vlab.language import VlabError
from vlab.machine import Computer, Machine, Stop
from vlab.riscv import assemble

GUESTS = {
    "tiny": guests.load("tiny"),
    "hello": guests.load("hello"),
    "kernel": guests.load("kernel", LETTERS=2, PRIMES=100),
    "crash": guests.load("crash", WORK=100),
}


def until_off(host, *vms, most=3_000_000):
    stop = machine_under(host).run(most, until=lambda: all(vm.status is not None for vm in vms))
    assert stop is Stop.CONDITION


@pytest.mark.parametrize("name", GUESTS)
def test_bare_metal_and_hosted_the_guest_is_the_same(name):
    bare = finished(GUESTS[name], 1).guest
    host = host_on()
    host.start("spin")
    host.start("count")
    vm = host.create_vm(GUESTS[name], user="ana", memory="1M")
    until_off(host, vm)
    assert difference(end(vm), end(bare)) == []
    assert vm.console == bare.console
    assert vm.time == bare.time


@pytest.mark.parametrize("name", GUESTS)
def test_guests_of_every_technique_beside_each_other_and_programs_are_the_same(name):
    host = host_on(Machine(memory="12M", extensions="H"))
    host.start("count")
    vms = [
        host.create_vm(GUESTS[name], technique=technique, user="ana", memory="1M")
        for technique in ("hardware-assisted", "trap-and-emulate", "binary-translation", "hardware-assisted")
    ]
    until_off(host, *vms)
    bare = Machine(GUESTS[name], memory="1M", extensions="H")
    bare.run(3_000_000)
    for vm in vms:
        assert difference(end(vm), end(bare)) == []
        assert vm.time == bare.time
    machine_under(host).run(100_000)
    assert host.processes[0].status == 0
    assert host.process_of(vms[0]).space is not None


def test_vms_and_programs_share_the_hart_fairly():
    host = host_on()
    busy = "1: addi s0, s0, 1\nj 1b"
    light = host.create_vm(assemble(busy), memory="64K")
    heavy = host.create_vm(assemble(busy), memory="64K", weight=2)
    program = host.start("spin")
    machine_under(host).run(400_000)
    used = [host.process_of(vm).used for vm in (light, heavy)] + [program.used]
    assert 90_000 < used[0] < 110_000
    assert 180_000 < used[1] < 220_000
    assert 90_000 < used[2] < 110_000
    heavy.weight = 1
    assert host.process_of(heavy).weight == 1


def test_a_vm_is_a_process_and_its_memory_a_piece_of_that_processs():
    host = host_on()
    vm = host.create_vm(GUESTS["tiny"], user="ana", memory="1M")
    process = host.process_of(vm)
    for gpa in range(vm.memory.base, vm.memory.base + vm.memory.size, 4096):
        hva = process.address_of(gpa + 8)
        assert hva == gpa + 8 + VM_OFFSET
        assert process.walk(hva).physical == vm.memory.host_address(gpa + 8)
    machine_under(host).run(60)
    chain = vm.chain(0x8000_0000)
    assert chain.gpa is not None
    assert chain.hva == process.address_of(chain.gpa)
    assert process.walk(chain.hva).physical == chain.hpa
    assert f"GPA {chain.gpa:#x} → HVA {chain.hva:#x} → HPA {chain.hpa:#x}" in repr(chain)
    for outside in (0, vm.memory.base - 1, vm.memory.base + vm.memory.size):
        with pytest.raises(VlabError):
            process.address_of(outside)
    bare = finished(GUESTS["tiny"], 1).vms[0]
    assert bare.chain(0x8000_0000).hva is None


def test_a_vm_that_goes_is_a_process_that_is_over():
    host = host_on()
    before = host.frames.free
    vm = host.create_vm(GUESTS["kernel"], memory="1M")
    other = host.create_vm(GUESTS["tiny"], memory="1M")
    process, place = host.process_of(vm), vm.memory.host_address(vm.memory.base)
    machine_under(host).run(5000)
    vm.hypervisor.remove(vm)
    assert (process.alive, process.vm, host.vms) == (False, None, [other])
    assert host.computer.memory.peek(place, 4096) == bytes(4096)
    until_off(host, other)
    host.stop(other)
    assert host.frames.free == before


def test_a_paused_vm_stands_still():
    host = host_on()
    vm = host.create_vm(GUESTS["kernel"], memory="1M", user="ana")
    host.start("spin")
    machine_under(host).run(3000)
    host.pause(vm, user="ana")
    time = vm.time
    machine_under(host).run(20_000)
    assert (vm.time, host.process_of(vm).state) == (time, "paused")
    host.resume(vm, user="ana")
    until_off(host, vm)
    assert vm.console == finished(GUESTS["kernel"], 1).guest.console


def test_one_user_types_at_its_vm_and_another_at_the_host():
    host = host_on()
    echo = "li t0, 0x10000000\n1: lbu t1, 5(t0)\nandi t1, t1, 1\nbeqz t1, 1b\nlbu a0, (t0)\nsb a0, (t0)\nj 1b"
    vm = host.create_vm(assemble(echo), memory="64K", user="ana")
    host.start("echo")
    machine_under(host).run(10_000)
    host.type(vm, "guest", user="ana")
    host.computer.type("host\n")
    machine_under(host).run(60_000)
    assert vm.console == "guest"
    assert host.computer.console == "host\necho: host\n"


def test_a_vm_that_crashes_stops_and_nothing_else():
    host = host_on()
    bad = host.create_vm(guests.load("crash", WILD=0xFFFF_FFC0_8000_0000), user="ana", memory="1M")
    storm = host.create_vm(guests.load("jump_nowhere"), user="ana", memory="1M")
    good = host.create_vm(GUESTS["kernel"], user="ana", memory="1M")
    count = host.start("count")
    until_off(host, bad, good)
    assert (bad.status, bad.console) == (1, "abcde\nguest: panic\n")
    assert good.console == finished(GUESTS["kernel"], 1).guest.console
    assert count.state == "exited"
    assert (host.panicked, host.computer.status, storm.status) == ("", None, None)


# Interrupts


def test_the_host_takes_every_interrupt_and_hands_on_what_is_a_guests():
    host = host_on()
    vm = host.create_vm(GUESTS["kernel"], memory="1M")
    host.start("echo")
    with host.computer.events.record() as run:
        machine_under(host).run(3000)
        host.computer.type("x\n")
        until_off(host, vm)
    traps = [event for event in run if type(event) is Trap]
    routings = run.only(Routing)
    assert {(event.level, event.target) for event in traps} == {(0, "S")}  # a guest catches no real one
    assert all(event.to in ("host", "hypervisor") for event in routings)
    counted = dict.fromkeys(host.routed, 0)
    for event in routings:
        counted[event.source, event.to] += 1
    assert counted == dict(host.routed)
    assert host.routed["timer", "hypervisor"] >= 3
    assert host.routed["timer", "host"] >= 1
    assert host.routed["uart", "host"] >= 1
    assert host.routed["vm1", "hypervisor"] + host.routed["timer", "hypervisor"] <= vm.exits.total()
    handed = [event for event in routings if event.to == "hypervisor"]
    assert {event.vm for event in handed} == {"vm1"}
    sentence = next(repr(event) for event in handed if event.source == "timer")
    assert sentence == (
        "The host hands supervisor timer interrupt from timer to the hypervisor, on behalf of vm1."
    )
    assert "The host keeps supervisor external interrupt from uart for itself." in map(repr, routings)


# In and around other computers


def test_a_host_in_a_vm_prints_the_same_in_the_same_time():
    ends = []
    for depth in range(3):
        machine = Machine(memory=f"{8 + 4 * depth}M")
        computer: Computer = machine
        for level in range(depth):
            computer = Hypervisor(computer).create_vm(memory=f"{4 + 4 * (depth - level)}M")
        host = host_on(computer)
        host.start("count")
        host.start(programs.load("wild"))
        vm = host.create_vm(GUESTS["tiny"], memory="512K") if depth < 2 else None
        assert machine.run(400_000) is not Stop.LIMIT
        ends.append((vm and vm.console, "".join(sorted(computer.console))))
    assert ends[0] == ends[1]
    assert ends[2][1] == ends[0][1]


def test_a_hypervisor_and_a_host_in_a_vm_of_a_host():
    host = host_on(Machine(memory="24M"))
    host.start("spin")
    middle = host.create_vm(memory="6M", user="ana")
    inner = Hypervisor(middle).create_vm(GUESTS["tiny"], memory="1M")
    second = host.create_vm(memory="6M", user="ana")
    nested = Host(second)
    nested.start("count")
    nested.install_hypervisor()
    deepest = nested.create_vm(GUESTS["tiny"], memory="512K")
    until_off(host, inner, deepest)
    machine_under(host).run(400_000)
    assert inner.console == deepest.console == "?!\n"
    assert second.console.count("[1]") == 5
    assert inner.time == deepest.time == finished(GUESTS["tiny"], 1).guest.time
