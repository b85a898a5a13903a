"""Random guests that use the H extension without care: modes, tables of two stages, fences or none, traps, alarms.

Whatever traps into M mode is mixed into s0 and skipped; what was delegated too. Such a guest makes no sense, and where
fences are missing it depends on what lies below: so it is there to be compared with itself.
"""

from hypothesis import strategies as st

from tests.hypervisor.programs import Guest
from vlab.riscv import assemble

_MODES = {"U": 0, "S": 1, "VS": 2, "M": 3, "VU": 4}
_SKELETON = """
    .equ ALIAS, 0x40000000      # added to an address: where user modes see the code, under a table
    .equ MPV, 1<<39
    .globl _start
_start:
    la   t0, m_handler
    csrw mtvec, t0
    la   t0, s_handler
    csrw stvec, t0
    csrw vstvec, t0
    li   t0, -1
    csrw pmpaddr0, t0
    li   t0, 0x1f
    csrw pmpcfg0, t0
    li   t0, 1<<63
    csrw menvcfg, t0
    csrwi mcounteren, 7
    la   t0, root0
    la   t1, middle0
    call fill
    la   t0, root1
    la   t1, middle1
    call fill
    li   t1, (0x80000000>>2)|0xcf
    sd   t1, 5*8(t0)            # only root1 has this
    li   t1, (0x80000000>>2)|0xdf
    la   t0, stage0
    sd   t1, 2*8(t0)
    li   t2, 0xd7
    sd   t2, (t0)               # only stage0 leads to devices
    la   t0, stage1
    sd   t1, 2*8(t0)
    li   s10, {rounds}
again:
    {deeds}
    li   a7, 3
    ecall
    addi s10, s10, -1
    blez s10, off
    j    again
off:
    li   t0, 0x100000
    li   t1, 0x5555
    sw   t1, (t0)
    j    off

fill:                           # root t0, middle t1, and the table behind that
    li   t2, 0xc7
    sd   t2, (t0)
    li   t2, (0x80000000>>2)|0xcf
    sd   t2, 2*8(t0)
    li   t2, (0x80000000>>2)|0xdb
    sd   t2, 3*8(t0)
    srli t2, t1, 2
    ori  t2, t2, 1
    sd   t2, 4*8(t0)
    li   t3, 4096
    add  t3, t3, t1
    srli t2, t3, 2
    ori  t2, t2, 1
    sd   t2, (t1)
    la   t2, play
    srli t2, t2, 2
    ori  t2, t2, 0x17           # U, neither accessed nor dirty
    sd   t2, (t3)
    addi t2, t2, 1<<10
    andi t2, t2, -17
    sd   t2, 8(t3)
    ret

    .balign 4
s_handler:
    csrr s7, scause
    bltz s7, 1f
    csrr s7, sepc
    addi s7, s7, 4
    csrw sepc, s7
    sret
1:  csrw sie, x0
    sret

    .balign 4
m_handler:
    addi s8, s8, 1
    li   s7, {traps}
    bgt  s8, s7, off
    csrr s7, mcause
    bltz s7, m_interrupt
    xor  s0, s0, s7
    slli s0, s0, 1
    csrr s6, mtval
    xor  s0, s0, s6
    csrr s5, mepc
    addi s5, s5, 4
    addi s7, s7, -8
    li   s6, 4
    bgeu s7, s6, m_return
    li   s7, ALIAS              # an ecall: to the mode in a7
    not  s7, s7
    and  s5, s5, s7
    li   s7, MPV
    csrc mstatus, s7
    addi s6, a7, -2
    beqz s6, 1f
    addi s6, a7, -4
    bnez s6, 2f
1:  csrs mstatus, s7
2:  li   s7, 3<<11
    csrc mstatus, s7
    li   s6, 3
    beq  a7, s6, 3f
    li   s7, 1<<11
    beqz a7, user
    li   s6, 4
    beq  a7, s6, user
3:  csrs mstatus, s7
    j    m_return
user:
    csrr s6, satp
    beqz a7, 4f
    csrr s6, vsatp
4:  beqz s6, m_return
    li   s7, ALIAS
    or   s5, s5, s7
m_return:
    csrw mepc, s5
    mret
m_interrupt:
    csrw mie, x0
    li   s7, -1
    csrw stimecmp, s7
    mret

    .bss
    .balign 16384
stage0: .zero 16384
stage1: .zero 16384
root0: .zero 4096
root1: .zero 4096
middle0: .zero 8192
middle1: .zero 8192
play: .zero 8192
"""
_TRAPS = 3000  # after so many it switches itself off
_PLAY = (0x1_0000_0000, 0x1_0000_0008, 0x1_0000_1000, 0x1_0000_1FFC, 0x1_0000_0FFD)
_CODE = (0x8000_0000, 0xC000_0000, 0x1_4000_0000)  # to be read only
_ELSEWHERE = (0x1000_0000, 0x1000_0005, 0x200_BFF8, 0x2_0000_0000)
_WRITABLE = {  # what is written there, no other bits
    "hstatus": 1 << 8 | 1 << 9 | 7 << 20,
    "hedeleg": 0xB0FF,
    "medeleg": 0xB0FF,
    "hideleg": 0x444,
    "mideleg": 0x222,
    "hie": 0x444,
    "hvip": 0x444,
    "vsstatus": 1 << 1 | 1 << 5 | 3 << 18,
    "vsie": 0x222,
    "sstatus": 1 << 1 | 3 << 18,
    "sie": 0x222,
    "sip": 0x2,
    "mie": 0x2AA,
    "henvcfg": 1 << 63,
    "hcounteren": 7,
    "scounteren": 7,
    "htimedelta": 0xFF,
    "htval": 0xFF,
    "htinst": 0xFF,
    "sscratch": (1 << 64) - 1,
    "vsscratch": (1 << 64) - 1,
    "vsepc": 0x8000_0FFE,
}
_MSTATUS = 1 << 1 | 1 << 3 | 3 << 18 | 7 << 20  # set or cleared only


def _to(mode: str) -> str:
    return f"li a7, {_MODES[mode]}\necall"


def _access(how: str, address: int) -> str:
    return f"li t0, {address}\n{how}\nxor s0, s0, a0"


def _table(csr: str, root: str, fenced: bool) -> str:
    load = f"la t0, {root}\nsrli t0, t0, 12\nli t1, 8<<60\nor t0, t0, t1" if root else "li t0, 0"
    return f"{load}\ncsrw {csr}, t0" + ("\nsfence.vma\nhfence.vvma\nhfence.gvma" if fenced else "")


def _write(how: str, csr: str, value: int) -> str:
    return f"li a1, {value & _WRITABLE.get(csr, _MSTATUS)}\n{how} a0, {csr}, a1\nadd s0, s0, a0"


def _alarm(csr: str, distance: int) -> str:
    return f"rdtime a0\naddi a0, a0, {distance}\ncsrw {csr}, a0"


def _edit(leaf: str, bit: int) -> str:
    return f"la t0, {leaf}\nli t1, 4096\nadd t0, t0, t1\nld t1, (t0)\nxori t1, t1, {bit}\nsd t1, (t0)"


_READS = ("ld a0, (t0)", "lw a0, (t0)", "hlv.d a0, (t0)", "hlvx.wu a0, (t0)", "hlv.bu a0, (t0)")
_STORES = ("sd s0, (t0)", "sb s0, (t0)", "amoadd.d a0, s0, (t0)", "lr.d a0, (t0)\nsc.d a1, s0, (t0)")
_VALUES = st.integers(0, (1 << 64) - 1)
_ROOTS = st.sampled_from(("", "root0", "root1"))
_DEEDS = {
    "mode": st.builds(_to, st.sampled_from(("U", "S", "S", "VS", "VS", "VS", "M", "VU"))),
    "read": st.builds(_access, st.sampled_from(_READS), st.sampled_from(_PLAY + _CODE + _ELSEWHERE)),
    "store": st.builds(_access, st.sampled_from(_STORES), st.sampled_from(_PLAY + _ELSEWHERE)),
    "table": st.builds(_table, st.sampled_from(("satp", "satp", "vsatp")), _ROOTS, st.booleans()),
    "stage": st.builds(_table, st.just("hgatp"), st.sampled_from(("", "stage0", "stage1")), st.booleans()),
    "write": st.builds(
        _write, st.sampled_from(("csrrs", "csrrc", "csrrw")), st.sampled_from(sorted(_WRITABLE)), _VALUES
    ),
    "mstatus": st.builds(_write, st.sampled_from(("csrrs", "csrrc")), st.just("mstatus"), _VALUES),
    "look": st.builds(
        "csrr a0, {}\nadd s0, s0, a0".format,
        st.sampled_from(("time", "instret", "mepc", "scause", "vsatp", "hgatp", *sorted(_WRITABLE))),
    ),
    "alarm": st.builds(
        _alarm,
        st.sampled_from(("stimecmp", "stimecmp", "vstimecmp")),
        st.sampled_from((-5, 0, 5, 20, 50, 300)),
    ),
    "edit": st.builds(_edit, st.sampled_from(("middle0", "middle1")), st.sampled_from((2, 4, 16, 0x80))),
    "other": st.sampled_from(
        ("sfence.vma", "hfence.vvma", "hfence.gvma", "fence.i", "wfi", "ebreak", ".word 0", "nop")
    ),
    "fence": st.just("li t0, 0x100000000\nsfence.vma t0"),
}
_OFTEN = ("mode", "read", "store", "table", "stage", "write")


@st.composite
def h_guests(draw: st.DrawFn) -> Guest:
    """A guest."""
    kinds = st.sampled_from((*_OFTEN * 3, *_DEEDS))
    story = draw(st.lists(kinds.flatmap(_DEEDS.__getitem__), min_size=10, max_size=50))
    rounds = draw(st.integers(1, 4))
    deeds = "\n".join(story)
    return Guest(assemble(_SKELETON.format(rounds=rounds, deeds=deeds, traps=_TRAPS)), deeds)
