# The smallest guest: says hello on the console and switches its computer off.

    .equ UART, 0x10000000       # 16550: a byte stored here is printed
    .equ LSR, 5                 # line status register;
    .equ LSR_READY, 0x20        # this bit says that the UART can take a byte
    .equ FINISHER, 0x100000     # test finisher: this word stored here
    .equ PASS, 0x5555           # switches the computer off

    .globl _start
_start:
    la   s0, greeting
    li   s1, UART
print:
    lbu  a0, 0(s0)              # the next character; a zero ends the text
    beqz a0, power_off
wait:
    lbu  t0, LSR(s1)
    andi t0, t0, LSR_READY
    beqz t0, wait               # polling: ask until it is ready
    sb   a0, 0(s1)
    addi s0, s0, 1
    j    print
power_off:
    li   t0, FINISHER
    li   t1, PASS
    sw   t1, 0(t0)
halt:
    j    halt

    .section .rodata
greeting:
    .asciz "Hello from a computer.\n"
