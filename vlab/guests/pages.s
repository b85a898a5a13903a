# A workload for memory: a kernel that goes over a working set of pages, round after round, and edits
# its own page table between the rounds. With many pages and no edits it is hard on the TLB alone; with
# few pages and many edits it is hard on whoever keeps a copy of the table.
#
#   0x4000_0000   WINDOW: virtual. The working set, PAGES pages
#   0x8000_0000   RAM: this program, its page tables
#   0x8001_0000   DATA: the frames of the working set

    .ifndef PAGES
    .equ PAGES, 64              # of the working set: even, 4096 at most
    .endif
    .ifndef ROUNDS
    .equ ROUNDS, 8              # how often all of them are written
    .endif
    .ifndef EDITS
    .equ EDITS, 8               # pairs of pages that change places after each round
    .endif
    .equ UART, 0x10000000
    .equ FINISHER, 0x100000
    .equ PASS, 0x5555
    .equ WINDOW, 0x40000000
    .equ DATA, 0x80010000
    .equ GIGA, 0xcf             # V R W X A D: a page of 1 GiB
    .equ LEAF, 0xc7             # V R W A D

    .globl _start
_start:                         # M mode: all memory is open to S mode, which takes over
    li   t0, -1
    csrw pmpaddr0, t0
    li   t0, 0x1f
    csrw pmpcfg0, t0
    li   t0, 1<<11
    csrs mstatus, t0
    la   t0, kernel
    csrw mepc, t0
    mret

kernel:                         # S mode: the table. Devices and RAM are at themselves
    la   s0, root
    li   t0, 0xc7
    sd   t0, 0*8(s0)            # devices
    li   t0, (0x80000000>>2)|GIGA
    sd   t0, 2*8(s0)            # RAM
    la   t0, middle
    srli t0, t0, 2
    ori  t0, t0, 1
    sd   t0, 1*8(s0)            # the window
    la   t0, leaves             # 8 tables of 512 leaves, one after the other
    srli t0, t0, 2
    ori  t0, t0, 1
    la   t1, middle
    li   t2, 8
1:  sd   t0, 0(t1)
    addi t0, t0, 1<<10          # the next table: one page number on
    addi t1, t1, 8
    addi t2, t2, -1
    bnez t2, 1b
    li   t0, (DATA>>2)|LEAF
    la   t1, leaves
    li   t2, PAGES
2:  sd   t0, 0(t1)
    addi t0, t0, 1<<10
    addi t1, t1, 8
    addi t2, t2, -1
    bnez t2, 2b
    srli t0, s0, 12
    li   t1, 8
    slli t1, t1, 60
    or   t0, t0, t1
    csrw satp, t0
    sfence.vma

    li   s1, ROUNDS
round:                          # one more in the first word of every page
    li   t0, WINDOW
    li   t1, PAGES
    li   t2, 4096
3:  ld   t3, 0(t0)
    addi t3, t3, 1
    sd   t3, 0(t0)
    add  t0, t0, t2
    addi t1, t1, -1
    bnez t1, 3b
    call edit
    addi s1, s1, -1
    bnez s1, round

    la   a0, done
4:  lbu  t0, 0(a0)
    beqz t0, off
    li   t1, UART
    sb   t0, 0(t1)
    addi a0, a0, 1
    j    4b
off:
    li   t0, FINISHER
    li   t1, PASS
    sw   t1, 0(t0)
halt:
    j    halt

edit:                           # EDITS pairs of neighbours change places, and are fenced
    la   t0, leaves
    li   t1, WINDOW
    li   t2, EDITS
    li   t5, 4096
5:  blez t2, 6f
    ld   t3, 0(t0)
    ld   t4, 8(t0)
    sd   t4, 0(t0)
    sd   t3, 8(t0)
    sfence.vma t1
    add  t1, t1, t5
    sfence.vma t1
    add  t1, t1, t5
    addi t0, t0, 16
    addi t2, t2, -1
    j    5b
6:  ret

    .section .rodata
done:
    .asciz "pages: done\n"

    .bss
    .balign 4096
root:
    .zero 4096
middle:
    .zero 4096
leaves:
    .zero 8*4096
