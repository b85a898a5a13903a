# Boot counter, 2 of 4: what it does, and its traps.

    .text
    .globl _start
_start:                         # M mode: give S mode what it needs, and go there
    la   t0, machine_trap
    csrw mtvec, t0
    li   t0, 1<<SEI             # devices are S mode's affair
    csrw mideleg, t0
    li   t0, -1
    csrw pmpaddr0, t0
    li   t0, 0x1f
    csrw pmpcfg0, t0            # all memory is open to S mode
    li   t0, 3<<11
    csrc mstatus, t0
    li   t0, 1<<11
    csrs mstatus, t0            # mret goes to S mode
    la   t0, kernel
    csrw mepc, t0
    mret

kernel:                         # S mode, no page table, interrupts off
    la   sp, stack+STACK
    la   t0, trap
    csrw stvec, t0
    li   t0, 1<<SEI
    csrw sie, t0
    call disk_start
    bnez a0, no_disk
    li   a0, 0
    la   a1, buffer
    call disk_read
    bnez a0, disk_fails

    la   a0, disk_text
    call print
    la   a0, buffer
    sb   zero, TEXT(a0)         # whatever stands on the disk, the text ends
    call print
    la   a0, boot_text
    call print
    la   s0, buffer
    ld   s1, BOOTS(s0)
    addi s1, s1, 1
    sd   s1, BOOTS(s0)
    mv   a0, s1
    call print_decimal
    la   a0, end_text
    call print

    li   a0, 0
    la   a1, buffer
    call disk_write
    bnez a0, disk_fails
    call disk_flush             # before the power goes off: it is on the disk, not on its way
    bnez a0, disk_fails
    li   a0, PASS

power_off:                      # a0: PASS or FAIL
    li   t0, FINISHER
    sw   a0, 0(t0)
1:  j    1b

no_disk:
    la   a0, no_disk_text
    call print
    li   a0, FAIL
    j    power_off

disk_fails:                     # a0: the status of the request
    mv   s0, a0
    la   a0, fails_text
    call print
    mv   a0, s0
    call print_decimal
    la   a0, end_text
    call print
machine_trap:                   # no trap should come to M mode
    li   a0, FAIL
    j    power_off

    .balign 4
trap:                           # S mode was interrupted: what it may be using is kept on its stack
    addi sp, sp, -48
    sd   ra, 0(sp)
    sd   t0, 8(sp)
    sd   t1, 16(sp)
    sd   t2, 24(sp)
    csrr t0, scause
    li   t1, 1
    slli t1, t1, 63
    addi t1, t1, SEI
    bne  t0, t1, machine_trap   # nothing but a device may come here
    li   t1, PLIC_CLAIM
    lw   t0, 0(t1)              # which?
    sd   t0, 32(sp)
    li   t1, DISK_SOURCE
    bne  t0, t1, 1f             # none: somebody else was faster
    call disk_interrupt
1:  ld   t0, 32(sp)
    li   t1, PLIC_CLAIM
    sw   t0, 0(t1)              # dealt with: it may interrupt again
    ld   ra, 0(sp)
    ld   t0, 8(sp)
    ld   t1, 16(sp)
    ld   t2, 24(sp)
    addi sp, sp, 48
    sret

    .section .rodata
disk_text:
    .asciz "disk: "
boot_text:
    .asciz "\nboot "
end_text:
    .asciz "\n"
no_disk_text:
    .asciz "There is no disk.\n"
fails_text:
    .asciz "The disk fails: status "

    .bss
    .balign 16
stack:
    .zero STACK
buffer:
    .zero SECTOR
