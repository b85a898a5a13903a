# Boot counter, 1 of 4: where everything is, and the numbers that can be changed.
#
# Sector 0 of the disk says whose disk it is, and how often it was booted from. This guest reads
# it, tells both, counts one up, writes it back, and switches its computer off.
#
#   sector 0:  a text that ends in a zero, TEXT bytes at most; at BOOTS, a double word: the counter

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
    .equ LSR_READY, 0x20
    .equ PLIC_PRIORITY, 0xc000000   # a word for each source
    .equ PLIC_ENABLE, 0xc002080     # of S mode: a bit for each source
    .equ PLIC_THRESHOLD, 0xc201000  # of S mode: only higher priorities interrupt
    .equ PLIC_CLAIM, 0xc201004      # of S mode: load to claim a source, store to complete it
    .equ SECTOR, 512
    .equ TEXT, 64
    .equ BOOTS, 504
    .equ STACK, 1024
    .equ SIE, 1<<1              # sstatus: interrupts are on
    .equ SEI, 9                 # the S-mode external interrupt: its bit in sie, its number in scause
