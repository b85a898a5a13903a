"""The table of CSRs: what a write may change, whatever is written (WARL)."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vlab.language import VlabError
from vlab.riscv import CSRS, Csr, Mode
from vlab.riscv.csrs import ALL_CSRS, BY_NUMBER, H_REGISTERS, RESET

registers = st.integers(0, (1 << 64) - 1)
EXTENDED = [csr for csr in H_REGISTERS if csr not in CSRS.values()]
every_csr = pytest.mark.parametrize("csr", [*CSRS.values(), *EXTENDED], ids=lambda csr: csr.name)


def owner(csr: Csr) -> Csr:
    return CSRS[csr.view_of] if csr.view_of else csr


def holds_legal_values(csr: Csr, value: int) -> bool:
    fixed = all(part.fixed is None or part.get(value) == part.fixed for part in csr.fields)
    return fixed and all(not part.legal or part.get(value) in part.legal for part in csr.fields)


def at_reset(csr: Csr) -> int:
    return (H_REGISTERS.reset if csr in EXTENDED else RESET).get(csr.name, csr.fixed)


def reachable(csr: Csr, written: list[int]) -> int:
    """What the register that stores `csr` holds after these writes to itself, from reset."""
    stores = owner(csr)
    value = at_reset(stores)
    for new in written:
        value = stores.legalize(value, new)
    return value


@every_csr
def test_fields_do_not_overlap(csr: Csr) -> None:
    covered = 0
    for part in csr.fields:
        assert 0 <= part.low <= part.high < 64
        assert part.mask == sum(1 << bit for bit in range(part.low, part.high + 1))
        assert not covered & part.mask, part.name
        assert part.fixed is None or 0 <= part.fixed << part.low <= part.mask
        covered |= part.mask
    assert csr.visible == covered
    assert csr.writable & ~covered == csr.writable & csr.fixed == 0
    assert len({part.name for part in csr.fields}) == len(csr.fields)


@every_csr
def test_the_value_at_reset_is_a_legal_one(csr: Csr) -> None:
    if not csr.view_of:
        value = at_reset(csr)
        assert csr.legalize(value, value) == value
        assert holds_legal_values(csr, value)


@given(st.lists(registers, max_size=3), registers)
def test_a_write_leaves_a_legal_value_and_touches_its_own_bits_only(before: list[int], new: int) -> None:
    for csr in CSRS.values():
        old = reachable(csr, before)
        value = csr.legalize(old, new)
        assert 0 <= value < 1 << 64, csr
        assert (value ^ old) & ~csr.writable == 0, csr
        assert holds_legal_values(csr, value), csr
        # Writing the same again changes nothing, nor does writing back what was read.
        assert csr.legalize(value, new) == csr.legalize(value, value & csr.visible) == value, csr


@given(registers, registers)
def test_a_field_takes_what_is_legal_for_it_and_keeps_what_it_had_else(before: int, new: int) -> None:
    for csr in CSRS.values():
        old = reachable(csr, [before])
        illegal = [part for part in csr.fields if part.legal and part.get(new) not in part.legal]
        value = csr.legalize(old, new)
        for part in csr.fields:
            kept = part in illegal or part.hardware or (csr.name == "satp" and illegal)
            expected = part.get(old if kept else new) if part.fixed is None else part.fixed
            assert part.get(value) == expected, (csr, part)


@pytest.mark.parametrize("csr", [csr for csr in CSRS.values() if csr.view_of], ids=lambda csr: csr.name)
def test_a_view_shows_no_more_than_its_owner(csr: Csr) -> None:
    assert not owner(csr).view_of
    assert csr.visible & ~owner(csr).visible == 0
    assert csr.read_only or csr.writable & ~owner(csr).writable == 0


@given(registers, st.sampled_from([*range(1, 8), *range(9, 16)]))
def test_satp_with_a_mode_that_is_not_there_changes_nothing(new: int, mode: int) -> None:
    satp = CSRS["satp"]
    old = satp.legalize(0, 8 << 60 | 0x8_0000)
    assert old >> 60 == 8
    assert satp.legalize(old, new & ~(15 << 60) | mode << 60) == old


@given(registers)
def test_mpp_never_holds_the_reserved_mode(new: int) -> None:
    mstatus = CSRS["mstatus"]
    assume(mstatus["MPP"].get(new) == 2)
    for mode in Mode:
        old = mstatus.legalize(at_reset(mstatus), mode << mstatus["MPP"].low)
        assert mstatus["MPP"].get(mstatus.legalize(old, new)) == mode


def test_numbers_are_distinct_and_tell_privilege_and_access() -> None:
    assert len(BY_NUMBER) == len(ALL_CSRS) == len(H_REGISTERS.by_number)
    assert all(BY_NUMBER[csr.number] is csr for csr in (*CSRS.values(), *ALL_CSRS.values()))
    privileges = {name: CSRS[name].privilege for name in ("mstatus", "satp", "cycle")}
    assert privileges == {"mstatus": Mode.M, "satp": Mode.S, "cycle": Mode.U}
    some = ("cycle", "time", "mhartid", "mstatus", "satp", "stimecmp")
    assert [name for name in some if CSRS[name].read_only] == ["cycle", "time", "mhartid"]


@pytest.mark.parametrize(
    ("name", "mend"),
    [("sie", "Did you mean 'SIE'?"), ("SPPP", "Did you mean 'SPP'?"), ("zz", "There are: SIE, MIE, ")],
)
def test_an_unknown_field_is_told_the_near_one(name, mend):
    with pytest.raises(VlabError, match="mstatus has no field") as wrong:
        CSRS["mstatus"][name]
    assert mend in wrong.value.mend


def test_a_register_without_fields_has_none():
    with pytest.raises(VlabError, match="There are: none"):
        CSRS["mhartid"]["ID"]


def test_a_csr_says_what_it_is():
    assert repr(CSRS["stvec"]) == "CSR stvec, number 0x105, for S mode and above: MODE[1:0], BASE[63:2]"
    assert repr(CSRS["mhartid"]).endswith("for M mode and above: always zero")
