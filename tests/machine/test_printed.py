"""What a guest prints for ever: the end of it is kept, the rest is counted, and who reads it can tell."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.hypervisor import Hypervisor
from vlab.language import VlabError, grouped
from vlab.machine import Computer, Machine
from vlab.machine.devices import printed
from vlab.machine.devices.printed import Printed, expect_printed
from vlab.riscv import assemble

# Prints the lines a, bb, ccc, … z…z, a, …, for ever.
LINES = """
        li t0, 0x10000000
        li t5, 10
again:  li t1, 1
line:   addi t2, t1, 96
        mv t3, t1
1:      sb t2, (t0)
        addi t3, t3, -1
        bnez t3, 1b
        sb t5, (t0)
        addi t1, t1, 1
        li t4, 27
        blt t1, t4, line
        j again
"""
SAID = "[{} bytes that were printed before are no longer kept]\n"
ALPHABET = {chr(96 + count) * count for count in range(1, 27)}


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(printed, "MOST", 1000)


def whole(said):
    """All that a guest that prints LINES has printed, when it has printed so many bytes."""
    once = "".join(chr(96 + count) * count + "\n" for count in range(1, 27))
    return (once * (said // len(once) + 1))[:said]


@pytest.mark.parametrize("engine", ["native", "interpreter"])
@pytest.mark.parametrize("deep", [False, True])
def test_who_prints_for_ever_is_kept_under_the_bound_and_can_be_read(small, engine, deep):
    machine = Machine(None if deep else assemble(LINES), memory="2M", engine=engine)
    guest: Computer = machine
    if deep:
        guest = Hypervisor(machine).create_vm(assemble(LINES), memory="64K")
    dropped = set()
    for _part in range(30):
        machine.run(2000 if deep else 500)
        out = guest.uart.printed
        assert len(out.kept) <= 1000
        text = whole(out.count)
        if out.dropped:
            assert guest.console == SAID.format(grouped(out.dropped)) + text[out.dropped :]
            assert guest.console.split("\n")[1] in ALPHABET
            assert len(out.kept) > 1000 // 2 - 30
        else:
            assert guest.console == text
        dropped.add(out.dropped)
    assert len(dropped) > 3


@pytest.mark.parametrize("engine", ["native", "interpreter"])
def test_going_back_to_before_something_was_dropped(small, engine):
    machine = Machine(assemble(LINES), memory="1M", engine=engine)
    machine.history.spacing = 500
    seen = {}
    for _part in range(40):
        machine.run(217)
        seen[machine.steps] = machine.console, machine.uart.printed.count, machine.snapshot()
    assert machine.uart.printed.dropped
    for step in sorted(seen, reverse=True):
        machine.goto(step)
        assert (machine.console, machine.uart.printed.count, machine.snapshot()) == seen[step]
    machine.restore(seen[max(seen)][2])
    assert machine.console == seen[max(seen)][0]


def test_the_real_bound_holds_the_readers_memory_too():
    out, line = Printed(), b"0123456789abcde\n" * 256
    for _again in range(600):
        out.add(line)
    tracemalloc.start()
    for _again in range(2000):
        out.add(line)
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert out.count == 2600 * len(line)
    assert printed.MOST // 2 <= len(out.kept) <= printed.MOST
    assert grown < 3 * printed.MOST


@given(st.lists(st.text(max_size=300), max_size=40))
def test_what_is_kept_begins_with_a_line_or_a_letter(texts):
    out, most = Printed(), printed.MOST
    printed.MOST = 256
    try:
        for text in texts:
            out.add(text.encode("utf-8", "replace"))
    finally:
        printed.MOST = most
    all_of_it = "".join(texts).encode("utf-8", "replace")
    assert bytes(out.kept) == all_of_it[out.dropped :]
    assert out.count == len(all_of_it)
    assert out.kept.decode("utf-8") in all_of_it.decode("utf-8")
    assert len(out.kept) <= 256


def test_bytes_since():
    out = Printed()
    out.add(b"abc")
    out.add(b"def")
    assert (out.since(0), out.since(4), out.since(6), out.since(9)) == (b"abcdef", b"ef", b"", b"")
    out.put(b"def", 3)
    assert (out.since(0), out.since(4), out.count) == (b"def", b"ef", 6)


def test_to_read_it_again_and_again_costs_nothing():
    machine = Machine(assemble(LINES), memory="1M")
    machine.run(5000)
    assert machine.console is machine.console
    before = machine.console
    machine.run(50)
    assert machine.console.startswith(before) and machine.console != before


def test_more_than_is_ever_kept_can_not_have_been_saved():
    expect_printed(bytes(printed.MOST), "uart")
    with pytest.raises(VlabError, match="uart: The saved text is longer"):
        expect_printed(bytes(printed.MOST + 1), "uart")
