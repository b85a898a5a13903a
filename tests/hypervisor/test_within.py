"""What a resident inside a guest issues at once is what it would issue one by one, or nothing of it has happened."""

import pytest

from tests.hypervisor.towers import difference, tower
from vlab import guests
from vlab.hypervisor import BinaryTranslation
from vlab.hypervisor.techniques.trap_and_emulate import TrapAndEmulate
from vlab.hypervisor.within import issue_within
from vlab.machine import standing
from vlab.machine.sequence import Sequence


def arrived(technique=TrapAndEmulate, depth=2, steps=900):
    """A tower, in which the innermost hypervisor stands behind its vector and has work to do."""
    built = tower(guests.load("tiny"), depth, technique=technique)
    built.machine.run(steps)
    while standing(built.machine) is not built.vms[-1].hypervisor:
        built.machine.run(1)
    return built


def seen(built):
    return built.machine.snapshot().state, [dict(vm.exits) for vm in built.vms]


@pytest.mark.parametrize(
    ("sequence", "values"),
    [
        (Sequence("csrr a0, time", "csrr a0, scause", "csrr a0, stval", "csrr a0, sepc"), ()),
        (Sequence("csrw sepc, a0", "csrr a0, time"), (0x8000_1234,)),
        (Sequence("csrw stimecmp, a0", "csrr a0, stimecmp"), (1 << 40,)),
        (Sequence("csrw sscratch, a0", "csrr a0, sscratch", "csrw stvec, a0"), ((1 << 70) + 5, 0x8000_0000)),
    ],
)
def test_it_is_as_one_by_one(sequence, values):
    at_once, one_by_one = arrived(), arrived()
    results = issue_within(at_once.vms[0], sequence, values)
    assert results is not None
    assert results == one_by_one.machine.issue_all(sequence, *values)
    (state, exits), (wanted, wanted_exits) = seen(at_once), seen(one_by_one)
    assert difference(state, wanted) == []
    assert exits == wanted_exits


@pytest.mark.parametrize(
    "sequence",
    [
        Sequence("csrw sscratch, a0", "csrr a0, mscratch"),  # which S mode may not read
        Sequence("csrw stimecmp, a0", "csrr a0, time"),  # with a value of the past: an interrupt is pending
        Sequence("csrw sscratch, a0", "sfence.vma"),
        Sequence("csrw sscratch, a0", "csrw sie, a0"),
        Sequence("csrw satp, a0"),
    ],
    ids=repr,
)
def test_what_does_more_is_left_as_it_was(sequence):
    built = arrived()
    built.vms[0].virtual_hart.csr.values["mie"] = 1 << 5
    before = seen(built)
    assert issue_within(built.vms[0], sequence, (1, 2)) is None
    after = seen(built)
    assert difference(before[0], after[0]) == []
    assert before[1] == after[1]


def test_only_where_each_would_trap_to_the_outermost_and_nobody_looks_on():
    sequence = Sequence("csrr a0, time")
    assert issue_within(arrived().vms[0], sequence, ()) is not None
    assert issue_within(arrived(depth=3).vms[1], sequence, ()) is None
    assert issue_within(arrived(BinaryTranslation).vms[0], sequence, ()) is None
    built = arrived()
    with built.machine.events.record():
        assert issue_within(built.vms[0], sequence, ()) is None
    built.machine.hart.csr.values["mstatus"] |= 1 << 22  # TSR: nor the outermost one's `sret` is done at once
    assert issue_within(built.vms[0], sequence, ()) is None
    assert issue_within(tower(guests.load("tiny"), 1).run().vms[0], sequence, ()) is None


def test_not_where_its_alarm_would_ring_meanwhile():
    built = arrived()
    outer, hypervisor = built.vms[0], built.vms[0].hypervisor
    outer.virtual_hart.csr.values["stimecmp"] = outer.time + 3
    hypervisor.went_on(outer, alarmed=True)
    assert hypervisor.deadline == outer.time + 3
    assert issue_within(outer, Sequence(*["csrr a0, time"] * 4), ()) is None
    assert issue_within(outer, Sequence("csrr a0, time"), ()) is not None
