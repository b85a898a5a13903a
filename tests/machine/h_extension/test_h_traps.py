"""Traps and returns with V ("Traps"): causes, delegation, what is written, `mret` and `sret`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.machine.h_extension.harts import (
    DATA,
    GVA,
    HSTATUS,
    MSTATUS,
    Guest,
    go,
    machine,
    where,
    write,
)  # fmt: skip
from tests.machine.programs import MASK, cause, do, register
from vlab.machine.memory import RAM_BASE
from vlab.riscv import Cause, Trap
from vlab.riscv.privilege import INTERRUPT_BIT

ALL = {"medeleg": MASK, "hedeleg": MASK}
VECTORS = {"mtvec": 0x8000_1000, "stvec": 0x8000_2000, "vstvec": 0x8000_3000}
GVA_BIT, SPV, SPVP = (HSTATUS[name] for name in ("GVA", "SPV", "SPVP"))
MODES = ("U", "HS", "M", "VU", "VS")


def taken(built, instruction, **registers):
    """Execute one instruction that traps, and take the trap."""
    trap = do(built, instruction, **registers)
    assert trap is not None
    built.hart.trap(trap.cause, trap.value, raised=trap)
    return trap


def guests_entry(guest, level):
    """The step of a walk that reads the guest's own entry of a level."""
    steps = guest.own.walk(GVA, "load", "S", host=guest.host).steps
    return next(step for step in steps if step.stage == "VS-stage" and step.level == level)


# Trap Cause Codes


@pytest.mark.parametrize(
    ("mode", "code"), [("U", 8), ("VU", 8), ("HS", 9), ("VS", 10), ("M", 11)], ids=lambda v: str(v)
)
def test_environment_calls(mode, code):
    assert cause(machine(mode), "ecall") == code


def test_new_codes():
    assert (Cause.VIRTUAL_INSTRUCTION, Cause.ECALL_FROM_VS) == (22, 10)
    faults = [Cause.INSTRUCTION_GUEST_PAGE_FAULT, Cause.LOAD_GUEST_PAGE_FAULT, Cause.STORE_GUEST_PAGE_FAULT]
    assert faults == [20, 21, 23]


# Trap Entry


@given(st.sampled_from(MODES), st.sampled_from(sorted(Cause)), st.integers(0, MASK), st.integers(0, MASK))
def test_who_handles_an_exception(mode, code, medeleg, hedeleg):
    built = machine(mode, medeleg=medeleg, hedeleg=hedeleg, **VECTORS)
    csr = built.hart.csr
    to_hs = csr["medeleg"] >> code & 1 and mode != "M"
    to_vs = to_hs and mode in ("VS", "VU") and csr["hedeleg"] >> code & 1
    built.hart.trap(code, 5)
    assert where(built) == ("VS" if to_vs else "HS" if to_hs else "M")
    prefix = "vs" if to_vs else "s" if to_hs else "m"
    assert (csr[f"{prefix}cause"], csr[f"{prefix}tval"]) == (code, 5)
    assert csr[f"{prefix}epc"] == RAM_BASE
    assert built.hart.pc == VECTORS[f"{prefix}tvec"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("mie", [0, 8])
def test_a_trap_into_m_mode(mode, mie):
    built = machine(mode, mstatus=mie | MSTATUS["MPV"] | MSTATUS["GVA"], hstatus=SPV | GVA_BIT)
    built.hart.trap(Cause.ILLEGAL_INSTRUCTION, 7)
    status = built.hart.csr["mstatus"]
    nominal = {"U": 0, "HS": 1, "M": 3, "VU": 0, "VS": 1}[mode]
    assert status >> 11 & 3 == nominal
    assert bool(status & MSTATUS["MPV"]) == (mode in ("VS", "VU"))
    assert (status >> 7 & 1, status >> 3 & 1) == (mie >> 3, 0)
    assert not status & MSTATUS["GVA"]
    assert where(built) == "M"
    assert built.hart.csr["hstatus"] & (SPV | GVA_BIT) == SPV | GVA_BIT  # HS mode's own is left alone


@pytest.mark.parametrize("mode", ["U", "HS", "VU", "VS"])
@pytest.mark.parametrize("spvp", [0, SPVP])
def test_a_trap_into_hs_mode(mode, spvp):
    """SPV is V, SPVP follows a guest's mode only: of V = 0 it is left as it was."""
    built = machine(mode, medeleg=MASK, hstatus=spvp | GVA_BIT | (0 if mode[0] == "V" else SPV), mstatus=2)
    built.hart.trap(Cause.ILLEGAL_INSTRUCTION, 7)
    status, hstatus = built.hart.csr["sstatus"], built.hart.csr["hstatus"]
    assert where(built) == "HS"
    assert status >> 8 & 1 == (mode in ("HS", "VS"))
    assert (status >> 5 & 1, status >> 1 & 1) == (1, 0)
    assert bool(hstatus & SPV) == (mode in ("VS", "VU"))
    assert hstatus & SPVP == {"VS": SPVP, "VU": 0}.get(mode, spvp)
    assert not hstatus & GVA_BIT


@pytest.mark.parametrize("mode", ["VU", "VS"])
def test_a_trap_into_vs_mode_writes_nothing_of_hs_mode(mode):
    built = machine(mode, **ALL, **VECTORS, vsstatus=2, mstatus=2, hstatus=SPVP, sepc=0x44, scause=3, htval=9)
    before = {n: built.hart.csr[n] for n in ("mstatus", "hstatus", "sepc", "scause", "stval", "htval")}
    built.hart.trap(Cause.BREAKPOINT, 77)
    csr = built.hart.csr
    assert {name: csr[name] for name in before} == before
    assert where(built) == "VS"
    assert (csr["vsepc"], csr["vscause"], csr["vstval"]) == (RAM_BASE, 3, 77)
    assert csr["vsstatus"] & 0x122 == 0x20 | (0x100 if mode == "VS" else 0)


# GVA: whether stval or mtval is an address of a guest's

WITH_ADDRESS = {0, 1, 3, 4, 5, 6, 7, 12, 13, 15, 20, 21, 23}


@pytest.mark.parametrize("code", sorted(Cause), ids=str)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("medeleg", [0, MASK])
def test_gva(code, mode, medeleg):
    built = machine(mode, medeleg=medeleg)
    built.hart.trap(code, 0x1234)
    csr = built.hart.csr
    told = csr["mstatus"] & MSTATUS["GVA"] if where(built) == "M" else csr["hstatus"] & GVA_BIT
    assert bool(told) == (mode in ("VS", "VU") and code in WITH_ADDRESS)


def test_gva_of_a_hypervisors_own_access_to_a_guest():
    """Then SPV = 0 and GVA = 1; SPVP stays."""
    built = machine("HS", medeleg=MASK, hstatus=SPVP)
    Guest(built)
    trap = taken(built, "hlv.d a0, (a1)", a1=GVA + 0x1000)
    assert trap.cause == Cause.LOAD_PAGE_FAULT
    assert built.hart.csr["hstatus"] & (SPV | SPVP | GVA_BIT) == SPVP | GVA_BIT
    assert built.hart.csr["stval"] == GVA + 0x1000
    assert not built.hart.virtual
    taken(built, "ld a0, (a1)", a1=0)
    assert not built.hart.csr["hstatus"] & GVA_BIT


@pytest.mark.parametrize("mpp", ["VS", "VU", "HS", "U", "M"])
def test_gva_of_an_access_under_mprv(mpp):
    nominal = {"U": 0, "HS": 1, "M": 3, "VU": 0, "VS": 1}[mpp]
    status = MSTATUS["MPRV"] | nominal << 11 | (MSTATUS["MPV"] if mpp in ("VS", "VU", "M") else 0)
    built = machine("M", satp=8 << 60)
    Guest(built)
    write(built, mstatus=status)
    trap = taken(built, "ld a0, (a1)", a1=GVA + 0x1000)
    expected = {"M": Cause.LOAD_ACCESS_FAULT, "HS": Cause.LOAD_PAGE_FAULT, "U": Cause.LOAD_PAGE_FAULT}
    if mpp[0] != "V":
        assert trap.cause in (expected[mpp], Cause.LOAD_ACCESS_FAULT)
    assert bool(built.hart.csr["mstatus"] & MSTATUS["GVA"]) == (mpp[0] == "V")
    assert not built.hart.csr["mstatus"] & MSTATUS["MPV"]


# htval, htinst, mtval2, mtinst


@pytest.mark.parametrize("target", ["HS", "M"])
def test_a_guest_page_fault_tells_the_guest_physical_address(target):
    built = machine("VU", medeleg=MASK if target == "HS" else 0)
    guest = Guest(built)
    guest.host_flags(DATA, "RXUAD")
    trap = taken(built, "sd a0, 0x28(a1)", a1=GVA)
    assert trap.cause == Cause.STORE_GUEST_PAGE_FAULT
    csr = built.hart.csr
    # What trapped stands in no memory of the guest's here, so it can't be read again: htinst is 0.
    names = ("stval", "htval", "htinst") if target == "HS" else ("mtval", "mtval2", "mtinst")
    assert tuple(csr[name] for name in names) == (GVA + 0x28, DATA + 0x28 >> 2, 0)
    others = ("mtval2", "mtinst") if target == "HS" else ("htval", "htinst")
    assert [csr[name] for name in others] == [0, 0]


@pytest.mark.parametrize("code", [Cause.ILLEGAL_INSTRUCTION, Cause.ECALL_FROM_VS, Cause.VIRTUAL_INSTRUCTION])
@pytest.mark.parametrize("medeleg", [0, MASK])
def test_other_traps_write_zero(code, medeleg):
    built = machine("VS", medeleg=medeleg, htval=1, htinst=1, mtval2=1, mtinst=1)
    built.hart.trap(code, 0)
    names = ("htval", "htinst") if medeleg else ("mtval2", "mtinst")
    assert [built.hart.csr[name] for name in names] == [0, 0]


def test_an_interrupt_writes_zero():
    built = machine("VS", mideleg=MASK, htval=1, htinst=1)
    built.hart.trap(INTERRUPT_BIT | 5)
    assert (built.hart.csr["htval"], built.hart.csr["htinst"]) == (0, 0)


@pytest.mark.parametrize("level", [2, 1, 0])
def test_a_fault_on_the_guests_own_table_is_a_read_pseudoinstruction(level):
    """htval has the address of the entry that couldn't be read, and the cause is that of the first access."""
    built = machine("VS", medeleg=MASK)
    guest = Guest(built, flags="RWXAD")
    entry = guests_entry(guest, level)
    for access, text in (("LOAD", "ld a0, (a1)"), ("STORE", "sd a0, (a1)")):
        guest.host_flags(entry.address, "XUAD")
        go(built, "VS")
        trap = taken(built, text, a1=GVA)
        assert trap.cause == Cause[f"{access}_GUEST_PAGE_FAULT"]
        assert built.hart.csr["htval"] == entry.address >> 2
        assert built.hart.csr["htinst"] == 0x3000
        assert built.hart.csr["stval"] == GVA


def test_a_refused_update_of_the_guests_entry_is_a_write_pseudoinstruction():
    built = machine("VS", medeleg=MASK)
    guest = Guest(built, flags="RWXA")
    entry = guests_entry(guest, 0)
    guest.host_flags(entry.address, "RUAD")
    assert cause(built, "ld a0, (a1)", a1=GVA) is None  # A is set already
    taken(built, "sd a0, (a1)", a1=GVA)
    csr = built.hart.csr
    assert (csr["scause"], csr["htval"], csr["htinst"]) == (23, entry.address >> 2, 0x3020)


@pytest.mark.parametrize(
    ("text", "word", "offset"),
    [
        ("lb a0, 5(a1)", 0x0000_0503, 5),
        ("lhu a2, -6(a1)", 0x0000_5603, -6),
        ("lw a0, 8(a1)", 0x0000_2503, 8),
        ("ld t6, 16(a1)", 0x0000_3F83, 16),
        ("sb a2, 5(a1)", 0x00C0_0023, 5),
        ("sd a2, -8(a1)", 0x00C0_3023, -8),
        ("lr.w.aq a0, (a1)", 0x1400_252F, 0),
        ("sc.d a0, a2, (a1)", 0x18C0_352F, 0),
        ("amoadd.w.aqrl a0, a2, (a1)", 0x06C0_252F, 0),
    ],
)
def test_transformed_instructions(text, word, offset):
    """rs1 becomes the distance to where the access began, the offset 0; all else is as it was."""
    built, code = machine("VS", source=text, medeleg=MASK), 0x4000_2000
    guest = Guest(built, paged=False)
    built.memory.store(guest.ram.host_address(code), 4, built.memory.load(RAM_BASE, 4))
    guest.host_flags(DATA, "XUAD")
    built.hart.pc, built.hart.x[11] = code, DATA + 0x40 - offset
    built.run(1)
    csr = built.hart.csr
    assert (csr["sepc"], csr["stval"], csr["htval"]) == (code, DATA + 0x40, DATA + 0x40 >> 2)
    assert csr["htinst"] == word


def test_a_misaligned_access_tells_how_far_it_had_come():
    """The second page faults: stval and htval are where it begins, the transformed rs1 is the distance."""
    built = machine("VS", source="ld a0, 0(a1)", medeleg=MASK)
    guest = Guest(built, paged=False)
    built.memory.store(guest.ram.host_address(0x4000_2000), 4, built.memory.load(RAM_BASE, 4))
    guest.host_flags(DATA + 0x1000, "XUAD")
    guest.ram.store(0x4000_3000, 4, built.memory.load(RAM_BASE, 4))
    guest.host_flags(0x4000_3000, "RXUAD")
    guest.host_flags(DATA, "RUAD")
    guest.host_flags(0x4000_2000, "XUAD")
    built.hart.pc, built.hart.x[11] = 0x4000_3000, DATA + 0x1000 - 3
    built.run(1)
    csr = built.hart.csr
    assert (csr["scause"], csr["stval"], csr["htval"]) == (21, 0x4000_2000, 0x4000_2000 >> 2)
    assert csr["htinst"] == 0x0000_3503 | 3 << 15


def test_a_fetch_that_faults_has_no_transformed_instruction():
    built = machine("VS", medeleg=MASK)
    guest = Guest(built, paged=False)
    guest.host_flags(DATA, "RWUAD")
    built.hart.pc = DATA
    built.run(1)
    csr = built.hart.csr
    assert (csr["scause"], csr["stval"], csr["htval"], csr["htinst"]) == (20, DATA, DATA >> 2, 0)


def test_a_page_fault_of_a_hypervisors_load_is_transformed_too():
    built = machine("HS", source="hlv.wu a0, (a1)", medeleg=MASK)
    Guest(built)
    built.hart.x[11] = GVA + 0x2000
    built.run(1)
    assert built.hart.csr["scause"] == Cause.LOAD_PAGE_FAULT
    assert built.hart.csr["htinst"] == 0x6810_4573 & ~(31 << 15)


# Trap Return


@given(st.sampled_from([0, 1, 3]), st.booleans(), st.booleans())
def test_mret(mpp, mpv, mpie):
    """V becomes MPV unless MPP is M; then MPV and MPP are 0, MIE is MPIE, MPIE is 1."""
    status = mpp << 11 | mpv * MSTATUS["MPV"] | mpie << 7 | MSTATUS["MPRV"]
    built = machine("M", mstatus=status, mepc=0x8000_0040)
    assert do(built, "mret") is None
    assert built.hart.virtual == (mpv and mpp != 3)
    assert (built.hart.mode, built.hart.pc) == (mpp, 0x8000_0040)
    after = built.hart.csr["mstatus"]
    assert after & (MSTATUS["MPV"] | MSTATUS["MPP"]) == 0
    assert (after >> 3 & 1, after >> 7 & 1) == (mpie, 1)
    assert bool(after & MSTATUS["MPRV"]) == (mpp == 3)


@pytest.mark.parametrize("mode", ["M", "HS"])
@given(st.booleans(), st.booleans(), st.booleans())
def test_sret_with_v_0(mode, spp, spv, spie):
    built = machine(
        mode, mstatus=spp << 8 | spie << 5 | MSTATUS["MPRV"], hstatus=spv * SPV | SPVP, sepc=0x8000_0040
    )
    assert do(built, "sret") is None
    assert where(built) == ("V" if spv else "") + ("S" if spv and spp else "HS" if spp else "U")
    assert built.hart.pc == 0x8000_0040
    status = built.hart.csr["mstatus"]
    assert (status >> 8 & 1, status >> 1 & 1, status >> 5 & 1) == (0, spie, 1)
    assert built.hart.csr["hstatus"] & (SPV | SPVP) == SPVP
    assert not status & MSTATUS["MPRV"]


@given(st.booleans(), st.booleans())
def test_sret_with_v_1(spp, spie):
    """It is a return within the guest: nothing of HS mode counts or changes."""
    built = machine(
        "VS", vsstatus=spp << 8 | spie << 5, vsepc=0x4000_0040, sepc=1 << 20, mstatus=0x20, hstatus=SPVP
    )
    assert do(built, "sret") is None
    assert where(built) == ("VS" if spp else "VU")
    assert built.hart.pc == 0x4000_0040
    status = built.hart.csr["vsstatus"]
    assert (status >> 8 & 1, status >> 1 & 1, status >> 5 & 1) == (0, spie, 1)
    assert built.hart.csr["hstatus"] & (SPV | SPVP) == SPVP
    assert built.hart.csr["mstatus"] & 0x22 == 0x20


@given(st.sampled_from(("VU", "VS", "U", "HS")), st.sampled_from(sorted(Cause)), st.booleans())
def test_a_return_undoes_a_trap(mode, code, to_m):
    built = machine(mode, medeleg=0 if to_m else MASK, mstatus=0xA, vsstatus=2)
    built.hart.trap(code)
    assert where(built) == ("M" if to_m or not built.hart.csr["medeleg"] >> code & 1 else "HS")
    assert do(built, "mret" if where(built) == "M" else "sret") is None
    assert (where(built), built.hart.pc) == (mode, RAM_BASE)


def test_a_trap_says_more_only_where_h_tells_more():
    assert (Trap.second, Trap.instruction, Trap.guest) == (0, 0, False)
    assert register(machine(), "a0") == 0
