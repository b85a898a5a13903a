# The small kernel, 7 of 7: its two processes.
#
# Both see their program at USER_CODE and their data at USER_DATA: the same addresses, other
# pages. `la` would give where the data is in physical memory, where U mode can't go; so each
# keeps USER_DATA in s0 and counts from there.

    .equ NAME, 1                # in the page of data: "[?] ", where the pid belongs,
    .equ LETTER, 4              # A: the letter to print; after it, the end of the line
    .equ COUNT, 6               # B: where the last digit of the count goes,
    .equ BELOW, 23              # and the last of the bound; after it, the end of the line
    .equ SIEVE, 64              # B: a byte for each number; not 0: it is no prime

    .text
    .balign PAGE
process_a:                      # thinks, prints the next letter, sleeps a tick
    li   s0, USER_DATA
    li   a7, GETPID
    ecall
    addi a0, a0, '0'
    sb   a0, NAME(s0)
    li   s1, LETTERS
think:
    li   t0, WORK
1:  addi t0, t0, -1
    bnez t0, 1b
    mv   a0, s0
    li   a1, LETTER+2
    li   a7, WRITE
    ecall
    lbu  t0, LETTER(s0)         # its own memory: B has another byte at this very address
    addi t0, t0, 1
    sb   t0, LETTER(s0)
    li   a0, 1
    li   a7, SLEEP
    ecall
    addi s1, s1, -1
    bnez s1, think
    li   a7, EXIT
    ecall

    .balign PAGE
process_b:                      # counts primes, and prints how many at every hundred
    li   s0, USER_DATA
    li   a7, GETPID
    ecall
    addi a0, a0, '0'
    sb   a0, NAME(s0)
    addi s1, s0, SIEVE
    li   s2, PRIMES
    add  s3, s1, s2             # the end of the sieve
    li   s4, 2                  # the number looked at
    li   s5, 0                  # primes found
look:
    add  t0, s1, s4
    lbu  t1, 0(t0)
    bnez t1, 2f
    addi s5, s5, 1              # a prime: cross out its multiples
1:  add  t0, t0, s4
    bgeu t0, s3, 2f
    sb   s4, 0(t0)
    j    1b
2:  addi s4, s4, 1
    li   t0, 100
    remu t0, s4, t0
    bnez t0, look
    mv   a0, s5
    addi a1, s0, COUNT
    call put_number
    mv   a0, s4
    addi a1, s0, BELOW
    call put_number
    mv   a0, s0
    li   a1, BELOW+2
    li   a7, WRITE
    ecall
    li   a7, YIELD
    ecall
    bne  s4, s2, look
    li   a7, EXIT
    ecall

put_number:                     # a0 in decimal, its last digit at address a1
    li   t0, 10
1:  remu t1, a0, t0
    addi t1, t1, '0'
    sb   t1, 0(a1)
    addi a1, a1, -1
    divu a0, a0, t0
    bnez a0, 1b
    ret
    .balign PAGE

    .data
    .balign PAGE
data_a:
    .ascii "[?] a\n"
    .balign PAGE
data_b:
    .ascii "[?]     primes below    \n"
    .balign PAGE
