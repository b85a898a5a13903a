# Sections left and entered again, with relatives and strangers.
    .attribute arch, "rv64i2p0_m2p0_a2p0_zicsr2p0_zifencei2p0"
    .section .rodata
r1: .byte 1
    .data
d1: .byte 2
    .text
    .globl _start
    .global t1
    .type _start, @function
_start:
    nop
    .size _start, . - _start
    .section .text.init, "ax", @progbits
t1: nop
    .section trampoline, "ax"
tramp:
    .align 4
    nop
    .section .vectors, "aw", @progbits
v1: .dword _start, t1, tramp, r1, d1, b1
    .section .rodata.str1.8, "a"
r2: .asciz "x"
    .section .data.page, "aw"
    .align 12
d2: .byte 1
    .bss
b1: .zero 4
    .section .bss.stack, "aw", @nobits
    .align 4
b2: .skip 0x1000
b3:
    .data
d3: .byte 3
    .pushsection .rodata
r3: .byte 4
    .pushsection .text
t2: nop
    .popsection
r4: .byte 5
    .popsection
d4: .byte 6
    .section .rodata
    .byte 7
    .previous
d5: .byte 8
    .previous
    .byte 9
    .section .sdata, "aw"
d6: .word 1
    .section .sbss, "aw", @nobits
b4: .word 0
    .file "sections.s"
    .ident "nobody"
    .option push
    .option norvc
    .option norelax
    .option pop
    .option nopic
    .text
t3: nop
