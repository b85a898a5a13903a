# Ping, 4 of 5: what comes over the network, and what goes.

    .equ GOODBYE, 9             # letters of goodbye_text

    .text
handle:                         # a0: a buffer, a1: bytes of the frame in it
    addi sp, sp, -16
    sd   ra, 0(sp)
    sd   s0, 8(sp)
    mv   s0, a0
    li   t0, ARP_FRAME
    blt  a1, t0, handled        # all that we know has as many bytes
    addi sp, sp, -16
    sd   s1, 0(sp)
    mv   s1, a1
    addi a0, s0, TYPE
    li   a1, 2
    call get
    li   t0, ARP
    beq  a0, t0, 1f
    li   t0, IPV4
    bne  a0, t0, 2f
    call handle_ip
    j    2f
1:  call handle_arp
2:  ld   s1, 0(sp)
    addi sp, sp, 16
handled:
    ld   ra, 0(sp)
    ld   s0, 8(sp)
    addi sp, sp, 16
    ret

handle_arp:                     # s0: the buffer. A question is answered, an answer remembered
    addi sp, sp, -16
    sd   ra, 0(sp)
    addi a0, s0, ARP_TARGET_IP
    li   a1, 4
    call get
    li   t0, IP
    bne  a0, t0, 3f             # it is not about us
    addi a0, s0, ARP_SENDER_MAC
    li   a1, 6
    call get
    sd   a0, 8(sp)
    addi a0, s0, ARP_SENDER_IP
    li   a1, 4
    call get
    mv   a2, a0                 # the sender
    addi a0, s0, ARP_DEED
    li   a1, 2
    call get
    li   t0, 1
    beq  a0, t0, 1f
    li   t0, 2
    bne  a0, t0, 3f
    li   t0, PEER
    bne  a2, t0, 3f
    ld   t0, 8(sp)
    la   t1, peer_mac
    sd   t0, 0(t1)
    j    3f
1:  ld   a0, 8(sp)
    li   a1, 2
    call send_arp
3:  ld   ra, 0(sp)
    addi sp, sp, 16
    ret

send_arp:                       # a0: to which MAC address, a1: 1 question, 2 answer; a2: to which IP
    addi sp, sp, -32
    sd   ra, 0(sp)
    sd   a1, 8(sp)
    sd   a2, 16(sp)
    sd   a0, 24(sp)
    li   a1, ARP
    call begin_frame
    la   a0, frame+ARP_KIND
    li   a1, 6
    li   a2, ARP_ETHERNET_IPV4
    call put
    la   a0, frame+ARP_DEED
    li   a1, 2
    ld   a2, 8(sp)
    call put
    la   a0, frame+ARP_SENDER_MAC
    li   a1, 6
    ld   a2, our_mac
    call put
    la   a0, frame+ARP_SENDER_IP
    li   a1, 4
    li   a2, IP
    call put
    la   a0, frame+ARP_TARGET_MAC
    li   a1, 6
    ld   a2, 24(sp)
    call put
    la   a0, frame+ARP_TARGET_IP
    li   a1, 4
    ld   a2, 16(sp)
    call put
    li   a0, ARP_FRAME
    call send
    ld   ra, 0(sp)
    addi sp, sp, 32
    ret

handle_ip:                      # s0: the buffer, s1: bytes of the frame
    addi sp, sp, -32
    sd   ra, 0(sp)
    sd   s2, 8(sp)
    sd   s3, 16(sp)
    addi a0, s0, IP_TO
    li   a1, 4
    call get
    li   t0, IP
    bne  a0, t0, 3f
    lbu  t0, IP_KIND(s0)
    li   t1, 0x45
    bne  t0, t1, 3f             # a header with options is not for us
    addi a0, s0, IP_KIND
    li   a1, IP_HEADER
    call checksum
    bnez a0, 3f
    addi a0, s0, IP_FRAGMENT
    li   a1, 2
    call get
    slli a0, a0, 50             # all but the bit "do not cut"
    bnez a0, 3f
    addi a0, s0, IP_SIZE
    li   a1, 2
    call get
    addi s2, a0, -IP_HEADER     # bytes of its payload: not more than there are,
    addi t0, s1, -IP_FRAME
    bgt  s2, t0, 3f
    li   t0, UDP_HEADER         # and at least the eight of the next header
    blt  s2, t0, 3f
    addi a0, s0, IP_FROM
    li   a1, 4
    call get
    mv   s3, a0
    lbu  t0, IP_PROTOCOL(s0)
    li   t1, ICMP
    beq  t0, t1, 1f
    li   t1, UDP
    bne  t0, t1, 3f
    call handle_udp
    j    3f
1:  addi a0, s0, ICMP_TYPE
    mv   a1, s2
    call checksum
    bnez a0, 3f
    lbu  t0, ICMP_TYPE(s0)
    beqz t0, 2f
    li   t1, 8
    bne  t0, t1, 3f
    call echo
    j    3f
2:  call handle_reply
3:  ld   ra, 0(sp)
    ld   s2, 8(sp)
    ld   s3, 16(sp)
    addi sp, sp, 32
    ret

echo:                           # s0: the buffer, s2: bytes to send back, s3: to whom
    addi sp, sp, -16
    sd   ra, 0(sp)
    addi a0, s0, FROM
    li   a1, 6
    call get
    mv   a1, s3
    li   a2, ICMP
    mv   a3, s2
    call begin_ip
    addi t0, s0, ICMP_TYPE
    la   t1, frame+ICMP_TYPE
    add  t2, t0, s2
1:  lbu  t3, 0(t0)              # all of it goes back as it came,
    sb   t3, 0(t1)
    addi t0, t0, 1
    addi t1, t1, 1
    bne  t0, t2, 1b
    la   t0, frame
    sb   zero, ICMP_TYPE(t0)    # but for the type
    mv   a0, s2
    call send_icmp
    la   a0, echo_text
    call print
    mv   a0, s3
    call print_ip
    call print_end
    ld   ra, 0(sp)
    addi sp, sp, 16
    ret

send_echo:                      # a0: its number
    addi sp, sp, -16
    sd   ra, 0(sp)
    sd   a0, 8(sp)
    ld   a0, peer_mac
    li   a1, PEER
    li   a2, ICMP
    li   a3, ICMP_SIZE
    call begin_ip
    la   t0, frame
    li   t1, 8
    sb   t1, ICMP_TYPE(t0)
    sb   zero, ICMP_TYPE+1(t0)
    la   a0, frame+ICMP_ID
    li   a1, 2
    li   a2, OUR_ID
    call put
    la   a0, frame+ICMP_NUMBER
    li   a1, 2
    ld   a2, 8(sp)
    call put
    la   a0, frame+ICMP_TIME
    li   a1, 8
    rdtime a2
    call put
    li   a0, ICMP_SIZE
    call send_icmp
    ld   ra, 0(sp)
    addi sp, sp, 16
    ret

send_icmp:                      # a0: bytes of ICMP in the frame
    addi sp, sp, -16
    sd   ra, 0(sp)
    sd   a0, 8(sp)
    la   t0, frame
    sh   zero, ICMP_SUM(t0)
    mv   a1, a0
    la   a0, frame+ICMP_TYPE
    call checksum
    mv   a2, a0
    la   a0, frame+ICMP_SUM
    li   a1, 2
    call put
    ld   a0, 8(sp)
    addi a0, a0, IP_FRAME
    call send
    ld   ra, 0(sp)
    addi sp, sp, 16
    ret

handle_reply:                   # s0: the buffer, s2: bytes of ICMP, s3: who sends it
    addi sp, sp, -16
    sd   ra, 0(sp)
    li   t0, ICMP_SIZE
    blt  s2, t0, 1f
    li   t0, PEER
    bne  s3, t0, 1f
    addi a0, s0, ICMP_ID
    li   a1, 2
    call get
    li   t0, OUR_ID
    bne  a0, t0, 1f
    addi a0, s0, ICMP_TIME
    li   a1, 8
    call get
    rdtime t0
    sub  t0, t0, a0
    sd   t0, 8(sp)
    addi a0, s0, ICMP_NUMBER
    li   a1, 2
    call get
    la   t0, replied
    sd   a0, 0(t0)
    la   a0, reply_text
    call print
    ld   a0, replied
    call print_decimal
    la   a0, from_text
    call print
    mv   a0, s3
    call print_ip
    la   a0, after_text
    call print
    ld   a0, 8(sp)
    call print_decimal
    la   a0, ticks_text
    call print
1:  ld   ra, 0(sp)
    addi sp, sp, 16
    ret

handle_udp:                     # s0: the buffer, s2: bytes of UDP, s3: who sends it. Print the text
    addi sp, sp, -16
    sd   ra, 0(sp)
    sd   s1, 8(sp)
    addi a0, s0, UDP_TO
    li   a1, 2
    call get
    li   t0, PRINTER
    bne  a0, t0, 2f
    addi a0, s0, UDP_SIZE
    li   a1, 2
    call get
    bgtu a0, s2, 2f
    add  s2, s0, a0
    addi s2, s2, UDP_TEXT-UDP_HEADER # where the text ends
    mv   a0, s3
    call print_ip
    la   a0, says_text
    call print
    addi s1, s0, UDP_TEXT
1:  bgeu s1, s2, 3f
    lbu  a0, 0(s1)
    call console_put
    addi s1, s1, 1
    j    1b
3:  call print_end
2:  ld   ra, 0(sp)
    ld   s1, 8(sp)
    addi sp, sp, 16
    ret

say_goodbye:                    # a line for the other one's printer
    addi sp, sp, -16
    sd   ra, 0(sp)
    ld   a0, peer_mac
    li   a1, PEER
    li   a2, UDP
    li   a3, UDP_HEADER+GOODBYE
    call begin_ip
    la   a0, frame+UDP_FROM
    li   a1, 2
    li   a2, PRINTER
    call put
    la   a0, frame+UDP_TO
    li   a1, 2
    li   a2, PRINTER
    call put
    la   a0, frame+UDP_SIZE
    li   a1, 4                  # and with it a checksum of 0
    li   a2, (UDP_HEADER+GOODBYE)<<16
    call put
    la   t0, goodbye_text
    la   t1, frame+UDP_TEXT
    addi t2, t0, GOODBYE
1:  lbu  t3, 0(t0)
    sb   t3, 0(t1)
    addi t0, t0, 1
    addi t1, t1, 1
    bne  t0, t2, 1b
    li   a0, IP_FRAME+UDP_HEADER+GOODBYE
    call send
    ld   ra, 0(sp)
    addi sp, sp, 16
    ret

begin_ip:                       # a0: to which MAC address, a1: to which IP, a2: protocol, a3: bytes
    addi sp, sp, -32
    sd   ra, 0(sp)
    sd   a1, 8(sp)
    sd   a2, 16(sp)
    sd   a3, 24(sp)
    li   a1, IPV4
    call begin_frame
    la   a0, frame+IP_KIND
    li   a1, 2
    li   a2, 0x4500
    call put
    la   a0, frame+IP_SIZE
    li   a1, 2
    ld   a2, 24(sp)
    addi a2, a2, IP_HEADER
    call put
    la   a0, frame+IP_SIZE+2    # no number, not in fragments
    li   a1, 4
    li   a2, 0
    call put
    la   a0, frame+IP_TTL
    li   a1, 2
    ld   a2, 16(sp)
    li   t0, 64<<8
    or   a2, a2, t0
    call put
    la   a0, frame+IP_SUM
    li   a1, 2
    li   a2, 0
    call put
    la   a0, frame+IP_FROM
    li   a1, 4
    li   a2, IP
    call put
    la   a0, frame+IP_TO
    li   a1, 4
    ld   a2, 8(sp)
    call put
    la   a0, frame+IP_KIND
    li   a1, IP_HEADER
    call checksum
    mv   a2, a0
    la   a0, frame+IP_SUM
    li   a1, 2
    call put
    ld   ra, 0(sp)
    addi sp, sp, 32
    ret

begin_frame:                    # a0: to which MAC address, a1: type
    addi sp, sp, -32
    sd   ra, 0(sp)
    sd   a1, 8(sp)
    mv   a2, a0
    la   a0, frame+TO
    li   a1, 6
    call put
    la   a0, frame+FROM
    li   a1, 6
    ld   a2, our_mac
    call put
    la   a0, frame+TYPE
    li   a1, 2
    ld   a2, 8(sp)
    call put
    ld   ra, 0(sp)
    addi sp, sp, 32
    ret

get:                            # a0: an address, a1: how many bytes. a0: the number there
    mv   t0, a0
    add  t1, a0, a1
    li   a0, 0
1:  lbu  t2, 0(t0)
    slli a0, a0, 8
    or   a0, a0, t2
    addi t0, t0, 1
    bne  t0, t1, 1b
    ret

put:                            # a0: an address, a1: how many bytes, a2: the number
    add  t1, a0, a1
1:  addi t1, t1, -1
    sb   a2, 0(t1)
    srli a2, a2, 8
    bne  t1, a0, 1b
    ret

checksum:                       # a0: an address, a1: bytes, 1 or more. a0: their Internet checksum,
    li   t3, 0                  # which is 0 where they have one that is right
1:  lbu  t0, 0(a0)
    slli t0, t0, 8
    add  t3, t3, t0
    addi a1, a1, -1
    beqz a1, 2f
    lbu  t0, 1(a0)
    add  t3, t3, t0
    addi a0, a0, 2
    addi a1, a1, -1
    bnez a1, 1b
2:  srli t0, t3, 16             # what did not fit is added in
    slli t3, t3, 48
    srli t3, t3, 48
    add  t3, t3, t0
    srli t0, t3, 16
    bnez t0, 2b
    li   a0, 0xffff
    sub  a0, a0, t3
    ret

    .section .rodata
echo_text:
    .asciz "echo: for "
reply_text:
    .asciz "ping: reply "
from_text:
    .asciz " from "
after_text:
    .asciz " after "
ticks_text:
    .asciz " ticks\n"
says_text:
    .asciz " says: "
goodbye_text:
    .ascii "thank you"
