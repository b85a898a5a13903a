# Ping, 2 of 5: what it does: find the other one, ping it, tell how it went.

    .text
    .globl _start
_start:
    la   sp, stack+STACK
    la   t0, interrupt
    csrw mtvec, t0
    call net_start
    li   t0, MTIE|MEIE
    csrw mie, t0
    csrsi mstatus, MIE
    li   s0, COUNT
    beqz s0, answer
    call find_peer
    li   s1, 1                  # number of the ping
    li   s2, 0                  # how many have come back
1:  call ping
    add  s2, s2, a0
    addi s1, s1, 1
    bleu s1, s0, 1b

goodbye:                        # s0: pings sent, s2: come back
    la   a0, name_text
    call print
    mv   a0, s0
    call print_decimal
    la   a0, sent_text
    call print
    mv   a0, s2
    call print_decimal
    la   a0, back_text
    call print
    beqz s2, 1f
    call say_goodbye
1:  li   a0, PASS
    beq  s0, s2, power_off
    li   a0, FAIL

power_off:                      # a0: PASS or FAIL
    li   t0, FINISHER
    sw   a0, 0(t0)
1:  j    1b

answer:                         # for ever: whatever comes, `handle` answers
    call next_packet
    j    answer

find_peer:                      # asks everybody for the MAC address of PEER, and waits for it
    addi sp, sp, -16
    sd   ra, 0(sp)
    call set_timer
    li   a0, EVERYBODY
    li   a1, 1
    li   a2, PEER
    call send_arp
1:  call next_packet
    beqz a0, nobody
    ld   t0, peer_mac
    beqz t0, 1b
    ld   ra, 0(sp)
    addi sp, sp, 16
    ret
nobody:
    la   a0, nobody_text
    call print
    li   a0, FAIL
    j    power_off

ping:                           # s1: its number. a0: 1 if it comes back in time, or else 0
    addi sp, sp, -16
    sd   ra, 0(sp)
    call set_timer
    mv   a0, s1
    call send_echo
1:  call next_packet
    beqz a0, 2f
    ld   t0, replied
    bne  t0, s1, 1b
    li   a0, 1
    j    3f
2:  la   a0, lost_text
    call print
    mv   a0, s1
    call print_decimal
    call print_end
    li   a0, 0
3:  ld   ra, 0(sp)
    addi sp, sp, 16
    ret

next_packet:                    # deals with a packet: a0 is 1. Or the time is up: a0 is 0
    addi sp, sp, -16
    sd   ra, 0(sp)
1:  csrci mstatus, MIE          # between the look and the wfi no interrupt may be taken
    call look
    bnez a0, 2f
    ld   t0, late
    bnez t0, 3f
    wfi                         # until one is pending: it need not be on for that
    csrsi mstatus, MIE          # now it is taken
    j    1b
2:  csrsi mstatus, MIE
    call take
    li   a0, 1
    j    4f
3:  csrsi mstatus, MIE
    li   a0, 0
4:  ld   ra, 0(sp)
    addi sp, sp, 16
    ret

set_timer:                      # TIMEOUT from now on
    la   t0, late
    sd   zero, 0(t0)
    li   t1, TIMEOUT
    beqz t1, 1f
    rdtime t0
    add  t0, t0, t1
    li   t1, MTIMECMP
    sd   t0, 0(t1)
1:  ret

    .section .rodata
name_text:
    .asciz "ping: "
sent_text:
    .asciz " sent, "
back_text:
    .asciz " came back\n"
lost_text:
    .asciz "ping: no reply to "
nobody_text:
    .asciz "ping: nobody answers\n"

    .bss
    .balign 16
stack:
    .zero STACK
late:
    .zero 8                     # the time is up
replied:
    .zero 8                     # number of the last ping that came back
peer_mac:
    .zero 8                     # 0: not known yet
our_mac:
    .zero 8
