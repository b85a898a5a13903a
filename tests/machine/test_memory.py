"""Physical memory: bounds, the write port and who hears of writes, pages as snapshots keep them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.language import VlabError
from vlab.machine import memory as module
from vlab.machine.memory import ASK, CLEAN, LIMIT, OPEN, PAGE, RAM_BASE, Memory
from vlab.paging import walk_many
from vlab.riscv import Cause, Trap

SIZE = 4 * PAGE


@pytest.fixture
def memory():
    return Memory(SIZE)


@pytest.mark.parametrize("size", [0, -PAGE, 100, PAGE + 1, LIMIT + PAGE])
def test_a_memory_that_cannot_be(size):
    with pytest.raises(VlabError, match="cannot be built"):
        Memory(size)


def test_a_host_without_so_much_memory(monkeypatch):
    def refuse(*_arguments, **_named):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(module, "mmap", refuse)
    with pytest.raises(VlabError, match="not have so much"):
        Memory(SIZE)


@given(st.integers(0, SIZE - 8), st.sampled_from([1, 2, 4, 8]), st.integers(0, (1 << 64) - 1))
def test_little_endian_and_unsigned(at, size, value):
    memory = Memory(SIZE)
    memory.store(RAM_BASE + at, size, value)
    low = value & (1 << 8 * size) - 1
    assert memory.load(RAM_BASE + at, size) == low
    assert memory.peek(RAM_BASE + at, size) == low.to_bytes(size, "little")


@pytest.mark.parametrize(
    ("address", "size"),
    [(RAM_BASE - 1, 1), (RAM_BASE - 1, 2), (RAM_BASE + SIZE, 1), (RAM_BASE + SIZE - 1, 2), (0, 8)],
)
def test_nothing_beyond_its_ends(memory, address, size):
    assert not memory.holds(address, size)
    with pytest.raises(Trap) as loading:
        memory.load(address, size)
    with pytest.raises(Trap) as storing:
        memory.store(address, size, 0)
    assert (loading.value.cause, storing.value.cause) == (Cause.LOAD_ACCESS_FAULT, Cause.STORE_ACCESS_FAULT)
    with pytest.raises(VlabError, match="no memory at"):
        memory.peek(address, size)
    with pytest.raises(VlabError, match="no memory at"):
        memory.poke(address, bytes(size))


def test_pages_are_those_that_are_not_zero_and_cost_what_was_written(memory):
    memory.poke(RAM_BASE + PAGE - 1, b"\1\2")
    first = memory.pages()
    assert sorted(first) == [0, 1]
    memory.store(RAM_BASE + PAGE, 1, 0)
    memory.store(RAM_BASE + 3 * PAGE, 1, 5)
    second = memory.pages()
    assert sorted(second) == [0, 3]
    assert second[0] is first[0]  # shared, not copied
    assert not memory.dirty
    memory.poke(RAM_BASE + SIZE, b"")
    memory.poke(RAM_BASE, b"")
    assert not memory.dirty


@given(st.dictionaries(st.integers(0, 3), st.binary(min_size=1, max_size=3)))
def test_set_pages_makes_it_so(contents):
    memory = Memory(SIZE)
    memory.poke(RAM_BASE + 5, b"before")
    pages = {page: content.ljust(PAGE, b"\0") for page, content in contents.items()}
    memory.set_pages(pages)
    for page in range(4):
        assert memory.peek(RAM_BASE + page * PAGE, PAGE) == pages.get(page, bytes(PAGE))
    assert memory.pages() == {page: content for page, content in sorted(pages.items()) if any(content)}


def test_a_page_is_fast_only_while_nobody_wants_to_know(memory):
    slowed: list[int] = []
    memory.on_slow_page = lambda: slowed.append(len(slowed))
    assert memory.fast(RAM_BASE)
    assert memory.dirty == {0}  # from here on stores to it are not seen
    memory.hold_code(RAM_BASE + 8)
    assert slowed == [0]
    assert not memory.fast(RAM_BASE + 16)
    memory.hold_code(RAM_BASE + 12)
    assert slowed == [0]
    memory.watch(RAM_BASE + PAGE, lambda address, value: None)
    assert slowed == [0, 1]
    assert not memory.fast(RAM_BASE + PAGE + 100)
    memory.unwatch(RAM_BASE + PAGE)
    assert memory.fast(RAM_BASE + PAGE + 100)
    memory.pages()
    assert slowed == [0, 1, 2]


def test_a_clean_page_that_an_engine_opens_is_a_written_one(memory):
    memory.hold_code(RAM_BASE)
    memory.watch(RAM_BASE + PAGE, lambda address, value: None)
    assert list(memory.open) == [ASK, ASK, CLEAN, CLEAN]
    memory.open[2] = memory.open[3] = OPEN
    memory.ram[2 * PAGE] = 7
    assert memory.dirty == {2, 3}
    memory.hold_code(RAM_BASE + 3 * PAGE)
    assert memory.dirty == {2, 3}  # it may have been stored to before that
    assert memory.pages() == {2: b"\7" + bytes(PAGE - 1)}
    assert memory.dirty == set()
    assert list(memory.open) == [ASK, ASK, CLEAN, ASK]


def test_writes_to_decoded_code_are_told_with_their_part_of_each_page(memory):
    told = []

    def hear(address, size):
        told.append((address - RAM_BASE, size))
        return address < RAM_BASE + PAGE  # the first page holds more code

    memory.on_code_write = hear
    memory.hold_code(RAM_BASE)
    memory.hold_code(RAM_BASE + PAGE)
    memory.poke(RAM_BASE + PAGE - 2, b"12345")
    assert told == [(PAGE - 2, 2), (PAGE, 3)]
    memory.store(RAM_BASE + 4, 4, 1)
    memory.store(RAM_BASE + PAGE + 4, 4, 1)
    assert told[2:] == [(4, 4)]


def test_a_watch_hears_of_every_store_that_touches_its_double_word(memory):
    heard = []
    memory.watch(RAM_BASE + 8, lambda address, value: heard.append((address, value)))
    memory.store(RAM_BASE + 7, 1, 9)
    memory.store(RAM_BASE + 16, 8, 9)
    assert heard == []
    memory.store(RAM_BASE + 8, 1, 1)
    memory.store(RAM_BASE + 12, 8, 2)
    memory.poke(RAM_BASE, bytes(9))
    memory.poke(RAM_BASE + 12, b"")
    assert heard == [(RAM_BASE + 8, 1), (RAM_BASE + 8, 2 << 32 | 1), (RAM_BASE + 8, 2 << 32)]
    memory.unwatch(RAM_BASE + 8)
    memory.store(RAM_BASE + 8, 1, 1)
    assert len(heard) == 3
    with pytest.raises(VlabError, match="no memory at"):
        memory.watch(RAM_BASE + SIZE - 4, lambda address, value: None)


def test_fresh_pages_are_those_written_since_with_what_they_held():
    memory = Memory(4 * PAGE)
    memory.store(memory.base + 5, 1, 7)
    before, now = memory.fresh()[0]
    assert (before, now[5]) == (bytes(PAGE), 7)
    assert memory.fresh() == {}
    memory.store(memory.base + 5, 1, 0)
    assert memory.fresh()[0] == (now, bytes(PAGE))
    memory.store(memory.base + PAGE, 8, 0)
    assert memory.fresh() == {1: (bytes(PAGE), bytes(PAGE))}
    assert memory.pages() == {}


def test_many_walks_read_it_without_asking_for_each_entry():
    memory = Memory(1 << 16)
    memory.store(RAM_BASE + 8 * 2, 8, 0x2000_0000 | 0xCF)  # a page of 1 GiB
    many = walk_many(memory, RAM_BASE, [0x8000_1234, 0xC000_0000], "load", mode="S")
    assert (many.physical[0], many.rule.tolist()) == (RAM_BASE + 0x1234, ["allowed", "not-valid"])
