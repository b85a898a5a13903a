# A guest that goes wrong: it jumps where there is no memory, and so does each trap after that.

    .globl _start
_start:
    li   t0, 0x6660000000
    csrw mtvec, t0
    jr   t0
