# Ping, 1 of 5: where everything is, and the numbers that can be changed.
#
# A computer on a network. It answers who asks for its address (ARP) and who pings it (ICMP
# echo), prints lines that are sent to it (UDP), and, unless COUNT is 0, pings another one.
# It stays in M mode all the time.

    .ifndef IP
    .equ IP, 0x0a000001         # who we are: 10.0.0.1
    .endif
    .ifndef PEER
    .equ PEER, 0x0a000002       # whom we ping: 10.0.0.2
    .endif
    .ifndef COUNT
    .equ COUNT, 3               # how many times; 0: only answer, and never switch off
    .endif
    .ifndef TIMEOUT
    .equ TIMEOUT, 0             # the time that an answer may take; 0: any
    .endif
    .ifndef NET
    .equ NET, 0x10001000        # the network card: the first virtio device
    .endif
    .ifndef NET_SOURCE
    .equ NET_SOURCE, 1          # its interrupt, as the PLIC counts
    .endif

    .equ FINISHER, 0x100000
    .equ PASS, 0x5555           # power off: all came back
    .equ FAIL, 0x13333          # power off: not all did (status 1)
    .equ UART, 0x10000000
    .equ UART_LSR, 5
    .equ LSR_READY, 0x20
    .equ MTIMECMP, 0x2004000    # of the CLINT: when the timer interrupts
    .equ PLIC_PRIORITY, 0xc000000 # a word for each source
    .equ PLIC_ENABLE, 0xc002000 # of M mode: a bit for each source
    .equ PLIC_CLAIM, 0xc200004  # of M mode: load to claim a source, store to complete it
    .equ MTIE, 1<<7             # mie: listen to the timer,
    .equ MEIE, 1<<11            # and to devices
    .equ MIE, 1<<3              # mstatus: interrupts are on
    .equ STACK, 1024

# A frame in a buffer: 12 bytes for the card, then Ethernet, then what it carries. All numbers in
# it are big-endian; `get` and `put` read and write them, in as many bytes as they have.
    .equ CARD, 12               # bytes before the frame
    .equ TO, 12                 # MAC address, 6 bytes
    .equ FROM, 18               # MAC address, 6 bytes
    .equ TYPE, 24               # 2 bytes
    .equ ARP, 0x0806
    .equ IPV4, 0x0800
    .equ EVERYBODY, 0xffffffffffff

    .equ ARP_KIND, 26           # 6 bytes that are the same for everybody who has Ethernet and IPv4:
    .equ ARP_ETHERNET_IPV4, 0x000108000604
    .equ ARP_DEED, 32           # 1: who has that address? 2: I have
    .equ ARP_SENDER_MAC, 34
    .equ ARP_SENDER_IP, 40
    .equ ARP_TARGET_MAC, 44
    .equ ARP_TARGET_IP, 50
    .equ ARP_FRAME, 42          # bytes of the frame

    .equ IP_KIND, 26            # version 4, a header of 5 words
    .equ IP_SIZE, 28            # bytes of header and payload
    .equ IP_FRAGMENT, 32
    .equ IP_TTL, 34
    .equ IP_PROTOCOL, 35
    .equ IP_SUM, 36
    .equ IP_FROM, 38
    .equ IP_TO, 42
    .equ IP_HEADER, 20
    .equ IP_FRAME, 34           # bytes of a frame with nothing in it but headers
    .equ ICMP, 1
    .equ UDP, 17

    .equ ICMP_TYPE, 46          # 8: echo, please; 0: here it is
    .equ ICMP_SUM, 48
    .equ ICMP_ID, 50
    .equ ICMP_NUMBER, 52
    .equ ICMP_TIME, 54          # when it was sent: a word of ours, which comes back as it is
    .equ ICMP_SIZE, 16          # of our own packets, header and time
    .equ OUR_ID, 0x7662

    .equ UDP_FROM, 46           # ports
    .equ UDP_TO, 48
    .equ UDP_SIZE, 50           # bytes of header and text
    .equ UDP_SUM, 52            # 0: none
    .equ UDP_TEXT, 54
    .equ UDP_HEADER, 8
    .equ PRINTER, 9100          # the port that printers listen at
