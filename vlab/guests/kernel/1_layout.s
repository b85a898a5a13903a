# The small kernel, 1 of 7: where everything is, and the numbers that can be changed.
#
#   0x0010_0000   test finisher: a word stored here ends the run
#   0x1000_0000   UART (16550): the console
#   0x4000_0000   USER_CODE: virtual. A page of program, another page in each process
#   0x4000_1000   USER_DATA: virtual. A page of data, another page in each process
#   0x8000_0000   RAM: kernel code, the two programs, constants, data, page tables, stacks
#
# Kernel addresses are virtual and physical at once: each page table maps them to themselves.

    .ifndef TICK
    .equ TICK, 1500             # time from one timer interrupt to the next; 200 or more
    .endif
    .ifndef WORK
    .equ WORK, 1000             # rounds that process A thinks before each letter
    .endif
    .ifndef LETTERS
    .equ LETTERS, 6             # letters that process A prints, 26 at most
    .endif
    .ifndef PRIMES
    .equ PRIMES, 600            # process B counts primes below this: hundreds, 900 at most
    .endif

    .equ FINISHER, 0x100000
    .equ PASS, 0x5555           # power off: all went well
    .equ FAIL, 0x13333          # power off: it did not (status 1)
    .equ UART, 0x10000000       # a byte stored here is printed
    .equ UART_LSR, 5            # its line status register;
    .equ LSR_READY, 0x20        # this bit says that it can take a byte
    .equ RAM, 0x80000000
    .equ USER_CODE, 0x40000000
    .equ USER_DATA, 0x40001000
    .equ PAGE, 4096
    .equ STACK, 1024            # of the kernel, one for each process

# The record of a process, in bytes from its start.
    .equ P_FRAME, 0             # where its registers are saved, on its own kernel stack
    .equ P_SATP, 8              # its page table, as satp wants it
    .equ P_WAKE, 16             # it may run when `ticks` has come to this
    .equ P_PID, 24
    .equ P_TABLES, 32           # three pages for its page table
    .equ P_CODE, 40             # its page of program, in physical memory
    .equ P_DATA, 48             # its page of data, in physical memory
    .equ P_SIZE, 56
    .equ PROCESSES, 2

# A trap frame: register xN at 8*N, and two CSRs.
    .equ F_SEPC, 0              # in the place of x0, which needs none
    .equ F_SP, 8*2
    .equ F_A0, 8*10
    .equ F_SSTATUS, 8*32
    .equ F_SIZE, 272            # a multiple of 16, as stacks want

    .equ SIE, 1<<1              # sstatus: interrupts are on in S mode
    .equ SPIE, 1<<5             # sstatus: they will be on after sret
    .equ SPP, 1<<8              # sstatus: the trap came from S mode
    .equ SUM, 1<<18             # sstatus: the kernel may touch pages of its processes
    .equ STIE, 1<<5             # sie: listen to the S-mode timer

# System calls: the number in a7, arguments in a0 and a1, the result in a0.
    .equ WRITE, 0               # print a1 bytes from address a0
    .equ GETPID, 1              # who am I?
    .equ YIELD, 2               # let another run
    .equ SLEEP, 3               # come back after a0 ticks
    .equ EXIT, 4                # never come back
    .equ CALLS, 5
