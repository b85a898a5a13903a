# A guest that goes wrong: its trap handler begins with an illegal instruction, so each trap
# leads to the next. No instruction ever completes, yet every attempt counts as a step.

    .globl _start
_start:
    la   t0, handler
    csrw mtvec, t0
handler:
    .word 0
