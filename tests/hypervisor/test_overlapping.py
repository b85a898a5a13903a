"""Kernel code that is entered anywhere, in the midst of instructions too: translated, it does what it does bare.

No compiler makes such code. But what a guest is, its hypervisor must not choose.
"""

import random
from struct import pack

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.hypervisor.towers import difference, end, tower
from vlab.hypervisor import BinaryTranslation, Hypervisor
from vlab.machine import Machine, Stop
from vlab.riscv import Mode, Program, assemble, disassemble

EXTENSIONS, RAM, PAGE = "C", 0x8000_0000, 4096
BODY, ENTRIES, LOG = RAM + PAGE, RAM + 3 * PAGE, RAM + 4 * PAGE
END = 0xFFFF

# Goes to each of the entries, with a number of its own in mcause; whatever traps there, or comes back, is written down.
_AROUND = f"""
_start:
    la   t0, trapped
    csrw mtvec, t0
    li   s0, {ENTRIES}
    csrw mscratch, s0
    j    next
    .balign 4
trapped:
    csrr s2, mcause
    csrr s3, mepc
    csrr s4, mtval
back:
    csrr s0, mscratch
    li   s1, {LOG - 10 * ENTRIES}
    li   s5, 10
    mul  s5, s5, s0
    add  s1, s1, s5
    sd   s2, 0(s1)
    sd   s3, 8(s1)
    sd   s4, 16(s1)
    sd   a0, 24(s1)
    sd   a1, 32(s1)
next:
    csrr s0, mscratch
    addi s1, s0, 4
    csrw mscratch, s1
    lhu  s1, 0(s0)
    li   s5, {END}
    beq  s1, s5, over
    lhu  s5, 2(s0)
    csrw mcause, s5
    li   s5, {BODY}
    add  s1, s1, s5
    li   s2, 0
    li   s3, 0
    li   s4, 0
    li   sp, {LOG + 0x4000}
    li   a0, {LOG + 0x5000}
    li   a1, {LOG + 0x6000}
    li   a2, 7
    li   a3, -1
    li   a4, {LOG + 0x5800}
    li   a5, {LOG + 0x6800}
    la   ra, back
    jr   s1
over:
    li   t0, 0x100000
    li   t1, 0x5555
    sw   t1, 0(t0)
    c.j  .
"""
_WORDS = """
    c.addi a0, 1 ; c.mv a1, a0 ; c.li a2, 3 ; c.ebreak ; addi a0, a0, 1 ; add a3, a4, a5 ; addi a4, a5, 64
    addi a0, a4, -1 ; lui a0, 0x45050 ; sw a0, 0(a5) ; lw a1, 4(a4) ; bne a4, a5, . + 8 ; csrr a0, mcause
    csrr a1, mcause ; csrr a0, mtval ; csrw sscratch, a0 ; csrr a0, sscratch ; csrr a1, sstatus ; ebreak ; jal a2, . + 4
"""
WORDS = [
    bytes(assemble(text).segments[0][1])
    for line in _WORDS.split("\n")
    for text in line.split(";")
    if text.strip()
]
NUMBERS = (0, 1, 3, 8, 600, 700, 1500)


def program(body, entries):
    """The words at BODY, then a way back; entered at these offsets, each with its number."""
    around = assemble(_AROUND)
    code = body + b"\x01\x00" * 2 + pack("<H", 0x8082)  # c.nop, c.jr ra
    table = b"".join(pack("<HH", *entry) for entry in entries) + pack("<H", END)
    more = (BODY, code), (ENTRIES, table)
    return Program((*around.segments, *more), around.entry, around.symbols, extensions=EXTENSIONS)


def same(made):
    """Bare and translated it ends alike; False where bare it doesn't end."""
    bare = Machine(made, memory=1 << 20, extensions=EXTENSIONS)
    if bare.run(4000) is Stop.LIMIT:
        return False
    built = tower(made, 1, technique="binary-translation", extensions=EXTENSIONS).run()
    assert difference(end(bare), end(built.guest)) == []
    return True


def at_page_end(body):
    """So much in front of it that its last two bytes are a page's."""
    return b"\x01\x00" * ((PAGE - len(body)) // 2) + body


bodies = st.lists(
    st.one_of(st.sampled_from(WORDS), st.integers(0, 0xFFFF).map(lambda word: pack("<H", word))),
    min_size=1,
    max_size=10,
).map(b"".join)
CSRR = WORDS[12]


@settings(max_examples=60)
@example(CSRR, [(2, 8), (0, 8), (2, 8), (0, 1500), (2, 1500)], False)  # what the number is, taken for a word
@example(CSRR, [(0, 0), (2, 0), (0, 0), (0, 600)], False)  # half of it is what isn't reached yet
@example(WORDS[7] + WORDS[15], [(0, 3), (2, 3), (4, 3), (2, 3)], False)
@given(bodies, st.lists(st.tuples(st.integers(0, 20), st.sampled_from(NUMBERS)), max_size=8), st.booleans())
def test_entered_anywhere_it_ends_as_bare(body, entries, last):
    shift = PAGE - len(body) if last else 0
    places = [(2 * at % len(body) + shift, number) for at, number in entries]
    same(program(at_page_end(body) if last else body, places))


def test_most_of_such_programs_end():
    """So the test above compares something."""
    choose = random.Random(6)
    ended = 0
    for _number in range(40):
        body = b"".join(choose.choice(WORDS) for _word in range(8))
        entries = [(2 * choose.randrange(len(body) // 2), choose.choice(NUMBERS)) for _ in range(6)]
        ended += same(program(body, entries))
    assert ended > 30


@pytest.mark.parametrize(("number", "kind"), [(0, "in-lined"), (600, "in-lined"), (8, "call-out")])
def test_a_number_stands_only_where_its_half_is_no_instruction(number, kind):
    made = program(CSRR, [(0, number)])
    technique = tower(made, 1, technique="binary-translation", extensions=EXTENSIONS).run().vms[0].technique
    assert isinstance(technique, BinaryTranslation)
    assert technique.code(BODY, 1, Mode.M)[0].kind == kind


_DEVICE = """
    li   s0, 6
    li   s1, 0x10000000
    li   t1, 100
    li   a0, 0x41
    li   s2, 0
1:  addi a4, t1, 1
    sb   a0, 0(s1)
    add  s2, s2, a4
    c.addi s0, -1
    bnez s0, 1b
    li   t0, 0x100000
    li   t1, 0x5555
    sw   t1, 0(t0)
    c.j  .
"""


def test_what_comes_before_a_store_that_becomes_a_call_out():
    """Half of the addition may begin another instruction, which goes on in the store."""
    made = assemble(_DEVICE)
    assert same(made)
    built = tower(made, 1, technique="binary-translation", extensions=EXTENSIONS).run()
    assert built.guest.hart.x[18] == 6 * 101
    technique = built.vms[0].technique
    assert isinstance(technique, BinaryTranslation)
    loop = next(row for row in technique.code(RAM, 20, Mode.M) if row.guest_text == "addi a4, t1, 1")
    assert loop.kind == "call-out"


_QUIRKY = """
    la   t0, body
    la   ra, back
    c.jr t0
back:
    csrr s2, sstatus
    la   t0, body + 2
    la   ra, over
    li   a0, 2
    c.jr t0
over:
    csrr s3, sstatus
    li   t0, 0x100000
    li   t1, 0x5555
    sw   t1, 0(t0)
    c.j  .
    .balign 4
body:
    .half {low}, {middle}, {high}
    c.nop
    c.jr ra
"""


def test_on_a_machine_where_what_is_sensitive_does_not_trap():
    """`csrs sstatus, a0` from the midst of an addition on: in user mode it does nothing there, and says nothing."""
    word = 0x1005_2073  # csrs sstatus, a0
    low, middle, high = 0x0713, word & 0xFFFF, word >> 16
    assert disassemble(middle << 16 | low).startswith("addi a4, ")
    made = assemble(_QUIRKY.format(low=low, middle=middle, high=high))
    bare, machine = (
        Machine(memory=size, extensions=EXTENSIONS, quirks="silent-sstatus")
        for size in (1 << 20, Hypervisor.memory_for(1 << 20))
    )
    vm = Hypervisor(machine).create_vm(memory=1 << 20, technique="binary-translation")
    for one in (bare, vm):
        one.load(made)
    bare.run(10_000)
    machine.run(10_000)
    assert (vm.hart.x[18] & 2, vm.hart.x[19] & 2) == (bare.hart.x[18] & 2, bare.hart.x[19] & 2) == (0, 2)
    assert bare.status == vm.status == 0
