"""The bug is there to be seen: it ruins its own guest, and nobody else."""

import pytest

from tests.hypervisor.inspector import inspect, outside
from tests.hypervisor.policies.setting import paged
from tests.hypervisor.towers import POLICIES, difference, end, finished, tower
from vlab import guests
from vlab.hypervisor import StaleSatp
from vlab.machine import Machine, Stop

# Two tables that show another page at one address: `page` holds 1, `other` 2.
TWO_PROCESSES = """
    li   s4, 1
    sd   s4, (t0)
    la   t5, third
    li   s4, 2
    sd   s4, (t5)
    la   t4, second             # the second root: as the first, but for the pages to play with
    la   t5, root
    ld   t6, (t5)
    sd   t6, (t4)
    ld   t6, 16(t5)
    sd   t6, 16(t4)
    la   t5, third
    la   t6, large
    srli s4, t6, 2
    ori  s4, s4, 1
    sd   s4, 8(t4)              # second[1] -> large
    la   s6, small
    srli s4, s6, 2
    ori  s4, s4, 1
    sd   s4, 8(t6)              # large[1] -> small
    srli s4, t5, 2
    ori  s4, s4, 0xc7
    sd   s4, (s6)               # small[0]: third
    srli t4, t4, 12
    li   t5, 8<<60
    or   t4, t4, t5
    csrr s5, satp
    ld   s7, (t0)
    csrw satp, t4
    sfence.vma
    ld   s8, (t0)
    csrr s9, satp
    csrw satp, s5
    sfence.vma
    ld   s10, (t0)
"""
DATA = "second: .zero 4096\nlarge: .zero 4096\nsmall: .zero 4096\nthird: .zero 4096\n"


@pytest.mark.parametrize("shadow", POLICIES)
def test_the_second_process_reads_the_memory_of_the_first(shadow):
    image = paged(TWO_PROCESSES, DATA)
    read = {}
    for name, computer in (
        ("bare", finished(image, 0).guest),
        ("right", finished(image, 1, shadow=shadow).guest),
        ("wrong", tower(image, 1, shadow=shadow, technique=StaleSatp).run().guest),
    ):
        x = computer.hart.x
        read[name] = (x[23], x[24], x[26], x[25] == x[21])
    assert read == {"bare": (1, 2, 1, False), "right": (1, 2, 1, False), "wrong": (1, 1, 1, False)}


@pytest.mark.parametrize("shadow", POLICIES)
def test_a_kernel_with_processes_prints_something_else_and_stays_inside(shadow):
    image = guests.load("kernel")
    right = finished(image, 0).guest
    built = tower(image, 1, shadow=shadow, technique="stale-satp")
    before = outside(built.machine, built.vms)
    while built.machine.run(200) is Stop.LIMIT:
        inspect(built.machine, built.vms)
    assert built.guest.console != right.console
    assert outside(built.machine, built.vms) == before


def test_a_guest_with_one_table_does_not_notice():
    image = guests.load("tiny")
    built = tower(image, 1, technique=StaleSatp).run()
    assert difference(end(finished(image, 0).guest), end(built.guest)) == []


def test_a_guest_that_is_switched_on_has_no_first_table_yet():
    image = guests.load("tiny")
    built = tower(guests.load("kernel"), 1, technique=StaleSatp)
    built.machine.run(20_000)
    built.guest.load(image)
    built.run()
    assert difference(end(finished(image, 0).guest), end(built.guest)) == []
    assert built.vms[-1].exits == finished(image, 1).vms[-1].exits


def test_it_is_saved_and_goes_on():
    built = tower(guests.load("kernel"), 1, technique="stale-satp")
    built.machine.run(30_000)
    saved = built.machine.snapshot()
    built.run()
    again = Machine(memory=built.machine.memory.size)
    again.restore(saved)
    again.run()
    assert again.snapshot() == built.machine.snapshot()
