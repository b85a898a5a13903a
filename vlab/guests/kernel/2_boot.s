# The small kernel, 2 of 7: from power-on to two processes.

    .text
    .globl _start
boot:
    .ifdef PARAVIRTUAL
_start:                         # there is no M mode: the hypervisor starts the kernel itself
    .else
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

    .endif
kernel:                         # S mode, no page table yet, interrupts off
    la   sp, idle_stack+STACK
    la   t0, trap_entry
    .ifdef PARAVIRTUAL
    set_traps t0
    .else
    csrw stvec, t0
    csrw sscratch, zero         # "we are in the kernel": see trap_entry
    .endif
    call map_kernel
    la   a0, process_1
    call build_page_table
    call first_frame
    la   a0, process_2
    call build_page_table
    call first_frame
    la   a0, hello_text
    call print
    call set_timer
    .ifndef PARAVIRTUAL
    li   t0, STIE
    csrs sie, t0                # of all interrupts, listen to the timer
    .endif

idle:                           # what the kernel does when no process can run
    call interrupts_off
    ld   t0, alive
    beqz t0, shutdown
    .ifdef PARAVIRTUAL
    wait_for_event
    .else
    wfi                         # until an interrupt is pending: it need not be on for that
    .endif
    call interrupts_on          # now it is taken, and leads to another process
    j    idle

shutdown:                       # the last words, and off
    la   a0, goodbye_text
    call print
    ld   a0, ticks
    call print_decimal
    la   a0, ticks_text
    call print
    ld   a0, switches
    call print_decimal
    la   a0, switches_text
    call print
    ld   a0, system_calls
    call print_decimal
    la   a0, system_calls_text
    call print
    li   a0, PASS

power_off:                      # a0: PASS or FAIL
    .ifdef PARAVIRTUAL
    switch_off
    .else
    li   t0, FINISHER
    sw   a0, 0(t0)
    .endif
1:  j    1b

    .section .rodata
hello_text:
    .asciz "kernel: two processes, a page table each\n"
goodbye_text:
    .asciz "kernel: both have exited after "
ticks_text:
    .asciz " ticks, "
switches_text:
    .asciz " switches, "
system_calls_text:
    .asciz " system calls\n"
