"""Sv48 (Privileged ISA, 4.5), Svade (step 9 of 4.3.2) and Svadu, as a computer may be built with them."""

from itertools import product

import pytest

from tests.hypervisor.towers import POLICIES, difference, end, tower
from tests.machine.h_extension import harts
from tests.machine.programs import OPEN, cause, do, mode, register
from vlab.machine import Machine, Sbi
from vlab.machine.csrfile import ADUE
from vlab.machine.memory import RAM_BASE
from vlab.paging import SV39, SV48, PageTable, make_satp
from vlab.riscv import Cause, Mode, Program, assemble

PAGE = 4096
DATA = RAM_BASE + 0x8000
FAR = 0x7FFF_1234_5000  # canonical in Sv48, not in Sv39
HIGH = 0xFFFF_8000_0000_0000  # the lowest address of the upper half
TECHNIQUES = ("trap-and-emulate", "binary-translation", "hardware-assisted")


class Frames:
    """Memory for tables, from a place in RAM on."""

    def __init__(self, at=RAM_BASE + 0xC0000):
        self.next = at

    def allocate(self, size):
        self.next += size
        return self.next - size

    def release(self, address, size):
        raise AssertionError


def paged(built, pages, scheme=SV48):
    """S mode under a table of this scheme; `pages` are (virtual, physical, flags)."""
    mode(built, Mode.S)
    table = PageTable(built.memory, scheme, frames=Frames())
    for virtual, physical, flags in pages:
        table.map(virtual, physical, flags)
    write_satp(built, table.satp)
    return table


def write_satp(built, value):
    built.hart.csr.write(built.hart.csr.registers.by_name["satp"], value)
    built.hart.mmu.flush("test")
    built.hart.mmu.select()


# Sv48


@pytest.mark.parametrize(
    ("extensions", "kept"), [("", False), ("_sv48", True), ("H", False), ("H_sv48", True)]
)
def test_satp_takes_mode_9_only_where_there_is_sv48(extensions, kept):
    """An unsupported mode changes nothing at all (4.1.11)."""
    built = Machine(memory="1M", extensions=extensions)
    write_satp(built, make_satp(RAM_BASE))
    write_satp(built, make_satp(RAM_BASE + PAGE, scheme=SV48))
    assert built.hart.csr["satp"] == make_satp(RAM_BASE + PAGE * kept, scheme=SV48 if kept else SV39)
    write_satp(built, 10 << 60 | 5)
    assert built.hart.csr["satp"] >> 60 == 9 if kept else 8


@pytest.mark.parametrize("address", [0x1000, FAR, HIGH, HIGH + 0x40_0000_0000])
def test_four_levels_lead_to_the_page(address):
    built = Machine(memory="1M", extensions="_sv48")
    paged(built, [(address, DATA, "RWAD")])
    built.memory.store(DATA + 8, 8, 77)
    assert cause(built, "ld a1, 8(a0)", a0=address) is None
    assert register(built, "a1") == 77


@pytest.mark.parametrize("address", [1 << 47, HIGH - 1, 1 << 63])
def test_addresses_whose_upper_bits_differ_fault(address):
    built = Machine(memory="1M", extensions="_sv48")
    paged(built, [(0x1000, DATA, "RWAD")])
    assert cause(built, "ld a1, 0(a0)", a0=address) == Cause.LOAD_PAGE_FAULT


def test_what_sv48_reaches_sv39_refuses():
    built = Machine(memory="1M", extensions="_sv48")
    paged(built, [(0x1000, DATA, "RWAD")], SV39)
    assert cause(built, "ld a1, 0(a0)", a0=0x1000) is None
    assert cause(built, "ld a1, 0(a0)", a0=FAR) == Cause.LOAD_PAGE_FAULT


@pytest.mark.parametrize(("extensions", "said"), [("", b"riscv,sv39"), ("C_sv48", b"riscv,sv48")])
def test_the_device_tree_says_how_wide_addresses_are(extensions, said):
    built = Machine(assemble("j ."), memory="1M", extensions=extensions)
    assert said in built.memory.peek(built.hart.x[11], 0x400)


# Svade


@pytest.mark.parametrize(
    ("flags", "instruction", "raised"),
    [
        ("RWX", "ld a1, 0(a0)", Cause.LOAD_PAGE_FAULT),
        ("RWX", "sd a1, 0(a0)", Cause.STORE_PAGE_FAULT),
        ("RWXA", "ld a1, 0(a0)", None),
        ("RWXA", "sd a1, 0(a0)", Cause.STORE_PAGE_FAULT),
        ("RWXA", "amoadd.d a2, a1, (a0)", Cause.STORE_PAGE_FAULT),
        ("RWXAD", "sd a1, 0(a0)", None),
        ("RWXD", "sd a1, 0(a0)", Cause.STORE_PAGE_FAULT),
    ],
)
def test_a_page_without_a_or_a_store_without_d_faults_and_nothing_is_written(flags, instruction, raised):
    built = Machine(memory="1M", extensions="_svade")
    table = paged(built, [(0x1000, DATA, flags)], SV39)
    before = table.find(0x1000).raw
    assert cause(built, instruction, a0=0x1000) == raised
    assert table.find(0x1000).raw == before


def test_a_fetch_needs_a():
    built = Machine(memory="1M", extensions="_svade")
    paged(built, [(0x1000, DATA, "X")], SV39)
    built.hart.pc = 0x1000
    built.run(1)
    assert built.hart.csr["mcause"] == Cause.INSTRUCTION_PAGE_FAULT


def test_the_other_computer_sets_them():
    built = Machine(memory="1M")
    table = paged(built, [(0x1000, DATA, "RW")], SV39)
    assert cause(built, "sd a1, 0(a0)", a0=0x1000) is None
    assert {"A", "D"} <= set(str(table.find(0x1000).flags))


def test_the_device_tree_names_svade():
    built = Machine(assemble("j ."), memory="1M", extensions="_svade")
    assert b"_sstc_svade\0" in built.memory.peek(built.hart.x[11], 0x400)


# Svadu: `menvcfg`.ADUE says who sets A and D, and of a guest's own tables `henvcfg`.ADUE


@pytest.mark.parametrize(
    ("extensions", "first"), [("_svadu", True), ("_svade_svadu", False), ("CH_svadu", True)]
)
def test_adue_says_who_sets_a_and_d(extensions, first):
    """At reset it is set, if Svade isn't there too."""
    built = Machine(memory="1M", extensions=extensions)
    table = paged(built, [(0x1000 * page, DATA, "RW") for page in (1, 2, 3)], SV39)
    menvcfg = built.hart.csr.registers.by_name["menvcfg"]
    assert built.hart.csr["menvcfg"] == ADUE * first
    for page, sets in ((1, first), (2, not first), (3, first)):
        built.hart.csr.write(menvcfg, ADUE * sets)
        assert cause(built, "sd a1, 0(a0)", a0=0x1000 * page) == (None if sets else Cause.STORE_PAGE_FAULT)
        assert bool({"A", "D"} & set(str(table.find(0x1000 * page).flags))) is sets


@pytest.mark.parametrize("extensions", ["", "_svade", "H", "H_svade"])
def test_without_svadu_adue_is_read_only_zero(extensions):
    csr = Machine(memory="1M", extensions=extensions).hart.csr
    for name in {"menvcfg", "henvcfg"} & csr.registers.by_name.keys():
        csr.write(csr.registers.by_name[name], ADUE)
        assert csr[name] == 0


def test_a_guests_adue_is_read_only_zero_under_a_clear_one():
    csr = Machine(memory="1M", extensions="H_svadu").hart.csr
    menvcfg, henvcfg = (csr.registers.by_name[name] for name in ("menvcfg", "henvcfg"))
    csr.write(henvcfg, ADUE)
    assert csr["henvcfg"] == ADUE
    csr.write(menvcfg, 0)
    assert csr["henvcfg"] == 0
    csr.write(henvcfg, ADUE)
    csr.write(menvcfg, ADUE)
    assert csr["henvcfg"] == 0


@pytest.mark.parametrize(
    ("above", "own", "flags", "host_flags", "raised"),
    [
        (0, 0, "RWU", "RWXUAD", Cause.LOAD_PAGE_FAULT),
        (0, 0, "RWUAD", "RWXU", Cause.LOAD_GUEST_PAGE_FAULT),
        (1, 0, "RWU", "RWXUAD", Cause.LOAD_PAGE_FAULT),
        (1, 0, "RWUAD", "RWXU", None),
        (1, 1, "RWU", "RWXU", None),
    ],
)
def test_each_stage_goes_by_its_own(above, own, flags, host_flags, raised):
    built = Machine(memory="2M", extensions="H_svadu")
    harts.write(built, **OPEN)
    for name, value in (("menvcfg", ADUE * above), ("henvcfg", ADUE * own)):
        built.hart.csr.write(built.hart.csr.registers.by_name[name], value)
    guest = harts.Guest(built, flags)
    guest.host_flags(harts.DATA, host_flags)
    trap = do(harts.go(built, "VU"), "ld a1, 0(a0)", a0=harts.GVA)
    assert (trap and trap.cause) == raised
    page = guest.own.find(harts.GVA)
    assert page is not None and ("A" in str(page.flags)) is ("A" in flags or raised is None)


@pytest.mark.parametrize("extensions", ["_svadu", "_svade_svadu"])
def test_the_device_tree_names_svadu_and_the_sbi_leaves_it_as_it_was(extensions):
    built = Machine(memory="1M", extensions=extensions)
    Sbi(built).load(assemble("1: wfi\n j 1b"))
    built.run(1000)
    assert f"_sstc{extensions}\0".encode() in built.memory.peek(built.hart.x[11], 0x400)
    assert built.hart.csr["menvcfg"] & ADUE == ADUE * (extensions == "_svadu")


def test_states_are_of_a_computer_with_the_same_extensions():
    from vlab.language import VlabError

    state = Machine(memory="1M", extensions="_svade").snapshot()
    Machine(memory="1M", extensions="_svade").restore(state)
    with pytest.raises(VlabError, match="other extensions"):
        Machine(memory="1M").restore(state)


# In virtual machines: a kernel that keeps A and D itself, under tables of either width

_KERNEL = """
    la   t0, handler
    csrw mtvec, t0
    csrw stvec, t0
    li   t0, -1
    csrw pmpaddr0, t0
    li   t0, 0x1f
    csrw pmpcfg0, t0
    li   t0, 0xf000
    csrw medeleg, t0
    li   t0, {satp}
    csrw satp, t0
    csrr s2, satp
    sfence.vma
    li   t0, 1<<11
    csrw mstatus, t0
    la   t0, kernel
    csrw mepc, t0
    li   s3, 0
    mret
    .balign 4
kernel:
    li   a0, {far}
    li   a1, {leaf}
    ld   a2, 0(a0)
    sd   a2, 8(a0)
    ld   a3, 8(a0)
    li   t0, 0x100000
    li   t1, 0x5555
    sw   t1, 0(t0)
    j    .
    .balign 4
handler:                        # sets A; of a store D too, and counts
    addi s3, s3, 1
    csrr t2, scause
    ld   t3, 0(a1)
    ori  t3, t3, 0x40
    li   t4, 15
    bne  t2, t4, 1f
    ori  t3, t3, 0x80
1:  sd   t3, 0(a1)
    sfence.vma
    sret
"""


def kernel(scheme, flags, before=""):
    """A program with a table of its own: RAM and the finisher where they are, and one page, far away or near."""
    far = FAR if scheme is SV48 else 0x12_3456_7000
    memory = Machine(memory="1M").memory
    table = PageTable(memory, scheme, frames=Frames())
    table.map(0, 0, "RWAD", level=2)
    table.map(2 << 30, 2 << 30, "RWXAD", level=2)
    table.map(far, DATA, flags)
    leaf = next(page.entry for page in table.entries() if page.address == far)
    program = assemble(before + _KERNEL.format(satp=table.satp, far=far, leaf=leaf))
    pages = tuple((RAM_BASE + page * PAGE, content) for page, content in sorted(memory.pages().items()))
    return Program((*program.segments, *pages), program.entry, program.symbols)


@pytest.mark.parametrize(("technique", "shadow"), [*product(TECHNIQUES, POLICIES)])
@pytest.mark.parametrize("scheme", [SV39, SV48], ids=str)
@pytest.mark.parametrize("named", ["_sv48", "_sv48_svade"])
def test_a_guest_ends_alike_with_tables_of_either_width(named, scheme, technique, shadow):
    image, extensions = kernel(scheme, "RW"), "H" + named
    bare = tower(image, 0, extensions=extensions).run()
    built = tower(image, 1, technique=technique, shadow=shadow, extensions=extensions).run()
    assert difference(end(bare.guest), end(built.guest)) == []
    hart = bare.guest.hart
    assert (hart.x[18] >> 60, hart.x[19]) == (scheme.mode, 2 if "svade" in named else 0)
    leaf = bare.guest.memory.load(hart.x[11], 8)
    assert leaf & 0xC0 == 0xC0


CLEARED, SET = "li t0, 1 << 61\n csrc menvcfg, t0", "li t0, 1 << 61\n csrs menvcfg, t0"


@pytest.mark.parametrize(
    ("techniques", "shadow"),
    [
        *product(((one,) for one in TECHNIQUES), POLICIES),
        *((two, "lazy") for two in product(("hardware-assisted", "trap-and-emulate"), repeat=2)),
    ],
)
@pytest.mark.parametrize(
    ("named", "before", "faults"),
    [("_svadu", "", 0), ("_svadu", CLEARED, 2), ("_svade_svadu", "", 2), ("_svade_svadu", SET, 0)],
)
def test_a_guest_has_an_adue_of_its_own(named, before, faults, techniques, shadow):
    image, extensions = kernel(SV39, "RW", before), "H" + named
    bare = tower(image, 0, extensions=extensions).run()
    built = tower(image, len(techniques), technique=techniques, shadow=shadow, extensions=extensions).run()
    assert difference(end(bare.guest), end(built.guest)) == []
    assert bare.guest.hart.x[19] == faults
