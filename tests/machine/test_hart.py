"""The hart: traps, returns, interrupts, and how loads, stores and atomics reach memory (Privileged ISA, 3.1 to 3.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.machine.programs import MASK, cause, do, finished, machine, mode, paged, register, write
from vlab.machine.memory import RAM_BASE
from vlab.riscv import ROWS, Cause, Interrupt, Mode, encode
from vlab.riscv.csrs import CSRS
from vlab.riscv.privilege import INTERRUPT_BIT

STATUS = {part.name: part for part in CSRS["mstatus"].fields}
DATA = RAM_BASE + 0x8000
UART, FINISHER, CLINT = 0x1000_0000, 0x10_0000, 0x200_0000
SSI, MSI, STI, MTI, SEI, MEI = (1 << int(i) for i in sorted(Interrupt))
U64 = st.integers(0, MASK)
MODES = st.sampled_from([Mode.U, Mode.S, Mode.M])


def status(m, name):
    return STATUS[name].get(m.hart.csr["mstatus"])


def bits(**values):
    return sum(value << STATUS[name].low for name, value in values.items())


# Entering a trap (3.1.6.1, 3.1.8, 3.1.14 to 3.1.16)


@given(MODES, st.sampled_from(sorted(Cause)), U64, U64, U64, st.integers(0, 1))
def test_an_exception_enters_its_handler(origin, code, delegated, before, value, vectored):
    m = mode(
        machine(
            medeleg=delegated, mstatus=before, mtvec=0x8000_1000 | vectored, stvec=0x8000_2000 | vectored
        ),
        origin,
    )
    old = m.hart.csr["mstatus"]
    m.hart.pc = 0x8000_0040
    m.hart.trap(code, value)
    to_s = m.hart.csr["medeleg"] >> code & 1 and origin != Mode.M
    x, target = ("s", Mode.S) if to_s else ("m", Mode.M)
    csr = m.hart.csr
    assert (m.hart.mode, m.hart.pc) == (target, csr[f"{x}tvec"] & ~3)
    assert (csr[f"{x}epc"], csr[f"{x}cause"], csr[f"{x}tval"]) == (0x8000_0040, code, value)
    upper = x.upper()
    assert status(m, f"{upper}PP") == origin
    assert status(m, f"{upper}PIE") == STATUS[f"{upper}IE"].get(old)
    assert status(m, f"{upper}IE") == 0
    touched = sum(STATUS[f"{upper}{name}"].mask for name in ("PP", "PIE", "IE"))
    assert (csr["mstatus"] ^ old) & ~touched == 0
    other = "m" if to_s else "s"
    assert (csr[f"{other}epc"], csr[f"{other}cause"], csr[f"{other}tval"]) == (0, 0, 0)


def test_a_trap_ends_a_wait():
    m = machine()
    m.hart.waiting = True
    m.hart.trap(INTERRUPT_BIT | Interrupt.MTI)
    assert not m.hart.waiting


@pytest.mark.parametrize(("delegated", "x"), [(0, "m"), (SSI | STI | SEI, "s")])
@pytest.mark.parametrize("vectored", [0, 1])
def test_an_interrupt_is_delegated_by_mideleg_and_may_be_vectored(delegated, x, vectored):
    m = mode(machine(mideleg=delegated, mtvec=0x8000_1000 | vectored, stvec=0x8000_2000 | vectored), Mode.U)
    m.hart.trap(INTERRUPT_BIT | Interrupt.STI)
    base = 0x8000_1000 if x == "m" else 0x8000_2000
    assert m.hart.pc == base + (4 * 5 if vectored else 0)
    assert (m.hart.csr[f"{x}cause"], m.hart.csr[f"{x}tval"]) == (INTERRUPT_BIT | 5, 0)


def test_exceptions_are_not_vectored_and_vectors_wrap_round():
    m = machine(mtvec=MASK - 2)  # the last word, MODE 1
    m.hart.trap(Cause.ECALL_FROM_M)
    assert m.hart.pc == MASK - 3
    m.hart.trap(INTERRUPT_BIT | Interrupt.MTI)
    assert m.hart.pc == 4 * 7 - 4


def test_what_traps_and_with_which_value():
    for lower, code in ((Mode.U, 8), (Mode.S, 9), (Mode.M, 11)):
        trap = do(mode(machine(), lower), "ecall")
        assert (trap.cause, trap.value) == (code, 0)
    trap = do(machine(), "ebreak")
    assert (trap.cause, trap.value) == (Cause.BREAKPOINT, RAM_BASE)
    for word in (0, 0xFFFF_FFFF, 0x0000_0013 | 7 << 25 | 1 << 12):
        trap = do(machine(), word)
        assert (trap.cause, trap.value) == (Cause.ILLEGAL_INSTRUCTION, word)


@pytest.mark.parametrize(
    ("word", "what"),
    [
        (0x1020_0073 | 1 << 7, "sret with an rd"),
        (0x1050_0073 | 1 << 15, "wfi with an rs1"),
        (0x1200_0073 | 1 << 7, "sfence.vma with an rd"),
        (0x0000_0073 | 1 << 7, "ecall with an rd"),
        (0x0020_0073, "uret"),
        (0x7B20_0073, "dret"),
        (0x0000_4073 | 0x340 << 20, "funct3 = 4 of SYSTEM"),
        (0x1000_202F | 1 << 20, "lr with an rs2"),
        (0x0000_0067 | 1 << 12, "funct3 = 1 of jalr"),
        (0x0200_101B, "slliw by 32"),
    ],
)
def test_words_that_are_reserved_are_illegal(word, what):
    assert cause(machine(), word) == Cause.ILLEGAL_INSTRUCTION, what


def test_exceptions_do_not_retire_and_interrupts_cost_no_attempt():
    m = machine(
        "csrsi mip, 2\n csrsi mie, 2\n la t0, h\n csrw mtvec, t0\n csrsi mstatus, 8\n j .\n .balign 4\nh: ecall"
    )
    m.run(6)
    assert m.hart.csr["mcause"] == 0
    m.step()  # of the handler, which the interrupt reached between two instructions
    assert (m.steps, m.hart.csr["mcause"]) == (7, Cause.ECALL_FROM_M)
    assert m.hart.retired == 6


# Leaving one (3.1.6.1, 3.3.2)


@given(U64, st.booleans(), MODES)
def test_mret_pops_its_stack(before, mpie, previous):
    m = machine(mstatus=before, mepc=0x8000_0040)
    write(m, mstatus=before & ~(3 << 11 | 1 << 7) | previous << 11 | mpie << 7)
    old = m.hart.csr["mstatus"]
    assert do(m, "mret") is None
    assert (m.hart.mode, m.hart.pc) == (previous, 0x8000_0040)
    assert (status(m, "MIE"), status(m, "MPIE"), status(m, "MPP")) == (mpie, 1, Mode.U)
    assert status(m, "MPRV") == (STATUS["MPRV"].get(old) if previous == Mode.M else 0)
    touched = bits(MIE=1, MPIE=1, MPP=3, MPRV=1)
    assert (m.hart.csr["mstatus"] ^ old) & ~touched == 0


@given(U64, st.booleans(), st.sampled_from([Mode.U, Mode.S]), st.sampled_from([Mode.S, Mode.M]))
def test_sret_pops_its_stack(before, spie, previous, here):
    m = mode(machine(sepc=0x8000_0040), here)
    write(m, mstatus=before & ~(1 << 8 | 1 << 5 | 1 << 22) | previous << 8 | spie << 5)
    old = m.hart.csr["mstatus"]
    assert do(m, "sret") is None
    assert (m.hart.mode, m.hart.pc) == (previous, 0x8000_0040)
    assert (status(m, "SIE"), status(m, "SPIE"), status(m, "SPP")) == (spie, 1, Mode.U)
    assert status(m, "MPRV") == 0
    touched = bits(SIE=1, SPIE=1, SPP=1, MPRV=1)
    assert (m.hart.csr["mstatus"] ^ old) & ~touched == 0


def test_returns_are_illegal_below_their_mode():
    assert cause(mode(machine(), Mode.S), "mret") == Cause.ILLEGAL_INSTRUCTION
    assert cause(mode(machine(), Mode.U), "mret") == Cause.ILLEGAL_INSTRUCTION
    assert cause(mode(machine(), Mode.U), "sret") == Cause.ILLEGAL_INSTRUCTION


# Interrupts (3.1.9)


def ready(lower, *, pending, enabled=MASK, delegated=0, mie=0, sie=0):
    m = mode(machine(mie=enabled, mideleg=delegated, mip=pending, mstatus=bits(MIE=mie, SIE=sie)), lower)
    m.hart.csr.values["mip"] = pending  # MSI, MTI and MEI too, which only devices assert
    taken = m.hart.interrupt()
    return None if taken is None else Interrupt(taken & ~INTERRUPT_BIT)


def test_interrupts_are_taken_in_their_order():
    order = [Interrupt.MEI, Interrupt.MSI, Interrupt.MTI, Interrupt.SEI, Interrupt.SSI, Interrupt.STI]
    left = sum(1 << i for i in order)
    for first in order:
        assert ready(Mode.U, pending=left) == first
        left &= ~(1 << first)
    assert ready(Mode.U, pending=0) is None


def test_one_for_m_comes_before_one_for_s():
    assert ready(Mode.U, pending=SEI | MTI, delegated=SEI) == Interrupt.MTI
    assert ready(Mode.U, pending=SEI | STI, delegated=SEI) == Interrupt.STI


@pytest.mark.parametrize("lower", list(Mode))
def test_whose_interrupts_are_on(lower):
    for on in (0, 1):
        undelegated = lower < Mode.M or on
        assert (ready(lower, pending=STI, mie=on) is not None) == bool(undelegated)
        delegated = lower < Mode.S or (lower == Mode.S and on)
        assert (ready(lower, pending=STI, delegated=STI, mie=1, sie=on) is not None) == bool(delegated)
    assert ready(lower, pending=STI, enabled=0, mie=1, sie=1) is None


def test_an_interrupt_is_taken_before_the_very_next_instruction():
    m = finished(
        """
        la t0, trap
        csrw mtvec, t0
        csrwi mie, 2
        csrsi mstatus, 8
        csrwi mip, 2            # software interrupt: taken before the nop
here:   nop
        j end
        .balign 4
trap:   csrwi mip, 0
        csrr s0, mepc
        la s1, here
        mret
end:
        """
    )
    assert register(m, "s0") == register(m, "s1")
    assert m.hart.csr["mcause"] == INTERRUPT_BIT | 1


def test_the_alarm_stops_a_program_at_the_very_instruction():
    for alarm in range(60, 70):
        m = machine(
            f"""
            la t0, trap
            csrw mtvec, t0
            li t0, 0x2004000
            li t1, {alarm}
            sd t1, 0(t0)
            li t0, 0x80
            csrw mie, t0
            csrsi mstatus, 8
1:          addi s0, s0, 1
            addi s1, s1, 1
            j 1b
trap:       j trap
            """
        )
        m.run(until=lambda m=m: m.hart.csr["mcause"] != 0)
        assert (m.time, m.hart.csr["mcause"]) == (alarm, INTERRUPT_BIT | 7)
        counted = alarm - 9  # after what comes first
        assert (m.hart.x[8], m.hart.x[9]) == ((counted + 2) // 3, (counted + 1) // 3)


# wfi (3.3.3)


def test_wfi_jumps_to_the_next_alarm_and_goes_on_without_a_trap_if_interrupts_are_off():
    m = finished(
        """
        li t0, 0x2004000
        li t1, 1000
        sd t1, 0(t0)
        li t0, 0x80
        csrw mie, t0
        wfi
        rdtime s0
        """
    )
    assert register(m, "s0") == 1001
    assert m.hart.csr["mcause"] == 0
    assert m.time - m.skipped == m.steps
    assert m.skipped > 900


def test_wfi_with_something_pending_is_no_wait():
    m = machine("csrwi mip, 2\n csrwi mie, 2\n wfi\n li s0, 1\n j .")
    m.run(10)
    assert (m.skipped, register(m, "s0")) == (0, 1)


def test_wfi_wakes_for_what_is_delegated_too():
    m = mode(machine("wfi\n li s0, 1\n j .", mideleg=SSI, mie=SSI, mip=SSI, mstatus=0), Mode.S)
    m.run(5)
    assert register(m, "s0") == 1


# Loads and stores


@given(st.integers(-20, 20), st.sampled_from([1, 2, 4, 8]), U64)
def test_misaligned_accesses_are_done_across_pages_too(offset, size, value):
    m = machine()
    at = DATA + 4096 + offset
    m.hart.store(at, size, value)
    assert m.memory.peek(at, size) == (value & (1 << 8 * size) - 1).to_bytes(size, "little")
    assert m.hart.load(at, size) == value & (1 << 8 * size) - 1
    before, after = m.memory.peek(at - 8, 8), m.memory.peek(at + size, 8)
    assert (before, after) == (bytes(8), bytes(8))


def test_a_store_across_pages_writes_nothing_if_the_second_faults():
    m = mode(machine(), Mode.S)
    paged(m, [(0x1000, DATA, "RW"), (0x3000, DATA, "RW")])
    for virtual in (0x1000, 0x3000):
        trap = do(m, "sd a1, 0(a0)", a0=virtual + 4092, a1=MASK)
        assert (trap.cause, trap.value) == (Cause.STORE_PAGE_FAULT, virtual + 4096)
        trap = do(m, "ld a1, 0(a0)", a0=virtual + 4092)
        assert (trap.cause, trap.value) == (Cause.LOAD_PAGE_FAULT, virtual + 4096)
        trap = do(m, "ld a1, 0(a0)", a0=virtual - 4)
        assert (trap.cause, trap.value) == (Cause.LOAD_PAGE_FAULT, virtual - 4)
    assert m.memory.peek(DATA + 4088, 8) == bytes(8)


def test_pages_side_by_side_may_lie_apart():
    m = mode(machine(), Mode.S)
    paged(m, [(0x1000, DATA + 0x2000, "RW"), (0x2000, DATA, "RW")])
    do(m, "sd a1, 0(a0)", a0=0x1FFD, a1=0x8877_6655_4433_2211)
    assert m.memory.peek(DATA + 0x2FFD, 3) == bytes([0x11, 0x22, 0x33])
    assert m.memory.peek(DATA, 5) == bytes([0x44, 0x55, 0x66, 0x77, 0x88])
    do(m, "ld a2, 0(a0)", a0=0x1FFD)
    assert register(m, "a2") == 0x8877_6655_4433_2211


def test_an_access_across_the_end_of_all_addresses_goes_on_at_0():
    m = mode(machine(), Mode.S)
    paged(m, [(0, DATA, "RW"), ((1 << 64) - 4096, DATA + 0x2000, "RW")])
    do(m, "sd a1, 0(a0)", a0=MASK - 3, a1=0x8877_6655_4433_2211)
    assert m.memory.load(DATA + 0x2FFC, 4) == 0x4433_2211
    assert m.memory.load(DATA, 4) == 0x8877_6655
    assert do(m, "ld a2, 4(a0)", a0=MASK - 7) is None
    assert register(m, "a2") == 0x8877_6655_4433_2211
    for offset, a0, held in ((8, MASK - 7, 0x8877_6655), (-8, 0, 0x4433_2211_0000_0000)):
        for _again in range(2):  # the quick way is no other one
            assert do(m, f"ld a2, {offset}(a0)", a0=a0) is None
            assert register(m, "a2") == held
    trap = do(m, "ld a2, 0x7ff(a0)", a0=MASK - 0x7FF + 4096)
    assert (trap.cause, trap.value) == (Cause.LOAD_PAGE_FAULT, 4096)


def test_where_nothing_is_an_access_faults():
    m = machine()
    for at in (0, RAM_BASE - 8, RAM_BASE + m.memory.size, 1 << 56, MASK - 7, MASK):
        for instruction, code in (("ld a1, 0(a0)", 5), ("sd a1, 0(a0)", 7), ("lr.d a1, (a0)", 5)):
            if instruction.startswith("lr") and at % 8:
                continue
            trap = do(m, instruction, a0=at)
            assert (trap.cause, trap.value) == (code, at)
    m.hart.pc = MASK - 3
    m.run(1)
    assert (m.hart.csr["mcause"], m.hart.csr["mtval"]) == (Cause.INSTRUCTION_ACCESS_FAULT, MASK - 3)


def test_devices_take_aligned_accesses_of_their_size_and_no_other():
    m = machine()
    assert cause(m, "lbu a1, 5(a0)", a0=UART) is None
    assert register(m, "a1") == 0x60
    for instruction in ("lw a1, 0(a0)", "lhu a1, 5(a0)", "lbu a1, 0x100(a0)"):
        assert cause(m, instruction, a0=UART) == Cause.LOAD_ACCESS_FAULT
    for instruction in ("sd a1, 0(a0)", "sh a1, 1(a0)", "sb a1, 0(a0)"):
        assert cause(m, instruction, a0=FINISHER) == Cause.STORE_ACCESS_FAULT
    assert cause(m, "ld a1, 0(a0)", a0=CLINT + 0xBFF8 + 4096 * 4) == Cause.LOAD_ACCESS_FAULT


def test_code_runs_from_memory_alone():
    m = machine()
    m.hart.pc = UART
    m.run(1)
    assert (m.hart.csr["mcause"], m.hart.csr["mtval"]) == (Cause.INSTRUCTION_ACCESS_FAULT, UART)


# Jumps (Unprivileged ISA, 2.5)


@pytest.mark.parametrize(
    "word",
    [
        encode(ROWS["jal"], {"rd": 1, "imm": 6}),
        encode(ROWS["jalr"], {"rd": 1, "rs1": 10, "imm": 2}),
        encode(ROWS["jalr"], {"rd": 1, "rs1": 10, "imm": 3}),
    ],
)
def test_a_misaligned_target_is_reported_on_the_jump_with_rd_untouched(word):
    m = machine(f".word {word}")
    m.hart.x[1], m.hart.x[10] = 77, RAM_BASE + 4
    m.run(1)
    assert (m.hart.csr["mcause"], m.hart.csr["mepc"]) == (Cause.INSTRUCTION_MISALIGNED, RAM_BASE)
    assert (m.hart.csr["mtval"], m.hart.x[1]) == (RAM_BASE + 6, 77)


def test_a_branch_to_a_misaligned_target_traps_only_if_taken():
    word = encode(ROWS["beq"], {"rs1": 10, "rs2": 0, "imm": 6})
    for a0, mepc in ((0, RAM_BASE), (1, 0)):
        m = machine(f".word {word}")
        m.hart.x[10] = a0
        m.run(1)
        assert (m.hart.csr["mepc"], m.hart.csr["mtval"]) == ((mepc, RAM_BASE + 6) if mepc else (0, 0))
        assert m.hart.pc == (0 if mepc else RAM_BASE + 4)


def test_jalr_clears_bit_0():
    m = machine("jalr ra, 1(a0)\n j .")
    m.hart.x[10] = RAM_BASE + 4
    m.run(1)
    assert (m.hart.pc, m.hart.x[1]) == (RAM_BASE + 4, RAM_BASE + 4)


# Atomics (Unprivileged ISA, A extension)


@pytest.mark.parametrize("size", ["w", "d"])
def test_sc_stores_if_the_very_bytes_are_reserved_and_ends_the_reservation(size):
    m = machine()
    do(m, f"lr.{size} a1, (a0)", a0=DATA)
    do(m, f"sc.{size} a2, a3, (a0)", a3=5)
    assert (register(m, "a2"), m.hart.load(DATA, 4)) == (0, 5)
    do(m, f"sc.{size} a2, a3, (a0)", a3=6)
    assert (register(m, "a2"), m.hart.load(DATA, 4)) == (1, 5)
    other = "d" if size == "w" else "w"
    do(m, f"lr.{other} a1, (a0)")
    do(m, f"sc.{size} a2, a3, (a0)", a3=7)
    assert (register(m, "a2"), m.hart.load(DATA, 4)) == (1, 5)
    assert m.reservation is None


def test_a_reservation_is_kept_over_traps_and_returns():
    m = machine()
    do(m, "lr.w a1, (a0)", a0=DATA)
    m.hart.trap(Cause.ECALL_FROM_M)
    do(m, "mret")
    mode(m, Mode.M)
    do(m, "sc.w a2, a3, (a0)")
    assert register(m, "a2") == 0


@pytest.mark.parametrize(
    ("instruction", "misaligned", "fault"),
    [("lr.w a1, (a0)", 4, 5), ("sc.w a1, a2, (a0)", 6, 7), ("amoadd.w a1, a2, (a0)", 6, 7)],
)
def test_atomics_are_aligned_and_never_reach_a_device(instruction, misaligned, fault):
    m = machine()
    for at in (DATA + 1, DATA + 2):
        trap = do(m, instruction, a0=at)
        assert (trap.cause, trap.value) == (misaligned, at)
    trap = do(m, instruction, a0=CLINT)
    assert (trap.cause, trap.value) == (fault, CLINT)


def test_an_amo_needs_to_be_allowed_to_store_and_faults_as_a_store():
    m = mode(machine(), Mode.S)
    paged(m, [(0x1000, DATA, "R")])
    trap = do(m, "amoadd.d a1, a2, (a0)", a0=0x1000)
    assert (trap.cause, trap.value) == (Cause.STORE_PAGE_FAULT, 0x1000)


def test_amo_into_the_register_of_its_address_or_operand():
    m = machine()
    m.memory.store(DATA, 8, 5)
    do(m, "amoadd.d a0, a1, (a0)", a0=DATA, a1=2)
    assert (register(m, "a0"), m.memory.load(DATA, 8)) == (5, 7)
    do(m, "amoswap.w a1, a1, (a0)", a0=DATA, a1=0x8000_0000)
    assert (register(m, "a1"), m.memory.load(DATA, 8)) == (7, 0x8000_0000)
    do(m, "amoor.w a1, x0, (a0)", a0=DATA)
    assert register(m, "a1") == 0xFFFF_FFFF_8000_0000


# MPRV (3.1.6.3)


def test_mprv_translates_data_as_mpp_and_fetches_as_m():
    m = machine("ld a1, 0(a0)\n j .")
    write(m, pmpaddr0=MASK, pmpcfg0=0x1F)
    m.memory.store(DATA, 8, 42)
    paged(m, [(0x1000, DATA, "RU"), (0x2000, DATA, "R")])
    write(m, mstatus=bits(MPRV=1, MPP=0))
    m.hart.x[10] = 0x1000
    m.run(1)
    assert (m.hart.x[11], m.hart.csr["mcause"]) == (42, 0)
    assert cause(m, "ld a1, 0(a0)", a0=0x2000) == Cause.LOAD_PAGE_FAULT  # U may not
    write(m, mstatus=bits(MPRV=1, MPP=1))
    assert cause(m, "ld a1, 0(a0)", a0=0x2000) is None
    assert cause(m, "ld a1, 0(a0)", a0=0x1000) == Cause.LOAD_PAGE_FAULT  # S needs SUM
    write(m, mstatus=bits(MPRV=1, MPP=1, SUM=1))
    assert cause(m, "ld a1, 0(a0)", a0=0x1000) is None
    write(m, mstatus=bits(MPRV=1, MPP=3))
    assert cause(m, "ld a1, 0(a0)", a0=0x1000) == Cause.LOAD_ACCESS_FAULT  # untranslated


# Telling


def test_listening_changes_nothing_and_tells_traps_returns_and_writes():
    source = """
        la t0, trap
        csrw mtvec, t0
        ecall
        li t0, 0x10000000
        li t1, 'x'
        sb t1, 0(t0)
        j end
        .balign 4
trap:   csrr t0, mepc
        addi t0, t0, 4
        csrw mepc, t0
        mret
end:
    """
    quiet = finished(source)
    m = machine(source + "li t6, 0x100000\n li t5, 0x5555\n sw t5, 0(t6)\n")
    with m.events.record() as seen:
        m.run()
    assert m.snapshot() == quiet.snapshot()
    told = [
        (e.kind, getattr(e, "name", getattr(e, "device", "")))
        for e in seen
        if e.kind not in ("TlbFill", "TlbFlush")
    ]
    assert told == [
        ("CsrWrite", "mtvec"),
        ("Trap", ""),
        ("CsrWrite", "mepc"),
        ("Return", ""),
        ("DeviceAccess", "uart"),
        ("DeviceAccess", "finisher"),
    ]
