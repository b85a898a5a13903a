import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlab import guests
from vlab.events import TlbFill, TlbFlush
from vlab.hypervisor import Hypervisor
from vlab.language import VlabError
from vlab.machine import Machine
from vlab.machine.choices import tlb_index
from vlab.machine.tlb import Tally
from vlab.riscv import assemble

KERNEL = guests.load("kernel", TICK=300, LETTERS=2, PRIMES=100)


def machine(source):
    return Machine(assemble(source), memory="1M")


def test_a_snapshot_has_what_the_mmu_remembers():
    computer = Machine(KERNEL, memory="1M")
    assert repr(computer.tlb()) == "TLB at time 0, 1024 sets a context: no entries"
    computer.run(1200)
    tlb = computer.tlb()
    for key, context in computer.hart.mmu.contexts.items():
        entries = next(one.entries for one in tlb.contexts if one.name == str(key))
        assert {(one.index, one[1:]) for one in entries} == {
            (n, tuple(e)) for n, e in context.entries.items()
        }
    assert (tlb.fetches, tlb.data) == (str(computer.hart.mmu.fetches.key), str(computer.hart.mmu.data.key))
    assert computer.tlb() == tlb


@pytest.mark.parametrize(
    ("source", "instructions", "tally"),
    [
        ("nop\nnop\nnop", 3, (2, 1, 0)),
        ("la t0, there\nld a0, (t0)\nsd a0, 8(t0)\n.balign 4096\nthere: .zero 4096", 4, (4, 2, 0)),
        (
            "la t0, there-4\nld a0, (t0)\n.balign 4096\n.zero 4096\nthere: .zero 4096",
            3,
            (2, 3, 0),
        ),  # two pages
        (
            "la t0, there-4\nld a0, (t0)\nld a0, (t0)\n.balign 4096\n.zero 4096\nthere: .zero 4096",
            4,
            (5, 3, 0),
        ),
        ("auipc t0, 0\namoadd.w a0, zero, (t0)\nlr.w a0, (t0)\nsc.w a0, a0, (t0)", 4, (6, 1, 0)),
        ("auipc t0, 0\naddi t0, t0, 1\namoadd.w a0, zero, (t0)", 3, (2, 1, 0)),  # misaligned: not made
        ("auipc t0, 0\nsfence.vma\nnop", 3, (1, 2, 1)),
        ("lui t0, 0x1\nld a0, (t0)", 2, (1, 2, 0)),  # a translation, though nothing answers there
        (".word 0", 1, (0, 1, 0)),
        ("li t0, -8\nld a0, (t0)", 2, (1, 1, 0)),  # a fault: neither
    ],
)
def test_hits_misses_and_flushes_are_counted(source, instructions, tally):
    run = machine(source).watch_tlb(instructions)
    assert run.tally == tally
    hits, misses, flushes = tally
    said = f"TLB over {instructions} instructions: hits {hits}, misses {misses}, flushes {flushes}"
    assert repr(run) == said


def test_a_watched_run_is_the_same_run():
    watched, plain = Machine(KERNEL, memory="1M"), Machine(KERNEL, memory="1M")
    with plain.events.record() as recording:
        plain.run(3000)
    run = watched.watch_tlb(3000)
    assert watched.snapshot() == plain.snapshot()
    assert [moment.event for moment in run.moments] == [
        event for event in recording if isinstance(event, TlbFill | TlbFlush)
    ]
    assert not watched.events.on


def test_the_last_of_the_sequence_is_the_tlb_as_it_is():
    computer = Machine(KERNEL, memory="1M")
    computer.run(1100)
    before = computer.tlb()
    run = computer.watch_tlb(1500)
    states = list(run)
    assert states[0].contexts == before.contexts and states[0].tally == Tally()
    assert dict(states[-1].contexts) == dict(computer.tlb().contexts)
    assert len(states) == len(run) == len(run.moments) + 1
    assert run[-1] == states[-1] and run[3] == states[3]
    with pytest.raises(IndexError):
        run[len(run)]
    for state, moment in zip(states[1:], run.moments, strict=True):
        assert state.last is moment.event
        assert state.filled == moment.entry
        assert bool(state.dropped) >= (moment.entry is None) or not any(c.entries for c in state.contexts)
        assert state.tally is not None and sum(state.tally[1:]) == run.moments.index(moment) + 1
    hits = [state.tally.hits for state in states if state.tally is not None]
    assert hits == sorted(hits)


def test_two_pages_of_one_set_take_turns():
    one, other = 0x8000_1000, 0x8040_0000
    assert tlb_index(one >> 12) == tlb_index(other >> 12)
    code = assemble(f"li t0, {one}\nli t1, {other}\nloop: ld a0, (t0)\nld a0, (t1)\nj loop")
    run = Machine(code, memory="8M").watch_tlb(4 + 9)
    assert run.tally.misses == 1 + 6  # the code's page once, and each load of three rounds
    evicted = [tlb.evicted for tlb in run if tlb.evicted is not None]
    assert [entry.page << 12 for entry in evicted] == [one, other, one, other, one]


def test_a_window_of_the_past_can_be_watched():
    computer = Machine(KERNEL, memory="1M")
    whole = computer.watch_tlb(2000).tally
    computer.goto(0)
    first = computer.watch_tlb(800).tally
    second = computer.watch_tlb(1200).tally
    assert tuple(a + b for a, b in zip(first, second, strict=True)) == whole


def test_residents_are_no_accesses():
    computer = Machine(memory="4M")
    Hypervisor(computer).create_vm(guests.load("hello"), memory="1M")
    run = computer.watch_tlb(500)
    assert run.tally.flushes and run.tally.hits < 2 * run.instructions


def test_it_stops_with_the_machine():
    run = Machine(guests.load("hello"), memory="1M").watch_tlb(1_000_000)
    assert run.instructions < 10_000
    assert machine("csrw mie, zero\nwfi").watch_tlb(100).instructions == 2


@pytest.mark.parametrize("count", [0, -1, 1 << 40])
def test_too_many_or_too_few_are_refused(count):
    with pytest.raises(VlabError, match="instructions can't be watched"):
        machine("nop").watch_tlb(count)


@given(st.integers(1, 3000), st.integers(1, 400))
@settings(max_examples=20, deadline=None)
def test_every_access_is_a_hit_or_a_miss(before, count):
    computer = Machine(KERNEL, memory="1M")
    computer.run(before)
    run = computer.watch_tlb(count)
    hits, misses, _flushes = run.tally
    assert run.instructions <= hits + misses + 1 <= 2 * run.instructions + 1  # the kernel faults nowhere
    for tlb in run:
        for context in tlb.contexts:
            assert [entry.index for entry in context.entries] == sorted({e.index for e in context.entries})
            assert all(tlb_index(entry.page) == entry.index for entry in context.entries)


def test_it_stops_where_a_resident_sleeps_for_good():
    built = Machine(memory="24M")
    Hypervisor(built).create_vm(assemble("wfi"), memory="1M")
    built.run(1000)
    assert built.watch_tlb(100).instructions < 100
