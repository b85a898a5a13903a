# Boot counter, 3 of 4: the driver of the disk (Virtio 1.2), for any system in S mode.
#
#   disk_start        from power-on to a disk at work.  a0: 0, or 1 if there is no disk
#   disk_read         a0: the sector, a1: 512 bytes for it.    a0: the status, 0 if all went well
#   disk_write        a0: the sector, a1: its 512 bytes.       a0: the status
#   disk_flush        whatever was written stays.              a0: the status
#   disk_interrupt    to be called when the disk has interrupted; uses t0, t1 and t2
#
# All keep the s registers, and are called with interrupts off. One request at a time: whoever
# calls sleeps until it is done. Disk and driver share a queue: a table of descriptors (where a
# buffer is), a ring in which the driver makes chains of them available, and one in which the disk
# gives them back, used. Each ring counts what was ever put into it.

    .equ N, 4                   # descriptors, a power of 2; a request has 3: header, data, status
    .equ R_MAGIC, 0             # the disk's registers
    .equ R_VERSION, 4
    .equ R_DEVICE, 8
    .equ R_FEATURES, 0x20
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
    .equ MAGIC, 0x74726976      # "virt"
    .equ BLOCK_DEVICE, 2
    .equ HAS_FLUSH, 1<<9        # the feature that we ask for, and
    .equ VERSION_1, 1           # in the other half: we follow the standard
    .equ SEEN, 1|2              # status: there is a driver,
    .equ AGREED, 8              # it has chosen its features,
    .equ AT_WORK, 4             # and all is set up
    .equ NEEDS_RESET, 64        # the disk says that the driver broke the rules

    .equ DESC_NEXT, 1           # the chain goes on
    .equ DESC_WRITE, 2          # the disk may write into the buffer
    .equ INDEX, 2               # in a ring: how many were ever put into it
    .equ IN, 0                  # types of requests
    .equ OUT, 1
    .equ FLUSH, 4

    .text
disk_start:
    li   t0, DISK
    lw   t1, R_MAGIC(t0)        # an empty slot has none
    li   t2, MAGIC
    bne  t1, t2, 1f
    lw   t1, R_VERSION(t0)
    li   t2, 2
    bne  t1, t2, 1f
    lw   t1, R_DEVICE(t0)
    li   t2, BLOCK_DEVICE
    bne  t1, t2, 1f

    sw   zero, R_STATUS(t0)     # reset, and then step by step
    li   t1, SEEN
    sw   t1, R_STATUS(t0)
    sw   zero, R_HALF(t0)
    li   t1, HAS_FLUSH
    sw   t1, R_FEATURES(t0)
    li   t1, 1
    sw   t1, R_HALF(t0)
    li   t1, VERSION_1
    sw   t1, R_FEATURES(t0)
    li   t1, SEEN|AGREED
    sw   t1, R_STATUS(t0)
    lw   t1, R_STATUS(t0)
    andi t1, t1, AGREED         # does it agree?
    beqz t1, 1f

    sw   zero, R_QUEUE(t0)
    li   t1, N
    sw   t1, R_SIZE(t0)
    la   t1, descriptors        # RAM lies below 4 GiB: the high halves are zero
    sw   t1, R_DESCRIPTORS(t0)
    sw   zero, R_DESCRIPTORS+4(t0)
    la   t1, available
    sw   t1, R_AVAILABLE(t0)
    sw   zero, R_AVAILABLE+4(t0)
    la   t1, used
    sw   t1, R_USED(t0)
    sw   zero, R_USED+4(t0)
    li   t1, 1
    sw   t1, R_READY(t0)
    li   t1, SEEN|AGREED|AT_WORK
    sw   t1, R_STATUS(t0)

    li   t0, PLIC_PRIORITY+4*DISK_SOURCE
    li   t1, 1
    sw   t1, 0(t0)
    li   t0, PLIC_ENABLE
    li   t1, 1<<DISK_SOURCE
    sw   t1, 0(t0)
    li   t0, PLIC_THRESHOLD
    sw   zero, 0(t0)
    li   a0, 0
    ret
1:  li   a0, 1
    ret

disk_read:
    li   a2, IN
    li   a3, DESC_NEXT|DESC_WRITE
    j    request
disk_write:
    li   a2, OUT
    li   a3, DESC_NEXT
    j    request
disk_flush:
    li   a0, 0
    li   a1, 0                  # no data
    li   a2, FLUSH

request:                        # a0: sector, a1: data or 0, a2: type, a3: flags for the data
    la   t0, header
    sw   a2, 0(t0)
    sw   zero, 4(t0)
    sd   a0, 8(t0)

    la   t1, descriptors        # 0: the header,
    sd   t0, 0(t1)
    li   t2, 16
    sw   t2, 8(t1)
    li   t2, DESC_NEXT
    sh   t2, 12(t1)
    li   t2, 1
    bnez a1, 1f
    li   t2, 2                  # (past the data, if there are none)
1:  sh   t2, 14(t1)
    sd   a1, 16(t1)             # 1: the data,
    li   t2, SECTOR
    sw   t2, 24(t1)
    sh   a3, 28(t1)
    li   t2, 2
    sh   t2, 30(t1)
    la   t0, status             # 2: the status
    sd   t0, 32(t1)
    li   t2, 1
    sw   t2, 40(t1)
    li   t2, DESC_WRITE
    sh   t2, 44(t1)

    la   t0, available          # the chain begins with descriptor 0, as the ring's zeros say
    lhu  t1, INDEX(t0)
    addi t1, t1, 1
    fence                       # the disk must see the chain before the count
    sh   t1, INDEX(t0)
    fence
    li   t0, DISK
    sw   zero, R_NOTIFY(t0)

    la   t0, available
2:  lhu  t1, INDEX(t0)          # all that was made available,
    la   t2, finished
    lhu  t2, 0(t2)              # is it done?
    beq  t1, t2, 3f
    wfi                         # until an interrupt is pending: it need not be on for that
    csrsi sstatus, SIE          # now it is taken
    csrci sstatus, SIE
    j    2b
3:  la   t0, status
    lbu  a0, 0(t0)
    ret

disk_interrupt:
    li   t0, DISK
    lw   t1, R_INTERRUPT(t0)
    sw   t1, R_ACKNOWLEDGE(t0)  # the pin goes down
    lw   t1, R_STATUS(t0)
    andi t1, t1, NEEDS_RESET
    bnez t1, machine_trap       # it would never give anything back
    fence                       # what the disk wrote before the count must be seen
    la   t1, used
    lhu  t1, INDEX(t1)
    la   t2, finished
    sh   t1, 0(t2)
    ret

    .bss
    .balign 16
descriptors:
    .zero 16*N
available:                      # flags 2, count 2, the chains
    .zero 4+2*N
    .balign 4
used:                           # flags 2, count 2, chains and how much was written into each
    .zero 4+8*N
    .balign 8
header:                         # type 4, reserved 4, sector 8
    .zero 16
finished:                       # how many requests have come back, as the last interrupt told
    .zero 2
status:
    .zero 1
