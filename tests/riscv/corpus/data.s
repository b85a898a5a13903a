# Data of every width, texts with every escape, holes and alignments.
    .data
bytes:
    .byte 1, 2, 0xff, -1, -128, 'a', 'b', '\n', '\\', '\'', ' ', 0b1010, 017
    .byte
    .half 0x1234, -1, 65535
    .2byte 1
    .short 2
    .hword 3
    .word 0x12345678, -1, 0xffffffff, 1+2*3
    .4byte 4
    .long 5
    .int 6
    .dword 0x123456789abcdef0, -1, 0xffffffffffffffff, 1<<63
    .8byte 7
    .quad 8
    .byte 1 ; .byte 2; .byte 3
texts:
    .ascii "no zero"
    .ascii "two", "three"
    .asciz "a zero"
    .string "a", "b", ""
    .asciz "tab\tnewline\nreturn\rquote\"backslash\\bell\007hex\x41octal\101\0end"
    .asciz "; # /* no comment */ // here"
    .asciz "año, ñandú, λ"
holes:
    .zero 3
    .skip 5, 0xaa
    .space 2
    .fill 3
    .fill 3, 2
    .fill 3, 2, 0x1234
    .fill 2, 8, 0x11223344
    .fill 2, 3, 0x11223344
    .fill 0, 4, 1
aligned:
    .align 2
    .word 1
    .p2align 3
    .dword 1
    .byte 1
    .balign 16
    .byte 2
    .balign 8, 0x5a
    .byte 3
    .p2align 4, 0x77
    .byte 4
    .p2align 4, , 3
    .byte 5
    .balign 4, 1, 2
    .byte 6
    .balign 0
    .balign 1
    .align 0
places:
    .dword bytes, texts + 4, . , . - places, places - bytes
    .dword ., ., .
    .word bytes
    .half aligned - holes
    .byte places - aligned
    .org 0x400
late:
    .byte 9
    .org 0x410, 0xee
    .byte 10
    .org late + 0x20
    .byte 11
    .section .rodata
    .asciz "constant"
    .byte 1
    .bss
    .zero 10
    .align 3
buffer:
    .skip 100
    .text
    nop
    .align 2
    .balign 16
    nop
    .p2align 5
    nop
    .balign 64, 0
_start:
    .half 0x1234
    .balign 8
    nop
