# U mode calls a kernel in S mode, which saves, looks at the cause, and returns, a1 times.

_start:
    li   t0, -1
    csrw pmpaddr0, t0
    li   t0, 0x1f
    csrw pmpcfg0, t0
    li   t0, 0x100
    csrw medeleg, t0
    la   t0, kernel
    csrw stvec, t0
    csrw sscratch, sp
    la   t0, user
    csrw mepc, t0
    li   t0, 0x1800
    csrc mstatus, t0
    li   a0, 0
    mret
user:
    li   a7, 1
    ecall
    addi a1, a1, -1
    bne  a1, zero, user
    li   a7, 2
    ecall
kernel:
    csrrw sp, sscratch, sp
    sd   t0, -8(sp)
    sd   t1, -16(sp)
    csrr t0, scause
    li   t1, 8
    bne  t0, t1, stop
    li   t1, 2
    beq  a7, t1, stop
    csrr t0, sepc
    addi t0, t0, 4
    csrw sepc, t0
    addi a0, a0, 1
    ld   t0, -8(sp)
    ld   t1, -16(sp)
    csrrw sp, sscratch, sp
    sret
stop:
    ecall
