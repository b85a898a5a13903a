# CMS, 4 of 6: files. The directory is sector 0: sixteen entries of 32 bytes. The first says whose
# disk it is; each of the others has a name of at most 15 letters, the sector where the file begins,
# and its bytes. A file lies in one piece; a new one comes behind the last.

    .equ ENTRY, 32
    .equ NAME, 16                   # bytes of a name, with a zero behind it
    .equ E_SECTOR, 16
    .equ E_SIZE, 20

    .text
find_file:                          # a0: a name. Its entry in a0, or 0
    la   t0, directory+ENTRY
    la   t1, directory+SECTOR
1:  bgeu t0, t1, 4f
    mv   t2, t0
    mv   t3, a0
2:  lbu  t4, 0(t2)
    lbu  t5, 0(t3)
    bne  t4, t5, 3f
    beqz t4, 5f
    addi t2, t2, 1
    addi t3, t3, 1
    j    2b
3:  addi t0, t0, ENTRY
    j    1b
4:  li   t0, 0
5:  mv   a0, t0
    ret

free_entry:                         # a0: the first entry without a file, or 0; a1: the first free sector
    li   a0, 0
    li   a1, 1
    la   t0, directory+SECTOR-ENTRY
1:  la   t1, directory
    beq  t0, t1, 4f
    lbu  t1, 0(t0)
    bnez t1, 2f
    mv   a0, t0
    j    3f
2:  lwu  t1, E_SIZE(t0)
    addi t1, t1, SECTOR-1
    srli t1, t1, 9
    lwu  t2, E_SECTOR(t0)
    add  t1, t1, t2
    bgeu a1, t1, 3f
    mv   a1, t1
3:  addi t0, t0, -ENTRY
    j    1b
4:  ret

new_file:                           # a0: a name, a1: content, a2: bytes. a0: 0, or why it is not there now
    addi sp, sp, -48
    sd   ra, 0(sp)
    sd   s0, 8(sp)
    sd   s1, 16(sp)
    sd   s2, 24(sp)
    sd   s3, 32(sp)
    mv   s0, a0
    mv   s1, a1
    mv   s2, a2
    call refusal
    bnez a0, 7f
    mv   a0, s0
    call find_file                  # a file of that name is replaced
    beqz a0, 1f
    sb   zero, 0(a0)
1:  call free_entry
    mv   s3, a1
    la   t0, text_full
    beqz a0, 6f
    addi t1, s2, SECTOR-1
    srli t1, t1, 9
    add  t1, t1, a1                 # the first sector behind it
    la   t2, capacity
    ld   t2, 0(t2)
    la   t0, text_no_room
    bgtu t1, t2, 6f
    sw   a1, E_SECTOR(a0)
    sw   s2, E_SIZE(a0)
    li   t0, NAME-1
2:  lbu  t1, 0(s0)                  # the name, cut where it is too long
    sb   t1, 0(a0)
    beqz t1, 3f
    addi s0, s0, 1
    addi a0, a0, 1
    addi t0, t0, -1
    bnez t0, 2b
    sb   zero, 0(a0)
3:  blez s2, 4f
    mv   a0, s3
    mv   a1, s1
    li   a2, WRITE
    call transfer
    bnez a0, 5f
    addi s3, s3, 1
    addi s1, s1, SECTOR
    addi s2, s2, -SECTOR
    j    3b
4:  call save_directory
    j    7f
5:  la   t0, text_failed
6:  mv   s0, t0
    call read_directory             # the files are again those that the disk has
    mv   a0, s0
7:  ld   ra, 0(sp)
    ld   s0, 8(sp)
    ld   s1, 16(sp)
    ld   s2, 24(sp)
    ld   s3, 32(sp)
    addi sp, sp, 48
    ret

save_directory:                     # last: a file is there when its content is. a0: 0, or why it was not done
    addi sp, sp, -16
    sd   ra, 0(sp)
    li   a0, 0
    la   a1, directory
    li   a2, WRITE
    call transfer
    beqz a0, 1f
    call read_directory
    la   a0, text_failed
1:  ld   ra, 0(sp)
    addi sp, sp, 16
    ret

load_file:                          # a0: an entry. Its content to `program`; a0: its bytes
    addi sp, sp, -48
    sd   ra, 0(sp)
    sd   s0, 8(sp)
    sd   s1, 16(sp)
    sd   s2, 24(sp)
    lwu  s0, E_SIZE(a0)
    lwu  s1, E_SECTOR(a0)
    sd   s0, 32(sp)
    li   t0, PROGRAM_SIZE
    bleu s0, t0, 1f
    ebreak                          # larger than the room for a program
1:  la   s2, program
2:  blez s0, 3f
    mv   a0, s1
    mv   a1, s2
    call read_sector
    addi s1, s1, 1
    addi s2, s2, SECTOR
    addi s0, s0, -SECTOR
    j    2b
3:  ld   ra, 0(sp)
    ld   s0, 8(sp)
    ld   s1, 16(sp)
    ld   s2, 24(sp)
    ld   a0, 32(sp)
    addi sp, sp, 48
    ret

    .section .rodata
text_full:
    .asciz "the directory is full\n"
text_no_room:
    .asciz "the disk is full\n"
