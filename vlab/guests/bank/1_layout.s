# Bank, 1 of 2 (and the driver and the console of the guest `disk`): where everything is.
#
# Two accounts on a disk, a sector each, and money that goes from one to the other. What they have
# together never changes. But a transfer is two writes, and between them the disk says otherwise.
#
#   sector 1:  a double word: what the first account has
#   sector 2:  what the second has

    .ifndef TOTAL
    .equ TOTAL, 100             # what both have together
    .endif
    .ifndef TRANSFERS
    .equ TRANSFERS, 40          # and then it closes; TOTAL at most
    .endif
    .ifndef WORK
    .equ WORK, 300              # rounds that it thinks before each transfer
    .endif
    .ifndef DISK
    .equ DISK, 0x10001000       # the virtio block device
    .endif
    .ifndef DISK_SOURCE
    .equ DISK_SOURCE, 1         # its interrupt, as the PLIC counts
    .endif

    .equ FINISHER, 0x100000
    .equ PASS, 0x5555           # power off: all went well
    .equ FAIL, 0x13333          # power off: it did not (status 1)
    .equ UART, 0x10000000
    .equ UART_LSR, 5
    .equ LSR_RECEIVED, 1        # somebody has typed
    .equ LSR_READY, 0x20
    .equ PLIC_PRIORITY, 0xc000000   # a word for each source
    .equ PLIC_ENABLE, 0xc002080     # of S mode: a bit for each source
    .equ PLIC_THRESHOLD, 0xc201000  # of S mode: only higher priorities interrupt
    .equ PLIC_CLAIM, 0xc201004      # of S mode: load to claim a source, store to complete it
    .equ SECTOR, 512
    .equ STACK, 1024
    .equ SIE, 1<<1              # sstatus: interrupts are on
    .equ SEI, 9                 # the S-mode external interrupt: its bit in sie, its number in scause
