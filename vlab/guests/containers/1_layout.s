# The kernel with containers, 1 of 9: the numbers, and what a namespace is.
#
# Two processes, a victim and an attacker, each under a page table of its own. The victim has a
# secret in its memory, a file, a name for the computer it believes it is alone on. The attacker
# wants one of them, and asks this kernel for it by ordinary system calls.
#
# A container is not a thing in here. There is one number in the record of each process, its
# namespace, and wherever the kernel looks something up by name (a file, a process, the name
# of the computer), it passes over what belongs to another number. NAMESPACES says which number
# the attacker has: 0, the victim's, or 1. Nothing else differs.
#
#   0x0010_0000   test finisher: a word stored here ends the run
#   0x1000_0000   UART (16550): the console
#   0x4000_0000   USER_CODE: virtual. A page of program, another page in each process
#   0x4000_1000   USER_DATA: virtual. A page of data, another page in each process
#   0x8000_0000   RAM: kernel code, the two programs, constants, data, page tables, stacks
#
# Kernel addresses are virtual and physical at once: each page table maps them to themselves.

    .ifndef NAMESPACES
    .equ NAMESPACES, 0          # 1: the attacker is in another container than the victim
    .endif
    .ifndef VICTIM
    .equ VICTIM, 1              # 0: it is not on this computer, nor is its secret
    .endif
    .ifndef ATTACKER
    .equ ATTACKER, 1            # 0: it is not on this computer
    .endif
    .ifndef ATTACK
    .equ ATTACK, 0              # what the attacker tries: see `attacks`; 0: nothing
    .endif
    .ifndef TICK
    .equ TICK, 3000             # time from one timer interrupt to the next
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
    .equ P_WAKE, 16             # it may run when `ticks` has come to this; NEVER: it has ended
    .equ P_PID, 24              # its number, counted in its namespace
    .equ P_SPACE, 32            # its namespace
    .equ P_NAME, 40             # eight letters
    .equ P_TABLES, 48           # three pages for its page table
    .equ P_PROGRAM, 56          # its two pages, in physical memory: program, then data
    .equ P_SIZE, 64
    .equ PROCESSES, 2
    .equ NEVER, -1              # the largest number: `ticks` never comes to it

# A file: all are of one size.
    .equ I_NAME, 0              # eight letters; zeros: this place is free
    .equ I_SPACE, 8             # its namespace
    .equ I_TEXT, 16             # sixteen bytes
    .equ I_SIZE, 32
    .equ FILES, 6               # as many as the computer can hold
    .equ TEXT, 16

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

# System calls: the number in a7, arguments in a0 and a1, the result in a0; -1 is a refusal.
    .equ WRITE, 0               # print a line: a1 bytes from address a0
    .equ GETPID, 1              # who am I?
    .equ SLEEP, 2               # come back after a0 ticks
    .equ EXIT, 3                # never come back
    .equ OPEN, 4                # the number of the file whose name is at a0
    .equ CREATE, 5              # the same, and if there is none, a new one
    .equ READ, 6                # file a0, to address a1
    .equ CHANGE, 7              # file a0, from address a1
    .equ PROCESS, 8             # the name of process a0, to address a1
    .equ KILL, 9                # end process a0
    .equ GETHOST, 10            # the computer's name, to address a0
    .equ SETHOST, 11            # the computer's name, from address a0
    .equ SEARCH, 12             # the back door: see chapter 7
    .equ CALLS, 13

    .macro ask call             # a system call
    li   a7, \call
    ecall
    .endm
