# A guest that trusts what it is given. It works, and prints a line each time: "ok 1", "ok 2".
# A line of hexadecimal words that is typed at its console is a program, for it: it takes the words
# for instructions, and calls them. So input becomes code, and that is how a virus comes in: see
# `virus`. If there is a disk, what stands in its first sector is called at power-on: and that is
# how a virus stays. Whoever is called finds in a0 the address of `services`.
#
# The driver of the disk and the console are chapters of the guest `disk`.

    .ifndef WORK
    .equ WORK, 2000             # rounds of work before each line
    .endif
    .ifndef LINES
    .equ LINES, 40              # lines until it powers off
    .endif
    .ifndef DISK
    .equ DISK, 0x10001000       # the virtio block device
    .endif
    .ifndef DISK_SOURCE
    .equ DISK_SOURCE, 1         # its interrupt, as the PLIC counts
    .endif
    .equ UART, 0x10000000
    .equ UART_LSR, 5
    .equ LSR_DATA, 1            # a byte was typed
    .equ LSR_READY, 0x20        # it can take a byte
    .equ FINISHER, 0x100000
    .equ PASS, 0x5555
    .equ FAIL, 0x13333
    .equ PLIC_PRIORITY, 0xc000000   # a word for each source
    .equ PLIC_ENABLE, 0xc002080     # of S mode: a bit for each source
    .equ PLIC_THRESHOLD, 0xc201000  # of S mode: only higher priorities interrupt
    .equ PLIC_CLAIM, 0xc201004      # of S mode: load to claim a source, store to complete it
    .equ SECTOR, 512
    .equ STACK, 1024
    .equ SIE, 1<<1              # sstatus: interrupts are on
    .equ SEI, 9                 # the S-mode external interrupt: its bit in sie
    .equ LOAD_FAULT, 5          # nothing is there: its bit in medeleg
    .equ LONGEST, SECTOR/4      # words of what is typed; the rest are forgotten

    .text
    .globl _start
_start:                         # M mode: give S mode what it needs, and go there
    la   t0, machine_trap
    csrw mtvec, t0
    li   t0, 1<<SEI             # devices are S mode's affair,
    csrw mideleg, t0
    li   t0, 1<<LOAD_FAULT      # and whether they are there; of exceptions nothing else
    csrw medeleg, t0
    li   t0, -1
    csrw pmpaddr0, t0
    li   t0, 0x1f
    csrw pmpcfg0, t0            # all memory is open to S mode
    li   t0, 1<<11
    csrs mstatus, t0            # mret goes to S mode
    la   t0, power_on
    csrw mepc, t0
    mret

power_on:                       # S mode, no page table, interrupts off
    la   sp, stack+STACK
    la   t0, no_device
    csrw stvec, t0              # if there is nothing at all at this address, we go on there
    call disk_start
    bnez a0, no_device
    la   t0, trap
    csrw stvec, t0
    li   t0, 1<<SEI
    csrw sie, t0
    sw   zero, no_disk, t0
    li   a0, 0
    la   a1, download
    call disk_read
    bnez a0, no_device
    call run                    # here it trusts its disk
    .balign 4
no_device:
    la   t0, trap
    csrw stvec, t0
    li   s0, 0                  # lines printed
    li   s1, 0                  # the word that is being typed,
    li   s2, 0                  # how many digits of it there are,
    li   s3, 0                  # and how many words before it; -1: this line is no program
work:
    li   t0, WORK
1:  addi t0, t0, -1
    bnez t0, 1b
    addi s0, s0, 1
    la   a0, message
    call print
    li   a0, ' '
    call console_put
    mv   a0, s0
    call print_decimal
    li   a0, '\n'
    call console_put
listen:                         # to all that was typed meanwhile
    li   t0, UART
    lbu  t1, UART_LSR(t0)
    andi t1, t1, LSR_DATA
    beqz t1, 1f
    lbu  a0, 0(t0)
    call typed
    j    listen
1:  li   t0, LINES
    bltu s0, t0, work
    li   a0, PASS
off:                            # a0: PASS or FAIL
    li   t0, FINISHER
    sw   a0, 0(t0)
halt:
    j    halt

typed:                          # a0: a sign
    li   t0, '\n'
    beq  a0, t0, end_of_line
    li   t0, ' '
    beq  a0, t0, end_of_word
    addi t0, a0, -'0'
    li   t1, 10
    bltu t0, t1, 1f
    addi t0, a0, -'a'
    li   t1, 6
    bgeu t0, t1, 2f
    addi t0, t0, 10
1:  slli s1, s1, 4              # one more digit
    add  s1, s1, t0
    addi s2, s2, 1
    ret
2:  li   s3, -1                 # a word of a human language
    ret

end_of_word:
    beqz s2, 1f                 # there is none
    li   t0, LONGEST
    bgeu s3, t0, 1f             # too long, or no program
    la   t0, download
    slli t1, s3, 2
    add  t0, t0, t1
    sw   s1, 0(t0)
    addi s3, s3, 1
1:  li   s1, 0
    li   s2, 0
    ret

end_of_line:
    addi sp, sp, -16
    sd   ra, 0(sp)
    call end_of_word
    blez s3, 1f
    call run                    # here it trusts whoever types
1:  li   s3, 0
    ld   ra, 0(sp)
    addi sp, sp, 16
    ret

run:                            # what is in `download`, if anything is
    lw   t0, download
    beqz t0, 1f
    fence.i                     # what was stored is to be executed
    la   a0, services
    la   t0, download
    jr   t0                     # it returns to whoever called us
1:  ret

keep:                           # a0: the address of 512 bytes, to be called at power-on
    lw   t0, no_disk
    bnez t0, 1f
    mv   a1, a0
    li   a0, 0
    j    disk_write
1:  ret

    .balign 4
trap:                           # S mode: the disk has done its work, we listen to no other
    addi sp, sp, -32
    sd   ra, 0(sp)
    sd   t0, 8(sp)
    sd   t1, 16(sp)
    sd   t2, 24(sp)
    csrr t0, scause
    bgez t0, machine_trap
    call disk_interrupt
    li   t0, PLIC_CLAIM
    lw   t1, 0(t0)
    sw   t1, 0(t0)
    ld   ra, 0(sp)
    ld   t0, 8(sp)
    ld   t1, 16(sp)
    ld   t2, 24(sp)
    addi sp, sp, 32
    sret

    .balign 4
machine_trap:                   # what it was given was no good program
    la   sp, stack+STACK
    la   a0, crash_text
    call print
    li   a0, FAIL
    j    off

    .section .rodata
crash_text:
    .asciz "crash\n"

    .data
    .balign 8
services:                       # what a program that comes in can use
    .dword message, console_put, keep
no_disk:
    .dword 1
message:                        # eight bytes, the last of them zero
    .ascii "ok\0\0\0\0\0\0"

    .bss
    .balign 16
download:                       # what was typed or read last
    .zero SECTOR
    .zero SECTOR                # (whoever keeps what is in there may begin in its middle)
stack:
    .zero STACK
