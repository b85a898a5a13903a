# Repeats the lines that are typed at the host's console; an empty one ends it.

    .equ ROOM, 64

    .globl _start
_start:
    la   s0, line
1:  mv   a0, s0
    li   a1, ROOM
    li   a7, READ
    ecall
    addi t0, a0, -1             # the line's end counts too
    blez t0, 2f
    mv   s1, a0
    la   a0, says
    li   a1, 6
    li   a7, WRITE
    ecall
    mv   a0, s0
    mv   a1, s1
    li   a7, WRITE
    ecall
    j    1b
2:  li   a0, 0
    li   a7, EXIT
    ecall

    .section .rodata
says:
    .ascii "echo: "

    .bss
line:
    .zero ROOM
