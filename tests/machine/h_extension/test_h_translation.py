"""Two-stage translation in the hart: stages, permissions, TLB and fences, and a hypervisor's own loads and stores.

Sections "Two-Stage Address Translation" and "Hypervisor Instructions".
"""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.machine.h_extension.harts import (
    DATA,
    GUEST_BASE,
    GVA,
    HSTATUS,
    MSTATUS,
    Frames,
    Guest,
    go,
    machine,
    write,
)  # fmt: skip
from tests.machine.programs import MASK, cause, do, register
from tests.parts import page_in
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.machine.mmu import Key
from vlab.paging import SV39X4, Flags, PageTable, flags_of
from vlab.riscv import Access, Cause, Mode, Trap

SUM, MXR = MSTATUS["SUM"], MSTATUS["MXR"]
PAGE_FAULT, GUEST_FAULT, ACCESS_FAULT = (
    Cause.LOAD_PAGE_FAULT,
    Cause.LOAD_GUEST_PAGE_FAULT,
    Cause.LOAD_ACCESS_FAULT,
)
UART = 0x1000_0000


def load(built, address=GVA):
    """The cause of the fault of a load; None if there is none."""
    return cause(built, "ld a0, (a1)", a1=address)


def store(built, address=GVA):
    return cause(built, "sd a0, (a1)", a1=address)


def fetch(built, address=GVA):
    try:
        built.hart.fetch_address(address)
    except Trap as trap:
        return trap.cause
    return None


# Which stages there are


@pytest.mark.parametrize(("paged", "nested"), [(False, False), (True, False), (False, True), (True, True)])
def test_either_stage_can_be_bare(paged, nested):
    """With both bare, a guest's address is a physical one; with one bare, the other alone translates."""
    built = machine("VS")
    guest = Guest(built, flags="RWXAD")
    gpa = DATA if nested else guest.data
    if not nested and paged:  # then the guest's table must stand in the machine's own memory
        guest.own = PageTable(built.memory, frames=Frames(RAM_BASE + 0x40000))
        guest.own.map(GVA, guest.data, "RWXAD")
    write(built, vsatp=guest.own.satp if paged else 0, hgatp=guest.host.satp if nested else 0)
    guest.put(0x1234)
    address = GVA if paged else gpa
    assert load(built, address) is None
    assert register(built, "a0") == 0x1234
    assert store(built, address) is fetch(built, address) is None
    key = built.hart.mmu.fetches.key
    assert (key.virtual, key.paged, key.nested) == (True, paged, nested)


def test_stages_count_with_v_1_alone():
    built = machine("HS")
    guest = Guest(built)
    guest.put(5)
    assert load(built) == Cause.LOAD_ACCESS_FAULT  # HS mode is unpaged, and there is nothing at GVA
    assert load(go(built, "VU")) is None
    assert register(built, "a0") == 5


def test_each_load_is_translated_twice():
    """3 entries of the guest's, each found by 3 of the host's, and 3 for the page: 15."""
    built = machine("VU")
    Guest(built)
    found = built.hart.mmu.walk(GVA, Access.LOAD, built.hart.mmu.data.key)
    assert len(found.steps) == 15
    assert (found.gpa, found.physical) == (DATA, built.hart.mmu.translate(GVA, Access.LOAD))


def test_vs_stage_faults_are_page_faults_and_g_stage_faults_guest_page_faults():
    for flags, host_flags, expected in (
        ("RWXAD", "RWXUAD", (12, 13, 15)),
        ("RWXUAD", "RWXAD", (20, 21, 23)),  # the G-stage takes every access for one of U mode
        ("RUAD", "RWXUAD", (12, None, 15)),
        ("RWXUAD", "RUAD", (20, None, 23)),
        ("XUAD", "RWXUAD", (None, 13, 15)),
        ("RWXUAD", "XUAD", (None, 21, 23)),
    ):
        built = machine("VU")
        guest = Guest(built, flags)
        guest.host_flags(DATA, host_flags)
        assert (fetch(built), load(built), store(built)) == expected, (flags, host_flags)


@pytest.mark.parametrize(("address", "expected"), [(1 << 41, GUEST_FAULT), ((1 << 41) - 8, GUEST_FAULT)])
def test_a_guest_physical_address_has_41_bits(address, expected):
    """One of more bits is a guest-page fault, whether a table maps it or not."""
    built = machine("VS")
    Guest(built, paged=False)
    assert load(built, address) == expected
    key = built.hart.mmu.data.key
    rule = built.hart.mmu.walk(address, Access.LOAD, key).rule
    assert (rule == "non-canonical") == (address >> 41 != 0)


def test_the_highest_two_bits_select_one_of_four_root_pages():
    built = machine("VS")
    guest = Guest(built, paged=False)
    top = 3 << 39
    guest.host.map(top, guest.data, "RWXUAD")
    guest.put(99)
    assert load(built, top) is None
    assert register(built, "a0") == 99


def test_superpages_of_the_host():
    built = machine("VU", memory="8M")
    guest = Guest(built)
    write(built, hgatp=guest.host.satp)
    guest.host.map(0x8000_0000, 0x8020_0000, "RWXUAD", level=1)
    guest.own.map(0x20_0000, 0x8012_3000, "RUAD")
    built.memory.store(0x8032_3008, 8, 77)
    assert load(built, 0x20_0008) is None
    assert register(built, "a0") == 77


def test_global_pages_of_the_g_stage_are_as_others():
    built = machine("VU")
    Guest(built).host_flags(DATA, "RWXUGAD")
    assert load(built) is None


# SUM and MXR


@pytest.mark.parametrize("name", ["sstatus", "satp"])
def test_a_write_of_the_guests_own_register_counts_at_once(name):
    built = machine("VS", vsatp=8 << 60)
    assert built.hart.mmu.data.key.paged and not built.hart.mmu.data.key.sum
    do(built, f"csrw {name}, a1", a1=SUM if name == "sstatus" else 0)
    assert (built.hart.mmu.data.key.paged, built.hart.mmu.data.key.sum) == (name == "sstatus",) * 2


@given(*[st.booleans()] * 2)
def test_sum_is_the_guests_own(guests, hosts):
    built = machine("VS", vsstatus=guests * SUM, mstatus=hosts * SUM)
    Guest(built, "RWUAD")
    assert load(built) == (None if guests else PAGE_FAULT)


@pytest.mark.parametrize("mode", ["VS", "VU"])
@given(*[st.booleans()] * 4)
def test_mxr_of_the_guest_counts_in_its_stage_and_the_hypervisors_in_both(
    mode, own, below, vs_readable, g_readable
):
    built = machine(mode, vsstatus=own * MXR | SUM, mstatus=below * MXR)
    guest = Guest(built, "RXUAD" if vs_readable else "XUAD")
    guest.host_flags(DATA, "RXUAD" if g_readable else "XUAD")
    expected = None
    if not (vs_readable or own or below):
        expected = PAGE_FAULT
    elif not (g_readable or below):
        expected = GUEST_FAULT
    assert load(built) == load(built) == expected  # the second time by the TLB
    assert fetch(go(built, "VU")) is None


@given(st.booleans())
def test_mxr_doesnt_help_the_walker_to_the_guests_own_table(below):
    built = machine("VU", vsstatus=MXR, mstatus=below * MXR)
    guest = Guest(built)
    guest.host_flags(guest.own.root, "XUAD")
    assert load(built) == GUEST_FAULT


# A and D


def test_a_and_d_are_set_in_both_stages():
    built = machine("VU")
    guest = Guest(built, "RWXU")
    guest.host_flags(DATA, "RWXU")

    def marks():
        own, host = page_in(guest.own, GVA), page_in(guest.host, DATA)
        return str(own.flags)[:2], str(host.flags)[:2]

    assert marks() == ("--", "--")
    load(built)
    assert marks() == ("-A", "-A")
    store(built)
    assert marks() == ("DA", "DA")


def test_a_guests_entry_that_gets_a_mark_is_written_by_the_host_too():
    built = machine("VU")
    guest = Guest(built, "RWXU", host_flags="RWXUA")
    entry = page_in(guest.own, GVA).entry
    load(built)
    assert str(page_in(guest.host, entry).flags)[:2] == "DA"


def test_pmp_may_refuse_an_update():
    built = machine("VU")
    guest = Guest(built, "RWXU")
    entry = guest.ram.host_address(page_in(guest.own, GVA).entry)
    # 16 bytes around it can only be read.
    write(built, pmpaddr0=entry >> 2 | 1, pmpcfg0=0x1F19, pmpaddr1=MASK)
    assert load(built) == ACCESS_FAULT
    assert not page_in(guest.own, GVA).flags & Flags.A


def test_pmp_counts_for_the_last_address_and_for_the_tables():
    for place in ("data", "table"):
        built = machine("VU")
        guest = Guest(built)
        at = guest.data if place == "data" else guest.ram.host_address(guest.own.root)
        write(built, pmpaddr0=at >> 2 | 0x1FF, pmpcfg0=0x1F18, pmpaddr1=MASK)
        assert load(built) == ACCESS_FAULT, place


# MPRV ("Machine Status Registers": its table)


@pytest.mark.parametrize(
    ("mpv", "mpp", "expected"),
    [
        (0, 0, ("U", True)),
        (0, 1, ("S", True)),
        (0, 3, ("M", False)),
        (1, 3, ("M", False)),
        (1, 0, ("VU", True)),
        (1, 1, ("VS", True)),
    ],
)
def test_mprv(mpv, mpp, expected):
    built = machine(
        "M", satp=8 << 60, vsatp=8 << 60, mstatus=MSTATUS["MPRV"] | mpp << 11 | mpv * MSTATUS["MPV"]
    )
    key = built.hart.mmu.data.key
    assert (("V" if key.virtual else "") + key.mode.name, key.paged) == expected
    assert built.hart.mmu.fetches.key == Key(Mode.M)


def test_mprv_with_mpv_loads_what_the_guest_would():
    built = machine("M")
    Guest(built, "RWAD").put(31)
    write(built, mstatus=MSTATUS["MPRV"] | MSTATUS["MPV"] | 1 << 11)
    assert load(built) is None
    assert register(built, "a0") == 31
    write(built, mstatus=MSTATUS["MPRV"] | MSTATUS["MPV"])
    assert load(built) == PAGE_FAULT  # VU mode, and the page is not a user's


def test_mprv_doesnt_matter_to_hlv():
    for mpv in (0, MSTATUS["MPV"]):
        built = machine("M", mstatus=MSTATUS["MPRV"] | mpv, hstatus=HSTATUS["SPVP"])
        Guest(built, "RWAD").put(32)
        assert cause(built, "hlv.d a0, (a1)", a1=GVA) is None
        assert register(built, "a0") == 32


# Hypervisor Virtual-Machine Load and Store Instructions

WIDTHS = {"b": 1, "h": 2, "w": 4, "d": 8}


@pytest.mark.parametrize("mode", ["M", "HS", "U"])
@pytest.mark.parametrize("name", ["b", "bu", "h", "hu", "w", "wu", "d"])
def test_hlv(mode, name):
    built = machine(mode, hstatus=HSTATUS["HU"])
    Guest(built).put(0xFEDC_BA98_8765_84F3)
    assert do(built, f"hlv.{name} a0, (a1)", a1=GVA) is None
    size = WIDTHS[name[0]]
    value = 0xFEDC_BA98_8765_84F3 & (1 << 8 * size) - 1
    if len(name) == 1 and value >> 8 * size - 1:
        value |= MASK & -1 << 8 * size
    assert register(built, "a0") == value


@pytest.mark.parametrize("name", ["b", "h", "w", "d"])
def test_hsv(name):
    built = machine("HS")
    guest = Guest(built)
    guest.put(MASK)
    assert do(built, f"hsv.{name} a0, (a1)", a0=0x1122_3344_5566_7788, a1=GVA) is None
    ones = MASK & -1 << 8 * WIDTHS[name]
    assert guest.get() == ones | 0x1122_3344_5566_7788 & ~ones


@pytest.mark.parametrize("spvp", [False, True])
@pytest.mark.parametrize("flags", ["RWAD", "RWUAD"])
@pytest.mark.parametrize("status", [0, SUM])
def test_spvp_says_whose_access_it_is_and_vsstatus_sum_counts(spvp, flags, status):
    built = machine("HS", hstatus=spvp * HSTATUS["SPVP"], vsstatus=status, mstatus=SUM ^ status)
    Guest(built, flags)
    allowed = ("U" not in flags or bool(status)) if spvp else "U" in flags
    for text, fault in (("hlv.d a0, (a1)", PAGE_FAULT), ("hsv.d a0, (a1)", Cause.STORE_PAGE_FAULT)):
        assert cause(built, text, a1=GVA) == (None if allowed else fault)


@given(*[st.booleans()] * 4)
def test_mxr_of_hlv(own, below, vs_readable, g_readable):
    built = machine("HS", vsstatus=own * MXR, mstatus=below * MXR)
    guest = Guest(built, "RXUAD" if vs_readable else "XUAD")
    guest.host_flags(DATA, "RXUAD" if g_readable else "XUAD")
    in_vs, in_g = vs_readable or own or below, g_readable or below
    expected = PAGE_FAULT if not in_vs else None if in_g else GUEST_FAULT
    assert cause(built, "hlv.d a0, (a1)", a1=GVA) == expected


@given(*[st.booleans()] * 4)
def test_hlvx_takes_the_right_to_execute_for_that_to_read(vs_x, g_x, vs_r, g_r):
    """In both stages; and it raises a load's faults, the first stage's first."""
    built = machine("HS", vsstatus=MXR, mstatus=MXR)
    guest = Guest(built, "RUAD" if vs_r and not vs_x else "RXUAD" if vs_r else "XUAD")
    guest.host_flags(DATA, "RUAD" if g_r and not g_x else "RXUAD" if g_r else "XUAD")
    in_vs, in_g = vs_x or not vs_r, g_x or not g_r
    guest.put(0x8765_4321)
    expected = PAGE_FAULT if not in_vs else None if in_g else GUEST_FAULT
    trap = do(built, "hlvx.wu a0, (a1)", a1=GVA)
    assert (trap and trap.cause) == expected
    if expected is None:
        assert register(built, "a0") == 0x8765_4321
        assert do(built, "hlvx.hu a0, (a1)", a1=GVA) is None
        assert register(built, "a0") == 0x4321
    if expected == GUEST_FAULT:
        assert (trap.second, trap.instruction) == (DATA >> 2, 0)


def test_hlvx_of_a_page_in_neither_stage_executable_is_a_page_fault():
    """The guest's own leaf is judged before the G-stage is asked for the page."""
    built = machine("HS")
    guest = Guest(built, "RUAD")
    guest.host_flags(DATA, "RWUAD")
    assert cause(built, "hlvx.wu a0, (a1)", a1=GVA) == PAGE_FAULT
    guest.host.unmap(DATA)
    assert cause(built, "hlvx.wu a0, (a1)", a1=GVA) == PAGE_FAULT


@pytest.mark.parametrize("config", [0x18 | 4, 0x18 | 1, 0x18 | 5])
def test_hlvx_cant_override_pmp(config):
    """What PMP lets execute only is not read, nor what it lets read only."""
    built = machine("HS")
    guest = Guest(built)
    write(built, pmpaddr0=guest.data >> 2 | 0x1FF, pmpcfg0=0x1F00 | config, pmpaddr1=MASK)
    assert cause(built, "hlvx.wu a0, (a1)", a1=GVA) == (None if config == 0x1D else ACCESS_FAULT)


@pytest.mark.parametrize(("paged", "nested"), [(False, False), (True, False), (False, True)])
def test_hlvx_of_one_stage_and_of_none(paged, nested):
    built = machine("HS")
    guest = Guest(built, paged=False, nested=nested)
    if paged:
        own = PageTable(built.memory, frames=Frames(RAM_BASE + 0x40000))
        own.map(GVA, guest.data, "XU")
        write(built, vsatp=own.satp)
    guest.put(0x55AA)
    address = GVA if paged else DATA if nested else guest.data
    assert cause(built, "hlvx.hu a0, (a1)", a1=address) is None
    assert register(built, "a0") == 0x55AA
    assert not paged or page_in(own, GVA).flags & Flags.A
    expected = PAGE_FAULT if paged else GUEST_FAULT if nested else ACCESS_FAULT
    assert cause(built, "hlvx.hu a0, (a1)", a1=1 << 60) == expected


def test_across_pages():
    built = machine("HS")
    guest = Guest(built)
    guest.own.map(GVA + PAGE, DATA + 2 * PAGE, "RWXUAD")
    assert do(built, "hsv.d a0, (a1)", a0=0x1122_3344_5566_7788, a1=GVA + PAGE - 3) is None
    assert guest.get(PAGE - 3, 3) == 0x66_7788
    assert built.memory.load(guest.ram.host_address(DATA + 2 * PAGE), 5) == 0x11_2233_4455
    assert do(built, "hlv.d a0, (a1)", a1=GVA + PAGE - 3) is None
    assert register(built, "a0") == 0x1122_3344_5566_7788
    assert do(built, "hlvx.wu a0, (a1)", a1=GVA + PAGE - 3) is None
    assert register(built, "a0") == 0x5566_7788
    guest.own.protect(GVA + PAGE, "RUAD")
    built.hart.mmu.flush("test")
    for text in ("hlvx.wu a0, (a1)", "hsv.w a0, (a1)"):
        assert do(built, text, a0=0, a1=GVA + PAGE - 3).value == GVA + PAGE
    assert guest.get(PAGE - 3, 3) == 0x66_7788


def test_devices_of_a_guest():
    """What the G-stage leads to a device, `hsv` reaches; `hlvx` doesn't: nobody executes a device."""
    built = machine("HS")
    guest = Guest(built, paged=False)
    guest.host.map(UART, UART, "RWXUAD")
    assert do(built, "hsv.b a0, (a1)", a0=ord("x"), a1=UART) is None
    assert built.console == "x"
    assert cause(built, "hlv.bu a0, (a1)", a1=UART + 5) is None
    guest.host.map(UART + PAGE, UART, "RWXUAD")
    trap = do(built, "hlvx.hu a0, (a1)", a1=UART + PAGE)
    assert (trap.cause, trap.value) == (ACCESS_FAULT, UART + PAGE)  # by the guest's address


# The TLB is state: fences ("Memory-Management Fences")


def edited(built):
    """Let the guest use its page, then lead both stages elsewhere: what a load gives now, and after a fence."""
    guest = Guest(built)
    guest.put(1)
    built.memory.store(guest.ram.host_address(DATA + PAGE), 8, 2)
    assert load(go(built, "VU")) is None
    assert register(built, "a0") == 1
    return guest


@pytest.mark.parametrize("fence", ["hfence.gvma", "hfence.vvma", "sfence.vma"])
@pytest.mark.parametrize("stage", ["VS", "G"])
def test_an_edit_is_seen_after_a_fence(stage, fence):
    built = machine("VU")
    guest = edited(built)
    if stage == "VS":
        guest.own.map(GVA, DATA + PAGE, "RWXUAD")
    else:
        guest.host.map(DATA, guest.ram.host_address(DATA + PAGE), "RWXUAD")
    load(built)
    assert register(built, "a0") == 1  # no fence yet: what the TLB remembers
    assert do(go(built, "VS" if fence == "sfence.vma" else "HS"), fence) is None
    assert load(go(built, "VU")) is None
    assert register(built, "a0") == 2


def test_fences_with_arguments_are_fences():
    built = machine("VU")
    guest = edited(built)
    guest.own.map(GVA, DATA + PAGE, "RWXUAD")
    assert do(go(built, "HS"), "hfence.vvma a1, a2", a1=GVA, a2=0) is None
    assert load(go(built, "VU")) is None
    assert register(built, "a0") == 2


def test_v_0_and_v_1_remember_apart():
    """The same address in HS and VS mode: two contexts, with names of their own."""
    built = machine("VS", satp=8 << 60)
    Guest(built, "RWXAD")
    load(built)
    names = [context.name for context in built.tlb().contexts if context.entries]
    assert names == ["VS+G"]
    assert load(go(built, "HS")) == ACCESS_FAULT
    keys = [
        Key(Mode.S, *bits)
        for bits in ((True,), (True, False, False, True), (False, False, False, True, True))
    ]
    assert [str(key) for key in keys] == ["S", "VS", "VS unpaged+G"]
    assert len({str(Key(Mode.U, *bits)) for bits in product((False, True), repeat=6)}) == 64


def test_a_store_to_a_guests_code_is_seen():
    """By its other mapping, from HS mode: decoded instructions of VS mode are dropped."""
    built = machine("VS", source="addi a0, a0, 1\n addi a0, a0, 2\n j .", medeleg=MASK)
    guest = Guest(built, "RWXAD")
    add_1, add_2, stay = (built.memory.load(RAM_BASE + 4 * n, 4) for n in range(3))
    guest.put(add_1 | stay << 32)
    built.hart.pc = GVA
    built.run(1)
    assert register(built, "a0") == 1
    go(built, "HS")
    # SPVP is 0, and this is no page of VU mode.
    assert cause(built, "hsv.w a1, (a2)", a1=add_2, a2=GVA) == Cause.STORE_PAGE_FAULT
    write(built, hstatus=HSTATUS["SPVP"])
    assert do(built, "hsv.w a1, (a2)", a1=add_2, a2=GVA) is None
    go(built, "VS").hart.pc = GVA
    built.run(1)
    assert register(built, "a0") == 3


def test_atomics_in_a_guest():
    built = machine("VU")
    guest = Guest(built)
    guest.put(5)
    assert do(built, "amoadd.d a0, a2, (a1)", a1=GVA, a2=7) is None
    assert (register(built, "a0"), guest.get()) == (5, 12)
    assert do(built, "lr.d a0, (a1)", a1=GVA) is None
    assert do(built, "sc.d a0, a2, (a1)", a1=GVA, a2=9) is None
    assert (register(built, "a0"), guest.get()) == (0, 9)
    guest.host_flags(DATA, "RUAD")
    assert cause(built, "amoadd.d a0, a2, (a1)", a1=GVA) == Cause.STORE_GUEST_PAGE_FAULT
    assert cause(built, "lr.d a0, (a1)", a1=GVA) is None


# Any tables, any settings: what the hart does is what the walk says

PAGES = 4
flag_sets = st.integers(0, 255).map(Flags)


@given(
    own=st.lists(flag_sets, min_size=PAGES, max_size=PAGES),
    host=st.lists(flag_sets, min_size=16, max_size=16),
    places=st.lists(st.integers(0, 17), min_size=PAGES, max_size=PAGES),
    mode=st.sampled_from(["VS", "VU"]),
    status=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    good=st.integers(0, 3),
    accesses=st.lists(
        st.tuples(st.integers(0, PAGES), st.sampled_from(list(Access))), min_size=1, max_size=8
    ),
)
def test_the_hart_does_what_the_walk_says(own, host, places, mode, status, good, accesses):
    """First walked, then perhaps remembered: the same address or the same fault, the same A and D."""
    sum_, mxr, host_mxr = status
    built = machine(mode, vsstatus=sum_ * SUM | mxr * MXR, mstatus=host_mxr * MXR)
    guest = Guest(built, flags="")
    for page, (flags, place) in enumerate(zip(own, places, strict=True)):
        guest.own.map(GVA + page * PAGE, GUEST_BASE + place * PAGE, "RWXUAD")
        guest.own.set(GVA + page * PAGE, page_in(guest.own, GVA + page * PAGE).raw & ~0xFF | flags)
    for page, flags in enumerate(host):
        if good < 3 or page < 8:  # most often the guest's own tables, in the upper half, can be read
            keep = Flags.V | Flags.R | Flags.U if good and page >= 8 else 0
            entry = page_in(guest.host, GUEST_BASE + page * PAGE)
            guest.host.set(entry.address, entry.raw & ~0xFF | flags | keep)
    built.hart.mmu.flush("test")
    for page, access in accesses:
        address = GVA + page * PAGE + 8
        settings = {"sum": sum_, "mxr": mxr, "host_mxr": host_mxr}
        said = guest.own.walk(address, access, mode[1], host=guest.host, **settings)
        if said.physical is None:
            with pytest.raises(Trap) as raised:
                built.hart.mmu.translate(address, access)
            trap = raised.value
            assert (trap.cause, trap.value) == (said.fault, address)
            assert trap.second == (said.fault_gpa or 0) >> 2
            pseudo = 0x3020 if said.rule == "update-refused" else 0x3000
            assert trap.instruction == (pseudo if said.implicit else 0)
        else:
            assert built.hart.mmu.translate(address, access) == said.physical
            assert built.hart.mmu.translate(address, access) == said.physical
            for update in said.updates:
                assert built.memory.load(update.address, 8) & update.new & 0xC0 == update.new & 0xC0


@given(flag_sets, flag_sets, st.sampled_from([Mode.U, Mode.S]), *[st.booleans()] * 3)
def test_remembered_rights_of_both_stages_are_those_of_the_walks(
    flags, host_flags, mode, sum_, mxr, host_mxr
):
    """What the TLB lets a later access do without a walk, a walk would let it do, A and D set."""
    built = machine("VS" if mode else "VU", vsstatus=sum_ * SUM | mxr * MXR, mstatus=host_mxr * MXR)
    guest = Guest(built)
    guest.own.set(GVA, page_in(guest.own, GVA).raw & ~0xFF | flags | Flags.V | Flags.A)
    page = page_in(guest.host, DATA)
    guest.host.set(DATA, page.raw & ~0xFF | host_flags | Flags.V | Flags.A)
    built.hart.mmu.flush("test")
    mmu = built.hart.mmu
    for first in Access:
        try:
            granted = mmu.resolve(GVA, first).rights
        except Trap:
            continue
        for bit, access in ((1, Access.LOAD), (2, Access.STORE), (4, Access.FETCH)):
            walk = mmu.walk(GVA, access, mmu.data.key)
            assert bool(granted & bit) == (
                walk.fault is None and not (access is Access.STORE and walk.updates)
            )


def test_the_flags_of_the_second_stage():
    built = machine("VU")
    guest = Guest(built, "RWXU")
    guest.host_flags(DATA, "RWXU")
    found = built.hart.mmu.walk(GVA, Access.STORE, built.hart.mmu.data.key)
    assert found.flags == found.host_flags == flags_of("VRWXUAD")
    assert guest.host.scheme is SV39X4
    assert built.hart.mmu.walk(GVA + PAGE, Access.LOAD, built.hart.mmu.data.key).host_flags is None
