"""An interrupt that comes at a bad moment and is forgotten: which moments are bad, and what becomes of the guest."""

import pytest

from tests.hypervisor.towers import difference, end, finished, tower
from tests.machine.test_quirks import ticks_source
from vlab import guests
from vlab.hypervisor import LostInterrupt
from vlab.machine import Machine, Stop

KERNEL = guests.load("kernel", TICK=300, LETTERS=2, PRIMES=100)
DISABLED, ENABLED, SIE = "csrci sstatus, 2", "csrsi sstatus, 2", 2


def ticks(before, after, status, technique):
    """Ticks that came while what was done BEFORE lasted, and until the end."""
    image = ticks_source(before, after, status)
    built = tower(image, int(technique is not None), technique=technique)
    built.machine.run(100_000)
    assert built.guest.status == 0
    return built.guest.hart.x[9], built.guest.hart.x[18]


def test_one_that_comes_in_a_critical_section_never_comes():
    section = DISABLED, ENABLED, SIE
    assert ticks(*section, None) == ticks(*section, "trap-and-emulate") == (0, 1)
    assert ticks(*section, LostInterrupt) == (0, 0)


def test_one_that_finds_interrupts_enabled_comes():
    section = ENABLED, DISABLED, 0
    assert ticks(*section, None) == ticks(*section, LostInterrupt) == (1, 1)


def test_one_that_was_lost_and_withdrawn_may_come_again():
    """The alarm is set anew after the section, without a handler having run."""
    again = ENABLED + "\n li t2, -1\n csrw stimecmp, t2\n rdtime t0\n addi t0, t0, 50\n csrw stimecmp, t0"
    assert ticks(DISABLED, again, SIE, None) == (0, 2)
    assert ticks(DISABLED, again, SIE, LostInterrupt) == (0, 1)


def test_the_kernel_stands_still_for_want_of_ticks():
    right = finished(KERNEL, 0).guest
    built = tower(KERNEL, 1, technique="lost-interrupt")
    assert built.machine.run(300_000) is Stop.LIMIT
    assert right.console.startswith(built.guest.console) and built.guest.console != right.console
    assert built.vms[0].exits["timer"] < finished(KERNEL, 1).vms[0].exits["timer"]


@pytest.mark.parametrize("name", ["hello", "tiny"])
def test_a_guest_without_a_critical_section_does_not_notice(name):
    image = guests.load(name)
    built = tower(image, 1, technique=LostInterrupt).run()
    assert difference(end(finished(image, 0).guest), end(built.guest)) == []


def test_what_was_missed_is_saved():
    built = tower(ticks_source(DISABLED, ENABLED, SIE), 1, technique="lost-interrupt")
    built.machine.run(until=lambda: built.vms[0].technique.state()["missed"])
    assert built.vms[0].technique.state()["missed"]
    saved = built.machine.snapshot()
    built.machine.run(100_000)
    again = Machine(memory=built.machine.memory.size)
    again.restore(saved)
    again.run(100_000)
    assert again.snapshot() == built.machine.snapshot()


def test_a_guest_that_is_switched_on_has_missed_nothing():
    image = guests.load("tiny")
    built = tower(ticks_source(DISABLED, ENABLED, SIE), 1, technique=LostInterrupt)
    built.machine.run(until=lambda: built.vms[0].technique.state()["missed"])
    assert built.vms[0].technique.state()["missed"]
    built.guest.load(image)
    assert built.vms[0].technique.state()["missed"] == 0
    built.run()
    assert difference(end(finished(image, 0).guest), end(built.guest)) == []
