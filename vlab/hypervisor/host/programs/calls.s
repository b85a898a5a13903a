# What a program asks of the host: the number of the call in a7, arguments in a0 and a1, the result
# in a0. These lines stand before every program here.

    .equ WRITE, 0               # print a1 bytes from address a0
    .equ GETPID, 1              # which process am I?
    .equ YIELD, 2               # let another run
    .equ SLEEP, 3               # come back after a0 units of time
    .equ EXIT, 4                # never come back; a0 is the status
    .equ GETUID, 5              # whose process am I? 0: the administrator's
    .equ READ, 6                # wait for a typed line; at most a1 bytes of it go to address a0
    .equ RUN, 7                 # let the guest of this virtual machine run, until it wants a device
