"""Both engines translate alike: every entry's flags, odd tables, one stage and two, protected tables."""

from itertools import product

import pytest

from vlab.machine import Machine
from vlab.machine.csrfile import ADUE
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.paging import SV39, SV48, make_satp
from vlab.riscv import CSRS, Mode, Program, assemble

pytest.importorskip("llvmlite")

# In pages: what is executed, the handler, what is accessed, the tables of the guest and of its host.
HANDLER, DATA, TOP, ROOT, MIDDLE, LOW, HOST_ROOT, HOST_MIDDLE, HOST_LOW = 1, 3, 7, 8, 9, 10, 12, 16, 17
SIZE = 20
CODE, TARGET = 0x1000, 0x2000  # virtual addresses
ACCESSES = {"load": 0, "store": 16, "fetch": 32}
STEPS = 40  # near the end of what may be attempted, Python does it
ALL = 0xDF
SUM, MXR = CSRS["mstatus"]["SUM"].mask, CSRS["mstatus"]["MXR"].mask
LEAVES = [
    0xC7,
    0xD7,
    0xCF,
    0xDF,
    0xC3,
    0xD3,
    0xC9,
    0xD9,
    0xCB,
    0xDB,
    0xC1,
    0xD5,
    0xCD,
    0x47,
    0x57,
    0x17,
    0x97,
    0x1F,
]


def frame(page):
    return RAM_BASE // PAGE + page


def pointer(page):
    return frame(page) << 10 | 1


def leaf(page, flags):
    return frame(page) << 10 | flags


class Pair:
    """A machine on each engine, set anew for each trial."""

    def __init__(self, extensions=""):
        code = b"".join(assemble(text).segments[0][1].ljust(16, b"\0") for text in ("ld a1, 0(a0)\n j .",
                        "sd a2, 8(a0)\n j .", "jr a0"))  # fmt: skip
        self.machines = [
            Machine(
                Program(((RAM_BASE, code),), RAM_BASE),
                memory=SIZE * PAGE,
                extensions=extensions,
                engine=engine,
            )
            for engine in ("native", "interpreter")
        ]
        stay = assemble("j .").segments[0][1]
        for machine in self.machines:
            machine.memory.poke(RAM_BASE + HANDLER * PAGE, stay)
            machine.memory.poke(RAM_BASE + DATA * PAGE, stay)

    def set(self, entries, mode, virtual=False, **csrs):
        """Entries of tables by (page, index); CSRs by name."""
        csrs = {"pmpaddr0": (1 << 54) - 1, "pmpcfg0": 0x1F, "mtvec": RAM_BASE + HANDLER * PAGE} | csrs
        for machine in self.machines:
            hart = machine.hart
            machine.memory.poke(RAM_BASE + TOP * PAGE, bytes((SIZE - TOP) * PAGE))
            for (page, index), entry in entries.items():
                machine.memory.poke(RAM_BASE + page * PAGE + 8 * index, entry.to_bytes(8, "little"))
            for name, value in csrs.items():
                hart.csr.write(hart.csr.registers.by_name[name], value)
            hart.mmu.flush("test")
        self.mode, self.virtual = mode, virtual

    def alike(self, access, address=TARGET, start=CODE):
        """Whether an access does the same on both."""
        for machine in self.machines:
            hart = machine.hart
            hart.mode, hart.virtual, hart.pc = self.mode, self.virtual, start + ACCESSES[access]
            hart.x[10], hart.x[11], hart.x[12] = address, 0, machine.time
            hart.changed = False
            hart.mmu.select()
            machine.run(STEPS)
        return self.seen(0) == self.seen(1)

    def seen(self, number):
        machine = self.machines[number]
        hart = machine.hart
        tables = machine.memory.peek(RAM_BASE, SIZE * PAGE)
        return hart.x[:32], hart.pc, hart.mode, hart.virtual, hart.csr.values, machine.tlb(), tables


def guest_tables(mode, flags):
    """Tables of three levels: code that may be executed, and what is accessed, with these flags."""
    return {
        (ROOT, 0): pointer(MIDDLE), (MIDDLE, 0): pointer(LOW),
        (LOW, 1): leaf(0, 0xCB | (0x10 if mode is Mode.U else 0)), (LOW, 2): leaf(DATA, flags),
    }  # fmt: skip


def host_tables(flags, of=DATA):
    """Tables of the second stage: all as it is, one page with these flags."""
    entries = {(HOST_LOW, page): leaf(page, ALL) for page in range(SIZE)}
    return entries | {
        (HOST_ROOT, 2): pointer(HOST_MIDDLE), (HOST_MIDDLE, 0): pointer(HOST_LOW), (HOST_LOW, of): leaf(of, flags)
    }  # fmt: skip


def three(pair, address=TARGET, orders=("load store fetch load", "fetch store load", "store load fetch")):
    """Whether accesses one after another do the same on both: the TLB remembers those before."""
    for order in orders:
        for machine in pair.machines:
            machine.hart.mmu.flush("test")
        if not all(pair.alike(access, address) for access in order.split()):
            return False
    return True


@pytest.mark.parametrize("extensions", ["", "_svade", "_svadu", "_svade_svadu"])
@pytest.mark.parametrize("mode", [Mode.U, Mode.S])
def test_flags(extensions, mode):
    """Svadu's bit is as at reset: set, but with Svade too."""
    pair = Pair(extensions)
    for flags, status in product(range(256), (0, SUM, MXR, SUM | MXR)):
        pair.set(guest_tables(mode, flags), mode, satp=make_satp(frame(ROOT) * PAGE), mstatus=status)
        orders = ("load store", "fetch load") if flags % 2 else ("load",)
        assert three(pair, orders=orders), (hex(flags), hex(status))


@pytest.mark.parametrize("mode", [Mode.U, Mode.S])
def test_flags_of_two_stages(mode):
    pair = Pair("H")
    for host_flags, flags, status, host in product(LEAVES, (0xDF, 0xCF, 0xD9, 0xC9), (0, MXR), (0, MXR)):
        pair.set(guest_tables(mode, flags) | host_tables(host_flags), mode, True, vsstatus=status, mstatus=host,
                 vsatp=make_satp(frame(ROOT) * PAGE), hgatp=make_satp(frame(HOST_ROOT) * PAGE))  # fmt: skip
        assert three(pair), (hex(host_flags), hex(flags), hex(status), hex(host))


@pytest.mark.parametrize(("above", "own"), [(0, 0), (ADUE, 0), (ADUE, ADUE)])
@pytest.mark.parametrize("mode", [Mode.U, Mode.S])
def test_flags_of_two_stages_each_with_a_bit_that_says_who_sets_a_and_d(mode, above, own):
    pair = Pair("H_svadu")
    for host_flags, flags in product((0xDF, 0x9F, 0x5F, 0x1F), repeat=2):
        pair.set(guest_tables(mode, flags) | host_tables(host_flags), mode, True, menvcfg=above, henvcfg=own,
                 vsatp=make_satp(frame(ROOT) * PAGE), hgatp=make_satp(frame(HOST_ROOT) * PAGE))  # fmt: skip
        assert three(pair), (hex(host_flags), hex(flags))


@pytest.mark.parametrize("mode", [Mode.U, Mode.S])
def test_flags_of_the_second_stage_alone(mode):
    pair = Pair("H")
    for flags, host in product(LEAVES, (0, MXR)):
        pair.set(
            host_tables(flags), mode, True, vsatp=0, mstatus=host, hgatp=make_satp(frame(HOST_ROOT) * PAGE)
        )
        start, address = RAM_BASE, RAM_BASE + DATA * PAGE
        for access in ("load", "fetch", "store", "load"):
            assert pair.alike(access, address, start), (hex(flags), hex(host), access)


@pytest.mark.parametrize("table", [ROOT, MIDDLE, LOW])
def test_flags_of_the_pages_that_hold_a_guests_tables(table):
    pair = Pair("H")
    for flags, own, host in product(LEAVES, (0xDF, 0x1F), (0, MXR)):
        entries = guest_tables(Mode.U, own) | host_tables(flags, table)
        pair.set(entries, Mode.U, True, vsatp=make_satp(frame(ROOT) * PAGE),
                 hgatp=make_satp(frame(HOST_ROOT) * PAGE), mstatus=host)  # fmt: skip
        assert three(pair, orders=("load store",)), (hex(flags), hex(own))


BITS = [1 << bit for bit in (0, 11, 12, 20, 29, 37, 38, 39, 40, 41, 42, 46, 47, 48, 54, 55, 56, 57, 62, 63)]
ADDRESSES = [TARGET ^ bit for bit in BITS] + [-bit + TARGET & (1 << 64) - 1 for bit in BITS]


@pytest.mark.parametrize("scheme", [SV39, SV48])
def test_addresses(scheme):
    """Those whose upper bits aren't alike have no translation."""
    pair = Pair("_sv48")
    top = TOP if scheme is SV48 else ROOT
    entries = guest_tables(Mode.S, 0xCF) | {(MIDDLE, 511): pointer(LOW), (LOW, 511): leaf(DATA, 0xCF)}
    if scheme is SV48:
        entries |= {(TOP, index): pointer(ROOT) for index in (0, 255, 256, 511)}
    entries |= {(ROOT, index): pointer(MIDDLE) for index in (255, 256, 511)}
    pair.set(entries, Mode.S, satp=make_satp(frame(top) * PAGE, scheme=scheme))
    for address, access in product(ADDRESSES, ACCESSES):
        assert pair.alike(access, address & ~3 if access == "fetch" else address), (hex(address), access)


@pytest.mark.parametrize("paged", [False, True])
def test_guest_physical_addresses(paged):
    """The second stage translates 41 bits; the index of its root has 11."""
    pair = Pair("H")
    entries = host_tables(ALL) | {(HOST_ROOT + index // 512, index % 512): pointer(HOST_MIDDLE)
                                  for index in (0, 511, 512, 1023, 1024, 2047)}  # fmt: skip
    entries |= {(HOST_MIDDLE, 511): pointer(HOST_LOW), (HOST_LOW, 511): leaf(DATA, ALL)}
    satp = make_satp(frame(HOST_ROOT) * PAGE)
    for address, access in product([RAM_BASE + DATA * PAGE, *ADDRESSES], ACCESSES):
        address &= ~3
        if paged:  # what a guest's table says is guest-physical
            guest = guest_tables(Mode.S, 0) | {(LOW, 2): (address >> 12 & (1 << 44) - 1) << 10 | 0xCF}
            pair.set(entries | guest, Mode.S, True, vsatp=make_satp(frame(ROOT) * PAGE), hgatp=satp)
            assert pair.alike(access), (hex(address), access)
        else:
            pair.set(entries, Mode.S, True, vsatp=0, hgatp=satp)
            assert pair.alike(access, address, RAM_BASE), (hex(address), access)


def test_addresses_that_nothing_translates():
    for extensions in ("", "H"):
        pair = Pair(extensions)
        for mode, virtual in ((Mode.M, False), (Mode.S, False), (Mode.S, True))[: 3 if extensions else 2]:
            pair.set({}, mode, virtual, **({"vsatp": 0, "hgatp": 0} if extensions else {}))
            for bit, access in product([0, *BITS], ACCESSES):
                assert pair.alike(access, RAM_BASE + DATA * PAGE ^ bit & ~3, RAM_BASE), (
                    mode,
                    hex(bit),
                    access,
                )


@pytest.mark.parametrize("level", [ROOT, MIDDLE, LOW, HOST_ROOT, HOST_MIDDLE, HOST_LOW])
def test_odd_entries(level):
    """Reserved bits, pointers with flags of leaves, superpages that are aligned and not, frames that aren't there."""
    stages = level >= HOST_ROOT
    pair = Pair("H")
    index = {ROOT: 0, MIDDLE: 0, LOW: 2, HOST_ROOT: 2, HOST_MIDDLE: 0, HOST_LOW: DATA}[level]
    below = {
        ROOT: MIDDLE,
        MIDDLE: LOW,
        LOW: DATA,
        HOST_ROOT: HOST_MIDDLE,
        HOST_MIDDLE: HOST_LOW,
        HOST_LOW: DATA,
    }
    right = leaf(DATA, ALL) if level in (LOW, HOST_LOW) else pointer(below[level])
    odd = [right ^ 1 << bit for bit in (*range(8), 12, *range(18, 64))]
    odd += [right & -1024 | flags for flags in (0xDF, 0x1F, 0x05, 0x0D, 0x15)]
    odd += [right & -(1 << 10 + bits) | 0xDF for bits in (1, 9, 10, 17, 18, 19)]
    for entry in odd:
        entries = guest_tables(Mode.U, ALL) | host_tables(ALL) | {(level, index): entry & (1 << 64) - 1}
        satp, host_satp = make_satp(frame(ROOT) * PAGE), make_satp(frame(HOST_ROOT) * PAGE)
        pair.set(entries, Mode.U, True, vsatp=satp, hgatp=host_satp)
        assert three(pair, orders=("load store",)), hex(entry)
        if not stages:
            pair.set(entries, Mode.U, satp=satp)
            assert three(pair, orders=("load store",)), hex(entry)


@pytest.mark.parametrize("page", [ROOT, MIDDLE, LOW, DATA, 0, HANDLER, HOST_LOW])
def test_protected_pages(page):
    """PMP asks of each table whether S may read it, and write it where A or D is to be set; M asks of locked ones."""
    pair = Pair("H")
    first = RAM_BASE + page * PAGE
    for config, (start, end), flags, nested in product(
        (0x08, 0x09, 0x0B, 0x0C, 0x0F, 0x88, 0x89, 0x8C, 0x8F),
        ((0, PAGE), (8, PAGE), (0, PAGE - 8), (-PAGE, PAGE), (0, 2 * PAGE)),
        (0xDF, 0x1F),
        (False, True),
    ):
        named = {"vsatp" if nested else "satp": make_satp(frame(ROOT) * PAGE)}
        if nested:
            named["hgatp"] = make_satp(frame(HOST_ROOT) * PAGE)
        named |= {"pmpaddr0": first + start >> 2, "pmpaddr1": first + end >> 2, "pmpaddr2": (1 << 54) - 1}
        unlocked = Pair("H") if config & 0x80 else pair
        entries = guest_tables(Mode.U, flags) | host_tables(ALL)
        unlocked.set(entries, Mode.U, nested, **named, pmpcfg0=0x1F << 16 | config << 8)
        where = hex(config), start, end, hex(flags), nested
        assert three(unlocked, orders=("load store",)), where
        unlocked.mode, unlocked.virtual = Mode.M, False
        for access in ACCESSES:
            assert unlocked.alike(access, RAM_BASE + DATA * PAGE, RAM_BASE), where


@pytest.mark.parametrize("extensions", ["C", "CH"])
@pytest.mark.parametrize(
    "instruction",
    ["csrrw a1, mscratch, a2", "csrr a1, time", "mret", "sret", "sfence.vma", "ecall", "ebreak", "lr.d a1, (a0)",
     "amoadd.w a1, a2, (a0)", "ld a1, 1(a0)"],
)  # fmt: skip
def test_an_instruction_in_two_pages_that_do_not_follow_each_other_in_memory(instruction, extensions):
    """What a trap tells of it is of its own two pages. The second is executed before, so that it is decoded."""
    first, other, second = 4, 5, 6
    pair = Pair(extensions)
    word, stay, jump = (assemble(text).segments[0][1][:4] for text in (instruction, "j .", "jr a3"))
    for machine in pair.machines:
        machine.memory.poke(RAM_BASE + first * PAGE, jump)
        machine.memory.poke(RAM_BASE + (first + 1) * PAGE - 2, word[:2])
        machine.memory.poke(RAM_BASE + other * PAGE, b"not his!")
        machine.memory.poke(RAM_BASE + second * PAGE, word[2:] + stay)
    for mode, user in ((Mode.U, 0x10), (Mode.S, 0)):
        tables = {(ROOT, 0): pointer(MIDDLE), (MIDDLE, 0): pointer(LOW)}
        tables |= {(LOW, 1): leaf(first, 0xCB | user), (LOW, 2): leaf(second, 0xCB | user)}
        pair.set(tables, mode, satp=make_satp(frame(ROOT) * PAGE))
        for start in (TARGET + 2, TARGET - 2, TARGET - 2):
            for machine in pair.machines:
                machine.hart.x[13] = start
            assert pair.alike("load", TARGET - 8), (mode, hex(start))


def test_a_trap_into_m_mode_with_mprv_sees_the_guest_that_trapped():
    """Software can't have MPRV below M mode, but a debugger can, and a snapshot."""
    pair = Pair("H")
    entries = guest_tables(Mode.U, ALL) | host_tables(ALL) | {(LOW, 4): leaf(DATA, 0xD9)}
    satp, host_satp = make_satp(frame(ROOT) * PAGE), make_satp(frame(HOST_ROOT) * PAGE)
    pair.set(
        entries, Mode.U, True, satp=satp, vsatp=satp, hgatp=host_satp, mstatus=CSRS["mstatus"]["MPRV"].mask
    )
    for machine in pair.machines:
        machine.memory.poke(
            RAM_BASE + HANDLER * PAGE, assemble("li a0, 0x2000\n ld a4, 0(a0)\n j .").segments[0][1]
        )
    assert pair.alike("fetch", 0x5000)
    assert pair.machines[0].hart.mode is Mode.M and pair.machines[0].hart.mmu.data.key.virtual
