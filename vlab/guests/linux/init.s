# The only program of a tiny Linux: it says so, counts in a child and in itself, and switches the computer off.

    .equ SYS_write, 64
    .equ SYS_exit, 93
    .equ SYS_reboot, 142
    .equ SYS_getpid, 172
    .equ SYS_clone, 220
    .equ SYS_wait4, 260
    .equ SIGCHLD, 17
    .equ MAGIC1, 0xfee1dead
    .equ MAGIC2, 672274793
    .equ POWER_OFF, 0x4321fedc

    .data
hello:
    .ascii "init: hello from user mode\n"
    .equ HELLO, . - hello
child:
    .ascii "child: hello\n"
    .equ CHILD, . - child
ended:
    .ascii "init: the child exited with "
    .equ STATUS, . - ended
    .ascii "0\n"
    .equ ENDED, . - ended
    .balign 4
status:
    .word 0

    .text
    .globl _start
_start:
    la   a1, hello
    li   a2, HELLO
    call say
    li   a0, SIGCHLD            # fork
    li   a1, 0
    li   a2, 0
    li   a3, 0
    li   a4, 0
    li   a7, SYS_clone
    ecall
    bnez a0, parent

    la   a1, child
    li   a2, CHILD
    call say
    li   a0, 7
    li   a7, SYS_exit
    ecall

parent:
    li   a0, -1
    la   a1, status
    li   a2, 0
    li   a3, 0
    li   a7, SYS_wait4
    ecall
    la   t0, status
    lbu  t1, 1(t0)              # what the child exited with
    addi t1, t1, '0'
    la   a1, ended
    sb   t1, STATUS(a1)
    li   a2, ENDED
    call say
    li   a0, MAGIC1
    li   a1, MAGIC2
    li   a2, POWER_OFF
    li   a3, 0
    li   a7, SYS_reboot
    ecall
1:  j    1b

say:
    li   a0, 1
    li   a7, SYS_write
    ecall
    ret
