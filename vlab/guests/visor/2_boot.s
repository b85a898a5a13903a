# The visor, 2 of 8: from power-on to the guest's first instruction.

    .text
    .globl _start
_start:                         # M mode
    li   t0, -1
    csrw pmpaddr0, t0           # all memory is open to U mode:
    li   t0, 0x1f
    csrw pmpcfg0, t0            # shadow tables say what the guest may touch
    li   t0, 1
    slli t0, t0, STCE
    csrs menvcfg, t0            # stimecmp makes an interrupt, here of M mode: nothing is delegated
    la   s0, vm
    csrw mscratch, s0
    la   sp, stack+STACK
    call find_memory
    csrr t0, misa
    sd   t0, V_MISA(s0)
    la   t0, exit
    csrw mtvec, t0
    li   t0, STI
    csrw mie, t0                # of all interrupts, listen to the alarm
    li   t0, MPP
    csrc mstatus, t0            # mret goes to U mode
    call drop_shadows
    j    resume

find_memory:                    # ask for the first byte of each MiB, until there is none
    la   t0, found_end
    csrw mtvec, t0
    li   t1, GUEST
    li   t2, MIB
1:  lbu  t0, 0(t1)
    add  t1, t1, t2
    j    1b

    .balign 4
found_end:                      # that was an access fault
    li   t0, GUEST
    sub  t1, t1, t0
    sd   t1, V_SIZE(s0)
    ret

    .data
    .balign 16
vm: .zero V_PC                  # as at power-on: registers zero,
    .dword ENTRY, M             # M mode,
    .dword 0, 0, 0
    .dword UXL|SXL
    .zero V_STIMECMP-V_MISA
    .dword -1                   # and no alarm
    .dword 0

    .bss
    .balign 16
stack:
    .zero STACK
