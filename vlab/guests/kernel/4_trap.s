# The small kernel, 4 of 7: traps, that is, every way into the kernel and out of it.
#
# A trap saves all registers in a frame on the kernel stack of whoever was running. So the
# handlers may use any register, and to run another process is to return from its frame.
# While a process runs, sscratch holds its kernel stack; while the kernel runs, zero.

    .text
    .balign 4                   # stvec wants it
trap_entry:
    .ifdef PARAVIRTUAL
    addi sp, sp, -F_SIZE        # from a process, sp is the kernel's stack already
    .else
    csrrw sp, sscratch, sp      # from a process: its stack goes, the kernel's comes
    bnez sp, 1f
    csrr sp, sscratch           # from the kernel: keep the stack we have
1:  addi sp, sp, -F_SIZE
    .endif
    sd   x1, 8*1(sp)
    sd   x3, 8*3(sp)
    sd   x4, 8*4(sp)
    sd   x5, 8*5(sp)
    sd   x6, 8*6(sp)
    sd   x7, 8*7(sp)
    sd   x8, 8*8(sp)
    sd   x9, 8*9(sp)
    sd   x10, 8*10(sp)
    sd   x11, 8*11(sp)
    sd   x12, 8*12(sp)
    sd   x13, 8*13(sp)
    sd   x14, 8*14(sp)
    sd   x15, 8*15(sp)
    sd   x16, 8*16(sp)
    sd   x17, 8*17(sp)
    sd   x18, 8*18(sp)
    sd   x19, 8*19(sp)
    sd   x20, 8*20(sp)
    sd   x21, 8*21(sp)
    sd   x22, 8*22(sp)
    sd   x23, 8*23(sp)
    sd   x24, 8*24(sp)
    sd   x25, 8*25(sp)
    sd   x26, 8*26(sp)
    sd   x27, 8*27(sp)
    sd   x28, 8*28(sp)
    sd   x29, 8*29(sp)
    sd   x30, 8*30(sp)
    sd   x31, 8*31(sp)
    .ifdef PARAVIRTUAL
    info t0, INFO_SP            # the interrupted sp
    sd   t0, F_SP(sp)
    info t0, INFO_PC            # another trap would overwrite these two
    sd   t0, F_SEPC(sp)
    info t0, INFO_STATUS
    sd   t0, F_SSTATUS(sp)

    info t0, INFO_CAUSE
    .else
    csrrw t0, sscratch, zero    # the interrupted sp; and from here on "we are in the kernel"
    sd   t0, F_SP(sp)
    csrr t0, sepc               # another trap would overwrite these two
    sd   t0, F_SEPC(sp)
    csrr t0, sstatus
    sd   t0, F_SSTATUS(sp)

    csrr t0, scause
    .endif
    bltz t0, timer_tick         # an interrupt: the timer's, we listen to no other
    li   t1, 8                  # ecall from U mode
    beq  t0, t1, system_call
    j    panic                  # the kernel expects nothing else

trap_return:                    # sp: the frame to go back to; interrupts are off
    .ifndef PARAVIRTUAL
    ld   t0, F_SEPC(sp)
    csrw sepc, t0
    .endif
    ld   t0, F_SSTATUS(sp)
    .ifndef PARAVIRTUAL
    csrw sstatus, t0
    .endif
    andi t0, t0, SPP
    bnez t0, 1f
    addi t0, sp, F_SIZE         # to a process: its kernel stack is empty again
    .ifdef PARAVIRTUAL
    set_stack t0
    .else
    csrw sscratch, t0
    .endif
1:  ld   x1, 8*1(sp)
    ld   x3, 8*3(sp)
    ld   x4, 8*4(sp)
    ld   x5, 8*5(sp)
    ld   x6, 8*6(sp)
    ld   x7, 8*7(sp)
    ld   x8, 8*8(sp)
    ld   x9, 8*9(sp)
    ld   x10, 8*10(sp)
    ld   x11, 8*11(sp)
    ld   x12, 8*12(sp)
    ld   x13, 8*13(sp)
    ld   x14, 8*14(sp)
    ld   x15, 8*15(sp)
    ld   x16, 8*16(sp)
    ld   x17, 8*17(sp)
    ld   x18, 8*18(sp)
    ld   x19, 8*19(sp)
    ld   x20, 8*20(sp)
    ld   x21, 8*21(sp)
    ld   x22, 8*22(sp)
    ld   x23, 8*23(sp)
    ld   x24, 8*24(sp)
    ld   x25, 8*25(sp)
    ld   x26, 8*26(sp)
    ld   x27, 8*27(sp)
    ld   x28, 8*28(sp)
    ld   x29, 8*29(sp)
    ld   x30, 8*30(sp)
    ld   x31, 8*31(sp)
    .ifdef PARAVIRTUAL
    return_from_trap
    .else
    ld   x2, F_SP(sp)           # last: it is the way to all the others
    sret
    .endif

panic:                          # an unexpected trap: tell, and stop the computer
    la   a0, panic_scause
    call print
    .ifdef PARAVIRTUAL
    info a0, INFO_CAUSE
    .else
    csrr a0, scause
    .endif
    call print_hex
    la   a0, panic_sepc
    call print
    .ifdef PARAVIRTUAL
    info a0, INFO_PC
    .else
    csrr a0, sepc
    .endif
    call print_hex
    la   a0, panic_stval
    call print
    .ifdef PARAVIRTUAL
    info a0, INFO_VALUE
    .else
    csrr a0, stval
    .endif
    call print_hex
    li   a0, '\n'
    call console_put
    li   a0, FAIL
    j    power_off

interrupts_off:                 # a critical section begins: no tick until interrupts_on
    .ifdef PARAVIRTUAL
    mask_events
    .else
    csrci sstatus, SIE
    .endif
    ret

interrupts_on:                  # it ends: a tick that had to wait comes now
    .ifdef PARAVIRTUAL
    unmask_events
    .else
    csrsi sstatus, SIE
    .endif
    ret

    .section .rodata
panic_scause:
    .asciz "panic: scause "
panic_sepc:
    .asciz ", sepc "
panic_stval:
    .asciz ", stval "
