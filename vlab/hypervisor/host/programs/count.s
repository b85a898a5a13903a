# Prints its pid and a letter, again and again, thinking in between. Then it ends.

    .ifndef LETTERS
    .equ LETTERS, 5             # letters to print, 26 at most
    .endif
    .ifndef WORK
    .equ WORK, 400              # rounds of thinking before each
    .endif

    .globl _start
_start:
    li   a7, GETPID
    ecall
    la   s0, text
    addi a0, a0, '0'
    sb   a0, 1(s0)
    li   s1, LETTERS
1:  li   t0, WORK
2:  addi t0, t0, -1
    bnez t0, 2b
    mv   a0, s0
    li   a1, 6
    li   a7, WRITE
    ecall
    lbu  t0, 4(s0)              # the next letter
    addi t0, t0, 1
    sb   t0, 4(s0)
    addi s1, s1, -1
    bnez s1, 1b
    li   a0, 0
    li   a7, EXIT
    ecall

    .data
text:
    .ascii "[?] A\n"
