# 1 KiB copied a1 times, four words at a time; then a0 is the sum of the copy.

_start:
    mv   s0, a0
    addi s1, s0, 1024
    mv   t0, s0
fill:
    sw   t0, 0(t0)
    addi t0, t0, 4
    bne  t0, s1, fill
lap:
    mv   t0, s0
    mv   t1, s1
words:
    lw   t2, 0(t0)
    lw   t3, 4(t0)
    lw   t4, 8(t0)
    lw   t5, 12(t0)
    sw   t2, 0(t1)
    sw   t3, 4(t1)
    sw   t4, 8(t1)
    sw   t5, 12(t1)
    addi t0, t0, 16
    addi t1, t1, 16
    bne  t0, s1, words
    addi a1, a1, -1
    bne  a1, zero, lap
    mv   t0, s1
    addi t1, s1, 1024
    li   a0, 0
sum:
    lw   t2, 0(t0)
    sub  t2, t2, s0
    add  a0, a0, t2
    addi t0, t0, 4
    bne  t0, t1, sum
    ecall
