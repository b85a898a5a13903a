# CMS, 1 of 6: where everything is, and how it starts.
#
# A system for one user and one program at a time, as CMS was under VM/370: a prompt, files on a
# minidisk, a card punch and a card reader. It has no other modes, no page tables and no protection:
# it runs in M mode, and so does the program that its user runs. Whoever shares the computer has
# another computer.
#
#   0x0010_0000   test finisher: a word stored here switches the computer off
#   0x0c00_0000   PLIC: which device interrupts
#   0x1000_0000   UART: the user's terminal; source 10 of the PLIC
#   0x1000_1000   the minidisk, a virtio block device
#   0x1000_2000   the card punch and reader
#   0x8000_0000   RAM: code, texts, buffers, stack; from PROGRAM on, the user's program

    .equ FINISHER, 0x100000
    .equ PASS, 0x5555
    .equ PLIC_PRIORITY, 0x0c000000
    .equ PLIC_ENABLE, 0x0c002000    # of context 0: M mode of this hart
    .equ PLIC_CLAIM, 0x0c200004
    .equ UART, 0x10000000
    .equ UART_IER, 1
    .equ UART_LSR, 5
    .equ RECEIVED, 1                # IER: interrupt when a key was pressed; LSR: there is one
    .equ TERMINAL, 10               # the source of the terminal
    .equ DISK, 0x10001000
    .equ CARDS, 0x10002000
    .equ SECTOR, 512
    .equ LINE, 120                  # letters of a line, at most
    .equ PROGRAM_SIZE, 0x2000
    .equ MEIE, 1<<11                # mie: a device interrupts

    .text
    .globl _start
_start:
    la   sp, stack_end
    la   t0, program_check
    csrw mtvec, t0
    li   t0, PLIC_PRIORITY          # keys may interrupt; nothing else does
    li   t1, 1
    sw   t1, 4*TERMINAL(t0)
    li   t0, PLIC_ENABLE
    li   t1, 1<<TERMINAL
    sw   t1, 0(t0)
    li   t0, PLIC_CLAIM-4
    sw   zero, 0(t0)                # and any priority passes
    li   t0, UART
    li   t1, RECEIVED
    sb   t1, UART_IER(t0)
    li   t0, MEIE                   # mstatus.MIE stays off: an interrupt ends a wfi, and traps never
    csrw mie, t0
    la   a0, text_hello
    call print
    call start_disk                 # without a disk this is a program check, and the prompt follows
    la   a0, directory              # the first entry of the directory is its label: whose it is
    call print
    la   a0, text_newline
    call print

prompt:                             # read a line, obey it, and again
    la   sp, stack_end
    la   a0, text_ready
    call print
    call read_line
    call obey
    j    prompt

program_check:                      # any trap: tell, and back to the prompt. The user's mistake, most often
    csrr s0, mcause
    csrr s1, mepc
    la   sp, stack_end
    la   a0, text_check
    call print
    mv   a0, s0
    call print_number
    la   a0, text_at
    call print
    mv   a0, s1
    call print_hex
    la   a0, text_newline
    call print
    j    prompt

    .section .rodata
text_hello:
    .asciz "CMS: one user, one program at a time. This disk is of "
text_ready:
    .asciz "Ready;\n"
text_check:
    .asciz "\nprogram check "
text_at:
    .asciz " at "
text_newline:
    .asciz "\n"

    .bss
    .balign 16
stack:
    .space 1024
stack_end:
line:
    .space LINE+8
    .balign 16
program:
    .space PROGRAM_SIZE
