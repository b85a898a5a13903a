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

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from vlab.language import _

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
NAMED = ("sv48", "svade")  # others, which bring no instructions: "CH_svade"

_ONE_BIT = ("aq", "rl")
_SHORT_BASE = 8  # the first register that three bits name


@dataclass(frozen=True, slots=True)
class Piece:
    """`width` bits of an operand, from its bit `low` on, at bit `shift` of the instruction."""

    operand: str
    low: int
    width: int
    shift: int


class Encoding(NamedTuple):
    """What a row's encoding says: `size` in bytes, the fixed bits, the operands' pieces.

    `implied` bits stand in no field of the instruction, and are set in an operand; of each mask in `nonzero` some
    bit must be 1.
    """

    size: int
    mask: int
    match: int
    pieces: tuple[Piece, ...]
    signed: bool
    implied: tuple[tuple[str, int], ...]
    nonzero: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One instruction: what it looks like in bits and in text, and what it does.

    `base` is the name of the row that has its meaning: its own, or of a compressed one that which it expands to.
    """

    name: str
    extension: str
    encoding: str
    syntax: str
    meaning: str
    base: str = field(repr=False)
    size: int = field(repr=False)
    mask: int = field(repr=False)
    match: int = field(repr=False)
    pieces: tuple[Piece, ...] = field(repr=False)
    signed: bool = field(repr=False)
    implied: tuple[tuple[str, int], ...] = field(repr=False)
    nonzero: tuple[int, ...] = field(repr=False)

    def fits(self, word: int) -> bool:
        """Whether a word is this instruction, if no row before it is."""
        return word & self.mask == self.match and all(word & bits for bits in self.nonzero)

    def width(self, operand: str) -> int:
        """How many bits, from bit 0 up, the operand's largest value takes (an immediate's sign bit included)."""
        return max((p.low + p.width for p in self.pieces if p.operand == operand), default=0)

    def step(self, operand: str) -> int:
        """The operand must be a multiple of this: 2 for branches, 4096 for `lui`."""
        return 1 << min((p.low for p in self.pieces if p.operand == operand), default=0)

    @property
    def operands(self) -> tuple[str, ...]:
        """The operands' names, in the order of their first bit from the left."""
        return tuple(dict.fromkeys(p.operand for p in self.pieces))


@dataclass(frozen=True, slots=True, repr=False)
class Instruction:
    """A decoded instruction: its row and its operands' values (`imm` signed, all others unsigned)."""

    row: Row
    word: int
    values: dict[str, int]

    def __repr__(self) -> str:
        from vlab.riscv.disassembler import disassemble

        word = f"{self.word:#0{2 + 2 * self.row.size}x}"
        return _("Instruction {word}: {text}").format(word=word, text=disassemble(self.word))

    @property
    def name(self) -> str:
        """The mnemonic, without `.aq` and `.rl`."""
        return self.row.name

    def __getitem__(self, operand: str) -> int:
        return self.values.get(operand, 0)


def encode(row: Row, values: dict[str, int]) -> int:
    """The word of an instruction (of 16 bits, if compressed); operands not given are 0, bits that don't fit dropped."""
    word = row.match
    for piece in row.pieces:
        word |= (values.get(piece.operand, 0) >> piece.low & (1 << piece.width) - 1) << piece.shift
    return word


def length(word: int) -> int:
    """How many bytes an instruction has that begins with these 16 or 32 bits (Unprivileged ISA, 1.5)."""
    return 4 if word & 3 == 3 else 2


@lru_cache(maxsize=1 << 14)
def decode(word: int) -> Instruction | None:
    """The instruction that a word is, or None where no row matches. A compressed one has 16 bits, and no others."""
    if length(word) == 2 and word >> 16:
        return None
    for row in _BY_OPCODE.get(_opcode(word), ()):
        if row.fits(word):
            return Instruction(row, word, _operand_values(row, word))
    return None


def expanded(instruction: Instruction) -> int:
    """The 32-bit word that does the same, but for its length (Unprivileged ISA, chapter "C")."""
    return encode(ROWS[instruction.row.base], instruction.values)


def _opcode(word: int) -> int:
    return word & (0x7F if length(word) == 4 else 3)


def _operand_values(row: Row, word: int) -> dict[str, int]:
    values: dict[str, int] = {}
    for piece in row.pieces:
        bits = word >> piece.shift & (1 << piece.width) - 1
        values[piece.operand] = values.get(piece.operand, 0) | bits << piece.low
    for operand, bits in row.implied:
        values[operand] = values.get(operand, 0) | bits
    if "imm" in values and row.signed:
        sign = 1 << row.width("imm") - 1
        values["imm"] = (values["imm"] ^ sign) - sign
    if "rs1" in values:
        values["source"] = values["rs1"]
    return values


def _rows() -> Iterator[Row]:
    meanings: dict[str, str] = {}
    for extension, text in EXTENSIONS.items():
        for line in text.strip().splitlines():
            # Columns stand between spaced bars; those inside imm[12|10:5] have no spaces. A meaning may use both.
            name, encoding, syntax, meaning = (part.strip() for part in line.split(" | ", 3))
            base = meaning if meaning in meanings else name
            meanings[name] = meaning = meanings.get(meaning, meaning)
            yield Row(name, extension, encoding, syntax, meaning, base, *_parse_encoding(encoding))


def _parse_encoding(text: str) -> Encoding:
    mask = match = at = 0
    pieces: list[Piece] = []
    implied: dict[str, int] = {}
    nonzero: dict[str, int] = {}
    signed = True
    for token in reversed(text.split()):
        if set(token) <= {"0", "1"}:
            mask |= (1 << len(token)) - 1 << at
            match |= int(token, 2) << at
            at += len(token)
            continue
        if "=" in token and "!=" not in token:
            operand, _equals, value = token.partition("=")
            implied[operand] = int(value)
            continue
        fields, _unequal, zero = token.partition("!=")
        first = at
        for name in fields.split("/"):
            operand, _bracket, bits = name.rstrip("]").partition("[")
            signed &= operand != "uimm"
            operand = {"uimm": "imm"}.get(operand, operand)
            at = first
            for low, width in reversed([*_ranges(operand, bits)]):
                pieces.append(Piece(operand.rstrip("'"), low, width, at))
                at += width
            if operand.endswith("'"):
                implied[operand.rstrip("'")] = _SHORT_BASE
        if zero:
            nonzero[fields[:3]] = nonzero.get(fields[:3], 0) | (1 << at) - (1 << first)
    assert at in (16, 32), text
    pieces.reverse()
    return Encoding(
        at // 8, mask, match, tuple(pieces), signed, tuple(implied.items()), tuple(nonzero.values())
    )


def _ranges(operand: str, bits: str) -> Iterator[tuple[int, int]]:
    if not bits:
        yield 0, 1 if operand in _ONE_BIT else 3 if operand.endswith("'") else 5
        return
    for part in bits.split("|"):
        high, _colon, low = part.partition(":")
        first = int(low or high)
        yield first, int(high) - first + 1


ROWS: dict[str, Row] = {row.name: row for row in _rows()}
_BY_OPCODE: dict[int, list[Row]] = {}
for _row in ROWS.values():
    _BY_OPCODE.setdefault(_opcode(_row.match), []).append(_row)
