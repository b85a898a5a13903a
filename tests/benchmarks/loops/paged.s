# S mode under Sv39: a double word in each of 512 pages of 4 KiB, seven pages on each time, a1 times.

_start:
    mv   s0, a0
    li   t0, -1
    csrw pmpaddr0, t0
    li   t0, 0x1f
    csrw pmpcfg0, t0
    srli t0, s0, 12             # tables: root, middle, lowest, from a0 on; pages behind them
    addi t1, t0, 1
    slli t1, t1, 10
    ori  t1, t1, 1
    sd   t1, 8(s0)              # 0x40000000: the middle table
    li   t1, 0x200000cf
    sd   t1, 16(s0)             # 0x80000000: itself
    li   t2, 4096
    add  t2, s0, t2
    addi t1, t0, 2
    slli t1, t1, 10
    ori  t1, t1, 1
    sd   t1, 0(t2)
    li   t3, 8192
    add  t3, s0, t3
    addi t1, t0, 3
    slli t1, t1, 10
    ori  t1, t1, 0xc7
    li   t4, 512
map:
    sd   t1, 0(t3)
    addi t3, t3, 8
    addi t1, t1, 1024
    addi t4, t4, -1
    bne  t4, zero, map
    li   t1, 8
    slli t1, t1, 60
    or   t0, t0, t1
    csrw satp, t0
    sfence.vma
    li   t0, 0x800
    csrs mstatus, t0
    la   t0, lap
    csrw mepc, t0
    li   s1, 0x40000000
    li   s2, 511
    li   a0, 0
    mret
lap:
    li   t0, 0
    li   t1, 512
page:
    slli t2, t0, 12
    add  t2, s1, t2
    ld   t3, 16(t2)
    add  t3, t3, t0
    sd   t3, 16(t2)
    add  a0, a0, t3
    addi t0, t0, 7
    and  t0, t0, s2
    addi t1, t1, -1
    bne  t1, zero, page
    addi a1, a1, -1
    bne  a1, zero, lap
    ecall
