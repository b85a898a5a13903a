# CMS, 5 of 6: the commands. A line is a command and up to two words, or a word and the rest.

    .text
obey:                               # what stands in `line`
    addi sp, sp, -32
    sd   ra, 0(sp)
    sd   s0, 8(sp)
    sd   s1, 16(sp)
    la   a0, line
    call next_word
    beqz a0, 4f                     # an empty line
    mv   s0, a0
    mv   s1, a1                     # behind the command
    la   t0, commands
1:  ld   t1, 0(t0)                  # its name; after the last there is none
    beqz t1, 3f
    mv   t2, s0
2:  lbu  t3, 0(t1)
    lbu  t4, 0(t2)
    bne  t3, t4, 5f
    addi t1, t1, 1
    addi t2, t2, 1
    bnez t3, 2b
    mv   a0, s1
    ld   t1, 8(t0)
    jalr t1                         # a0: what follows it
    j    4f
5:  addi t0, t0, 16
    j    1b
3:  la   a0, text_unknown
    call print
    mv   a0, s0
    call print
    la   a0, text_newline
    call print
4:  ld   ra, 0(sp)
    ld   s0, 8(sp)
    ld   s1, 16(sp)
    addi sp, sp, 32
    ret

next_word:                          # a0: text. a0: its first word, a zero put behind it, or 0; a1: the rest
    li   t0, ' '
1:  lbu  t1, 0(a0)
    bne  t1, t0, 2f
    addi a0, a0, 1
    j    1b
2:  mv   a1, a0
    bnez t1, 3f
    li   a0, 0
    ret
3:  lbu  t1, 0(a1)
    beqz t1, 5f
    beq  t1, t0, 4f
    addi a1, a1, 1
    j    3b
4:  sb   zero, 0(a1)
    addi a1, a1, 1
5:  ret

do_help:
    la   a0, text_help
    j    print

do_list:                            # name and bytes of each file
    addi sp, sp, -16
    sd   ra, 0(sp)
    sd   s0, 8(sp)
    la   s0, directory+ENTRY
1:  lbu  t0, 0(s0)
    beqz t0, 2f
    mv   a0, s0
    call print
    li   a0, ' '
    call put
    lwu  a0, E_SIZE(s0)
    call print_number
    la   a0, text_newline
    call print
2:  addi s0, s0, ENTRY
    la   t0, directory+SECTOR
    bltu s0, t0, 1b
    ld   ra, 0(sp)
    ld   s0, 8(sp)
    addi sp, sp, 16
    ret

opened:                             # a0: text that begins with a file's name. Its entry in a0, the rest in a1;
    addi sp, sp, -16                # without one, it says so, and a0 is 0
    sd   ra, 0(sp)
    sd   s0, 8(sp)
    call next_word
    beqz a0, 1f
    mv   s0, a1
    call find_file
    mv   a1, s0
    bnez a0, 2f
1:  la   a0, text_no_file
    call print
    li   a0, 0
2:  ld   ra, 0(sp)
    ld   s0, 8(sp)
    addi sp, sp, 16
    ret

do_type:                            # the content of a file
    addi sp, sp, -32
    sd   ra, 0(sp)
    sd   s0, 8(sp)
    sd   s1, 16(sp)
    call opened
    beqz a0, 2f
    call load_file
    mv   s1, a0
    la   s0, program
1:  blez s1, 2f
    lbu  a0, 0(s0)
    call put
    addi s0, s0, 1
    addi s1, s1, -1
    j    1b
2:  ld   ra, 0(sp)
    ld   s0, 8(sp)
    ld   s1, 16(sp)
    addi sp, sp, 32
    ret

do_write:                           # a file of one line
    addi sp, sp, -16
    sd   ra, 0(sp)
    call next_word
    beqz a0, 3f
    la   t0, sector                 # the line goes to a sector of its own, its end behind it
    li   a2, 0
1:  lbu  t1, 0(a1)
    beqz t1, 2f
    sb   t1, 0(t0)
    addi a1, a1, 1
    addi t0, t0, 1
    addi a2, a2, 1
    j    1b
2:  li   t1, '\n'
    sb   t1, 0(t0)
    addi a2, a2, 1
    la   a1, sector
    call new_file
    j    4f
3:  la   a0, text_no_file
4:  beqz a0, 5f
    call print
5:  ld   ra, 0(sp)
    addi sp, sp, 16
    ret

do_erase:
    addi sp, sp, -16
    sd   ra, 0(sp)
    sd   s0, 8(sp)
    call opened
    beqz a0, 2f
    mv   s0, a0
    call refusal
    bnez a0, 1f
    sb   zero, 0(s0)
    call save_directory
    beqz a0, 2f
1:  call print
2:  ld   ra, 0(sp)
    ld   s0, 8(sp)
    addi sp, sp, 16
    ret

do_run:                             # a file's bytes are instructions: call them
    addi sp, sp, -16
    sd   ra, 0(sp)
    call opened
    beqz a0, 1f
    call load_file
    fence.i
    la   a0, put                    # what a program may need of the system
    la   a1, print_number
    la   t0, program
    jalr t0                         # nothing keeps it from doing as it likes: it has the computer
1:  ld   ra, 0(sp)
    addi sp, sp, 16
    ret

do_logoff:
    la   a0, text_goodbye
    call print
    li   t0, FINISHER
    li   t1, PASS
    sw   t1, 0(t0)
1:  j    1b

    .section .rodata
    .balign 8
commands:
    .dword name_help, do_help
    .dword name_list, do_list
    .dword name_type, do_type
    .dword name_write, do_write
    .dword name_erase, do_erase
    .dword name_run, do_run
    .dword name_msg, do_msg
    .dword name_punch, do_punch
    .dword name_receive, do_receive
    .dword name_logoff, do_logoff
    .dword 0
name_help:
    .asciz "help"
name_list:
    .asciz "list"
name_type:
    .asciz "type"
name_write:
    .asciz "write"
name_erase:
    .asciz "erase"
name_run:
    .asciz "run"
name_msg:
    .asciz "msg"
name_punch:
    .asciz "punch"
name_receive:
    .asciz "receive"
name_logoff:
    .asciz "logoff"
text_help:
    .ascii "help, list, type FILE, write FILE TEXT, erase FILE, run FILE,\n"
    .asciz "msg USER TEXT, punch FILE USER, receive, logoff\n"
text_unknown:
    .asciz "unknown command: "
text_no_file:
    .asciz "file not found\n"
text_goodbye:
    .asciz "good bye\n"
