"""The reference engine: what it keeps of decoded code, and when it must look at the world again."""

import pytest

from tests.machine.programs import machine, mode, paged, write
from vlab.machine import Machine, Stop
from vlab.machine.choices import TLB_ENTRIES
from vlab.machine.execute import interpreter as module
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.riscv import Cause, Mode, assemble

REACH = TLB_ENTRIES**2 * PAGE


@pytest.fixture(autouse=True)
def _reference(monkeypatch):
    """The engine that all this is about."""
    monkeypatch.setenv("VLAB_ENGINE", "interpreter")


def operations(m):
    """How many operations are kept, counted one by one."""
    views = m.hart.interpreter._views.values()
    return sum(len(page) for view in views for pages in view.decoded.values() for page in pages.values())


def quick(m):
    return sum(len(view.code) for view in m.hart.interpreter._views.values())


def code_at(*places):
    """Words of `addi s0, s0, 1`, then `ret`, at each of these pages of RAM."""
    return {place: assemble("addi s0, s0, 1\n ret").segments[0][1] for place in places}


def test_budgets_are_exact_and_cut_anywhere_alike():
    source = "1: addi s0, s0, 1\n addi s1, s1, 2\n bnez s0, 1b"
    whole = machine(source)
    whole.run(1000)
    parts = machine(source)
    for n in (1, 0, 2, 3, 500, 494):
        parts.run(n)
    assert (whole.steps, parts.steps) == (1000, 1000)
    assert whole.snapshot() == parts.snapshot()


def test_a_fetch_that_traps_is_an_attempt_and_a_decoding_is_none():
    m = machine("nop\n nop\n li a0, 0\n jr a0")
    assert (m.run(4), m.steps, m.hart.pc) == (Stop.LIMIT, 4, 0)
    m.run(1)
    assert (m.steps, m.hart.csr["mcause"], m.hart.csr["mepc"]) == (5, Cause.INSTRUCTION_ACCESS_FAULT, 0)
    assert m.hart.retired == 4


def test_code_that_rewrites_itself_every_time_round():
    # The immediate of `here` counts up; each time the new instruction runs.
    m = machine(
        """
        la a0, here
        li a1, 50
        li a3, 0x100000         # one more in the immediate
1:      lw a2, 0(a0)
        add a2, a2, a3
        sw a2, 0(a0)
here:   addi s0, s0, 0
        addi a1, a1, -1
        bnez a1, 1b
        j .
        """
    )
    m.run(1000)
    assert m.hart.x[8] == sum(range(1, 51))
    assert m.hart.interpreter._count == operations(m)


def test_only_what_was_overwritten_is_decoded_again(monkeypatch):
    m = machine("la a0, word\n 1: sw s0, 0(a0)\n addi s0, s0, 1\n j 1b\nword: .word 0")
    m.run(100)
    before = operations(m)
    monkeypatch.setattr(module.Interpreter, "_build", None)  # nobody needs it
    m.run(300)
    assert (m.hart.x[8], operations(m)) == (133, before)


def test_a_page_that_no_longer_holds_code_is_fast_again():
    m = machine(
        "la a0, 1f\n sw zero, 0(a0)\n sw zero, 4(a0)\n la a0, page\n jr a0\n1: nop\n nop\n .balign 4096\npage: j ."
    )
    m.run(10)
    assert m.memory.code == {0, 1}
    m.memory.poke(RAM_BASE + PAGE, bytes(PAGE))
    assert m.memory.code == {0}
    assert operations(m) == m.hart.interpreter._count


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_any_store_to_an_instruction_is_seen(size):
    store = {1: "sb", 2: "sh", 4: "sw", 8: "sd"}[size]
    new = int.from_bytes(assemble("li s0, 7\n li s1, 8").segments[0][1], "little")
    m = machine(
        f"""
        la a0, here
        li a1, {new}
        jal here
        {store} a1, 0(a0)
        jal here
        j .
        .balign 8
here:   li s0, 1
        nop
        ret
        """
    )
    m.run(40)
    assert m.hart.x[8] == (7 if size > 2 else 1)  # the first two bytes are the same in both
    assert m.memory.peek(m.program.symbols["here"], size) == new.to_bytes(8, "little")[:size]
    assert m.hart.x[9] == (8 if size == 8 else 0)


def test_a_store_across_pages_into_code_on_both():
    source = """
        la t0, 2f
        csrw mtvec, t0
        li a0, 0x80000ffe
        call 1f
        sw zero, 0(a0)
        call 1f
        .balign 4
2:      j 2b
        .org 0xffc
1:      li s0, 0x7f0            # its upper half, overwritten, makes it li s0, 0
        .org 0x1000
        ret                     # its lower half makes it illegal
    """
    m = machine(source)
    m.run(100)
    assert (m.hart.x[8], m.hart.csr["mcause"], m.hart.csr["mepc"]) == (
        0,
        Cause.ILLEGAL_INSTRUCTION,
        RAM_BASE + PAGE,
    )


def test_two_places_of_one_page_both_see_a_store():
    m = mode(machine(), Mode.S)
    page = RAM_BASE + 0x8000
    m.memory.poke(page, code_at(0)[0])
    table = paged(m, [(0x1000 * n, page, "RWX") for n in range(1, 30)])
    assert table
    hart = m.hart
    for virtual in range(0x1000, 30 * 0x1000, 0x1000):
        hart.pc, hart.x[1] = virtual, virtual
        m.run(2)
    assert hart.x[8] == 29
    assert operations(m) == 58
    hart.store(0x5000, 4, int.from_bytes(assemble("addi s0, s0, 100").segments[0][1], "little"))
    assert operations(m) == hart.interpreter._count == 0  # many places: all dropped at once
    hart.pc = 0x7000
    m.run(1)
    assert hart.x[8] == 129


def test_decoded_code_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "MOST_OPERATIONS", 100)
    m = machine(".rept 1000\n addi s0, s0, 1\n .endr\n li s0, 0\n j .")
    for _again in range(3):
        m.hart.pc = RAM_BASE
        m.hart.x[8] = 0
        m.run(1000)
        assert m.hart.x[8] == 1000
        assert operations(m) == m.hart.interpreter._count <= 100
        assert quick(m) <= 100


def test_single_instructions_are_bounded(monkeypatch):
    monkeypatch.setattr(module, "_MOST_SINGLE", 10)
    m = machine()
    for word in range(100):
        m.hart.interpreter.operation(word, RAM_BASE)
    assert len(m.hart.interpreter._single) <= 10


def test_a_page_that_the_tlb_forgot_is_asked_for_again():
    m = mode(machine(), Mode.S)
    first, second = RAM_BASE + 0x8000, RAM_BASE + 0x9000
    for page in (first, second):
        m.memory.poke(page, code_at(0)[0])
    table = paged(m, [(0x1000, first, "RX"), (0x1000 + REACH, second, "RWX")])
    hart = m.hart
    hart.pc = hart.x[1] = 0x1000
    m.run(2)
    hart.load(0x1000 + REACH, 4)  # evicts it
    table.unmap(0x1000)
    m.run(1)
    assert hart.csr["mcause"] == Cause.INSTRUCTION_PAGE_FAULT


def test_without_a_fence_old_code_runs_and_with_one_the_new():
    m = mode(machine(), Mode.S)
    first, second = RAM_BASE + 0x8000, RAM_BASE + 0x9000
    m.memory.poke(first, assemble("li s0, 1\n j .-4").segments[0][1])
    m.memory.poke(second, assemble("li s0, 2\n j .-4").segments[0][1])
    table = paged(m, [(0x1000, first, "RX")])
    m.hart.pc = 0x1000
    m.run(2)
    table.map(0x1000, second, "RX")
    m.run(2)
    assert m.hart.x[8] == 1
    m.hart.mmu.flush("test")
    m.run(2)
    assert m.hart.x[8] == 2


def test_code_on_a_page_cut_by_pmp_is_checked_at_every_fetch():
    """No TLB entry, so nothing may remember it: a change of the table is seen without a fence."""
    page = RAM_BASE + 0x8000
    m = machine(pmpaddr0=page + 0x800 >> 2, pmpaddr1=(1 << 54) - 1, pmpcfg0=0x1F << 8 | 2 << 3)
    m.memory.poke(page, assemble("1: addi s0, s0, 1\n j 1b").segments[0][1])
    m.hart.mode = Mode.S
    table = paged(m, [(0x1000, page, "RX")])
    m.hart.pc = 0x1000
    m.run(4)
    assert (m.hart.x[8], quick(m), m.steps) == (2, 0, 4)
    table.unmap(0x1000)
    m.run(1)
    assert m.hart.csr["mcause"] == Cause.INSTRUCTION_PAGE_FAULT
    m.hart.pc, m.hart.mode = 0x1800, Mode.S
    m.hart.mmu.select()
    table.map(0x1000, page, "RX")
    m.run(1)
    assert (m.hart.csr["mcause"], m.hart.csr["mtval"]) == (Cause.INSTRUCTION_ACCESS_FAULT, 0x1800)


def test_an_illegal_instruction_on_such_a_page_reports_its_word_though_its_mapping_is_gone():
    # The table maps the page in which it stands itself, writable, and the code unmaps its own page.
    page, table_at = RAM_BASE + 0x8000, 0xC0000
    m = machine(pmpaddr0=page + 0x800 >> 2, pmpaddr1=(1 << 54) - 1, pmpcfg0=0x1F << 8 | 2 << 3)
    m.memory.poke(page, assemble("sd zero, 0(a0)\n csrw mscratch, a0").segments[0][1])
    m.hart.mode = Mode.S
    table = paged(m, [(0x1000, page, "RX")], at=table_at)
    leaf = table.find(0x1000).entry
    table.map(0x4000, leaf & -PAGE, "RW")
    m.hart.pc, m.hart.x[10] = 0x1000, 0x4000 + leaf % PAGE
    m.run(2)
    assert m.hart.csr["mcause"] == Cause.INSTRUCTION_PAGE_FAULT


def test_stores_reach_each_view_of_the_code():
    # SUM on and off are two views of one page of supervisor code.
    m = mode(machine(), Mode.S)
    page = RAM_BASE + 0x8000
    m.memory.poke(page, code_at(0)[0])
    paged(m, [(0x1000, page, "RWX")])
    for _again in range(2):
        for status in (0, 1 << 18):
            write(m, mstatus=status)
            m.hart.pc = m.hart.x[1] = 0x1000
            m.run(2)
    assert m.hart.x[8] == 4
    m.hart.store(0x1000, 4, int.from_bytes(assemble("addi s0, s0, 100").segments[0][1], "little"))
    for status in (0, 1 << 18):
        write(m, mstatus=status)
        m.hart.pc = 0x1000
        m.run(1)
    assert m.hart.x[8] == 204


def test_the_loop_leaves_after_a_device_access_and_goes_on_behind_it():
    m = Machine(assemble("li t0, 0x100000\n li t1, 0x5555\n sw t1, 0(t0)\n li s0, 1"), memory="1M")
    assert (m.run(100), m.hart.x[8]) == (Stop.OFF, 0)
    assert m.hart.pc == RAM_BASE + 4 * m.steps
