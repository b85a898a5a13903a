"""Guests with compressed instructions: under every technique they end as on the bare machine, at the same time."""

from itertools import product
from pathlib import Path
from struct import pack

import pytest

from tests.hypervisor.towers import POLICIES, difference, end, tower
from tests.machine.test_compressed import ADDI
from tests.riscv.gnu import build
from vlab import guests
from vlab.hypervisor import BinaryTranslation, Hypervisor
from vlab.machine import Machine
from vlab.riscv import Mode, Program, assemble

GUESTS = Path(guests.__file__).parent
TECHNIQUES = ("trap-and-emulate", "binary-translation", "call-outs-only", "hardware-assisted")
RAM, PAGE = 0x8000_0000, 4096
EXTENSIONS = "CH"


def same(image, depths=(1,), **how):
    """The guest ends alike, bare and at these depths."""
    bare = tower(image, 0, extensions=EXTENSIONS).run()
    for depth in depths:
        built = tower(image, depth, extensions=EXTENSIONS, **how).run()
        assert difference(end(bare.guest), end(built.guest)) == []
    assert bare.guest.status == 0, bare.guest
    return bare.guest


@pytest.fixture(scope="module")
def compressed(tmp_path_factory):
    """One of our guests, as GNU's assembler compresses it; small pieces of work, so that it ends soon."""
    folder = tmp_path_factory.mktemp("gnu")

    def made(name):
        text = "".join((GUESTS / file).read_text(encoding="utf-8") for file in guests.files(name))
        built = build(folder, text, march="rv64imac_zicsr_zifencei")
        assert built.memory != dict(guests.load(name).segments)
        return Program(tuple(built.memory.items()), built.symbols["_start"], built.symbols, extensions="C")

    return made


@pytest.mark.requires("binutils")
@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("name", ["hello", "tiny", "kernel"])
def test_our_guests_compressed(name, technique, compressed):
    guest = same(compressed(name), technique=technique)
    assert guest.console == tower(guests.load(name), 0).run().guest.console


@pytest.mark.requires("binutils")
@pytest.mark.parametrize(("technique", "shadow"), [*product(TECHNIQUES, POLICIES)])
def test_under_each_policy_of_shadows(technique, shadow, compressed):
    same(compressed("tiny"), technique=technique, shadow=shadow)


@pytest.mark.requires("binutils")
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_two_deep(technique, compressed):
    same(compressed("tiny"), (2,), technique=technique)


# A fetch that two pages hold, in each mode

_PAGES = """
    .equ ROOT, 0x80010000
_start:
    la   t0, handler
    csrw mtvec, t0
    csrw stvec, t0
    li   t0, -1
    csrw pmpaddr0, t0
    li   t0, 0x1f
    csrw pmpcfg0, t0
    li   t0, {delegated}
    csrw medeleg, t0
    li   t0, ROOT>>12 | 8<<60
    csrw satp, t0
    sfence.vma
    li   t0, {mode}<<11
    csrw mstatus, t0
    li   t0, 0x40000ffe
    csrw mepc, t0
    li   a0, 0
    c.nop
    mret
    .balign 4
handler:
    csrr s2, {level}cause
    csrr s3, {level}epc
    csrr s4, {level}tval
    li   t0, 0x100000
    li   t1, 0x5555
    sw   t1, 0(t0)
    c.j  .
"""
_LEAF, _PLACES = 0x8001_2000, (0x8000_4000, 0x8000_8000)


def across(mode, second, delegated=0):
    """A program that goes to an instruction in two pages, at 0x40000ffe; the second page has these flags."""
    user = 0x10 if mode == 0 else 0
    level = "s" if delegated else "m"
    program = assemble(_PAGES.format(mode=mode, delegated=delegated, level=level))
    root = bytearray(PAGE)
    root[8:16] = pack("<Q", 0x8001_1000 >> 2 | 1)
    root[16:24] = pack("<Q", 0x8000_0000 >> 2 | 0xCF)
    middle = pack("<Q", _LEAF >> 2 | 1)
    leaves = pack("<2Q", _PLACES[0] >> 2 | 0xC9 | user, _PLACES[1] >> 2 | second | (user if second else 0))
    more = (
        (_PLACES[0] + PAGE - 2, pack("<H", ADDI & 0xFFFF)),
        (_PLACES[1], pack("<HI", ADDI >> 16, 0x73)),  # then an ecall, again not aligned
        (0x8001_0000, bytes(root)),
        (0x8001_1000, middle),
        (_LEAF, leaves),
    )
    return Program((*program.segments, *more), program.entry, program.symbols, extensions="C")


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("mode", [0, 1])
def test_an_instruction_in_two_pages(mode, technique):
    guest = same(across(mode, 0xC9), (1, 2), technique=technique)
    assert (guest.hart.x[10], guest.hart.x[18], guest.hart.x[19]) == (1, 8 + mode, 0x4000_1002)


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize(("mode", "delegated"), [(0, 0), (1, 0), (1, 1 << 12)])
def test_the_guest_is_told_which_of_the_two_pages_is_missing(mode, delegated, technique):
    """`stval` is not `sepc` (Privileged ISA, 4.1.9)."""
    guest = same(across(mode, 0, delegated), (1, 2), technique=technique)
    assert [guest.hart.x[n] for n in (10, 18, 19, 20)] == [0, 12, 0x4000_0FFE, 0x4000_1000]


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_accessed_bits_of_both_pages_are_set(technique):
    guest = same(across(1, 0x89), (1, 2), technique=technique)
    assert guest.memory.load(_LEAF + 8, 8) & 0x40


# Binary translation in place


def kernel(*words):
    """A program in M mode, compressed or not as it is written; it ends by itself."""
    return assemble("\n".join([*words, "li t0, 0x100000\n li t1, 0x5555\n sw t1, 0(t0)\n c.j ."]))


def test_words_of_two_sizes_side_by_side_with_their_translation():
    program = kernel("c.li a0, 1", "csrw mscratch, a0", "c.addi a0, 1", "csrr a1, mscratch", "c.mv a2, a0")
    built = tower(program, 1, technique="binary-translation", extensions=EXTENSIONS).run()
    technique = built.vms[0].technique
    assert isinstance(technique, BinaryTranslation)
    listing = technique.code(RAM, 5, Mode.M)
    assert [(row.address - RAM, row.kind) for row in listing] == [
        (0, "same"), (2, "call-out"), (6, "same"), (8, "in-lined"), (12, "same"),
    ]  # fmt: skip
    assert [row.guest_text for row in listing][::2] == ["c.li a0, 1", "c.addi a0, 1", "c.mv a2, a0"]


def test_a_csr_that_is_read_between_short_words_is_as_it_was_written():
    """In-lined as soon as it is a small number; nowhere at a multiple of four bytes."""
    wait = ["c.nop"] * 20
    loop = [
        "c.nop",
        "1: addi s0, s0, -64",
        "csrw mscratch, s0",
        *wait,
        "csrr a0, mscratch",
        "c.add s1, a0",
        *wait,
    ]
    program = kernel("li s0, 3000", *loop, "bgtz s0, 1b")
    exits = []
    for technique in ("binary-translation", "call-outs-only"):
        guest = same(program, technique=technique)
        assert guest.hart.x[9] == sum(range(3000 - 64, -64, -64)) % 2**64
        exits.append(tower(program, 1, technique=technique, extensions=EXTENSIONS).run().vms[0].exits.total())
    assert exits[0] < exits[1]


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_word_that_two_pages_hold(technique):
    """One that does the same in every mode, and one that doesn't."""
    fill = ["c.nop"] * ((PAGE - 2) // 2)
    same(kernel(*fill, "addi a0, a0, 5", "c.addi a0, 1"), technique=technique)
    guest = same(kernel(*fill, "csrw mscratch, sp", "csrr a0, misa"), technique=technique)
    assert guest.hart.x[10] >> 2 & 1


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("first", ["whole", "half"])
def test_code_that_is_entered_in_the_midst_of_an_instruction(first, technique):
    word = 0x4505 << 16 | 0x0537  # lui a0, 0x45050; its second half is c.li a0, 1
    whole, half = "la s0, body\n jalr s0", "la s0, body + 2\n jalr s0"
    order = [whole, half, whole, half] if first == "whole" else [half, whole, half, whole]
    body = f"body: .word {word}\n c.add a1, a0\n c.jr ra\nover:"
    program = kernel("c.li a1, 0", *order, "c.j over", body)
    guest = same(program, technique=technique)
    assert guest.hart.x[11] == 2 * 0x4505_0000 + 2


@pytest.mark.parametrize("first", ["whole", "half"])
@pytest.mark.parametrize("technique", ["binary-translation", "call-outs-only"])
def test_a_sensitive_instruction_in_the_midst_of_two_others(technique, first):
    """On a processor where it does nothing in U mode, and doesn't trap."""
    word = (
        0x2573 << 16 | 0x0537
    )  # lui a0, 0x25730; its second half, and c.addi4spn behind it, are csrr a0, sstatus
    whole, half = "la s0, body\n jalr s0", "la s0, body + 2\n jalr s0"
    order = [whole, half, whole, half] if first == "whole" else [half, whole, half, whole]
    body = f"body: .word {word}\n .half 0x1000\n c.add a1, a0\n c.jr ra\nover:"
    ends = on_a_silent_processor(kernel("c.li a1, 0", *order, "c.j over", body), technique)
    assert ends[0] == ends[1] > 2 * 0x2573_0000


def on_a_silent_processor(program, technique):
    """What is in a1 at the end, bare and by a technique."""
    ends = []
    for how in (None, technique):
        machine = Machine(memory="4M", quirks="silent-sstatus", extensions="C")
        computer = machine if how is None else Hypervisor(machine).create_vm(memory="1M", technique=how)
        computer.load(program)
        machine.run(10_000)
        ends.append(computer.hart.x[11])
    return ends


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_code_that_writes_itself(technique):
    """A half word is written inside a word that has run; then it runs again."""
    source = """
        c.li s1, 3
    again:
        la   t0, body
        jalr t0
        la   t0, body + 2
        li   t1, 0x0025
        sh   t1, 4(t0)
        c.addi s1, -1
        bnez s1, again
        c.j  over
        .balign 4
        c.nop
    body:
        addi a0, a0, 1
        addi a0, a0, 1
        c.jr ra
    over:
    """
    guest = same(kernel(source), technique=technique)
    assert guest.hart.x[10] == 2 + 3 + 3


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_half_word_of_zeros_is_an_illegal_instruction(technique):
    source = """
        la   t0, handler
        csrw mtvec, t0
        c.nop
        .half 0
        c.j  .
        .balign 4
    handler:
        csrr s2, mcause
        csrr s3, mepc
        csrr s4, mtval
    """
    guest = same(kernel(source), technique=technique)
    assert [guest.hart.x[n] for n in (18, 19, 20)] == [2, RAM + 14, 0]


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_short_breakpoint_is_the_guests_own(technique):
    source = "la t0, handler\n csrw mtvec, t0\n c.nop\n c.ebreak\n.balign 4\nhandler: csrr s2, mcause\n csrr s3, mepc"
    guest = same(kernel(source), technique=technique)
    assert (guest.hart.x[18], guest.hart.x[19]) == (3, RAM + 14)
