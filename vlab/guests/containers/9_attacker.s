# The kernel with containers, 9 of 9: the attacker.
#
# It is the same program in every arrangement, and does one of eleven things. Where it has got hold
# of something, it prints it.

    .text
    .balign PAGE
attacker:
    .if ATTACKER
    li   a0, 1
    ask  SLEEP                  # until the victim has settled
    ld   t0, attack
    slli t0, t0, 2
    la   t1, attacks
    add  t0, t0, t1
    jr   t0
attacks:                        # one instruction each
    j    finish
    j    read_memory            # 1
    j    take_time              # 2
    j    read_files             # 3
    j    overwrite_file         # 4
    j    list_processes         # 5
    j    kill_processes         # 6
    j    rename_host            # 7
    j    fill_files             # 8
    j    use_bug                # 9
    j    crash_kernel           # 10
    j    own_kernel             # 11

read_memory:
    li   t0, SECRET             # there the victim sees its secret;
    ld   t1, 0(t0)              # there I see mine
    sd   t1, got, t0
    call report
    ld   t0, place              # and there it is in physical memory
    ld   t1, 0(t0)
    sd   t1, got, t0
    call report
    j    finish

take_time:                      # never give the processor back
    j    take_time

read_files:                     # by its name, and then every one there is
    la   a0, diary_name
    ask  OPEN
    la   a1, got
    ask  READ
    call report
    li   s0, 0
1:  mv   a0, s0
    la   a1, got
    ask  READ
    bltz a0, 2f
    call report
2:  addi s0, s0, 1
    li   t0, FILES
    bltu s0, t0, 1b
    j    finish

overwrite_file:
    la   a0, diary_name
    ask  CREATE
    la   a1, mine
    ask  CHANGE
    j    finish

list_processes:
    li   s0, 1
1:  sd   zero, got, t0
    mv   a0, s0
    la   a1, got
    ask  PROCESS
    bltz a0, 2f
    call report
2:  addi s0, s0, 1
    li   t0, 9
    bltu s0, t0, 1b
    j    finish

kill_processes:                 # all but me
    ask  GETPID
    mv   s1, a0
    li   s0, 1
1:  beq  s0, s1, 2f
    mv   a0, s0
    ask  KILL
2:  addi s0, s0, 1
    li   t0, 9
    bltu s0, t0, 1b
    j    finish

rename_host:
    la   a0, mine
    ask  SETHOST
    j    finish

fill_files:                     # a, b, c, ... until there is no room
    la   a0, letter
    ask  CREATE
    bltz a0, finish
    lbu  t0, letter
    addi t0, t0, 1
    sb   t0, letter, t1
    j    fill_files

use_bug:                        # the kernel can read all memory: let it do so for me
    la   a0, kept
    ask  GETHOST
    ld   a0, place
    ask  SETHOST                # "the computer's name stands where the secret is"
    la   a0, got
    ask  GETHOST
    la   a0, kept
    ask  SETHOST                # as if nothing had been
    call report
    j    finish

crash_kernel:                   # by the same bug
    li   a0, 0                  # "the computer's name stands where nothing is"
    ask  SETHOST
    j    finish

own_kernel:                     # a kernel that works for me
    la   a0, got
    ask  SEARCH
    call report
    j    finish

finish:
    say  done_text, 8
    ask  EXIT

report:                         # tell what I have got, if anything
    ld   t0, got
    beqz t0, 1f
    say  got_line, 8+TEXT
    sd   zero, got, t0
    sd   zero, got+8, t0
    ret
1:  say  nothing_line, 16
    ret

    .balign PAGE
    .dword 0
    .ascii "my own\0\0"         # USER_DATA+8: where the victim has its secret
got_line:
    .ascii "got:    "
got:
    .zero TEXT
nothing_line:
    .ascii "got:    nothing\0"
kept:
    .zero 8
mine:
    .ascii "mine now\0\0\0\0\0\0\0\0"
diary_name:
    .ascii "diary\0\0\0"
letter:
    .ascii "a\0\0\0\0\0\0\0"
done_text:
    .ascii "done\0\0\0\0"
attack:
    .dword ATTACK
place:                          # of the victim's secret, in physical memory
    .dword victim+PAGE+8
    .balign PAGE
    .else
    .zero 2*PAGE
    .endif
