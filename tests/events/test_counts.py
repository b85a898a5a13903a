"""The traps of each level, counted without a listener."""

from vlab import guests
from vlab.events import Event, EventSource, Trap, TrapCounts
from vlab.hypervisor import nested
from vlab.machine import Machine
from vlab.riscv import assemble

INTERRUPT = 1 << 63


def test_each_cause_at_each_level_is_counted_by_itself():
    counts = TrapCounts()
    for level, cause in ((0, 2), (0, 2), (2, 63), (2, INTERRUPT | 63), (2, INTERRUPT)):
        counts.count(level, cause)
    assert counts.of(0) == {2: 2}
    assert counts.of(1) == {}
    assert counts.of(2) == {63: 1, INTERRUPT: 1, INTERRUPT | 63: 1}
    assert counts.of(3) == {}
    assert repr(counts) == "Traps counted, level by level: 2, 0, 3"
    assert repr(TrapCounts()) == "Traps counted, level by level: 0"


def test_what_was_counted_is_restored_where_it_is_shared():
    counts, row = TrapCounts(), [0] * 128
    counts.count(1, 5)
    counts.share(row)
    counts.count(0, 3)
    kept = counts.rows()
    for level in (0, 1, 2):
        counts.count(level, 3)
    assert row[3] == 2
    counts.restore(kept)
    assert row[3] == 1
    assert (counts.of(0), counts.of(1), counts.of(2)) == ({3: 1}, {5: 1}, {})


def heard(machine):
    """What a listener counts."""
    counts = TrapCounts()

    def listen(event: Event) -> None:
        if isinstance(event, Trap):
            counts.count(event.level, event.cause)

    machine.events.listen(listen)
    return counts


def with_h(memory):
    return Machine(memory=memory, extensions="H")


def test_every_technique_counts_what_a_listener_hears():
    for techniques in (
        [],
        ["trap-and-emulate"],
        ["hardware-assisted"],
        ["hardware-assisted", "trap-and-emulate"],
    ):
        told = []
        for listening in (False, True):
            machine, vms = nested(techniques, 1 << 20, build=with_h)
            (machine, *vms)[-1].load(guests.load("kernel"))
            other = heard(machine) if listening else machine.events.traps
            machine.run(400_000)
            told.append([machine.events.traps.of(level) for level in range(4)])
            assert told[-1] == [other.of(level) for level in range(4)]
        assert told[0] == told[1]
        assert told[0][0]
        assert bool(told[0][len(techniques)]) == (techniques[-1:] != ["hardware-assisted"])


def test_a_look_ahead_counts_nothing():
    machine = Machine(assemble("ecall\nj ."))
    with machine.history.ahead():
        machine.run(100)
    assert machine.events.traps.of(0) == {}
    machine.run(100)
    assert sum(machine.events.traps.of(0).values()) > 10


def test_a_source_without_a_machine_counts_too():
    source = EventSource(lambda: 0)
    source.traps.count(0, 1)
    assert source.traps.of(0) == {1: 1}
