"""Instructions that are only ways of writing others: the table of pseudo-instructions, and `li`.

A row is `name | operands | expansion`, written as one would write it by hand; `.` is the address of the
instruction it stands in. *Aliases* are one instruction each: the disassembler reads them backwards, and the
first match wins. *Shorthands* are for the assembler alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vlab.riscv.csrs import ALL_CSRS
from vlab.riscv.instructions import ROWS, Row
from vlab.riscv.registers import NUMBERS

_ALIASES = """
nop        |              | addi zero, zero, 0
c.nop      |              | c.addi zero, 0
li         | rd, imm      | addi rd, zero, imm
mv         | rd, rs1      | addi rd, rs1, 0
not        | rd, rs1      | xori rd, rs1, -1
zext.b     | rd, rs1      | andi rd, rs1, 255
neg        | rd, rs2      | sub rd, zero, rs2
negw       | rd, rs2      | subw rd, zero, rs2
sext.w     | rd, rs1      | addiw rd, rs1, 0
seqz       | rd, rs1      | sltiu rd, rs1, 1
snez       | rd, rs2      | sltu rd, zero, rs2
sltz       | rd, rs1      | slt rd, rs1, zero
sgtz       | rd, rs2      | slt rd, zero, rs2
beqz       | rs1, target  | beq rs1, zero, target
bnez       | rs1, target  | bne rs1, zero, target
blez       | rs2, target  | bge zero, rs2, target
bgez       | rs1, target  | bge rs1, zero, target
bltz       | rs1, target  | blt rs1, zero, target
bgtz       | rs2, target  | blt zero, rs2, target
j          | target       | jal zero, target
jal        | target       | jal ra, target
ret        |              | jalr zero, 0(ra)
jr         | rs1          | jalr zero, 0(rs1)
jr         | imm(rs1)     | jalr zero, imm(rs1)
jalr       | rs1          | jalr ra, 0(rs1)
jalr       | imm(rs1)     | jalr ra, imm(rs1)
jalr       | rd, rs1      | jalr rd, 0(rs1)
unimp      |              | csrrw zero, cycle, zero
rdcycle    | rd           | csrrs rd, cycle, zero
rdtime     | rd           | csrrs rd, time, zero
rdinstret  | rd           | csrrs rd, instret, zero
csrr       | rd, csr      | csrrs rd, csr, zero
csrw       | csr, rs1     | csrrw zero, csr, rs1
csrs       | csr, rs1     | csrrs zero, csr, rs1
csrc       | csr, rs1     | csrrc zero, csr, rs1
csrwi      | csr, zimm    | csrrwi zero, csr, zimm
csrsi      | csr, zimm    | csrrsi zero, csr, zimm
csrci      | csr, zimm    | csrrci zero, csr, zimm
fence      |              | fence iorw, iorw
sfence.vma |              | sfence.vma zero, zero
sfence.vma | rs1          | sfence.vma rs1, zero
hfence.vvma |             | hfence.vvma zero, zero
hfence.vvma | rs1         | hfence.vvma rs1, zero
hfence.gvma |             | hfence.gvma zero, zero
hfence.gvma | rs1         | hfence.gvma rs1, zero
"""

_SHORTHANDS = """
add        | rd, rs1, imm      | addi rd, rs1, imm
addw       | rd, rs1, imm      | addiw rd, rs1, imm
and        | rd, rs1, imm      | andi rd, rs1, imm
or         | rd, rs1, imm      | ori rd, rs1, imm
xor        | rd, rs1, imm      | xori rd, rs1, imm
slt        | rd, rs1, imm      | slti rd, rs1, imm
sltu       | rd, rs1, imm      | sltiu rd, rs1, imm
sll        | rd, rs1, shamt    | slli rd, rs1, shamt
srl        | rd, rs1, shamt    | srli rd, rs1, shamt
sra        | rd, rs1, shamt    | srai rd, rs1, shamt
sllw       | rd, rs1, shamt    | slliw rd, rs1, shamt
srlw       | rd, rs1, shamt    | srliw rd, rs1, shamt
sraw       | rd, rs1, shamt    | sraiw rd, rs1, shamt
sgt        | rd, rs1, rs2      | slt rd, rs2, rs1
sgtu       | rd, rs1, rs2      | sltu rd, rs2, rs1
bgt        | rs1, rs2, target  | blt rs2, rs1, target
ble        | rs1, rs2, target  | bge rs2, rs1, target
bgtu       | rs1, rs2, target  | bltu rs2, rs1, target
bleu       | rs1, rs2, target  | bgeu rs2, rs1, target
jr         | rs1, imm          | jalr zero, imm(rs1)
jalr       | rs1, imm          | jalr ra, imm(rs1)
jalr       | rd, rs1, imm      | jalr rd, imm(rs1)
csrrw      | rd, csr, zimm     | csrrwi rd, csr, zimm
csrrs      | rd, csr, zimm     | csrrsi rd, csr, zimm
csrrc      | rd, csr, zimm     | csrrci rd, csr, zimm
csrw       | csr, zimm         | csrrwi zero, csr, zimm
csrs       | csr, zimm         | csrrsi zero, csr, zimm
csrc       | csr, zimm         | csrrci zero, csr, zimm
sext.b     | rd, rs1           | slli rd, rs1, 56; srai rd, rd, 56
sext.h     | rd, rs1           | slli rd, rs1, 48; srai rd, rd, 48
zext.h     | rd, rs1           | slli rd, rs1, 48; srli rd, rd, 48
zext.w     | rd, rs1           | slli rd, rs1, 32; srli rd, rd, 32
la         | rd, symbol        | auipc rd, %pcrel_hi(symbol); addi rd, rd, %pcrel_lo(.-4)
lla        | rd, symbol        | auipc rd, %pcrel_hi(symbol); addi rd, rd, %pcrel_lo(.-4)
call       | symbol            | auipc ra, %pcrel_hi(symbol); jalr ra, %pcrel_lo(.-4)(ra)
call       | rd, symbol        | auipc t1, %pcrel_hi(symbol); jalr rd, %pcrel_lo(.-4)(t1)
tail       | symbol            | auipc t1, %pcrel_hi(symbol); jalr zero, %pcrel_lo(.-4)(t1)
jump       | symbol, rt        | auipc rt, %pcrel_hi(symbol); jalr zero, %pcrel_lo(.-4)(rt)
fence.tso  |                   | fence rw, rw, fm=8
move       | rd, rs1           | addi rd, rs1, 0
scall      |                   | ecall
sbreak     |                   | ebreak
"""

_LOADS = ("lb", "lh", "lw", "ld", "lbu", "lhu", "lwu")
_STORES = ("sb", "sh", "sw", "sd")
_WORD = re.compile(r"%\w+\([^)]*\)|[^\s,()]+")


def _by_symbol() -> Iterator[str]:
    """Loads and stores that name their place: the address goes through a register."""
    for name in _LOADS:
        yield f"{name} | rd, place | auipc rd, %pcrel_hi(place); {name} rd, %pcrel_lo(.-4)(rd)"
    for name in _STORES:
        yield f"{name} | rs2, place, rt | auipc rt, %pcrel_hi(place); {name} rs2, %pcrel_lo(.-4)(rt)"


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction of an expansion: for each operand of its row a number, or the text of what goes in."""

    row: Row
    operands: dict[str, int | str]


@dataclass(frozen=True, slots=True)
class Form:
    """One way of writing an instruction: its operands as written, and what they become."""

    name: str
    slots: tuple[str, ...]
    steps: tuple[Step, ...]


def named_operands(syntax: str) -> list[str]:
    """The operands in a syntax, from the left: "rd, imm(rs1)" has rd, imm, rs1."""
    return _WORD.findall(syntax)


def slots(syntax: str) -> tuple[str, ...]:
    """The operands in a syntax, as a reader counts them: "rd, imm(rs1)" has two."""
    return tuple(part.strip() for part in syntax.split(",")) if syntax else ()


def fence_set(text: str) -> int | None:
    """The four bits of a `fence` operand such as `rw`; None if it isn't one."""
    places = ["iorw".find(letter) for letter in text]
    if -1 in places or places != sorted(set(places)):
        return 0 if text == "0" else None
    return sum(8 >> place for place in places)


def _form(line: str) -> Form:
    name, operands, expansion = (part.strip() for part in line.split("|"))
    return Form(name, slots(operands), tuple(_step(text.strip()) for text in expansion.split(";")))


def _step(text: str) -> Step:
    name, _space, rest = text.partition(" ")
    row, words = ROWS[name], _WORD.findall(rest)
    named = dict(zip(named_operands(row.syntax), words, strict=False))
    extra = dict(word.split("=") for word in words[len(named) :])
    return Step(row, {operand: _constant(operand, word) for operand, word in (named | extra).items()})


def _constant(operand: str, word: str) -> int | str:
    """A fixed operand's value; the text of one that the reader gives."""
    if word.lstrip("-").isdecimal():
        return int(word)
    if word in NUMBERS:
        return NUMBERS[word]
    if operand in ("pred", "succ"):
        return fence_set(word) or 0
    return ALL_CSRS[word].number if word in ALL_CSRS else word


ALIASES: tuple[Form, ...] = tuple(_form(line) for line in _ALIASES.strip().splitlines())
SHORTHANDS: tuple[Form, ...] = tuple(
    _form(line) for line in [*_SHORTHANDS.strip().splitlines(), *_by_symbol()]
)


def _plain_forms() -> Iterator[Form]:
    """The instructions themselves, with their orderings where they have them."""
    for row in ROWS.values():
        operands: dict[str, int | str] = {operand: operand for operand in named_operands(row.syntax)}
        orderings = ("", ".aq", ".rl", ".aqrl") if "aq" in row.operands else ("",)
        for suffix in orderings:
            if suffix:
                operands = operands | {"aq": int("aq" in suffix), "rl": int("rl" in suffix)}
            yield Form(row.name + suffix, slots(row.syntax), (Step(row, operands),))


FORMS: dict[str, list[Form]] = {}
for _each in (*_plain_forms(), *ALIASES, *SHORTHANDS):
    FORMS.setdefault(_each.name, []).append(_each)


def constant_steps(register: int, value: int) -> list[Step]:
    """The shortest known way to put a 64-bit constant into a register: what `li` becomes.

    A constant of 12 bits takes `addi`, one of 32 bits `lui` and `addiw`. Of a longer one the upper part is
    made first by the same rule, then shifted up, then the lowest 12 bits are added.
    """
    if -2048 <= value < 2048:
        return [Step(ROWS["addi"], {"rd": register, "rs1": 0, "imm": value})]
    return _built(register, value)


def _built(register: int, value: int) -> list[Step]:
    low = (value & 0xFFF ^ 0x800) - 0x800
    if -(1 << 31) <= value < 1 << 31:
        upper = (value - low) & 0xFFFF_F000
        steps = [Step(ROWS["lui"], {"rd": register, "imm": upper})] if upper else []
        if low:
            source = register if upper else 0
            steps.append(Step(ROWS["addiw"], {"rd": register, "rs1": source, "imm": low}))
        return steps
    upper = (value - low & (1 << 64) - 1 ^ 1 << 63) - (1 << 63)
    shift = (upper & -upper).bit_length() - 1
    steps = _built(register, upper >> shift)
    steps.append(Step(ROWS["slli"], {"rd": register, "rs1": register, "shamt": shift}))
    if low:
        steps.append(Step(ROWS["addi"], {"rd": register, "rs1": register, "imm": low}))
    return steps
