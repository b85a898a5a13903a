# A driver domain, 2 of 2: the driver of the disk (Virtio 1.2). It gets no interrupts: it looks.
#
#   disk_start    a0: 0, or 1 if there is no disk
#   disk_read     a0: a sector, to the 512 bytes at `sector`;    a0: the status, 0 if all went well
#   disk_write    a0: a sector, from there;                      a0: the status

    .equ N, 4                   # descriptors; a request has 3: header, data, status
    .equ R_MAGIC, 0
    .equ R_DEVICE, 8
    .equ R_FEATURES, 0x20
    .equ R_HALF, 0x24
    .equ R_QUEUE, 0x30
    .equ R_SIZE, 0x38
    .equ R_READY, 0x44
    .equ R_NOTIFY, 0x50
    .equ R_STATUS, 0x70
    .equ R_DESCRIPTORS, 0x80
    .equ R_AVAILABLE, 0x90
    .equ R_USED, 0xa0
    .equ MAGIC, 0x74726976      # "virt"
    .equ BLOCK_DEVICE, 2
    .equ SEEN, 1|2
    .equ AGREED, 8
    .equ AT_WORK, 4
    .equ NEXT, 1
    .equ WRITE, 2

    .text
disk_start:
    li   t0, DISK
    lw   t1, R_MAGIC(t0)
    li   t2, MAGIC
    bne  t1, t2, 1f
    lw   t1, R_DEVICE(t0)
    li   t2, BLOCK_DEVICE
    bne  t1, t2, 1f
    sw   zero, R_STATUS(t0)
    li   t1, SEEN
    sw   t1, R_STATUS(t0)
    sw   zero, R_HALF(t0)
    sw   zero, R_FEATURES(t0)
    li   t1, 1                  # we follow the standard, and want nothing else
    sw   t1, R_HALF(t0)
    sw   t1, R_FEATURES(t0)
    li   t1, SEEN|AGREED
    sw   t1, R_STATUS(t0)
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
    li   a0, 0
    ret
1:  li   a0, 1
    ret

disk_read:
    li   t2, 0                  # the type of the request
    li   t3, NEXT|WRITE         # and what the disk may do with the data
    j    1f
disk_write:
    li   t2, 1
    li   t3, NEXT
1:  la   t0, header
    sw   t2, 0(t0)
    sw   zero, 4(t0)
    sd   a0, 8(t0)
    la   t1, descriptors
    sd   t0, 0(t1)              # 0: the header,
    li   t2, 16
    sw   t2, 8(t1)
    li   t2, NEXT
    sh   t2, 12(t1)
    li   t2, 1
    sh   t2, 14(t1)
    la   t0, sector             # 1: the data,
    sd   t0, 16(t1)
    li   t2, SECTOR
    sw   t2, 24(t1)
    sh   t3, 28(t1)
    li   t2, 2
    sh   t2, 30(t1)
    la   t0, status             # 2: the status
    sd   t0, 32(t1)
    li   t2, 1
    sw   t2, 40(t1)
    li   t2, WRITE
    sh   t2, 44(t1)
    la   t0, available          # the chain begins with descriptor 0, as the ring's zeros say
    lhu  t1, 2(t0)
    addi t1, t1, 1
    fence
    sh   t1, 2(t0)
    fence
    li   t0, DISK
    sw   zero, R_NOTIFY(t0)
    lhu  t1, available+2
2:  lhu  t2, used+2             # until all that was made available has come back
    bne  t1, t2, 2b
    fence
    lbu  a0, status
    ret

    .bss
    .balign 16
descriptors:
    .zero 16*N
available:
    .zero 4+2*N
    .balign 4
used:
    .zero 4+8*N
    .balign 8
header:
    .zero 16
status:
    .zero 8
sector:
    .zero SECTOR
