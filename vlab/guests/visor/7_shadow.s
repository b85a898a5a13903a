# The visor, 7 of 8: page tables. The guest's lead from guest-virtual to guest-physical; the shadows,
# which the real MMU walks, from guest-virtual to real. A shadow begins empty, and is filled by faults.
#
# There is a shadow for each view: the virtual mode, SUM, MXR, and the guest's satp.

    .equ V, 1
    .equ R, 2
    .equ W, 4
    .equ X, 8
    .equ U, 16
    .equ A, 64
    .equ D, 128
    .equ VIEWS, 16

    .text
missing:                        # s1: a page fault, s2: its address. Why has the shadow no entry?
    li   s3, X
    addi t0, s1, -FETCH_FAULT
    beqz t0, 1f
    li   s3, R
    addi t0, s1, -LOAD_FAULT
    beqz t0, 1f
    li   s3, W
1:  mv   a0, s2
    mv   a1, s3
    call translate
    bnez a2, 2f
    li   t0, RAM
    sub  t0, a0, t0
    ld   t1, V_SIZE(s0)
    bgeu t0, t1, device
    call fill
    count fill
    ld   t0, V_TIME(s0)         # the guest will try again: this time it was not its own attempt
    addi t0, t0, -1
    sd   t0, V_TIME(s0)
    j    resume
2:  count guest_fault           # its own tables say no
    mv   a0, a2
    mv   a1, s2
    j    trap

translate:                      # a0: an address, a1: R, W or X. Then a0: guest-physical, a1: rights;
    mv   t6, a1                 # a2: the exception instead, or 0
    li   a3, STORE_FAULT
    andi t0, a1, W
    bnez t0, 1f
    li   a3, LOAD_FAULT
    andi t0, a1, R
    bnez t0, 1f
    li   a3, FETCH_FAULT
1:  li   a2, 0
    ld   t0, V_MODE(s0)
    li   t1, M
    beq  t0, t1, 2f
    ld   t1, V_SATP(s0)
    bnez t1, 3f
2:  li   a1, R|W|X              # no paging: guest-physical already
    srli t0, a0, 56
    bnez t0, no_memory
    ret
3:  slli t0, a0, 25             # bits 63 to 39 are copies of bit 38
    srai t0, t0, 25
    bne  t0, a0, page_fault
    slli t0, t1, 20
    srli t0, t0, 8              # the root
    li   t1, 30                 # where this level's nine bits of the address begin
4:  srl  t2, a0, t1
    andi t2, t2, 511
    slli t2, t2, 3
    add  t2, t2, t0             # the entry, guest-physical:
    li   t3, RAM
    sub  t2, t2, t3
    ld   t3, V_SIZE(s0)
    bgeu t2, t3, no_memory         # believe no address
    li   t3, GUEST
    add  t2, t2, t3             # real
    ld   t3, 0(t2)
    andi t4, t3, V
    beqz t4, page_fault
    srli t4, t3, 54             # reserved
    bnez t4, page_fault
    andi t4, t3, R|W|X
    bnez t4, leaf
    andi t4, t3, D|A|U
    bnez t4, page_fault
    slli t0, t3, 10
    srli t0, t0, 20
    slli t0, t0, 12             # the next table
    addi t1, t1, -9
    li   t4, 12
    bge  t1, t4, 4b
page_fault:
    mv   a2, a3
    ret
no_memory:
    denied a2, a3
    ret

leaf:                           # t2: where the entry is, t3: what it is, t1: log2 of the page's size
    andi t4, t4, R|W
    addi t4, t4, -W             # W without R is reserved
    beqz t4, page_fault
    slli t4, t3, 10
    srli t4, t4, 20
    slli t4, t4, 12             # the page
    li   t5, -1
    sll  t5, t5, t1
    not  t5, t5                 # the bits of an address in it
    and  t0, t4, t5
    bnez t0, page_fault         # a large page must begin at a multiple of its size
    and  t5, a0, t5
    or   a0, t4, t5
    andi a1, t3, R|W|X
    ld   t4, V_MSTATUS(s0)
    srli t5, t4, 19             # MXR: what can be executed can be read
    andi t5, t5, 1
    beqz t5, 1f
    srli t5, a1, 2
    andi t5, t5, R
    or   a1, a1, t5
1:  ld   t5, V_MODE(s0)
    andi t0, t3, U
    bnez t5, 2f
    beqz t0, page_fault         # U mode on a page of S mode
    j    3f
2:  beqz t0, 3f
    srli t4, t4, 18             # S mode on a page of U mode: only with SUM, and never to execute
    andi t4, t4, 1
    beqz t4, page_fault
    andi a1, a1, R|W
3:  and  t4, a1, t6
    beqz t4, page_fault
    ori  t4, t3, A              # accessed; and dirty, if this is a store
    andi t6, t6, W
    slli t6, t6, 5
    or   t4, t4, t6
    beq  t4, t3, 4f
    sd   t4, 0(t2)
4:  andi t4, t4, D              # to a clean page no store is let through: the next one must come here
    bnez t4, 5f
    andi a1, a1, R|X
5:  ret

# Shadows.

fill:                           # s2: guest-virtual, a0: guest-physical, in its memory; a1: rights
    addi sp, sp, -32
    sd   ra, 0(sp)
    sd   a0, 8(sp)
    sd   a1, 16(sp)
    ld   t0, pool_next
    li   t1, POOL_END-2*PAGE    # it may take two tables
    bleu t0, t1, 1f
    call drop_shadows
1:  call choose_shadow          # there is one now, if there was none
    slli t0, a0, 20
    srli s4, t0, 8              # its root
    li   s5, 30
2:  srl  t0, s2, s5
    andi t0, t0, 511
    slli t0, t0, 3
    add  s6, s4, t0
    li   t0, 12
    beq  s5, t0, 3f
    ld   t0, 0(s6)
    bnez t0, 4f
    call new_frame
    srli t0, a0, 2
    ori  t0, t0, V
    sd   t0, 0(s6)
4:  srli t0, t0, 10
    slli s4, t0, 12
    addi s5, s5, -9
    j    2b
3:  ld   t0, 8(sp)
    li   t1, RAM
    sub  t0, t0, t1
    ld   t1, V_SIZE(s0)
    bgeu t0, t1, broken         # the only writer of entries: none leads out of the guest's memory
    li   t1, GUEST
    add  t0, t0, t1
    srli t0, t0, 12
    slli t0, t0, 10
    ld   t1, 16(sp)
    or   t0, t0, t1
    ori  t0, t0, D|A|U|V
    ld   t1, 0(s6)
    sd   t0, 0(s6)
    beqz t1, 5f
    sfence.vma s2               # there was another entry, which the TLB may know
5:  ld   ra, 0(sp)
    addi sp, sp, 32
    ret

broken:
    j    broken

choose_shadow:                  # a0: the real satp for the guest's view
    addi sp, sp, -16
    sd   ra, 0(sp)
    ld   t0, V_MODE(s0)
    addi t1, t0, 4
    slli t1, t1, 44             # the view: one word, never zero; satp has nothing in these bits
    li   t2, M
    beq  t0, t2, 1f
    ld   t2, V_SATP(s0)
    beqz t2, 1f
    or   t1, t1, t2
    ld   t2, V_MSTATUS(s0)
    srli t3, t2, 19             # MXR
    andi t3, t3, 1
    slli t3, t3, 48
    or   t1, t1, t3
    beqz t0, 1f
    srli t3, t2, 18             # SUM: it says something of S mode only
    andi t3, t3, 1
    slli t3, t3, 47
    or   t1, t1, t3
1:  mv   s4, t1
2:  la   s5, views
    la   t2, views_end
3:  ld   t3, 0(s5)
    beq  t3, s4, 5f
    beqz t3, 4f
    addi s5, s5, 16
    bltu s5, t2, 3b
    call drop_shadows           # no room for another
    j    2b
4:  ld   t0, pool_next
    li   t1, POOL_END-3*PAGE    # with a root and nothing behind it, no fault could be answered
    bleu t0, t1, 6f
    call drop_shadows
    j    2b
6:  call new_frame
    srli a0, a0, 12
    li   t0, 8
    slli t0, t0, 60
    or   a0, a0, t0
    sd   a0, 8(s5)
    sd   s4, 0(s5)
5:  ld   a0, 8(s5)
    ld   ra, 0(sp)
    addi sp, sp, 16
    ret

new_frame:                      # a0: a page of zeros
    ld   a0, pool_next
    li   t1, PAGE
    add  t1, a0, t1
    sd   t1, pool_next, t0
    mv   t0, a0
1:
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7
    sd   zero, 8*\n(t0)
    .endr
    addi t0, t0, 64
    bltu t0, t1, 1b
    ret

drop_shadows:                   # forget them all; no real satp may go on naming one
    la   t0, views
    la   t1, views_end
1:  sd   zero, 0(t0)
    addi t0, t0, 16
    bltu t0, t1, 1b
    li   t0, POOL
    sd   t0, pool_next, t1
    csrw satp, zero
    ret

    .bss
    .balign 8
pool_next:
    .zero 8
views:                          # each a view, and the real satp of its shadow
    .zero VIEWS*16
views_end:
