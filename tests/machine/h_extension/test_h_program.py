"""A small hypervisor in assembly and its guest, end to end: on the machine, in a virtual machine, and rewound."""

from pathlib import Path

import pytest

from vlab.events import Trap
from vlab.hypervisor import Hypervisor
from vlab.machine import Machine, Snapshot
from vlab.riscv import assemble

PROGRAM = assemble((Path(__file__).parent / "program.s").read_text(encoding="utf-8"))
TOLD = "zdvtu"  # a page on demand, a device, a virtual instruction, a timer, a user's call
STEPS = 5_000


def test_it_runs():
    machine = Machine(PROGRAM, memory="8M", extensions="H")
    machine.run(STEPS)
    assert (machine.console, machine.status) == (TOLD, 0), machine.look()


def test_what_traps_where():
    """The guest's own traps go to its kernel and never to the hypervisor; what is not its own never to it."""
    machine = Machine(PROGRAM, memory="8M", extensions="H")
    traps = []
    machine.events.listen(lambda event: traps.append(event) if isinstance(event, Trap) else None)
    machine.run(STEPS)
    interrupt = 1 << 63
    assert [(trap.origin, trap.target, trap.cause) for trap in traps] == [
        ("VS", "VS", 12), ("VS", "S", 21), ("VS", "S", 23), ("VS", "S", 22), ("VS", "VS", interrupt | 5),
        ("VS", "S", 10), ("VU", "VS", 8), ("VS", "S", 10), ("VS", "S", 10),
    ]  # fmt: skip


@pytest.mark.parametrize("policy", ["lazy", "eager", "traced"])
def test_in_a_virtual_machine_it_is_the_same_to_the_last_bit(policy):
    """Its virtual H: shadows of two stages, composed by its hypervisor."""
    bare = Machine(PROGRAM, memory="8M", extensions="H")
    bare.run(STEPS)
    machine = Machine(memory="16M", extensions="H")
    vm = Hypervisor(machine).create_vm(PROGRAM, memory="8M", shadow=policy)
    machine.run(20 * STEPS, until=lambda: vm.status is not None)
    assert (vm.console, vm.status) == (TOLD, 0)
    there, here = vm.snapshot().state, bare.snapshot().state
    for part in ("time", "skipped", "hart", "devices"):
        assert there[part] == here[part], part
    assert there["memory"] == here["memory"]


def test_in_a_virtual_machine_in_a_virtual_machine():
    machine = Machine(memory="32M", extensions="H")
    outer = Hypervisor(machine).create_vm(memory="24M")
    inner = Hypervisor(outer).create_vm(PROGRAM, memory="8M")
    machine.run(100 * STEPS, until=lambda: inner.status is not None)
    assert (inner.console, inner.status) == (TOLD, 0)


@pytest.mark.parametrize("every", [37, 211])
def test_saving_and_restoring_anywhere_is_invisible(every):
    straight = Machine(PROGRAM, memory="8M", extensions="H")
    straight.run(STEPS)
    machine = Machine(PROGRAM, memory="8M", extensions="H")
    while machine.status is None and machine.steps < STEPS:
        machine.run(every)
        saved = machine.snapshot()
        machine = Machine(memory="8M", extensions="H")
        machine.restore(saved)
        assert machine.snapshot() == saved
    assert machine.console == TOLD
    assert machine.snapshot() == straight.snapshot()


def test_going_back_and_forth():
    machine = Machine(PROGRAM, memory="8M", extensions="H")
    machine.run(STEPS)
    end = machine.steps
    seen: dict[int, Snapshot] = {}
    for step in (end // 2, end - 3, end // 3, end // 2):
        machine.goto(step)
        state = machine.snapshot()
        assert seen.setdefault(step, state) == state
    machine.goto(end)
    assert machine.console == TOLD


def test_a_virtual_machine_saved_in_the_middle_goes_on():
    straight = Machine(memory="16M", extensions="H")
    vm = Hypervisor(straight).create_vm(PROGRAM, memory="8M")
    straight.run(20 * STEPS, until=lambda: vm.status is not None)
    machine = Machine(memory="16M", extensions="H")
    Hypervisor(machine).create_vm(PROGRAM, memory="8M")
    while machine.steps < straight.steps:
        machine.run(min(251, straight.steps - machine.steps))
        saved = machine.snapshot()
        machine = Machine(memory="16M", extensions="H")
        Hypervisor(machine)
        machine.restore(saved)
    assert machine.snapshot() == straight.snapshot()
