"""The one table of instructions: RV64I, M, A, Zicsr, Zifencei, the privileged ones, the hypervisor's, and C.

A row says everything about an instruction, once. Decoder, assembler, disassembler and every engine are made
from it.

*Encoding*: the 32 bits from the left, as the specification draws them. `0`/`1` are fixed bits; `rd rs1 rs2`
are five bits; `imm[12|10:5]` are the named bits of the immediate, in that order. An instruction of the C
extension has 16 bits. There `uimm` is an immediate without a sign; `rd'` are three bits, which name x8 to x15;
`rd/rs1` is one field for both; a field with `!=0` is another instruction, or none, where all its bits are zero
(of all its parts together); and `rs1=2`, of no bits, is an operand that is always the same.

*Syntax*: the operands as GNU assemblers write them.

*Meaning*: a restricted Python, parsed once by `vlab.riscv.meaning`. `rs1` and `rs2` are the registers'
unsigned 64-bit values, `imm` is sign-extended, `source` is the *number* in the rs1 field. Numbers are exact;
`rd` and `pc` take the low 64 bits. Without an assignment to `pc` the next instruction follows. A trap leaves
`rd` and `pc` as they were. A compressed instruction has the name of the one that it *expands* to in this place:
its meaning is that one's, with `next` two bytes on.
"""

# fmt: off
_BASE = """
lui       | imm[31:12]            rd 0110111                | rd, imm        | rd = imm
auipc     | imm[31:12]            rd 0010111                | rd, imm        | rd = pc + imm
jal       | imm[20|10:1|11|19:12] rd 1101111                | rd, target     | rd = next; pc = pc + imm
jalr      | imm[11:0] rs1 000     rd 1100111                | rd, imm(rs1)   | there = rs1 + imm & ~1; rd = next; pc = there
beq       | imm[12|10:5] rs2 rs1 000 imm[4:1|11] 1100011    | rs1, rs2, target | pc = pc + imm if rs1 == rs2 else next
bne       | imm[12|10:5] rs2 rs1 001 imm[4:1|11] 1100011    | rs1, rs2, target | pc = pc + imm if rs1 != rs2 else next
blt       | imm[12|10:5] rs2 rs1 100 imm[4:1|11] 1100011    | rs1, rs2, target | pc = pc + imm if signed(rs1) < signed(rs2) else next
bge       | imm[12|10:5] rs2 rs1 101 imm[4:1|11] 1100011    | rs1, rs2, target | pc = pc + imm if signed(rs1) >= signed(rs2) else next
bltu      | imm[12|10:5] rs2 rs1 110 imm[4:1|11] 1100011    | rs1, rs2, target | pc = pc + imm if rs1 < rs2 else next
bgeu      | imm[12|10:5] rs2 rs1 111 imm[4:1|11] 1100011    | rs1, rs2, target | pc = pc + imm if rs1 >= rs2 else next
lb        | imm[11:0] rs1 000     rd 0000011                | rd, imm(rs1)   | rd = byte(load(rs1 + imm, 1))
lh        | imm[11:0] rs1 001     rd 0000011                | rd, imm(rs1)   | rd = half(load(rs1 + imm, 2))
lw        | imm[11:0] rs1 010     rd 0000011                | rd, imm(rs1)   | rd = word(load(rs1 + imm, 4))
ld        | imm[11:0] rs1 011     rd 0000011                | rd, imm(rs1)   | rd = load(rs1 + imm, 8)
lbu       | imm[11:0] rs1 100     rd 0000011                | rd, imm(rs1)   | rd = load(rs1 + imm, 1)
lhu       | imm[11:0] rs1 101     rd 0000011                | rd, imm(rs1)   | rd = load(rs1 + imm, 2)
lwu       | imm[11:0] rs1 110     rd 0000011                | rd, imm(rs1)   | rd = load(rs1 + imm, 4)
sb        | imm[11:5] rs2 rs1 000 imm[4:0] 0100011          | rs2, imm(rs1)  | store(rs1 + imm, 1, rs2)
sh        | imm[11:5] rs2 rs1 001 imm[4:0] 0100011          | rs2, imm(rs1)  | store(rs1 + imm, 2, rs2)
sw        | imm[11:5] rs2 rs1 010 imm[4:0] 0100011          | rs2, imm(rs1)  | store(rs1 + imm, 4, rs2)
sd        | imm[11:5] rs2 rs1 011 imm[4:0] 0100011          | rs2, imm(rs1)  | store(rs1 + imm, 8, rs2)
addi      | imm[11:0] rs1 000     rd 0010011                | rd, rs1, imm   | rd = rs1 + imm
slti      | imm[11:0] rs1 010     rd 0010011                | rd, rs1, imm   | rd = signed(rs1) < imm
sltiu     | imm[11:0] rs1 011     rd 0010011                | rd, rs1, imm   | rd = rs1 < unsigned(imm)
xori      | imm[11:0] rs1 100     rd 0010011                | rd, rs1, imm   | rd = rs1 ^ imm
ori       | imm[11:0] rs1 110     rd 0010011                | rd, rs1, imm   | rd = rs1 | imm
andi      | imm[11:0] rs1 111     rd 0010011                | rd, rs1, imm   | rd = rs1 & imm
slli      | 000000 shamt[5:0] rs1 001 rd 0010011            | rd, rs1, shamt | rd = rs1 << shamt
srli      | 000000 shamt[5:0] rs1 101 rd 0010011            | rd, rs1, shamt | rd = rs1 >> shamt
srai      | 010000 shamt[5:0] rs1 101 rd 0010011            | rd, rs1, shamt | rd = signed(rs1) >> shamt
add       | 0000000 rs2 rs1 000   rd 0110011                | rd, rs1, rs2   | rd = rs1 + rs2
sub       | 0100000 rs2 rs1 000   rd 0110011                | rd, rs1, rs2   | rd = rs1 - rs2
sll       | 0000000 rs2 rs1 001   rd 0110011                | rd, rs1, rs2   | rd = rs1 << (rs2 & 63)
slt       | 0000000 rs2 rs1 010   rd 0110011                | rd, rs1, rs2   | rd = signed(rs1) < signed(rs2)
sltu      | 0000000 rs2 rs1 011   rd 0110011                | rd, rs1, rs2   | rd = rs1 < rs2
xor       | 0000000 rs2 rs1 100   rd 0110011                | rd, rs1, rs2   | rd = rs1 ^ rs2
srl       | 0000000 rs2 rs1 101   rd 0110011                | rd, rs1, rs2   | rd = rs1 >> (rs2 & 63)
sra       | 0100000 rs2 rs1 101   rd 0110011                | rd, rs1, rs2   | rd = signed(rs1) >> (rs2 & 63)
or        | 0000000 rs2 rs1 110   rd 0110011                | rd, rs1, rs2   | rd = rs1 | rs2
and       | 0000000 rs2 rs1 111   rd 0110011                | rd, rs1, rs2   | rd = rs1 & rs2
addiw     | imm[11:0] rs1 000     rd 0011011                | rd, rs1, imm   | rd = word(rs1 + imm)
slliw     | 0000000 shamt[4:0] rs1 001 rd 0011011           | rd, rs1, shamt | rd = word(rs1 << shamt)
srliw     | 0000000 shamt[4:0] rs1 101 rd 0011011           | rd, rs1, shamt | rd = word(low(rs1) >> shamt)
sraiw     | 0100000 shamt[4:0] rs1 101 rd 0011011           | rd, rs1, shamt | rd = word(rs1) >> shamt
addw      | 0000000 rs2 rs1 000   rd 0111011                | rd, rs1, rs2   | rd = word(rs1 + rs2)
subw      | 0100000 rs2 rs1 000   rd 0111011                | rd, rs1, rs2   | rd = word(rs1 - rs2)
sllw      | 0000000 rs2 rs1 001   rd 0111011                | rd, rs1, rs2   | rd = word(rs1 << (rs2 & 31))
srlw      | 0000000 rs2 rs1 101   rd 0111011                | rd, rs1, rs2   | rd = word(low(rs1) >> (rs2 & 31))
sraw      | 0100000 rs2 rs1 101   rd 0111011                | rd, rs1, rs2   | rd = word(rs1) >> (rs2 & 31)
fence     | fm[3:0] pred[3:0] succ[3:0] source 000 dest 0001111 | pred, succ | fence()
ecall     | 000000000000 00000 000 00000 1110011            |                | ecall()
ebreak    | 000000000001 00000 000 00000 1110011            |                | ebreak()
"""

_ZIFENCEI = """
fence.i   | imm[11:0] source 001 dest 0001111               |                | fence_i()
"""

_M = """
mul       | 0000001 rs2 rs1 000   rd 0110011                | rd, rs1, rs2   | rd = rs1 * rs2
mulh      | 0000001 rs2 rs1 001   rd 0110011                | rd, rs1, rs2   | rd = signed(rs1) * signed(rs2) >> 64
mulhsu    | 0000001 rs2 rs1 010   rd 0110011                | rd, rs1, rs2   | rd = signed(rs1) * rs2 >> 64
mulhu     | 0000001 rs2 rs1 011   rd 0110011                | rd, rs1, rs2   | rd = rs1 * rs2 >> 64
div       | 0000001 rs2 rs1 100   rd 0110011                | rd, rs1, rs2   | rd = quotient(signed(rs1), signed(rs2))
divu      | 0000001 rs2 rs1 101   rd 0110011                | rd, rs1, rs2   | rd = quotient(rs1, rs2)
rem       | 0000001 rs2 rs1 110   rd 0110011                | rd, rs1, rs2   | rd = remainder(signed(rs1), signed(rs2))
remu      | 0000001 rs2 rs1 111   rd 0110011                | rd, rs1, rs2   | rd = remainder(rs1, rs2)
mulw      | 0000001 rs2 rs1 000   rd 0111011                | rd, rs1, rs2   | rd = word(rs1 * rs2)
divw      | 0000001 rs2 rs1 100   rd 0111011                | rd, rs1, rs2   | rd = word(quotient(word(rs1), word(rs2)))
divuw     | 0000001 rs2 rs1 101   rd 0111011                | rd, rs1, rs2   | rd = word(quotient(low(rs1), low(rs2)))
remw      | 0000001 rs2 rs1 110   rd 0111011                | rd, rs1, rs2   | rd = word(remainder(word(rs1), word(rs2)))
remuw     | 0000001 rs2 rs1 111   rd 0111011                | rd, rs1, rs2   | rd = word(remainder(low(rs1), low(rs2)))
"""

_A = """
lr.w      | 00010 aq rl 00000 rs1 010 rd 0101111            | rd, (rs1)      | rd = word(load_reserved(rs1, 4))
sc.w      | 00011 aq rl rs2 rs1 010 rd 0101111              | rd, rs2, (rs1) | rd = store_conditional(rs1, 4, rs2)
amoswap.w | 00001 aq rl rs2 rs1 010 rd 0101111              | rd, rs2, (rs1) | old = word(amo_load(rs1, 4)); store(rs1, 4, rs2); rd = old
amoadd.w  | 00000 aq rl rs2 rs1 010 rd 0101111              | rd, rs2, (rs1) | old = word(amo_load(rs1, 4)); store(rs1, 4, old + rs2); rd = old
amoxor.w  | 00100 aq rl rs2 rs1 010 rd 0101111              | rd, rs2, (rs1) | old = word(amo_load(rs1, 4)); store(rs1, 4, old ^ rs2); rd = old
amoand.w  | 01100 aq rl rs2 rs1 010 rd 0101111              | rd, rs2, (rs1) | old = word(amo_load(rs1, 4)); store(rs1, 4, old & rs2); rd = old
amoor.w   | 01000 aq rl rs2 rs1 010 rd 0101111              | rd, rs2, (rs1) | old = word(amo_load(rs1, 4)); store(rs1, 4, old | rs2); rd = old
amomin.w  | 10000 aq rl rs2 rs1 010 rd 0101111              | rd, rs2, (rs1) | old = word(amo_load(rs1, 4)); store(rs1, 4, min(old, word(rs2))); rd = old
amomax.w  | 10100 aq rl rs2 rs1 010 rd 0101111              | rd, rs2, (rs1) | old = word(amo_load(rs1, 4)); store(rs1, 4, max(old, word(rs2))); rd = old
amominu.w | 11000 aq rl rs2 rs1 010 rd 0101111              | rd, rs2, (rs1) | old = word(amo_load(rs1, 4)); store(rs1, 4, min(low(old), low(rs2))); rd = old
amomaxu.w | 11100 aq rl rs2 rs1 010 rd 0101111              | rd, rs2, (rs1) | old = word(amo_load(rs1, 4)); store(rs1, 4, max(low(old), low(rs2))); rd = old
lr.d      | 00010 aq rl 00000 rs1 011 rd 0101111            | rd, (rs1)      | rd = load_reserved(rs1, 8)
sc.d      | 00011 aq rl rs2 rs1 011 rd 0101111              | rd, rs2, (rs1) | rd = store_conditional(rs1, 8, rs2)
amoswap.d | 00001 aq rl rs2 rs1 011 rd 0101111              | rd, rs2, (rs1) | old = amo_load(rs1, 8); store(rs1, 8, rs2); rd = old
amoadd.d  | 00000 aq rl rs2 rs1 011 rd 0101111              | rd, rs2, (rs1) | old = amo_load(rs1, 8); store(rs1, 8, old + rs2); rd = old
amoxor.d  | 00100 aq rl rs2 rs1 011 rd 0101111              | rd, rs2, (rs1) | old = amo_load(rs1, 8); store(rs1, 8, old ^ rs2); rd = old
amoand.d  | 01100 aq rl rs2 rs1 011 rd 0101111              | rd, rs2, (rs1) | old = amo_load(rs1, 8); store(rs1, 8, old & rs2); rd = old
amoor.d   | 01000 aq rl rs2 rs1 011 rd 0101111              | rd, rs2, (rs1) | old = amo_load(rs1, 8); store(rs1, 8, old | rs2); rd = old
amomin.d  | 10000 aq rl rs2 rs1 011 rd 0101111              | rd, rs2, (rs1) | old = amo_load(rs1, 8); store(rs1, 8, min(signed(old), signed(rs2))); rd = old
amomax.d  | 10100 aq rl rs2 rs1 011 rd 0101111              | rd, rs2, (rs1) | old = amo_load(rs1, 8); store(rs1, 8, max(signed(old), signed(rs2))); rd = old
amominu.d | 11000 aq rl rs2 rs1 011 rd 0101111              | rd, rs2, (rs1) | old = amo_load(rs1, 8); store(rs1, 8, min(old, rs2)); rd = old
amomaxu.d | 11100 aq rl rs2 rs1 011 rd 0101111              | rd, rs2, (rs1) | old = amo_load(rs1, 8); store(rs1, 8, max(old, rs2)); rd = old
"""

_ZICSR = """
csrrw     | csr[11:0] rs1  001    rd 1110011                | rd, csr, rs1   | rd = csr_write(csr, rs1)
csrrs     | csr[11:0] rs1  010    rd 1110011                | rd, csr, rs1   | rd = csr_set(csr, rs1, source != 0)
csrrc     | csr[11:0] rs1  011    rd 1110011                | rd, csr, rs1   | rd = csr_clear(csr, rs1, source != 0)
csrrwi    | csr[11:0] zimm[4:0] 101 rd 1110011              | rd, csr, zimm  | rd = csr_write(csr, zimm)
csrrsi    | csr[11:0] zimm[4:0] 110 rd 1110011              | rd, csr, zimm  | rd = csr_set(csr, zimm, zimm != 0)
csrrci    | csr[11:0] zimm[4:0] 111 rd 1110011              | rd, csr, zimm  | rd = csr_clear(csr, zimm, zimm != 0)
"""

_PRIVILEGED = """
sret       | 000100000010 00000 000 00000 1110011           |                | pc = sret()
mret       | 001100000010 00000 000 00000 1110011           |                | pc = mret()
wfi        | 000100000101 00000 000 00000 1110011           |                | wfi()
sfence.vma | 0001001 rs2 rs1 000 00000 1110011              | rs1, rs2       | sfence_vma(rs1, rs2, source == 0)
"""

_HYPERVISOR = """
hlv.b       | 0110000 00000 rs1 100 rd 1110011              | rd, (rs1)      | rd = byte(hlv(rs1, 1))
hlv.bu      | 0110000 00001 rs1 100 rd 1110011              | rd, (rs1)      | rd = hlv(rs1, 1)
hlv.h       | 0110010 00000 rs1 100 rd 1110011              | rd, (rs1)      | rd = half(hlv(rs1, 2))
hlv.hu      | 0110010 00001 rs1 100 rd 1110011              | rd, (rs1)      | rd = hlv(rs1, 2)
hlvx.hu     | 0110010 00011 rs1 100 rd 1110011              | rd, (rs1)      | rd = hlvx(rs1, 2)
hlv.w       | 0110100 00000 rs1 100 rd 1110011              | rd, (rs1)      | rd = word(hlv(rs1, 4))
hlv.wu      | 0110100 00001 rs1 100 rd 1110011              | rd, (rs1)      | rd = hlv(rs1, 4)
hlvx.wu     | 0110100 00011 rs1 100 rd 1110011              | rd, (rs1)      | rd = hlvx(rs1, 4)
hlv.d       | 0110110 00000 rs1 100 rd 1110011              | rd, (rs1)      | rd = hlv(rs1, 8)
hsv.b       | 0110001 rs2 rs1 100 00000 1110011             | rs2, (rs1)     | hsv(rs1, 1, rs2)
hsv.h       | 0110011 rs2 rs1 100 00000 1110011             | rs2, (rs1)     | hsv(rs1, 2, rs2)
hsv.w       | 0110101 rs2 rs1 100 00000 1110011             | rs2, (rs1)     | hsv(rs1, 4, rs2)
hsv.d       | 0110111 rs2 rs1 100 00000 1110011             | rs2, (rs1)     | hsv(rs1, 8, rs2)
hfence.vvma | 0010001 rs2 rs1 000 00000 1110011             | rs1, rs2       | hfence_vvma(rs1, rs2, source == 0)
hfence.gvma | 0110001 rs2 rs1 000 00000 1110011             | rs1, rs2       | hfence_gvma(rs1, rs2, source == 0)
"""

# Where two rows fit, the first counts.
_C = """
c.addi4spn | 000 uimm[5:4|9:6|2|3]!=0 rd' 00 rs1=2          | rd, rs1, imm   | addi
c.lw       | 010 uimm[5:3] rs1' uimm[2|6] rd' 00            | rd, imm(rs1)   | lw
c.ld       | 011 uimm[5:3] rs1' uimm[7:6] rd' 00            | rd, imm(rs1)   | ld
c.sw       | 110 uimm[5:3] rs1' uimm[2|6] rs2' 00           | rs2, imm(rs1)  | sw
c.sd       | 111 uimm[5:3] rs1' uimm[7:6] rs2' 00           | rs2, imm(rs1)  | sd
c.addi     | 000 imm[5] rd/rs1 imm[4:0] 01                  | rd, imm        | addi
c.addiw    | 001 imm[5] rd/rs1!=0 imm[4:0] 01               | rd, imm        | addiw
c.li       | 010 imm[5] rd imm[4:0] 01                      | rd, imm        | addi
c.addi16sp | 011 imm[9]!=0 00010 imm[4|6|8:7|5]!=0 01 rd=2 rs1=2 | rd, imm   | addi
c.lui      | 011 imm[17]!=0 rd imm[16:12]!=0 01             | rd, imm        | lui
c.srli     | 100 shamt[5] 00 rd'/rs1' shamt[4:0] 01         | rd, shamt      | srli
c.srai     | 100 shamt[5] 01 rd'/rs1' shamt[4:0] 01         | rd, shamt      | srai
c.andi     | 100 imm[5] 10 rd'/rs1' imm[4:0] 01             | rd, imm        | andi
c.sub      | 100011 rd'/rs1' 00 rs2' 01                     | rd, rs2        | sub
c.xor      | 100011 rd'/rs1' 01 rs2' 01                     | rd, rs2        | xor
c.or       | 100011 rd'/rs1' 10 rs2' 01                     | rd, rs2        | or
c.and      | 100011 rd'/rs1' 11 rs2' 01                     | rd, rs2        | and
c.subw     | 100111 rd'/rs1' 00 rs2' 01                     | rd, rs2        | subw
c.addw     | 100111 rd'/rs1' 01 rs2' 01                     | rd, rs2        | addw
c.j        | 101 imm[11|4|9:8|10|6|7|3:1|5] 01              | target         | jal
c.beqz     | 110 imm[8|4:3] rs1' imm[7:6|2:1|5] 01          | rs1, target    | beq
c.bnez     | 111 imm[8|4:3] rs1' imm[7:6|2:1|5] 01          | rs1, target    | bne
c.slli     | 000 shamt[5] rd/rs1 shamt[4:0] 10              | rd, shamt      | slli
c.lwsp     | 010 uimm[5] rd!=0 uimm[4:2|7:6] 10 rs1=2       | rd, imm(rs1)   | lw
c.ldsp     | 011 uimm[5] rd!=0 uimm[4:3|8:6] 10 rs1=2       | rd, imm(rs1)   | ld
c.jr       | 1000 rs1!=0 00000 10                           | rs1            | jalr
c.mv       | 1000 rd rs2!=0 10                              | rd, rs2        | add
c.ebreak   | 1001 00000 00000 10                            |                | ebreak
c.jalr     | 1001 rs1!=0 00000 10 rd=1                      | rs1            | jalr
c.add      | 1001 rd/rs1 rs2!=0 10                          | rd, rs2        | add
c.swsp     | 110 uimm[5:2|7:6] rs2 10 rs1=2                 | rs2, imm(rs1)  | sw
c.sdsp     | 111 uimm[5:3|8:6] rs2 10 rs1=2                 | rs2, imm(rs1)  | sd
"""
# fmt: on

EXTENSIONS = {
    "I": _BASE,
    "Zifencei": _ZIFENCEI,
    "M": _M,
    "A": _A,
    "Zicsr": _ZICSR,
    "privileged": _PRIVILEGED,
    "H": _HYPERVISOR,
    "C": _C,
}
OPTIONAL = ("C", "H")  # extensions that a computer has only if it was built so, in the order of an ISA's name
NAMED = ("sv48", "svade", "svadu")  # others, which bring no instructions: "CH_svade"
