# Boot counter, 4 of 4: the console, for any guest that has UART, UART_LSR and LSR_READY.

    .text
console_put:                    # a0: a character
    li   t0, UART
1:  lbu  t1, UART_LSR(t0)
    andi t1, t1, LSR_READY      # ask until it can take one
    beqz t1, 1b
    sb   a0, 0(t0)
    ret

print:                          # a0: a text that ends in a zero
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

print_decimal:                  # a0: a number; all digits but the last, then that
    addi sp, sp, -16
    sd   ra, 0(sp)
    sd   s0, 8(sp)
    li   t0, 10
    remu s0, a0, t0
    divu a0, a0, t0
    beqz a0, 1f
    call print_decimal
1:  addi a0, s0, '0'
    call console_put
    ld   ra, 0(sp)
    ld   s0, 8(sp)
    addi sp, sp, 16
    ret
