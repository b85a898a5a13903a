# The emulator, 1 of 5: another processor, acted out by a program for this one.
#
# It runs a small part of the ARM instruction set A32 (ARM DDI 0100, the ARM Architecture Reference
# Manual): the sixteen data-processing instructions with an immediate or a register shifted by an
# immediate, MUL, LDR, STR, LDRB and STRB with an immediate offset, B, BL, BX and SWI; all conditions.
# Any other word, and any address without memory, stops it with a message.
#
# It is an ordinary program: it needs no privilege. Only `put` and `finish` know where the console is.
#
#   SWI 0   the ARM program ends, with the status in r0
#   SWI 1   prints the character in r0
#
#   s0   the ARM registers, a word each       s1   pc: the address of the instruction
#   s2   the instruction                      s3 to s6   the flags N, Z, C, V: 0 or 1
#   s7   ARM instructions so far              s8   ARM memory, MEMORY bytes from ARM address 0
#   s9   MEMORY-3: a word can begin below

    .ifndef MEMORY
    .equ MEMORY, 0x4000
    .endif
    .equ LR, 14
    .equ PC, 15
    .equ AHEAD, 8               # an ARM instruction that reads pc sees its own address and this
    .equ UART, 0x10000000
    .equ UART_LSR, 5
    .equ LSR_READY, 0x20
    .equ FINISHER, 0x100000
    .equ PASS, 0x5555
    .equ FAIL, 0x3333
