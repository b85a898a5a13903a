"""The CSRs: who may touch them, what a read gives, what a write changes (Privileged ISA, 2.1, 3.1 and 4.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.machine.programs import MASK, cause, do, finished, machine, mode, register, write
from vlab.machine.computer import word_of
from vlab.machine.csrfile import FOR_EVER, LONGEST_SLEEP, STCE, restorable
from vlab.machine.devices import Finisher
from vlab.riscv import CSRS, Cause, Interrupt, Mode
from vlab.riscv.csrs import RESET, STORED

ILLEGAL = Cause.ILLEGAL_INSTRUCTION
SSI, MSI, STI, MTI, SEI, MEI = (1 << int(i) for i in sorted(Interrupt))
U64 = st.integers(0, MASK)
TVM, TW, TSR = 1 << 20, 1 << 21, 1 << 22


# Who may (2.1)


@pytest.mark.parametrize("csr", CSRS.values(), ids=lambda csr: csr.name)
def test_a_lower_mode_may_not(csr):
    m = mode(machine(mcounteren=7, scounteren=7, menvcfg=STCE), Mode.M)
    for lower in (Mode.U, Mode.S, Mode.M):
        mode(m, lower)
        counter_without_enable = csr.name.startswith("hpmcounter") and lower < Mode.M
        expected = ILLEGAL if lower < csr.privilege or counter_without_enable else None
        assert cause(m, f"csrr a0, {csr.name}") == expected


@pytest.mark.parametrize(
    "name", ["mhartid", "mvendorid", "cycle", "time", "instret", "hpmcounter3", "mconfigptr"]
)
def test_a_read_only_register_takes_no_write_at_all(name):
    m = machine()
    assert cause(m, f"csrrs a0, {name}, x0") is None
    assert cause(m, f"csrrc a0, {name}, x0") is None
    assert cause(m, f"csrrsi a0, {name}, 0") is None
    assert cause(m, f"csrrw a0, {name}, x0") == ILLEGAL
    assert cause(m, f"csrrs a0, {name}, a1", a1=0) == ILLEGAL  # not x0, so it writes, if only zeros
    assert cause(m, f"csrrci a0, {name}, 1") == ILLEGAL


def test_a_register_that_does_not_exist_is_illegal_with_the_word_as_value():
    trap = do(machine(), "csrrw a0, 0x123, a1")
    assert (trap.cause, trap.value) == (ILLEGAL, 0x12359573)


@pytest.mark.parametrize("number", [0x5A8, 0x600, 0x7A0, 0x747, 0x3A1, 0x3C0, 0x31A])
def test_registers_of_what_is_not_there(number):
    assert cause(machine(), f"csrr a0, {number:#x}") == ILLEGAL


# csrrw, csrrs, csrrc (Unprivileged ISA, Zicsr)


@given(U64, U64)
def test_write_set_and_clear(old, operand):
    m = machine()
    for instruction, new in (("csrrw", operand), ("csrrs", old | operand), ("csrrc", old & ~operand)):
        write(m, mscratch=old)
        assert do(m, f"{instruction} a0, mscratch, a1", a1=operand) is None
        assert (register(m, "a0"), m.hart.csr["mscratch"]) == (old, new)


def test_set_and_clear_with_x0_do_not_write():
    # A write of any kind would have put the legal value where the illegal one is.
    m = machine()
    m.hart.csr.values["mtvec"] = 2
    do(m, "csrrs a0, mtvec, x0")
    do(m, "csrrci a0, mtvec, 0")
    assert m.hart.csr.values["mtvec"] == 2


@pytest.mark.parametrize("name", ["mstatus", "sstatus"])
def test_only_a_write_makes_the_engine_look_around(name):
    m = machine()
    for instruction, quiet in (
        (f"csrr a0, {name}", True),
        (f"csrci {name}, 0", True),
        (f"csrsi {name}, 2", False),
    ):
        assert m.hart.execute(word_of(instruction)) is quiet


def test_the_register_read_into_may_be_the_one_written_from():
    m = machine(mscratch=5)
    do(m, "csrrw a0, mscratch, a0", a0=7)
    assert (register(m, "a0"), m.hart.csr["mscratch"]) == (5, 7)


# WARL


@given(st.sampled_from(sorted(CSRS)), U64, st.integers(0, 2))
def test_no_traffic_does_harm(name, value, how):
    m = machine()
    before = m.hart.csr[name]
    trap = do(m, f"{('csrrw', 'csrrs', 'csrrc')[how]} a0, {name}, a1", a1=value)
    assert (trap is not None) == CSRS[name].read_only
    assert 0 <= register(m, "a0") <= MASK
    after = m.hart.csr[name]
    changed = {"mcycle", "cycle", "time", "minstret", "instret"}  # they count
    writable = CSRS[name].writable if name not in changed else MASK
    assert (before ^ after) & ~writable == 0
    assert all(restorable(stored, m.hart.csr.values[stored]) for stored in STORED)


def test_at_reset():
    m = machine()
    assert m.hart.csr["misa"] == 2 << 62 | 1 << 0 | 1 << 8 | 1 << 12 | 1 << 18 | 1 << 20
    assert m.hart.csr["mstatus"] == 2 << 32 | 2 << 34
    assert {name: m.hart.csr[name] for name in STORED if name not in ("mcycle", "minstret")} == {
        name: RESET[name] for name in STORED if name not in ("mcycle", "minstret")
    }


def test_mpp_keeps_its_mode_when_a_reserved_one_is_written():
    m = machine(mstatus=3 << 11)
    write(m, mstatus=2 << 11)
    assert m.hart.csr["mstatus"] >> 11 & 3 == 3
    write(m, mstatus=1 << 11)
    assert m.hart.csr["mstatus"] >> 11 & 3 == 1


def test_a_satp_write_with_an_unsupported_mode_changes_nothing():
    m = machine(satp=8 << 60 | 0x80123)
    for unsupported in (1, 9, 10, 15):
        write(m, satp=unsupported << 60 | 0x999)
        assert m.hart.csr["satp"] == 8 << 60 | 0x80123
    write(m, satp=8 << 60 | 0xFFFF << 44 | 0x80124)
    assert m.hart.csr["satp"] == 8 << 60 | 0x80124  # ASIDLEN is 0


def test_exception_pcs_are_aligned():
    m = machine(mepc=0x8000_0007, sepc=0x8000_0006)
    assert (m.hart.csr["mepc"], m.hart.csr["sepc"]) == (0x8000_0004, 0x8000_0004)


def test_what_can_be_delegated():
    m = machine(medeleg=MASK, mideleg=MASK)
    assert m.hart.csr["medeleg"] == 0b1011_0011_1111_1111  # all but ecall from M and the reserved ones
    assert m.hart.csr["mideleg"] == SSI | STI | SEI


# Views (3.1.6, 3.1.9, 4.1.1, 4.1.3)


@given(U64, U64)
def test_sstatus_is_a_part_of_mstatus(status, value):
    m = machine(mstatus=status)
    before, shown = m.hart.csr["mstatus"], CSRS["sstatus"].visible
    assert m.hart.csr["sstatus"] == before & shown
    write(m, sstatus=value)
    writable = CSRS["sstatus"].writable
    assert m.hart.csr["mstatus"] == before & ~writable | value & writable


@given(U64, U64, U64, U64)
def test_sie_and_sip_show_and_change_only_what_is_delegated(delegated, enabled, pending, value):
    m = machine(mideleg=delegated, mie=enabled, mip=pending)
    mine = m.hart.csr["mideleg"]
    mie, mip = m.hart.csr["mie"], m.hart.csr["mip"]
    assert (m.hart.csr["sie"], m.hart.csr["sip"]) == (mie & mine, mip & mine)
    write(m, sie=value, sip=value)
    assert m.hart.csr["mie"] == mie & ~mine | value & mine
    assert (
        m.hart.csr["mip"] == mip & ~(mine & SSI) | value & mine & SSI
    )  # of sip, software may change SSIP alone


def test_mip_shows_devices_and_software_and_a_set_does_not_latch_a_device():
    m = machine()
    m.clint.store(0, 4, 1)
    write(m, mip=MASK)
    assert m.hart.csr["mip"] == SSI | STI | SEI | MSI
    do(m, "csrrs x0, mip, a0", a0=SSI)
    do(m, "csrrc x0, mip, a0", a0=STI | SEI | MSI)
    m.clint.store(0, 4, 0)
    assert m.hart.csr["mip"] == SSI


def test_a_set_does_not_latch_what_an_interrupt_controller_asserts():
    class Controller(Finisher):
        name, asserted = "controller", SEI

        def lines(self, time):
            return self.asserted

    m = machine()
    m.bus.attach(0x1100_0000, Controller())
    for instruction in ("csrrs a0, mip, a1", "csrrc a0, mip, a1"):
        assert do(m, instruction, a1=SSI) is None
        assert register(m, "a0") & SEI
    do(m, "csrrs a0, mip, a1", a1=STI)
    Controller.asserted = 0
    assert m.hart.csr["mip"] == STI


# Counters (3.1.10, 3.1.11, 4.1.5)


@pytest.mark.parametrize(("name", "bit"), [("cycle", 0), ("time", 1), ("instret", 2)])
def test_counters_need_an_enable_of_each_mode_above(name, bit):
    m = machine()
    for above, supervisor in ((0, 0), (0, 7), (7, 0), (7, 7), (~(1 << bit), 7), (7, ~(1 << bit))):
        write(m, mcounteren=above & 7, scounteren=supervisor & 7)
        opened = [above >> bit & 1, above >> bit & supervisor >> bit & 1]
        for lower, yes in zip((Mode.S, Mode.U), opened, strict=True):
            assert cause(mode(m, lower), f"csrr a0, {name}") == (None if yes else ILLEGAL)


def test_minstret_counts_what_completed_and_a_write_is_read_back_next():
    m = finished(
        """
        la t0, trap
        csrw mtvec, t0
        csrr s0, minstret
        nop
        ecall                   # completes not
        csrr s1, minstret       # s0 + 6: csrr, nop, and the handler's four
        li t0, 1000
        csrw minstret, t0
        csrr s2, minstret
        csrr s3, instret
        csrrwi s4, minstret, 5
        csrr s5, minstret
        csrrs s6, minstret, x0
        j end
        .balign 4
trap:   csrr t0, mepc
        addi t0, t0, 4
        csrw mepc, t0
        mret
end:
        """
    )
    values = [register(m, f"s{i}") for i in range(7)]
    assert values[1] - values[0] == 6
    assert values[2:] == [1000, 1001, 1002, 5, 6]


def test_mcycle_and_time_count_what_is_attempted():
    m = finished(
        """
        la t0, trap
        csrw mtvec, t0
        csrr s0, mcycle
        rdtime s1
        ecall
        csrr s2, mcycle
        rdtime s3
        li t0, -1
        csrw mcycle, t0
        csrr s4, cycle
        j end
        .balign 4
trap:   csrr t0, mepc
        addi t0, t0, 4
        csrw mepc, t0
        mret
end:
        """
    )
    values = [register(m, f"s{i}") for i in range(5)]
    assert values[2] - values[0] == 7
    assert values[3] - values[1] == 7
    assert values[4] == 0  # it wraps round
    assert values[1] == values[0] + 1


def test_a_debugger_reads_what_has_completed_by_now():
    m = machine("nop\n nop\n csrw minstret, x0\n nop\n j .")
    m.run(2)
    assert m.hart.csr["minstret"] == m.hart.csr["instret"] == 2
    with m.events.record() as seen:
        m.run(2)
    assert m.hart.csr["minstret"] == 1
    assert [(e.name, e.before, e.after) for e in seen if e.kind == "CsrWrite"] == [("minstret", 2, 0)]


# The supervisor's timer (Sstc)


def test_stimecmp_needs_menvcfg_and_mcounteren():
    m = machine()
    for stce, tm in ((0, 0), (STCE, 0), (0, 2), (STCE, 2)):
        write(m, menvcfg=stce, mcounteren=tm)
        assert cause(mode(m, Mode.M), "csrr a0, stimecmp") is None
        assert cause(mode(m, Mode.S), "csrr a0, stimecmp") == (None if stce and tm else ILLEGAL)
        assert cause(mode(m, Mode.U), "csrr a0, stimecmp") == ILLEGAL


def test_with_stce_stip_is_the_alarm_alone():
    m = machine(mip=STI)
    assert m.hart.csr["mip"] == STI
    write(m, menvcfg=STCE, stimecmp=10)
    assert m.hart.csr["mip"] == 0
    write(m, mip=SSI | STI)
    assert m.hart.csr["mip"] == SSI
    m.set_clock(10)
    assert m.hart.csr["mip"] == SSI | STI
    write(m, mip=0)
    assert m.hart.csr["mip"] == STI
    write(m, stimecmp=11)
    assert m.hart.csr["mip"] == 0
    write(m, menvcfg=0)
    assert m.hart.csr["mip"] == STI  # what software had left there before


def test_the_deadline_is_the_earliest_alarm_of_those_in_force():
    m = machine()
    assert m.hart.csr.deadline() is None
    m.clint.store(0x4000, 8, 50)
    write(m, stimecmp=20)
    assert m.hart.csr.deadline() == 50
    write(m, menvcfg=STCE)
    assert m.hart.csr.deadline() == 20
    m.set_clock(20)
    assert m.hart.csr.deadline() == 50
    m.set_clock(50)
    assert m.hart.csr.deadline() is None


def test_alarms_too_far_away_are_none():
    m = machine(menvcfg=STCE, stimecmp=MASK)
    assert m.hart.csr.deadline() is None
    write(m, stimecmp=FOR_EVER - 1)
    assert m.hart.csr.deadline() == FOR_EVER - 1
    m.hart.waiting = True
    assert m.hart.csr.deadline() is None
    write(m, stimecmp=LONGEST_SLEEP - 1)
    assert m.hart.csr.deadline() == LONGEST_SLEEP - 1


# What M keeps from S (3.1.6.6)


@pytest.mark.parametrize(
    ("bit", "instructions"),
    [(TVM, ["csrr a0, satp", "csrw satp, a0", "sfence.vma"]), (TW, ["wfi"]), (TSR, ["sret"])],
)
def test_tvm_tw_and_tsr_trap_s_and_not_m(bit, instructions):
    for instruction in instructions:
        m = mode(machine(mstatus=bit), Mode.S)
        trap = do(m, instruction)
        assert (trap.cause, trap.value & 0x7F) == (ILLEGAL, 0x73)
        for other in (TVM | TW | TSR) & ~bit, 0:
            assert cause(mode(machine(mstatus=other), Mode.S), instruction) is None
        assert cause(mode(machine(mstatus=bit), Mode.M), instruction) is None
        assert cause(mode(machine(mstatus=0), Mode.U), instruction) == ILLEGAL


# What is quick


@given(
    st.sampled_from(sorted(machine().hart.csr.quick)),
    st.sampled_from(["csrrw a0, {csr:#x}, a1", "csrrs a0, {csr:#x}, a1", "csrrc a0, {csr:#x}, a1"])
    | st.sampled_from(["csrrs a0, {csr:#x}, x0", "csrrwi a0, {csr:#x}, 2", "csrrci a0, {csr:#x}, 10"]),
    st.sampled_from(list(Mode)),
    U64 | st.sampled_from([0, 2, 8, 10, 2 << 11, 1 << 18]),
    U64 | st.sampled_from([0, 2, 8, 10, 3 << 11, 1 << 17 | 1 << 11]),
    st.sampled_from([0, 2]),
)
def test_what_is_quick_does_the_same_as_while_somebody_listens(number, text, level, old, value, counters):
    ends = []
    for listened in (False, True):
        m = machine(mstatus=old, sscratch=old, mepc=old, mcounteren=counters)
        if listened:
            m.events.listen(lambda event: None)
        trap = do(mode(m, level), text.format(csr=number), a1=value)
        hart = m.hart
        contexts = str(hart.mmu.fetches.key), str(hart.mmu.data.key)
        ends.append((trap and trap.cause, register(m, "a0"), hart.csr.values, contexts, hart.csr.pending()))
    assert ends[0] == ends[1]
