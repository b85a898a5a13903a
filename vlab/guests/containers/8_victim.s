# The kernel with containers, 8 of 9: the victim.
#
# It keeps a secret in its memory and a word in its diary, gives the computer a name, and sleeps.
# When it wakes it prints what it finds. Nothing in it knows of an attacker.
#
# A program is two pages, here as in its process: so `la`, which counts from where it stands,
# gives an address in the page of data there, though it was assembled here.

    .macro say line, length     # print a line, its zeros left out
    la   a0, \line
    li   a1, \length
    ask  WRITE
    .endm

    .equ SECRET, USER_DATA+8    # where the victim sees its secret

    .text
    .balign PAGE
victim:
    .if VICTIM
    la   a0, diary
    ask  CREATE
    mv   s0, a0                 # the file's number
    la   a1, diary_text
    ask  CHANGE
    la   a0, host_text
    ask  SETHOST
    la   t0, diary_text         # forget what is kept elsewhere
    sd   zero, 0(t0)
    la   t0, host_text
    sd   zero, 0(t0)

    li   a0, 3
    ask  SLEEP                  # in this time it may be attacked

    say  secret_line, 16
    mv   a0, s0
    la   a1, diary_text
    ask  READ
    say  diary_line, 8+TEXT
    la   a0, host_text
    ask  GETHOST
    say  host_line, 16
    la   a0, notes
    ask  CREATE
    bgez a0, 1f
    say  refused_line, 24
    j    2f
1:  say  made_line, 24
2:  say  done_line, 8
    ask  EXIT

    .balign PAGE
secret_line:                    # USER_DATA
    .ascii "secret: "
    .ascii "swallow\0"
diary_line:
    .ascii "diary:  "
diary_text:
    .ascii "magpie\0\0"
    .zero TEXT-8
host_line:
    .ascii "host:   "
host_text:
    .ascii "calm\0\0\0\0"
made_line:
    .ascii "a new file: made\0\0\0\0\0\0\0\0"
refused_line:
    .ascii "a new file: refused\0\0\0\0\0"
done_line:
    .ascii "done\0\0\0\0"
diary:
    .ascii "diary\0\0\0"
notes:
    .ascii "notes\0\0\0"
    .balign PAGE
    .else
    .zero 2*PAGE
    .endif
