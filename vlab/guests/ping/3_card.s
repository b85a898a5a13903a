# Ping, 3 of 5: the driver of the network card (Virtio 1.2), and the interrupts.
#
# The card and the driver share two queues: 0 for what comes, 1 for what goes. Each has a table of
# descriptors (where a buffer is), a ring in which the driver makes buffers available, and one in
# which the card gives them back, used. Each ring counts what was ever put into it.

    .equ N, 8                   # descriptors of a queue, a power of 2
    .equ BUFFER, 2048

    .equ R_FEATURES, 0x20       # the card's registers
    .equ R_HALF, 0x24
    .equ R_QUEUE, 0x30
    .equ R_SIZE, 0x38
    .equ R_READY, 0x44
    .equ R_NOTIFY, 0x50
    .equ R_INTERRUPT, 0x60
    .equ R_ACKNOWLEDGE, 0x64
    .equ R_STATUS, 0x70
    .equ R_DESCRIPTORS, 0x80
    .equ R_AVAILABLE, 0x90
    .equ R_USED, 0xa0
    .equ R_MAC, 0x100
    .equ HAS_MAC, 1<<5          # the feature that we ask for, and
    .equ VERSION_1, 1           # in the other half: we follow the standard
    .equ SEEN, 1|2              # status: there is a driver,
    .equ AGREED, 8              # it has chosen its features,
    .equ AT_WORK, 4             # and all is set up

    .equ AVAILABLE, 16*N        # where the rings are, in bytes from a queue's start
    .equ USED, 16*N+32
    .equ QUEUE, 16*N+32+8*N+16
    .equ INDEX, 2               # in a ring: how many were ever put into it,
    .equ RING, 4                # and the places
    .equ DESC_WRITE, 2          # the card may write into the buffer
    .equ QUIET, 1               # to the card: no interrupt when you give this back

    .text
net_start:                      # from power-on to a card at work, and its interrupts on
    addi sp, sp, -16
    sd   ra, 0(sp)
    li   s0, NET
    sw   zero, R_STATUS(s0)
    li   t0, SEEN
    sw   t0, R_STATUS(s0)
    sw   zero, R_HALF(s0)
    li   t0, HAS_MAC
    sw   t0, R_FEATURES(s0)
    li   t0, 1
    sw   t0, R_HALF(s0)
    li   t0, VERSION_1
    sw   t0, R_FEATURES(s0)
    li   t0, SEEN|AGREED
    sw   t0, R_STATUS(s0)
    li   a0, 0
    la   a1, receive_queue
    call start_queue
    li   a0, 1
    la   a1, send_queue
    call start_queue
    la   t0, send_queue+AVAILABLE
    li   t1, QUIET
    sh   t1, 0(t0)
    addi a0, s0, R_MAC
    li   a1, 6
    call get
    la   t0, our_mac
    sd   a0, 0(t0)
    li   t0, SEEN|AGREED|AT_WORK
    sw   t0, R_STATUS(s0)
    call give_buffers
    li   t0, PLIC_PRIORITY+4*NET_SOURCE
    li   t1, 1
    sw   t1, 0(t0)
    li   t0, PLIC_ENABLE
    li   t1, 1<<NET_SOURCE
    sw   t1, 0(t0)
    ld   ra, 0(sp)
    addi sp, sp, 16
    ret

start_queue:                    # a0: its number, a1: its memory
    sw   a0, R_QUEUE(s0)
    li   t0, N
    sw   t0, R_SIZE(s0)
    sw   a1, R_DESCRIPTORS(s0)
    srli t0, a1, 32
    sw   t0, R_DESCRIPTORS+4(s0)
    addi t1, a1, AVAILABLE
    sw   t1, R_AVAILABLE(s0)
    sw   t0, R_AVAILABLE+4(s0)
    addi t1, a1, USED
    sw   t1, R_USED(s0)
    sw   t0, R_USED+4(s0)
    li   t0, 1
    sw   t0, R_READY(s0)
    ret

give_buffers:                   # each descriptor of the receive queue has a buffer for ever
    la   t0, receive_queue
    la   t1, buffers
    li   t2, 0
    li   t3, BUFFER
    li   t4, DESC_WRITE
1:  sd   t1, 0(t0)
    sw   t3, 8(t0)
    sh   t4, 12(t0)
    add  t1, t1, t3
    addi t0, t0, 16
    la   t5, receive_queue+AVAILABLE
    slli t6, t2, 1
    add  t5, t5, t6
    sh   t2, RING(t5)           # available in the order of their numbers
    addi t2, t2, 1
    li   t5, N
    bne  t2, t5, 1b
    la   t5, receive_queue+AVAILABLE
    fence                       # the card must see the places before the count
    sh   t2, INDEX(t5)
    fence
    sw   zero, R_NOTIFY(s0)
    ret

look:                           # a0: not 0 if a packet is there
    lhu  a0, taken
    lhu  t0, receive_queue+USED+INDEX
    sub  a0, a0, t0
    ret

take:                           # deals with the next packet, and gives its buffer back to the card
    addi sp, sp, -16
    sd   ra, 0(sp)
    sd   s0, 8(sp)
    fence                       # the count was read before the place
    lhu  t0, taken
    andi t0, t0, N-1
    slli t0, t0, 3
    la   t1, receive_queue+USED
    add  t1, t1, t0
    lwu  s0, RING(t1)           # number of the descriptor,
    lwu  a1, RING+4(t1)         # and how many bytes the card wrote
    andi s0, s0, N-1
    li   t0, BUFFER
    mul  t0, s0, t0
    la   a0, buffers
    add  a0, a0, t0
    addi a1, a1, -CARD
    call handle
    la   t0, taken
    lhu  t1, 0(t0)
    addi t1, t1, 1
    sh   t1, 0(t0)
    la   t0, receive_queue+AVAILABLE
    lhu  t1, INDEX(t0)
    andi t2, t1, N-1
    slli t2, t2, 1
    add  t2, t2, t0
    sh   s0, RING(t2)
    addi t1, t1, 1
    fence
    sh   t1, INDEX(t0)
    fence
    li   t0, NET
    sw   zero, R_NOTIFY(t0)
    ld   ra, 0(sp)
    ld   s0, 8(sp)
    addi sp, sp, 16
    ret

send:                           # a0: bytes of the frame in `frame`. It has gone when this returns
    la   t0, send_queue
    la   t1, frame
    sd   t1, 0(t0)              # there is one buffer to send from, in descriptor 0
    addi a0, a0, CARD
    sw   a0, 8(t0)
    lhu  t1, AVAILABLE+INDEX(t0) # and so each place in the ring has the 0 that it had at power-on
    addi t1, t1, 1
    fence
    sh   t1, AVAILABLE+INDEX(t0)
    fence
    li   t2, NET
    li   t3, 1
    sw   t3, R_NOTIFY(t2)
1:  lhu  t2, USED+INDEX(t0)     # given back?
    slli t3, t1, 48
    srli t3, t3, 48
    bne  t2, t3, 1b
    ret

    .balign 4
interrupt:                      # from the timer or the card; nothing else should come
    addi sp, sp, -32
    sd   t0, 0(sp)
    sd   t1, 8(sp)
    sd   t2, 16(sp)
    csrr t0, mcause
    bgez t0, panic
    andi t0, t0, 15
    li   t1, 7
    beq  t0, t1, 1f
    li   t0, PLIC_CLAIM
    lw   t1, 0(t0)
    li   t0, NET
    lw   t2, R_INTERRUPT(t0)    # why: buffers came back
    sw   t2, R_ACKNOWLEDGE(t0)
    li   t0, PLIC_CLAIM
    sw   t1, 0(t0)
    j    2f
1:  li   t0, MTIMECMP           # the timer: not again before it is set anew
    li   t1, -1
    sd   t1, 0(t0)
    la   t0, late
    sd   t1, 0(t0)
2:  ld   t0, 0(sp)
    ld   t1, 8(sp)
    ld   t2, 16(sp)
    addi sp, sp, 32
    mret

panic:
    la   a0, panic_text
    call print
    csrr a0, mcause
    call print_decimal
    call print_end
    li   a0, FAIL
    j    power_off

    .section .rodata
panic_text:
    .asciz "ping: a trap that should not come, mcause "

    .bss
    .balign 16
receive_queue:
    .zero QUEUE
    .balign 16
send_queue:
    .zero QUEUE
taken:
    .zero 8                     # packets dealt with
frame:
    .zero BUFFER                # the one to be sent
buffers:
    .zero N*BUFFER
