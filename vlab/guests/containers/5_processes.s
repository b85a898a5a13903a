# The kernel with containers, 5 of 9: processes take turns, see each other, and end each other.

    .text
number_process:                 # a0: a new process; numbers are counted in each namespace
    li   t0, 1
    la   t1, first_process
    ld   t2, P_SPACE(a0)
1:  beq  t1, a0, 3f
    ld   t3, P_SPACE(t1)
    bne  t3, t2, 2f
    ld   t3, P_WAKE(t1)
    bltz t3, 2f                 # it is not on this computer
    addi t0, t0, 1
2:  addi t1, t1, P_SIZE
    j    1b
3:  sd   t0, P_PID(a0)
    ret

first_frame:                    # a0: a new process; as if a trap had stopped it at its start
    ld   t0, P_FRAME(a0)
    li   t1, USER_CODE
    sd   t1, F_SEPC(t0)
    csrr t1, sstatus
    ori  t1, t1, SPIE           # interrupts on, once it runs
    andi t1, t1, ~SPP           # in U mode
    sd   t1, F_SSTATUS(t0)
    ret

timer_tick:
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
    la   t0, first_process      # after the last, the first again
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
    csrw satp, t1               # another page table: the kernel stays where it is,
    sfence.vma                  # but what the TLB knows of user pages is no longer true
    j    trap_return

set_timer:
    rdtime t0
    li   t1, TICK
    add  t0, t0, t1
    csrw stimecmp, t0           # pending from when `time` reaches this
    ret

sleep:                          # a0: ticks
    li   t1, 1000
    bgtu a0, t1, refuse
    ld   t1, ticks
    add  t1, t1, a0
    ld   t0, current
    sd   t1, P_WAKE(t0)
    j    schedule

getpid:
    ld   t0, current
    ld   a0, P_PID(t0)
    j    call_return

find_process:                   # a0: a number; t0: the process that the caller sees under it
    ld   t1, current
    ld   t1, P_SPACE(t1)
    la   t0, first_process
1:  ld   t2, P_SPACE(t0)
    bne  t2, t1, 2f             # another namespace: for this caller it is not there
    ld   t2, P_PID(t0)
    bne  t2, a0, 2f
    ld   t2, P_WAKE(t0)
    bltz t2, 2f                 # it has ended
    ret
2:  addi t0, t0, P_SIZE
    la   t2, process_table_end
    bltu t0, t2, 1b
    j    refuse

process:                        # a0: a number, a1: where its name is wanted
    call find_process
    ld   s0, P_NAME(t0)
    mv   a0, a1
    li   a1, 8
    call check
    sd   s0, 0(a0)
    j    accept

kill:                           # a0: a number. Whom one sees, one may end
    call find_process
    li   t1, NEVER
    sd   t1, P_WAKE(t0)
    ld   t1, current
    beq  t0, t1, schedule
    j    accept

    .data
    .balign 8
ticks:
    .dword 0
current:                        # the process that runs
    .dword process_idle
process_idle:                   # no page table (satp 0): the kernel needs none
    .zero P_SIZE
first_process:                  # P_FRAME, P_SATP, P_WAKE, P_PID, P_SPACE
    .dword victim_stack+STACK-F_SIZE, 0, VICTIM-1, 0, 0
    .ascii "victim\0\0"
    .dword victim_tables, victim
    .dword attacker_stack+STACK-F_SIZE, 0, ATTACKER-1, 0, NAMESPACES
    .ascii "attacker"
    .dword attacker_tables, attacker
process_table_end:

    .bss
    .balign 16
idle_stack:
    .zero STACK
victim_stack:
    .zero STACK
attacker_stack:
    .zero STACK
