# The visor, 1 of 8: a small hypervisor, and where it keeps everything.
#
# It gives one guest a virtual computer with M, S and U modes, by trap and emulate: all of the guest
# runs in real U mode under shadow page tables, and whatever only a computer may decide traps to here.
#
# The visor itself stays in M mode, where no page table counts. So it needs no place in the guest's
# address space, and it reads guest memory by its real address. It uses nothing that it doesn't give
# its guest too. So it can be its own guest.
#
#   real          guest-physical
#   0x0010_0000   0x0010_0000   test finisher: passed on
#   0x1000_0000   0x1000_0000   UART: passed on
#   0x8000_0000                 the visor's code and data
#   0x8004_0000                 POOL: frames for shadow tables
#   0x8010_0000   0x8000_0000   GUEST: the guest's memory, as much as there is behind
#
# The virtual computer has less than the real one: no CLINT, no PLIC, no PMP (its registers read as
# zero), no cycle and instret counters; TVM, TW, TSR and MPRV of mstatus stay zero.

    .ifndef ENTRY
    .equ ENTRY, 0x80000000      # where the guest begins, as it sees itself
    .endif
    .equ PAGE, 4096
    .equ FINISHER, 0x100000
    .equ UART, 0x10000000
    .equ UART_SIZE, 8
    .equ RAM, 0x80000000
    .equ MIB, 1<<20
    .equ GUEST, RAM+MIB
    .equ POOL, RAM+0x40000
    .equ POOL_END, POOL+64*PAGE
    .equ STACK, 512

# The virtual computer: one record, which s0 points to. Register xN is at 8*N; x0 stays zero.
    .equ V_SP, 8*2
    .equ V_PC, 256
    .equ V_MODE, 264            # virtual mode: 0 is U, 1 is S, 3 is M
    .equ V_TIME, 272            # its own time: instructions that it attempted, and what wfi skipped
    .equ V_ENTERED, 280         # the real time when it was last entered
    .equ V_SIZE, 288            # bytes of its memory
    .equ V_MSTATUS, 296
    .equ V_MISA, 304
    .equ V_MEDELEG, 312
    .equ V_MIDELEG, 320
    .equ V_MIE, 328
    .equ V_MTVEC, 336
    .equ V_MCOUNTEREN, 344
    .equ V_MENVCFG, 352
    .equ V_MSCRATCH, 360
    .equ V_MEPC, 368
    .equ V_MCAUSE, 376
    .equ V_MTVAL, 384
    .equ V_MIP, 392             # what software set; the alarm is added when it is read
    .equ V_STVEC, 400
    .equ V_SCOUNTEREN, 408
    .equ V_SENVCFG, 416
    .equ V_SSCRATCH, 424
    .equ V_SEPC, 432
    .equ V_SCAUSE, 440
    .equ V_STVAL, 448
    .equ V_STIMECMP, 456
    .equ V_SATP, 464
    .equ V_BYTES, 472

    .equ M, 3
    .equ S, 1
    .equ SIE, 1<<1              # mstatus
    .equ MIE, 1<<3
    .equ SPIE, 1<<5
    .equ MPIE, 1<<7
    .equ SPP, 1<<8
    .equ MPP, 3<<11
    .equ SUM, 1<<18
    .equ MXR, 1<<19
    .equ UXL, 2<<32             # 64 bits in U mode, and in S mode:
    .equ SXL, 2<<34             # both always so
    .equ SSI, 1<<1              # mip, mie, mideleg: one bit an interrupt
    .equ STI, 1<<5
    .equ SEI, 1<<9
    .equ TM, 1<<1               # mcounteren: `time` may be read
    .equ STCE, 63               # menvcfg: the number of the bit that gives S mode stimecmp

# Exceptions.
    .equ ILLEGAL, 2
    .equ ECALL, 8               # from U; from S it is 9, from M 11: add the mode
    .equ FETCH_FAULT, 12
    .equ LOAD_FAULT, 13
    .equ STORE_FAULT, 15

    .macro denied to, from      # the access fault for a page fault: 13 gives 5, 15 gives 7, 12 gives 1
    addi \to, \from, -8
    andi t0, \to, 1
    bnez t0, 9f
    li   \to, 1
9:
    .endm
