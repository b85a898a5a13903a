"""Translation in the hart: contexts, the TLB as state, A and D, access faults of the walk (Privileged ISA, 4.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.machine.programs import MASK, cause, do, machine, mode, paged, register, write
from vlab.machine import Machine
from vlab.machine.choices import TLB_ENTRIES
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.machine.mmu import Context, Entry, Key, data_mode, rights
from vlab.machine.pmp import R, W, X
from vlab.paging import Flags, flags_of
from vlab.riscv import Access, Cause, Mode, Trap

DATA = RAM_BASE + 0x8000
SUM, MXR, MPRV = 1 << 18, 1 << 19, 1 << 17
REACH = TLB_ENTRIES**2 * PAGE  # virtual addresses so far apart share an entry
UART = 0x1000_0000


def fault(m, address, access):
    """The cause of the fault of an access in the hart's mode; None if it is allowed."""
    try:
        m.mmu.translate(address, access)
    except Trap as trap:
        return trap.cause if trap.value == address else trap
    return None


@pytest.fixture
def hart():
    return mode(machine(), Mode.S).hart


# Contexts


@pytest.mark.parametrize("status", [0, SUM, MXR, SUM | MXR])
def test_a_context_is_the_mode_with_what_matters_in_it(status):
    m = mode(machine(mstatus=status), Mode.S)
    sum_, mxr = bool(status & SUM), bool(status & MXR)
    for lower in Mode:
        assert mode(m, lower).hart.mmu.fetches.key == Key(lower)
    write(m, satp=8 << 60)
    assert mode(m, Mode.M).hart.mmu.fetches.key == Key(Mode.M)
    assert mode(m, Mode.S).hart.mmu.fetches.key == Key(Mode.S, True, sum_, mxr)
    assert mode(m, Mode.U).hart.mmu.fetches.key == Key(Mode.U, True, False, mxr)


@given(st.lists(st.tuples(st.sampled_from(Mode), st.booleans(), st.booleans(), st.booleans()), max_size=8))
def test_it_follows_every_change_of_what_matters(changes):
    m = machine()
    for lower, sum_, mxr, paged_ in changes:
        write(m, mstatus=(SUM if sum_ else 0) | (MXR if mxr else 0), satp=8 << 60 if paged_ else 0)
        mode(m, lower)
        is_paged = paged_ and lower != Mode.M
        wanted = Key(lower, is_paged, is_paged and sum_ and lower == Mode.S, is_paged and mxr)
        assert m.hart.mmu.fetches.key == m.hart.mmu.data.key == wanted


@given(st.sampled_from(Mode), st.booleans(), st.sampled_from(Mode))
def test_mprv_counts_in_m_alone(here, mprv, previous):
    status = previous << 11 | (MPRV if mprv else 0)
    assert data_mode(here, status) == (previous if mprv and here == Mode.M else here)


@given(st.integers(0, 255), st.sampled_from([Mode.U, Mode.S]), st.booleans(), st.booleans())
def test_the_remembered_rights_are_those_of_the_walk(flags, lower, sum_, mxr):
    """What `rights` lets a later access do, a walk for it would let it do, A and D set."""
    key = Key(lower, True, sum_ and lower == Mode.S, mxr)
    leaf = flags | Flags.V | Flags.A
    if not leaf & (Flags.R | Flags.X) or leaf & (Flags.R | Flags.W) == Flags.W:
        return
    m = mode(machine(mstatus=(SUM if key.sum else 0) | (MXR if mxr else 0)), lower)
    table = paged(m, [(0x1000, DATA, "R")])
    table.set(0x1000, DATA >> 2 | leaf)
    m.hart.mmu.flush("test")
    for access, right in ((Access.LOAD, R), (Access.STORE, W), (Access.FETCH, X)):
        walked = fault(m.hart, 0x1000, access) is None
        m.hart.mmu.flush("test")
        remembered = bool(rights(leaf, key) & right)
        assert remembered == (walked and (access is not Access.STORE or bool(leaf & Flags.D)))
        table.set(0x1000, DATA >> 2 | leaf)


# The TLB is state


def test_without_a_fence_the_old_translation_is_used(hart):
    m = hart.computer
    m.memory.store(DATA, 8, 1)
    m.memory.store(DATA + PAGE, 8, 2)
    table = paged(m, [(0x1000, DATA, "RW")])
    assert (do(m, "ld a1, 0(a0)", a0=0x1000), register(m, "a1")) == (None, 1)
    table.map(0x1000, DATA + PAGE, "RW")
    assert (do(m, "ld a1, 0(a0)"), register(m, "a1")) == (None, 1)
    do(m, "sfence.vma")
    assert (do(m, "ld a1, 0(a0)"), register(m, "a1")) == (None, 2)


def test_a_new_satp_alone_fences_nothing_and_switching_paging_off_and_on_neither(hart):
    m = hart.computer
    m.memory.store(DATA, 8, 1)
    table = paged(m, [(0x1000, DATA, "RW")])
    do(m, "ld a1, 0(a0)", a0=0x1000)
    write(m, satp=0)
    assert cause(m, "ld a1, 0(a0)") == Cause.LOAD_ACCESS_FAULT
    write(m, satp=8 << 60 | 0x999)
    assert (do(m, "ld a1, 0(a0)"), register(m, "a1")) == (None, 1)
    assert table.root >> 12 != 0x999


def test_a_fence_for_one_address_may_drop_more_and_drops_all(hart):
    paged(hart.computer, [(0x1000, DATA, "RW"), (0x2000, DATA, "RW")])
    hart.load(0x1000, 8)
    hart.load(0x2000, 8)
    do(hart.computer, "sfence.vma a0", a0=0x1000)
    assert all(not context.entries for context in hart.mmu.contexts.values())


def test_the_tlb_is_direct_mapped_by_the_low_bits_of_the_page(hart):
    m = hart.computer
    table = paged(m, [(0x1000, DATA, "RW"), (0x1000 + REACH, DATA, "RW"), (0x2000, DATA, "RW")])
    for at in (0x1000, 0x2000, 0x1000 + REACH):
        hart.load(at, 8)
    assert [e.page for _index, e in sorted(hart.mmu.data.entries.items())] == [1 + TLB_ENTRIES**2, 2]
    table.unmap(0x1000)
    table.unmap(0x2000)
    assert fault(hart, 0x1000, Access.LOAD) == Cause.LOAD_PAGE_FAULT
    assert fault(hart, 0x2000, Access.LOAD) is None


def test_what_is_quick_follows_the_entry_it_came_from():
    """Evicted, replaced and flushed entries leave no way round the TLB. (The native engine's tags aren't here.)"""
    m = mode(Machine(memory="1M", engine="interpreter"), Mode.S)
    hart = m.hart
    paged(m, [(0x1000, DATA, "RW"), (0x1000 + REACH, DATA + PAGE, "RW")])
    for _again in range(3):
        hart.store(0x1000, 8, 1)
    assert 0x1000 in hart.mmu.data.writes
    hart.load(0x1000, 8)
    hart.load(0x1000 + REACH, 8)
    assert 0x1000 not in hart.mmu.data.reads | hart.mmu.data.writes
    assert list(hart.mmu.data.reads) == [0x1000 + REACH]


def test_faults_and_misses_are_never_remembered(hart):
    table = paged(hart.computer, [(0x1000, DATA, "R")])
    assert fault(hart, 0x1000, Access.STORE) == Cause.STORE_PAGE_FAULT
    assert fault(hart, 0x2000, Access.LOAD) == Cause.LOAD_PAGE_FAULT
    assert not hart.mmu.data.entries
    table.map(0x1000, DATA, "RW")
    table.map(0x2000, DATA, "RW")
    assert fault(hart, 0x1000, Access.STORE) is None
    assert fault(hart, 0x2000, Access.LOAD) is None


def test_what_another_context_remembers_is_of_no_use_to_this_one():
    m = mode(machine(mstatus=SUM), Mode.S)
    paged(m, [(0x1000, DATA, "RWU")])
    assert cause(m, "ld a1, 0(a0)", a0=0x1000) is None
    do(m, "csrc sstatus, a1", a1=SUM)
    assert cause(m, "ld a1, 0(a0)") == Cause.LOAD_PAGE_FAULT
    assert cause(mode(m, Mode.U), "ld a1, 0(a0)") is None


def test_a_page_cut_by_pmp_is_not_remembered_nor_are_the_rights_of_a_stale_entry_given_to_it():
    # The TLB knows 0x1000 as another page, read-only; then, unfenced, it is mapped to one with a closed word in it.
    m = machine(pmpaddr0=DATA + PAGE >> 2, pmpaddr1=MASK, pmpcfg0=0x1F << 8 | 2 << 3)
    m.hart.mode = Mode.S
    table = paged(m, [(0x1000, DATA, "R")])
    assert cause(m, "ld a1, 8(a0)", a0=0x1000) is None
    table.map(0x1000, DATA + PAGE, "RWX")
    assert cause(m, "sd a1, 8(a0)") is None  # the stale entry has no W: walked anew
    assert cause(m, "sd a1, 0(a0)") == Cause.STORE_ACCESS_FAULT
    assert not m.hart.mmu.data.writes


# A and D


def test_loads_set_a_and_stores_a_and_d(hart):
    table = paged(hart.computer, [(0x1000, DATA, "RWX")])

    def flags():
        return str(table.find(0x1000).flags).replace("-", "")

    assert flags() == "XWRV"
    hart.load(0x1000, 1)
    assert flags() == "AXWRV"
    hart.store(0x1000, 1, 0)  # the entry that is remembered can't be stored through: D is clear
    assert flags() == "DAXWRV"
    table.protect(0x1000, "RWX")
    hart.mmu.flush("test")
    fault(hart, 0x1000, Access.FETCH)
    assert flags() == "AXWRV"


def test_an_access_that_the_table_refuses_sets_nothing(hart):
    table = paged(hart.computer, [(0x1000, DATA, "R")])
    fault(hart, 0x1000, Access.STORE)
    assert table.find(0x1000).flags == flags_of("RV")


def test_who_only_looks_sets_nothing(hart):
    table = paged(hart.computer, [(0x1000, DATA, "RW")])
    assert hart.mmu.resolve(0x1000, Access.STORE, touch=False).physical == DATA
    assert table.find(0x1000).flags == flags_of("RWV")


def test_a_page_table_may_hold_code_and_setting_a_is_seen_as_a_store():
    # The table's last level lies in the page that runs: what A changes is decoded anew.
    m = mode(machine("ld a1, 0(a0)\n j ."), Mode.S)
    table = paged(m, [(RAM_BASE, RAM_BASE, "RX"), (0x1000, DATA, "R")])
    m.hart.x[10] = 0x1000
    m.run(3)
    assert "A" in str(table.find(0x1000).flags)


# The walk's own accesses


@pytest.mark.parametrize("root", [0, UART, RAM_BASE - PAGE, RAM_BASE + (1 << 20), (1 << 56) - PAGE])
def test_tables_outside_memory_are_access_faults_of_the_access(root):
    m = mode(machine(satp=8 << 60 | root >> 12), Mode.S)
    expected = [Cause.INSTRUCTION_ACCESS_FAULT, Cause.LOAD_ACCESS_FAULT, Cause.STORE_ACCESS_FAULT]
    assert [fault(m.hart, 0x1000, access) for access in Access] == expected


def test_entries_must_be_readable_to_s_and_writable_where_a_or_d_is_set():
    for rights_, faults in ((R | W, [None, None]), (R, [5, 7]), (0, [5, 7])):
        m = mode(machine(), Mode.S)
        table = paged(m, [(0x1000, DATA, "RW")])
        leaf = table.find(0x1000).entry
        write(m, pmpcfg0=0, pmpaddr0=leaf >> 2, pmpaddr1=MASK)
        write(m, pmpcfg0=0x1F << 8 | 3 << 3 | rights_)
        assert [fault(m.hart, 0x1000, a) for a in (Access.LOAD, Access.STORE)] == faults
    table.protect(0x1000, "RWAD")
    write(m, pmpcfg0=0x1F << 8 | 3 << 3 | R)
    assert fault(m.hart, 0x1000, Access.STORE) is None


@pytest.mark.parametrize("address", [1 << 38, (1 << 64) - (1 << 39), 1 << 56, 0x8000_0000_0000_0000])
def test_addresses_that_are_not_canonical_are_page_faults(hart, address):
    paged(hart.computer, [])
    assert fault(hart, address, Access.LOAD) == Cause.LOAD_PAGE_FAULT


def test_unpaged_addresses_beyond_the_bus_are_access_faults(hart):
    assert fault(hart, 1 << 56, Access.LOAD) == Cause.LOAD_ACCESS_FAULT
    assert hart.mmu.translate((1 << 56) - 1, Access.LOAD) == (1 << 56) - 1


def test_a_hart_without_a_tlb_walks_every_time():
    from vlab.machine.mmu import Mmu

    m = mode(machine(), Mode.S)
    table = paged(m, [(0x1000, DATA, "RW")])
    mmu = Mmu(m.hart, cached=False)
    assert mmu.translate(0x1000, Access.LOAD) == DATA
    table.map(0x1000, DATA + PAGE, "RW")
    assert mmu.translate(0x1000, Access.LOAD) == DATA + PAGE
    assert not mmu.data.entries


# What it tells


def test_fills_and_flushes_are_told(hart):
    m = hart.computer
    paged(m, [(0x1000, DATA, "RW")])
    with m.events.record() as seen:
        do(m, "ld a1, 8(a0)", a0=0x1000)
        do(m, "ld a1, 16(a0)")
        do(m, "sfence.vma")
        do(m, "ld a1, 8(a1)", a1=0x2000)
    fill, flush = seen
    assert (fill.address, fill.physical, fill.access, fill.context) == (0x1008, DATA + 8, "load", "S")
    assert flush.reason == "sfence.vma"


def test_keys_in_words():
    assert [str(Key(Mode.M)), str(Key(Mode.S, True, True, True)), str(Key(Mode.U, True))] == [
        "M unpaged",
        "S+SUM+MXR",
        "U",
    ]


def test_a_context_finds_by_the_whole_page_number():
    context = Context(Key(Mode.S), {1: Entry(1, 5, R)})
    assert context.find(0x1FFF) == Entry(1, 5, R)
    assert context.find(0x1000 + REACH) is None
    assert context.holds(0x1000, 0x5000, R)
    assert not context.holds(0x1000, 0x5000, W)
    assert not context.holds(0x1000, 0x6000, R)
