# CMS, 6 of 6: the card punch and the card reader. What is punched leaves the computer as a deck; where
# it goes, is not CMS's affair. On a machine, somebody carries it. In a virtual one, its control program
# reads the first card.
#
#     ID user          a file for the reader of that user:      MSG user       a line for the terminal
#     FILE name        its name,                                text           of that user
#     content          and what is in it

    .equ C_WAITING, 0               # decks in the reader
    .equ C_READ, 4                  # the next byte of the first one; -1 at its end, and it is gone
    .equ C_PUNCH, 8                 # a byte to punch
    .equ C_DONE, 12                 # the deck is complete

    .text
punch:                              # a0: a text that ends in a zero
    li   t0, CARDS
1:  lbu  t1, 0(a0)
    beqz t1, 2f
    sw   t1, C_PUNCH(t0)
    addi a0, a0, 1
    j    1b
2:  ret

punch_end:                          # the end of a card
    la   a0, text_newline
    j    punch

do_msg:
    addi sp, sp, -32
    sd   ra, 0(sp)
    sd   s0, 8(sp)
    sd   s1, 16(sp)
    call next_word
    beqz a0, 1f
    mv   s0, a0
    mv   s1, a1
    la   a0, card_msg
    call punch
    mv   a0, s0
    call punch
    call punch_end
    mv   a0, s1
    call punch
    call punch_end
    li   t0, CARDS
    sw   zero, C_DONE(t0)
    j    2f
1:  la   a0, text_to_whom
    call print
2:  ld   ra, 0(sp)
    ld   s0, 8(sp)
    ld   s1, 16(sp)
    addi sp, sp, 32
    ret

do_punch:
    addi sp, sp, -48
    sd   ra, 0(sp)
    sd   s0, 8(sp)
    sd   s1, 16(sp)
    sd   s2, 24(sp)
    call opened
    beqz a0, 4f
    mv   s0, a0
    mv   a0, a1
    call next_word
    beqz a0, 3f
    mv   s1, a0
    la   a0, card_id
    call punch
    mv   a0, s1
    call punch
    call punch_end
    la   a0, card_file
    call punch
    mv   a0, s0
    call punch
    call punch_end
    mv   a0, s0
    call load_file
    mv   s1, a0
    la   s2, program
    li   t0, CARDS
1:  blez s1, 2f
    lbu  t1, 0(s2)
    sw   t1, C_PUNCH(t0)
    addi s2, s2, 1
    addi s1, s1, -1
    j    1b
2:  sw   zero, C_DONE(t0)
    j    4f
3:  la   a0, text_to_whom
    call print
4:  ld   ra, 0(sp)
    ld   s0, 8(sp)
    ld   s1, 16(sp)
    ld   s2, 24(sp)
    addi sp, sp, 48
    ret

read_card:                          # a line of the deck into `line`, with a zero for its end
    la   t0, line
    la   t1, line+LINE
    li   t2, CARDS
    li   t3, '\n'
1:  lw   t4, C_READ(t2)
    bltz t4, 2f
    beq  t4, t3, 2f
    bgeu t0, t1, 1b
    sb   t4, 0(t0)
    addi t0, t0, 1
    j    1b
2:  sb   zero, 0(t0)
    ret

do_receive:                         # the first deck in the reader becomes a file
    addi sp, sp, -32
    sd   ra, 0(sp)
    sd   s0, 8(sp)
    li   t0, CARDS
    lw   t1, C_WAITING(t0)
    beqz t1, 4f
    call read_card                  # FROM user
    la   a0, line
    call print
    call read_card                  # FILE name
    la   a0, line
    call next_word
    beqz a0, 5f
    mv   a0, a1
    call next_word
    beqz a0, 5f
    mv   s0, a0
    la   a0, text_colon
    call print
    mv   a0, s0
    call print
    la   a0, text_newline
    call print
    la   t0, program                # its content
    la   t2, program+PROGRAM_SIZE
    li   t1, CARDS
    li   a2, 0
1:  lw   t3, C_READ(t1)
    bltz t3, 2f
    bgeu t0, t2, 1b                 # what is too long is lost
    sb   t3, 0(t0)
    addi t0, t0, 1
    addi a2, a2, 1
    j    1b
2:  mv   a0, s0
    la   a1, program
    call new_file                   # what the disk doesn't take is lost
    beqz a0, 3f
    call print
3:  ld   ra, 0(sp)
    ld   s0, 8(sp)
    addi sp, sp, 32
    ret
4:  la   a0, text_no_deck
    call print
    j    3b
5:  la   a0, text_strange
    call print
    li   t0, CARDS
6:  lw   t1, C_READ(t0)             # throw it away
    bgez t1, 6b
    j    3b

    .section .rodata
card_id:
    .asciz "ID "
card_msg:
    .asciz "MSG "
card_file:
    .asciz "FILE "
text_to_whom:
    .asciz "to whom?\n"
text_colon:
    .asciz ": "
text_no_deck:
    .asciz "the reader is empty\n"
text_strange:
    .asciz "a deck that nobody can read\n"
