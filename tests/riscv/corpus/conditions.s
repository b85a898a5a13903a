# Conditions, repeated blocks and the order in which names get their values.
    .equ DEBUG, 1
    .set LEVEL, 3
    .text
_start:
    .ifdef DEBUG
    li a0, 1
    .else
    li a0, 2
    .endif
    .ifndef DEBUG
    li a1, 1
    .else
    li a1, 2
    .endif
    .if LEVEL > 5
    li a2, 5
    .elseif LEVEL > 2
    li a2, 2
    .elseif LEVEL > 1
    li a2, 1
    .else
    li a2, 0
    .endif
    .if 0
      .if 1
      this is never read
      .else
      nor this
      .endif
    .elseif 0
    nor this
    .else
      .ifdef UNKNOWN
      nop
      .endif
    addi a3, a3, 1
    .endif
    .ifeq LEVEL-3
    li a4, 4
    .endif
    .ifne LEVEL-3
    li a4, 5
    .endif
    .ifgt LEVEL
    nop
    .endif
    .iflt LEVEL
    nop
    .endif
    .ifge LEVEL-3
    nop
    .endif
    .ifle LEVEL-4
    nop
    .endif
    .set LEVEL, LEVEL+1
    li a5, LEVEL
    .set LEVEL, LEVEL*2
    li a6, LEVEL
    COUNT = 5
    li a7, COUNT
    COUNT = COUNT - 1
    li a7, COUNT
    .rept COUNT
    addi t0, t0, COUNT
    .endr
    .set x, 0
    .rept 4
    .word x
    .set x, x+1
    .endr
    .rept 0
    nonsense
    .endr
    .rept 2
      .rept 3
      nop
      .endr
      ecall
    .endr
    .irp reg, s0, s1, s2, s3
    sd \reg, 0(sp)
    .endr
    .irp n, 1, 2, 3
    .word \n * \n
    .endr
    .irpc digit, 3579
    .byte \digit
    .endr
    .balign 4
1:  .rept 3
    j 1b
1:  nop
    .endr
    .data
    .set here, .
    .word 1, 2, 3
    .equ length, . - here
    .dword length, here, end, end - here
end:
