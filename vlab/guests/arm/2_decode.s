# The emulator, 2 of 5: fetch, condition, decode.

    .text
    .globl _start
_start:
    la   s0, arm_registers
    la   s8, arm_memory
    li   s9, MEMORY-3
    la   t0, arm_program        # put the ARM program at its address 0
    la   t1, arm_program_end
    mv   t2, s8
1:  bgeu t0, t1, 2f
    lw   t3, 0(t0)
    sw   t3, 0(t2)
    addi t0, t0, 4
    addi t2, t2, 4
    j    1b
2:  li   s1, 0
    li   s3, 0
    li   s4, 0
    li   s5, 0
    li   s6, 0
    li   s7, 0

fetch:
    bgeu s1, s9, no_memory
    add  t0, s8, s1
    lwu  s2, 0(t0)
    addi s7, s7, 1
    sd   s7, arm_executed, t0

condition:                      # its upper four bits: two instructions here for each
    srli t0, s2, 28
    la   t1, conditions
    slli t0, t0, 3
    add  t1, t1, t0
    jr   t1
conditions:
    bnez s4, decode             # EQ: Z
    j    advance
    beqz s4, decode             # NE
    j    advance
    bnez s5, decode             # CS, or HS: C
    j    advance
    beqz s5, decode             # CC, or LO
    j    advance
    bnez s3, decode             # MI: N
    j    advance
    beqz s3, decode             # PL
    j    advance
    bnez s6, decode             # VS: V
    j    advance
    beqz s6, decode             # VC
    j    advance
    bgtu s5, s4, decode         # HI: C and not Z
    j    advance
    bleu s5, s4, decode         # LS
    j    advance
    beq  s3, s6, decode         # GE: N is V
    j    advance
    bne  s3, s6, decode         # LT
    j    advance
    beq  s3, s6, greater        # GT: that, and not Z
    j    advance
    bne  s3, s6, decode         # LE
    j    less_or_equal
    j    decode                 # AL: always
    nop
    j    outside                # 15: instructions without a condition

greater:
    bnez s4, advance
    j    decode
less_or_equal:
    beqz s4, advance

decode:                         # bits 27 to 25: the kind
    srli t0, s2, 25
    andi t0, t0, 7
    addi t1, t0, -2
    bltz t1, data
    beqz t1, load_store
    addi t1, t0, -5
    beqz t1, branch
    addi t1, t0, -7
    bnez t1, outside

software_interrupt:
    slli t0, s2, 39
    bgez t0, outside            # bit 24 is 0: for a coprocessor
    slli t0, s2, 40
    srli t0, t0, 40             # its number
    lwu  a0, 0(s0)
    beqz t0, finish
    addi t0, t0, -1
    bnez t0, outside
    andi a0, a0, 0xff
    call put

advance:
    addi s1, s1, 4
    j    fetch

branch:
    slli t0, s2, 40             # 24 bits, with their sign, count words
    srai t0, t0, 38
    slli t1, s2, 39
    bgez t1, 1f                 # bit 24: L, remember the way back
    addi t1, s1, 4
    sw   t1, 4*LR(s0)
1:  add  t0, t0, s1
    addi t0, t0, AHEAD
jump:                           # t0: where to
    slli s1, t0, 32
    srli s1, s1, 32
    andi t0, s1, 3
    beqz t0, fetch
    j    no_memory              # no instruction can be there

    .bss
    .balign 16
arm_executed:                   # instructions, those whose condition failed too
    .zero 8
arm_registers:
    .zero 4*16
arm_memory:
    .zero MEMORY
