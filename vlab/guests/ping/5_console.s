# Ping, 5 of 5: what it prints beside texts and numbers; those by the console of `disk`.

    .text
print_end:                      # the end of a line
    li   a0, '\n'
    j    console_put

print_ip:                       # a0: an IP address
    addi sp, sp, -32
    sd   ra, 0(sp)
    sd   s0, 8(sp)
    sd   s1, 16(sp)
    slli s0, a0, 32
    li   s1, 4
1:  srli a0, s0, 56             # the four bytes, highest first
    call print_decimal
    slli s0, s0, 8
    addi s1, s1, -1
    beqz s1, 2f
    li   a0, '.'
    call console_put
    j    1b
2:  ld   ra, 0(sp)
    ld   s0, 8(sp)
    ld   s1, 16(sp)
    addi sp, sp, 32
    ret
