"""Physical memory protection (Privileged ISA, 3.7): matching, priority, permissions, locks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.machine.programs import MASK, cause, do, machine, mode, paged, register, write
from vlab.machine.memory import RAM_BASE
from vlab.machine.pmp import LOCKED, NA4, NAPOT, OFF, TOR, Pmp, R, Region, W, X, legal_config, matching
from vlab.riscv import Cause, Mode, Trap

RW, RX, RWX = R | W, R | X, R | W | X
AT = RAM_BASE + 0x4000


def config(how, rights, locked=False):
    return how << 3 | rights | (LOCKED if locked else 0)


def pmp(*entries):
    """A PMP of these (configuration, address register) pairs."""
    configs = [c for c, _address in entries] + [0] * (16 - len(entries))
    addresses = [a for _c, a in entries] + [0] * (16 - len(entries))
    return Pmp(configs, addresses)


def test_with_no_entry_matching_m_may_all_and_others_nothing():
    empty = pmp()
    assert [empty.allowed(AT, 8, m) for m in (Mode.M, Mode.S, Mode.U)] == [RWX, 0, 0]


@pytest.mark.parametrize(
    ("how", "address", "first", "end"),
    [
        (NA4, AT >> 2, AT, AT + 4),
        (NAPOT, AT >> 2 | 0b0, AT, AT + 8),
        (NAPOT, AT >> 2 | 0b1, AT, AT + 16),
        (NAPOT, AT >> 2 | 0x1FF, AT, AT + 4096),
        (NAPOT, (1 << 54) - 1, 0, 1 << 57),
        (NAPOT, (1 << 53) - 1, 0, 1 << 56),
    ],
)
def test_what_na4_and_napot_match(how, address, first, end):
    (region,) = pmp((config(how, R), address)).regions
    assert (region.first, region.end) == (first, end)


def test_tor_matches_from_the_entry_below_whatever_that_one_is():
    assert pmp((config(TOR, R), AT >> 2)).regions == [Region(0, AT, config(TOR, R))]
    for below in (OFF, NA4):
        regions = pmp((config(below, 0), AT >> 2), (config(TOR, R), AT + 64 >> 2)).regions
        assert regions[-1] == Region(AT, AT + 64, config(TOR, R))
    assert pmp((config(OFF, 0), AT >> 2), (config(TOR, R), AT >> 2)).regions == []


def test_the_lowest_entry_that_matches_any_byte_decides():
    two = pmp((config(NA4, 0), AT >> 2), (config(NAPOT, RWX), AT >> 2 | 0x1FF))
    assert two.allowed(AT + 4, 4, Mode.U) == RWX
    assert two.allowed(AT, 4, Mode.U) == 0


def test_an_access_matched_in_part_fails_even_in_m():
    one = pmp((config(NA4, RWX), AT >> 2))
    assert one.allowed(AT, 8, Mode.M) == 0
    assert one.allowed(AT - 4, 8, Mode.U) == 0
    assert one.allowed(AT, 4, Mode.U) == RWX


def test_m_is_bound_by_locked_entries_alone():
    assert pmp((config(NA4, R), AT >> 2)).allowed(AT, 4, Mode.M) == RWX
    assert pmp((config(NA4, R, locked=True), AT >> 2)).allowed(AT, 4, Mode.M) == R


def test_a_page_is_uniform_unless_a_region_begins_or_ends_inside_it():
    assert pmp((config(NAPOT, R), AT >> 2 | 0x1FF)).uniform(AT, 4096)
    assert not pmp((config(NAPOT, R), AT >> 2 | 0xFF)).uniform(AT, 4096)
    assert not pmp((config(TOR, R), AT + 4 >> 2)).uniform(AT, 4096)
    assert not pmp((config(OFF, 0), AT + 4 >> 2), (config(TOR, R), AT + 8192 >> 2)).uniform(AT, 4096)


@given(st.integers(0, 255), st.integers(0, 255))
def test_what_a_configuration_byte_holds_after_a_write(old, new):
    value = legal_config(old, new)
    if old & LOCKED:
        assert value == old
    else:
        assert value & 0x60 == 0
        assert not (value & W and not value & R)
        assert (value ^ new) & ~(0x60 | W) == 0
        assert matching(value) == matching(new)


# The registers


def test_locked_entries_keep_configuration_and_address():
    m = machine(pmpaddr0=AT >> 2, pmpcfg0=config(NA4, R, locked=True))
    write(m, pmpaddr0=0, pmpcfg0=0)
    assert (m.hart.csr["pmpaddr0"], m.hart.csr["pmpcfg0"]) == (AT >> 2, config(NA4, R, locked=True))


def test_a_locked_top_of_range_locks_the_address_below_it():
    m = machine(pmpaddr0=1, pmpaddr1=AT >> 2, pmpcfg0=config(TOR, R, locked=True) << 8)
    write(m, pmpaddr0=2, pmpaddr1=3)
    assert (m.hart.csr["pmpaddr0"], m.hart.csr["pmpaddr1"]) == (1, AT >> 2)
    m = machine(pmpaddr0=1, pmpcfg0=config(NA4, R, locked=True) << 8)
    write(m, pmpaddr0=2)
    assert m.hart.csr["pmpaddr0"] == 2


def test_the_last_address_has_no_entry_above_it():
    m = machine(pmpaddr15=7)
    assert m.hart.csr["pmpaddr15"] == 7
    write(m, pmpcfg2=config(NA4, R, locked=True) << 56)
    write(m, pmpaddr15=8)
    assert m.hart.csr["pmpaddr15"] == 7


def test_address_registers_hold_54_bits_and_odd_configurations_do_not_exist():
    m = machine(pmpaddr3=MASK)
    assert m.hart.csr["pmpaddr3"] == (1 << 54) - 1
    assert cause(m, "csrr a0, 0x3a1") == Cause.ILLEGAL_INSTRUCTION


# In the hart


def test_accesses_of_each_kind():
    m = mode(machine(), Mode.U)
    write(m, pmpaddr0=AT >> 2 | 0x1FF)
    for rights in (0, R, RW, X, RX, RWX):
        write(m, pmpcfg0=config(NAPOT, rights))
        expected = [None if rights & right else fault for right, fault in FAULTS]
        assert [cause(m, "ld a1, 0(a0)", a0=AT), cause(m, "sd a1, 0(a0)", a0=AT)] == expected[:2]
        m.hart.pc = AT
        assert fetched(m) == expected[2]


FAULTS = [(R, Cause.LOAD_ACCESS_FAULT), (W, Cause.STORE_ACCESS_FAULT), (X, Cause.INSTRUCTION_ACCESS_FAULT)]


def fetched(m):
    try:
        m.hart.fetch(m.hart.pc)
    except Trap as trap:
        return trap.cause if trap.value == m.hart.pc else trap
    return None


def test_a_change_is_seen_at_once_though_the_page_was_remembered():
    m = mode(machine(), Mode.U)
    assert cause(m, "ld a1, 0(a0)", a0=AT) is None
    write(m, pmpcfg0=0)
    assert cause(m, "ld a1, 0(a0)", a0=AT) == Cause.LOAD_ACCESS_FAULT


def test_inside_a_page_each_access_is_checked():
    m = machine(pmpaddr0=AT >> 2, pmpaddr1=MASK, pmpcfg0=config(NAPOT, RWX) << 8 | config(NA4, 0))
    m.hart.mode = Mode.U
    m.hart.mmu.select()
    for _again in range(2):
        assert cause(m, "lw a1, 4(a0)", a0=AT) is None
        assert cause(m, "lw a1, 0(a0)", a0=AT) == Cause.LOAD_ACCESS_FAULT
        assert cause(m, "lw a1, 2(a0)", a0=AT) == Cause.LOAD_ACCESS_FAULT  # touched in part
        assert cause(m, "ld a1, 0(a0)", a0=AT) == Cause.LOAD_ACCESS_FAULT


def test_both_parts_of_an_access_across_pages_are_checked_whole():
    # The last word of the first page is closed; the access begins before it.
    last = AT + 4092
    m = machine(pmpaddr0=last >> 2, pmpaddr1=MASK, pmpcfg0=config(NAPOT, RWX) << 8 | config(NA4, 0))
    m.hart.mode = Mode.U
    m.hart.mmu.select()
    trap = do(m, "ld a1, 0(a0)", a0=last - 2)
    assert (trap.cause, trap.value) == (Cause.LOAD_ACCESS_FAULT, last - 2)
    # The second word of the next page is closed; the access ends in it.
    m = machine(pmpaddr0=AT + 4100 >> 2, pmpaddr1=MASK, pmpcfg0=config(NAPOT, RWX) << 8 | config(NA4, 0))
    m.hart.mode = Mode.U
    m.hart.mmu.select()
    before = m.memory.peek(AT + 4090, 16)
    trap = do(m, "sd a1, 0(a0)", a0=AT + 4094, a1=MASK)
    assert (trap.cause, trap.value) == (Cause.STORE_ACCESS_FAULT, AT + 4096)
    assert m.memory.peek(AT + 4090, 16) == before


@pytest.mark.parametrize(
    ("instruction", "flags", "rights", "raised"),
    [
        ("ld a1, 0(a0)", "RWAD", 0, Cause.LOAD_ACCESS_FAULT),
        ("sd a1, 0(a0)", "RWAD", 0, Cause.STORE_ACCESS_FAULT),
        ("amoadd.d a2, a1, (a0)", "RWAD", 0, Cause.STORE_ACCESS_FAULT),
        ("sd a1, 0(a0)", "RWAD", R, None),
        ("sd a1, 0(a0)", "RW", R, Cause.STORE_ACCESS_FAULT),  # A and D can't be set
        ("ld a1, 0(a0)", "RW", R, Cause.LOAD_ACCESS_FAULT),
        ("sd a1, 0(a0)", "RW", RW, None),
    ],
)
def test_page_tables_are_read_and_written_by_the_rules_of_s_mode(instruction, flags, rights, raised):
    """And the fault is that of the access, also where M mode makes it as a lower one (3.7.2)."""
    at = 0xC0000
    m = mode(machine(), Mode.S)
    paged(m, [(0x1000, AT, flags)], at)
    write(m, pmpaddr0=RAM_BASE + at >> 2 | 0x1FFF, pmpaddr1=MASK)
    write(m, pmpcfg0=config(NAPOT, RWX) << 8 | config(NAPOT, rights))
    trap = do(m, instruction, a0=0x1000)
    assert (trap and (trap.cause, trap.value)) == (raised and (raised, 0x1000))
    m.hart.mode = Mode.M
    write(m, mstatus=1 << 17 | 1 << 11)
    assert cause(m, instruction, a0=0x1000) == raised


def test_mprv_makes_m_subject_to_the_rules_of_mpp():
    m = machine()
    write(m, mstatus=1 << 17)  # MPRV, MPP = U
    assert cause(m, "ld a1, 0(a0)", a0=AT) == Cause.LOAD_ACCESS_FAULT
    write(m, mstatus=1 << 17 | 3 << 11)
    assert cause(m, "ld a1, 0(a0)", a0=AT) is None
    assert register(m, "a1") == 0
