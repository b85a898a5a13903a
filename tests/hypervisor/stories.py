"""Guests that tell one story each: what has gone wrong once, or easily could."""

from vlab.riscv import assemble

START = """
    .globl _start
_start:
    la   t0, trap
    csrw mtvec, t0
    li   t0, -1
    csrw pmpaddr15, t0
    li   t0, 0x1f
    slli t0, t0, 56
    csrw pmpcfg2, t0
    li   t0, 1
    slli t0, t0, 63
    csrw menvcfg, t0
    csrwi mcounteren, 7
    li   s0, 0
    li   s1, 0
"""
END = """
off:
    li   t0, 0x100000
    li   t1, 0x5555
    sw   t1, 0(t0)
    j    off

    .balign 4
trap:                           # all go to M; s1 counts them, s2 and s3 remember the last one
    addi s1, s1, 1
    li   s11, 100
    bgt  s1, s11, off
    csrr s2, mcause
    csrr s3, mtval
    csrr s11, mepc
    addi s11, s11, 4
    csrw mepc, s11
    mret
"""


def guest(body, data=""):
    return assemble(START + body + END + data)


ROOT = """
    .bss
    .balign 4096
root: .zero 4096
leaf: .zero 4096
page: .zero 4096
other: .zero 4096
"""
PAGED = """
    la   t0, root               # a gibibyte of RAM and one of devices as they are,
    li   t1, (0x80000000>>2)|0xcf
    sd   t1, 2*8(t0)
    li   t1, 0xc7
    sd   t1, 0(t0)
    la   t1, leaf               # one of pages to play with at 0x4000_0000: root[1] -> leaf, as a middle table
    srli t1, t1, 2
    ori  t1, t1, 1
    sd   t1, 1*8(t0)
    li   t1, (0x80000000>>2)|0xc7 # leaf[0]: a large page of RAM
    la   t2, leaf
    sd   t1, 0(t2)
    srli t0, t0, 12
    li   t1, 8<<60
    or   t0, t0, t1
    csrw satp, t0
    sfence.vma
"""
TO_S = """
    li   t0, 1<<11
    csrs mstatus, t0
    la   t0, 1f
    csrw mepc, t0
    mret
1:
"""

STORIES = {
    "a wfi that another alarm than the enabled one does not end": """
        rdtime t0
        addi t1, t0, 50
        csrw stimecmp, t1
        addi t1, t0, 200
        li   t2, 0x2004000
        sd   t1, (t2)
        li   t0, 1<<7
        csrw mie, t0
        wfi
        rdtime s0
    """,
    "an alarm long past": """
        li   t0, 1<<5
        csrw mie, t0
        csrw stimecmp, x0
        csrwi mstatus, 8
        nop
        li   t0, -1
        csrw stimecmp, t0
        rdtime s0
    """,
    "mtime set forwards and back": """
        li   t0, 0x200bff8
        li   t1, 1000000
        sd   t1, (t0)
        rdtime s0
        addi t1, s0, 40
        li   t2, 0x2004000
        sd   t1, (t2)
        li   t1, 1<<7
        csrw mie, t1
        wfi
        rdtime s4
        sd   x0, (t0)
        rdtime s5
        rdcycle s6
        rdinstret s7
    """,
    "mtime about to wrap": """
        li   t0, 0x200bff8
        li   t1, -20
        sd   t1, (t0)
        li   t2, 0x2004000
        li   t1, 30
        sd   t1, (t2)
        li   t1, 1<<7
        csrw mie, t1
        wfi
        rdtime s0
    """,
    "interrupts of M mode, by software and by the timer": """
        li   t0, 0x2000000
        li   t1, 1
        sw   t1, (t0)
        li   t1, 1<<3 | 1<<7
        csrw mie, t1
        la   t1, 2f
        csrw mtvec, t1
        csrwi mstatus, 8
        li   s0, 7
        .balign 4
    2:  csrr s4, mcause
        sw   x0, (t0)
        csrr s5, mip
    """,
    "counters that are not for everybody": """
        csrwi scounteren, 2
        csrwi mcounteren, 2
        la   t0, 2f
        csrw mepc, t0
        mret
    2:  rdtime s4
        rdcycle s5
        rdinstret s6
    """,
    "a jump to where residents stand": """
        li   t0, 1<<62
        csrw stvec, t0
        la   t0, off
        csrw mtvec, t0
        li   t0, 1<<2
        csrw medeleg, t0
        la   t0, 2f
        csrw mepc, t0
        mret
    2:  .word 0
    """,
    "a trap vector four bytes further": """
        li   t0, (1<<62)+4
        csrw mtvec, t0
        rdtime s0
        la   t1, 2f
        csrw mtvec, t1
        jr   t0
        .balign 4
    2:  csrr s4, mepc
        csrr s5, mtval
    """,
    "a call to where residents stand, in M mode": """
        la   t0, 2f
        csrw mtvec, t0
        li   t0, 1<<62
        jr   t0
        .balign 4
    2:  csrr s4, mepc
        csrr s5, mtval
        csrr s6, mcause
    """,
    "a reservation that survives hidden faults and traps": """
        la   t0, page
        la   t1, other
        lr.d t2, (t0)
        ld   t3, (t1)
        csrr t3, mscratch
        .word 0
        sc.d s0, t0, (t0)
        lr.d t2, (t0)
        sc.d s4, t0, (t1)
        sc.d s5, t0, (t0)
        lr.w t2, (t0)
    """,
    "PMP that cuts a page in pieces": """
        la   t0, page
        srli t1, t0, 2
        addi t1, t1, 4
        csrw pmpaddr0, t1
        li   t1, 0x98
        csrw pmpcfg0, t1
        li   t1, 5
        sd   t1, 8(t0)
        ld   s0, 8(t0)
        ld   s4, 16(t0)
        sd   t1, 12(t0)
        ld   s5, 13(t0)
        sc.d s6, t1, 8(t0)
    """.replace("sc.d s6, t1, 8(t0)", "amoadd.d s6, t1, (t0)"),
    "a device seen with the eyes of U mode": """
        la   t0, page
        li   t1, 1<<17
        csrs mstatus, t1
        ld   s0, (t0)
        li   t2, 0x10000005
        lbu  s4, (t2)
        csrr s5, time
        csrc mstatus, t1
    """,
    "memory beyond RAM, addresses beyond 56 bits, atomics on devices": """
        li   t0, 0x90000000
        ld   s0, (t0)
        sd   s0, (t0)
        li   t0, 1<<57
        ld   s0, (t0)
        li   t0, 0x10000000
        amoswap.w s4, t0, (t0)
        lr.d s5, (t0)
        li   t0, -4
        ld   s0, (t0)
        jr   t0
    """,
    "an illegal word in every mode, and wfi where it is none's": """
        .word 0
        .word 0xffffffff
        la   t0, 2f
        csrw mepc, t0
        mret
    2:  .word 0
        wfi
        sret
        mret
        sfence.vma
        csrr s0, sstatus
    """,
}
PAGED_STORIES = {
    "one address of a large page fenced": """
        li   t0, 0x40000000
        la   t1, page
        li   t2, 0x80000000
        sub  t1, t1, t2
        add  t0, t0, t1         # page, and the one after it, seen through the large page
        ld   s0, (t0)
        li   t1, 4096
        add  t3, t0, t1
        ld   s0, (t3)
        la   t2, leaf
        sd   x0, (t2)           # no large page any more
        sfence.vma t0
        ld   s0, (t0)
        ld   s0, (t3)
    """,
    "dirty and accessed just in time": """
        la   t2, leaf
        la   t1, page
        srli t1, t1, 2
        ori  t1, t1, 7          # leaf[1] as a table is none: make it a middle table's entry
        la   t0, root
        la   t3, other
        srli t4, t3, 2
        ori  t4, t4, 1
        sd   t4, 8(t2)          # leaf[1] -> other
        sd   t1, (t3)           # other[0]: page, neither accessed nor dirty
        sfence.vma
        li   t0, 0x40200000
        ld   s4, (t3)
        ld   s5, (t0)
        ld   s6, (t3)
        sd   s6, 8(t0)
        ld   s7, (t3)
        li   t4, 0x47
        la   t1, page
        srli t1, t1, 2
        or   t1, t1, t4
        sd   t1, (t3)           # clean again
        sfence.vma t0
        lw   s8, (t0)
        ld   s9, (t3)
    """,
    "a page table that leads to itself": """
        la   t2, root
        srli t1, t2, 2
        ori  t1, t1, 1
        sd   t1, 8*3(t2)
        sfence.vma
        li   t0, 0xc0000000
        ld   s4, (t0)
        li   t0, 0xc0603010
        ld   s5, (t0)
    """,
    "tables in a device, and outside of RAM": """
        la   t2, root
        li   t1, (0x10000000>>2)|1
        sd   t1, 8*3(t2)
        li   t1, (0x40000000>>2)|1
        sd   t1, 8*4(t2)
        sfence.vma
        li   t0, 0xc0000000
        ld   s4, (t0)
        li   t0, 0x100000000
        sd   s4, (t0)
        jr   t0
    """,
    "accesses across two pages, the second of them missing": """
        la   t2, leaf
        la   t3, other
        srli t4, t3, 2
        ori  t4, t4, 1
        sd   t4, 8(t2)          # leaf[1] -> other, a table of small pages
        la   t1, page
        srli t1, t1, 2
        ori  t1, t1, 7
        sd   t1, (t3)
        sfence.vma
        li   t0, 0x40200ffc
        ld   s4, (t0)
        sd   s4, (t0)
        sd   t1, 8(t3)
        sfence.vma t0
        ld   s4, (t0)
        sd   t0, (t0)
        ld   s5, (t3)
        ld   s6, 8(t3)
    """,
    "a page of the process touched by its kernel": """
        la   t2, leaf
        li   t1, (0x80000000>>2)|0xdf
        sd   t1, 8(t2)
        sfence.vma
        li   t0, 0x40200000
        ld   s4, (t0)
        li   t1, 1<<18
        csrs sstatus, t1
        ld   s5, (t0)
        sd   s5, 8(t0)
        csrc sstatus, t1
        ld   s6, (t0)
        csrs sstatus, t1
        jr   t0
    """,
    "a page to execute that may be read for a while": """
        la   t2, leaf
        li   t1, (0x80000000>>2)|0xc9
        sd   t1, 8(t2)
        sfence.vma
        li   t0, 0x40200000
        ld   s4, (t0)
        li   t1, 1<<19
        csrs sstatus, t1
        ld   s5, (t0)
        csrc sstatus, t1
        ld   s6, (t0)
    """,
    "a new table without a fence, as the specification lets it": """
        la   t0, root
        la   t1, page
        ld   t2, 2*8(t0)
        sd   t2, 2*8(t1)
        ld   t2, 0(t0)
        sd   t2, 0(t1)
        csrr s4, satp
        srli t1, t1, 12
        li   t2, 8<<60
        or   t1, t1, t2
        csrw satp, t1
        sfence.vma
        li   t0, 0x40000000
        ld   s5, (t0)
        csrw satp, s4
        sfence.vma
        ld   s6, (t0)
    """,
}
