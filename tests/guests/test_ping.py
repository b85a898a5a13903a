"""Two computers talk over a network: real ones, virtual ones, and both."""

import pytest

from tests.guests.networks import (
    ANSWER_SAYS,
    MACS,
    PING_SAYS,
    PINGS,
    WORDS,
    guest,
    hypervisor,
    machines,
    without_times,
)
from vlab import guests
from vlab.machine import Machine, Stop
from vlab.machine.devices import VirtioNet
from vlab.machine.network import Switch
from vlab.operations.together import Together


def the_same(switch, a, b):
    assert without_times(a.console) == PING_SAYS
    assert b.console == ANSWER_SAYS
    assert (a.status, b.status) == (0, None)
    assert [packet.words for packet in switch.capture] == WORDS


def test_two_machines():
    switch, together, (a, b) = machines()
    assert together.run(1_000_000) is Stop.ASLEEP
    the_same(switch, a, b)
    assert "after 19793 ticks" in a.console  # two slices, less what it took to send


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_virtual_machines_on_one_machine(order):
    machine, switch = Machine(memory="4M"), Switch()
    both = [guest(machine, number, "ab"[number]) for number in order]
    for vm in both:
        switch.plug(vm)
    assert machine.run(1_000_000) is Stop.ASLEEP
    the_same(switch, *(both[order.index(number)] for number in (0, 1)))


def test_a_virtual_machine_on_each_of_two_machines():
    hosts, switch = [Machine(memory="4M") for _ in range(2)], Switch()
    a, b = [guest(host, number, "ab"[number]) for number, host in enumerate(hosts)]
    switch.plug(a)
    switch.plug(b)
    assert Together(hosts).run(1_000_000) is Stop.ASLEEP
    the_same(switch, a, b)


def test_a_machine_and_a_virtual_machine_two_levels_deep():
    bare, host, switch = (
        Machine(PINGS, memory="256K", devices=[VirtioNet(MACS[0])]),
        Machine(memory="8M"),
        Switch(),
    )
    middle = hypervisor(host).create_vm(memory="4M", name="middle")
    deep = guest(middle, 1, "deep")
    switch.plug(bare)
    switch.plug(deep)
    assert Together([bare, host]).run(1_000_000) is Stop.ASLEEP
    the_same(switch, bare, deep)


def test_who_is_not_there_does_not_answer():
    program = guests.load("ping", PEER=0x0A00_0063, TIMEOUT=50_000)
    _switch, together, (a, b) = machines(program)
    assert together.run(1_000_000) is Stop.ASLEEP
    assert (a.console, a.status, b.console) == ("ping: nobody answers\n", 1, "")
    assert 50_000 < a.time < 60_000


def test_a_cable_that_is_pulled_loses_packets_and_the_guest_tells():
    switch, together, (a, b) = machines(guests.load("ping", TIMEOUT=50_000))
    together.run(until=lambda: "reply 1" in a.console)
    switch.unplug(b)
    assert together.run(1_000_000) is Stop.ASLEEP
    said = without_times(a.console).splitlines()
    assert said[1:] == ["ping: no reply to 2", "ping: no reply to 3", "ping: 3 sent, 1 came back"]
    assert a.status == 1
