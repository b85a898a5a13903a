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
            seen.append((machine.steps, vm.time, dict(vm.exits), vm.console, vm.snapshot().state))
        with machine.events.record() as recording:
            machine.run(2000)
        runs.append((seen, list(recording), machine.hart.x[:32], machine.snapshot()))
    first = runs[0]
    for run in runs:
        assert difference(run[0], first[0]) == [] and run[1:3] == first[1:3]
        assert difference(without_names(run[3]), without_names(first[3])) == []
    assert vm.exits["device access"] > 100 and "A" * 20 in vm.console
    assert vm.hart.x[19] % 0x80 and vm.hart.x[22] and vm.hart.x[20]


def without_names(snapshot):
    """A machine's state, but for how it is emulated: which technique it is."""
    return {name: part for name, part in snapshot.state.items() if name not in ("residents", "tlb")}


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
