# A very small kernel: M mode, S mode, a page table of one page, U mode, one system call, one
# timer interrupt, power off. Some 125 steps in all: short enough to stop at each of them.

    .ifndef TICK
    .equ TICK, 60               # time that the program is given
    .endif
    .equ UART, 0x10000000
    .equ UART_LSR, 5
    .equ LSR_READY, 0x20
    .equ FINISHER, 0x100000
    .equ PASS, 0x5555
    .equ RAM, 0x80000000
    .equ USER, 0x40000000       # virtual: where the program sees RAM

    .globl _start
_start:                         # M mode
    li   t0, 1<<8               # ecall from U mode
    csrw medeleg, t0
    li   t0, 1<<5               # and the S-mode timer are S mode's affair
    csrw mideleg, t0
    li   t0, -1
    csrw pmpaddr0, t0
    li   t0, 0x1f
    csrw pmpcfg0, t0            # all memory is open to S and U mode
    csrwi mcounteren, 2         # S mode may read `time`
    li   t0, 1
    slli t0, t0, 63
    csrs menvcfg, t0            # and has stimecmp
    li   t0, 1<<11
    csrs mstatus, t0            # mret goes to S mode
    la   t0, kernel
    csrw mepc, t0
    mret

kernel:                         # S mode
    la   t0, trap
    csrw stvec, t0
    la   t0, table              # three pages of 1 GiB:
    li   t1, 0xc7
    sd   t1, 0*8(t0)            # devices, for the kernel to read and write,
    li   t1, (RAM>>2)|0x1b
    sd   t1, 1*8(t0)            # RAM at USER, for the program to read and execute,
    li   t1, (RAM>>2)|0xcf
    sd   t1, 2*8(t0)            # RAM, for the kernel
    srli t0, t0, 12
    li   t1, 8
    slli t1, t1, 60
    or   t0, t0, t1
    csrw satp, t0
    sfence.vma
    li   t0, 1<<5
    csrs sie, t0                # listen to the timer
    rdtime t0
    addi t0, t0, TICK
    csrw stimecmp, t0
    la   t0, program
    li   t1, RAM-USER
    sub  t0, t0, t1             # where the program sees itself
    csrw sepc, t0
    sret                        # sstatus.SPP is 0: to U mode

    .balign 4
trap:                           # from U mode only; the program's registers may be spoilt
    csrr t0, scause
    bltz t0, off                # the timer: that's all
    csrr t0, sepc               # ecall: go on after it
    addi t0, t0, 4
    csrw sepc, t0
    call put
    sret
off:
    li   a0, '!'
    call put
    li   a0, '\n'
    call put
    li   t0, FINISHER
    li   t1, PASS
    sw   t1, 0(t0)
halt:
    j    halt

put:                            # a0: a character
    li   t0, UART
1:  lbu  t1, UART_LSR(t0)
    andi t1, t1, LSR_READY
    beqz t1, 1b
    sb   a0, 0(t0)
    ret

program:                        # U mode: asks for one character, then counts until stopped
    li   a0, '?'
    ecall
    li   s0, 0
1:  addi s0, s0, 1
    j    1b

    .bss
    .balign 4096
table:
    .zero 4096
