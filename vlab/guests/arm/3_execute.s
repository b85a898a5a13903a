# The emulator, 3 of 5: what the instructions do. Values are 32 bits with zeros above.

    .macro register name, low   # the value of the register that four bits of the instruction name
    srli \name, s2, \low
    andi \name, \name, 15
    slli \name, \name, 2
    add  \name, \name, s0
    lwu  \name, 0(\name)
    .endm

    .macro cut name             # to 32 bits
    slli \name, \name, 32
    srli \name, \name, 32
    .endm

    .text
data:                           # data processing, and what hides among its codes: MUL, BX
    addi t0, s1, AHEAD
    sw   t0, 4*PC(s0)
    mv   a3, s5                 # the carry that the shifter leaves
    srli t0, s2, 25
    andi t0, t0, 1
    beqz t0, shifted_register

    andi a1, s2, 0xff           # eight bits, rotated right by twice another four
    srli t0, s2, 8
    andi t0, t0, 15
    beqz t0, operate
    slli t0, t0, 1
    slli t1, a1, 32
    or   a1, a1, t1             # twice, so that a shift rotates
    srl  a1, a1, t0
    cut  a1
    srli a3, a1, 31
    j    operate

shifted_register:
    srli t0, s2, 4
    andi t1, t0, 9
    addi t2, t1, -9
    beqz t2, multiply           # bits 7 and 4: no data processing
    andi t1, t0, 1
    bnez t1, exchange           # bit 4: the amount is in a register
    register a1, 0
    srli t0, s2, 7
    andi t0, t0, 31             # the amount
    srli t1, s2, 5
    andi t1, t1, 3              # the kind
    beqz t1, 1f
    addi t1, t1, -2
    bltz t1, 2f
    beqz t1, 3f
    bnez t0, 4f
    slli t0, s5, 32             # ROR by 0 is RRX: by one, the carry coming in
    or   t0, t0, a1
    andi a3, a1, 1
    srli a1, t0, 1
    j    operate
1:  beqz t0, operate            # LSL
    sll  a1, a1, t0
    srli a3, a1, 32
    andi a3, a3, 1
    cut  a1
    j    operate
2:  bnez t0, 5f                 # LSR; by 0 means by 32
    li   t0, 32
5:  addi t2, t0, -1
    srl  a3, a1, t2
    andi a3, a3, 1
    srl  a1, a1, t0
    j    operate
3:  bnez t0, 6f                 # ASR; by 0 means by 32
    li   t0, 32
6:  addi t2, t0, -1
    sext.w a1, a1
    sra  a3, a1, t2
    andi a3, a3, 1
    sra  a1, a1, t0
    cut  a1
    j    operate
4:  slli t1, a1, 32             # ROR
    or   a1, a1, t1
    srl  a1, a1, t0
    cut  a1
    srli a3, a1, 31

operate:                        # a1: the second operand, a3: its carry
    register a0, 16
    srli t0, s2, 20
    andi a4, t0, 1              # S: set the flags
    srli t0, t0, 1
    andi a5, t0, 15             # which of the sixteen
    la   t1, operations
    slli t0, a5, 2
    add  t1, t1, t0
    jr   t1
operations:
    j    and_
    j    eor
    j    sub
    j    rsb
    j    add
    j    adc
    j    sbc
    j    rsc
    j    tst
    j    teq
    j    cmp
    j    cmn
    j    orr
    j    mov
    j    bic
    j    mvn

tst:
    beqz a4, outside            # without S these four codes are other instructions
and_:
    and  a0, a0, a1
    j    logical
teq:
    beqz a4, outside
eor:
    xor  a0, a0, a1
    j    logical
orr:
    or   a0, a0, a1
    j    logical
mov:
    mv   a0, a1
    j    logical
bic:
    not  a1, a1
    and  a0, a0, a1
    j    logical
mvn:
    not  a0, a1
    cut  a0
logical:                        # a0: the result. C is the shifter's, V stays
    beqz a4, result
    mv   s5, a3
    j    sign

rsb:
    mv   t0, a0
    mv   a0, a1
    mv   a1, t0
    j    sub
rsc:
    mv   t0, a0
    mv   a0, a1
    mv   a1, t0
sbc:
    mv   t0, s5
    j    1f
cmp:
    beqz a4, outside
sub:
    li   t0, 1
1:  not  a1, a1                 # a - b is a + not b + 1; and the carry says that nothing was borrowed
    cut  a1
    j    sum
adc:
    mv   t0, s5
    j    sum
cmn:
    beqz a4, outside
add:
    li   t0, 0
sum:                            # a0 + a1 + t0
    add  t1, a0, a1
    add  t1, t1, t0
    beqz a4, 1f
    srli s5, t1, 32
    xor  t2, a0, t1             # overflow: the sign is neither operand's
    xor  t3, a1, t1
    and  t2, t2, t3
    srli t2, t2, 31
    andi s6, t2, 1
1:  mv   a0, t1
    cut  a0
    beqz a4, result
sign:
    srli s3, a0, 31
    seqz s4, a0
result:
    srli t0, a5, 2
    addi t0, t0, -2
    beqz t0, advance            # TST, TEQ, CMP, CMN: only flags
    srli t0, s2, 12
    andi t0, t0, 15             # Rd
    addi t1, t0, -PC
    beqz t1, 1f
    slli t0, t0, 2
    add  t0, t0, s0
    sw   a0, 0(t0)
    j    advance
1:  bnez a4, outside            # pc, and flags: a return from an exception
    mv   t0, a0
    j    jump

    .equ MUL, 0x90
    .equ MUL_MASK, 0x0fe0f0f0
multiply:
    li   t0, MUL_MASK
    and  t0, t0, s2
    addi t0, t0, -MUL
    bnez t0, outside
    srli t0, s2, 16
    andi t0, t0, 15             # Rd; none of the three may be pc
    andi t1, s2, 15
    srli t2, s2, 8
    andi t2, t2, 15
    li   t3, PC
    beq  t0, t3, outside
    beq  t1, t3, outside
    beq  t2, t3, outside
    register a0, 0
    register a1, 8
    mul  a0, a0, a1
    cut  a0
    slli t0, t0, 2
    add  t0, t0, s0
    sw   a0, 0(t0)
    slli t0, s2, 43
    bgez t0, advance            # bit 20: S
    srli s3, a0, 31
    seqz s4, a0
    j    advance

    .equ BX, 0x012fff10
    .equ BX_MASK, 0x0ffffff0
exchange:
    li   t0, BX_MASK
    and  t0, t0, s2
    li   t1, BX
    bne  t0, t1, outside
    andi t0, s2, 15
    addi t0, t0, -PC
    beqz t0, outside
    register t0, 0
    andi t1, t0, 1
    bnez t1, outside            # to the other instruction set, Thumb
    j    jump

load_store:                     # bits: 24 P, 23 U, 22 B, 21 W, 20 L; here P is 1 and W is 0
    addi t0, s1, AHEAD
    sw   t0, 4*PC(s0)
    srli t0, s2, 21
    andi t0, t0, 9
    addi t0, t0, -8
    bnez t0, outside
    register a0, 16
    slli t0, s2, 52
    srli t0, t0, 52
    slli t1, s2, 40
    bltz t1, 1f                 # U: up
    neg  t0, t0
1:  add  a0, a0, t0
    cut  a0
    srli t0, s2, 12
    andi t0, t0, 15
    addi t1, t0, -PC
    beqz t1, outside
    slli t0, t0, 2
    add  t0, t0, s0             # Rd's place
    srli t1, s2, 20
    andi t1, t1, 5
    bgeu a0, s9, 5f
    add  a1, a0, s8
    addi t2, t1, -4
    bgez t2, 3f
    andi t2, a0, 3
    bnez t2, no_data            # not at a multiple of four
    bnez t1, 2f
    lw   t3, 0(t0)              # STR
    sw   t3, 0(a1)
    j    advance
2:  lw   t3, 0(a1)              # LDR
    sw   t3, 0(t0)
    j    advance
3:  bnez t2, 4f
    lw   t3, 0(t0)              # STRB
    sb   t3, 0(a1)
    j    advance
4:  lbu  t3, 0(a1)              # LDRB
    sw   t3, 0(t0)
    j    advance
5:  li   t2, MEMORY             # the last three bytes are memory too, for bytes
    bgeu a0, t2, no_data
    addi t2, t1, -4
    bltz t2, no_data
    add  a1, a0, s8
    j    3b
