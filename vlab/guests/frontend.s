# A paravirtual guest with a disk that is another guest's: the driver domain's, guest 0.
#
# It counts in sector 0, as the guest `disk` does: it reads the sector, tells how often it was
# booted, counts one up, and writes it back. The other guest copies from a page that this one grants.

    .ifndef SECTOR
    .equ SECTOR, 0              # of its own share
    .endif
    .ifndef ROUNDS
    .equ ROUNDS, 1              # how often it counts
    .endif

    .equ PASS, 0x5555
    .equ FAIL, 0x13333
    .equ DRIVER, 0              # the driver domain, by its number

    .text
    .globl _start
_start:
    la   sp, stack_end
    la   t0, trap
    set_traps t0                # events are masked: they only end a wait
    li   a0, DRIVER
    hypercall HYPER_FIND        # which channel does it keep for this guest?
    bltz a0, failed
    mv   s0, a0
    li   a0, DRIVER
    mv   a1, s0
    hypercall HYPER_BIND
    bltz a0, failed
    la   a0, page
    mv   a1, s0
    hypercall HYPER_GRANT
    bltz a0, failed
    li   s2, ROUNDS

again:
    li   a0, 0                  # read
    call ask
    la   t0, page+512
    ld   s1, 0(t0)
    addi s1, s1, 1
    sd   s1, 0(t0)
    li   a0, 1                  # write
    call ask
    la   t0, number
    andi s1, s1, 7              # one digit will do
    addi s1, s1, '0'
    sb   s1, 0(t0)
    la   a0, text
    li   a1, 7
    write_console
    addi s2, s2, -1
    bnez s2, again
    li   a0, PASS
    switch_off

ask:                            # a0: 0 to read, 1 to write
    la   t0, page
    sd   a0, 0(t0)
    li   t1, SECTOR
    sd   t1, 8(t0)
    li   t1, -1
    sd   t1, 16(t0)
    mv   a0, s0
    hypercall HYPER_SEND
    bltz a0, failed
1:  wait_for_event
    take_events t0
    la   t0, page
    ld   t0, 16(t0)             # is it the answer?
    bltz t0, 1b
    bnez t0, failed
    ret

    .balign 4
trap:
failed:
    li   a0, FAIL
    switch_off
1:  j    1b

    .data
text:
    .ascii "boot "
number:
    .ascii "0\n"

    .bss
    .balign 4096
page:
    .zero 4096
    .zero 512
stack_end:
