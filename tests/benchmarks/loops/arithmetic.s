# Collatz: how many steps every number up to a1 takes to reach 1. Registers and branches alone.

_start:
    mv   t0, a1
    li   a0, 0
    li   t3, 1
number:
    mv   t1, t0
step:
    beq  t1, t3, next
    addi a0, a0, 1
    andi t2, t1, 1
    bne  t2, zero, odd
    srli t1, t1, 1
    j    step
odd:
    slli t2, t1, 1
    add  t1, t1, t2
    addi t1, t1, 1
    j    step
next:
    addi t0, t0, -1
    bne  t0, zero, number
    ecall
