# Two paravirtual guests of one hypervisor that ring each other's bell, by an event channel.
#
# Both are this program. The one built with FIRST=1 begins; the other only answers. Each prints a
# line whenever it hears the bell. Neither sees anything of the other but that.

    .ifndef FIRST
    .equ FIRST, 0               # 1: rings without being asked
    .endif
    .ifndef OTHER
    .equ OTHER, 0               # the other guest, by its number among the hypervisor's, from 0
    .endif
    .ifndef ROUNDS
    .equ ROUNDS, 3              # how often each is to hear the bell
    .endif
    .ifndef CHANNEL
    .equ CHANNEL, 1             # 10 at most
    .endif

    .equ PASS, 0x5555
    .equ FAIL, 0x13333
    .equ LENGTH, 5              # of a line
    .equ PATIENCE, 200          # time until it rings again where nobody was

# What `return_from_trap` wants below sp: register xN at 8*N, and
    .equ FRAME_PC, 0
    .equ FRAME_STATUS, 8*32
    .equ FRAME, 272

    .text
    .globl _start
_start:
    la   sp, stack_end
    la   t0, upcall
    set_traps t0                # and events are masked
    bind_channel OTHER, CHANNEL
    bltz a0, failed
    li   s0, 0                  # how often the bell was heard
    li   s1, ROUNDS
    li   t0, FIRST
    beqz t0, listen

ring_first:                     # until the other has named this one too, nobody hears it
    send_event CHANNEL
    beqz a0, listen
    li   t0, PATIENCE
    set_alarm t0
    wait_for_event
    take_events t0              # it can only be the alarm
    j    ring_first

listen:
    mv   s2, s0
    wait_for_event              # it need not be unmasked for that
    unmask_events               # here it is delivered: see upcall
    mask_events
    beq  s0, s2, listen
    la   a0, text
    li   a1, LENGTH
    write_console
    li   t0, FIRST
    beqz t0, 1f
    beq  s0, s1, finished       # the last round has come back
1:  send_event CHANNEL
    bltz a0, failed
    bne  s0, s1, listen

finished:
    li   a0, PASS
    switch_off
failed:
    li   a0, FAIL
    switch_off
1:  j    1b

    .balign 4
upcall:                         # an event, or a trap; all registers are somebody's
    addi sp, sp, -FRAME
    sd   t0, 8*5(sp)
    sd   a7, 8*17(sp)
    info t0, INFO_PC
    sd   t0, FRAME_PC(sp)
    info t0, INFO_SP
    sd   t0, 8*2(sp)
    info t0, INFO_STATUS
    sd   t0, FRAME_STATUS(sp)
    info t0, INFO_CAUSE
    bgez t0, failed             # a trap: there is nothing to trap here
    take_events t0
    andi t0, t0, 1<<CHANNEL
    beqz t0, 1f
    addi s0, s0, 1
1:  ld   t0, 8*5(sp)
    return_from_trap

    .section .rodata
text:
    .if FIRST
    .ascii "ding\n"
    .else
    .ascii "dong\n"
    .endif

    .bss
    .balign 16
    .zero 1024
stack_end:
