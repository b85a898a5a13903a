# A kernel that works for a while, and then has a mistake: it clears memory through a pointer that
# was never set, until something stops it. On a computer of its own, what stops it is its own M mode,
# which says so and switches the computer off.

    .ifndef WILD
    .equ WILD, 0                # what the pointer happens to hold
    .endif
    .ifndef ROUNDS
    .equ ROUNDS, 5              # of work, before the mistake; 26 at most
    .endif
    .ifndef WORK
    .equ WORK, 1000             # steps of each, about
    .endif
    .equ UART, 0x10000000
    .equ UART_LSR, 5
    .equ LSR_READY, 0x20
    .equ FINISHER, 0x100000
    .equ FAIL, 0x13333          # power off, with status 1

    .globl _start
_start:                         # M mode: what firmware does
    la   t0, panic
    csrw mtvec, t0              # no trap is delegated: all of them end there
    li   t0, -1
    csrw pmpaddr0, t0
    li   t0, 0x1f
    csrw pmpcfg0, t0            # all memory is open to S mode
    li   t0, 1<<11
    csrs mstatus, t0            # mret goes to S mode
    la   t0, kernel
    csrw mepc, t0
    mret

kernel:                         # S mode
    li   s0, 'a'
    li   s1, ROUNDS
1:  li   t0, WORK
2:  addi t0, t0, -2
    bgtz t0, 2b
    mv   a0, s0
    call put
    addi s0, s0, 1
    addi s1, s1, -1
    bnez s1, 1b
    li   a0, '\n'
    call put

    li   t0, WILD
clear:
    sd   zero, 0(t0)
    addi t0, t0, 8
    j    clear

put:                            # a0: a character
    li   t0, UART
3:  lbu  t1, UART_LSR(t0)
    andi t1, t1, LSR_READY
    beqz t1, 3b
    sb   a0, 0(t0)
    ret

    .balign 4
panic:                          # M mode: the kernel crashed
    la   s0, last_words
4:  lbu  a0, 0(s0)
    beqz a0, 5f
    call put
    addi s0, s0, 1
    j    4b
5:  li   t0, FINISHER
    li   t1, FAIL
    sw   t1, 0(t0)
6:  j    6b

    .section .rodata
last_words:
    .asciz "guest: panic\n"
