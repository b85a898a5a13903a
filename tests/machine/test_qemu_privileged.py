"""Lock-step with QEMU, the privileged architecture point by point: each in every mode, by what the consoles say.

Left out is what QEMU (7.2) does otherwise, besides what `mask` and `test_qemu` name: it has `vstimecmp` without the
hypervisor extension and the debugger's triggers, takes a top of range of 0 for all of memory, keeps W without R in
a PMP entry, and forgets the range above an address register that is written, until its configuration is written.
"""

import random

import pytest

from tests.machine.qemu import alike

pytestmark = pytest.mark.requires("qemu")

# What ours has and hasn't.
HART = ",h=false,v=false,sstc=true,sscofpmf=false,svinval=false,svnapot=false,svpbmt=false,pmu-num=29"
STRANGE = (0x24D, *range(0x7A0, 0x7A5))  # vstimecmp; tselect, tdata1 to tdata3, tinfo

# Of each number the cause of a trap when it is read, or of the ecall behind that.
EVERY_CSR = """
main:   li t0, 7
        csrw mcounteren, t0
        csrw scounteren, t0
        li t0, 1 << 63
        csrw menvcfg, t0
        li s0, 0                        # number
number_: li s1, 0                       # mode
mode:   la t0, patch
        slli t1, s0, 20
        li t2, 0x2573                   # csrr a0, 0
        or t1, t1, t2
        sw t1, 0(t0)
        fence.i
        li t1, 3 << 11
        csrc mstatus, t1
        slli t1, s1, 11
        csrs mstatus, t1
        csrw mepc, t0
        mret
        .balign 4096
patch:  nop
        ecall
        .balign 4
trap:   csrr a0, mcause
        call digit
        addi s1, s1, 1
        li t0, 2
        blt s1, t0, mode
        addi s1, s1, 1
        li t0, 4
        blt s1, t0, mode
        li a0, ' '
        call put
        mv a0, s0
        call number
        call line
1:      addi s0, s0, 1
{strange}
        li t0, 4096
        bne s0, t0, number_
        j end
"""


def test_every_number_of_a_csr_in_each_mode():
    strange = "\n".join(f"        li t0, {number}\n        beq s0, t0, 1b" for number in STRANGE)
    lines = alike(EVERY_CSR.format(strange=strange), HART)
    assert len(lines) == 4096 - len(STRANGE)
    assert {line.split()[0] for line in lines} == {"222", "22b", "29b", "89b"}


# The counters by their enables, stimecmp by STCE and TM, satp and the fence by TVM; from U and from S.
ENABLES = """
main:   li s0, 0                        # mode
modes:  li s1, 0                        # mcounteren
above:  li s2, 0                        # scounteren
below:  li s3, 0                        # STCE, TVM
flags:  li s4, 0                        # which stub
which:  csrw mcounteren, s1
        csrw scounteren, s2
        slli t0, s3, 63
        csrw menvcfg, t0
        li t0, 3 << 11 | 1 << 20
        csrc mstatus, t0
        srli t0, s3, 1
        slli t0, t0, 20
        csrs mstatus, t0
        slli t0, s0, 11
        csrs mstatus, t0
        la t0, stubs
        slli t1, s4, 3
        add t0, t0, t1
        csrw mepc, t0
        mret
        .balign 4096
stubs:
{stubs}
        .balign 4
trap:   csrr a0, mcause
        call digit
        addi s4, s4, 1
        li t0, {count}
        bne s4, t0, which
        call line
        addi s3, s3, 1
        li t0, 4
        bne s3, t0, flags
        addi s2, s2, 1
        li t0, 8
        bne s2, t0, below
        addi s1, s1, 1
        bne s1, t0, above
        addi s0, s0, 1
        li t0, 2
        bne s0, t0, modes
        j end
"""
GUARDED = (
    *(f"csrr a0, {name}" for name in ("cycle", "time", "instret", "hpmcounter3", "hpmcounter31")),
    *("csrr a0, stimecmp", "csrw stimecmp, s5", "csrr a0, satp", "csrw satp, zero", "sfence.vma"),
)


def test_counters_alarms_and_tables_by_what_m_mode_lets_others_do():
    stubs = "\n".join(f"        {instruction}\n        ecall" for instruction in GUARDED)
    lines = alike(ENABLES.format(stubs=stubs, count=len(GUARDED)), HART)
    assert len(lines) == 2 * 8 * 8 * 4
    assert len(set(lines)) > 30


# Three interrupts, pending and enabled or not, delegated or not, in each mode, with its enable or without, to
# vectors of both kinds; or else an ecall, to a vector of that kind.
VECTORS = """
main:   li s0, 0                        # mode, MPIE, SIE, kinds of both vectors, delegated, enabled, which (2 bits)
next:   csrw mie, zero
        la t0, in_m
        srli t1, s0, 4
        andi t1, t1, 1
        or t0, t0, t1
        csrw mtvec, t0
        la t0, in_s
        srli t1, s0, 5
        andi t1, t1, 1
        or t0, t0, t1
        csrw stvec, t0
        srli t1, s0, 8
        slli t1, t1, 2
        li t0, 2
        sll t0, t0, t1
        csrw mip, t0
        srli t1, s0, 6
        andi t1, t1, 1
        slli t2, t1, 8                  # of exceptions, the ecall from U
        csrw medeleg, t2
        neg t1, t1
        and t1, t1, t0
        csrw mideleg, t1
        li t1, 3 << 11 | 0x1aa
        csrc mstatus, t1
        andi t1, s0, 3
        slli t1, t1, 11
        csrs mstatus, t1
        srli t1, s0, 2
        andi t1, t1, 1
        slli t1, t1, 7
        csrs mstatus, t1
        srli t1, s0, 3
        andi t1, t1, 1
        slli t1, t1, 1
        csrs mstatus, t1
        la t1, stub
        csrw mepc, t1
        srli t1, s0, 7
        andi t1, t1, 1
        neg t1, t1
        and t0, t0, t1
        csrw mie, t0
        mret
        .balign 4
stub:   nop
        ecall
        .balign 256
in_m:
        .rept 16
        jal s1, trap
        .endr
        .balign 256
in_s:
        .rept 16
        jal s1, 1f
        .endr
1:      csrr s3, scause
        csrr s5, sstatus
        mv s2, s1
        ecall
        .balign 4
trap:   csrr a0, mcause
        call number
        la t0, in_m
        sub a0, s1, t0
        call number
        csrr a0, mstatus
        call number
        mv a0, s2
        beqz a0, 1f
        la t0, in_s
        sub a0, a0, t0
1:      call number
        mv a0, s3
        call number
        mv a0, s5
        call number
        call line
        li s2, 0
        li s3, 0
        li s5, 0
2:      addi s0, s0, 1
        andi t0, s0, 3
        li t1, 2
        beq t0, t1, 2b
        li t0, 3 << 8
        blt s0, t0, next
        j end
"""


def test_vectored_traps_and_interrupts_in_every_mode():
    lines = alike(VECTORS, HART)
    assert len(lines) == 3 * 192
    assert {line.split()[1][-2:] for line in lines} >= {"04", "08", "18", "28"}


# Loads and stores as another mode: a fifth of all flags of a page, MPP, SUM and MXR; aligned, over its end into one
# that may be accessed, over its beginning from one that isn't there.
AS_ANOTHER = """
        .equ PAGE_AT, 5 << 30
        .equ MPRV, 1 << 17
main:   la t0, root
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
flags:  li s1, 0                        # MPP
modes:  li s2, 0                        # MXR, SUM
status: li s3, 0                        # access
access: la t0, leaf
        la t1, page
        srli t1, t1, 2
        or t2, t1, s0
        sd t2, 0(t0)
        ori t1, t1, 0xcf                # the page behind it is for the one mode, or for the other
        bnez s1, 1f
        ori t1, t1, 0x10
1:      sd t1, 8(t0)
        sfence.vma
        la t0, stubs
        slli t1, s3, 3
        add t0, t0, t1
        li a1, PAGE_AT + 2048
        li a3, PAGE_AT + 4093
        li a4, PAGE_AT - 3
        li t1, 3 << 11 | 3 << 18
        csrc mstatus, t1
        slli t1, s1, 11
        slli t2, s2, 18
        or t1, t1, t2
        li t2, MPRV
        or t1, t1, t2
        li s4, 0
        li s5, 0
        csrs mstatus, t1
        jr t0
        .balign 8
stubs:  ld a2, 0(a1)
        j done
        sd a2, 0(a1)
        j done
        lr.d a2, (a1)
        j done
        ld a2, 0(a3)
        j done
        sd zero, 0(a3)
        j done
        ld a2, 0(a4)
        j done
        sd zero, 0(a4)
        j done
        lr.d a2, (a3)
        j done
done:   li t0, MPRV
        csrc mstatus, t0
        j tell
        .balign 4
trap:   li t0, MPRV
        csrc mstatus, t0
        csrr s4, mcause
        csrr s5, mtval
        li t0, PAGE_AT
        sub s5, s5, t0
tell:   mv a0, s4
        call digit
        srli a0, s5, 8
        call digit
        srli a0, s5, 4
        call digit
        mv a0, s5
        call digit
        la t0, leaf                     # what hardware changed of A and D
        ld a0, 0(t0)
        xor a0, a0, s0
        srli a0, a0, 6
        call digit
        addi s3, s3, 1
        li t0, 8
        bne s3, t0, access
        addi s2, s2, 1
        li t0, 4
        bne s2, t0, status
        call line
        addi s1, s1, 1
        li t0, 2
        bne s1, t0, modes
        addi s0, s0, 5
        li t0, 256
        blt s0, t0, flags
        j end

        .bss
        .balign 4096
root:   .zero 4096
middle: .zero 4096
leaf:   .zero 4096
        .data
        .balign 4096
page:   .zero 8192
        .text
"""


def test_loads_and_stores_as_another_mode_aligned_and_across_pages():
    lines = alike(AS_ANOTHER, HART)
    assert len(lines) == 2 * 52
    assert len(set(lines)) > 12


# PMP, all 16 entries, written by M mode in any order; some are locked, and stay so.
LOCKING = """
trap:   csrr s1, mcause
        csrr t0, mepc
        addi t0, t0, 4
        csrw mepc, t0
        mret
"""
CLOSED = 0x8020_0000
AGAIN = "csrr t0, pmpcfg0\ncsrw pmpcfg0, t0\ncsrr t0, pmpcfg2\ncsrw pmpcfg2, t0"  # as QEMU wants it


def locking(seed):
    """Writes to PMP registers, each read back, and accesses of M mode in between, each with its trap's cause."""
    rng = random.Random(seed)
    lines = ["main: csrw pmpcfg0, zero"]
    lines += [f"li t0, {CLOSED - 64 + 8 * entry >> 2}\ncsrw pmpaddr{entry}, t0" for entry in range(16)]
    for _deed in range(80):
        match rng.randrange(10):
            case 0 | 1 | 2 | 3 | 4:
                ones = (1 << rng.randrange(5)) - 1 if rng.random() < 0.5 else 0
                value, entry = CLOSED + 4 * rng.randrange(-16, 16) >> 2 | ones, rng.randrange(16)
                lines.append(f"li t0, {value}\ncsrw pmpaddr{entry}, t0\ncsrr a0, pmpaddr{entry}\n{AGAIN}")
            case 5 | 6:
                parts = [rng.choice((0, 1, 3, 4, 5, 7)) | rng.randrange(4) << 3 for _entry in range(8)]
                value = sum((part | 0x80 * (rng.random() < 0.12)) << 8 * i for i, part in enumerate(parts))
                bank = rng.choice((0, 2))
                lines.append(f"li t0, {value}\ncsrw pmpcfg{bank}, t0\ncsrr a0, pmpcfg{bank}")
            case _:
                letter, size = rng.choice("ls"), rng.randrange(4)
                at = CLOSED + rng.randrange(-64, 64) & -1 << size
                lines.append(f"li a1, {at}\nli s1, 0\n{letter}{'bhwd'[size]} a2, (a1)\nmv a0, s1")
        lines.append("call number\ncall line")
    return "\n".join([*lines, "j end", ".balign 4", LOCKING])


@pytest.mark.parametrize("seed", [1, 2, 5, 6])  # these don't lock themselves out
def test_locked_protection_binds_m_mode_and_stays(seed):
    assert len(alike(locking(seed), HART)) == 80
