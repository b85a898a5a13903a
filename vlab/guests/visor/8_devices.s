# The visor, 8 of 8: where the guest has no memory it may have a device.
#
# With one guest the devices are simply passed on: the visor does the same access to the real one.

    .equ LOAD, 0x03
    .equ STORE, 0x23

    .text
device:                         # a0: guest-physical; s1: the page fault, s2: its address, s3: R, W or X
    mv   s4, a0
    andi t0, s3, X
    bnez t0, nothing_there
    ld   a0, V_PC(s0)           # what does it want? Read the instruction
    li   a1, X
    call translate
    bnez a2, unreadable
    li   t0, RAM
    sub  a0, a0, t0
    ld   t0, V_SIZE(s0)
    bgeu a0, t0, nothing_there
    li   t0, GUEST
    add  a0, a0, t0
    lwu  s5, 0(a0)
    srli s6, s5, 12
    andi s6, s6, 7              # funct3: 0 a byte, 2 a word; +4: unsigned
    li   t0, UART
    sub  t0, s4, t0
    li   t1, UART_SIZE
    bltu t0, t1, uart
    li   t0, FINISHER
    bne  s4, t0, nothing_there
    li   t0, 2
    bne  s6, t0, refuse_access
    andi t0, s5, 0x7f
    li   t1, STORE
    bne  t0, t1, 1f
    count device
    call operand
    sw   a0, 0(s4)              # perhaps the last thing that happens
    j    next
1:  li   t1, LOAD
    bne  t0, t1, refuse_access
    count device
    lw   a0, 0(s4)
    j    loaded

uart:                           # a register of a byte
    andi t0, s6, 3
    bnez t0, refuse_access
    andi t0, s5, 0x7f
    li   t1, STORE
    bne  t0, t1, 1f
    count device
    call operand
    sb   a0, 0(s4)
    j    next
1:  li   t1, LOAD
    bne  t0, t1, refuse_access  # an atomic
    count device
    lbu  a0, 0(s4)
    bnez s6, loaded
    slli a0, a0, 56             # lb: with its sign
    srai a0, a0, 56
loaded:                         # a0: for the register that the instruction names
    srli t0, s5, 7
    andi t0, t0, 31
    beqz t0, next
    slli t0, t0, 3
    add  t0, t0, s0
    sd   a0, 0(t0)
    j    next

operand:                        # a0: what a store stores
    srli t0, s5, 20
    andi t0, t0, 31
    slli t0, t0, 3
    add  t0, t0, s0
    ld   a0, 0(t0)
    ret

nothing_there:                  # the guest gets an access fault
    count guest_fault
    denied a0, s1
    mv   a1, s2
    j    trap

refuse_access:                  # a device is there, but not for such an access
    count device
    denied a0, s1
    mv   a1, s2
    j    trap

unreadable:                     # the guest has taken the page away since it was fetched
    count guest_fault
    mv   a0, a2
    ld   a1, V_PC(s0)
    j    trap
