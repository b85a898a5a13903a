"""The kernel with a mistake, on the bare machine: its own M mode catches it."""

import pytest

from vlab import guests
from vlab.machine import Machine, Stop


@pytest.mark.parametrize("wild", [0, 0xFFFF_FFC0_8000_0000])
def test_it_works_for_a_while_and_then_crashes(wild):
    machine = Machine(guests.load("crash", WILD=wild, ROUNDS=3))
    assert machine.run(100_000) is Stop.OFF
    assert machine.status == 1
    assert machine.console == "abc\nguest: panic\n"
