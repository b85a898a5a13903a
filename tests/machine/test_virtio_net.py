from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.parts import device_in
from vlab.hypervisor.host.drivers import NetDriver
from vlab.language import VlabError
from vlab.machine import Machine
from vlab.machine.devices import VirtioNet
from vlab.machine.devices.virtio.net import MOST_WAITING
from vlab.machine.network import Port, Switch

SLOT, RAM = 0x1000_1000, 0x8000_0000
FRAME = b"\xff" * 6 + b"\x02" + bytes(5) + b"\x88\xb5" + b"hello"


def card():
    machine = Machine(memory="256K", devices=[VirtioNet()])
    return machine, device_in(machine, "net"), NetDriver(machine, SLOT, RAM)


def send(nic, packet):
    nic.wire(packet)


def test_what_comes_before_the_driver_waits_and_then_is_dropped():
    machine, nic, driver = card()
    for number in range(MOST_WAITING + 3):
        machine.give("net", FRAME + bytes([number]))
    assert (len(nic.waiting), nic.dropped) == (MOST_WAITING, 3)
    saved = machine.snapshot()
    driver.start()
    first = driver.receive()
    assert [packet[-1] for packet in first] == list(range(8))
    machine.restore(saved)
    driver.start()
    assert driver.receive() == first
    assert (nic.received, len(nic.waiting)) == (16, MOST_WAITING - 16)


@given(st.integers(0, 2000))
def test_what_is_no_packet_is_dropped(size):
    machine, nic, driver = card()
    machine.give("net", bytes(size))
    driver.start()
    assert len(driver.receive()) == (14 <= size <= 1514)
    assert nic.dropped == (not 14 <= size <= 1514)


@given(st.binary(min_size=600, max_size=600), st.integers(0, 1))
def test_hostile_rings_end_in_a_reset_or_a_drop(rings, queue):
    machine, nic, driver = card()
    driver.start()
    machine.memory.poke(RAM + queue * 1024, rings)
    machine.bus.store(SLOT + 0x50, 4, queue)
    machine.give("net", FRAME)
    assert len(nic.waiting) <= 1
    driver.start()
    assert nic.running


@pytest.mark.parametrize(
    "change", [{"mac": bytes(5)}, {"mac": b"\x01" * 6}, {"waiting": [b""]}, {"waiting": ["x" * 20]}]
)
def test_a_state_that_can_not_be(change):
    _machine, nic, _driver = card()
    state = nic.state()
    state["own"] = state["own"] | change
    with pytest.raises(VlabError):
        nic.restore(state)
    assert nic.mac == b"\x02\0\0\0\0\x01"


def test_a_switch_sends_where_it_must():
    machine = Machine(memory="256K")
    switch, cards = Switch(), [VirtioNet(f"02:00:00:00:00:0{n}", name=f"net{n}") for n in range(1, 4)]
    out: list[bytes] = []
    for one in cards:
        switch.plug(machine, machine.attach(one), name=one.name)
    up = switch.uplink(machine, out.append)
    send(cards[0], cards[1].mac + FRAME[6:])
    assert [len(one.waiting) for one in cards] + [len(out)] == [0, 1, 0, 0]
    send(cards[0], FRAME)
    assert [len(one.waiting) for one in cards] + [len(out)] == [0, 2, 1, 1]
    send(cards[0], b"\x02" + bytes(4) + b"\x77" + FRAME[6:])
    assert [len(one.waiting) for one in cards] + [len(out)] == [0, 3, 2, 2]
    up.send(cards[2].mac + FRAME[6:])
    assert [len(one.waiting) for one in cards] + [len(out)] == [0, 3, 3, 2]
    assert len(switch.capture) == 4
    with pytest.raises(VlabError, match="has the address"):
        switch.plug(machine, machine.attach(VirtioNet("02:00:00:00:00:01", name="twin")))
    with pytest.raises(VlabError, match="There is a cable in it"):
        Switch().plug(machine, "net1")
    with pytest.raises(VlabError, match="has no network card"):
        switch.plug(Machine(memory="64K"))


def hand_on(ports, packet):
    ports[0].send(packet)


def test_two_switches_in_a_loop_do_not_go_round_for_ever():
    machine = Machine(memory="256K", devices=[VirtioNet()])
    one, two = Switch(), Switch()
    one.plug(machine)
    for _cable in range(2):
        far: list[Port] = []
        near = one.uplink(machine, partial(hand_on, far))
        far.append(two.uplink(machine, near.send))
    send(device_in(machine, "net"), FRAME)
    assert len(one.capture) == 1
