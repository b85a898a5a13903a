"""The C extension in the hart (Unprivileged ISA, chapter "C"; of the Privileged ISA the sections named below)."""

import struct
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.machine.h_extension import harts
from tests.machine.programs import OPEN, cause, machine, mode, paged, write
from tests.riscv.test_compressed import DECODED, HINTS
from vlab.events import TlbFill
from vlab.language import VlabError
from vlab.machine import Machine
from vlab.machine.memory import RAM_BASE
from vlab.riscv import ROWS, Cause, Mode, assemble, encode
from vlab.riscv.instructions import expanded

PAGE = 4096
DATA = RAM_BASE + 0x8000
MAPPED = 0x4000_0000
ADDI = 0x00150513  # addi a0, a0, 1


def compressed(source="c.j .", extensions="C", **csrs):
    built = Machine(assemble(source), memory="1M", extensions=extensions)
    write(built, **csrs)
    return built


def across(built, flags=("X", "X")):
    """S mode at the last two bytes of a page, where a 32-bit instruction begins; each page with its own flags."""
    mode(built, Mode.S)
    places = RAM_BASE + 0x10000, RAM_BASE + 0x20000  # not side by side
    built.memory.poke(places[0] + PAGE - 2, struct.pack("<H", ADDI & 0xFFFF))
    built.memory.poke(places[1], struct.pack("<HH", ADDI >> 16, 0x0001))
    pages = [(MAPPED + n * PAGE, places[n], flags[n]) for n in (0, 1) if flags[n]]
    paged(built, pages)
    built.hart.pc = MAPPED + PAGE - 2
    return built


# What they do


@given(st.sampled_from(sorted(DECODED)), st.data())
def test_each_does_what_the_one_does_that_it_expands_to(word, data):
    """But for its length: the next instruction, and a link, are two bytes on."""
    found = DECODED[word]
    some = st.sampled_from([0, 1, 5, (1 << 64) - 1, 1 << 63, 0x1234_5678_9ABC_DEF0])
    values = [0, *data.draw(st.lists(some, min_size=31, max_size=31))]
    base = found["rs1"]
    if base and found.row.base in ("lw", "ld", "sw", "sd", "jalr"):
        values[base] = DATA
    seen = []
    for bits in (word, expanded(found)):
        built = compressed()
        built.hart.x[:32] = values
        trap = cause(built, bits)
        size = 2 if bits == word else 4
        link = {1: built.hart.x[1] - size} if found.row.base == "jalr" else {}
        pc = built.hart.pc - (size if built.hart.pc == RAM_BASE + size else 0)
        x = [link.get(n, value) for n, value in enumerate(built.hart.x[:32])]
        seen.append((trap, pc, x, built.memory.peek(DATA, 0x400)))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("engine", ["interpreter", "native"])
def test_hints_do_nothing(engine):
    if engine == "native":
        pytest.importorskip("llvmlite")
    code = b"".join(word.to_bytes(2, "little") for word in HINTS)
    built = Machine(memory="1M", extensions="C", engine=engine)
    built.load(code)
    built.hart.x[1:32] = before = [0x1_0001 * number for number in range(1, 32)]
    built.run(len(HINTS))
    assert built.hart.x[1:32] == before
    assert (built.hart.pc, built.hart.retired) == (RAM_BASE + len(code), len(HINTS))


def test_lengths_may_be_mixed():
    built = compressed(
        "c.li a0, 1\n addi a0, a0, 2\n c.addi a0, 3\n c.addi a0, 4\n addi a0, a0, 5\n c.ebreak"
    )
    built.run(5)
    assert (built.hart.x[10], built.hart.pc) == (15, RAM_BASE + 14)
    built.run(1)
    assert (built.hart.csr["mcause"], built.hart.csr["mepc"]) == (Cause.BREAKPOINT, RAM_BASE + 14)
    assert built.hart.csr["mtval"] == RAM_BASE + 14


def test_a_link_is_two_bytes_on():
    built = compressed("la a0, there\n c.jalr a0\n c.nop\n there: c.jr ra")
    built.run(3)
    assert built.hart.x[1] == RAM_BASE + 10
    built.run(1)
    assert built.hart.pc == RAM_BASE + 10


@pytest.mark.parametrize("word", [0x0000, 0x8002, 0x2001, 0x6001, 0x6101, 0x4002, 0x9C41, 0x2000, 0xA002])
def test_reserved_words_and_those_of_f_and_d_are_illegal(word):
    """And `mtval` has the sixteen bits (3.1.16)."""
    built = compressed()
    built.memory.poke(RAM_BASE, struct.pack("<HH", word, 0xFFFF))
    built.run(1)
    assert (built.hart.csr["mcause"], built.hart.csr["mtval"]) == (Cause.ILLEGAL_INSTRUCTION, word)


# Where instructions begin ("IALIGN"; 3.1.1, 3.1.7, 3.1.14)


def test_no_jump_is_misaligned():
    for source in ("la a0, end\n c.jr a0", "j end\n c.nop", "beqz zero, end\n c.nop"):
        built = compressed(f"{source}\n end: c.li a1, 1\n c.j .")
        built.run(5)
        assert (built.hart.csr["mcause"], built.hart.x[11]) == (0, 1)
        assert built.program.symbols["end"] % 4 == 2


def test_without_c_jumps_are_to_multiples_of_four():
    built = machine("li a0, 0x80000006\n jalr ra, 0(a0)")
    built.run(4)
    assert built.hart.csr["mcause"] == Cause.INSTRUCTION_MISALIGNED


@pytest.mark.parametrize("extensions", ["", "C", "H", "CH"])
def test_xepc_holds_what_an_instruction_may_begin_at(extensions):
    built = Machine(memory="1M", extensions=extensions)
    names = ["mepc", "sepc", *(["vsepc"] if "H" in extensions else [])]
    for name in names:
        built.hart.csr.write(built.hart.csr.registers.by_name[name], RAM_BASE + 7)
        assert built.hart.csr[name] == RAM_BASE + (6 if "C" in extensions else 4)


@pytest.mark.parametrize(
    ("extensions", "letters"), [("", 0), ("C", 1 << 2), ("H", 1 << 7), ("HC", 1 << 7 | 1 << 2)]
)
def test_misa_says_so(extensions, letters):
    built = Machine(memory="1M", extensions=extensions)
    assert built.hart.csr["misa"] & (1 << 2 | 1 << 7) == letters
    built.hart.csr.write(built.hart.csr.registers.by_name["misa"], 0)
    assert built.hart.csr["misa"] & (1 << 2 | 1 << 7) == letters


def test_a_trap_returns_to_any_even_address():
    built = compressed("""
        la   t0, handler
        csrw mtvec, t0
        c.nop
        ecall
        c.j  .
    .balign 4
    handler:
        csrr a0, mepc
        c.addi a0, 4
        csrw mepc, a0
        mret
    """)
    built.run(20)
    assert built.hart.pc == RAM_BASE + 18
    assert built.hart.csr["mepc"] == RAM_BASE + 18


# Fetches across pages (3.1.16: mtval is the address of the part that faults)


def test_an_instruction_may_lie_in_two_pages():
    built = across(compressed())
    built.run(1)
    assert (built.hart.x[10], built.hart.pc) == (1, MAPPED + PAGE + 2)


def test_if_its_second_page_faults_stval_is_there_and_sepc_at_its_beginning():
    built = across(compressed(medeleg=1 << Cause.INSTRUCTION_PAGE_FAULT), ("X", ""))
    built.run(1)
    csr = built.hart.csr
    assert csr["scause"] == Cause.INSTRUCTION_PAGE_FAULT
    assert (csr["sepc"], csr["stval"]) == (MAPPED + PAGE - 2, MAPPED + PAGE)


def test_if_its_first_page_faults_the_second_is_not_asked():
    built = across(compressed(medeleg=1 << Cause.INSTRUCTION_PAGE_FAULT), ("", ""))
    built.run(1)
    assert built.hart.csr["stval"] == MAPPED + PAGE - 2


def test_a_short_instruction_at_the_end_of_a_page_needs_the_next_one_not():
    built = across(compressed(), ("RWX", ""))
    built.memory.poke(RAM_BASE + 0x10000 + PAGE - 2, struct.pack("<H", 0x0505))  # c.addi a0, 1
    built.run(1)
    assert (built.hart.x[10], built.hart.pc) == (1, MAPPED + PAGE)


def test_each_page_is_asked_again_each_time():
    """Nothing is remembered of such an instruction but what the TLB holds of its pages."""
    built = across(compressed())
    fills = []
    built.events.listen(lambda event: fills.append(event.address) if isinstance(event, TlbFill) else None)
    built.run(1)
    assert fills == [MAPPED + PAGE - 2, MAPPED + PAGE]
    for expected in (2, 4):
        built.hart.pc = MAPPED + PAGE - 2
        built.run(1)
        assert built.hart.x[10] == expected
        half = struct.pack("<H", 0x0025)  # from here on: addi a0, a0, 2
        built.memory.poke(RAM_BASE + 0x20000, half)
    assert len(fills) == 2
    built.hart.mmu.flush("test")
    built.hart.pc = MAPPED + PAGE - 2
    built.run(1)
    assert len(fills) == 4


# Physical memory protection (3.7): two bytes at a time


@pytest.mark.parametrize(("end", "word", "traps"), [(2, 0x0505, False), (2, ADDI, True), (4, ADDI, False)])
def test_pmp_is_asked_for_what_is_fetched(end, word, traps):
    """An entry ends two bytes, or four, behind the instruction's first; entries are of four bytes."""
    built = compressed()
    top = RAM_BASE + 0x100
    built.memory.poke(top - end, struct.pack("<I", word))
    write(built, pmpaddr0=top >> 2, pmpcfg0=0x0F)  # TOR: from 0 up to here
    built.hart.mode, built.hart.pc = Mode.S, top - end
    built.hart.mmu.select()
    built.run(1)
    assert (built.hart.csr["mcause"] == Cause.INSTRUCTION_ACCESS_FAULT) is traps
    assert built.hart.csr["mtval"] == (top if traps else 0)


# Code that changes


@pytest.mark.parametrize(("offset", "size"), [*product(range(10), (1, 2, 4, 8))])
def test_stores_to_decoded_code_are_seen_wherever_they_reach(offset, size):
    """The code is run once, written at any place, and run again: as on a machine where it was so from the start."""
    code = struct.pack("<HIHIH", 0x0505, ADDI, 0x0505, ADDI, 0xA001)
    change = (b"\x09\x05" * 8)[:size]  # c.addi a0, 2; its second byte, and so on
    changed = code[:offset] + change + code[offset + size :]
    runs = []
    for first in (code, changed):
        built = Machine(memory="1M", extensions="C")
        built.load(bytes(first) + bytes(16))
        if first == code:
            built.run(4)
            built.memory.poke(RAM_BASE + offset, change)
        built.hart.pc, built.hart.x[10] = RAM_BASE, 0
        built.run(3)
        runs.append((built.hart.x[10], built.hart.pc, built.hart.csr["mcause"]))
    assert runs[0] == runs[1]


# Saved states


def test_a_state_is_restored_at_an_odd_half_word_but_not_without_c():
    built = compressed("c.nop\n c.nop\n c.nop\n c.j .")
    built.run(1)
    state = built.snapshot()
    built.run(2)
    built.restore(state)
    assert built.hart.pc == RAM_BASE + 2
    with pytest.raises(VlabError, match="other extensions"):
        Machine(memory="1M").restore(state)
    with pytest.raises(VlabError, match="other extensions"):
        compressed().restore(Machine(memory="1M").snapshot())


def test_going_back_and_forth_finds_the_same_states():
    source = "li a1, 40\n again: c.addi a0, 1\n addi a1, a1, -1\n c.add a2, a0\n bnez a1, again\n c.j ."
    built = compressed(source)
    states = [(built.hart.pc, list(built.hart.x))]
    for _step in range(60):
        built.step()
        states.append((built.hart.pc, list(built.hart.x)))
    for step in (3, 59, 17, 0, 60):
        built.goto(step)
        assert (built.hart.pc, list(built.hart.x)) == states[step]


# The H extension ("Trap Entry": htinst)


def test_htinst_of_a_compressed_load_is_what_it_expands_to_with_bit_1_clear():
    built = compressed("c.nop\n c.ld a0, 8(a1)", "CH", **OPEN)
    harts.write(built, medeleg=(1 << 64) - 1, **OPEN)
    guest = harts.Guest(built, paged=False)
    guest.host_flags(harts.DATA, "XUAD")
    built.hart.x[11] = harts.DATA
    built.memory.poke(guest.ram.host_address(harts.GUEST_BASE), built.memory.peek(RAM_BASE, 8))
    harts.go(built, "VS").hart.pc = harts.GUEST_BASE + 2
    built.run(1)
    csr = built.hart.csr
    assert csr["scause"] == Cause.LOAD_GUEST_PAGE_FAULT
    assert (csr["sepc"], csr["stval"]) == (harts.GUEST_BASE + 2, harts.DATA + 8)
    assert csr["htinst"] == encode(ROWS["ld"], {"rd": 10}) & ~2


def test_a_guest_page_fault_of_the_second_part_tells_of_that_page():
    """`stval` and `htval` ("Trap Entry") are those of the part, `sepc` that of the instruction."""
    built = compressed(extensions="CH")
    harts.write(built, medeleg=(1 << 64) - 1, **OPEN)
    guest = harts.Guest(built, paged=False)
    end = harts.GUEST_BASE + PAGE - 2
    built.memory.poke(guest.ram.host_address(end), struct.pack("<H", ADDI & 0xFFFF))
    guest.host_flags(harts.DATA, "RWUAD")
    harts.go(built, "VS").hart.pc = end
    built.run(1)
    csr = built.hart.csr
    assert csr["scause"] == Cause.INSTRUCTION_GUEST_PAGE_FAULT
    assert (csr["sepc"], csr["stval"], csr["htval"]) == (end, harts.DATA, harts.DATA >> 2)


def test_the_tlb_view_counts_both_pages_of_a_fetch():
    built = across(compressed())
    run = built.watch_tlb(1)
    assert (run.tally.misses, run.tally.hits) == (2, 0)
    built.hart.pc = MAPPED + PAGE - 2
    assert built.watch_tlb(1).tally[:2] == (2, 0)
