# A guest that goes wrong: it loads from, stores to and does atomic operations on random addresses,
# of devices and of nothing at all, with random sizes and alignment. Its trap handler skips what
# faults. In the end it switches its computer off, if it has not done so by chance.

    .ifndef ROUNDS
    .equ ROUNDS, 1000
    .endif
    .ifndef SEED
    .equ SEED, 0x1234567        # where the random numbers begin; not 0
    .endif
    .equ FINISHER, 0x100000
    .equ PASS, 0x5555

    .globl _start
_start:
    la   t0, skip
    csrw mtvec, t0
    li   s0, SEED
    li   s1, ROUNDS
round:
    call random
    andi t0, a0, 7*8            # one of eight places, 8 bytes each
    la   t1, places
    add  t0, t0, t1
    ld   s2, 0(t0)
    call random
    beqz s2, 1f                 # the place 0 stands for any address;
    srli a0, a0, 58             # in the others, somewhere in the first 64 bytes
1:  add  s2, s2, a0
    call random
    andi t0, a0, 15*8           # one of sixteen accesses, 8 bytes each
    la   t1, accesses
    add  t0, t0, t1
    call random                 # and what to store
    jr   t0

accesses:
    sb   a0, 0(s2)
    j    next
    sh   a0, 0(s2)
    j    next
    sw   a0, 0(s2)
    j    next
    sd   a0, 0(s2)
    j    next
    lb   t1, 0(s2)
    j    next
    lhu  t1, 0(s2)
    j    next
    lw   t1, 0(s2)
    j    next
    ld   t1, 0(s2)
    j    next
    amoswap.w t1, a0, (s2)
    j    next
    amoadd.d t1, a0, (s2)
    j    next
    amomaxu.w t1, a0, (s2)
    j    next
    lr.w t1, (s2)
    j    next
    lr.d t1, (s2)
    j    next
    sc.w t1, a0, (s2)
    j    next
    sc.d t1, a0, (s2)
    j    next
    sb   a0, 0(s2)
next:
    addi s1, s1, -1
    bnez s1, round
    li   t0, FINISHER
    li   t1, PASS
    sw   t1, 0(t0)
halt:
    j    halt

random:                         # a0: the next of Marsaglia's 64-bit xorshift numbers
    slli a0, s0, 13
    xor  s0, s0, a0
    srli a0, s0, 7
    xor  s0, s0, a0
    slli a0, s0, 17
    xor  s0, s0, a0
    mv   a0, s0
    ret

    .balign 4
skip:                           # the handler: go on after the instruction that trapped
    csrr t2, mepc
    addi t2, t2, 4
    csrw mepc, t2
    mret

    .section .rodata
    .balign 8
places:
    .dword 0x10000000           # UART
    .dword 0x100000             # test finisher
    .dword 0x2000000            # CLINT: software interrupt,
    .dword 0x2004000            # timer compare,
    .dword 0x200bfd0            # and the clock
    .dword 0xc000000            # PLIC
    .dword 0xffffffffffffffe0   # the very end: half of these wrap around to 0
    .dword 0
