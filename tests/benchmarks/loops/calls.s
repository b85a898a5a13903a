# Fibonacci's number 12 by recursion, a1 times. Calls, returns, and frames on the stack.

_start:
    li   a0, 12
    jal  ra, fibonacci
    addi a1, a1, -1
    bne  a1, zero, _start
    ecall

fibonacci:
    li   t0, 2
    blt  a0, t0, small
    addi sp, sp, -24
    sd   ra, 0(sp)
    sd   a0, 8(sp)
    addi a0, a0, -1
    jal  ra, fibonacci
    sd   a0, 16(sp)
    ld   a0, 8(sp)
    addi a0, a0, -2
    jal  ra, fibonacci
    ld   t0, 16(sp)
    add  a0, a0, t0
    ld   ra, 0(sp)
    addi sp, sp, 24
small:
    ret
