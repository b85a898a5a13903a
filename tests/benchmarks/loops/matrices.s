# The product of two 16 × 16 matrices of double words, a1 times. Three nested loops, loads far apart.

_start:
    mv   s0, a0
    li   s1, 2048
    add  s2, s0, s1
    add  s3, s2, s1
    li   t0, 0
fill:
    add  t1, s0, t0
    sd   t0, 0(t1)
    add  t1, s2, t0
    xori t2, t0, 93
    sd   t2, 0(t1)
    addi t0, t0, 8
    bne  t0, s1, fill
lap:
    li   s4, 0
row:
    li   s5, 0
column:
    slli t0, s4, 7
    add  t0, s0, t0
    slli t1, s5, 3
    add  t1, s2, t1
    li   t2, 16
    li   a0, 0
product:
    ld   t3, 0(t0)
    ld   t4, 0(t1)
    mul  t3, t3, t4
    add  a0, a0, t3
    addi t0, t0, 8
    addi t1, t1, 128
    addi t2, t2, -1
    bne  t2, zero, product
    slli t0, s4, 7
    slli t1, s5, 3
    add  t0, t0, t1
    add  t0, s3, t0
    sd   a0, 0(t0)
    addi s5, s5, 1
    li   t0, 16
    bne  s5, t0, column
    addi s4, s4, 1
    bne  s4, t0, row
    addi a1, a1, -1
    bne  a1, zero, lap
    ecall
