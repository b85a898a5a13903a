# The sieve of Eratosthenes up to 1000, a1 times. Single bytes loaded and stored; a0 counts the primes.

_start:
    mv   s0, a0
    li   s1, 1000
lap:
    li   t0, 0
clear:
    add  t1, s0, t0
    sb   zero, 0(t1)
    addi t0, t0, 1
    blt  t0, s1, clear
    li   a0, 0
    li   t0, 2
candidate:
    add  t1, s0, t0
    lbu  t2, 0(t1)
    bne  t2, zero, crossed
    addi a0, a0, 1
    add  t3, t0, t0
    li   t4, 1
multiple:
    bge  t3, s1, crossed
    add  t1, s0, t3
    sb   t4, 0(t1)
    add  t3, t3, t0
    j    multiple
crossed:
    addi t0, t0, 1
    blt  t0, s1, candidate
    addi a1, a1, -1
    bne  a1, zero, lap
    ecall
