# A driver domain, 1 of 2: a paravirtual guest that has a disk, and serves it to others.
#
# Another guest grants it a page, on a channel of theirs, and rings. In that page stands what it
# wants. Each channel has sectors of its own, SHARE of them: nobody sees those of the others.
#
#   the page:  0 the operation: 0 read, 1 write;  8 the sector;  16 the answer: 0, or an error;
#              512 the data of one sector

    .ifndef DISK
    .equ DISK, 0x10001000       # the virtio block device
    .endif
    .ifndef SHARE
    .equ SHARE, 16              # sectors for each channel, from channel 1 on
    .endif

    .equ FAIL, 0x13333
    .equ CHANNELS, 64
    .equ SECTOR, 512
    .equ PAGE_OPERATION, 0      # in the granted page
    .equ PAGE_ANSWER, 16
    .equ PAGE_DATA, 512
    .equ REFUSED, 3             # an answer beside those of the disk

    .text
    .globl _start
_start:
    la   sp, stack_end
    la   t0, trap
    set_traps t0                # events are masked, and stay so: they only end a wait
    li   s0, -1                 # it is not known yet
    call disk_start
    mv   s0, a0                 # not 0: there is none, and all are refused

serve:
    wait_for_event
    take_events s1
    li   s2, 1
1:  srl  t0, s1, s2
    andi t0, t0, 1
    beqz t0, 2f
    call answer
2:  addi s2, s2, 1
    li   t0, CHANNELS
    bne  s2, t0, 1b
    j    serve

answer:                         # s2: the channel of who has rung
    addi sp, sp, -16
    sd   ra, 0(sp)
    la   a0, request
    li   a1, PAGE_OPERATION
    li   a2, 16
    li   a3, 0
    call copy
    bltz a0, 4f                 # no page: nobody to answer
    li   s3, REFUSED
    bnez s0, 3f
    la   t0, request
    ld   s4, 0(t0)
    ld   s5, 8(t0)
    li   t0, SHARE
    bgeu s5, t0, 3f             # not its own
    addi t1, s2, -1
    mul  t0, t0, t1
    add  s5, s5, t0
    li   t0, 1
    beq  s4, t0, 1f
    bnez s4, 3f
    mv   a0, s5
    call disk_read
    mv   s3, a0
    li   a3, 1
    call copy_data
    j    3f
1:  li   a3, 0
    call copy_data
    mv   a0, s5
    call disk_write
    mv   s3, a0
3:  la   a0, request
    sd   s3, 0(a0)
    li   a1, PAGE_ANSWER
    li   a2, 8
    li   a3, 1
    call copy
    mv   a0, s2
    hypercall HYPER_SEND
4:  ld   ra, 0(sp)
    addi sp, sp, 16
    ret

copy_data:                      # a3: 1 to write the sector to the granted page, 0 to read it
    la   a0, sector
    li   a1, PAGE_DATA
    li   a2, SECTOR
copy:                           # a0: a place here, a1: one in the page, a2: bytes, a3: 1 to write
    la   t0, wish
    sd   a0, 0(t0)
    sd   a1, 8(t0)
    sd   a2, 16(t0)
    sd   a3, 24(t0)
    mv   a0, t0
    mv   a1, s2
    hypercall HYPER_COPY
    ret

no_disk:
    la   sp, stack_end
    li   s0, 1
    j    serve

    .balign 4
trap:                           # where a disk is looked for, and nothing is; else there is no trap
    bltz s0, no_disk
    li   a0, FAIL
    switch_off
1:  j    1b

    .bss
    .balign 16
wish:
    .zero 32
request:
    .zero 16
    .zero 512
stack_end:
