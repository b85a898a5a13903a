"""The registers of the H extension: which there are, their WARL rules, aliases.

Sections "Hypervisor and Virtual Supervisor CSRs" and "Machine-Level CSRs".
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.machine.h_extension.harts import HSTATUS, MSTATUS, STCE, go, machine, write
from tests.machine.programs import MASK, cause, do, register
from tests.machine.programs import machine as plain
from vlab.language import VlabError
from vlab.machine import Machine
from vlab.riscv import CSRS, Cause
from vlab.riscv.csrs import H_REGISTERS

NEW = [csr for csr in H_REGISTERS if csr.name not in CSRS]
U64 = st.integers(0, MASK)


def held(built, name, value):
    """What M mode reads after it wrote a value."""
    assert do(built, f"csrw {name}, a1", a1=value) is None
    assert do(built, f"csrr a0, {name}") is None
    return register(built, "a0")


# The option


@pytest.mark.parametrize("csr", NEW, ids=lambda csr: csr.name)
def test_without_the_extension_none_of_it_is_there(csr):
    assert cause(plain(), f"csrr a0, {csr.name}") == Cause.ILLEGAL_INSTRUCTION
    assert cause(machine(), f"csrr a0, {csr.name}") is None


def test_without_the_extension_no_field_of_it_can_be_written():
    for name in ("mstatus", "medeleg", "mideleg", "mie", "mip", "misa"):
        without, extended = plain(), machine()
        assert held(without, name, MASK) == CSRS[name].legalize(CSRS[name].fixed, MASK) & CSRS[name].visible
        assert held(extended, name, MASK) & ~held(without, name, MASK)


def test_misa_says_so_in_bit_7_and_the_device_tree_in_its_isa():
    assert machine().hart.csr["misa"] >> 7 & 1
    assert not plain().hart.csr["misa"] >> 7 & 1
    for extensions, isa in (("", b"rv64ima_zicsr"), ("H", b"rv64imah_zicsr")):
        built = Machine(extensions=extensions, memory="1M")
        built.load(machine().program)
        tree = built.memory.peek(built.hart.x[11], 0x400)
        assert isa in tree


@pytest.mark.parametrize(
    ("wanted", "said"),
    [("H", "H"), ("HC", "CH"), ("_svade", "_svade"), ("C_svade_sv48", "C_sv48_svade"), ("", "")],
)
def test_extensions_are_said_in_one_order(wanted, said):
    assert Machine(memory="1M", extensions=wanted).extensions == said


@pytest.mark.parametrize(
    "wanted", ["h", "HH", "V", None, 7, ["H"], "_", "C_", "C_sv57", "_svade_svade", "svade"]
)
def test_there_is_no_other_extension(wanted):
    with pytest.raises(VlabError, match="There is no extension"):
        Machine(extensions=wanted)


# Fields, one register after the other


def test_hstatus():
    """VSXL says 64 bits, VGEIN and VSBE are 0 (GEILEN 0, little-endian)."""
    fields = {"GVA": 6, "SPV": 7, "SPVP": 8, "HU": 9, "VTVM": 20, "VTW": 21, "VTSR": 22}
    assert {name: 1 << bit for name, bit in fields.items()}.items() <= HSTATUS.items()
    built = machine()
    assert held(built, "hstatus", 0) == 2 << 32
    assert held(built, "hstatus", MASK) == 2 << 32 | sum(1 << bit for bit in fields.values())


def test_hedeleg_takes_what_table_must_be_writable():
    assert held(machine(), "hedeleg", MASK) == 0b1011_0001_1111_1111


def test_hideleg_takes_the_vs_level_interrupts_alone():
    assert held(machine(), "hideleg", MASK) == 1 << 10 | 1 << 6 | 1 << 2


def test_mideleg_has_the_vs_level_interrupts_delegated_for_good():
    assert held(machine(), "mideleg", 0) == 1 << 10 | 1 << 6 | 1 << 2


def test_medeleg_takes_the_new_exceptions():
    new = held(machine(), "medeleg", MASK) & ~held(plain(), "medeleg", MASK)
    assert new == sum(1 << code for code in (10, 20, 21, 22, 23))


def test_mstatus_has_mpv_and_gva():
    assert (MSTATUS["GVA"], MSTATUS["MPV"]) == (1 << 38, 1 << 39)
    both = MSTATUS["GVA"] | MSTATUS["MPV"]
    assert held(machine(), "mstatus", MASK) & both == both
    assert not held(plain(), "mstatus", MASK) & both


def test_hgatp_bare_or_sv39x4_vmidlen_0_root_of_16_kib():
    built = machine()
    # MODE 15 isn't there: that field stays as it was, and not the register.
    assert held(built, "hgatp", MASK) == 0xFFF_FFFF_FFFC
    assert held(built, "hgatp", 8 << 60 | 0x12347) == 8 << 60 | 0x12344
    assert held(built, "hgatp", 9 << 60 | 0x8) == 8 << 60 | 0x8


def test_vsatp_ignores_a_write_with_an_unsupported_mode():
    built = machine()
    assert held(built, "vsatp", 8 << 60 | 5) == 8 << 60 | 5
    assert held(built, "vsatp", 9 << 60 | 7) == 8 << 60 | 5
    go(built, "VS")
    assert do(built, "csrw satp, a1", a1=10 << 60 | 9) is None
    assert built.hart.csr["vsatp"] == 8 << 60 | 5


@pytest.mark.parametrize("csr", ["hgeip", "hgeie"])
def test_there_are_no_guest_external_interrupts(csr):
    built = machine()
    assert built.hart.csr[csr] == 0
    if csr == "hgeie":
        assert held(built, csr, MASK) == 0


def test_hgeip_is_read_only():
    assert cause(machine(), "csrw hgeip, a0") == Cause.ILLEGAL_INSTRUCTION


@pytest.mark.parametrize(
    "name", ["htimedelta", "htval", "mtval2", "vsscratch", "vscause", "vstval", "vstimecmp"]
)
@given(U64)
def test_whole_registers_hold_what_is_written(name, value):
    assert held(machine(), name, value) == value


@pytest.mark.parametrize("name", ["htinst", "mtinst"])
def test_trap_instructions_are_of_32_bits(name):
    assert held(machine(), name, MASK) == 0xFFFF_FFFF


@given(U64)
def test_vs_registers_hold_what_the_supervisors_do(value):
    built = machine()
    for name in ("status", "tvec", "epc", "atp", "scratch", "cause", "tval"):
        assert held(built, f"vs{name}", value) == held(built, f"s{name}", value)


def test_henvcfg_stce_is_read_only_zero_under_a_clear_one_in_menvcfg():
    built = machine()
    assert held(built, "henvcfg", MASK) == 1
    write(built, menvcfg=STCE)
    assert held(built, "henvcfg", MASK) == STCE | 1
    write(built, menvcfg=0)
    assert built.hart.csr["henvcfg"] == 1
    write(built, henvcfg=STCE)
    write(built, menvcfg=STCE)
    assert built.hart.csr["henvcfg"] == 0


def test_hcounteren():
    assert held(machine(), "hcounteren", MASK) == 7


# What is an alias of what: sections on hvip, hip, hie, and on vsip, vsie


def test_hvip_asserts_and_hip_mip_show():
    built = machine()
    assert held(built, "hvip", MASK) == 0b100_0100_0100
    assert built.hart.csr["hip"] == 0b100_0100_0100
    assert built.hart.csr["mip"] & 0b100_0100_0100 == 0b100_0100_0100
    assert built.hart.csr["sip"] == 0


@pytest.mark.parametrize("alias", ["hip", "mip"])
def test_vssip_is_writable_in_hip_and_mip_and_the_others_are_not(alias):
    built = machine()
    do(built, f"csrs {alias}, a1", a1=MASK)
    assert built.hart.csr["hvip"] == 1 << 2
    write(built, hvip=MASK)
    do(built, f"csrc {alias}, a1", a1=MASK)
    assert built.hart.csr["hvip"] == 1 << 10 | 1 << 6


def test_hie_is_part_of_mie_and_no_bit_is_in_sie_too():
    built = machine()
    write(built, mideleg=MASK)
    assert held(built, "hie", MASK) == 0b100_0100_0100
    assert built.hart.csr["mie"] == 0b100_0100_0100
    assert built.hart.csr["sie"] == 0
    write(built, sie=MASK)
    assert built.hart.csr["sie"] & built.hart.csr["hie"] == 0
    assert held(built, "hie", 0) == 0
    assert built.hart.csr["mie"] == built.hart.csr["sie"] != 0


@given(st.integers(0, 7), U64)
def test_vsip_and_vsie_show_what_is_delegated_one_place_lower(lent, value):
    delegated = (lent & 1) << 2 | (lent >> 1 & 1) << 6 | (lent >> 2) << 10
    built = machine(hvip=MASK, hie=MASK, hideleg=delegated)
    assert built.hart.csr["vsip"] == built.hart.csr["vsie"] == delegated >> 1
    assert held(built, "vsie", value) == value & delegated >> 1
    assert built.hart.csr["hie"] == 0b100_0100_0100 & ~delegated | value << 1 & delegated
    # Of vsip the guest writes SSIP alone.
    assert held(built, "vsip", value) == delegated >> 1 & ~(0 if value & 2 else 2)
    assert built.hart.csr["hvip"] >> 2 & 1 == (value >> 1 & 1 if lent & 1 else 1)


def test_a_set_of_vsip_starts_from_what_software_set():
    """An alarm that rings is not written down by who sets another bit (as with mip, 3.1.9)."""
    built = machine(hideleg=MASK, menvcfg=STCE, henvcfg=STCE, vstimecmp=0)
    assert built.hart.csr["hip"] == 1 << 6
    for csr, bit in (("vsip", 2), ("hip", 4), ("hvip", 4), ("mip", 4)):
        do(built, f"csrs {csr}, a1", a1=bit)
        write(built, vstimecmp=MASK)
        assert built.hart.csr["hip"] == 1 << 2, csr
        write(built, vstimecmp=0, hvip=0)


@given(st.lists(st.tuples(st.sampled_from(H_REGISTERS.stored), U64), max_size=20))
def test_what_was_written_is_restorable(writes):
    """Also what came by a view: hvip writes bits of mip that mip itself can't."""
    built = machine(hvip=MASK)
    for name, value in writes:
        write(built, **{name: value})
    for name, value in built.hart.csr.values.items():
        assert name.startswith("pmp") or H_REGISTERS.holds(name, value)
    assert not H_REGISTERS.holds("mip", 1 << 12)
    assert not H_REGISTERS.holds("mie", 1 << 4)
