# Bank, 2 of 2: the books, the transfers, and what it does when it can't go on.

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
    li   t0, 1<<11
    csrs mstatus, t0            # mret goes to S mode
    la   t0, open
    csrw mepc, t0
    mret

open:                           # S mode, no page table, interrupts off. First of all: do the books balance?
    la   sp, stack+STACK
    la   t0, trap
    csrw stvec, t0
    li   t0, 1<<SEI
    csrw sie, t0
    call disk_start
    bnez a0, no_disk
    li   a0, 1
    la   a1, first
    call disk_read
    bnez a0, no_disk
    li   a0, 2
    la   a1, second
    call disk_read
    bnez a0, no_disk
    ld   s1, first
    ld   s2, second
    add  t0, s1, s2
    li   t1, TOTAL
    bne  t0, t1, wrong_books
    la   a0, open_text
    call print
    call print_accounts
    li   s0, TRANSFERS

transfer:                       # one from the first account to the second
    li   t0, WORK
1:  addi t0, t0, -1
    bnez t0, 1b
    li   t0, UART               # anything that is typed is a request, and this program has a bug:
    lbu  t1, UART_LSR(t0)
    andi t1, t1, LSR_RECEIVED
    bnez t1, crash              # a request that it doesn't know ruins it
    addi s1, s1, -1
    sd   s1, first, t0
    li   a0, 1
    la   a1, first
    call disk_write
    bnez a0, no_disk
    addi s2, s2, 1              # here, what the disk says is wrong: one is missing
    sd   s2, second, t0
    li   a0, 2
    la   a1, second
    call disk_write
    bnez a0, no_disk
    call disk_flush
    call print_accounts
    addi s0, s0, -1
    bnez s0, transfer
    la   a0, closed_text
    call print
    li   a0, PASS

power_off:                      # a0: PASS or FAIL
    li   t0, FINISHER
    sw   a0, 0(t0)
1:  j    1b

print_accounts:                 # "99 + 1"
    addi sp, sp, -16
    sd   ra, 0(sp)
    mv   a0, s1
    call print_decimal
    la   a0, plus_text
    call print
    mv   a0, s2
    call print_decimal
    la   a0, end_text
    call print
    ld   ra, 0(sp)
    addi sp, sp, 16
    ret

crash:
    ld   t0, 0(zero)            # follows a pointer that leads nowhere

wrong_books:
    la   a0, wrong_text
    call print
    call print_accounts
    j    failed
no_disk:
    la   a0, no_disk_text
    call print
    j    failed

machine_trap:                   # no trap should come to M mode but one: that of a crash
    la   a0, crash_text
    call print
failed:
    li   a0, FAIL
    j    power_off

    .balign 4
trap:                           # S mode was interrupted: what it may be using is kept on its stack
    addi sp, sp, -48
    sd   ra, 0(sp)
    sd   t0, 8(sp)
    sd   t1, 16(sp)
    sd   t2, 24(sp)
    li   t1, PLIC_CLAIM
    lw   t0, 0(t1)              # nothing but the disk may come here
    sd   t0, 32(sp)
    beqz t0, 1f
    call disk_interrupt
1:  ld   t0, 32(sp)
    li   t1, PLIC_CLAIM
    sw   t0, 0(t1)
    ld   ra, 0(sp)
    ld   t0, 8(sp)
    ld   t1, 16(sp)
    ld   t2, 24(sp)
    addi sp, sp, 48
    sret

    .section .rodata
open_text:
    .asciz "bank: the books balance, "
plus_text:
    .asciz " + "
end_text:
    .asciz "\n"
closed_text:
    .asciz "bank: closed\n"
wrong_text:
    .asciz "bank: the books do not balance! "
crash_text:
    .asciz "bank: crashed\n"
no_disk_text:
    .asciz "bank: the disk fails\n"

    .bss
    .balign 16
stack:
    .zero STACK
first:
    .zero SECTOR
second:
    .zero SECTOR
