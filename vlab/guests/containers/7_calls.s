# The kernel with containers, 7 of 9: system calls, the console, and a back door.

    .text
system_call:                    # sp: the frame of the process that asks
    ld   t0, F_SEPC(sp)
    addi t0, t0, 4              # go on after the ecall, not at it
    sd   t0, F_SEPC(sp)
    li   t0, CALLS
    bgeu a7, t0, refuse
    la   t0, call_table
    slli t1, a7, 3
    add  t0, t0, t1
    ld   t0, 0(t0)
    jr   t0                     # its arguments are in a0 and a1 still

accept:
    li   a0, 0
    j    call_return
refuse:
    li   a0, -1
call_return:                    # a0: the result
    sd   a0, F_A0(sp)
    j    trap_return

check:                          # a0: an address, a1: a length. A process may point to its page
    li   t0, USER_DATA          # of data alone, at a multiple of 8: else its call is refused
    sub  t0, a0, t0
    li   t1, PAGE
    bgtu t0, t1, refuse
    sub  t1, t1, t0             # what is left of the page
    bgtu a1, t1, refuse
    andi t0, t0, 7
    bnez t0, refuse
    ret

write:                          # the process's name, its bytes without the zeros, a line end
    call check
    mv   s0, a0
    add  s1, a0, a1
    ld   a0, current
    addi a0, a0, P_NAME
    call print_name
    la   a0, colon
    call print
1:  beq  s0, s1, 3f
    lbu  a0, 0(s0)
    beqz a0, 2f
    call console_put
2:  addi s0, s0, 1
    j    1b
3:  li   a0, '\n'
    call console_put
    j    accept

console_put:                    # a0: a character
    li   t0, UART
1:  lbu  t1, UART_LSR(t0)
    andi t1, t1, LSR_READY      # ask until it can take one
    beqz t1, 1b
    sb   a0, 0(t0)
    ret

print:                          # a0: a text that ends in a zero
    li   a1, -1
    j    1f
print_name:                     # a0: a text of eight letters, or fewer and a zero
    li   a1, 8
1:  mv   t2, ra
    mv   t3, a0
2:  lbu  a0, 0(t3)
    beqz a0, 3f
    call console_put
    addi t3, t3, 1
    addi a1, a1, -1
    bnez a1, 2b
3:  jr   t2

print_hex:                      # a0: a number; all digits but the last, then that
    addi sp, sp, -16
    sd   ra, 0(sp)
    sd   s0, 8(sp)
    andi s0, a0, 15
    srli a0, a0, 4
    beqz a0, 1f
    call print_hex
1:  la   a0, digits
    add  a0, a0, s0
    lbu  a0, 0(a0)
    call console_put
    ld   ra, 0(sp)
    ld   s0, 8(sp)
    addi sp, sp, 16
    ret

# The back door: what a kernel can do that has gone over to the attacker. It gives itself a
# page table that says that a whole GiB is there and its own, and looks for the secret of the
# victim, whose data begin with a mark, page after page. The computer decides what it finds.
    .equ SWEEP, 4<<20           # bytes of physical memory that are looked at

search:                         # a0: where the process wants the eight bytes after the mark
    li   a1, 8
    call check
    csrr t0, satp
    slli t0, t0, 20
    srli t0, t0, 8              # the root of the page table
    ld   s0, 2*8(t0)            # its entry for the kernel, to be put back
    li   t1, (RAM>>2)|D|A|X|W|R|V
    sd   t1, 2*8(t0)            # with R, W and X it is a page itself: of 1 GiB
    sfence.vma
    la   t1, next_page
    csrw stvec, t1              # where nothing is, the load traps; to the next one
    ld   s1, mark
    li   t2, RAM
    li   t3, RAM+SWEEP
look:
    ld   t4, 0(t2)
    beq  t4, s1, found
    .balign 4
next_page:
    li   t4, PAGE
    add  t2, t2, t4
    bltu t2, t3, look
    j    swept
found:
    ld   t4, 8(t2)
    sd   t4, 0(a0)
swept:
    sd   s0, 2*8(t0)
    sfence.vma
    la   t1, trap_entry
    csrw stvec, t1
    j    accept

    .section .rodata
    .balign 8
call_table:
    .dword write, getpid, sleep, exit, open, create, read, change, process, kill
    .dword gethost, sethost, search
digits:
    .ascii "0123456789abcdef"
mark:
    .ascii "secret: "
colon:
    .asciz ": "
