# CMS, 3 of 6: the minidisk, a virtio block device (Virtio 1.2, sections 4.2 and 5.2), one request at
# a time. CMS has nothing else to do meanwhile: it asks until the device has answered.

    .equ V_DEVICE_ID, 0x008
    .equ V_OFFERED, 0x010           # what the device can do, 32 bits of it:
    .equ V_OFFERED_SEL, 0x014       # which
    .equ V_FEATURES, 0x020          # what the driver accepts of it, the same way
    .equ V_FEATURES_SEL, 0x024
    .equ V_QUEUE_SEL, 0x030
    .equ V_QUEUE_NUM, 0x038
    .equ V_QUEUE_READY, 0x044
    .equ V_NOTIFY, 0x050
    .equ V_STATUS, 0x070
    .equ V_DESC, 0x080              # where in memory the queue is: descriptors,
    .equ V_AVAIL, 0x090             # what the driver offers,
    .equ V_USED, 0x0a0              # what the device has done with
    .equ V_SECTORS, 0x100           # how many there are, 64 bits
    .equ BLOCK_DEVICE, 2
    .equ READ_ONLY, 1<<5            # a feature: the device takes no writes
    .equ QUEUE, 4                   # a request takes three descriptors
    .equ NEXT, 1                    # a descriptor: another one follows,
    .equ FILL, 2                    # the device writes what it names
    .equ READ, 0
    .equ WRITE, 1

    .text
start_disk:                         # wake the device, and read the directory
    li   t0, DISK
    lw   t1, V_DEVICE_ID(t0)
    li   t2, BLOCK_DEVICE
    bne  t1, t2, no_disk
    sw   zero, V_STATUS(t0)         # reset
    li   t1, 3
    sw   t1, V_STATUS(t0)           # we see it, and can drive it
    sw   zero, V_OFFERED_SEL(t0)
    lw   t1, V_OFFERED(t0)
    andi t1, t1, READ_ONLY
    la   t2, read_only
    sw   t1, 0(t2)
    sw   zero, V_FEATURES_SEL(t0)
    sw   t1, V_FEATURES(t0)         # that it is read-only, if it is,
    li   t1, 1
    sw   t1, V_FEATURES_SEL(t0)
    sw   t1, V_FEATURES(t0)         # bit 32: version 1 of the rules; and nothing more
    li   t1, 11
    sw   t1, V_STATUS(t0)           # that is all we want
    sw   zero, V_QUEUE_SEL(t0)
    li   t1, QUEUE
    sw   t1, V_QUEUE_NUM(t0)
    la   t1, queue_desc
    sw   t1, V_DESC(t0)
    la   t1, queue_avail
    sw   t1, V_AVAIL(t0)
    la   t1, queue_used
    sw   t1, V_USED(t0)
    li   t1, 1
    sw   t1, V_QUEUE_READY(t0)
    li   t1, 15
    sw   t1, V_STATUS(t0)           # go
    addi sp, sp, -16
    sd   ra, 0(sp)
    call read_directory
    li   t0, DISK
    lwu  t1, V_SECTORS(t0)
    lwu  t2, V_SECTORS+4(t0)
    slli t2, t2, 32
    or   t1, t1, t2
    la   t2, capacity
    sd   t1, 0(t2)                  # last: a disk without a directory takes nothing
    ld   ra, 0(sp)
    addi sp, sp, 16
    ret

read_directory:
    li   a0, 0
    la   a1, directory

read_sector:                        # a0: sector, a1: where to
    addi sp, sp, -16
    sd   ra, 0(sp)
    li   a2, READ
    call transfer
    bnez a0, no_disk                # a disk that can't be read is one that isn't there
    ld   ra, 0(sp)
    addi sp, sp, 16
    ret

no_disk:
    ebreak

refusal:                            # a0: why this disk takes nothing, or 0
    la   t0, capacity
    ld   t0, 0(t0)
    la   a0, text_no_disk
    beqz t0, 1f
    la   t0, read_only
    lw   t0, 0(t0)
    la   a0, text_read_only
    bnez t0, 1f
    li   a0, 0
1:  ret

transfer:                           # a0: sector, a1: SECTOR bytes in memory, a2: READ or WRITE. a0: 0 if done
    la   t0, request                # what the device reads first: what is wanted, and where
    sw   a2, 0(t0)
    sd   a0, 8(t0)
    la   t1, queue_desc
    sd   t0, 0(t1)                  # descriptor 0: the request
    sd   a1, 16(t1)                 # descriptor 1: the sector
    la   t0, answer
    sd   t0, 32(t1)                 # descriptor 2: where the device says how it went
    li   t0, SECTOR
    sw   t0, 24(t1)
    li   t0, NEXT
    bnez a2, 1f
    li   t0, NEXT|FILL              # to read is to have memory written
1:  sh   t0, 28(t1)
    la   t0, queue_avail            # offer the chain that begins with descriptor 0
    lhu  t1, 2(t0)
    addi t1, t1, 1
    sh   t1, 2(t0)
    fence
    li   t2, DISK
    sw   zero, V_NOTIFY(t2)
    la   t0, queue_used
2:  lhu  t2, 2(t0)
    slli t3, t1, 48
    srli t3, t3, 48
    bne  t2, t3, 2b                 # until it has done with as many as we have offered
    fence
    la   t0, answer
    lbu  a0, 0(t0)
    ret

    .section .rodata
text_no_disk:
    .asciz "there is no disk\n"
text_read_only:
    .asciz "the disk is read-only\n"
text_failed:
    .asciz "the disk failed\n"

    .data
    .balign 16
queue_desc:                         # address, length, flags and next of each
    .dword 0
    .word 16
    .half NEXT, 1
    .dword 0
    .word SECTOR
    .half NEXT, 2
    .dword 0
    .word 1
    .half FILL, 0
    .space 16
queue_avail:
    .half 1, 0                      # no interrupts, please; how many were offered
    .space 2*QUEUE+2                # all of them chain 0
    .balign 4
queue_used:
    .space 4+8*QUEUE+2
    .balign 8
request:
    .space 16
answer:
    .byte 0

    .bss
    .balign 8
directory:
    .space SECTOR
    .space 8                        # a zero behind its last name
sector:
    .space SECTOR
capacity:                           # sectors of the disk; 0 without one
    .space 8
read_only:
    .space 4
