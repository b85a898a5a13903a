"""A tour of what the privileged architecture asks of a computer: probes, each with what must come of it.

One program makes all probes and writes down the cause of the trap, if one came, what `xtval` held, by which vector
it came, and a0. So any computer can be asked: either engine, a virtual machine, QEMU.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import pack

from vlab.riscv import Program, assemble

RAM, PAGE = 0x8000_0000, 4096
LOG, ROOT, MIDDLE, LEAF, DATA = (RAM + n for n in (0x20000, 0x30000, 0x31000, 0x32000, 0x40000))
PAGES = 0x4000_0000  # where the pages of `LEAVES` are mapped
USER = 0x4000_0000  # what is in RAM is there for user mode, so much higher
NONE = 0xEE  # what stands where nothing was written down
IN_S = 1 << 32  # the trap went to S mode
INTERRUPT = 1 << 63
MISALIGNED_LOAD, LOAD_ACCESS, MISALIGNED_STORE, STORE_ACCESS = 4, 5, 6, 7
FETCH_ACCESS, ILLEGAL, BREAKPOINT, ECALL_U, ECALL_S, ECALL_M = 1, 2, 3, 8, 9, 11
FETCH_PAGE, LOAD_PAGE, STORE_PAGE = 12, 13, 15
ROW = 32  # bytes

# V R W X U A D of the pages, each with a word that is its number, and `ret` behind it.
_V, _R, _W, _X, _U, _A, _D = (1 << n for n in (0, 1, 2, 3, 4, 6, 7))
LEAVES = {
    "kernel": _V | _R | _W | _X | _A | _D,
    "next": _V | _R | _W | _A | _D,
    "user": _V | _R | _U | _A | _D,
    "code": _V | _X | _A,
    "usercode": _V | _X | _U | _A,
    "fresh": _V | _R | _W,
    "clean": _V | _R | _W | _A,
    "reserved": _V | _W | _A | _D,
    "last": _V | _R | _W | _X | _A | _D,
    "none": 0,
}
AT = {name: PAGES + n * PAGE for n, name in enumerate(LEAVES)}
PTE = {name: LEAF + 8 * n for n, name in enumerate(LEAVES)}


@dataclass(frozen=True)
class Probe:
    """What is done in M mode first, then in `mode`; and what comes of it: None where that is left open.

    `elsewhere`: whether other computers must answer the same. `lasting`: it can't be undone, and comes at the end.
    """

    name: str
    mode: str
    setup: str
    code: str
    cause: int = NONE
    value: int | None = None
    tval: int | None = None
    vector: int | None = None
    elsewhere: bool = True

    @property
    def paged(self) -> bool:
        """Whether it has page tables on."""
        return "satp" in self.setup


PAGED = f"li t0, {8 << 60 | ROOT >> 12}; csrw satp, t0; sfence.vma"
SUM, MXR, MPRV, TVM, TW, TSR = (f"li t0, 1<<{bit}; csrs mstatus, t0" for bit in (18, 19, 17, 20, 21, 22))
MPP_S = "li t0, 1<<11; csrs mstatus, t0"
STCE = "li t0, 1<<63; csrs menvcfg, t0"


def _csr(name: str, value: int | str) -> str:
    return f"li t0, {value}; csrw {name}, t0"


def _counters() -> Iterator[Probe]:
    for bit, name in enumerate(("cycle", "time", "instret")):
        read, one = f"csrr a0, {name}; snez a0, a0", 1 << bit
        both = f"{_csr('mcounteren', one)}; {_csr('scounteren', one)}"
        yield Probe(f"{name} in M", "M", _csr("mcounteren", 0), read, value=1)
        yield Probe(f"{name} in S, withheld", "S", _csr("mcounteren", 7 - one), read, ILLEGAL)
        yield Probe(f"{name} in S", "S", f"{_csr('mcounteren', one)}; {_csr('scounteren', 0)}", read, value=1)
        yield Probe(f"{name} in U, withheld by S", "U", _csr("scounteren", 7 - one), read, ILLEGAL)
        yield Probe(f"{name} in U, withheld by M", "U", _csr("mcounteren", 7 - one), read, ILLEGAL)
        yield Probe(f"{name} in U", "U", both, read, value=1)
        yield Probe(f"{name} is for reading", "M", "", f"csrw {name}, zero", ILLEGAL)
    wait = "csrr t1, {0}; nop; nop; csrr a0, {0}; sub a0, a0, t1; sltiu a0, a0, 1000"
    for name in ("mcycle", "minstret"):
        yield Probe(
            f"{name} goes on from what is written",
            "M",
            _csr(name, 1 << 40),
            f"csrr a0, {name}; srli a0, a0, 40",
            value=1,
        )
        yield Probe(f"{name} counts", "M", "", f"{wait.format(name)}; xori a0, a0, 1", value=0)
    # A hart need not have it, and here it has not: counters always count (3.1.12).
    yield Probe(
        "mcountinhibit", "M", _csr("mcountinhibit", -1), "csrr a0, mcountinhibit", value=0, elsewhere=False
    )
    yield Probe(
        "counters that aren't inhibited",
        "M",
        "csrw mcountinhibit, zero",
        "csrr a0, mcountinhibit; andi a0, a0, 7",
        value=0,
    )


def _registers(hypervisor: bool) -> Iterator[Probe]:
    unknown = (0x001, 0x002, 0x003, 0x015, 0x31A, 0x3A1, 0x3A3, 0x5C0, 0x8FF, 0x9C0, 0xC80, 0xCC0, 0xFC0)
    for number in unknown:
        yield Probe(f"unknown {number:#x}", "M", "", f"csrr a0, {number:#x}", ILLEGAL)
    for number in (0x7A0, 0x7B0, 0x308, *(() if hypervisor else (0x200, 0x600, 0x680))):
        yield Probe(f"unknown {number:#x} here", "M", "", f"csrr a0, {number:#x}", ILLEGAL, elsewhere=False)
    for mode, name in (
        ("S", "mstatus"),
        ("S", "mhartid"),
        ("U", "sstatus"),
        ("U", "satp"),
        ("U", "mscratch"),
    ):
        yield Probe(f"{name} in {mode}", mode, "", f"csrr a0, {name}", ILLEGAL)
    yield Probe("mhartid is for reading", "M", "", "csrw mhartid, zero", ILLEGAL)
    yield Probe("a set of nothing is no write", "M", "", "csrrs a0, mhartid, zero", value=0)
    yield Probe("the word that was illegal", "S", "", "csrr a0, mscratch", ILLEGAL, tval=0x34002573)
    for number in (1, 2, 7, 11, 15):
        wrong = f"li t0, {number << 60 | 0x123}; csrw satp, t0; csrr a0, satp; csrw satp, zero"
        yield Probe(f"satp with mode {number}", "M", _csr("satp", 0), wrong, value=0)
        kept = f"li t0, {number << 60 | 0x123}; csrw satp, t0; csrr a0, satp; csrr t0, sscratch"
        yield Probe(f"satp with mode {number}, paged", "S", PAGED, kept, value=8 << 60 | ROOT >> 12)


def _traps() -> Iterator[Probe]:
    for name, on in (("sfence.vma", TVM), ("csrr a0, satp", TVM), ("csrw satp, zero", TVM), ("wfi", TW)):
        what = on.partition("<<")[2][:2]
        pending = "li t0, 0x02000000; li t1, 1; sw t1, 0(t0); li t0, 8; csrw mie, t0"
        yield Probe(f"{name} in S with bit {what}", "S", on, name, ILLEGAL)
        yield Probe(f"{name} in M with bit {what}", "M", f"{on}; {pending}", f"{name}; li a0, 1", value=1)
        yield Probe(f"{name} in U", "U", "", name, ILLEGAL)
    yield Probe("sfence.vma in S", "S", "", "sfence.vma; li a0, 1", value=1)
    yield Probe("csrr satp in S", "S", "", "csrr a0, satp", value=0)
    yield Probe("a fence of others in S with TVM", "S", TVM, "fence.i; li a0, 1", value=1)
    back = "la t0, 1f; csrw sepc, t0; li a0, 1; sret; li a0, 2; 1: nop"
    yield Probe("sret in S", "S", "", back, value=1)
    refused = back.replace("1: nop", "li a0, 4; 1: nop")
    yield Probe("sret in S with TSR", "S", TSR, refused, ILLEGAL, value=4)
    yield Probe(
        "sret in M with TSR",
        "M",
        f"{TSR}; la t0, 1f; csrw sepc, t0",
        "sret; 1: li a0, 5; li a7, 77; ebreak",
        value=5,
    )
    for mode, name in (("U", "sret"), ("S", "mret"), ("U", "mret")):
        yield Probe(f"{name} in {mode}", mode, "", f"{name}; li a0, 4", ILLEGAL, value=4)
    for mode, cause in (("U", ECALL_U), ("S", ECALL_S), ("M", ECALL_M)):
        yield Probe(f"ecall in {mode}", mode, "", "li a7, 0; ecall", cause)
        sent = cause if mode == "M" else cause | IN_S
        yield Probe(f"ecall in {mode}, delegated", mode, _csr("medeleg", 1 << cause), "li a7, 0; ecall", sent)
    yield Probe("a breakpoint in M, delegated", "M", _csr("medeleg", 8), "ebreak", BREAKPOINT)
    yield Probe(
        "an illegal instruction in U, delegated",
        "U",
        _csr("medeleg", 4),
        "csrr a0, sstatus",
        ILLEGAL | IN_S,
        tval=0x10002573,
    )
    yield Probe("an illegal instruction in M, delegated", "M", _csr("medeleg", 4), "csrr a0, 0x8ff", ILLEGAL)
    kept = "csrr a0, mstatus; srli a0, a0, 17; andi a0, a0, 1"
    mpp = "li t0, 3<<11; csrc mstatus, t0; li t0, {0}<<11; csrs mstatus, t0; la t0, 1f; csrw mepc, t0; mret; 1: "
    yield Probe("mret to M keeps MPRV", "M", f"{MPRV}; {mpp.format(3)}nop", kept, value=1)
    left = f"{MPRV}; {mpp.format(1)}li a7, 77; la s1, 2f; ebreak; 2: nop"
    yield Probe("mret to S clears MPRV", "M", left, kept, value=0, elsewhere=False)  # QEMU 7.2 forgets it
    clears = f"{MPRV}; la t0, 1f; csrw sepc, t0; la s1, 2f; sret; 1: li a7, 77; ebreak; 2: nop"
    yield Probe("sret in M clears MPRV", "M", clears, kept, value=0, elsewhere=False)


def _interrupts() -> Iterator[Probe]:
    msip = "li t0, 0x02000000; li t1, 1; sw t1, 0(t0)"
    mtip = "li t0, 0x02004000; sd zero, 0(t0)"
    on, vectored = "csrsi mstatus, 8; nop; nop", "csrsi mtvec, 1"
    every = _csr("mie", 0xAAA)
    for name, vector, direct in (("direct", "nop", True), ("vectored", vectored, False)):
        for source, code in ((msip, 3), (mtip, 7)):
            at = 0 if direct else code
            yield Probe(
                f"interrupt {code}, {name}",
                "M",
                f"{vector}; {every}; {source}",
                on,
                INTERRUPT | code,
                vector=at,
            )
        yield Probe(
            f"of two, {name}",
            "M",
            f"{vector}; {every}; {mtip}; {msip}",
            on,
            INTERRUPT | 3,
            vector=0 if direct else 3,
        )
        yield Probe(f"an exception, {name}", "M", vector, "csrr a0, 0x8ff", ILLEGAL, vector=0)
        ours = "csrsi stvec, 1" if not direct else "nop"
        lend = f"{ours}; {_csr('mideleg', 0x222)}"
        for code in (1, 5, 9):
            at = 0 if direct else code
            raised = f"{lend}; {_csr('mie', 1 << code)}; li t0, {1 << code}; csrs mip, t0"
            seen = "csrsi sstatus, 2; nop; nop"
            yield Probe(
                f"interrupt {code} in S, {name}", "S", raised, seen, INTERRUPT | code | IN_S, vector=at
            )
            yield Probe(
                f"interrupt {code} in U, {name}", "U", raised, "nop", INTERRUPT | code | IN_S, vector=at
            )
    yield Probe("an interrupt that is off", "M", f"{every}; {msip}", "nop; li a0, 1", value=1)
    yield Probe("in S those of M are always on", "S", f"{every}; {msip}", "nop", INTERRUPT | 3)
    yield Probe(
        "in M those of S are always off",
        "M",
        f"{_csr('mideleg', 2)}; {every}; csrsi mip, 2; csrsi mstatus, 10",
        "nop; li a0, 1",
        value=1,
    )
    yield Probe(
        "wfi ends with what is pending and off", "M", f"{_csr('mie', 8)}; {msip}", "wfi; li a0, 1", value=1
    )
    alarm = f"{STCE}; csrw stimecmp, zero"
    stip = "csrr a0, mip; srli a0, a0, 5; andi a0, a0, 1"
    yield Probe("stimecmp rings", "M", alarm, stip, value=1)
    yield Probe("STIP is its own", "M", f"{alarm}; li t0, 32; csrc mip, t0", stip, value=1)
    yield Probe(
        "stimecmp doesn't ring",
        "M",
        f"{STCE}; li t0, -1; csrw stimecmp, t0; li t0, 32; csrs mip, t0",
        stip,
        value=0,
    )
    yield Probe(
        "without STCE it never rings", "M", "csrw stimecmp, zero; li t0, 32; csrc mip, t0", stip, value=0
    )
    lost = f"{STCE}; li t0, 32; csrs mip, t0; li t0, -1; csrw stimecmp, t0; csrw menvcfg, zero"
    yield Probe("what M writes to STIP meanwhile is lost", "M", lost, stip, value=0)
    yield Probe("without STCE STIP is M's", "M", "li t0, 32; csrs mip, t0", stip, value=1)
    rung = f"{alarm}; {_csr('mideleg', 0x20)}; {_csr('mie', 0x20)}; csrsi stvec, 1"
    yield Probe("its interrupt", "S", rung, "csrsi sstatus, 2; nop", INTERRUPT | 5 | IN_S, vector=5)
    yield Probe("stimecmp in S", "S", alarm, "csrr a0, stimecmp", value=0)
    yield Probe("stimecmp in S without STCE", "S", "", "csrr a0, stimecmp", ILLEGAL)
    yield Probe(
        "stimecmp in S without TM", "S", f"{STCE}; {_csr('mcounteren', 5)}", "csrr a0, stimecmp", ILLEGAL
    )
    yield Probe("stimecmp in U", "U", STCE, "csrr a0, stimecmp", ILLEGAL)


def _load(page: str, what: str = "lw a0, 0(t2)") -> str:
    return f"li t2, {AT[page]}; {what}"


def _paging(svade: bool) -> Iterator[Probe]:
    number = {name: n for n, name in enumerate(LEAVES)}
    through_s, through_u = f"{PAGED}; {MPP_S}; {MPRV}", f"{PAGED}; {MPRV}"
    store, jump = "sw zero, 4(t2)", "addi t2, t2, 8; jalr t2; li a0, 1"
    for how, mode, kernel, user in (
        ("in S", "S", PAGED, f"{PAGED}; {SUM}"), ("by MPRV", "M", through_s, f"{through_s}; {SUM}"),
    ):  # fmt: skip
        yield Probe(f"kernel's {how}", mode, kernel, _load("kernel"), value=0)
        yield Probe(f"user's {how}", mode, kernel, _load("user"), LOAD_PAGE, tval=AT["user"])
        yield Probe(f"user's {how} with SUM", mode, user, _load("user"), value=number["user"])
        yield Probe(f"a store to what is for reading {how}", mode, user, _load("user", store), STORE_PAGE)
        yield Probe(f"code {how}", mode, kernel, _load("code"), LOAD_PAGE)
        yield Probe(f"code {how} with MXR", mode, f"{kernel}; {MXR}", _load("code"), value=number["code"])
        yield Probe(f"user's code {how} with MXR", mode, f"{kernel}; {MXR}", _load("usercode"), LOAD_PAGE)
        yield Probe(
            f"user's code {how} with both",
            mode,
            f"{user}; {MXR}",
            _load("usercode"),
            value=number["usercode"],
        )
        yield Probe(f"W without R {how}", mode, kernel, _load("reserved"), LOAD_PAGE)
        yield Probe(f"nothing {how}", mode, kernel, _load("none"), LOAD_PAGE, tval=AT["none"])
        yield Probe(f"no address of Sv39 {how}", mode, kernel, "li t2, 1<<39; lw a0, 0(t2)", LOAD_PAGE)
        fresh, clean = (LOAD_PAGE, STORE_PAGE) if svade else (NONE, NONE)
        undo = f"li t3, {PTE['fresh']}; ld t4, 0(t3); andi t4, t4, ~192; sd t4, 0(t3); sfence.vma"
        undo_d = f"li t3, {PTE['clean']}; ld t4, 0(t3); andi t4, t4, ~128; sd t4, 0(t3); sfence.vma"
        yield Probe(f"no A {how}", mode, f"{undo}; {kernel}", _load("fresh"), fresh)
        yield Probe(f"no A, a store {how}", mode, f"{undo}; {kernel}", _load("fresh", store), clean)
        yield Probe(f"no D {how}", mode, f"{undo_d}; {kernel}", _load("clean"), value=number["clean"])
        yield Probe(f"no D, a store {how}", mode, f"{undo_d}; {kernel}", _load("clean", store), clean)
    for page, bits in (("fresh", 0 if svade else 0xC0), ("clean", 0x40 if svade else 0xC0)):
        read = f"li t3, {PTE[page]}; ld a0, 0(t3); andi a0, a0, 192"
        yield Probe(f"A and D of {page}", "M", "", read, value=bits)
    for how, mode, paged in (("in U", "U", PAGED), ("as U by MPRV", "M", through_u)):
        yield Probe(f"kernel's {how}", mode, paged, _load("kernel"), LOAD_PAGE)
        yield Probe(f"user's {how}", mode, paged, _load("user"), value=number["user"])
        yield Probe(f"user's code {how}", mode, paged, _load("usercode"), LOAD_PAGE)
        yield Probe(
            f"user's code {how} with MXR",
            mode,
            f"{paged}; {MXR}",
            _load("usercode"),
            value=number["usercode"],
        )
    yield Probe(
        "MPRV in M as M",
        "M",
        f"{PAGED}; {MPRV}; li t0, 3<<11; csrs mstatus, t0",
        f"li t2, {DATA}; lw a0, 0(t2)",
        value=0,
    )
    yield Probe("fetch of the kernel's in S", "S", PAGED, _load("kernel", jump), value=1)
    yield Probe(
        "fetch of what isn't code in S", "S", PAGED, _load("next", jump), FETCH_PAGE, tval=AT["next"] + 8
    )
    yield Probe("fetch of user's code in S", "S", f"{PAGED}; {SUM}", _load("usercode", jump), FETCH_PAGE)
    yield Probe("fetch of user's code in U", "U", PAGED, _load("usercode", jump), value=1)
    yield Probe("fetch of the kernel's in U", "U", PAGED, _load("kernel", jump), FETCH_PAGE)


def _misaligned() -> Iterator[Probe]:
    word = 0x1122_3344_5566_7788
    for size, letter in ((2, "h"), (4, "w"), (8, "d")):
        for offset in (1, size - 1):
            near, mask = PAGE // 2 + offset, (1 << 8 * size) - 1
            for kind, at, setup in (
                ("in a page", AT["kernel"] + near, PAGED),
                ("across pages", AT["next"] - offset, PAGED),
                ("unpaged", DATA + 0x3000 + near, ""),
            ):  # fmt: skip
                code = f"li t2, {at}; li t1, {word}; s{letter} t1, 0(t2); l{letter} a0, 0(t2)"
                low = word & mask
                value = low if size == 8 or not low >> 8 * size - 1 else low - (1 << 8 * size)
                yield Probe(f"{size} bytes at {offset}, {kind}", "S", setup, code, value=value % 2**64)
    far = AT["none"] - 3
    yield Probe("a load into nothing", "S", PAGED, f"li t2, {far}; lw a0, 0(t2)", LOAD_PAGE, tval=AT["none"])
    yield Probe(
        "a store into nothing", "S", PAGED, f"li t2, {far}; sd t2, 0(t2)", STORE_PAGE, tval=AT["none"]
    )
    undone = f"li t2, {far}; sw zero, 0(t2); li t2, {far & -4}; lw a0, 0(t2); snez a0, a0"
    yield Probe(
        "a store into nothing writes nothing",
        "S",
        f"{PAGED}; li t2, {DATA + 8 * PAGE + PAGE - 4}; li t1, -1; sw t1, 0(t2)",
        undone,
        STORE_PAGE,
        value=1,
    )
    yield Probe(
        "an atomic", "S", "", f"li t2, {DATA + 2}; amoadd.w a0, zero, (t2)", MISALIGNED_STORE, elsewhere=False
    )
    yield Probe(
        "a reservation", "S", "", f"li t2, {DATA + 2}; lr.w a0, (t2)", MISALIGNED_LOAD, elsewhere=False
    )
    yield Probe("at a device", "M", "", "li t2, 0x02004001; lw a0, 0(t2)", LOAD_ACCESS, elsewhere=False)


PLACE = DATA + 0x9000


def _protection() -> Iterator[Probe]:
    load, store, jump = (f"li t2, {PLACE}; {what}" for what in ("lw a0, 0(t2)", "sw zero, 0(t2)", "jalr t2"))
    na4 = f"li t0, {PLACE >> 2}; csrw pmpaddr0, t0; li t0, {{0:#x}}; csrw pmpcfg0, t0; sfence.vma"
    off = "csrw pmpcfg0, zero; csrw pmpaddr0, zero; csrw pmpaddr1, zero; sfence.vma"
    for rights, name in ((0, "nothing"), (1, "R"), (3, "RW"), (4, "X"), (5, "RX"), (7, "RWX")):
        on = na4.format(0x10 | rights)
        for mode in ("S", "U"):
            yield Probe(f"a load with {name} in {mode}", mode, on, load, NONE if rights & 1 else LOAD_ACCESS)
            yield Probe(
                f"a store with {name} in {mode}", mode, on, store, NONE if rights & 2 else STORE_ACCESS
            )
        yield Probe(
            f"a fetch with {name}",
            "S",
            f"{on}; li t0, 0x8067; li t2, {PLACE}; sw t0, 0(t2); fence.i",
            jump,
            NONE if rights & 4 else FETCH_ACCESS,
        )
        yield Probe(f"M with {name}", "M", on, f"{load}; li a0, 1", value=1)
        yield Probe(
            f"M as S with {name}", "M", f"{on}; {MPP_S}; {MPRV}", load, NONE if rights & 1 else LOAD_ACCESS
        )
    yield Probe("in part", "S", na4.format(0x17), f"li t2, {PLACE}; ld a0, 0(t2)", LOAD_ACCESS)
    yield Probe("in part, M", "M", na4.format(0x17), f"li t2, {PLACE}; ld a0, 0(t2)", LOAD_ACCESS)
    two = f"li t0, {PLACE >> 2}; csrw pmpaddr0, t0; addi t0, t0, 4; csrw pmpaddr1, t0"
    between = f"{two}; li t0, 0x0800; csrw pmpcfg0, t0"
    for offset, cause in ((-4, NONE), (0, LOAD_ACCESS), (12, LOAD_ACCESS), (16, NONE)):
        yield Probe(
            f"from one address up to another, at {offset}",
            "S",
            between,
            f"li t2, {PLACE + offset}; lw a0, 0(t2)",
            cause,
        )
    napot = f"{off}; li t0, {PLACE >> 2 | 3}; csrw pmpaddr0, t0; li t0, 0x18; csrw pmpcfg0, t0"
    for offset, cause in ((-4, NONE), (0, LOAD_ACCESS), (28, LOAD_ACCESS), (32, NONE)):
        yield Probe(f"32 bytes, at {offset}", "S", napot, f"li t2, {PLACE + offset}; lw a0, 0(t2)", cause)
    first = f"{napot}; li t0, {PLACE >> 2 | 1}; csrw pmpaddr1, t0; li t0, 0x1f18; csrw pmpcfg0, t0"
    yield Probe("the lowest entry decides", "S", first, load, LOAD_ACCESS)
    walker = f"{off}; li t0, {LEAF >> 2 | 0x1FF}; csrw pmpaddr0, t0; li t0, 0x18; csrw pmpcfg0, t0; {PAGED}"
    yield Probe("a table is protected", "S", walker, _load("user"), LOAD_ACCESS)
    every = "; ".join(f"li t0, {0x1000 + n}; csrw pmpaddr{n}, t0" for n in range(15))
    total = "li a0, 0; " + "; ".join(f"csrr t1, pmpaddr{n}; add a0, a0, t1" for n in range(15))
    clear = "; ".join(f"csrw pmpaddr{n}, zero" for n in range(15))
    yield Probe(
        "fifteen more entries",
        "M",
        f"{off}; {every}",
        f"{total}; {clear}",
        value=sum(0x1000 + n for n in range(15)),
    )
    yield Probe(
        "54 bits",
        "M",
        "li t0, -1; csrw pmpaddr3, t0",
        "csrr a0, pmpaddr3; csrw pmpaddr3, zero",
        value=(1 << 54) - 1,
        elsewhere=False,
    )
    yield Probe(
        "reserved bits",
        "M",
        "li t0, 0x60; csrw pmpcfg0, t0",
        "csrr a0, pmpcfg0; csrw pmpcfg0, zero",
        value=0,
        elsewhere=False,
    )
    # From here on nothing can be undone.
    locked = (
        f"{off}; li t0, {PLACE >> 2}; csrw pmpaddr4, t0; li t0, {0x91 << 32:#x}; csrw pmpcfg0, t0; sfence.vma"
    )
    yield Probe("a locked entry binds M", "M", locked, store, STORE_ACCESS)
    yield Probe("it lets M read", "M", "", f"{load}; li a0, 1", value=1)
    yield Probe(
        "its configuration stays", "M", "csrw pmpcfg0, zero", "csrr a0, pmpcfg0; srli a0, a0, 32", value=0x91
    )
    yield Probe("its address stays", "M", "csrw pmpaddr4, zero", "csrr a0, pmpaddr4", value=PLACE >> 2)
    yield Probe(
        "the address below it doesn't",
        "M",
        "li t0, 5; csrw pmpaddr3, t0",
        "csrr a0, pmpaddr3; csrw pmpaddr3, zero",
        value=5,
    )
    top = (
        f"li t0, 7; csrw pmpaddr6, t0; li t0, 9; csrw pmpaddr7, t0; li t0, {0x89 << 56:#x}; csrw pmpcfg0, t0"
    )
    yield Probe(
        "a locked range keeps where it begins",
        "M",
        f"{top}; csrw pmpaddr6, zero",
        "csrr a0, pmpaddr6",
        value=7,
    )
    yield Probe("and where it ends", "M", "csrw pmpaddr7, zero", "csrr a0, pmpaddr7", value=9)


def probes(extensions: str = "") -> list[Probe]:
    """All of them, as a computer with these extensions must answer."""
    registers, paging = (
        _registers("H" in extensions),
        _paging("svad" in extensions),
    )  # of Svadu it clears ADUE
    return [*_counters(), *registers, *_traps(), *_interrupts(), *paging, *_misaligned(), *_protection()]


_BEGIN = f"""
_start:
    li   t0, -1
    csrw pmpaddr15, t0
    li   t0, {0x1F << 56:#x}
    csrw pmpcfg2, t0
    li   s0, {LOG}
    j    probe0
    .balign 256
m_vectors:
{chr(10).join(f"    j m{n}" for n in range(12))}
{chr(10).join(f"m{n}: li t5, {n}; j m_trap" for n in range(12))}
m_trap:
    csrr t0, mcause
    bltz t0, m_interrupt
    li   t1, 77
    bne  a7, t1, m_probed
    li   t1, 3
    bne  t0, t1, m_probed
    csrw mepc, s1
    li   t1, 3<<11
    csrs mstatus, t1
    li   a7, 0
    mret
m_probed:
    mv   s9, t5
    mv   s10, t0
    csrr s11, mtval
    csrr t1, mepc
    addi t1, t1, 4
    li   t2, 1 << 0 | 1 << 1 | 1 << 12
    srl  t2, t2, t0
    andi t2, t2, 1
    beqz t2, 1f
    mv   t1, ra
1:  csrw mepc, t1
    mret
m_interrupt:
    mv   s9, t5
    mv   s10, t0
    csrw mie, zero
    mret
    .balign 256
s_vectors:
{chr(10).join(f"    j s_{n}" for n in range(12))}
{chr(10).join(f"s_{n}: li s9, {n}; j s_trap" for n in range(12))}
s_trap:
    csrr s10, scause
    li   t0, 1<<32
    csrr t1, sepc
    bltz s10, s_interrupt
    csrr s11, stval
    addi t1, t1, 4
s_interrupt:
    or   s10, s10, t0
    csrw sepc, t1
    csrw sie, zero
    sret
reset:
    csrw mstatus, zero
    csrw mie, zero
    csrw mip, zero
    csrw satp, zero
    csrw medeleg, zero
    csrw mideleg, zero
    csrw menvcfg, zero
    csrw mcountinhibit, zero
    csrw sepc, zero
    li   t0, 7
    csrw mcounteren, t0
    csrw scounteren, t0
    la   t0, m_vectors
    csrw mtvec, t0
    la   t0, s_vectors
    csrw stvec, t0
    li   t0, 0x02000000
    sw   zero, 0(t0)
    li   t0, 0x02004000
    li   t1, -1
    sd   t1, 0(t0)
    sfence.vma
    li   s9, {NONE}
    li   s10, {NONE}
    li   s11, {NONE}
    li   a0, {NONE}
    li   a7, 0
    ret
"""
_END = """
    .ifndef DUMP
    .equ DUMP, 0
    .endif
    li   t0, DUMP
    beqz t0, over
    li   s1, {log}
    li   s2, 0x10000000
words:
    ld   t0, 0(s1)
    li   t1, 60
digits:
    srl  t2, t0, t1
    andi t2, t2, 15
    addi t2, t2, 97
    sb   t2, 0(s2)
    addi t1, t1, -4
    bgez t1, digits
    li   t2, 10
    sb   t2, 0(s2)
    addi s1, s1, 8
    bltu s1, s0, words
over:
    li   t0, 0x100000
    li   t1, 0x5555
    sw   t1, 0(t0)
    j    .
"""
_PROBE = """
probe{n}:
    call reset
    {setup}
    la   s1, done{n}
    {enter}
    {code}
    {leave}
done{n}:
    sd   s10, 0(s0)
    sd   s11, 8(s0)
    sd   s9, 16(s0)
    sd   a0, 24(s0)
    addi s0, s0, 32
"""


def text(extensions: str = "") -> str:
    """The program, in assembly."""
    parts = [_BEGIN]
    for n, probe in enumerate(probes(extensions)):
        enter = leave = ""
        if probe.mode != "M":
            away = USER if probe.mode == "U" and probe.paged else 0
            bits = "li t1, 1<<11; csrs mstatus, t1;" if probe.mode == "S" else ""
            enter = f"la t0, go{n}; li t1, {away}; add t0, t0, t1; csrw mepc, t0; {bits} mret; go{n}:"
            leave = "li a7, 77; ebreak"
        else:
            leave = "li t0, 1<<17; csrc mstatus, t0"
        lines = {"setup": probe.setup, "enter": enter, "code": probe.code, "leave": leave}
        parts.append(
            _PROBE.format(n=n, **{name: line.replace(";", "\n    ") for name, line in lines.items()})
        )
    return "\n".join(parts).replace("; ", "\n    ") + _END.format(log=LOG)


def tables() -> tuple[tuple[int, bytes], ...]:
    """The page tables, and what is in the pages, as segments."""
    root = bytearray(PAGE)
    for number, entry in ((1, MIDDLE >> 2 | 1), (2, RAM >> 2 | 0xCF), (3, RAM >> 2 | 0xDB)):
        root[8 * number : 8 * number + 8] = pack("<Q", entry)
    leaves = [(DATA + n * PAGE) >> 2 | flags if flags else 0 for n, flags in enumerate(LEAVES.values())]
    contents = tuple((DATA + n * PAGE, pack("<QI", n, 0x8067)) for n in range(len(LEAVES)))
    return (
        (ROOT, bytes(root)), (MIDDLE, pack("<Q", LEAF >> 2 | 1)), (LEAF, pack(f"<{len(leaves)}Q", *leaves)), *contents
    )  # fmt: skip


def program(extensions: str = "") -> Program:
    """The program, with its tables."""
    made = assemble(text(extensions))
    return Program((*made.segments, *tables()), made.entry, made.symbols)


def answers(log: bytes, extensions: str = "") -> list[str]:
    """What is wrong in what was written down, a line each."""
    wrong = []
    for n, probe in enumerate(probes(extensions)):
        cause, tval, vector, value = (int.from_bytes(log[ROW * n + 8 * k :][:8], "little") for k in range(4))
        for what, is_, must in (
            ("cause", cause, probe.cause), ("tval", tval, probe.tval),
            ("vector", vector, probe.vector), ("a0", value, probe.value),
        ):  # fmt: skip
            if must is not None and is_ != must:
                wrong.append(f"{probe.name}: {what} {is_:#x}, not {must:#x}")
    return wrong
