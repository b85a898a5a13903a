# A driver for a virtio console, in M mode: it prints a line, then sends back what is typed until the
# line is complete, and powers off. It never polls: it sleeps until the console interrupts, by the PLIC.

    .equ CONSOLE, 0x10001000    # the first slot, whose interrupt is source 1
    .equ SOURCE, 1
    .equ MAGIC, 0x00            # registers of virtio-mmio
    .equ DEVICE_ID, 0x08
    .equ DRIVER_FEATURES, 0x20
    .equ DRIVER_FEATURES_SEL, 0x24
    .equ QUEUE_SEL, 0x30
    .equ QUEUE_NUM, 0x38
    .equ QUEUE_READY, 0x44
    .equ QUEUE_NOTIFY, 0x50
    .equ INTERRUPT_STATUS, 0x60
    .equ INTERRUPT_ACK, 0x64
    .equ STATUS, 0x70
    .equ QUEUE_DESC, 0x80
    .equ QUEUE_DRIVER, 0x90
    .equ QUEUE_DEVICE, 0xa0
    .equ PLIC_PRIORITY, 0xc000000
    .equ PLIC_ENABLE, 0xc002000
    .equ PLIC_CLAIM, 0xc200004
    .equ FINISHER, 0x100000
    .equ PASS, 0x5555
    .equ FAIL, 0x13333
    .equ available, 32          # where in a queue's memory: after two descriptors of 16 bytes
    .equ used, 48
    .equ RECEIVE, 0             # the queues of a console
    .equ TRANSMIT, 1
    .equ ROOM, 16               # bytes of the buffer for typed text

    .globl _start
_start:
    la   sp, stack
    li   s0, CONSOLE
    lw   t0, MAGIC(s0)
    li   t1, 0x74726976         # "virt"
    bne  t0, t1, failed
    lw   t0, DEVICE_ID(s0)
    li   t1, 3                  # a console; 0 is an empty slot
    bne  t0, t1, failed

    sw   zero, STATUS(s0)       # reset
    li   t0, 1|2                # acknowledge: we have seen it; and we can drive it
    sw   t0, STATUS(s0)
    li   t0, 1                  # of its features only bit 32: virtio 1
    sw   t0, DRIVER_FEATURES_SEL(s0)
    sw   t0, DRIVER_FEATURES(s0)
    li   t0, 1|2|8
    sw   t0, STATUS(s0)
    lw   t0, STATUS(s0)
    andi t0, t0, 8              # are these features fine with it?
    beqz t0, failed
    li   a0, RECEIVE
    la   a1, receive
    call set_up
    li   a0, TRANSMIT
    la   a1, transmit
    call set_up
    li   t0, 1|2|8|4            # the driver is ready
    sw   t0, STATUS(s0)

    la   t0, trap
    csrw mtvec, t0
    li   t0, 1
    li   t1, PLIC_PRIORITY+4*SOURCE
    sw   t0, 0(t1)
    li   t0, 1<<SOURCE
    li   t1, PLIC_ENABLE
    sw   t0, 0(t1)
    li   t0, 1<<11              # listen to the PLIC
    csrw mie, t0

    call offer                  # room for what will be typed
    la   a0, greeting
    la   a1, greeting_end
    sub  a1, a1, a0
    call print
loop:                           # interrupts are off but in `wfi`, so none is missed
    wfi
    csrsi mstatus, 8            # now it is taken
    csrci mstatus, 8
    la   t0, receive+used
    lhu  t0, 2(t0)              # has anything typed arrived?
    la   t1, seen
    lhu  t2, 0(t1)
    beq  t0, t2, loop
    addi t2, t2, 1
    sh   t2, 0(t1)
    la   t0, receive+used       # in the only descriptor; the ring has two places
    addi t2, t2, -1
    andi t2, t2, 1
    slli t2, t2, 3
    add  t0, t0, t2
    lw   s1, 8(t0)              # so many bytes
    la   a0, room
    mv   a1, s1
    call print                  # send them back
    la   t0, room
    add  t0, t0, s1
    lbu  s2, -1(t0)
    call offer
    li   t0, '\n'
    bne  s2, t0, loop
    li   t1, PASS
    j    off
failed:
    li   t1, FAIL
off:
    li   t0, FINISHER
    sw   t1, 0(t0)
halt:
    j    halt

    .balign 4
trap:                           # the console has interrupted: claim, acknowledge, complete
    addi sp, sp, -16
    sd   t0, 0(sp)
    sd   t1, 8(sp)
    li   t0, PLIC_CLAIM
    lw   t1, 0(t0)
    lw   t0, INTERRUPT_STATUS(s0)
    sw   t0, INTERRUPT_ACK(s0)
    li   t0, PLIC_CLAIM
    sw   t1, 0(t0)
    ld   t0, 0(sp)
    ld   t1, 8(sp)
    addi sp, sp, 16
    mret

set_up:                         # a0: number of a queue, a1: its memory
    sw   a0, QUEUE_SEL(s0)
    li   t0, 2                  # descriptors
    sw   t0, QUEUE_NUM(s0)
    sw   a1, QUEUE_DESC(s0)
    sw   zero, QUEUE_DESC+4(s0)
    addi t0, a1, available
    sw   t0, QUEUE_DRIVER(s0)
    sw   zero, QUEUE_DRIVER+4(s0)
    addi t0, a1, used
    sw   t0, QUEUE_DEVICE(s0)
    sw   zero, QUEUE_DEVICE+4(s0)
    li   t0, 1
    sw   t0, QUEUE_READY(s0)
    ret

offer:                          # let the console write into `room`
    la   a0, room
    li   a1, ROOM
    li   a2, RECEIVE
    la   a3, receive
    li   a4, 2                  # flag: the device writes
    j    put
print:                          # a0: text, a1: its length. It is gone when the console has been notified.
    li   a2, TRANSMIT
    la   a3, transmit
    li   a4, 0
put:                            # a2: the queue, a3: its memory, a4: flags
    sd   a0, 0(a3)              # descriptor 0
    sw   a1, 8(a3)
    sh   a4, 12(a3)
    sh   zero, 14(a3)
    lhu  t0, available+2(a3)    # the ring's entries all name it: one more is available
    addi t0, t0, 1
    fence
    sh   t0, available+2(a3)
    fence
    sw   a2, QUEUE_NOTIFY(s0)
    ret

    .section .rodata
greeting:
    .ascii "hello from virtio\n"
greeting_end:

    .bss
    .balign 16
receive:
    .zero 80
transmit:
    .zero 80
room:
    .zero ROOM
seen:                           # how many used buffers of typed text we have dealt with
    .zero 16
    .balign 16
    .zero 256
stack:
