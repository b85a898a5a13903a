# Sleeps, says so, and ends.

    .ifndef NAPS
    .equ NAPS, 3
    .endif
    .ifndef LONG
    .equ LONG, 5000             # units of time
    .endif

    .globl _start
_start:
    li   s0, NAPS
1:  li   a0, LONG
    li   a7, SLEEP
    ecall
    la   a0, text
    li   a1, 5
    li   a7, WRITE
    ecall
    addi s0, s0, -1
    bnez s0, 1b
    li   a0, 0
    li   a7, EXIT
    ecall

    .section .rodata
text:
    .ascii "nap.\n"
