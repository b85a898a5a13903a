# Atomics with their orderings, and fences.
    .text
_start:
    lr.w        a0, (a1)
    lr.w.aq     a0, (a1)
    lr.w.rl     a0, (a1)
    lr.w.aqrl   a0, 0(a1)
    lr.d        t0, (sp)
    lr.d.aqrl   t0, 0(sp)
    sc.w        a0, a2, (a1)
    sc.w.rl     a0, a2, (a1)
    sc.d.aqrl   a0, a2, 0(a1)
    amoswap.w   a0, a1, (a2)
    amoswap.w.aq zero, zero, (s0)
    amoswap.d.rl x1, x2, (x3)
    amoadd.w    a0, a1, (a2)
    amoadd.d.aqrl a0, a1, (a2)
    amoxor.w    a0, a1, (a2)
    amoxor.d    a0, a1, (a2)
    amoand.w    a0, a1, (a2)
    amoand.d.aq a0, a1, (a2)
    amoor.w     a0, a1, (a2)
    amoor.d     a0, a1, (a2)
    amomin.w    a0, a1, (a2)
    amomin.d    a0, a1, (a2)
    amomax.w    a0, a1, (a2)
    amomax.d    a0, a1, (a2)
    amominu.w   a0, a1, (a2)
    amominu.d   a0, a1, (a2)
    amomaxu.w   a0, a1, (a2)
    amomaxu.d.aqrl a0, a1, (a2)
    fence
    fence       rw, w
    fence       iorw, iorw
    fence       i, o
    fence       r, rw
    fence       ior, w
    fence.tso
    fence.i
acquire:
    li          t0, 1
1:  amoswap.w.aq t1, t0, (a0)
    bnez        t1, 1b
    fence       r, rw
    ret
