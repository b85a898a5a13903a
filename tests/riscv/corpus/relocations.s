# %hi, %lo, %pcrel_hi and %pcrel_lo.
    .equ DEVICE, 0x10000123
    .equ LOW, 0x7ff
    .text
_start:
    lui a0, %hi(DEVICE)
    addi a0, a0, %lo(DEVICE)
    lw a1, %lo(DEVICE)(a0)
    sw a1, %lo(DEVICE+4)(a0)
    lui a0, %hi(0x12345fff)
    addi a0, a0, %lo(0x12345fff)
    lui a0, %hi(0x80000000)
    lui a0, %hi(LOW)
    addi a0, a0, %lo(-1)
1:  auipc a0, %pcrel_hi(target)
    addi a0, a0, %pcrel_lo(1b)
2:  auipc a1, %pcrel_hi(target)
    ld a1, %pcrel_lo(2b)(a1)
named:
    auipc a2, %pcrel_hi(target + 8)
    nop
    sd a2, %pcrel_lo(named)(a2)
    lw a2, %pcrel_lo(named)(a2)
    j 4f
3:  addi a3, a3, %pcrel_lo(4f)
    ret
4:  auipc a3, %pcrel_hi(_start)
    j 3b
    jalr ra, %pcrel_lo(4b)(a3)
    auipc a4, 0
    auipc a4, 0xfffff
    lui a4, 0x80000
    lui a4, 1
    .data
    .zero 0x7f8
target:
    .dword 1, 2
