# What can't be said in C: the first instructions, both ways between modes, and the change of stacks.

.macro each_saved operation, base
    \operation ra, 0(\base)
    \operation sp, 8(\base)
    .set at, 16
    .irp register, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
    \operation \register, at(\base)
    .set at, at + 8
    .endr
.endm

    .section .text.start, "ax"
    .globl _start
_start:                             # M mode
    la   sp, boot_stack + 4096
    csrr tp, mhartid
    call start
1:  j    1b

# change(old, new): keep what a function keeps, and go on with another's

    .text
    .globl change
change:
    each_saved sd, a0
    each_saved ld, a1
    ret

# Traps in S mode: whatever C may spoil is kept on the stack.

    .globl kernel_trap_entry
    .balign 4
kernel_trap_entry:
    addi sp, sp, -144
    .set at, 0
    .irp register, ra, gp, t0, t1, t2, a0, a1, a2, a3, a4, a5, a6, a7, t3, t4, t5, t6
    sd   \register, at(sp)
    .set at, at + 8
    .endr
    call kernel_trap
    .set at, 0
    .irp register, ra, gp, t0, t1, t2, a0, a1, a2, a3, a4, a5, a6, a7, t3, t4, t5, t6
    ld   \register, at(sp)
    .set at, at + 8
    .endr
    addi sp, sp, 144
    sret

#ifdef OLD
# The timer's interrupt is M mode's. It sets the next one, and passes this one on as a software interrupt.
# mscratch leads to: room for three registers, where the alarm is, and how far the next one.

    .globl machine_timer
    .balign 4
machine_timer:
    csrrw a0, mscratch, a0
    sd   a1, 0(a0)
    sd   a2, 8(a0)
    sd   a3, 16(a0)
    ld   a1, 24(a0)
    ld   a2, 32(a0)
    ld   a3, 0(a1)
    add  a3, a3, a2
    sd   a3, 0(a1)
    csrwi sip, 2
    ld   a3, 16(a0)
    ld   a2, 8(a0)
    ld   a1, 0(a0)
    csrrw a0, mscratch, a0
    mret
#endif

# The trampoline: it is at the same address in each address space, so the next instruction is still there.

    .section .trampoline, "ax"
    .globl user_trap_entry, to_user
    .balign 4096
user_trap_entry:
    csrw sscratch, a0
    li   a0, -2 * 4096
    slli a0, a0, 26                 # FRAME: below the last page of 38 bits
    srli a0, a0, 26
    .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    sd   x\n, 8*\n(a0)
    .endr
    csrr t0, sscratch
    sd   t0, 80(a0)
    ld   t1, 256(a0)
    ld   sp, 264(a0)
    ld   t0, 272(a0)
    sfence.vma
    csrw satp, t1
    sfence.vma
    jr   t0

to_user:                            # (satp)
    sfence.vma
    csrw satp, a0
    sfence.vma
    li   a0, -2 * 4096
    slli a0, a0, 26
    srli a0, a0, 26
    .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    ld   x\n, 8*\n(a0)
    .endr
    ld   a0, 80(a0)
    sret

    .bss
    .balign 16
boot_stack:
    .skip 4096
