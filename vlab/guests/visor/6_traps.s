# The visor, 6 of 8: traps and interrupts as the virtual computer takes them.

    .text
pending:                        # a0: the interrupts that wait; spoils t0, t2
    ld   a0, V_MIP(s0)
    ld   t0, V_MENVCFG(s0)
    bgez t0, 1f
    andi a0, a0, ~STI
    ld   t0, V_STIMECMP(s0)
    ld   t2, V_TIME(s0)
    bgtu t0, t2, 1f
    ori  a0, a0, STI
1:  ret

interrupt:                      # if one waits that the guest listens to, it is taken
    addi sp, sp, -16
    sd   ra, 0(sp)
    call pending
    ld   ra, 0(sp)
    addi sp, sp, 16
    ld   t0, V_MIE(s0)
    and  a0, a0, t0
    beqz a0, 3f
    ld   t0, V_MODE(s0)
    ld   t1, V_MSTATUS(s0)
    ld   t2, V_MIDELEG(s0)
    not  t3, t2
    and  t3, a0, t3             # M mode's: below M mode always, in it with MIE
    addi t4, t0, -M
    bnez t4, 1f
    andi t4, t1, MIE
    beqz t4, 3f
    and  a0, a0, t3             # and S mode's not at all
    j    2f
1:  bnez t3, 4f                 # before those of S mode
    beqz t0, 2f                 # S mode's: below S mode always, in it with SIE
    andi t4, t1, SIE
    beqz t4, 3f
    j    2f
4:  mv   a0, t3
2:  beqz a0, 3f
    andi t4, a0, SEI            # the order of the specification
    li   t5, 9
    bnez t4, 5f
    andi t4, a0, SSI
    li   t5, 1
    bnez t4, 5f
    li   t5, 5
5:  li   a0, 1
    slli a0, a0, 63
    or   a0, a0, t5
    li   a1, 0
    j    take                   # it returns to who called
3:  ret

trap:                           # a0: cause, a1: value
    call take
    j    resume

take:                           # the guest's hart goes into its handler
    ld   t0, V_MODE(s0)
    ld   t1, V_PC(s0)
    ld   t2, V_MSTATUS(s0)
    li   t3, M
    beq  t0, t3, 2f
    ld   t3, V_MEDELEG(s0)
    bgez a0, 1f
    ld   t3, V_MIDELEG(s0)
1:  srl  t3, t3, a0             # the low six bits: the cause's number
    andi t3, t3, 1
    beqz t3, 2f
    sd   t1, V_SEPC(s0)         # to S mode
    sd   a0, V_SCAUSE(s0)
    sd   a1, V_STVAL(s0)
    ld   t6, V_STVEC(s0)
    li   t4, S
    slli t0, t0, 8              # SPP
    andi t3, t2, SIE
    slli t3, t3, 4              # SPIE from SIE
    li   t5, SIE|SPIE|SPP
    j    3f
2:  sd   t1, V_MEPC(s0)         # to M mode
    sd   a0, V_MCAUSE(s0)
    sd   a1, V_MTVAL(s0)
    ld   t6, V_MTVEC(s0)
    li   t4, M
    slli t0, t0, 11             # MPP
    andi t3, t2, MIE
    slli t3, t3, 4              # MPIE from MIE
    li   t5, MIE|MPIE|MPP
3:  not  t5, t5
    and  t2, t2, t5
    or   t2, t2, t0
    or   t2, t2, t3
    sd   t2, V_MSTATUS(s0)
    sd   t4, V_MODE(s0)
    andi t0, t6, 1              # vectored: an interrupt goes to a place of its own
    andi t6, t6, ~3
    beqz t0, 4f
    bgez a0, 4f
    slli a0, a0, 2
    add  t6, t6, a0
4:  sd   t6, V_PC(s0)
    ret
