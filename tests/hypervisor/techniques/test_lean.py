"""Exits that one act is all there is to: what is not read back, nor written again, is as if it had been."""

import importlib.util
from itertools import product

import pytest

from tests.hypervisor.towers import difference
from vlab.hypervisor import HardwareAssisted, Hypervisor, TrapAndEmulate
from vlab.machine import Machine
from vlab.machine.bus import BusError
from vlab.riscv import assemble

ENGINES = ("interpreter", "native") if importlib.util.find_spec("llvmlite") else ("interpreter",)

# In S mode under page tables, whose leaf of the UART has no A and no D; and both are taken away again and again.
PAGED = assemble("""
        la      t0, fault
        csrw    mtvec, t0
        li      t0, -1
        csrw    pmpaddr0, t0
        li      t0, 0x1f
        csrw    pmpcfg0, t0
        la      t0, root
        la      t1, level1
        srli    t2, t1, 2
        ori     t2, t2, 1
        sd      t2, 0(t0)
        la      t2, level0
        srli    t2, t2, 2
        ori     t2, t2, 1
        li      t1, 0x400
        la      t3, level1
        add     t3, t3, t1              # of 0x1000_0000
        sd      t2, 0(t3)
        li      t2, 0x200000cf          # all of memory, as it is
        sd      t2, 16(t0)
        la      s0, level0
        li      s1, 0x4000007           # the UART, at 0x1000_0000, with neither
        sd      s1, 0(s0)
        ori     s2, s1, 0x40
        la      t1, data                # behind it a page of memory, and behind that the PLIC
        srli    t1, t1, 2
        ori     t1, t1, 0xc7
        sd      t1, 8(s0)
        li      t1, 0x30000c7
        sd      t1, 16(s0)
        li      a6, 0x10002000
        srli    t0, t0, 12
        li      t1, 8
        slli    t1, t1, 60
        or      t0, t0, t1
        csrw    satp, t0
        li      t0, 0x800
        csrw    mstatus, t0
        la      t0, inside
        csrw    mepc, t0
        li      a0, 0x10000000
        li      a1, 0x41
        mret
inside: sfence.vma
1:      lbu     a2, 5(a0)
        ld      a3, 0(s0)
        add     s3, s3, a3
        lbu     a2, 5(a0)
        sb      a1, 0(a0)
        ld      a3, 0(s0)
        add     s3, s3, a3
        sb      a1, 0(a0)
        lb      a2, 5(a0)
        sb      a1, 7(a0)
        lhu     zero, 4(a0)             # a byte is all that it takes
        lw      a4, 0(a6)
        lw      a4, -2(a6)              # half of it is memory
        sw      zero, 8(a6)
        lw      a4, 9(a6)
        sw      a1, -2(a6)
        lb      a4, 7(a0)
        add     s4, s4, a4
        addi    s5, s5, 1
        andi    a4, s5, 3
        bnez    a4, 1b
        sd      s1, 0(s0)
        andi    a4, s5, 4
        beqz    a4, 2f
        sd      s2, 0(s0)
2:      sfence.vma
        j       1b
        .balign 4
fault:  csrr    t0, mepc
        addi    t0, t0, 4
        csrw    mepc, t0
        csrr    t0, mcause
        add     s6, s6, t0
        csrr    t0, mtval
        xor     s7, s7, t0
        mret
        .balign 4096
root:   .zero   4096
level1: .zero   4096
level0: .zero   4096
data:   .zero   4096
""")


PRINTING = assemble("""
        li      t0, -1
        csrw    pmpaddr0, t0
        li      t0, 0x1f
        csrw    pmpcfg0, t0
        li      t0, 0x800
        csrw    mstatus, t0
        la      t0, 1f
        csrw    mepc, t0
        li      a0, 0x10000000
        li      a1, 0x41
        mret
1:      lbu     a2, 5(a0)
        andi    a2, a2, 0x20
        beqz    a2, 1b
        sb      a1, 0(a0)
        j       1b
""")


class ThoroughEmulation(TrapAndEmulate):
    """It does at each entry all that there is to do."""

    name = "thorough-emulation"

    def prepare(self):
        return super().prepare()


class ThoroughAssistance(HardwareAssisted):
    """The same."""

    name = "thorough-assistance"

    def prepare(self):
        return super().prepare()


PAIRS = [(TrapAndEmulate, ThoroughEmulation), (HardwareAssisted, ThoroughAssistance)]


def on(engine, technique, image):
    machine = Machine(memory=Hypervisor.memory_for(1 << 20), extensions="CH", engine=engine)
    vm = Hypervisor(machine).create_vm(image, memory="1M", technique=technique)
    return machine, vm


@pytest.mark.parametrize("pair", PAIRS)
def test_devices_behind_page_tables_are_accessed_to_the_same_effect(pair):
    """A and D are set by each access that finds them missing; and who listens hears the same."""
    runs = []
    for engine, technique in product(ENGINES, pair):
        machine, vm = on(engine, technique, PAGED)
        seen = []
        for stop in (900, 1, 1, 1, 3456, 13_000, 7):
            machine.run(stop)
            seen.append((dict(vm.exits), vm.snapshot().state, seen_of(machine)))
        with machine.events.record() as recording:
            machine.run(2000)
        runs.append((seen, list(recording)))
    for seen, recording in runs:
        assert difference(seen, runs[0][0]) == [] and recording == runs[0][1]
    assert vm.exits["device access"] > 100 and "A" * 20 in vm.console
    assert vm.hart.x[19] % 0x80 and vm.hart.x[22] and vm.hart.x[20]


def seen_of(machine):
    """A machine's state, without that of its hypervisor, which has another technique's name."""
    return machine.snapshot().state | {"residents": machine.steps}


ALARMED = """
        la      t0, rung
        csrw    stvec, t0
        li      t0, -1
        csrw    pmpaddr0, t0
        csrw    menvcfg, t0
        csrw    mcounteren, t0
        li      t0, 0x1f
        csrw    pmpcfg0, t0
        li      t0, 0x20
        csrw    mideleg, t0
        li      t0, 0x800
        csrw    mstatus, t0
        la      t0, 1f
        csrw    mepc, t0
        li      a0, 0x10000000
        li      a1, 0x41
        mret
1:      rdtime  t0
        addi    t0, t0, {after}
        csrw    stimecmp, t0
        li      t0, 0x20
        csrw    sie, t0
        csrsi   sstatus, 2
2:      lbu     a2, 5(a0)
        sb      a1, 0(a0)
        lbu     a2, 5(a0)
        addi    s1, s1, 1
        j       2b
        .balign 4
rung:   csrr    s2, sepc
        csrr    s3, scause
        rdtime  s4
3:      sb      a1, 0(a0)
        j       3b
"""


@pytest.mark.parametrize("pair", PAIRS)
def test_an_alarm_that_rings_at_an_access_is_delivered_at_once(pair):
    came = set()
    for after in range(3, 24):
        ends = []
        for engine, technique in product(ENGINES, pair):
            machine, vm = on(engine, technique, assemble(ALARMED.format(after=after)))
            machine.run(1500)
            ends.append((dict(vm.exits), vm.snapshot().state, seen_of(machine)))
            assert vm.hart.x[19] == 1 << 63 | 5
        assert all(difference(end, ends[0]) == [] for end in ends)
        came.add(vm.hart.x[18])
    assert len(came) == 5  # at each of the loop


@pytest.mark.parametrize("technique", [TrapAndEmulate, HardwareAssisted])
def test_registers_stay_where_they_are(technique, monkeypatch):
    """Of a thousand accesses to a device, hardly any reads the guest's registers back."""
    left, saved = Hypervisor._left, []

    def noted(*given):
        saved.append(1)
        return left(*given)

    monkeypatch.setattr(Hypervisor, "_left", noted)
    for engine in ENGINES:
        machine, vm = on(engine, technique, PRINTING)
        machine.run(3000)
        saved.clear()
        before = vm.exits["device access"]
        machine.run(60_000)
        assert vm.exits["device access"] - before > 800 > 20 * len(saved)


class Own:
    """A reader's own device: it counts its accesses, refuses some, and breaks at others."""

    name, size = "own", 0x100

    def __init__(self):
        self.accesses, self.breaks = 0, False

    def load(self, offset, size):
        self.accesses += 1
        if self.breaks:
            raise ZeroDivisionError
        if offset:
            raise BusError
        return self.accesses

    def store(self, offset, size, value):
        self.load(offset, size)

    def state(self):
        return {"accesses": self.accesses}

    def restore(self, state):
        self.accesses = state["accesses"]


OWN = assemble("""
        la      t0, fault
        csrw    mtvec, t0
        li      t0, -1
        csrw    pmpaddr0, t0
        li      t0, 0x1f
        csrw    pmpcfg0, t0
        li      t0, 0x800
        csrw    mstatus, t0
        la      t0, inside
        csrw    mepc, t0
        li      a0, 0x20000000
        mret
inside: lw      a1, 0(a0)
        sw      a1, 0(a0)
        addi    s1, s1, 2
        lw      a1, 4(a0)
        sw      a1, 8(a0)
        addi    s1, s1, 2
        j       inside
        .balign 4
fault:  csrr    t0, mepc
        addi    t0, t0, 4
        csrw    mepc, t0
        csrr    t0, mcause
        add     s6, s6, t0
        mret
""")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("pair", PAIRS)
def test_a_device_is_asked_once_and_may_refuse_or_break(pair, engine):
    ends = []
    for technique in pair:
        machine = Machine(memory=Hypervisor.memory_for(1 << 20), extensions="CH", engine=engine)
        vm, device = Hypervisor(machine).create_vm(memory="1M", technique=technique), Own()
        vm.attach(device, 0x2000_0000)
        vm.load(OWN)
        machine.run(4000)
        assert device.accesses - vm.hart.x[9] in (0, 1, 2) and device.accesses > 50
        device.breaks = True
        with pytest.raises(ZeroDivisionError):
            machine.run(500)
        device.breaks = False
        machine.run(5000)
        assert device.accesses - vm.hart.x[9] in (1, 2, 3) and vm.hart.x[22] > 100
        ends.append(vm.snapshot().state)
    assert difference(*ends) == []


GUARDED = assemble("""
        la      t0, trap
        csrw    mtvec, t0
        li      t0, 0x200005ff
        csrw    pmpaddr0, t0
        li      t0, 0x200009ff
        csrw    pmpaddr1, t0
        li      t0, 0x0fffffff
        csrw    pmpaddr2, t0
        li      t0, -1
        csrw    pmpaddr3, t0
        li      s0, 0x1f1f1819          # a page to read, and one for nothing; devices, open or closed; and the rest
        csrw    pmpcfg0, s0
        li      a6, 0x80001000
        li      a7, 0x80002000
        li      t0, 0x800
        csrw    mstatus, t0
        la      t0, 1f
        csrw    mepc, t0
        li      a0, 0x10000000
        li      a1, 0x41
        mret
1:      lbu     a2, 5(a0)
        add     s2, s2, a2
        li      a2, 0
        sb      a1, 0(a0)
        lbu     a2, 5(a0)
        ecall
        sd      a1, 0(a6)
        ld      a2, 0(a6)
        ld      a2, 0(a7)
        sd      a1, 8(a7)
        j       1b
        .balign 4
trap:   csrr    t0, mepc
        addi    t0, t0, 4
        csrw    mepc, t0
        csrr    t0, mcause
        add     s3, s3, t0
        addi    t0, t0, -9
        bnez    t0, 2f
        lui     t0, 0x70
        xor     s0, s0, t0
        csrw    pmpcfg0, s0
2:      mret
""")


@pytest.mark.parametrize("pair", PAIRS)
def test_a_device_that_its_firmware_has_closed_to_it_is_not_there(pair):
    ends = []
    for engine, technique in product(ENGINES, pair):
        machine, vm = on(engine, technique, GUARDED)
        machine.run(20_000)
        ends.append((dict(vm.exits), vm.snapshot().state, seen_of(machine)))
        assert vm.hart.x[19] > 500 and len(vm.console) > 10
    assert all(difference(end, ends[0]) == [] for end in ends)
