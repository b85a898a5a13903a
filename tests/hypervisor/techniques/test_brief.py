"""What is done in brief at an exit, or left out at the next entry, changes nothing: neither exits nor any time."""

import pytest

from tests.hypervisor.towers import difference, tower
from vlab.hypervisor import Hypervisor, TrapAndEmulate
from vlab.machine import Machine, Stop
from vlab.riscv import assemble

OFF = """
off:    li      t0, 0x100000
        li      t1, 0x5555
        sw      t1, 0(t0)
        j       .
"""
ALARM = """
        la      t0, rung
        csrw    mtvec, t0
        li      t0, 128
        csrw    mie, t0
        li      t0, 0x200bff8
        ld      t1, 0(t0)
        addi    t1, t1, {after}
        li      t0, 0x2004000
        sd      t1, 0(t0)
        csrsi   mstatus, 8
"""
BRIEFLY = 12 * "csrrw t3, mscratch, t3\n csrr s0, mscratch\n csrci mstatus, 8\n csrsi mstatus, 8\n"
RUNG = """
        j       off
        .balign 4
rung:   csrr    s1, mepc
        csrr    s2, mcause
"""
# Its root table leads everywhere to the first gigabyte of memory. So each gigabyte that it touches takes tables of
# the shadow, of which there are soon no more. M mode's shadow is then the younger one: so S mode's gets another root.
FAR = (
    """
        la      t0, called
        csrw    mtvec, t0
        li      t0, -1
        csrw    pmpaddr0, t0
        li      t0, 0x1f
        csrw    pmpcfg0, t0
        la      t0, root
        li      t1, 512
        li      t2, 0x200000cf
1:      sd      t2, 0(t0)
        addi    t0, t0, 8
        addi    t1, t1, -1
        bnez    t1, 1b
        la      t0, root
        srli    t0, t0, 12
        li      t1, 8
        slli    t1, t1, 60
        or      t0, t0, t1
        csrw    satp, t0
        li      t0, 0x800
        csrw    mstatus, t0
        la      t0, far
        csrw    mepc, t0
        la      s1, word
        li      t1, 0x3fffffff
        and     s1, s1, t1
        li      s2, 200
        li      s3, 0x40000000
        mret
far:    sfence.vma
        ecall
1:      ld      t1, 0(s1)
        add     s0, s0, t1
        add     s1, s1, s3
        addi    s2, s2, -1
        bnez    s2, 1b
        ecall
        .balign 4
called: beqz    s2, off
        csrr    t0, mepc
        addi    t0, t0, 4
        csrw    mepc, t0
        mret
"""
    + OFF
    + """
        .balign 8
word:   .dword  3
        .balign 4096
root:   .zero   4096
"""
)


class Thorough(TrapAndEmulate):
    """It does nothing else; but as it says what is done at an entry itself, all of it is done at each."""

    name = "thorough"

    def prepare(self):
        return super().prepare()


def alike(program, most=100_000):
    """The same program in brief and thoroughly, to its end: the same of all that can be seen. The first of them."""
    brief, thorough = (tower(assemble(program), 1, technique=how) for how in (TrapAndEmulate, Thorough))
    for each in (brief, thorough):
        assert each.machine.run(most) is Stop.OFF or each.vms[0].status is not None
    assert dict(brief.vms[0].exits) == dict(thorough.vms[0].exits)
    assert difference(brief.guest.snapshot().state, thorough.guest.snapshot().state) == []
    assert brief.machine.time == thorough.machine.time
    return brief


@pytest.mark.parametrize("after", range(2, 50))
def test_an_alarm_that_rings_at_a_brief_exit_is_delivered_at_once(after):
    alike(ALARM.format(after=after) + BRIEFLY + RUNG + OFF)


def test_a_guest_whose_shadows_were_dropped_runs_under_the_new_ones():
    run = alike(FAR)
    assert run.guest.hart.x[8] == 600


def test_a_device_that_interrupts_at_its_access_does_so_before_the_next_instruction():
    run = alike(
        """
        la      t0, rung
        csrw    mtvec, t0
        csrsi   mie, 8
        csrsi   mstatus, 8
        li      t0, 0x2000000
        li      t1, 1
        csrr    t2, mscratch
        sw      t1, 0(t0)
        li      s0, 1
        """
        + RUNG
        + OFF
    )
    assert run.guest.hart.x[8] == 0
    assert run.guest.hart.x[18] == 1 << 63 | 3


def test_an_enabled_interrupt_that_waited_is_let_in_at_once():
    run = alike(
        """
        la      t0, rung
        csrw    mtvec, t0
        csrsi   mie, 8
        li      t0, 0x2000000
        li      t1, 1
        sw      t1, 0(t0)
        csrr    t2, mscratch
        csrsi   mstatus, 8
        li      s0, 1
        """
        + RUNG
        + OFF
    )
    assert run.guest.hart.x[8] == 0


def test_who_waits_for_an_alarm_waits():
    alike(ALARM.format(after=300) + "wfi\n csrr s3, mcycle\n" + RUNG + OFF)


@pytest.mark.parametrize("how", [TrapAndEmulate, Thorough])
def test_whom_a_device_access_has_woken_has_its_turn(how):
    machine = Machine(memory="8M")
    hypervisor = Hypervisor(machine)
    busy = "li t1, 10000\n1: addi t1, t1, -1\n bnez t1, 1b\n"  # meanwhile the other one has gone to sleep
    texts = busy + "li t0, 0x10000000\n sb zero, 0(t0)\n j .", "csrwi mie, 8\n wfi\n li s0, 7\n j ."
    first, second = (hypervisor.create_vm(assemble(text), memory="1M", technique=how) for text in texts)
    first.uart.listener = lambda _byte: second.clint.store(0, 4, 1)
    machine.run(60_000)
    assert second.hart.x[8] == 7
    assert first.account.spent > 5_000 << 16
