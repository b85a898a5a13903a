"""Traps, returns, CSRs and fences on both engines, the H extension's too; and which of them native code does."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.machine.execute.native.privileged import differ
from tests.machine.h_extension.harts import DATA, GVA, HSTATUS, MSTATUS, NAMED, STCE, Guest, go, write
from tests.machine.programs import OPEN, paged
from vlab.machine import Machine
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.riscv import Mode, assemble
from vlab.riscv.csrs import H_REGISTERS

pytest.importorskip("llvmlite")

from vlab.machine.execute.native import engine

HANDLER = RAM_BASE + 0x400
REST = "\n nop" * 8 + "\n j ."


@pytest.fixture
def steps(monkeypatch):
    """Where the instructions stand that Python did."""
    found = []
    step = engine.NativeEngine._step

    def counted(self):
        found.append(self._hart.pc)
        return step(self)

    monkeypatch.setattr(engine.NativeEngine, "_step", counted)
    return found


def both(source, memory="2M", extensions="H", **others):
    code = assemble(source)
    return [
        Machine(code, memory=memory, extensions=extensions, engine=name, **others)
        for name in ("native", "interpreter")
    ]


def alike(machines, *stops):
    for stop in stops:
        assert len({machine.run(stop) for machine in machines}) == 1
        assert machines[0].snapshot() == machines[1].snapshot()
    return machines[0]


@given(st.integers(0, (1 << 32) - 1))
def test_any_machine_ends_up_the_same(seed):
    assert not differ(seed)


def test_many_machines_end_up_the_same():
    assert not list(filter(None, map(differ, range(150))))


@pytest.mark.parametrize(
    "name", [csr.name for csr in H_REGISTERS if not csr.name.startswith(("mhpm", "hpm", "pmp"))]
)
def test_csrs_in_every_mode(name):
    values = ((1 << 64) - 1, 0x5555 << 30 | 0x5555, 2 << 11, 8 << 60 | 0x80000)
    for instruction in ("csrrw", "csrrs", "csrrc"):
        machines = both(f"{instruction} a0, {name}, a1\n csrr a2, {name}" + REST, memory="64K")
        for value, where, on in product(values, NAMED, (0, 1, 2, 3)):
            for machine in machines:
                write(machine, satp=0, vsatp=0, hgatp=0)
                write(machine, **OPEN, mtvec=RAM_BASE + 16, stvec=RAM_BASE + 16, menvcfg=STCE * (on & 1))
                write(machine, mcounteren=7 * (on & 1), hcounteren=7 * (on >> 1), scounteren=7, mie=2)
                write(machine, henvcfg=STCE * (on >> 1), mideleg=0x222, hideleg=0x444, htimedelta=1 << 40)
                write(machine, hstatus=HSTATUS["VTVM"] * (on == 2), mstatus=MSTATUS["TVM"] * (on == 0))
                go(machine, where)
                machine.hart.x[11], machine.hart.pc = value, RAM_BASE
            alike(machines, 20)


@pytest.mark.parametrize(
    "instruction", ["sret", "mret", "ecall", "ebreak", "sfence.vma", "hfence.vvma", "hfence.gvma", "wfi"]
)
def test_returns_traps_and_fences_in_every_mode(instruction):
    """Where mstatus, vsstatus and hstatus say every way back, and every way to catch them."""
    bits = ("MPRV", "MPV", "SPP", "SPIE", "MPIE")
    machines = both(instruction + REST, memory="64K")
    for chosen, origin, where, caught in product(product((0, 1), repeat=5), (0, 1, 3), NAMED, (0, 1)):
        for machine in machines:
            status = sum(MSTATUS[bit] for bit, on in zip(bits, chosen, strict=True) if on) | origin << 11
            traps = [MSTATUS["TSR"] | MSTATUS["TVM"], HSTATUS["VTSR"] | HSTATUS["VTVM"]]
            more = HSTATUS["SPV"] * chosen[1] | HSTATUS["GVA"] * chosen[2] | traps[1] * caught
            write(machine, **OPEN, mtvec=RAM_BASE + 16, stvec=RAM_BASE + 20, vstvec=RAM_BASE + 24)
            write(machine, mepc=RAM_BASE + 8, sepc=RAM_BASE + 8, vsepc=RAM_BASE + 8)
            write(machine, mstatus=status | traps[0] * caught, vsstatus=status, hstatus=more)
            write(machine, medeleg=0x50F * chosen[3], hedeleg=0x108 * chosen[4])
            go(machine, where).hart.pc = RAM_BASE
        alike(machines, 20)


# What is native


def test_page_faults_are_native(steps):
    """A page that isn't there, one that may not be written, one that is no code, and an atomic that isn't aligned."""
    source = (
        "1: ld a1, 0(a0)\n sd a1, 0(a2)\n amoadd.w a1, a2, (a3)\n lr.w a1, (a3)\n jalr a4\n addi a5, a5, 1\n j 1b\n"
        " .balign 1024\n csrr t0, sepc\n csrr t1, scause\n addi t0, t0, 4\n li t2, 12\n bne t1, t2, 2f\n mv t0, ra\n"
        "2: csrw sepc, t0\n add s1, s1, t1\n csrr t1, stval\n xor s2, s2, t1\n sret"
    )
    machines = both(source, extensions="")
    for machine in machines:
        hart = machine.hart
        write(machine, **OPEN, medeleg=0xFFFF)
        go(machine, "HS")
        paged(machine, [(0x1000, RAM_BASE, "RXAD"), (0x2000, RAM_BASE + 0x3000, "RAD")])
        hart.csr.values["stvec"], hart.pc = 0x1400, 0x1000
        hart.x[10], hart.x[12], hart.x[13], hart.x[14] = 0x5000, 0x2008, 0x2002, 0x7000
    machine = alike(machines, 1000, 333, 20_001)
    assert machine.hart.unretired > 1500
    assert len(steps) < 100


def test_what_is_illegal_in_its_mode_is_native(steps):
    source = (
        "1: csrr a0, mstatus\n csrw satp, a0\n sret\n mret\n sfence.vma\n rdtime a1\n j 1b\n"
        " .balign 1024\n csrr t0, mepc\n csrr t1, mtval\n add s1, s1, t1\n addi t0, t0, 4\n csrw mepc, t0\n mret"
    )
    machines = both(source, extensions="")
    for machine in machines:
        write(machine, **OPEN, mtvec=HANDLER)
        go(machine, "U")
    alike(machines, 1000, 20_001)
    assert len(steps) < 70


def test_a_guests_own_traps_are_native(steps):
    """System calls, breakpoints and page faults of a guest under two stages, its handler in VS mode."""
    source = (
        "1: ecall\n ebreak\n ld a1, 0(a2)\n j 1b\n"
        " .balign 1024\n csrrw sp, sscratch, sp\n csrr t0, sepc\n csrr t1, scause\n add s1, s1, t1\n"
        " addi t0, t0, 4\n csrw sepc, t0\n csrrw sp, sscratch, sp\n csrr t2, sstatus\n sfence.vma\n sret"
    )
    machines = both(source, memory="2M")
    for machine in machines:
        write(machine, **OPEN, medeleg=0xFFFF, hedeleg=0xB1FF)
        guest = Guest(machine, "RWXUAD")
        code = machine.memory.peek(RAM_BASE, PAGE)
        machine.memory.poke(guest.data, code)
        guest.own.map(GVA + PAGE, DATA, "RXAD")
        machine.hart.pc, machine.hart.x[12] = GVA, 0x9000
        write(machine, vstvec=GVA + PAGE + 0x400)
        go(machine, "VU")
    machine = alike(machines, 1000, 333, 20_001)
    assert machine.hart.unretired > 1500
    assert len(steps) < 100


def test_enables_change_natively_unless_something_is_pending(steps):
    source = "1: csrs sie, a0\n csrr a1, sie\n csrc sie, a0\n csrc sie, a2\n csrs mideleg, x0\n j 1b"
    for pending, most in ((0, 40), (0x22, 10_000)):
        machines = both(source)
        for machine in machines:
            write(machine, mideleg=0x222, mie=0x200, mip=pending)
            machine.hart.x[10], machine.hart.x[12] = 0x22, 0x2
        steps.clear()
        alike(machines, 500, 777)
        assert (len(steps) < 40) == (most == 40)


def test_what_is_not_attempted_is_not_looked_up():
    """A jump to another page as the last instruction: the TLB doesn't miss that page yet."""
    source = (
        "1: nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n la a0, 2f\n jr a0\n .balign 4096\n2: j ."
    )
    for limit in range(10, 16):
        alike(both(source), limit)


def test_someone_waits_where_nothing_can_be_fetched():
    """A breakpoint at an address that faults: the machine stops before the fetch is attempted."""
    source = "nop\n" * 20 + "li a0, 0x5000\n jr a0"
    machines = both(source)
    for machine in machines:
        write(machine, **OPEN, mtvec=HANDLER)
        go(machine, "HS")
        paged(machine, [(RAM_BASE, RAM_BASE, "RXAD")])
        machine.stop_at([0x5000])
    alike(machines, 100)
    assert machines[0].hart.pc == 0x5000 and machines[0].mode is Mode.S
