"""Snapshots: plain data, equal if the computers are, cheap, and invisible wherever they are taken."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.machine.programs import OFF, machine, mode, paged
from vlab import guests
from vlab.language import VlabError
from vlab.machine import Machine, Snapshot
from vlab.machine.memory import RAM_BASE
from vlab.machine.pages import Pages
from vlab.machine.snapshot import Checker
from vlab.riscv import Mode

# All of a small machine in motion: traps, alarms, paging in two contexts, code on a page that is written, a device.
BUSY = f"""
        la t0, trap
        csrw mtvec, t0
        li t0, -1
        csrw pmpaddr0, t0
        li t0, 0x1f
        csrw pmpcfg0, t0
        la t0, table
        li t1, (0x80000000 >> 2) | 0xcf
        sd t1, 2*8(t0)
        srli t0, t0, 12
        li t1, 8 << 60
        or t0, t0, t1
        csrw satp, t0
        li t0, 0x2004000
        li t1, 90
        sd t1, 0(t0)
        li t0, 0x80
        csrw mie, t0
        li t0, 1 << 11
        csrs mstatus, t0
        la t0, supervisor
        csrw mepc, t0
        mret
supervisor:
        la a0, count
        li s0, 20
1:      lr.d a1, (a0)
        addi a1, a1, 1
        sc.d a2, a1, (a0)
        sd a1, 8(a0)
        addi s0, s0, -1
        bnez s0, 1b
        ecall
        .balign 4
trap:   csrr t0, mcause
        bgez t0, off
        li t1, -1
        li t2, 0x2004000
        sd t1, 0(t2)
        mret
off:    li t0, 0x10000000
        li t1, 'x'
        sb t1, 0(t0)
        {OFF}
        .balign 8
count:  .dword 0, 0
        .balign 4096
table:  .zero 4096
"""


@pytest.fixture(scope="module")
def end():
    m = machine(BUSY)
    m.run(1000)
    assert (m.status, m.console) == (0, "x")
    return m.snapshot()


def test_at_every_step_a_snapshot_goes_on_elsewhere_to_the_same_end(end):
    m = machine(BUSY)
    while m.status is None:
        other = Machine(memory="1M")
        other.restore(m.snapshot())
        assert other.snapshot() == m.snapshot()
        other.run(1000)
        assert other.snapshot() == end
        m.step()
    assert m.snapshot() == end


@given(
    st.lists(
        st.tuples(st.integers(1, 40), st.sampled_from(["look", "restore", "elsewhere", "listen"])),
        max_size=12,
    )
)
def test_what_is_done_between_the_pieces_of_a_run_is_invisible(end, doings):
    m = machine(BUSY)
    for steps, doing in doings:
        m.run(steps)
        if doing == "restore":
            m.restore(m.snapshot())
        elif doing == "elsewhere":
            snapshot, m = m.snapshot(), Machine(memory="1M")
            m.restore(snapshot)
        elif doing == "listen":
            with m.events.record():
                m.run(steps)
        else:
            assert m.snapshot() == m.snapshot()
    m.run(1000)
    assert m.snapshot() == end


def test_a_guest_that_forgets_its_fence_gets_the_same_stale_translation_after_a_restore():
    m = mode(machine(), Mode.S)
    data = RAM_BASE + 0x8000
    m.memory.store(data, 8, 1)
    table = paged(m, [(0x1000, data, "RX")])
    m.hart.load(0x1000, 8)
    table.map(0x1000, data + 4096, "R")
    other = Machine(memory="1M")
    other.restore(m.snapshot())
    assert (m.hart.load(0x1000, 8), other.hart.load(0x1000, 8)) == (1, 1)


def test_a_snapshot_is_plain_data():
    m = machine(BUSY)
    m.run(60)
    state = m.snapshot().state

    def plain(part):
        if isinstance(part, dict | Pages):
            return all(type(k) in (str, int) and plain(v) for k, v in part.items())
        if isinstance(part, list):
            return all(map(plain, part))
        return part is None or type(part) in (int, bool, str, bytes)

    assert plain(state)

    def told(content):
        return dict(content) if isinstance(content, Pages) else content.hex()

    text = json.dumps(state, default=told)
    assert json.dumps(m.snapshot().state, default=told) == text


def test_taking_one_costs_what_was_written_since():
    m = Machine(guests.load("kernel"), memory="16M")
    m.run(5000)
    first = m.snapshot()
    second = m.snapshot()
    assert all(second.pages[page] is content for page, content in first.pages.items())
    m.run(100)
    third = m.snapshot()
    assert sum(third.pages[page] is not first.pages.get(page) for page in third.pages) <= 4


def test_a_snapshot_in_words():
    m = machine("nop")
    m.run(1)
    assert repr(m.snapshot()) == "Snapshot at time 1: 2 pages of memory, M mode at 0x80000004"
    assert m.snapshot().time == 1


def test_snapshots_are_equal_if_the_computers_are():
    one, other = machine("nop\n nop"), machine("nop\n nop")
    assert one.snapshot() == other.snapshot()
    one.hart.x[5] = 1
    assert one.snapshot() != other.snapshot()


# Checking


def test_a_checker_says_where_and_what():
    checker = Checker({"a": {"n": 5, "flag": True, "list": [1, 2], "mode": 1, "none": None}})
    part = checker.part("a")
    assert (part.number("n"), part.flag("flag"), part.numbers("list", 2), part.mode()) == (
        5,
        True,
        [1, 2],
        Mode.S,
    )
    assert (part.optional("none"), part.optional("n")) == (None, 5)
    assert [row.where for row in part.part("list").rows()] == ["snapshot.a.list[0]", "snapshot.a.list[1]"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda c: c.part("missing"),
        lambda c: c.part("text").part("x"),
        lambda c: c.number("text"),
        lambda c: c.number("yes"),
        lambda c: c.number("n", 5),
        lambda c: c.number("less"),
        lambda c: c.flag("n"),
        lambda c: c.numbers("list", 3),
        lambda c: c.numbers("list", 2, 2),
        lambda c: c.numbers("text", 1),
        lambda c: c.part("text").rows(),
        lambda c: c.mode(),
        lambda c: c.optional("text"),
    ],
)
def test_a_checker_refuses(ask):
    checker = Checker({"n": 5, "less": -1, "yes": True, "list": [1, 2], "text": "x", "mode": 2})
    with pytest.raises(VlabError, match="damaged, or was made by another version"):
        ask(checker)


def test_the_parts_of_a_machine_are_those_of_any_computer_and_its_tlb():
    m = machine("nop")
    assert set(m.snapshot().state) - {"tlb"} == {
        "time",
        "skipped",
        "reservation",
        "htif",
        "hart",
        "board",
        "devices",
        "memory",
        "residents",
    }
    assert isinstance(m.snapshot(), Snapshot)
