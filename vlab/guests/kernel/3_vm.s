# The small kernel, 3 of 7: page tables (Sv39).
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
    .equ U, 16                  # for U mode; S mode keeps out, unless SUM
    .equ A, 64                  # accessed } set here for the kernel; for processes
    .equ D, 128                 # dirty    } the hardware sets them when it happens

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
    li   t1, PAGE
    add  t1, t0, t1             # middle,
    li   t2, PAGE
    add  t2, t1, t2             # leaf: three pages in a row

    la   t3, device_table       # the root: devices,
    srli t3, t3, 2
    ori  t3, t3, V
    sd   t3, 0*8(t0)
    srli t3, t1, 2              # what is this process's own,
    ori  t3, t3, V
    sd   t3, 1*8(t0)
    la   t3, kernel_table       # and the kernel
    srli t3, t3, 2
    ori  t3, t3, V
    sd   t3, 2*8(t0)

    srli t3, t2, 2              # the way down to its two pages
    ori  t3, t3, V
    sd   t3, 0(t1)
    ld   t3, P_CODE(a0)
    srli t3, t3, 2
    ori  t3, t3, U|X|R|V
    sd   t3, 0*8(t2)
    ld   t3, P_DATA(a0)
    srli t3, t3, 2
    ori  t3, t3, U|W|R|V
    sd   t3, 1*8(t2)

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
tables_1:
    .zero 3*PAGE
tables_2:
    .zero 3*PAGE
