# The part of a virtual machine that is an ordinary program: the loop of the process that it is.
#
# In most of what makes its guest exit, the host's kernel helps itself. Where a device is wanted, it
# comes back here, to user mode: devices are no affair of a kernel's.

    .globl _start
_start:
    li   a7, RUN
    ecall
    addi s0, s0, 1              # how often the guest wanted a device
    j    _start
