# CSRs by name and number, counters, returns, address-translation fences.
    .text
_start:
    csrr t0, mstatus
    csrw mtvec, t0
    csrs mie, t0
    csrc mip, t0
    csrrw t0, satp, t1
    csrrs t0, sstatus, zero
    csrrc x0, sie, x1
    csrrwi t0, sscratch, 31
    csrrsi t0, mstatus, 8
    csrrci t0, mstatus, 8
    csrwi mscratch, 0
    csrsi sstatus, 2
    csrci sstatus, 2
    csrw mscratch, 5
    csrs mstatus, 8
    csrc mstatus, 8
    csrrw a0, mstatus, 5
    csrrs a0, mstatus, 5
    csrrc a0, mstatus, 5
    csrr a0, 0x123
    csrw 0x7c0, a0
    .equ MYCSR, 0x800
    csrr a0, MYCSR
    csrr a0, MYCSR+1
    rdcycle a0
    rdtime a1
    rdinstret a2
    csrr a0, cycle
    csrr a0, time
    csrr a0, mhartid
    csrr a0, misa
    csrr a0, medeleg
    csrr a0, mideleg
    csrr a0, mepc
    csrr a0, mcause
    csrr a0, mtval
    csrr a0, mcounteren
    csrr a0, scounteren
    csrr a0, sepc
    csrr a0, scause
    csrr a0, stval
    csrr a0, sip
    csrr a0, stvec
    csrr a0, pmpcfg0
    csrr a0, pmpaddr15
    csrr a0, menvcfg
    csrr a0, senvcfg
    csrr a0, mvendorid
    csrr a0, marchid
    csrr a0, mimpid
    csrr a0, mconfigptr
    csrr a0, mcountinhibit
    csrr a0, mhpmcounter3
    csrr a0, mhpmevent31
    csrr a0, hpmcounter31
    csrw stimecmp, a0
    mret
    sret
    wfi
    ecall
    ebreak
    scall
    sbreak
    unimp
    sfence.vma
    sfence.vma a0
    sfence.vma a0, a1
    sfence.vma zero, a1
    fence.i
