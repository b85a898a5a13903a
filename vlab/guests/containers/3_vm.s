# The kernel with containers, 3 of 9: page tables (Sv39).
#
#   root[0] -> device_table     0x0000_0000  2 MiB: test finisher    } the same table
#                               0x1000_0000  2 MiB: UART             } in every process
#   root[1] -> middle -> leaf   0x4000_0000  4 KiB: its own code
#                               0x4000_1000  4 KiB: its own data
#   root[2] -> kernel_table     0x8000_0000  2 MiB: RAM              } in every process
#
# An entry is the physical address shifted right by 2, and these bits:
    .equ V, 1                   # valid; with no R, W or X: points to the next table
    .equ R, 2
    .equ W, 4
    .equ X, 8
    .equ U, 16                  # for U mode: without it, no process comes to a page
    .equ A, 64                  # accessed } set here for the kernel; for processes
    .equ D, 128                 # dirty    } the hardware sets them when it happens

    .macro entry where, to, bits    # of a page table: leads to the address in register `to`
    srli t6, \to, 2
    ori  t6, t6, \bits
    sd   t6, \where
    .endm

    .text
map_kernel:                     # fills the two tables that all processes share
    la   t0, device_table
    li   t1, D|A|W|R|V
    sd   t1, 0(t0)
    li   t1, (UART>>2)|D|A|W|R|V
    sd   t1, (UART>>21)*8(t0)
    la   t0, kernel_table
    li   t1, (RAM>>2)|D|A|X|W|R|V
    sd   t1, 0(t0)
    ret

build_page_table:               # a0: a process; sets its satp
    ld   t0, P_TABLES(a0)       # root,
    li   t3, PAGE
    add  t1, t0, t3             # middle,
    add  t2, t1, t3             # leaf: three pages in a row
    la   t4, device_table
    la   t5, kernel_table
    entry 0*8(t0), t4, V
    entry 1*8(t0), t1, V        # what is this process's own
    entry 2*8(t0), t5, V
    entry 0*8(t1), t2, V
    ld   t4, P_PROGRAM(a0)
    add  t5, t4, t3
    entry 0*8(t2), t4, U|X|R|V
    entry 1*8(t2), t5, U|W|R|V
    srli t0, t0, 12             # satp: the root's page number,
    li   t3, 8
    slli t3, t3, 60             # and mode 8, Sv39
    or   t0, t0, t3
    sd   t0, P_SATP(a0)
    ret

    .bss
    .balign PAGE
device_table:
    .zero PAGE
kernel_table:
    .zero PAGE
victim_tables:
    .zero 3*PAGE
attacker_tables:
    .zero 3*PAGE
