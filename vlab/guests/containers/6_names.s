# The kernel with containers, 6 of 9: files, and the name of the computer.
#
# A file, once opened, is known by its place in `files`. Files of all namespaces stand in the
# same six places: the names are apart, the room is not.

    .text
find_file:                      # a0: a name; a0: its place, or -1
    ld   t1, current
    ld   t1, P_SPACE(t1)
    la   t0, files
    li   t2, 0
1:  ld   t3, I_NAME(t0)
    bne  t3, a0, 2f
    ld   t3, I_SPACE(t0)
    bne  t3, t1, 2f             # another namespace: for this caller it is not there
    mv   a0, t2
    ret
2:  addi t0, t0, I_SIZE
    addi t2, t2, 1
    li   t3, FILES
    bltu t2, t3, 1b
    li   a0, -1
    ret

name_at:                        # a0: an address in the process; a0: the eight letters there
    li   a1, 8
    mv   s0, ra
    call check
    ld   a0, 0(a0)
    beqz a0, refuse             # a free place has this name
    jr   s0

open:
    call name_at
    call find_file
    j    call_return

create:
    call name_at
    mv   s1, a0
    call find_file
    bgez a0, call_return        # it is there
    la   t0, files
    li   a0, 0
    li   t1, FILES
1:  ld   t2, I_NAME(t0)
    beqz t2, 2f
    addi t0, t0, I_SIZE
    addi a0, a0, 1
    bltu a0, t1, 1b
    j    refuse                 # full
2:  sd   s1, I_NAME(t0)
    ld   t1, current
    ld   t1, P_SPACE(t1)
    sd   t1, I_SPACE(t0)        # a file is its maker's namespace's
    j    call_return

file_at:                        # a0: a place, a1: an address; s0: the file, a0: the address
    li   t0, FILES
    bgeu a0, t0, refuse
    la   s0, files
    slli t0, a0, 5              # I_SIZE is 32
    add  s0, s0, t0
    ld   t0, I_NAME(s0)
    beqz t0, refuse
    ld   t0, I_SPACE(s0)        # a number can be guessed: the namespace is looked at here too
    ld   t1, current
    ld   t1, P_SPACE(t1)
    bne  t0, t1, refuse
    mv   a0, a1
    li   a1, TEXT
    j    check

read:
    call file_at
    ld   t0, I_TEXT(s0)
    sd   t0, 0(a0)
    ld   t0, I_TEXT+8(s0)
    sd   t0, 8(a0)
    j    accept

change:
    call file_at
    ld   t0, 0(a0)
    sd   t0, I_TEXT(s0)
    ld   t0, 8(a0)
    sd   t0, I_TEXT+8(s0)
    j    accept

host:                           # t0: where the name of the computer is, as the caller sees it
    ld   t0, current
    ld   t0, P_SPACE(t0)
    slli t0, t0, 3
    la   t1, hosts
    add  t0, t0, t1
    ret

gethost:
    li   a1, 8
    call check
    call host
    ld   t1, 0(t0)
    sd   t1, 0(a0)
    j    accept

sethost:                        # A BUG, as real kernels have them: no `check` of a0
    call host
    ld   t1, 0(a0)
    sd   t1, 0(t0)
    j    accept

    .bss
    .balign 8
files:
    .zero FILES*I_SIZE
hosts:                          # one name for each namespace
    .zero 2*8
