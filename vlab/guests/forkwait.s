# A workload for system calls and page tables: a process forks a child and waits for it, again and again,
# after CALLS system calls that do nothing. As in Unix, a child gets a copy of its parent's page table, and
# a page is copied when one of the two writes to it (copy on write).
#
#   0x4000_0000   USER: virtual. The program, read and executed
#   0x4000_1000   its PAGES pages of data
#   0x8000_0000   RAM: kernel and program, tables, frames; the kernel sees it at itself

    .ifndef FORKS
    .equ FORKS, 8               # children, one after the other
    .endif
    .ifndef CALLS
    .equ CALLS, 0               # calls that do nothing, before each fork
    .endif
    .ifndef PAGES
    .equ PAGES, 16              # of data that each process has and writes to: 1 to 64
    .endif
    .equ UART, 0x10000000
    .equ FINISHER, 0x100000
    .equ PASS, 0x5555
    .equ FAIL, 0x3333
    .equ USER, 0x40000000
    .equ DATA, USER+0x1000
    .equ CODE_FLAGS, 0x5b       # V R X U A
    .equ DATA_FLAGS, 0xd7       # V R W U A D
    .equ W_FLAG, 4
    .equ SYS_NULL, 0
    .equ SYS_FORK, 1
    .equ SYS_WAIT, 2
    .equ SYS_EXIT, 3
    .equ SYS_END, 4             # the whole computer
    .equ P_SATP, 256            # of a process: x1 to x31 in their places, then its table and pc
    .equ P_PC, 264
    .equ P_LEAVES, 272
    .equ P_SIZE, 512

    .globl _start
_start:                         # M mode: calls and page faults of U mode are S mode's affair
    li   t0, (1<<8)|(1<<12)|(1<<13)|(1<<15)
    csrw medeleg, t0
    li   t0, -1
    csrw pmpaddr0, t0
    li   t0, 0x1f
    csrw pmpcfg0, t0
    li   t0, 1<<11
    csrs mstatus, t0
    la   t0, kernel
    csrw mepc, t0
    mret

kernel:                         # S mode
    la   t0, trap
    csrw stvec, t0
    la   s0, parent
    la   a0, tables_1
    call build
    la   s0, child
    la   a0, tables_2
    call build
    la   s0, parent             # the parent has the program, and frames of its own
    ld   t0, P_LEAVES(s0)
    la   t1, frames_1
    srli t1, t1, 2
    ori  t1, t1, DATA_FLAGS
    li   t2, PAGES
1:  addi t0, t0, 8
    sd   t1, 0(t0)
    addi t1, t1, 1<<10
    addi t2, t2, -1
    bnez t2, 1b
    li   t0, USER
    sd   t0, P_PC(s0)
    csrw sscratch, s0
    ld   t0, P_SATP(s0)
    csrw satp, t0
    sfence.vma
    j    resume

build:                          # s0: a process, a0: three pages. The kernel at itself, and the program
    li   t0, 0xc7
    sd   t0, 0*8(a0)            # devices, 1 GiB
    li   t0, (0x80000000>>2)|0xcf
    sd   t0, 2*8(a0)            # RAM, 1 GiB
    srli t0, a0, 2
    addi t0, t0, (1<<10)|1
    sd   t0, 1*8(a0)            # the middle table is the next page, and the leaves the one after
    addi t0, t0, 1<<10
    li   t2, 4096
    add  t1, a0, t2
    sd   t0, 0(t1)
    add  t1, t1, t2
    sd   t1, P_LEAVES(s0)
    la   t0, program
    srli t0, t0, 2
    ori  t0, t0, CODE_FLAGS
    sd   t0, 0(t1)
    srli t0, a0, 12
    li   t1, 8
    slli t1, t1, 60
    or   t0, t0, t1
    sd   t0, P_SATP(s0)
    ret

    .balign 4
trap:                           # from U mode only; sscratch holds the process that ran
    csrrw sp, sscratch, sp
    sd   x1, 8*1(sp)
    sd   x5, 8*5(sp)
    sd   x6, 8*6(sp)
    sd   x7, 8*7(sp)
    sd   x8, 8*8(sp)
    sd   x9, 8*9(sp)
    sd   x10, 8*10(sp)
    sd   x17, 8*17(sp)
    csrr t0, sscratch
    sd   t0, 8*2(sp)
    csrr t0, sepc
    sd   t0, P_PC(sp)
    csrw sscratch, sp
    mv   s0, sp                 # the process that trapped
    csrr t0, scause
    li   t1, 15
    beq  t0, t1, page_fault
    li   t1, 8
    bne  t0, t1, panic
    ld   t0, P_PC(s0)           # a call: go on after it
    addi t0, t0, 4
    sd   t0, P_PC(s0)
    li   t0, SYS_FORK
    beq  a7, t0, fork
    li   t0, SYS_WAIT
    beq  a7, t0, wait
    li   t0, SYS_EXIT
    beq  a7, t0, exit
    li   t0, SYS_END
    beq  a7, t0, finish

resume:                         # go on with the process in sscratch
    csrr sp, sscratch
    ld   t0, P_PC(sp)
    csrw sepc, t0
    ld   x1, 8*1(sp)
    ld   x5, 8*5(sp)
    ld   x6, 8*6(sp)
    ld   x7, 8*7(sp)
    ld   x8, 8*8(sp)
    ld   x9, 8*9(sp)
    ld   x10, 8*10(sp)
    ld   x17, 8*17(sp)
    ld   x2, 8*2(sp)
    sret

fork:                           # the child shares all pages, and nobody may write to them
    la   s1, child
    li   t0, 8
1:  add  t1, s0, t0             # its registers are its parent's
    ld   t2, 0(t1)
    add  t1, s1, t0
    sd   t2, 0(t1)
    addi t0, t0, 8
    li   t1, 256
    bltu t0, t1, 1b
    ld   t0, P_PC(s0)
    sd   t0, P_PC(s1)
    sd   zero, 8*10(s1)         # but fork gives 0 to the child, and 1 to the parent
    li   t0, 1
    sd   t0, 8*10(s0)
    ld   t0, P_LEAVES(s0)
    ld   t1, P_LEAVES(s1)
    li   t2, PAGES
2:  addi t0, t0, 8
    addi t1, t1, 8
    ld   a0, 0(t0)
    andi a0, a0, ~W_FLAG
    sd   a0, 0(t0)
    sd   a0, 0(t1)
    addi t2, t2, -1
    bnez t2, 2b
    sfence.vma
    j    resume

wait:                           # there is one child, and it has not run yet
    la   t0, child
    j    switch

exit:                           # nothing stays mapped, and the parent goes on
    ld   t0, P_LEAVES(s0)
    li   t2, PAGES
1:  addi t0, t0, 8
    sd   zero, 0(t0)
    addi t2, t2, -1
    bnez t2, 1b
    la   t0, parent

switch:                         # t0: the process to run
    csrw sscratch, t0
    ld   t0, P_SATP(t0)
    csrw satp, t0
    sfence.vma
    j    resume

page_fault:                     # a store to a page that may not be written: copy on write
    csrr s1, stval
    li   t0, DATA
    bltu s1, t0, panic
    sub  t0, s1, t0
    srli t0, t0, 12             # the number of the page
    li   t1, PAGES
    bgeu t0, t1, panic
    slli t1, t0, 3
    ld   t2, P_LEAVES(s0)
    add  t1, t1, t2
    addi t1, t1, 8              # its entry
    la   t2, parent
    beq  s0, t2, 3f
    slli t0, t0, 12             # the child copies it to a frame of its own
    la   t2, frames_2
    add  t0, t0, t2
    ld   a0, 0(t1)
    srli a0, a0, 10
    slli a0, a0, 12
    li   t2, 4096
    add  t2, t2, a0
2:  ld   a7, 0(a0)
    sd   a7, 0(t0)
    addi a0, a0, 8
    addi t0, t0, 8
    bne  a0, t2, 2b
    addi t0, t0, -8
    srli t0, t0, 12
    slli t0, t0, 10
    ori  t0, t0, DATA_FLAGS
    j    4f
3:  ld   t0, 0(t1)              # the parent, when its child has ended, is alone: it may write again
    ori  t0, t0, W_FLAG
4:  sd   t0, 0(t1)
    sfence.vma s1
    j    resume

panic:
    li   a0, FAIL
    j    power_off
finish:
    la   t0, done
    li   t1, UART
1:  lbu  t2, 0(t0)
    beqz t2, 2f
    sb   t2, 0(t1)
    addi t0, t0, 1
    j    1b
2:  li   a0, PASS
power_off:
    li   t0, FINISHER
    sw   a0, 0(t0)
halt:
    j    halt

    .balign 4096                # a page of its own, which both processes have at USER
program:                        # U mode. s0: forks left, s1: a counter in its pages
    li   s0, FORKS
1:  li   s1, CALLS
2:  blez s1, 3f
    li   a7, SYS_NULL
    ecall
    addi s1, s1, -1
    j    2b
3:  li   a7, SYS_FORK
    ecall
    mv   s1, a0
    beqz s1, 4f                 # the child writes at once
    li   a7, SYS_WAIT
    ecall
4:  li   t0, DATA               # both write to all their pages
    li   t1, PAGES
    li   t2, 4096
5:  ld   a0, 0(t0)
    addi a0, a0, 1
    sd   a0, 0(t0)
    add  t0, t0, t2
    addi t1, t1, -1
    bnez t1, 5b
    bnez s1, 6f
    li   a7, SYS_EXIT
    ecall
6:  addi s0, s0, -1
    bnez s0, 1b
    li   a7, SYS_END
    ecall

    .section .rodata
done:
    .asciz "forkwait: done\n"

    .bss
    .balign 4096
tables_1:
    .zero 3*4096
tables_2:
    .zero 3*4096
frames_1:
    .zero PAGES*4096
frames_2:
    .zero PAGES*4096
parent:
    .zero P_SIZE
child:
    .zero P_SIZE
