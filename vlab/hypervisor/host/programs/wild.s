# Does what no program may, and is killed for it: which one, WRONG says.

    .ifndef WRONG
    .equ WRONG, 0               # 0: a wild store, 1: into the host's memory, 2: a privileged instruction,
    .endif                      # 3: no such call, 4: a wild pointer in a call, 5: a jump to nowhere

    .equ HOST, 0xffffffc080000000  # where every page table has the host's memory, for S mode alone

    .globl _start
_start:
    li   t0, WRONG
    li   t1, 1
    beq  t0, t1, host
    li   t1, 2
    beq  t0, t1, privileged
    li   t1, 3
    beq  t0, t1, no_call
    li   t1, 4
    beq  t0, t1, pointer
    li   t1, 5
    beq  t0, t1, jump
    sd   zero, 0(zero)
host:
    li   t2, HOST
    sd   zero, 0(t2)
privileged:
    csrw satp, zero
no_call:
    li   a7, 99
    ecall
pointer:
    li   a0, HOST
    li   a1, 8
    li   a7, WRITE
    ecall
jump:
    jr   zero
