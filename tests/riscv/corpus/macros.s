# Macros: arguments by place and by name, defaults, numbering, macros in macros.
    .macro SAVE reg, slot
    sd \reg, 8*\slot(sp)
    .endm
    .macro PUSH first, second=ra, offset = 16
    addi sp, sp, -\offset
    sd \first, 0(sp)
    sd \second, 8(sp)
    .endm
    .macro LOOP count
    li t0, \count
again\@:
    addi t0, t0, -1
    bnez t0, again\@
    .endm
    .macro INVOKE name:req, args:vararg
    .ifnb \args
    SETARGS \args
    .endif
    call \name\()_routine
    .endm
    .macro SETARGS a, b, c
    li a0, \a
    .ifnb \b
    li a1, \b
    .endif
    .ifb \c
    li a2, 0
    .else
    li a2, \c
    .endif
    .endm
    .macro COUNTDOWN n
    .word \n
    .if \n
    COUNTDOWN "(\n-1)"
    .endif
    .endm
    .macro SAYS text
    .asciz "<\text>"
    .endm
    .macro BOTH
      .macro INNER x
      addi \x, \x, 1
      .endm
    INNER a5
    .endm
    .macro EARLY x
    .if \x
    nop
    .exitm
    .endif
    ecall
    .endm
    .macro li2 r, v
    li \r, \v
    li \r, \v
    .endm
    .macro NOTHING
    .endm
    .text
_start:
    SAVE ra, 1
    SAVE a0 2
    SAVE slot=3, reg=a1
    PUSH a0
    PUSH a0, a1
    PUSH a0, offset=32
    PUSH first=t0, second=t1, offset=2*24
    LOOP 10
    LOOP 20
    INVOKE memset, 1, 2, 3
    INVOKE memset, 1
    INVOKE memset
    COUNTDOWN 4
    BOTH
    INNER a6
    EARLY 1
    EARLY 0
    li2 a0, 5
    li2 a0, (1 << 4)
    li2 a0 , 1 + 2
    NOTHING
    .irp reg, ra, s0, s1
    SAVE \reg, 4
    .endr
    .set slot, 0
    .irp reg, ra, s0, s1
    SAVE \reg, slot
    .set slot, slot+1
    .endr
    .purgem NOTHING
memset_routine:
    ret
    .section .rodata
    SAYS hello
    SAYS "hello, you"
    SAYS "a \"quote\""
