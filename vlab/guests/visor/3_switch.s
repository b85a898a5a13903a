# The visor, 3 of 8: the world switch. `resume` lets the guest run; `exit` is where it comes back.
#
# The guest's time is its own: the attempts between the two. This machine's `time` counts attempts,
# so what the switch itself takes is known, and taken off.

    .equ ENTERING, 37           # instructions from `enter` to the guest's first,
    .equ LEAVING, 31            # and from `exit` to `left`

    .text
resume:                         # s0: the VM
    call interrupt              # one may be due
    call choose_shadow
    csrr t0, satp
    beq  a0, t0, 1f
    csrw satp, a0
    sfence.vma                  # what the TLB knows is of another shadow
1:  ld   t0, V_PC(s0)
    csrw mepc, t0
    li   t2, 1
    slli t2, t2, 62             # an alarm that far away never comes
    ld   t0, V_MENVCFG(s0)
    bgez t0, 2f                 # STCE is the sign
    ld   t0, V_STIMECMP(s0)
    ld   t1, V_TIME(s0)
    bleu t0, t1, 2f             # rings already: `interrupt` knows
    sub  t0, t0, t1             # left of the guest's time
    bgtu t0, t2, 2f
    mv   t2, t0
2:  mv   sp, s0                 # from here on, straight on: each instruction is counted
enter:
    csrr t0, time
    sd   t0, V_ENTERED(sp)
    add  t0, t0, t2
    addi t0, t0, ENTERING-1
    csrw stimecmp, t0           # it rings after that many attempts of the guest
    .irp n, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    ld   x\n, 8*\n(sp)
    .endr
    ld   sp, V_SP(sp)           # last: it was the way to all the others
    mret

    .balign 4
exit:                           # mscratch: the VM
    csrrw sp, mscratch, sp
    .irp n, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    sd   x\n, 8*\n(sp)
    .endr
left:
    csrr t0, time
    mv   s0, sp
    la   sp, stack+STACK
    csrrw t1, mscratch, s0      # ready for the next exit
    sd   t1, V_SP(s0)
    csrr t1, mepc
    sd   t1, V_PC(s0)
    ld   t1, V_ENTERED(s0)
    sub  t0, t0, t1
    addi t0, t0, -(ENTERING+LEAVING)
    ld   t1, V_TIME(s0)
    add  t1, t1, t0
    sd   t1, V_TIME(s0)
