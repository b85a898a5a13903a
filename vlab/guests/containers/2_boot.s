# The kernel with containers, 2 of 9: from power-on to the processes, and to power-off.

    .text
    .globl _start
boot:
_start:                         # M mode: give S mode what it needs, and go there
    la   t0, machine_trap
    csrw mtvec, t0
    li   t0, 0xb1ff             # every exception but those of M mode, and ecall from S,
    csrw medeleg, t0
    li   t0, 0x222              # and every interrupt of S mode go straight to S mode
    csrw mideleg, t0
    li   t0, -1
    csrw pmpaddr0, t0           # one region that covers all addresses:
    li   t0, 0x1f
    csrw pmpcfg0, t0            # S and U mode may read, write and execute there
    csrwi mcounteren, 2         # S mode may read `time`
    li   t0, 1
    slli t0, t0, 63
    csrs menvcfg, t0            # STCE: S mode has a timer of its own, stimecmp
    li   t0, 3<<11
    csrc mstatus, t0
    li   t0, 1<<11
    csrs mstatus, t0            # MPP = S: mret goes to S mode
    la   t0, kernel
    csrw mepc, t0
    mret

machine_trap:                   # no trap should come to M mode
    li   a0, FAIL
    j    power_off

kernel:                         # S mode, no page table yet, interrupts off
    la   sp, idle_stack+STACK
    la   t0, trap_entry
    csrw stvec, t0
    csrw sscratch, zero         # "we are in the kernel": see trap_entry
    li   t0, SUM                # from here on the kernel can touch every page of a process:
    csrs sstatus, t0            # it must look at each address that it is given (see `check`)
    call map_kernel
    la   s0, first_process
1:  mv   a0, s0
    call build_page_table
    call number_process
    call first_frame
    addi s0, s0, P_SIZE
    la   t0, process_table_end
    bltu s0, t0, 1b
    call set_timer
    li   t0, STIE
    csrs sie, t0                # of all interrupts, listen to the timer

idle:                           # what the kernel does when no process can run
    csrci sstatus, SIE          # no tick between this look and wfi
    la   t0, first_process
    la   t1, process_table_end
    li   t2, NEVER
1:  ld   t3, P_WAKE(t0)
    bne  t3, t2, 2f             # one that has not ended
    addi t0, t0, P_SIZE
    bltu t0, t1, 1b
    li   a0, PASS
    j    power_off
2:  wfi                         # until an interrupt is pending: it need not be on for that
    csrsi sstatus, SIE          # now it is taken, and leads to another process
    j    idle

power_off:                      # a0: PASS or FAIL
    li   t0, FINISHER
    sw   a0, 0(t0)
1:  j    1b
