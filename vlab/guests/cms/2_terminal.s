# CMS, 2 of 6: the terminal. Keys come one by one; while there is none, the hart sleeps.

    .text
put:                                # a0: a character
    li   t0, UART
    sb   a0, 0(t0)
    ret

print:                              # a0: a text that ends in a zero
    lbu  t1, 0(a0)
    beqz t1, 1f
    li   t0, UART
    sb   t1, 0(t0)
    addi a0, a0, 1
    j    print
1:  ret

print_number:                       # a0: in decimal
    li   a1, 10
    j    print_digits
print_hex:
    li   a1, 16
print_digits:                       # a0: a number, a1: the base; all digits but the last, then that
    addi sp, sp, -16
    sd   ra, 0(sp)
    sd   s0, 8(sp)
    remu s0, a0, a1
    divu a0, a0, a1
    beqz a0, 1f
    call print_digits
1:  la   a0, digits
    add  a0, a0, s0
    lbu  a0, 0(a0)
    call put
    ld   ra, 0(sp)
    ld   s0, 8(sp)
    addi sp, sp, 16
    ret

get:                                # the next key, in a0
    li   t0, UART
    lbu  a0, UART_LSR(t0)
    andi a0, a0, RECEIVED
    bnez a0, 1f
    wfi                             # until the terminal interrupts
    li   t0, PLIC_CLAIM
    lw   t1, 0(t0)                  # it was the terminal, who else:
    sw   t1, 0(t0)                  # it may interrupt again
    j    get
1:  lbu  a0, 0(t0)
    ret

read_line:                          # a line into `line`, without its end, with a zero behind it
    addi sp, sp, -16
    sd   ra, 0(sp)
    sd   s0, 8(sp)
    la   s0, line
1:  call get
    li   t0, '\r'
    beq  a0, t0, 3f
    li   t0, '\n'
    beq  a0, t0, 3f
    li   t0, 8                      # backspace
    beq  a0, t0, 2f
    la   t0, line+LINE
    bgeu s0, t0, 1b                 # what is too long is not taken
    sb   a0, 0(s0)
    addi s0, s0, 1
    call put                        # and shown, as terminals don't do by themselves
    j    1b
2:  la   t0, line
    beq  s0, t0, 1b
    addi s0, s0, -1
    call put
    j    1b
3:  sb   zero, 0(s0)
    li   a0, '\n'
    call put
    ld   ra, 0(sp)
    ld   s0, 8(sp)
    addi sp, sp, 16
    ret

    .section .rodata
digits:
    .ascii "0123456789abcdef"
