# The emulator, 4 of 5: what it says, and how it ends.

    .text
put:                            # a0: a character
    li   t0, UART
1:  lbu  t1, UART_LSR(t0)
    andi t1, t1, LSR_READY
    beqz t1, 1b
    sb   a0, 0(t0)
    ret

finish:                         # a0: the status; 0 is well
    li   t1, PASS
    slli a0, a0, 48             # 16 bits
    srli a0, a0, 48
    beqz a0, 1f
    slli a0, a0, 16
    li   t1, FAIL
    or   t1, t1, a0
1:  li   t0, FINISHER
    sw   t1, 0(t0)
2:  j    2b

outside:
    la   a2, outside_text
    j    stop
no_memory:
    la   a2, no_memory_text
    li   s2, 0
    j    stop
no_data:
    la   a2, no_data_text
stop:                           # a2: why
    la   a1, stop_text
    call print
    mv   a1, s1
    call print_hex
    la   a1, word_text
    call print
    mv   a1, s2
    call print_hex
    mv   a1, a2
    call print
    li   a0, 1
    j    finish

print:                          # a1: a text that ends in a zero
    mv   a4, ra
1:  lbu  a0, 0(a1)
    beqz a0, 2f
    call put
    addi a1, a1, 1
    j    1b
2:  jr   a4

print_hex:                      # a1: 32 bits
    mv   a4, ra
    li   a3, 28
1:  srl  a0, a1, a3
    andi a0, a0, 15
    addi a0, a0, '0'
    li   t0, '9'
    bleu a0, t0, 2f
    addi a0, a0, 'a'-'9'-1
2:  call put
    addi a3, a3, -4
    bgez a3, 1b
    jr   a4

    .section .rodata
stop_text:
    .asciz "arm: stopped at "
word_text:
    .asciz ", word "
outside_text:
    .asciz ": not among the instructions emulated here\n"
no_memory_text:
    .asciz ": no instruction can be there\n"
no_data_text:
    .asciz ": it asks for data where it has none\n"
