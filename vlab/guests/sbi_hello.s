# A kernel that begins in S mode, above firmware that keeps the calls of the RISC-V SBI. It knows no
# device: it prints, sleeps until an alarm, and powers off, all by asking for it.

    .equ TIME, 0x54494d45       # extensions of the SBI, in a7
    .equ CONSOLE, 0x4442434e
    .equ RESET, 0x53525354
    .equ NAP, 1000              # time to sleep

    .globl _start
_start:
    la   a1, hello
    la   a0, hello_end
    call print
    li   t0, 1<<5               # listen to the alarm
    csrw sie, t0
    rdtime a0
    addi a0, a0, NAP
    li   a7, TIME
    li   a6, 0
    ecall
    wfi                         # sstatus.SIE is 0: it wakes, and goes on here
    la   a1, slept
    la   a0, slept_end
    call print
    li   a7, RESET
    li   a6, 0
    li   a0, 0                  # power off,
    li   a1, 0                  # for no special reason
    ecall
halt:
    j    halt

print:                          # a1: text, a0: its end
    sub  a0, a0, a1             # length; address, low and high half
    li   a2, 0
    li   a7, CONSOLE
    li   a6, 0
    ecall
    ret

    .section .rodata
hello:
    .ascii "hello from S mode\n"
hello_end:
slept:
    .ascii "slept well\n"
slept_end:
