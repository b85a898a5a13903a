"""Lock-step with QEMU: random programs, all page permissions, traps and interrupts, PMP: the same on both consoles.

Left out is what QEMU (7.2) does otherwise: it reports misaligned AMOs as loads, cuts misaligned accesses into
aligned ones before PMP and devices see them, leaves MPRV set on a return to a lower mode, takes the pending
interrupt with the lowest number, and lets `sc` succeed for another size than was reserved.
"""

import random

import pytest

from tests.machine.qemu import alike
from vlab.riscv import ROWS, disassemble, encode

pytestmark = pytest.mark.requires("qemu")

MASK = (1 << 64) - 1
EDGES = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 63, MASK, MASK - 1]
ELSEWHERE = ("ebreak", "ecall", "lr.w", "lr.d", "sc.w", "sc.d")
PLAIN = [row for row in ROWS.values() if row.extension in ("I", "M", "A") and row.name not in ELSEWHERE]
SCRATCH = range(8, 32)  # s0 and up: what random instructions write

# Prints cause, value and place (from `here`) of every trap, and goes on behind the instruction.
TELLING_TRAP = """
trap:   csrw mscratch, sp
        la sp, handling
        sd ra, -8(sp)
        sd a0, -16(sp)
        sd t5, -24(sp)
        sd t6, -32(sp)
        addi sp, sp, -32
        csrr a0, mcause
        call number
        csrr a0, mtval
        call number
        csrr a0, mepc
        la t6, here
        sub a0, a0, t6
        call number
        call line
        csrr a0, mepc
        addi a0, a0, 4
        csrw mepc, a0
        addi sp, sp, 32
        ld ra, -8(sp)
        ld a0, -16(sp)
        ld t5, -24(sp)
        ld t6, -32(sp)
        csrr sp, mscratch
        mret
        .bss
        .balign 16
        .zero 512
handling:
        .text
"""


def values_of(row, rng):
    """Operands of a random instruction: results to scratch registers, addresses in `data`, no backward jump."""
    values = {operand: rng.randrange(1 << row.width(operand)) for operand in row.operands}
    for operand in ("rd", "dest"):
        if operand in values:
            values[operand] = rng.choice([0, *SCRATCH])
    for operand in ("rs1", "rs2", "source"):
        if operand in values:
            values[operand] = rng.choice([0, *SCRATCH])
    if row.name == "jal" or row.name.startswith("b"):
        values["imm"] = rng.choice([4, 8, 12])
    elif "(rs1)" in row.syntax:
        values["rs1"] = 4 if row.extension == "I" else 3  # tp points into the data; gp too, and is aligned
        if "imm" in values:
            values["imm"] = rng.randrange(-256, 256)
    if row.name == "jalr":
        values |= {"rs1": 7, "imm": rng.choice([0, 2])}  # t2 is set before it
    return values


def snippet(rng):
    """A few random instructions from random registers, whose results are printed as one checksum."""
    lines = [f"li x{i}, {rng.choice(EDGES) if rng.random() < 0.4 else rng.getrandbits(64)}" for i in SCRATCH]
    lines.append(f"la tp, data + {rng.randrange(300, 500)}")
    lines.append(f"la gp, data + {8 * rng.randrange(40, 60)}")
    for size in "wd":
        lines += [f"lr.{size} s2, (gp)", f"add s2, s2, s{rng.randrange(3, 12)}", f"sc.{size} s3, s2, (gp)"]
        lines += [f"sc.{size} s4, s3, (gp)"]
    for _instruction in range(12):
        row = rng.choice(PLAIN)
        if row.name == "jalr":
            lines += ["la t2, 1f", "addi t2, t2, 1"]
        word = encode(row, values_of(row, rng))
        lines.append(f".word {word:#x}  # {disassemble(word)}")
        if row.name == "jalr":
            lines.append("1: nop")
    lines += ["nop"] * 3  # where the last branches go
    for i in SCRATCH:
        lines += ["slli t0, t1, 7", "srli t1, t1, 57", "or t1, t1, t0", f"xor t1, t1, x{i}"]
    lines += [
        "la t2, data",
        "li gp, 128",
        "1: ld t0, 0(t2)",
        "slli tp, t1, 5",
        "srli t1, t1, 59",
        "or t1, t1, tp",
    ]
    lines += ["add t1, t1, t0", "addi t2, t2, 8", "addi gp, gp, -1", "bnez gp, 1b"]
    lines += ["mv a0, t1", "call number", "call line"]
    return "\n".join(f"        {line}" for line in lines)


@pytest.mark.parametrize("seed", range(2))
def test_random_unprivileged_programs(seed):
    rng = random.Random(seed)
    snippets = "\n".join(snippet(rng) for _snippet in range(120))
    text = f"main:\nhere:\n{snippets}\n        j end\n{TELLING_TRAP}\n"
    assert len(alike(text + "        .bss\n        .balign 4096\ndata:   .zero 1024\n        .text\n")) >= 120


PERMISSIONS = """
        .equ PAGE_AT, 5 << 30
        .equ USER_AT, 4 << 30           # where U sees RAM
main:   la t0, root                     # RAM at its place for S, at USER_AT for U; one page of 4 KiB at PAGE_AT
        li t1, (0x80000000 >> 2) | 0xcf
        sd t1, 2*8(t0)
        li t1, (0x80000000 >> 2) | 0xdf
        sd t1, 4*8(t0)
        la t1, middle
        srli t1, t1, 2
        ori t1, t1, 1
        sd t1, 5*8(t0)
        la t2, middle
        la t1, leaf
        srli t1, t1, 2
        ori t1, t1, 1
        sd t1, 0(t2)
        srli t0, t0, 12
        li t1, 8 << 60
        or t0, t0, t1
        csrw satp, t0
        li s0, 0                        # flags
flags:  li s1, 0                        # mode
modes:  li s2, 0                        # MXR, SUM
status: li s3, 0                        # access: fetch, load, store
access: la t0, leaf
        la t1, page
        srli t1, t1, 2
        or t1, t1, s0
        sd t1, 0(t0)
        sfence.vma
        li t0, 3 << 11 | 3 << 18
        csrc mstatus, t0
        slli t0, s1, 11
        slli t1, s2, 18
        or t0, t0, t1
        csrs mstatus, t0
        la t0, stubs
        slli t1, s3, 3
        add t0, t0, t1
        bnez s1, 1f
        li t1, USER_AT - 0x80000000
        add t0, t0, t1
1:      csrw mepc, t0
        li a1, PAGE_AT
        mret
        .balign 8
stubs:  jr a1
        nop
        ld a2, 8(a1)
        ecall
        sd a2, 8(a1)
        ecall

        .balign 4
trap:   csrr a0, mcause
        csrr t0, mtval
        li t1, 12
        blt a0, t1, 1f
        li t1, PAGE_AT
        sub t0, t0, t1
        beqz s3, 2f
        addi t0, t0, -8
2:      beqz t0, 1f
        li a0, '!'                      # another value than the address
        call put
        csrr a0, mcause
1:      call digit
        la t0, leaf                     # what hardware changed of A and D
        ld a0, 0(t0)
        xor a0, a0, s0
        srli a0, a0, 6
        andi a0, a0, 3
        call digit
        addi s3, s3, 1
        li t0, 3
        bne s3, t0, access
        addi s2, s2, 1
        li t0, 4
        bne s2, t0, status
        addi s1, s1, 1
        li t0, 2
        bne s1, t0, modes
        call line
        addi s0, s0, 1
        li t0, 256
        bne s0, t0, flags
        j end

        .bss
        .balign 4096
root:   .zero 4096
middle: .zero 4096
leaf:   .zero 4096
        .data
        .balign 4096
page:   .word 0x73                      # ecall
        .zero 4092
        .text
"""


def test_every_combination_of_flags_mode_sum_mxr_and_access():
    lines = alike(PERMISSIONS)
    assert len(lines) == 256
    assert len(set(lines)) > 20


# Registers of a case, in the order of the table that the program goes through.
CASE = ("medeleg", "mideleg", "mie", "mip", "mstatus", "mepc")

TRAPS = """
main:   la s0, cases
        la s1, cases_end
next:   beq s0, s1, end
        csrw mie, zero
        ld t0, 0(s0)
        csrw medeleg, t0
        ld t0, 8(s0)
        csrw mideleg, t0
        ld t0, 24(s0)
        csrw mip, t0
        ld t0, 32(s0)
        csrw mstatus, t0
        la t0, stubs
        ld t1, 40(s0)
        add t0, t0, t1
        csrw mepc, t0
        la t0, in_s
        csrw stvec, t0
        csrw scause, zero
        csrw sepc, zero
        ld t0, 16(s0)
        csrw mie, t0
        mret

        .balign 4
stubs:  ecall
        j .
        .word 0                         # illegal
        j .
        csrr a0, mscratch
        j .
        sret
        j .
        mret
        j .
        ld a0, 8(zero)                  # nothing is there
        j .

        .balign 4
in_s:   csrr s2, sstatus
        csrr s3, scause
        csrr s4, sepc
        csrr s5, stval
        li s6, 1
        ecall                           # never delegated

        .balign 4
trap:   csrr a0, mcause
        call number
        csrr a0, mtval
        call number
        csrr a0, mstatus
        call number
        csrr a0, mepc
        la t0, stubs
        sub a0, a0, t0
        call number
        mv a0, s2
        call number
        mv a0, s3
        call number
        mv a0, s5
        call number
        beqz s4, 1f
        la t0, stubs
        sub s4, s4, t0
1:      mv a0, s4
        call number
        mv a0, s6
        call digit
        call line
        li s2, 0
        li s3, 0
        li s4, 0
        li s5, 0
        li s6, 0
        addi s0, s0, 48
        j next
        .data
        .balign 8
cases:
"""


def case(rng):
    supervisor = 1 << 1 | 1 << 5 | 1 << 9
    stack = sum(1 << bit for bit in (1, 3, 5, 7, 8, 20, 21, 22) if rng.random() < 0.5)
    mode = rng.choice([0, 1])  # a trap in M's own stub would have no way on
    mideleg, mie, mip = (rng.getrandbits(16) & supervisor for _register in range(3))
    while any((mie & mip & group).bit_count() > 1 for group in (mideleg, ~mideleg)):
        mip &= rng.getrandbits(16)
    return {
        "medeleg": rng.getrandbits(16) & ~(1 << 9) & 0xB3FF,
        "mideleg": mideleg,
        "mie": mie,
        "mip": mip,
        "mstatus": stack | mode << 11,
        "mepc": 8 * rng.randrange(6),
    }


def test_traps_returns_delegation_and_interrupts():
    rng = random.Random(7)
    cases = [case(rng) for _case in range(400)]
    # An sret that works goes where sepc says: 0, where there is nothing to fetch. That traps again, and is told.
    table = "\n".join(f"        .dword {', '.join(str(c[name]) for name in CASE)}" for c in cases)
    lines = alike(f"{TRAPS}{table}\ncases_end:\n        .text\n")
    assert len(lines) == 400
    assert len({line.split()[0] for line in lines}) >= 6


PMP = """
main:   li t0, 0x801fffc0               # code around the place: ecall
        li t1, 0x80200040
        li t2, 0x73
1:      sw t2, 0(t0)
        addi t0, t0, 4
        bne t0, t1, 1b
        la s0, cases
        la s1, cases_end
next:   beq s0, s1, end
        csrw pmpcfg0, zero
        ld t0, 0(s0)
        csrw pmpaddr0, t0
        ld t0, 8(s0)
        csrw pmpaddr1, t0
        ld t0, 16(s0)
        csrw pmpaddr2, t0
        li t0, -1
        csrw pmpaddr3, t0
        ld t0, 24(s0)
        csrw pmpcfg0, t0
        li t0, 3 << 11
        csrc mstatus, t0
        ld t0, 32(s0)                   # mode
        slli t0, t0, 11
        csrs mstatus, t0
        ld a1, 40(s0)                   # address
        la t0, stubs
        ld t1, 48(s0)                   # kind of access
        add t0, t0, t1
        csrw mepc, t0
        li a2, 0x73 << 32 | 0x73        # what is stored is code too
        sfence.vma
        mret
        .balign 4096
stubs:  lb a2, 0(a1)
        ecall
        lh a2, 0(a1)
        ecall
        lw a2, 0(a1)
        ecall
        ld a2, 0(a1)
        ecall
        sw a2, 0(a1)
        ecall
        sd a2, 0(a1)
        ecall
        jr a1
        ecall
        .balign 4096
trap:   csrr a0, mcause
        call digit
        csrr a0, mtval
        call number
        csrr a0, mepc
        call number
        call line
        addi s0, s0, 56
        j next
        .data
        .balign 8
cases:
"""


def region(rng, at):
    """A configuration byte and an address register that match something near `at`."""
    rights = rng.choice([0, 1, 3, 4, 5, 7])
    how = rng.choice([0, 1, 2, 3, 3])
    near = at + 4 * rng.randrange(-4, 5) >> 2
    return how << 3 | rights, near | (1 << rng.randrange(5)) - 1 if how == 3 else near


SIZES = (1, 2, 4, 8, 4, 8, 4)  # of the stubs' accesses


def test_physical_memory_protection():
    rng = random.Random(3)
    at = 0x8020_0000
    table = []
    for _case in range(500):
        regions = [region(rng, at) for _region in range(3)]
        config = sum(c << 8 * i for i, (c, _a) in enumerate(regions)) | 0x1F << 24  # the rest is open
        kind = rng.randrange(7)
        address = at + rng.randrange(-16, 16) & -SIZES[kind]
        row = [*(a for _c, a in regions), config, rng.choice([0, 0, 1]), address, 8 * kind]
        table.append("        .dword " + ", ".join(map(str, row)))
    lines = alike(PMP + "\n".join(table) + "\ncases_end:\n        .text\n")
    assert len(lines) == 500
    assert {line[0] for line in lines} >= {"1", "5", "7", "8", "9"}
