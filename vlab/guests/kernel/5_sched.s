# The small kernel, 5 of 7: processes take turns.
#
# From timer_tick to context_switch, this is the end of a trap, with interrupts off; then trap_return.

    .text
first_frame:                    # a0: a new process; as if a trap had stopped it at its start
    ld   t0, P_FRAME(a0)
    li   t1, USER_CODE
    sd   t1, F_SEPC(t0)
    li   t1, USER_DATA+PAGE     # its stack: the end of its page of data, downwards
    sd   t1, F_SP(t0)
    .ifdef PARAVIRTUAL
    li   t1, SPIE               # events unmasked, once it runs; not as the kernel
    .else
    csrr t1, sstatus
    ori  t1, t1, SPIE           # interrupts on, once it runs
    andi t1, t1, ~SPP           # in U mode
    .endif
    sd   t1, F_SSTATUS(t0)
    ret

timer_tick:
    .ifdef PARAVIRTUAL
    take_events t1              # it is the alarm's: we have no channels
    .endif
    ld   t1, ticks
    addi t1, t1, 1
    sd   t1, ticks, t0
    call set_timer              # the next one; with this the present one is no longer pending

schedule:                       # the next process in turn whose time to wake has come
    ld   t0, current
    ld   t1, ticks
    li   t2, PROCESSES
1:  addi t0, t0, P_SIZE
    la   t3, process_table_end
    bltu t0, t3, 2f
    la   t0, process_1          # after the last, the first again
2:  ld   t3, P_WAKE(t0)
    bleu t3, t1, context_switch
    addi t2, t2, -1
    bnez t2, 1b
    la   t0, process_idle       # none: the kernel waits

context_switch:                 # t0: the process to run from here on
    la   t1, current
    ld   t2, 0(t1)
    beq  t0, t2, trap_return    # the same as before
    sd   t0, 0(t1)
    sd   sp, P_FRAME(t2)        # the old one will go on from its frame,
    ld   sp, P_FRAME(t0)        # the new one from its own
    ld   t1, P_SATP(t0)
    .ifdef PARAVIRTUAL
    switch_table t1
    .else
    csrw satp, t1               # another page table: the kernel stays where it is,
    sfence.vma                  # but what the TLB knows of user pages is no longer true
    .endif
    ld   t1, switches
    addi t1, t1, 1
    sd   t1, switches, t0
    j    trap_return

set_timer:
    .ifdef PARAVIRTUAL
    li   t1, TICK
    set_alarm t1
    .else
    rdtime t0
    li   t1, TICK
    add  t0, t0, t1
    csrw stimecmp, t0           # pending from when `time` reaches this
    .endif
    ret

    .data
    .balign 8
ticks:
    .dword 0
switches:
    .dword 0
system_calls:
    .dword 0
alive:                          # processes that have not exited
    .dword PROCESSES
current:                        # the process that runs
    .dword process_idle
process_table:                  # P_FRAME, P_SATP, P_WAKE, P_PID, P_TABLES, P_CODE, P_DATA
process_idle:                   # no page table (satp 0): the kernel needs none
    .dword 0, 0, 0, 0, 0, 0, 0
process_1:
    .dword stack_1+STACK-F_SIZE, 0, 0, 1, tables_1, process_a, data_a
process_2:
    .dword stack_2+STACK-F_SIZE, 0, 0, 2, tables_2, process_b, data_b
process_table_end:

    .bss
    .balign 16
idle_stack:
    .zero STACK
stack_1:
    .zero STACK
stack_2:
    .zero STACK
