# A hypervisor in HS mode with one guest, which has a kernel in VS mode and a user in VU mode.
#
# The guest's own traps go to its kernel (hedeleg, hideleg). To the hypervisor come its calls, its page faults in the
# second stage (a page of memory that is given on demand, a device that is emulated by htinst), and virtual instructions.
# What each did is written to the console, a letter each.

.equ UART, 0x10000000
.equ FINISHER, 0x100000
.equ GUEST, 0x80200000              # the guest's memory: one page of 2 MiB, at guest-physical 0
.equ DEVICE, 0xC0000000             # guest-physical; nothing is there
.equ LAZY, 0x40000000               # guest-physical; a page comes when it is used
.equ LEAF, 0xDF                     # D A U X W R V
.equ VS_LEAF, 0xCF                  # the same without U

_start:
    la t0, machine_trap
    csrw mtvec, t0
    li t0, -1
    csrw pmpaddr0, t0
    li t0, 0x1F
    csrw pmpcfg0, t0
    li t0, -1
    csrw medeleg, t0
    csrw mideleg, t0
    csrw mcounteren, t0
    li t0, 1 << 63
    csrw menvcfg, t0
    li t0, 1 << 11                  # MPP = S, MPV = 0: HS mode
    csrw mstatus, t0
    la t0, visor
    csrw mepc, t0
    mret

machine_trap:                       # nothing should come here
    li a0, 'M'
    j die

# HS mode

visor:
    la t0, visor_trap
    csrw stvec, t0
    la t0, frame
    csrw sscratch, t0

    # The second stage: guest-physical 0 to 2 MiB.
    la t0, host_root
    la t1, host_middle
    srli t2, t1, 2
    ori t2, t2, 1
    sd t2, 0(t0)
    li t2, GUEST >> 2 | LEAF
    sd t2, 0(t1)
    srli t0, t0, 12
    li t1, 8 << 60
    or t0, t0, t1
    csrw hgatp, t0
    hfence.gvma

    # The guest's image, copied to where it is to be.
    la t0, image
    la t1, image_end
    li t2, GUEST
copy:
    ld t3, 0(t0)
    sd t3, 0(t2)
    addi t0, t0, 8
    addi t2, t2, 8
    bltu t0, t1, copy

    li t0, 1 << 8 | 1 << 12         # calls of VU mode, and page faults of fetches, are the guest's own
    csrw hedeleg, t0
    li t0, 1 << 6 | 1 << 2
    csrw hideleg, t0
    li t0, 7
    csrw hcounteren, t0
    li t0, 1 << 63
    csrw henvcfg, t0
    csrr t0, time
    neg t0, t0
    csrw htimedelta, t0             # the guest's time begins at 0
    li t0, 1 << 7                   # SPV
    csrs hstatus, t0
    li t0, 1 << 8                   # SPP: VS mode
    csrs sstatus, t0
    csrw sepc, zero
    sret

visor_trap:
    csrrw sp, sscratch, sp
    sd t0, 0(sp)
    sd t1, 8(sp)
    sd t2, 16(sp)
    sd t3, 24(sp)
    csrr t0, scause
    li t1, 10
    beq t0, t1, call
    li t1, 21
    beq t0, t1, lazy
    li t1, 23
    beq t0, t1, device
    li t1, 22
    beq t0, t1, virtual
    li a0, '!'
    j die

call:                               # an environment call of VS mode: a0 is a letter, 0 is the end
    beqz a0, finish
    li t0, UART
    sb a0, 0(t0)
    j skip

lazy:                               # a load from where there is no page yet: give one, and let it try again
    csrr t0, htval
    slli t0, t0, 2
    li t1, LAZY
    bne t0, t1, bad
    la t0, host_root
    la t1, lazy_middle
    srli t2, t1, 2
    ori t2, t2, 1
    sd t2, 8(t0)
    la t0, lazy_low
    srli t2, t0, 2
    ori t2, t2, 1
    sd t2, 0(t1)
    la t1, page
    srli t2, t1, 2
    ori t2, t2, LEAF
    sd t2, 0(t0)
    li t0, 'z'
    j back_with_letter

device:                             # a store to the device: htinst says of how much, and of which register
    csrr t0, htval
    slli t0, t0, 2
    li t1, DEVICE + 4
    bne t0, t1, bad
    csrr t0, htinst                 # sw a2, 0(x0), but for a distance of 0
    li t1, 0x00C02023
    bne t0, t1, bad
    li t0, UART
    sb a2, 0(t0)
    j skip

virtual:                            # hstatus, from VS mode; the word is in stval, and by hlvx at the guest's sepc
    csrr t0, sepc
    hlvx.wu t1, (t0)
    csrr t2, stval
    bne t1, t2, bad
    li t0, UART
    li t1, 'v'
    sb t1, 0(t0)
    j skip

bad:
    li a0, '?'
    j die

skip:
    csrr t0, sepc
    addi t0, t0, 4
    csrw sepc, t0
    j back
back_with_letter:
    li t1, UART
    sb t0, 0(t1)
back:
    ld t0, 0(sp)
    ld t1, 8(sp)
    ld t2, 16(sp)
    ld t3, 24(sp)
    csrrw sp, sscratch, sp
    sret

finish:                             # look into the guest's memory by its own addresses: its user has left a number
    li t0, 1 << 8                   # SPVP: as VS mode
    csrs hstatus, t0
    li t0, 1 << 18                  # SUM
    csrs vsstatus, t0
    li t0, 0x1ff8
    hlv.d t1, (t0)
    li t2, 42
    bne t1, t2, bad
    li t2, 43
    hsv.d t2, (t0)
    hlv.d t1, (t0)
    bne t1, t2, bad
    li t0, FINISHER
    li t1, 0x5555
    sw t1, 0(t0)
die:
    li t0, UART
    sb a0, 0(t0)
    csrr a1, scause
    csrr a2, htval
    csrr a3, htinst
    csrr a4, sepc
    csrr a5, stval
    j .

# The guest, position-independent, at guest-physical 0. Its own table: pages of 1 GiB for VS mode, with all of its memory
# at 0x80000000, the lazy page and the device where they are; and two pages for VU mode from 0 on.

.equ HIGH, 0x80000000
.equ ROOT, 0x10000

.balign 8
image:
    auipc s0, 0                     # where it stands: 0
    li t0, ROOT
    li t1, ROOT + 0x1000
    li t2, ROOT + 0x2000
    srli t3, t1, 2
    ori t3, t3, 1
    sd t3, 0(t0)
    srli t3, t2, 2
    ori t3, t3, 1
    sd t3, 0(t1)
    li t3, LEAF
    sd t3, 0(t2)
    li t3, 0x1000 >> 2 | LEAF
    sd t3, 8(t2)
    li t3, LAZY >> 2 | VS_LEAF
    sd t3, 8(t0)
    li t3, VS_LEAF
    sd t3, 16(t0)
    li t3, DEVICE >> 2 | VS_LEAF
    sd t3, 24(t0)
    li s1, HIGH
    add s1, s1, s0
    addi t0, s1, high - image
    csrw stvec, t0
    li t0, 8 << 60 | ROOT >> 12
    csrw satp, t0                   # the next fetch faults, for page 0 is VU mode's: the trap leads up
.balign 4
high:
    addi t0, s1, guest_trap - image
    csrw stvec, t0
    li t0, LAZY
    ld t1, 0(t0)
    li t0, DEVICE + 4
    li a2, 'd'
    sw a2, 0(t0)
    csrr t0, hstatus
    csrr t0, time
    addi t0, t0, 200
    csrw stimecmp, t0
    li t0, 1 << 5
    csrw sie, t0
    wfi
    csrsi sstatus, 2                # now the timer's interrupt is taken
    li t0, 1 << 8
    csrc sstatus, t0
    addi t0, s0, user - image
    csrw sepc, t0
    sret

.balign 4
guest_trap:
    csrr t0, scause
    bltz t0, timer
    li t1, 8
    bne t0, t1, wrong
    li a0, 'u'
    ecall
    li a0, 0
    ecall
timer:
    slli t0, t0, 1
    li t1, 5 << 1
    bne t0, t1, wrong
    csrw sie, zero
    li a0, 't'
    ecall
    sret
wrong:
    li a0, 'w'
    ecall
    li a0, 0
    ecall

user:
    li t0, 0x1ff8
    li t1, 42
    sd t1, 0(t0)
    ecall

.balign 8
image_end:

.balign 16384
host_root:
    .zero 16384
host_middle:
    .zero 4096
lazy_middle:
    .zero 4096
lazy_low:
    .zero 4096
page:
    .zero 4096
frame:
    .zero 64
