"""What is told of interrupts before they are delivered."""

import pytest

from vlab import guests
from vlab.events import InterruptChange, Trap
from vlab.hypervisor import Hypervisor
from vlab.machine import Machine
from vlab.machine.interrupts import held_by
from vlab.riscv import Interrupt, Mode, assemble

STI, MTI = 1 << Interrupt.STI, 1 << Interrupt.MTI
SIE, MIE = 1 << 1, 1 << 3


@pytest.mark.parametrize(
    ("mode", "mie", "mideleg", "mstatus", "code", "held"),
    [
        (Mode.M, 0, 0, MIE, Interrupt.MTI, "mie"),
        (Mode.M, MTI, 0, 0, Interrupt.MTI, "mstatus.MIE"),
        (Mode.M, MTI, 0, MIE, Interrupt.MTI, ""),
        (Mode.S, MTI, 0, 0, Interrupt.MTI, ""),
        (Mode.S, 0, STI, SIE, Interrupt.STI, "sie"),
        (Mode.S, STI, STI, 0, Interrupt.STI, "sstatus.SIE"),
        (Mode.S, STI, STI, SIE, Interrupt.STI, ""),
        (Mode.U, STI, STI, 0, Interrupt.STI, ""),
        (Mode.M, STI, STI, SIE | MIE, Interrupt.STI, "mode"),
    ],
)
def test_what_holds_an_interrupt_and_when_it_is_taken_agree(mode, mie, mideleg, mstatus, code, held):
    hart = Machine(memory="1M").hart
    hart.mode = mode
    hart.csr.values.update(mie=mie, mideleg=mideleg, mstatus=mstatus, mip=1 << code & STI)
    if code == Interrupt.MTI:
        hart.computer.clint.store(0x4000, 8, 0)
    assert held_by(hart, code) == held
    assert (hart.interrupt() is None) == bool(held)


PROGRAM = """
_start:
    la   t0, handler
    csrw mtvec, t0
    li   t0, 0x2004000      # mtimecmp
    li   t1, 20
    sd   t1, 0(t0)
    li   t2, 30
1:  addi t2, t2, -1
    bnez t2, 1b
    li   t2, 128            # mie.MTIE
    csrs mie, t2
    nop
    csrsi mstatus, 8        # mstatus.MIE
2:  j    2b
handler:
    li   t1, -1
    sd   t1, 0(t0)
    mret
"""


def changes(run):
    return [(event.pending, event.held_by) for event in run if isinstance(event, InterruptChange)]


def test_each_gate_is_told_once_from_pending_to_cleared():
    machine = Machine(assemble(PROGRAM), memory="1M")
    with machine.events.record() as run:
        machine.run(200)
    assert changes(run) == [(True, "mie"), (True, "mstatus.MIE"), (True, ""), (False, "")]
    pending, _enabled, free, cleared = run.only(InterruptChange)
    (trap,) = [event for event in run if isinstance(event, Trap)]
    assert pending.time == machine.clint._offset + 20, "at the very instruction at which the alarm rings"
    assert free.time == trap.time < cleared.time
    assert free.id < trap.id


def test_listening_from_the_middle_tells_what_is_pending_already():
    machine = Machine(assemble(PROGRAM), memory="1M")
    machine.run(40)
    with machine.events.record() as run:
        machine.run(1)
    assert changes(run) == [(True, "mie")]
    with machine.events.record() as again:
        machine.run(1)
    assert changes(again) == [(True, "mie")]


def test_a_replay_tells_the_same():
    machine = Machine(memory="8M")
    Hypervisor(machine).create_vm(guests.load("kernel"), memory="4M")
    start = machine.snapshot()
    runs = []
    for _turn in range(2):
        machine.restore(start)
        with machine.events.record() as run:
            machine.run(8_000)
        runs.append([(event.id, event) for event in run])
    assert runs[0] == runs[1]
    assert sum(isinstance(event, InterruptChange) for _id, event in runs[0]) > 8


def test_after_a_rewind_what_is_pending_is_told_again():
    machine = Machine(assemble(PROGRAM), memory="1M")
    with machine.events.record() as run:
        machine.run(60)
        machine.goto(30)
        machine.run(1)
    assert changes(run).count((True, "mie")) >= 2


def test_listening_changes_nothing():
    def end(listen):
        machine = Machine(memory="8M")
        Hypervisor(machine).create_vm(guests.load("kernel"), memory="4M")
        if listen:
            machine.events.listen(lambda event: None)
        machine.run(20_000)
        return machine.snapshot().state

    assert end(True) == end(False)
