"""Random guests without page tables that load from, store to and jump about in their own code, in any mode.

They never end; a handler in M mode goes on behind whatever traps. So they are compared at moments.
"""

from random import Random
from struct import pack

from vlab.riscv import Program, assemble
from vlab.riscv.instructions import ROWS, encode

RAM, CODE = 0x8000_0000, 0x8000_1000
_MEMORY = [
    n
    for n, row in ROWS.items()
    if row.extension in "IA" and ("load" in row.meaning or "store" in row.meaning)
]
_JUMPS = ("beq", "bne", "blt", "bgeu", "jal")
_PLAIN = [
    n for n, row in ROWS.items() if row.extension in "IM" and n not in _MEMORY and "pc" not in row.meaning
]
_CSR = [name for name in ROWS if name.startswith("csrr")]
_OTHERS = ("ecall", "ebreak", "fence.i", "mret", "sret", "wfi")
_KEPT = (0x340, 0x341, 0x342, 0x343)  # mscratch, mepc, mcause, mtval
_READ = (0x300, 0x305, 0x344, 0x304)
_CSRS = (*_KEPT * 6, *_READ, 0x140, 0x141, 0x142, 0x143, 0x100, 0xC01, 0xF14, 0x301)


def selfmodifying(seed: int) -> Program:
    """The guest of a number: up to 300 words of code, and x10 to x31 pointing there."""
    random = Random(seed)
    words = [_word(random) for _number in range(random.randrange(40, 300))]
    last = 4 * len(words)
    points = (
        CODE + random.randrange(-16, last + 64) & ~random.choice((0, 3, 7)) for _register in range(10, 32)
    )
    source = f"""
        la   t0, trap
        csrw mtvec, t0
        li   t0, {random.choice((0, 1, 3)) << 11}
        csrs mstatus, t0
        li   t0, -1
        csrw pmpaddr0, t0
        li   t0, 0x1f
        csrw pmpcfg0, t0
        li   t0, {CODE}
        csrw mepc, t0
        {"".join(f"li x{n}, {at}{chr(10)}" for n, at in enumerate(points, 10))}
        mret
        .balign 4096
        .zero 8192
    trap:
        csrr t0, mepc           # go on behind it, or from the start
        addi t0, t0, 4
        li   t1, {CODE}
        bltu t0, t1, 1f
        li   t2, {CODE + last}
        bltu t0, t2, 2f
    1:  mv   t0, t1
    2:  csrw mepc, t0
        csrr t1, mcause
        add  s1, s1, t1
        rdtime t1
        add  s1, s1, t1
        mret
    """
    ((start, content),) = assemble(source).segments
    code = pack(f"<{len(words)}I", *words)
    return Program(((start, content[: CODE - RAM] + code + content[CODE - RAM + last :]),), RAM)


def _word(random: Random) -> int:
    groups = (_MEMORY, _PLAIN, _JUMPS, _CSR, _OTHERS)
    name = random.choice(random.choices(groups, (22, 58, 12, 7, 1))[0])
    values = {"rd": random.choice((0, 5, 6, 7, 8, 9)), "csr": random.choice(_CSRS)}
    if name in _CSR:
        name = "csrrs" if values["csr"] in _READ else random.choice(("csrrs", "csrrs", "csrrw", name))
    row = ROWS[name]
    values = {
        operand: values.get(operand, random.getrandbits(row.width(operand))) for operand in row.operands
    }
    if name in _MEMORY:
        values |= {"rs1": random.randrange(10, 32), "imm": random.choice((0, 4, 8, -4, 16, -8, 2, 40, -2048))}
    if name in _JUMPS:
        values["imm"] = random.choice((8, 12, 16, 20, 40, -8, -16, -40, 400))
    if name == "csrrs" and (values["csr"] in _READ or random.random() < 0.8):
        values["rs1"] = 0
    if name == "csrrw" and random.random() < 0.8:
        values["rd"] = 0
    return encode(row, values)
