# Every pseudo-instruction.
    .text
_start:
    nop
    mv a0, a1
    move a0, a1
    not a0, a1
    neg a0, a1
    negw a0, a1
    sext.w a0, a1
    sext.b a0, a1
    sext.h a0, a1
    zext.b a0, a1
    zext.h a0, a1
    zext.w a0, a1
    seqz a0, a1
    snez a0, a1
    sltz a0, a1
    sgtz a0, a1
    sgt a0, a1, a2
    sgtu a0, a1, a2
    add a0, a1, 5
    addw a0, a1, 5
    and a0, a1, 5
    or a0, a1, 5
    xor a0, a1, 5
    slt a0, a1, 5
    sltu a0, a1, 5
    sll a0, a1, 5
    srl a0, a1, 5
    sra a0, a1, 5
    sllw a0, a1, 5
    srlw a0, a1, 5
    sraw a0, a1, 5
    j _start
    jal _start
    jr a0
    jr (a0)
    jr 8(a0)
    jr a0, 8
    jalr a0
    jalr (a0)
    jalr 8(a0)
    jalr a0, 8
    jalr a0, a1
    jalr a0, a1, 8
    jalr a0, 8(a1)
    jalr a0, (a1)
    ret
    call _start
    call ra, _start
    call t0, _start
    tail _start
    jump _start, t0
    la a0, _start
    la a0, word
    la a0, 0x12345
    lla a0, word
    lla a0, word + 4
    lla a0, word - 4
    la t0, .
    lb a0, word
    lh a0, word
    lw a0, word
    ld a0, word
    lbu a0, word
    lhu a0, word
    lwu a0, word + 8
    sb a0, word, t0
    sh a0, word, t0
    sw a0, word, t1
    sd a0, word + 16, t2
    fence
    lb a0, (a1)
    lw x10, 0(x11)
    sd fp, -8(sp)
    ld s0, +8(fp)
    .data
word:
    .dword 1
