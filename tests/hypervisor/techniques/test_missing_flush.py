"""A fence that does nothing: the guest's ruin, and nobody else's; and where nobody notices."""

import pytest

from tests.hypervisor.inspector import inspect, outside
from tests.hypervisor.policies.setting import paged
from tests.hypervisor.towers import difference, end, finished, tower
from vlab import guests
from vlab.hypervisor import MissingFlush
from vlab.machine import Stop

# `page`, at t0, holds 1; its entry is made to lead to `third`, which holds 2.
MOVED = """
    li   s4, 1
    sd   s4, (t0)
    la   t5, third
    li   s4, 2
    sd   s4, (t5)
    ld   s7, (t0)
    srli t5, t5, 2
    ori  t5, t5, 0xc7
    sd   t5, (t3)
    {fence}
    ld   s8, (t0)
"""
# A store to a page that may only be read: it traps, and the guest's handler skips it.
PROTECTED = """
    li   s4, 1
    sd   s4, (t0)
    ld   s7, (t0)
    andi t1, t1, ~4
    sd   t1, (t3)
    sfence.vma
    li   s4, 3
    sd   s4, (t0)
    ld   s8, (t0)
"""
DATA = "third: .zero 4096\n"


def read(body, technique, shadow="lazy"):
    """What the guest has read: s7 and s8."""
    built = tower(paged(body, DATA), int(technique is not None), technique=technique, shadow=shadow).run()
    return [built.guest.hart.x[number] for number in (23, 24)]


@pytest.mark.parametrize("fence", ["sfence.vma", "sfence.vma t0"])
def test_a_page_that_was_moved_is_found_where_it_was(fence):
    body = MOVED.format(fence=fence)
    assert read(body, None) == read(body, "trap-and-emulate") == [1, 2]
    assert read(body, MissingFlush) == [1, 1]


def test_a_page_that_was_made_read_only_is_written():
    assert read(PROTECTED, None) == read(PROTECTED, "trap-and-emulate") == [1, 1]
    assert read(PROTECTED, MissingFlush) == [1, 3]


@pytest.mark.parametrize("shadow", ["lazy", "eager"])
def test_it_is_seen_under_shadows_that_wait_for_a_fence(shadow):
    assert read(MOVED.format(fence="sfence.vma"), "missing-flush", shadow) == [1, 1]


def test_traced_shadows_need_no_fence():
    image = paged(MOVED.format(fence="sfence.vma"), DATA)
    built = tower(image, 1, technique=MissingFlush, shadow="traced").run()
    assert difference(end(finished(image, 0).guest), end(built.guest)) == []


@pytest.mark.parametrize("name", ["hello", "tiny"])
def test_a_guest_that_edits_nothing_does_not_notice(name):
    image = guests.load(name)
    built = tower(image, 1, technique=MissingFlush).run()
    assert difference(end(finished(image, 0).guest), end(built.guest)) == []


def test_what_is_no_fence_is_followed():
    """Another guest in its place finds no shadows of the first."""
    image = guests.load("tiny")
    built = tower(paged(MOVED.format(fence="sfence.vma"), DATA), 1, technique=MissingFlush)
    built.machine.run(until=lambda: built.guest.hart.x[23])
    built.guest.load(image)
    built.run()
    assert difference(end(finished(image, 0).guest), end(built.guest)) == []
    assert built.vms[0].exits == tower(image, 1, technique=MissingFlush).run().vms[0].exits


@pytest.mark.parametrize("body", [MOVED.format(fence="sfence.vma"), PROTECTED], ids=["moved", "protected"])
def test_what_it_finds_is_its_own(body):
    built = tower(paged(body, DATA), 1, technique=MissingFlush)
    before = outside(built.machine, built.vms)
    while built.machine.run(20) is Stop.LIMIT:
        inspect(built.machine, built.vms)
    assert outside(built.machine, built.vms) == before
