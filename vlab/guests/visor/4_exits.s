# The visor, 4 of 8: why did the guest stop? This goes on where the world switch ends.
#
# Each way leads back to `resume`, or to `trap` (a0: cause, a1: value): then it is the guest's affair.

    .macro count reason
    la   t0, count_\reason
    ld   t1, 0(t0)
    addi t1, t1, 1
    sd   t1, 0(t0)
    .endm

    csrr s1, mcause
    csrr s2, mtval
    bltz s1, timer
    addi t0, s1, -ILLEGAL
    beqz t0, illegal
    addi t0, s1, -ECALL
    beqz t0, ecall_from_guest
    addi t0, s1, -FETCH_FAULT
    beqz t0, missing
    addi t0, s1, -LOAD_FAULT
    beqz t0, missing
    addi t0, s1, -STORE_FAULT
    beqz t0, missing
    count other                 # a breakpoint, or a misaligned atomic: the guest's own affair
    mv   a0, s1
    mv   a1, s2
    j    trap

timer:                          # `resume` sees that the guest's alarm rings
    count timer
    j    resume

ecall_from_guest:               # its real mode is always U; its virtual one says whom it calls
    ld   t2, V_MODE(s0)
    addi a0, t2, ECALL
    li   a1, 0
    bnez t2, 1f
    count system_call
    j    trap
1:  count ecall
    j    trap

# How often, by reason: a number and its name, 32 bytes each.
    .macro reason label, name
count_\label:
    .dword 0
    .ascii "\name"
    .balign 32
    .endm

    .data
    .balign 32
exits:
    reason privileged, "privileged instruction"
    reason illegal, "illegal instruction"
    reason system_call, "system call"
    reason ecall, "ecall"
    reason fill, "shadow fill"
    reason guest_fault, "guest fault"
    reason device, "device access"
    reason timer, "timer"
    reason other, "other exception"
exits_end:
