"""Watched words: native code looks whether a store is to one, and Python hears of those alone."""

import pytest

from vlab.machine import Machine
from vlab.machine.memory import MOST_LISTED, RAM_BASE
from vlab.riscv import assemble

pytest.importorskip("llvmlite")

OTHERS = """
    la s0, word
    li t0, 7
    sd t0, 0(s0)
loop:
    addi t1, t1, 1
    sw t1, 8(s0)
    sd t1, -8(s0)
    sb t1, {also}(s0)
    amoadd.w zero, t1, (s1)
    j loop
.balign 4096
    .zero 64
word: .dword 0
"""


def machine(also=800, engine="native"):
    built = Machine(assemble(OTHERS.format(also=also)), memory="64K", engine=engine)
    built.hart.x[9] = RAM_BASE + 8192 - 8
    return built


def where(built):
    return built.program.symbols["word"]


def watched(also, engine):
    """When each store to the word is made, and of what."""
    built, told = machine(also, engine), list[tuple[int, int]]()
    built.ram.watch(where(built), lambda at, value: told.append((built.time, value)))
    built.run(3000)
    return told


def test_stores_beside_a_watched_word_are_native(steps):
    built, told = machine(), list[tuple[int, int]]()
    built.ram.watch(where(built), lambda at, value: told.append((at, value)))
    built.run(100)
    steps.clear()
    built.run(60_000)
    assert told == [(where(built), 7)]
    assert len(steps) < 20


@pytest.mark.parametrize("also", [0, 1, 7])
def test_each_store_to_it_is_heard(also):
    heard = [watched(also, engine) for engine in ("native", "interpreter")]
    assert heard[0] == heard[1]
    assert len(heard[0]) > 490


def test_more_words_than_native_code_looks_through():
    built, told = machine(0), list[int]()
    word = where(built)
    for number in range(MOST_LISTED):
        built.ram.watch(word + 16 + 8 * number, lambda at, value: None)
    built.ram.watch(word, lambda at, value: told.append(value))
    built.run(3000)
    assert len(told) > 490
    for number in range(MOST_LISTED):
        built.ram.unwatch(word + 16 + 8 * number)
    before = len(told)
    built.run(3000)
    assert len(told) - before > 490
    built.ram.unwatch(word)
    before = len(told)
    built.run(3000)
    assert len(told) == before


def test_what_is_watched_no_more_costs_no_more(steps):
    built, told = machine(0), list[int]()
    word = where(built)
    for at in (word, word + 64):
        built.ram.watch(at, lambda at, value: told.append(value))
    built.run(100)
    built.ram.unwatch(word)
    before = len(told)
    steps.clear()
    built.run(3000)
    assert len(told) == before > 0
    assert len(steps) < 20


def test_a_page_in_which_words_are_watched_is_saved_when_it_was_written():
    built = machine()
    built.ram.watch(where(built), lambda at, value: None)
    snapshots = []
    for _time in range(4):
        built.run(500)
        snapshots.append(built.snapshot())
    other = machine(engine="interpreter")
    for snapshot in snapshots:
        other.run(500)
        assert other.snapshot() == snapshot


def test_decoded_instructions_beside_a_watched_word_are_seen_to_change():
    source = """
        la s0, changed
        li s1, 0x00150513
        la s2, word
        li s3, 0
    loop:
        sd s3, 8(s2)
        sw s1, 0(s0)
    changed:
        addi a0, a0, 2
        xori s1, s1, 0x300
        slli s1, s1, 0
        addi s3, s3, 1
        j loop
    .balign 8
    word: .dword 0, 0
    """
    source = source.replace("xori s1, s1, 0x300", "li s4, 0x300000\n xor s1, s1, s4")
    both = [Machine(assemble(source), memory="64K", engine=engine) for engine in ("native", "interpreter")]
    for built in both:
        built.ram.watch(where(built), lambda at, value: None)
        built.run(1000)
    assert both[0].snapshot() == both[1].snapshot()
    assert both[0].hart.x[10] > 100


def test_who_wrote_long_ago_in_a_page_still_written(steps):
    built = machine()
    built.run(300_000)
    word = where(built)
    found = built.who_wrote(word)
    assert found is not None
    assert (found.value, found.by) == (7, "instruction")
    assert found.step < 10
    assert len(steps) < 500
    last = built.who_wrote(word + 8)
    assert last is not None
    assert last.step > 299_990
    assert len(steps) < 3000


LOADS = """
    la s0, word
    addi s1, s0, 4
loop:
    addi t1, t1, 1
    sd t1, 0(s0)
    lw t2, 8(s0)
    ld t2, -8(s0)
    {also}
    j loop
.balign 4096
    .zero 64
word: .dword 0
    .zero 4096
far: .dword 0
"""


def loads(also, engine, word=0):
    """A machine whose loads from its word are told: when, of what, and which bytes."""
    built, told = (
        Machine(assemble(LOADS.format(also=also)), memory="64K", engine=engine),
        list[tuple[int, ...]](),
    )
    built.run(100)
    built.ram.watch_loads(
        where(built) + word, lambda at, value: told.append((built.time, value, *built.ram.access))
    )
    return built, told


@pytest.mark.parametrize(
    "also",
    [
        *("lbu t2, 7(s0)", "ld t2, 0(s0)", "ld t2, 5(s0)", "lw t2, -3(s0)", "amoadd.w t2, t1, (s1)"),
        *("amoadd.d zero, t1, (s0)", "lr.w t2, (s0)", "lr.d t2, (s0)\n sc.d t3, t1, (s0)"),
    ],
)
def test_each_load_from_a_watched_word_is_heard(also):
    heard = []
    for engine in ("native", "interpreter"):
        built, told = loads(also, engine)
        built.run(2000)
        heard.append((told, built.snapshot()))
    assert heard[0] == heard[1]
    assert len(heard[0][0]) > 250
    assert all(size in (1, 2, 3, 4, 8) for *_others, size in heard[0][0])


def test_stores_to_it_and_loads_beside_it_are_native_and_not_heard(steps):
    built, told = loads("sw t2, 4(s0)\n lw t2, 8(s0)\n amoadd.w t2, t1, (s1)", "native", word=16)
    built.run(100)
    steps.clear()
    built.run(60_000)
    assert told == []
    assert len(steps) < 20


def test_loads_that_are_watched_no_more_are_quick_again(steps):
    built, told = loads("lbu t2, 7(s0)", "native")
    built.run(2000)
    built.ram.unwatch_loads(where(built))
    count = len(told)
    steps.clear()
    built.run(60_000)
    assert len(told) == count > 250
    assert len(steps) < 20


def test_fetches_and_walks_are_no_loads():
    built, told = Machine(assemble("nop\n j ."), memory="64K"), list[int]()
    built.ram.watch_loads(RAM_BASE, lambda at, value: told.append(at))
    built.run(1000)
    assert told == []
