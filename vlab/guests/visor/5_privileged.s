# The visor, 5 of 8: privileged instructions, done on the virtual computer.

    .equ SYSTEM, 0x73           # the opcode of all of them
    .equ SRET, 0x10200073
    .equ MRET, 0x30200073
    .equ WFI, 0x10500073
    .equ SFENCE_VMA, 0x12000073
    .equ SFENCE_MASK, 0xfe007fff

# CSRs by number, and a row of the table of them all.
    .equ C_NUMBER, 0
    .equ C_PLACE, 8             # in the record of the virtual computer
    .equ C_VISIBLE, 16
    .equ C_WRITABLE, 24
    .equ C_SIZE, 32
    .equ MSTATUS, 0x300
    .equ MIP, 0x344
    .equ PMP, 0x3a0
    .equ PMP_REGISTERS, 32
    .equ SIE_NUMBER, 0x104
    .equ SIP, 0x144
    .equ STIMECMP, 0x14d
    .equ SATP, 0x180
    .equ TIME, 0xc01
    .equ S_STATUS, SIE|SPIE|SPP|SUM|MXR
    .equ M_STATUS, S_STATUS|MIE|MPIE|MPP
    .equ S_INTERRUPTS, SSI|STI|SEI

    .text
illegal:                        # s2: the word
    ld   s3, V_MODE(s0)
    beqz s3, 1f
    andi t0, s2, 0x7f
    addi t0, t0, -SYSTEM
    bnez t0, 1f
    count privileged
    j    2f
1:  count illegal
2:  andi t0, s2, 0x7f
    addi t0, t0, -SYSTEM
    bnez t0, refuse
    srli s5, s2, 12
    andi s5, s5, 7              # 0: not about a CSR
    bnez s5, access_csr
    beqz s3, refuse
    li   t0, WFI
    beq  s2, t0, wait
    li   t0, SRET
    beq  s2, t0, return_from_s
    li   t0, MRET
    beq  s2, t0, return_from_m
    li   t0, SFENCE_MASK
    and  t0, s2, t0
    li   t1, SFENCE_VMA
    bne  t0, t1, refuse
    call drop_shadows           # whatever it names: to drop more than asked for is allowed

next:                           # done: on to the instruction behind it
    ld   t0, V_PC(s0)
    addi t0, t0, 4
    sd   t0, V_PC(s0)
    j    resume

refuse:                         # nothing that the virtual computer has, or its mode may do
    li   a0, ILLEGAL
    mv   a1, s2
    j    trap

return_from_s:
    ld   t0, V_MSTATUS(s0)
    srli t1, t0, 8
    andi t1, t1, 1
    sd   t1, V_MODE(s0)         # SPP
    srli t1, t0, 5
    andi t1, t1, 1
    slli t1, t1, 1              # SIE from SPIE
    li   t2, SIE|SPP
    not  t2, t2
    and  t0, t0, t2
    or   t0, t0, t1
    ori  t0, t0, SPIE
    sd   t0, V_MSTATUS(s0)
    ld   t0, V_SEPC(s0)
    sd   t0, V_PC(s0)
    j    resume

return_from_m:
    li   t0, M
    bne  s3, t0, refuse
    ld   t0, V_MSTATUS(s0)
    srli t1, t0, 11
    andi t1, t1, 3
    sd   t1, V_MODE(s0)         # MPP
    srli t1, t0, 7
    andi t1, t1, 1
    slli t1, t1, 3              # MIE from MPIE
    li   t2, MIE|MPP
    not  t2, t2
    and  t0, t0, t2
    or   t0, t0, t1
    ori  t0, t0, MPIE
    sd   t0, V_MSTATUS(s0)
    ld   t0, V_MEPC(s0)
    sd   t0, V_PC(s0)
    j    resume

wait:                           # wfi: skip the guest's time to its alarm; nothing else can wake it
    call pending
    ld   t0, V_MIE(s0)
    and  t1, a0, t0
    bnez t1, next               # something waits already
    andi t0, t0, STI
    beqz t0, asleep
    ld   t0, V_MENVCFG(s0)
    bgez t0, asleep
    ld   t0, V_STIMECMP(s0)
    bltz t0, asleep             # so far away means never
    sd   t0, V_TIME(s0)
    j    next

asleep:                         # nothing will ever wake it
    li   t0, -1
    csrw stimecmp, t0
1:  wfi
    j    1b

# CSRs. s5 is funct3: 1 writes, 2 sets, 3 clears bits; +4: the operand is the field itself.

access_csr:
    andi t0, s5, 3
    beqz t0, refuse
    srli s4, s2, 20             # its number: bits 9:8 are the mode that may touch it
    srli t0, s4, 8
    andi t0, t0, 3
    bgtu t0, s3, refuse
    srli s6, s2, 15
    andi s6, s6, 31             # the operand's field
    andi s7, s5, 3
    addi s7, s7, -1
    seqz s7, s7
    snez t0, s6
    or   s7, s7, t0             # does it write? Setting or clearing nothing does not
    srli t0, s4, 10
    addi t0, t0, -3             # bits 11:10 are 3: read-only
    snez t0, t0
    bltu t0, s7, refuse
    call find_csr               # s8: its row
    call check_counters
    call read_csr               # a0: the value, a1: what bits are set in or cleared from
    mv   s9, a0
    beqz s7, 4f
    andi t0, s5, 4
    bnez t0, 1f
    slli s6, s6, 3              # a register
    add  s6, s6, s0
    ld   s6, 0(s6)
1:  andi t0, s5, 3
    addi t0, t0, -2
    bltz t0, 3f
    beqz t0, 2f
    not  s6, s6
    and  s6, s6, a1
    j    3f
2:  or   s6, s6, a1
3:  mv   a0, s6
    call write_csr
4:  srli t0, s2, 7
    andi t0, t0, 31             # rd
    beqz t0, next
    slli t0, t0, 3
    add  t0, t0, s0
    sd   s9, 0(t0)
    j    next

find_csr:                       # s4: a number; s8: its row; illegal if there is none
    la   s8, csr_table
    la   t0, csr_table_end
1:  ld   t1, C_NUMBER(s8)
    beq  t1, s4, 2f
    addi s8, s8, C_SIZE
    bltu s8, t0, 1b
    addi t1, s4, -PMP           # those of the PMP are zero, and stay so
    sltiu t1, t1, PMP_REGISTERS
    beqz t1, refuse
    la   s8, csr_zero
2:  ret

check_counters:                 # `time` and stimecmp are there for the modes below M if M lets them
    li   t0, TIME
    beq  s4, t0, 1f
    li   t0, STIMECMP
    bne  s4, t0, 2f
    ld   t1, V_MENVCFG(s0)
    bltz t1, 1f
    li   t0, M
    bne  s3, t0, refuse
1:  li   t0, M
    beq  s3, t0, 2f
    ld   t0, V_MCOUNTEREN(s0)
    andi t0, t0, TM
    beqz t0, refuse
    bnez s3, 2f
    ld   t0, V_SCOUNTEREN(s0)
    andi t0, t0, TM
    beqz t0, refuse
2:  ret

read_csr:                       # s8: its row
    ld   t0, C_PLACE(s8)
    add  t0, t0, s0
    ld   a1, 0(t0)
    ld   t1, C_VISIBLE(s8)
    li   t0, SIE_NUMBER
    bne  s4, t0, 1f
    ld   t0, V_MIDELEG(s0)      # S mode sees what M mode has handed to it
    and  t1, t1, t0
1:  and  a0, a1, t1
    li   t0, MIP
    beq  s4, t0, 2f
    li   t0, SIP
    bne  s4, t0, 3f
    ld   t0, V_MIDELEG(s0)
    and  t1, t1, t0
2:  mv   s10, ra
    call pending                # with the alarm; what bits are set in is without it
    and  a0, a0, t1
    jr   s10
3:  mv   a1, a0
    ret

write_csr:                      # s8: its row, a0: the new value
    ld   t0, C_PLACE(s8)
    add  t0, t0, s0
    ld   t1, C_WRITABLE(s8)
    ld   t2, 0(t0)
    li   t3, SATP
    beq  s4, t3, 2f
    li   t3, MSTATUS
    beq  s4, t3, 3f
    li   t3, MIP
    beq  s4, t3, 4f
    li   t3, SIE_NUMBER
    beq  s4, t3, 1f
    li   t3, SIP
    bne  s4, t3, 5f
1:  ld   t3, V_MIDELEG(s0)
    and  t1, t1, t3
    j    5f
2:  srli t3, a0, 60             # satp: no paging, or Sv39; any other write does nothing
    beqz t3, 5f
    addi t3, t3, -8
    beqz t3, 5f
    ret
3:  srli t3, a0, 11             # mstatus: there is no mode 2
    andi t3, t3, 3
    addi t3, t3, -2
    bnez t3, 5f
    li   t3, MPP
    not  t3, t3
    and  t1, t1, t3
    j    5f
4:  ld   t3, V_MENVCFG(s0)      # mip: with stimecmp, only that sets its bit
    bgez t3, 5f
    andi t1, t1, ~STI
5:  and  a0, a0, t1
    not  t1, t1
    and  t2, t2, t1
    or   a0, a0, t2
    sd   a0, 0(t0)
    ret

    .section .rodata
    .balign 8
csr_table:                      # number, place, visible bits, writable bits
    .dword TIME, V_TIME, -1, 0
    .dword STIMECMP, V_STIMECMP, -1, -1
    .dword 0x100, V_MSTATUS, S_STATUS|UXL, S_STATUS
    .dword SIE_NUMBER, V_MIE, S_INTERRUPTS, S_INTERRUPTS
    .dword 0x105, V_STVEC, -1, ~2
    .dword 0x106, V_SCOUNTEREN, 7, 7
    .dword 0x10a, V_SENVCFG, 1, 1
    .dword 0x140, V_SSCRATCH, -1, -1
    .dword 0x141, V_SEPC, -1, ~3
    .dword 0x142, V_SCAUSE, -1, -1
    .dword 0x143, V_STVAL, -1, -1
    .dword SIP, V_MIP, S_INTERRUPTS, SSI
    .dword SATP, V_SATP, -1, 0xf0000fffffffffff
    .dword MSTATUS, V_MSTATUS, M_STATUS|UXL|SXL, M_STATUS
    .dword 0x301, V_MISA, -1, 0
    .dword 0x302, V_MEDELEG, -1, 0xb3ff
    .dword 0x303, V_MIDELEG, -1, S_INTERRUPTS
    .dword 0x304, V_MIE, -1, 0xaaa
    .dword 0x305, V_MTVEC, -1, ~2
    .dword 0x306, V_MCOUNTEREN, 7, 7
    .dword 0x30a, V_MENVCFG, -1, 0x8000000000000001
    .dword 0x340, V_MSCRATCH, -1, -1
    .dword 0x341, V_MEPC, -1, ~3
    .dword 0x342, V_MCAUSE, -1, -1
    .dword 0x343, V_MTVAL, -1, -1
    .dword MIP, V_MIP, S_INTERRUPTS, S_INTERRUPTS
    .dword 0xf14, 0, 0, 0       # mhartid: the only hart is number 0
csr_table_end:
csr_zero:
    .dword 0, 0, 0, 0
