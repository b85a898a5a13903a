# Branches near and far: those out of reach become the inverse branch over a jump.
    .text
_start:
    beq a0, a1, near
    bne a0, a1, near
    blt a0, a1, near
    bge a0, a1, near
    bltu a0, a1, near
    bgeu a0, a1, near
near:
    beq a0, a1, far
    bne a0, a1, far
    blt a0, a1, far
    bge a0, a1, far
    bltu a0, a1, far
    bgeu a0, a1, far
    beqz a0, far
    bnez a0, far
    blez a0, far
    bgez a0, far
    bltz a0, far
    bgtz a0, far
    bgt a0, a1, far
    ble a0, a1, far
    bgtu a0, a1, far
    bleu a0, a1, far
    beq a0, a1, 1f
    .skip 4084
    beq a0, a1, near
1:  bne a0, a1, near
    .balign 64
    beq a0, a1, .
    beq a0, a1, .+8
    beq a0, a1, .-8
    bne a0, a1, far+4
    bne a0, a1, far-4
    bne a0, a1, 2f+4
    jal far
    jal t0, far
    j far
    j .
    j .+4
    .skip 4096
2:  nop
    .align 5
    beqz a1, elsewhere
    j elsewhere
far:
    beqz a0, _start
    j _start
    beqz a0, edge - 0
    .skip 4090 - 2
edge:
    ret
    .section .text.far, "ax"
elsewhere:
    beqz a0, far
    beqz a0, elsewhere
    call far
    tail _start
    call t0, elsewhere
    jump far, t2
    .align 4
    bgtu a2, a3, 7f
    .zero 8192
7:  bleu a2, a3, 7b
    .text
    nop
    beq a0, a1, 4 + below
    beq a0, a1, below + 4
    .equ shifted, below + 8
    .equ shifted_again, 4 + shifted
    beq a0, a1, shifted
    beq a0, a1, shifted_again
    beq a0, a1, 0x80000000
    j 0x80000000
    call 0x80000000
below:
    nop
    nop
    nop
    nop
