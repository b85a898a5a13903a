"""The log of writes: just the pages that somebody wrote to, under every policy and technique, at any depth."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.programs import MEMORY
from tests.hypervisor.programs import guests as random_guests
from tests.hypervisor.towers import POLICIES, difference, end, finished, tower
from vlab import guests
from vlab.language import VlabError
from vlab.machine import Machine, Stop
from vlab.machine.memory import PAGE
from vlab.riscv import assemble

KERNEL = guests.load("kernel", TICK=200, LETTERS=1, PRIMES=100, WORK=50)
ROOM = 1 << 18  # for the kernel: an eager shadow has an entry for each page of it
WRITER = assemble(
    "la t0, x\nli t2, 4096\n1: sd t2, (t0)\nadd t0, t0, t2\nld t1, (t0)\nadd t0, t0, t2\nj 2f\n2: li s1, 300\n"
    "3: addi s1, s1, -1\nbnez s1, 3b\nj 1b\n.data\n.balign 4096\nx: .zero 81920"
)


def pages_of(vm):
    memory = vm.memory
    return [memory.peek(memory.base + at, PAGE) for at in range(0, memory.size, PAGE)]


def log_of(vm):
    return frozenset(vm.memory.log)


def changed(before, after):
    return {page for page, (old, new) in enumerate(zip(before, after, strict=True)) if old != new}


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("shadow", POLICIES)
@pytest.mark.parametrize("technique", ["trap-and-emulate", "stale-satp"])
def test_it_has_the_pages_that_were_written_and_costs_the_guest_nothing(depth, shadow, technique):
    built = tower(KERNEL, depth, memory=ROOM, shadow=shadow, technique=technique)
    alone = tower(KERNEL, 1, memory=ROOM, shadow=shadow, technique=technique)
    alone.machine.run(60_000)
    vm = built.vms[-1]
    vm.log_writes()
    before = pages_of(vm)
    every: set[int] = set()
    for _round in range(200):
        stop = built.machine.run(700)
        after, written = pages_of(vm), vm.take_written()
        assert changed(before, after) <= written
        every |= written
        before = after
        if stop is not Stop.LIMIT:
            break
    assert len(every) < len(before) // 4
    vm.stop_logging()
    if vm.status is not None:
        assert difference(end(vm), end(alone.guest)) == []
        assert vm.exits["first write"] > 0


@pytest.mark.parametrize("depth", [1, 2])
def test_just_the_first_write_to_each_page_exits(depth):
    built = tower(WRITER, depth)
    built.machine.run(300 * depth * depth)
    vm, first = built.vms[-1], (WRITER.symbols["x"] - 0x8000_0000) // PAGE
    vm.log_writes()
    built.machine.run(6000 * depth)
    written = vm.take_written()
    assert written and all((page - first) % 2 == 0 for page in written)
    assert vm.exits["first write"] == len(written)


def test_the_outer_log_sees_what_an_inner_guest_writes():
    built = tower(WRITER, 2)
    outer, inner = built.vms
    outer.log_writes()
    before = pages_of(outer)
    built.machine.run(9000)
    written = outer.take_written()
    assert changed(before, pages_of(outer)) <= written
    base = outer.memory.base // PAGE
    page = (WRITER.symbols["x"] - 0x8000_0000) // PAGE
    assert inner.memory.frames[page] - base in written


def test_pokes_and_stores_are_seen_and_looks_are_not():
    vm = tower(None, 1).vms[0]
    vm.log_writes()
    vm.memory.poke(vm.memory.base + 2 * PAGE - 1, b"ab")
    vm.memory.store(vm.memory.base + 7 * PAGE, 8, 0)
    vm.memory.peek(vm.memory.base + 9 * PAGE, 8)
    assert vm.take_written() == {1, 2, 7}
    assert vm.take_written() == frozenset()
    vm.stop_logging()
    with pytest.raises(VlabError, match="Nobody logs"):
        vm.take_written()


def test_a_log_is_saved_and_rewound():
    built = tower(WRITER, 1)
    built.vms[0].log_writes()
    built.machine.run(2000)
    saved, log = built.machine.snapshot(), log_of(built.vms[0])
    built.machine.run(4000)
    later = built.machine.snapshot()
    assert log_of(built.vms[0]) > log
    built.machine.goto(saved.time)
    assert (built.machine.snapshot(), built.vms[0].memory.log) == (saved, log)
    other = Machine(memory=built.machine.memory.size)
    other.restore(saved)
    other.run(later.time - saved.time)
    assert difference(other.snapshot().state, later.state) == []


@given(random_guests(), st.integers(1, 400), st.sampled_from((1, 1, 2)), st.sampled_from(POLICIES))
@settings(max_examples=20)
def test_random_guests_with_a_log(guest, often, depth, shadow):
    bare = tower(guest.program, 0, memory=MEMORY)
    if bare.machine.run(10_000) is Stop.LIMIT:
        return
    built = tower(guest.program, depth, memory=MEMORY, shadow=shadow)
    vm = built.vms[-1]
    vm.log_writes()
    before = vm.memory.pages()
    for _round in range(10):
        stop = built.machine.run(often * depth * 5)
        after = vm.memory.pages()
        written = vm.take_written()
        assert {
            page for page in before.keys() | after.keys() if before.get(page) != after.get(page)
        } <= written
        before = after
        if stop is not Stop.LIMIT:
            break
    built.run()
    assert difference(end(vm), end(bare.guest)) == []
    assert finished(guest.program, 1, memory=MEMORY).vms[0].time == vm.time


def test_what_is_restored_is_written():
    built = tower(WRITER, 1)
    vm = built.vms[0]
    old, before = vm.snapshot(), pages_of(vm)
    built.machine.run(3000)
    vm.log_writes()
    was = pages_of(vm)
    vm.restore(old)
    assert vm.take_written() == changed(was, before) != set()
