"""A guest on a host's virtual switch, which a bridge joins to the network outside."""

import pytest

from tests.guests.networks import ANSWER_SAYS, ANSWERS, MACS, PING_SAYS, PINGS, WORDS, without_times
from tests.hypervisor.host.settings import host_on
from tests.hypervisor.towers import difference
from tests.parts import device_in, machine_under
from vlab import guests
from vlab.events import Routing
from vlab.hypervisor import Hypervisor
from vlab.hypervisor.host import Host
from vlab.language import VlabError
from vlab.machine import Computer, Machine, Stop
from vlab.machine.devices import VirtioNet
from vlab.machine.network import Switch
from vlab.operations import Together
from vlab.riscv.privilege import INTERRUPT_BIT, Interrupt

CARD = "02:00:00:00:00:10"


class World:
    """A machine that pings, and a host whose VM answers; between them the cable, the host's card and its bridge."""

    def __init__(self, depth=0, before=0):
        self.far = Machine(PINGS, memory="256K", devices=[VirtioNet(MACS[0])])
        self.machine = Machine(memory="8M", devices=[] if depth else [VirtioNet(CARD)])
        self.computer: Computer = self.machine
        if depth:
            self.computer = Hypervisor(self.machine).create_vm(memory="6M", devices=[VirtioNet(CARD)])
        self.host = host_on(self.computer)
        self.vm = self.host.create_vm(
            ANSWERS, memory="256K", devices=[VirtioNet(MACS[1])], name="vm", user="ana"
        )
        self.cable, self.inside = Switch("cable"), Switch("inside")
        self.cable.plug(self.far, name="far")
        self.cable.plug(self.computer, name="near")
        self.inside.plug(self.vm)
        self.machine.run(before)
        self.port = self.host.bridge(self.inside)
        self.together = Together([self.far, self.machine])


def it_went_well(world):
    assert without_times(world.far.console) == PING_SAYS
    assert world.vm.console == ANSWER_SAYS
    assert [packet.words for packet in world.inside.capture] == WORDS
    assert [packet.words for packet in world.cable.capture] == WORDS


@pytest.mark.parametrize(("depth", "before"), [(0, 0), (0, 5000), (1, 0), (1, 5000)])
def test_a_machine_pings_a_virtual_machine_through_the_hosts_card(depth, before):
    world = World(depth, before)
    assert world.together.run() is Stop.ASLEEP
    it_went_well(world)
    assert world.host.routed["net", "hypervisor"] == 5  # the question who it is, three pings, and "thank you"
    assert ("net", "host") not in world.host.routed
    senders = [packet.port for packet in world.inside.capture]
    assert senders == ["uplink", "vm"] * 4 + ["uplink"]


def test_a_virtual_machine_pings_out():
    far = Machine(ANSWERS, memory="256K", devices=[VirtioNet(MACS[1])])
    near = Machine(memory="8M", devices=[VirtioNet(CARD)])
    host = host_on(near)
    vm = host.create_vm(PINGS, memory="256K", devices=[VirtioNet(MACS[0])])
    cable, inside = Switch(), Switch()
    for computer in (far, near):
        cable.plug(computer)
    inside.plug(vm)
    host.bridge(inside)
    assert Together([far, near]).run() is Stop.ASLEEP
    assert (without_times(vm.console), far.console) == (PING_SAYS, ANSWER_SAYS)


def test_each_packet_takes_the_way_over_the_hosts_interrupt():
    world = World()
    with world.machine.events.record() as run:
        world.together.run()
    routes = [event for event in run.only(Routing) if event.source == "net"]
    assert [(event.to, event.vm, event.cause) for event in routes] == [
        ("hypervisor", "vm", INTERRUPT_BIT | Interrupt.SEI)
    ] * 5
    touched = [(event.device, event.level) for event in run if type(event).__name__ == "DeviceAccess"]
    assert ("net", 0) in touched and ("net", 1) in touched  # the host's driver, the guest's
    assert ("plic", 0) in touched


def test_everybody_inside_hears_what_is_for_everybody_and_the_host_keeps_what_is_for_its_card():
    world = World()
    other = world.host.create_vm(
        guests.load("ping", IP=0x0A00_0003, COUNT=0), memory="256K", devices=[VirtioNet("02:00:00:00:00:03")]
    )
    world.inside.plug(other)
    world.together.run()
    assert world.host.routed["net", "hypervisor"] == 6  # only the first of five packets is for both
    # And four answers, to somebody whom the switch doesn't know.
    assert device_in(other, "net").received == 5
    packet = bytes.fromhex(CARD.replace(":", "")) + bytes(60)
    world.computer.give("net", packet)
    world.machine.run(20_000)
    assert world.host.routed["net", "host"] == 1
    assert len(world.inside.capture) == len(WORDS)


def test_a_guest_two_levels_deep_is_its_outer_vms_affair():
    world = World()
    middle = world.host.create_vm(memory="3M", name="middle")
    deep = Hypervisor(middle).create_vm(
        guests.load("ping", IP=0x0A00_0003, COUNT=0), memory="256K", devices=[VirtioNet("02:00:00:00:00:03")]
    )
    world.inside.plug(deep)
    world.far.load(guests.load("ping", PEER=0x0A00_0003))
    with world.machine.events.record() as run:
        assert world.together.run(1_000_000) is Stop.ASLEEP
    assert without_times(world.far.console).endswith("3 came back\n")
    routes = [(event.to, event.vm) for event in run.only(Routing) if event.source == "net"]
    assert routes == [("hypervisor", "vm"), *[("hypervisor", "middle")] * 5]  # the first was for everybody


@pytest.mark.parametrize("depth", [0, 1])
def test_it_is_rewound_with_the_host_and_goes_the_same_way_again(depth):
    world = World(depth)
    world.together.run()
    last = world.machine.snapshot()
    steps = world.machine.steps
    for back in (steps - 100, steps // 2, steps // 3, 17):
        world.machine.goto(back)
        assert world.machine.steps <= back
        assert world.together.run() is Stop.ASLEEP
        assert difference(world.machine.snapshot().state, last.state) == []
        it_went_well(world)


def test_a_host_saved_in_the_middle_goes_on_with_a_new_cable():
    world = World()
    world.together.run(until=lambda: "for 10.0.0.1" in world.vm.console)
    saved = world.machine.snapshot()
    fresh = Machine(memory="8M", devices=[VirtioNet(CARD)])
    fresh.restore(saved)
    assert difference(fresh.snapshot().state, saved.state) == []
    (host,) = {*fresh.residents.values()}
    assert isinstance(host, Host)
    packet = device_in(world.vm, "net").mac + bytes(60)
    fresh.give("net", packet)
    fresh.run(20_000)  # nobody is at the other end: it is lost
    assert host.routed["net", "host"] == 1
    inside = Switch()
    inside.plug(host.vms[0])
    host.bridge(inside)
    fresh.give("net", packet)
    fresh.run(20_000)
    assert len(inside.capture) == 1
    assert host.routed["net", "hypervisor"] == 3  # two from before


def test_a_host_restored_to_before_has_no_bridge_and_after_it_has_one_again():
    machine = Machine(memory="8M", devices=[VirtioNet(CARD)])
    host, switch = host_on(machine), Switch()
    machine.run(3000)
    before, free = machine.snapshot(), host.frames.free
    host.bridge(switch)
    machine.run(3000)
    after = machine.snapshot()
    for saved, names, taken in ((before, ["uart"], 0), (after, ["uart", "net"], 6), (before, ["uart"], 0)):
        machine.restore(saved)
        assert machine.snapshot() == saved
        assert [driver.name for driver in host.drivers] == names
        assert host.frames.free == free - taken
    switch.unplug(machine)
    host.bridge(switch)
    assert host.frames.free == free - 6
    used = {frame for use in host.uses() for frame in use.frames}
    assert len(used) + host.frames.free == machine.memory.size // 4096


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"memory": 0x8000_0001}, "no driver"),
        ({"memory": 0x8000_0000}, "frames of a driver"),
        ({"started": 1}, "true or false"),
        ({"to_send": [b"x"]}, "no driver"),
        ({"to_send": [b"x" * 60] * 65}, "no driver"),
        ({"to_send": 5}, "list"),
    ],
)
def test_a_damaged_bridge_is_refused(change, wrong):
    world = World(before=3000)
    world.machine.run(100)
    before, state = world.machine.snapshot(), world.host.state()
    drivers = state["drivers"] | {"net": state["drivers"]["net"] | change}
    with pytest.raises(VlabError, match=wrong):
        world.host.restore(state | {"drivers": drivers})
    with pytest.raises(VlabError, match="no network card"):
        world.host.restore(state | {"drivers": state["drivers"] | {"other": state["drivers"]["net"]}})
    assert world.machine.snapshot() == before
    assert world.together.run() is Stop.ASLEEP
    it_went_well(world)


def test_who_may_bridge_and_what():
    world = World()
    host, free = world.host, world.host.frames.free
    with pytest.raises(VlabError, match="ana may not"):
        host.bridge(Switch(), user="ana")
    with pytest.raises(VlabError, match="no network card 'net2'"):
        host.bridge(Switch(), "net2")
    with pytest.raises(VlabError, match="a cable in it already"):
        host.bridge(Switch())
    world.computer.attach(VirtioNet("02:00:00:00:00:11", name="net2"))
    with pytest.raises(VlabError, match="round in a loop"):
        host.bridge(world.inside, "net2")
    other = Switch()
    other.plug(world.computer, "net2")
    with pytest.raises(VlabError, match="round in a loop"):
        host.bridge(other, "net2")
    assert host.frames.free == free
    assert [driver.name for driver in host.drivers] == ["uart", "net"]


def test_packets_that_nobody_fetches_are_dropped_not_kept():
    host = Host(Machine(memory="2M", devices=[VirtioNet(CARD)]))
    port = host.bridge(Switch())
    for _time in range(200):
        port.nic.receive(bytes(60))
    assert len(host.state()["drivers"]["net"]["to_send"]) == 64
    machine_under(host).run(20_000)
    assert device_in(host.computer, "net").sent == 64
