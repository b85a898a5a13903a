# The kernel with containers, 4 of 9: traps, that is, every way into the kernel and out of it.
#
# A trap saves all registers in a frame on the kernel stack of whoever was running. While a
# process runs, sscratch holds its kernel stack; while the kernel runs, zero. The kernel works
# with interrupts off: only a process, and `idle`, can be stopped by a tick.

    .text
    .balign 4                   # stvec wants it
trap_entry:
    csrrw sp, sscratch, sp      # from a process: its stack goes, the kernel's comes
    bnez sp, 1f
    csrr sp, sscratch           # from the kernel: keep the stack we have
1:  addi sp, sp, -F_SIZE
    sd   x1, 8*1(sp)
    .irp n, 3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    sd   x\n, 8*\n(sp)
    .endr
    csrrw t0, sscratch, zero    # the interrupted sp; and from here on "we are in the kernel"
    sd   t0, F_SP(sp)
    csrr t0, sepc               # another trap would overwrite these two
    sd   t0, F_SEPC(sp)
    csrr t0, sstatus
    sd   t0, F_SSTATUS(sp)

    csrr t1, scause
    bltz t1, timer_tick         # an interrupt: the timer's, we listen to no other
    andi t0, t0, SPP
    bnez t0, panic              # the kernel itself went wrong: nothing can be trusted now
    li   t0, 8                  # ecall from U mode
    beq  t1, t0, system_call

stop_process:                   # a process did what it may not: that is the end of it alone
    la   a0, stop_text
    call print
    ld   a0, current
    addi a0, a0, P_NAME
    call print_name
    call print_cause
exit:                           # (and a system call)
    li   t1, NEVER
    ld   t0, current
    sd   t1, P_WAKE(t0)
    j    schedule

trap_return:                    # sp: the frame to go back to
    ld   t0, F_SEPC(sp)
    csrw sepc, t0
    ld   t0, F_SSTATUS(sp)
    csrw sstatus, t0
    andi t0, t0, SPP
    bnez t0, 1f
    addi t0, sp, F_SIZE         # to a process: its kernel stack is empty again
    csrw sscratch, t0
1:  ld   x1, 8*1(sp)
    .irp n, 3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ld   x\n, 8*\n(sp)
    .endr
    ld   x2, F_SP(sp)           # last: it is the way to all the others
    sret

panic:                          # tell, and stop the computer, whoever else was on it
    la   a0, panic_text
    call print
    call print_cause
    li   a0, FAIL
    j    power_off

print_cause:                    # why the last trap came
    mv   s1, ra
    la   a0, cause_text
    call print
    csrr a0, scause
    call print_hex
    la   a0, address_text
    call print
    csrr a0, stval
    call print_hex
    li   a0, '\n'
    call console_put
    jr   s1

    .section .rodata
stop_text:
    .asciz "kernel: stops "
panic_text:
    .asciz "kernel: panic"
cause_text:
    .asciz ", scause "
address_text:
    .asciz ", stval "
