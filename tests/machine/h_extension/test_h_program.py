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


EDITS = """
.equ LEAF, 0xCF
_start:
    li t0, -1
    csrw pmpaddr0, t0
    li t0, 0x1F
    csrw pmpcfg0, t0
    la t0, root
    la t1, middle
    srli t2, t1, 2
    ori t2, t2, 1
    sd t2, 8(t0)                    # 0x40000000 and up: a table of pages
    la t3, low
    srli t2, t3, 2
    ori t2, t2, 1
    sd t2, 0(t1)
    li t2, 0x80000000 >> 2 | LEAF
    sd t2, 16(t0)                   # where the program is, a page of 1 GiB
    srli t0, t0, 12
    li t1, 8 << 60
    or t0, t0, t1
    csrw vsatp, t0
    li t0, 1 << 39 | 1 << 11        # MPV, MPP = S
    csrw mstatus, t0
    la t0, guest
    csrw mepc, t0
    mret
guest:
    li s0, 0x40000000
    la s1, low
    la t0, first
    srli t0, t0, 2
    ori t0, t0, LEAF
    sd t0, 0(s1)
    ld a0, 0(s0)
    la t0, second
    srli t0, t0, 2
    ori t0, t0, LEAF
    sd t0, 0(s1)
    sfence.vma
    ld a1, 0(s0)
    ld a2, 8(s0)
    sd a1, 16(s0)
    la t0, first
    srli t0, t0, 2
    ori t0, t0, LEAF
    sd t0, 0(s1)
    sfence.vma s0
    ld a3, 0(s0)
    li t0, 0x100000
    j .
.balign 4096
root: .zero 4096
middle: .zero 4096
low: .zero 4096
first: .dword 11, 12
.balign 4096
second: .dword 21, 22
.balign 4096
"""


@pytest.mark.parametrize("policy", ["lazy", "eager", "traced"])
@pytest.mark.parametrize("technique", ["trap-and-emulate", "hardware-assisted"])
def test_a_guests_own_fence_is_kept_whatever_shadows_it_has(policy, technique):
    """In VS mode, one stage: edits are seen after sfence.vma, as on the bare machine."""
    bare = Machine(assemble(EDITS), memory="1M", extensions="H")
    bare.run(100)
    assert bare.hart.x[10:14] == [11, 21, 22, 11]
    machine = Machine(memory="4M", extensions="H")
    vm = Hypervisor(machine).create_vm(bare.program, memory="1M", shadow=policy, technique=technique)
    machine.run(5_000, until=lambda: vm.time >= bare.time)
    assert vm.hart.x[10:14] == [11, 21, 22, 11]


def test_shadows_know_their_guests_by_both_root_registers():
    """With V = 1: the guest's mode, vsatp and hgatp."""
    machine = Machine(memory="16M", extensions="H")
    vm = Hypervisor(machine).create_vm(PROGRAM, memory="8M")
    views = set()
    while vm.status is None:
        machine.run(20)
        views |= {view for view in vm.technique.shadow.shadows if view.key.virtual}
    assert {view.key.mode for view in views} == {0, 1}
    assert len({view.root for view in views}) == 2  # before and after satp was written
    (host,) = {view.host for view in views}
    assert host == vm.hart.csr["hgatp"]
