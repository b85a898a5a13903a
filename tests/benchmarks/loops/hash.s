# FNV-1a over the bytes 0 to 255, a1 times. Products as wide as a register.

_start:
    mv   s0, a0
    li   s1, 256
    lui  s2, 4096
    addi s2, s2, 403
    lui  a0, 528842
    addi a0, a0, -571
lap:
    li   t0, 0
byte:
    add  t1, s0, t0
    lbu  t2, 0(t1)
    add  t2, t2, t0
    xor  a0, a0, t2
    mul  a0, a0, s2
    addi t0, t0, 1
    bne  t0, s1, byte
    addi a1, a1, -1
    bne  a1, zero, lap
    ecall
