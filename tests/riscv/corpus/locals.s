/* Local labels, several statements a line,
   comments over several lines; labels of every kind. */
    .text
_start: nop ; nop; nop # three
1:  addi a0, a0, -1
    bnez a0, 1b
    beqz a0, 1f
1:
2:  j 1b ; j 2b ; j 2f
    addi /* in the middle */ a0, a0, 1 /* and the end */
2:  j 2b
1:  j 1b
10: j 10b
    j 10f
10: j 2b
0:  j 0b
    j 0f
0:  nop
    a: b: c: nop
.L1: j .L1
.Lloop$x: j .Lloop$x
_under_score.with.dots: j _under_score.with.dots
dollar$: j dollar$
same: .dword 1b, 1f, 10b
1:  .asciz "a:b;c#d"
    .balign 4
    la a0, 1b
    lw a0, 1b
    .word 1b - 2b
    .equ place, 1b
    .dword place
/**/nop/* /* */
# a comment with an apostrophe's tail and a "quote
/* an apostrophe's tail; a "quote */
	addi	a0,	a0,	'#'
	addi	a0,	a0,	';'
	addi a0,a0,'/'
