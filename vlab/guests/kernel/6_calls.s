# The small kernel, 6 of 7: system calls and the console.

    .text
system_call:                    # sp: the frame of the process that asks
    ld   t0, F_SEPC(sp)
    addi t0, t0, 4              # go on after the ecall, not at it
    sd   t0, F_SEPC(sp)
    ld   t1, system_calls
    addi t1, t1, 1
    sd   t1, system_calls, t0
    li   t0, CALLS
    bgeu a7, t0, refuse
    la   t0, call_table
    slli t1, a7, 3
    add  t0, t0, t1
    ld   t0, 0(t0)
    call interrupts_on          # a call can be long: from here a tick may stop it
    jr   t0                     # its arguments are in a0 and a1 still

refuse:
    li   a0, -1
call_return:                    # a0: the result
    call interrupts_off
    sd   a0, F_A0(sp)
    j    trap_return

write:                          # believe no address: only the page of data can be printed
    li   t0, USER_DATA
    sub  t0, a0, t0
    li   t1, PAGE
    bgtu t0, t1, refuse
    sub  t1, t1, t0             # what is left of the page
    bgtu a1, t1, refuse
    call console_write
    j    call_return

getpid:
    ld   t0, current
    ld   a0, P_PID(t0)
    j    call_return

exit:
    call interrupts_off
    ld   t1, alive
    addi t1, t1, -1
    sd   t1, alive, t0
    li   t1, -1                 # the largest number: `ticks` never comes to it
    j    1f
yield:
    li   a0, 0
sleep:
    call interrupts_off
    ld   t1, ticks
    add  t1, t1, a0
1:  ld   t0, current
    sd   t1, P_WAKE(t0)
    j    schedule

console_write:                  # a0: address, a1: length
    .ifdef PARAVIRTUAL
    write_console               # all of it at once: no tick can come between
    ret
    .else
    mv   s0, a0                 # s0 to s2 are the process's, and safe in its frame
    add  s1, a0, a1
    mv   s2, ra
    call interrupts_off         # a tick here, and the other's line would land inside ours
    li   t0, SUM
    csrs sstatus, t0            # the text is in a page of the process
1:  beq  s0, s1, 2f
    lbu  a0, 0(s0)
    call console_put
    addi s0, s0, 1
    j    1b
2:  li   t0, SUM
    csrc sstatus, t0
    call interrupts_on
    jr   s2
    .endif

console_put:                    # a0: a character
    .ifdef PARAVIRTUAL
    la   t0, character
    sb   a0, 0(t0)
    mv   a0, t0
    li   a1, 1
    write_console
    ret
    .else
    li   t0, UART
1:  lbu  t1, UART_LSR(t0)
    andi t1, t1, LSR_READY      # ask until it can take one
    beqz t1, 1b
    sb   a0, 0(t0)
    ret
    .endif

print:                          # a0: a text of the kernel that ends in a zero
    .ifdef PARAVIRTUAL
    mv   a1, a0
1:  lbu  t0, 0(a1)
    beqz t0, 2f
    addi a1, a1, 1
    j    1b
2:  sub  a1, a1, a0
    write_console
    ret
    .else
    addi sp, sp, -16
    sd   ra, 0(sp)
    sd   s0, 8(sp)
    mv   s0, a0
1:  lbu  a0, 0(s0)
    beqz a0, 2f
    call console_put
    addi s0, s0, 1
    j    1b
2:  ld   ra, 0(sp)
    ld   s0, 8(sp)
    addi sp, sp, 16
    ret
    .endif

print_decimal:                  # a0: a number
    li   a1, 10
    j    print_number
print_hex:
    li   a1, 16
print_number:                   # a0: a number, a1: the base; all digits but the last, then that
    addi sp, sp, -16
    sd   ra, 0(sp)
    sd   s0, 8(sp)
    remu s0, a0, a1
    divu a0, a0, a1
    beqz a0, 1f
    call print_number
1:  la   a0, digits
    add  a0, a0, s0
    lbu  a0, 0(a0)
    call console_put
    ld   ra, 0(sp)
    ld   s0, 8(sp)
    addi sp, sp, 16
    ret

    .ifdef PARAVIRTUAL
    .bss
character:
    .zero 8

    .endif
    .section .rodata
    .balign 8
call_table:
    .dword write, getpid, yield, sleep, exit
digits:
    .ascii "0123456789abcdef"
