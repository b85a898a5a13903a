# An interpreter of four one-byte operations, through a table of handlers, a1 times a loop of 100 laps.

_start:
    la   s0, handlers
    la   s1, program
lap:
    mv   s2, s1
    li   s3, 0
    li   s4, 100
next:
    lbu  t0, 0(s2)
    addi s2, s2, 1
    slli t0, t0, 3
    add  t0, s0, t0
    ld   t0, 0(t0)
    jr   t0
increment:
    addi s3, s3, 3
    j    next
double:
    slli s3, s3, 1
    j    next
mix:
    srli t1, s3, 7
    xor  s3, s3, t1
    j    next
again:
    addi s4, s4, -1
    beq  s4, zero, done
    mv   s2, s1
    j    next
done:
    mv   a0, s3
    addi a1, a1, -1
    bne  a1, zero, lap
    ecall

    .balign 8
handlers:
    .dword increment, double, mix, again
program:
    .byte 0, 1, 2, 0, 2, 1, 0, 3
