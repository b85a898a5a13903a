# Operators with GNU's precedence: `|` and `&` bind closer than `+`, comparisons give -1.
    .equ A, 12
    .equ B, 5
    .equ C, -7
    .data
start:
    .dword A+B*2, (A+B)*2, A-B-1, A/B, C/2, C%3, -C, ~A, !A, !0
    .dword 1<<4+1, 1<<4|1, A&B|C, A|B&C, A^B, A|B+1, 1+A&B, A!B
    .dword C>>1, C>>60, 1<<63, A==12, A==B, A!=B, A<>B, A<B, A>B, A<=12, A>=13
    .dword A&&B, A&&0, 0||B, 0||0, A==12&&B==5, 0||A==1
    .dword 0x7fffffffffffffff+1, 0xffffffffffffffff*2, -0x8000000000000000
    .dword 'a'+1, 'a', '0'-48, '\n', '\t', '\\', '\''
    .dword 010, 0x10, 0b10, 10, 0X1F, 0B11
    .dword - - 1, -~1, ~-1, -(1+2), +5, ((((5))))
    .dword 1 - 2 - 3, 100 / 7 / 2, 2 * 3 % 4, 1 << 2 << 3
    .dword 7 & 3 == 3, 1 + 1 == 2, 1 < 2 == -1, 3 > 2 > 1
    .dword middle - start, end - middle, (end - start) / 8, end - . , . - start
middle:
    .dword start + 8, 8 + start, start - 8, middle + (end - start), start+1-1
    .word end - start, (end - start) * 2
    .byte (end - start) & 0xff
    .equ size, end - start
    .equ half, size / 2
    .equ later, defined_below + 4
    .dword size, half, later, later - 4
    .set defined_below, 1234
end:
    .text
_start:
    addi a0, a0, A*B
    addi a0, a0, A - B
    lw a1, A*4(sp)
    lw a1, (A+B)(sp)
    lw a1, -8+4(sp)
    sd a1, A+B*2(s0)
    slli a2, a2, A/2
    li a3, A<<20|B
    lui a4, A<<2
    csrwi mscratch, B
    andi a5, a5, ~0xf
    andi a5, a5, 0xffffffffffffffff
    li t0, (1 << 63) | (8 << 60)
