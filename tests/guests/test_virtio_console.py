"""The console driver: interrupts by the PLIC, typed text at any depth, and both again in a replay."""

import pytest

from tests.parts import device_in
from vlab import guests
from vlab.hypervisor import Hypervisor
from vlab.machine import Computer, Machine, Stop
from vlab.machine.devices import VirtioConsole
from vlab.riscv import assemble

MOST = 1_000_000
GREETING = "hello from virtio\n"


def started(depth):
    """The machine, the computer at that depth and its console, where the guest waits for a key."""
    machine = Machine(memory=(1 << 20) + depth * (2 << 20))
    computer: Computer = machine
    for inside in reversed(range(depth)):
        computer = Hypervisor(computer).create_vm(memory=(1 << 20) + inside * (2 << 20))
    console = computer.attach(VirtioConsole())
    computer.load(guests.load("virtio_console"))
    assert machine.run(MOST) is Stop.ASLEEP
    assert console.text == GREETING
    return machine, computer, console


@pytest.mark.parametrize("depth", range(4))
def test_typing_wakes_it_at_any_depth_and_again_in_a_replay(depth):
    machine, computer, console = started(depth)
    slept = machine.steps
    computer.give("virtio-console", b"typed ")
    assert machine.history.checkpoints  # it goes on: nothing was done by hand
    assert machine.run(MOST) is Stop.ASLEEP
    assert console.text == GREETING + "typed "
    computer.give("virtio-console", b"more than there is room for at once\n")
    machine.run(MOST)
    end, steps = machine.snapshot(), machine.steps
    assert console.text == GREETING + "typed more than there is room for at once\n"
    assert (computer.status, computer.time) == (0, 496)
    machine.goto(slept - 3)
    assert console.text == GREETING
    machine.goto(steps)
    assert machine.snapshot() == end


def test_a_snapshot_in_the_middle_goes_on_elsewhere():
    """From the bare machine into a VM, with typed text waiting."""
    machine, _computer, _console = started(0)
    machine.give("virtio-console", b"all this is too long for one buffer\n")
    for _again in range(8):
        machine.step(7)
        other = Machine(memory="4M")
        vm = Hypervisor(other).create_vm(memory="1M", devices=[VirtioConsole()])
        vm.restore(machine.snapshot())
        other.run(MOST)
        assert device_in(vm, "virtio-console").text.endswith("for one buffer\n")
        assert vm.status == 0


# Waits for the key without sleeping, and without an exit.
SPINS = """
    csrsi mstatus, 8
wait: j wait
"""


def test_a_vm_that_never_exits_is_interrupted_at_once():
    source = guests.source("virtio_console")
    start, end = source.index("    wfi\n"), source.index("    la   t0, receive+used\n")
    machine = Machine(memory="4M")
    vm = Hypervisor(machine).create_vm(memory="1M", devices=[VirtioConsole()])
    vm.load(assemble(source[:start] + SPINS + source[end:]))
    machine.run(5000)
    exits = vm.exits.total()
    machine.run(5000)
    assert (vm.exits.total(), vm.running) == (exits, True)
    vm.give("virtio-console", b"x")
    machine.run(200)
    assert vm.exits.total() > exits
    assert vm.bus.devices["plic"][1].state()["claimed"] == 0  # the handler has claimed and completed it
