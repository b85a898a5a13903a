"""Random guests that end: all three modes, two page tables, PMP, traps, timers, atomics, with correct fences.

A guest is a list of *deeds*, each a few instructions of which any may trap. Handlers in M and S mode write every trap
down, skip what trapped, and switch the computer off after so many. So a guest's memory tells its whole story, and
computers that differ anywhere end in different states.

    0x8000_0000  code, also at ALIAS for U mode      0x8000_8000  the trap log
    0x8001_0000  page tables                         0x8002_0000  frames that deeds play with
    0x8020_0000  a large page to play with, of which only the beginning is memory
"""

from dataclasses import replace
from struct import pack
from typing import NamedTuple

from hypothesis import strategies as st

from vlab.paging import make_satp
from vlab.riscv import Program, assemble

MEMORY = (2 << 20) + (128 << 10)  # no more: an eager shadow has an entry for each page of it
RAM, LOG = 0x8000_0000, 0x8000_8000
ALIAS = 0xC000_0000  # where U mode sees the code
TABLES, FRAMES, LARGE = 0x8001_0000, 0x8002_0000, 0x8020_0000
PLAY, PLAY_LARGE = 0x1_0000_0000, 0x1_0020_0000  # the virtual pages that deeds play with, and a large one
PAGES, DATA_FRAMES, CODE_FRAMES = 8, 4, 2
V, R, W, X, U, A, D = (1 << bit for bit in (0, 1, 2, 3, 4, 6, 7))
MODES = {"U": 0, "S": 1, "M": 3}
TRAPS = 60  # after so many the handlers switch the computer off

_SKELETON = """
    .equ LOG, 0x80008000
    .equ ALIAS_BIT, 0x40000000
    .globl _start
_start:
    la   t0, m_vectors
    csrw mtvec, t0
    la   t0, s_vectors
    csrw stvec, t0
    li   s0, 1
    li   t0, -1
    csrw pmpaddr15, t0
    li   t0, 0x1f
    slli t0, t0, 56
    csrw pmpcfg2, t0
    li   t0, 1
    slli t0, t0, 63
    csrw menvcfg, t0
{setup}
{deeds}
finish:
    li   a7, 99
    ecall
    j    finish

    .balign 256
m_vectors:
    j    m_handler
    {m_vectors}
    .balign 256
s_vectors:
    j    s_handler
    {s_vectors}

# Handlers take a0, a6, s11, t3 to t6, ra: deeds keep nothing there. s0 is the sum of all that was read.
m_handler:
    csrr t6, mstatus
    li   t3, 1<<17
    csrc mstatus, t3            # MPRV off: the log is where it is
    csrr t3, mcause
    csrr t4, mepc
    csrr t5, mtval
    call write_down
    bgtz a6, off
    bltz t3, m_interrupt
    li   a6, 8
    beq  t3, a6, service
    li   a6, 9
    beq  t3, a6, service
    li   a6, 11
    beq  t3, a6, service
    call skip
    csrw mepc, t4
m_return:
    li   t3, 1<<17
    and  t3, t3, t6
    csrs mstatus, t3
    mret

m_interrupt:                    # whatever is pending, no longer is
    li   a6, 0x2004000
    li   a0, -1
    sd   a0, 0(a6)
    li   a6, 0x2000000
    sw   zero, 0(a6)
    csrw stimecmp, a0
    li   a0, 0x222
    csrc mip, a0
    j    m_return

service:                        # a7: what is wanted
    addi t4, t4, 4
    csrw mepc, t4
    li   a6, 99
    beq  a7, a6, off
    li   a6, 10
    beq  a7, a6, edit
    li   a6, 11
    beq  a7, a6, switch
    slli a0, a7, 11             # a mode to go to
    li   a6, 3<<11
    csrc mstatus, a6
    csrs mstatus, a0
    li   a6, ALIAS_BIT
    or   t4, t4, a6
    bnez a7, 1f
    csrr a0, satp
    bnez a0, 2f
1:  xor  t4, t4, a6
2:  csrw mepc, t4
    mret                        # to U and S without MPRV

edit:                           # store a1 at a0, and fence a2 (0: all)
    sd   a1, 0(a0)
    beqz a2, 1f
    sfence.vma a2
    j    m_return
1:  sfence.vma
    j    m_return

switch:                         # a1: the new satp; not for U mode, which is elsewhere without one
    csrr a6, mcause
    addi a6, a6, -8
    beqz a6, m_return
    csrw satp, a1
    sfence.vma
    j    m_return

off:
    li   a6, 0x100000
    li   a0, 0x5555
    sw   a0, 0(a6)
    j    off

write_down:                     # t3, t4, t5 and s0 into the log; a6: positive once it is full
    li   s11, LOG
    ld   a6, 0(s11)
    addi a6, a6, 1
    sd   a6, 0(s11)
    slli a0, a6, 5
    addi a6, a6, -{traps}
    bgtz a6, 1f
    add  s11, s11, a0
    sd   t3, 0(s11)
    sd   t4, 8(s11)
    sd   t5, 16(s11)
    sd   s0, 24(s11)
1:  ret

skip:                           # t3, t4: where to go on after an exception
    li   a6, 12
    beq  t3, a6, 1f
    li   a6, 1
    beq  t3, a6, 1f
    addi t4, t4, 4
    ret
1:  srli a6, t4, 32
    beqz a6, 2f
    mv   t4, s10                # a fetch from a page to play with: back to who called
    ret
2:  li   a7, 99                 # lost
    ecall

s_handler:
    csrr t3, scause
    csrr t4, sepc
    csrr t5, stval
    call write_down
    blez a6, 1f
    ecall                       # to M mode, which switches off
1:  bltz t3, s_interrupt
    call skip
    csrw sepc, t4
    sret
s_interrupt:
    li   a0, -1
    csrw stimecmp, a0
    li   a0, 0x222
    csrc sip, a0
    csrc sie, a0
    sret
"""

_LOADS = ("lb", "lbu", "lh", "lhu", "lw", "lwu", "ld")
_STORES = ("sb", "sh", "sw", "sd")
_ATOMICS = tuple(f"{op}.{size}" for op in ("amoadd", "amoswap", "amomaxu") for size in "wd")
_CSRS = (
    "mstatus mie mip mideleg medeleg mcounteren mscratch mepc mcause mtval mcycle minstret misa mhartid sstatus sie "
    "sip scounteren sscratch sepc scause stval stimecmp time cycle instret satp menvcfg pmpcfg0 pmpaddr0 mcountinhibit "
    "hpmcounter3 senvcfg"
).split()
_WRITABLE = {  # what deeds may write; where more would end the story, only these bits
    "mstatus": 1 << 1 | 1 << 3 | 1 << 5 | 1 << 7 | 1 << 18 | 1 << 19 | 1 << 20 | 1 << 21 | 1 << 22,
    "sstatus": 1 << 1 | 1 << 5 | 1 << 18 | 1 << 19,
    "mie": 0xAAA,
    "sie": 0x222,
    "mip": 0x222,
    "sip": 0x222,
    "mideleg": 0x222,
    "medeleg": 0xB0FF & ~0x100,
    "mcounteren": 7,
    "scounteren": 7,
    "mscratch": ~0,
    "sscratch": ~0,
    "mcycle": 0xFFFF,
    "minstret": 0xFFFF,
    "stval": ~0,
    "scause": ~0,
    "time": 0,
}


def _address(draw: st.DrawFn) -> int:
    """Where a deed looks: mostly its own pages, near their ends too; sometimes a device, or nowhere."""
    offset = draw(st.sampled_from((0, 8, 0x10, 0x13, 0x7FC, 0xFF8, 0xFFA, 0xFFC, 0xFFD, 0xFFF)))
    kind = draw(st.sampled_from("ppppppplldn"))
    if kind == "p":
        return PLAY + draw(st.integers(0, PAGES - 1)) * 0x1000 + offset
    if kind == "l":
        return draw(st.sampled_from((PLAY_LARGE, LARGE))) + draw(st.integers(0, 2)) * 0x1000 + offset
    if kind == "d":
        return draw(
            st.sampled_from((0x1000_0000, 0x1000_0005, 0x200_0000, 0x200_4000, 0x200_BFF8, 0x200_BFFC))
        )
    return draw(st.sampled_from((0x3000_0000, RAM + MEMORY - 4, RAM + MEMORY, 1 << 38, (1 << 64) - 4096, 0)))


def _entry(draw: st.DrawFn) -> int:
    """A valid entry for a page to play with: data, code, a device, something outside RAM, or none at all."""
    flags = V | draw(st.sampled_from((0, U))) | draw(st.sampled_from((0, A, A | D)))
    kind = draw(st.sampled_from("dddddccun0"))
    if kind == "0":
        return draw(st.sampled_from((0, V | W, FRAMES >> 2 | V, 1 << 60 | FRAMES >> 2 | V | R)))
    if kind == "c":
        frame = FRAMES + (DATA_FRAMES + draw(st.integers(0, CODE_FRAMES - 1))) * 0x1000
        return frame >> 2 | flags | draw(st.sampled_from((R | X, X)))
    rights = draw(st.sampled_from((R | W, R | W, R, R | W | X)))
    if kind == "d":
        return FRAMES + draw(st.integers(0, DATA_FRAMES - 1)) * 0x1000 >> 2 | flags | rights & ~X
    return {"u": 0x1000_0000, "n": 0x3000_0000}[kind] >> 2 | flags | rights


@st.composite
def deeds(draw: st.DrawFn) -> str:
    """One deed of a guest, in assembly."""
    kind = draw(st.sampled_from(("access",) * 8 + ("csr",) * 4 + ("mode",) * 3 + tuple(_DEEDS)))
    if kind == "access":
        op = draw(st.sampled_from(_LOADS + _STORES + _ATOMICS))
        value = draw(st.integers(0, 1 << 63))
        place = "a0, (t0)" if op in _LOADS + _STORES else "a0, a1, (t0)"
        return f"li t0, {_address(draw)}\nli a0, {value}\nli a1, {value}\n{op} {place}\nxor s0, s0, a0"
    if kind == "csr":
        csr = draw(st.sampled_from(_CSRS))
        if csr not in _WRITABLE or draw(st.booleans()):
            return f"csrr a0, {csr}\nadd s0, s0, a0"
        op = draw(st.sampled_from(("csrrs", "csrrc", "csrrw")))
        value = draw(st.integers(0, (1 << 64) - 1)) & _WRITABLE[csr]
        if op == "csrrw" and csr in ("mstatus", "mideleg", "medeleg"):
            op = "csrrs"
        return f"li a1, {value}\n{op} a0, {csr}, a1\nadd s0, s0, a0"
    if kind == "mode":
        return _go(draw)
    special: str = _DEEDS[kind](draw)
    return special


def _go(draw: st.DrawFn) -> str:
    return f"li a7, {MODES[draw(st.sampled_from('UUUSSSMM'))]}\necall"


def _reserve(draw: st.DrawFn) -> str:
    size = draw(st.sampled_from("wd"))
    one = _address(draw) & ~7
    other = draw(st.sampled_from((one, one, one, one + 8)))
    between = draw(
        st.sampled_from(
            ("", "nop", "csrr a2, sscratch", "li a7, 3\necall", "li t2, 0x100000500\nld a2, (t2)")
        )
    )
    return (
        f"li t0, {one}\nli t1, {other}\nlr.{size} a0, (t0)\n{between}\nsc.{size} a0, t0, (t1)\nxor s0, s0, a0"
    )


def _call(draw: st.DrawFn) -> str:
    page = draw(st.integers(0, PAGES - 1))
    offset = draw(st.sampled_from((0, 4, 0x800, 0xFFC, 2)))
    return f"li t0, {PLAY + page * 0x1000 + offset}\nla s10, 1f\njalr ra, t0\n1: addi s0, s0, 1"


def _edit(draw: st.DrawFn) -> str:
    table, page = draw(st.integers(0, 1)), draw(st.integers(0, PAGES))
    if page == PAGES:  # the large page: the fence names any address in it
        flags = V | draw(st.sampled_from((0, R, R | W, R | W | X))) | draw(st.sampled_from((0, U))) | A | D
        at, entry, fence = (
            _l1(table) + 8,
            LARGE >> 2 | flags,
            PLAY_LARGE + draw(st.sampled_from((0, 0x5000, 0x1F_FFF8))),
        )
    else:
        at, entry, fence = (
            _l0(table) + 8 * page,
            _entry(draw),
            PLAY + page * 0x1000 + draw(st.integers(0, 4095)),
        )
    return f"li a0, {at}\nli a1, {entry}\nli a2, {draw(st.sampled_from((0, fence, fence)))}\nli a7, 10\necall"


def _switch(draw: st.DrawFn) -> str:
    satp = draw(st.sampled_from((make_satp(_root(0)), make_satp(_root(1)), 0)))
    if draw(st.booleans()):
        return f"li a0, {satp}\nli a1, {satp}\nli a7, 11\necall"
    return "csrr a0, satp\ncsrw satp, a0\nsfence.vma\nadd s0, s0, a0"


def _alarm(draw: st.DrawFn) -> str:
    delta = draw(st.sampled_from((-50, 0, 1, 3, 10, 20, 40, 60, 80, 100, 150, 200)))
    if draw(st.booleans()):
        return f"rdtime a0\naddi a0, a0, {delta}\ncsrw stimecmp, a0"
    clock = "li t0, 0x200bff8\nld a0, (t0)"
    return f"{clock}\naddi a0, a0, {delta}\nli t0, 0x2004000\nsd a0, (t0)"


def _device(draw: st.DrawFn) -> str:
    return draw(
        st.sampled_from(
            (
                "li t0, 0x2000000\nli a0, 1\nsw a0, (t0)",
                "li t0, 0x200bff8\nld a0, (t0)\naddi a0, a0, 30\nsd a0, (t0)",
                "li t0, 0x10000000\nli a0, 'x'\nsb a0, (t0)",
                "li t0, 0x200bffc\nlw a0, (t0)\nadd s0, s0, a0",
            )
        )
    )


def _protect(draw: st.DrawFn) -> str:
    """A region of PMP over the frames, or over the page tables of the pages to play with."""
    index = draw(st.integers(0, 5))
    base = draw(
        st.sampled_from((FRAMES, FRAMES, FRAMES + 0x1000, FRAMES + 0xFF8, FRAMES + 0x4000, _l0(0), LARGE))
    )
    size = draw(st.sampled_from((4, 8, 16, 64, 4096, 8192)))
    config = draw(st.integers(0, 7)) | (0x10 if size == 4 else 0x18) | draw(st.sampled_from((0, 0, 0, 0x80)))
    if draw(st.integers(0, 3)) == 0:
        config = config & ~0x18 | 8
    encoded = base >> 2 | (0 if size == 4 else (size >> 3) - 1)
    return f"li a0, {encoded}\ncsrw pmpaddr{index}, a0\nli a0, {config << 8 * index}\ncsrs pmpcfg0, a0"


def _unprotect(draw: st.DrawFn) -> str:
    return f"li a0, {0xFF << 8 * draw(st.integers(0, 5))}\ncsrc pmpcfg0, a0"


def _other_view(draw: st.DrawFn) -> str:
    """Loads and stores of M mode with the eyes of another."""
    mode, on = draw(st.sampled_from(tuple(MODES.values()))), draw(st.integers(0, 3))
    some = "\n".join(draw(deeds()) for _deed in range(on))
    begin = f"li t0, 3<<11\ncsrc mstatus, t0\nli t0, {mode << 11 | 1 << 17}\ncsrs mstatus, t0"
    return f"{begin}\n{some}\nli t0, 1<<17\ncsrc mstatus, t0"


_DEEDS = {
    "reserve": _reserve,
    "call": _call,
    "edit": _edit,
    "edit again": _edit,
    "switch": _switch,
    "alarm": _alarm,
    "alarm again": _alarm,
    "device": _device,
    "protect": _protect,
    "unprotect": _unprotect,
    "view": _other_view,
    "wfi": lambda draw: "wfi",
    "fence": lambda draw: draw(
        st.sampled_from(("sfence.vma", "fence.i", "fence", "li t0, 0x100001000\nsfence.vma t0"))
    ),
    "trap": lambda draw: draw(st.sampled_from(("ebreak", ".word 0", "sret", "mret", ".word 0xffffffff"))),
}


def _root(table: int) -> int:
    return TABLES + table * 0x1000


def _l1(table: int) -> int:
    return TABLES + (2 + table) * 0x1000


def _l0(table: int) -> int:
    return TABLES + (4 + table) * 0x1000


class Guest(NamedTuple):
    """A guest, and what is special about it, to be shown when a test fails."""

    program: Program
    story: str

    def __repr__(self) -> str:
        return self.story


@st.composite
def guests(draw: st.DrawFn) -> Guest:
    """A guest, and its page tables."""
    story = draw(st.lists(deeds(), min_size=4, max_size=30))
    setup = draw(st.lists(st.sampled_from(_SETUP), min_size=4, max_size=len(_SETUP), unique=True))
    first = draw(st.sampled_from((0, 0, 1)))
    paged = f"li a1, {make_satp(_root(first))}\ncsrw satp, a1\nsfence.vma"
    lines = [*setup, paged if draw(st.integers(0, 4)) else "", _go(draw)]
    source = _SKELETON.format(
        setup="\n".join(lines),
        deeds="\n".join(story),
        m_vectors="\n".join(["j m_handler"] * 15),
        s_vectors="\n".join(["j s_handler"] * 15),
        traps=TRAPS,
    )
    program = assemble(source)
    tables = [page for table in (0, 1) for page in _tables(draw, table)]
    code = (FRAMES + DATA_FRAMES * 0x1000, pack("<I", 0x8067) * 1024 * CODE_FRAMES)
    return Guest(
        replace(program, segments=tuple(sorted([*program.segments, *tables, code]))),
        "\n".join([*lines, *story]),
    )


_SETUP = (
    "li t0, 0x222\ncsrw mideleg, t0",
    "li t0, 0xb0ff\ncsrw medeleg, t0",
    "csrwi mcounteren, 7",
    "csrwi scounteren, 7",
    "li t0, 0xaaa\ncsrw mie, t0",
    "csrsi mstatus, 8",
    "csrsi sstatus, 2",
    "li t0, 1<<18\ncsrs sstatus, t0",
    "li t0, 1<<19\ncsrs sstatus, t0",
    "csrsi mtvec, 1",
    "csrsi stvec, 1",
)


def _tables(draw: st.DrawFn, table: int) -> list[tuple[int, bytes]]:
    """One page table: devices and RAM as they are for S mode, the code for U mode, and the pages to play with."""
    root = [0] * 512
    root[0] = D | A | W | R | V
    root[2] = RAM >> 2 | D | A | X | W | R | V
    root[3] = RAM >> 2 | A | U | X | R | V
    root[4] = _l1(table) >> 2 | V
    large = LARGE >> 2 | V | draw(st.sampled_from((0, U))) | draw(st.sampled_from((R, R | W, R | W | X)))
    leaf = [_entry(draw) for _page in range(PAGES)]
    return [
        (_root(table), pack("<512Q", *root)),
        (_l1(table), pack("<2Q", _l0(table) >> 2 | V, large | draw(st.sampled_from((0, A, A | D))))),
        (_l0(table), pack(f"<{PAGES}Q", *leaf)),
    ]
