# A ring of 1,024 nodes all over 64 KiB, followed round a1 times. Each load waits for the one before.

_start:
    mv   s0, a0
    li   s1, 1024
    li   t0, 0
    li   t5, 0
link:
    addi t1, t0, 389
    addi t2, s1, -1
    and  t1, t1, t2
    slli t2, t0, 6
    add  t2, s0, t2
    slli t3, t1, 6
    add  t3, s0, t3
    sd   t3, 0(t2)
    sd   t0, 8(t2)
    mv   t0, t1
    addi t5, t5, 1
    bne  t5, s1, link
    li   a0, 0
lap:
    mv   t0, s0
    li   t1, 1024
follow:
    ld   t2, 8(t0)
    ld   t0, 0(t0)
    add  a0, a0, t2
    addi t1, t1, -1
    bne  t1, zero, follow
    addi a1, a1, -1
    bne  a1, zero, lap
    ecall
