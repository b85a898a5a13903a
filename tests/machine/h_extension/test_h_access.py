"""Who may do what with V = 1: VS registers in place of the supervisor's, virtual instruction against illegal.

Sections "Hypervisor and Virtual Supervisor CSRs", "Hypervisor Instructions" and "Trap Cause Codes".
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.machine.h_extension.harts import HSTATUS, MSTATUS, STCE, TM, go, machine, write
from tests.machine.programs import MASK, cause, do, register
from vlab.riscv import CSRS, Cause
from vlab.riscv.csrs import H_REGISTERS, Registers

ILLEGAL, VIRTUAL = Cause.ILLEGAL_INSTRUCTION, Cause.VIRTUAL_INSTRUCTION
REPLACED = {
    "sstatus": 0x4_0002, "sie": 0x222, "stvec": 0x8000_0000, "sscratch": 7, "sepc": 8, "scause": 9, "stval": 10,
    "sip": 2, "satp": 8 << 60 | 3, "stimecmp": 12,
}  # fmt: skip
OPENED = {
    "menvcfg": STCE,
    "henvcfg": STCE,
    "mcounteren": 7,
    "hcounteren": 7,
    "scounteren": 7,
    "hideleg": MASK,
}


# When V = 1, the VS CSRs substitute for the supervisor CSRs


@pytest.mark.parametrize(("name", "value"), REPLACED.items())
def test_a_guest_finds_the_vs_register(name, value):
    built = machine("VS", **OPENED)
    before = built.hart.csr[name]
    assert do(built, f"csrw {name}, a1", a1=value) is None
    assert built.hart.csr["v" + name] & value == value
    assert built.hart.csr[name] == before
    assert do(built, f"csrr a0, {name}") is None
    assert register(built, "a0") == built.hart.csr["v" + name]


@pytest.mark.parametrize(("name", "value"), REPLACED.items())
def test_hs_mode_has_both(name, value):
    built = machine("HS", **OPENED, mideleg=MASK)
    vs = built.hart.csr["v" + name]
    assert do(built, f"csrw {name}, a1", a1=value) is None
    assert (built.hart.csr["v" + name], built.hart.csr[name] & value) == (vs, value)
    assert do(built, f"csrw v{name}, a1", a1=value) is None
    assert built.hart.csr["v" + name] & value == value


def test_senvcfg_and_scounteren_have_no_vs_register():
    built = machine("VS")
    for name in ("senvcfg", "scounteren"):
        assert do(built, f"csrw {name}, a1", a1=1) is None
        assert built.hart.csr[name] == 1


def test_the_supervisors_registers_do_nothing_while_v_is_1():
    built = machine("VS", mideleg=MASK, mie=0x222, mip=2, mstatus=MSTATUS["SUM"])
    assert not built.hart.mmu.data.key.sum
    assert built.hart.csr["sip"] == 2
    do(built, "csrr a0, sip")
    assert register(built, "a0") == 0


# Who may touch which register


@pytest.mark.parametrize("csr", list(H_REGISTERS), ids=lambda csr: csr.name)
def test_each_register_from_each_mode(csr):
    """Everything open: M, HS, U as before; VS and VU meet a virtual instruction where HS mode would not trap."""
    of_nobody = csr.name.startswith("hpmcounter")  # its bit in mcounteren is read-only zero
    level = csr.number >> 8 & 3
    for name, least in (("M", 3), ("HS", 2), ("U", 0)):
        allowed = level <= least and not (of_nobody and name != "M")
        assert cause(machine(name, **OPENED), f"csrr a0, {csr.name}") == (None if allowed else ILLEGAL), name
    expected: tuple[Cause | None, Cause | None]
    if level == 3 or of_nobody:
        expected = ILLEGAL, ILLEGAL
    else:
        expected = {0: (None, None), 1: (None, VIRTUAL), 2: (VIRTUAL, VIRTUAL)}[level]
    got = tuple(cause(machine(name, **OPENED), f"csrr a0, {csr.name}") for name in ("VS", "VU"))
    assert got == expected


@pytest.mark.parametrize("name", ["hgeip", "cycle", "time", "instret"])
@pytest.mark.parametrize("where", ["VS", "VU"])
def test_a_write_that_hs_mode_could_not_do_is_illegal(name, where):
    assert cause(machine(where, **OPENED), f"csrw {name}, a0") == ILLEGAL


@pytest.mark.parametrize("where", ["VS", "VU"])
def test_a_number_without_register_is_illegal(where):
    assert cause(machine(where), "csrr a0, 0x6ff") == ILLEGAL
    assert cause(machine(where), "csrr a0, 0x5a8") == ILLEGAL


def test_xtval_of_a_virtual_instruction_is_the_word():
    trap = do(machine("VS"), "csrr a0, hstatus")
    assert (trap.cause, trap.value) == (VIRTUAL, 0x6000_2573)


def test_tvm_and_vtvm_guard_the_root_registers():
    for where, status, hypervisors, expected in (
        ("HS", "TVM", "", {"satp": ILLEGAL, "hgatp": ILLEGAL, "vsatp": None}),
        ("HS", "", "VTVM", {"satp": None, "hgatp": None, "vsatp": None}),
        ("VS", "TVM", "", {"satp": None, "hgatp": VIRTUAL, "vsatp": VIRTUAL}),
        ("VS", "", "VTVM", {"satp": VIRTUAL}),
        ("VU", "TVM", "", {"satp": VIRTUAL, "hgatp": VIRTUAL}),
        ("M", "TVM", "VTVM", {"satp": None, "hgatp": None, "vsatp": None}),
    ):
        built = machine(where, mstatus=MSTATUS.get(status, 0), hstatus=HSTATUS.get(hypervisors, 0))
        assert {name: cause(built, f"csrr a0, {name}") for name in expected} == expected, (where, status)


@given(*[st.integers(0, 7)] * 3)
def test_counters_of_a_guest(m, h, s):
    """In VS mode hcounteren decides, in VU mode scounteren too; without mcounteren it is M mode's affair."""
    for bit, name in enumerate(("cycle", "time", "instret")):
        for where in ("VS", "VU"):
            built = machine(where, mcounteren=m, hcounteren=h, scounteren=s)
            lent = h >> bit & 1 and (where == "VS" or s >> bit & 1)
            expected = ILLEGAL if not m >> bit & 1 else None if lent else VIRTUAL
            assert cause(built, f"csrr a0, {name}") == expected


@given(*[st.booleans()] * 4)
def test_stimecmp_of_a_guest(m_stce, h_stce, m_tm, h_tm):
    """Sstc: what M mode withholds is illegal, what the hypervisor withholds a virtual instruction."""
    csrs = {
        "menvcfg": m_stce * STCE,
        "henvcfg": h_stce * STCE,
        "mcounteren": m_tm * TM,
        "hcounteren": h_tm * TM,
    }
    given_to_hs = m_stce and m_tm
    for name in ("stimecmp", "vstimecmp"):
        assert cause(machine("HS", **csrs), f"csrr a0, {name}") == (None if given_to_hs else ILLEGAL)
        assert cause(machine("VU", **csrs), f"csrr a0, {name}") == (VIRTUAL if given_to_hs else ILLEGAL)
    expected = ILLEGAL if not given_to_hs else None if h_stce and h_tm else VIRTUAL
    assert cause(machine("VS", **csrs), "csrr a0, stimecmp") == expected
    assert cause(machine("VS", **csrs), "csrr a0, vstimecmp") == (VIRTUAL if given_to_hs else ILLEGAL)


def test_a_guest_reads_time_with_htimedelta():
    built = machine("HS", mcounteren=7, hcounteren=7, htimedelta=-1000)
    do(built, "csrr a0, time")
    host = register(built, "a0")
    do(go(built, "VS"), "csrr a0, time")
    assert register(built, "a0") == host - 1000 & MASK


# Privileged instructions

FIELDS = ("TVM", "TW", "TSR")


@pytest.mark.parametrize(
    ("instruction", "where", "set_", "expected"),
    [
        ("sret", "VS", "", None),
        ("sret", "VS", "TSR", None),
        ("sret", "VS", "VTSR", VIRTUAL),
        ("sret", "VU", "", VIRTUAL),
        ("sret", "HS", "VTSR", None),
        ("sret", "HS", "TSR", ILLEGAL),
        ("sret", "U", "", ILLEGAL),
        ("mret", "VS", "", ILLEGAL),
        ("mret", "VU", "", ILLEGAL),
        ("mret", "HS", "", ILLEGAL),
        ("wfi", "VS", "", None),
        ("wfi", "VS", "VTW", VIRTUAL),
        ("wfi", "VS", "TW", ILLEGAL),
        ("wfi", "VS", "TW VTW", ILLEGAL),
        ("wfi", "VU", "", VIRTUAL),
        ("wfi", "VU", "VTW", VIRTUAL),
        ("wfi", "VU", "TW", ILLEGAL),
        ("wfi", "HS", "VTW", None),
        ("wfi", "U", "", ILLEGAL),
        ("sfence.vma", "VS", "", None),
        ("sfence.vma", "VS", "TVM", None),
        ("sfence.vma", "VS", "VTVM", VIRTUAL),
        ("sfence.vma", "VU", "", VIRTUAL),
        ("sfence.vma", "HS", "VTVM", None),
        ("sfence.vma", "HS", "TVM", ILLEGAL),
        ("hfence.vvma", "M", "TVM", None),
        ("hfence.vvma", "HS", "TVM VTVM", None),
        ("hfence.vvma", "U", "", ILLEGAL),
        ("hfence.vvma", "VS", "", VIRTUAL),
        ("hfence.vvma", "VU", "", VIRTUAL),
        ("hfence.gvma", "M", "TVM", None),
        ("hfence.gvma", "HS", "VTVM", None),
        ("hfence.gvma", "HS", "TVM", ILLEGAL),
        ("hfence.gvma", "U", "", ILLEGAL),
        ("hfence.gvma", "VS", "", VIRTUAL),
        ("hfence.gvma", "VU", "", VIRTUAL),
    ],
)
def test_privileged_instructions(instruction, where, set_, expected):
    names = set_.split()
    mstatus = sum(MSTATUS[name] for name in names if name in MSTATUS)
    hstatus = sum(HSTATUS[name] for name in names if name in HSTATUS)
    assert cause(machine(where, mstatus=mstatus, hstatus=hstatus), instruction) == expected


LOADS = "hlv.b hlv.bu hlv.h hlv.hu hlv.w hlv.wu hlv.d hlvx.hu hlvx.wu".split()
STORES = "hsv.b hsv.h hsv.w hsv.d".split()


@pytest.mark.parametrize("name", [*LOADS, *STORES])
def test_loads_and_stores_of_a_guest_are_for_m_and_hs_and_with_hu_for_u(name):
    """Of U mode without HU illegal, with V = 1 always a virtual instruction."""
    place = 0x8000_1000
    for where, hu, expected in (
        ("M", False, None), ("HS", False, None), ("U", True, None), ("U", False, ILLEGAL),
        ("VS", True, VIRTUAL), ("VU", True, VIRTUAL), ("VS", False, VIRTUAL), ("VU", False, VIRTUAL),
    ):  # fmt: skip
        built = machine(where, hstatus=hu * HSTATUS["HU"])
        assert cause(built, f"{name} a1, (a0)", a0=place) == expected, where


def test_hu_does_not_open_the_fences_to_u_mode():
    for fence in ("hfence.vvma", "hfence.gvma"):
        assert cause(machine("U", hstatus=HSTATUS["HU"]), fence) == ILLEGAL


@pytest.mark.parametrize("where", ["VS", "VU"])
def test_what_no_mode_knows_stays_illegal(where):
    assert cause(machine(where), 0xFFFF_FFFF) == ILLEGAL


def test_without_the_extension_its_instructions_are_illegal():
    from tests.machine.programs import machine as plain

    for text in ("hlv.w a0, (a1)", "hsv.d a0, (a1)", "hfence.vvma", "hfence.gvma", "hlvx.hu a0, (a1)"):
        trap = do(plain(), text)
        assert (trap.cause, trap.value) == (ILLEGAL, trap.value)
        assert trap.value & 0x7F == 0x73


def test_one_table_of_registers_has_both():
    assert isinstance(H_REGISTERS, Registers)
    assert set(CSRS) < set(H_REGISTERS.by_name)


# With a quirk too


def test_a_quirk_of_u_mode_is_one_of_vu_mode_and_of_its_own_register():
    from vlab.machine import Machine

    built = Machine(memory="1M", extensions="H", quirks="silent-sstatus")
    write(built, vsstatus=0x40000, pmpaddr0=MASK, pmpcfg0=0x1F)
    go(built, "VU")
    assert do(built, "csrrw a0, sstatus, a1", a1=2) is None
    assert register(built, "a0") == 0x2_0004_0000
    assert built.hart.csr["vsstatus"] == 0x2_0004_0000
    assert built.hart.csr["sstatus"] == 0x2_0000_0000
    assert cause(built, "csrr a0, vsstatus") == VIRTUAL
    assert cause(go(built, "VS"), "csrw sstatus, a1", a1=2) is None
    assert built.hart.csr["vsstatus"] == 0x2_0000_0002
