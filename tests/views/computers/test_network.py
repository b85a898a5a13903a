import re
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.guests.networks import MACS, guest, machines
from tests.hypervisor.host.test_bridge import World
from tests.parts import hypervisor_in
from tests.views.structure import all_text, check, words
from vlab.hypervisor import Hypervisor
from vlab.machine import Computer, Machine
from vlab.machine.devices import VirtioNet
from vlab.machine.network import Switch
from vlab.operations import Together
from vlab.views import picture_of
from vlab.views.computers.network import MOST

NAMES = st.text(max_size=8) | st.sampled_from(("net", "</text>", "W" * 200, "a\nb"))


def shapes(picture):
    """Its grounds as (left, top, right, bottom), the tallest first; its cables as (x, top, bottom)."""
    grounds, cables = [], []

    def walk(element, dx, dy):
        facts = dict(element.attributes)
        if (moved := facts.get("transform", "")).startswith("translate("):
            shift = moved[10:-1].split()
            dx, dy = dx + float(shift[0]), dy + float(shift[1])
        look = facts.get("class", "")
        if element.tag == "rect" and look == "f-machine":
            x, y, width, height = (float(facts[name]) for name in ("x", "y", "width", "height"))
            grounds.append((x + dx, y + dy, x + dx + width, y + dy + height))
        if element.tag == "path" and "thick" in look:
            x, y, last, end = (float(number) for number in re.findall(r"[\d.]+", facts["d"]))
            if x == last:
                cables.append((x + dx, *sorted((y + dy, end + dy))))
        for child in element.children:
            if not isinstance(child, str):
                walk(child, dx, dy)

    for shape in picture.shapes:
        walk(shape, 0, 0)
    return sorted(grounds, key=lambda one: one[1] - one[3]), cables


def boxes(picture):
    """The texts, each with its left, top, right and bottom."""
    for text, corners in words(ElementTree.fromstring(picture.svg)):
        (left, top), (right, bottom) = corners[0], corners[2]
        yield text, (left, top, right, bottom)


def no_cable_leads_through_a_port(picture):
    _grounds, cables = shapes(picture)
    ports = [box for text, box in boxes(picture) if re.fullmatch(r"(..:){5}..|leads on", text)]
    for left, top, right, bottom in ports:
        assert not any(left < x < right and y < bottom and end > top for x, y, end in cables)


def card(number: int) -> VirtioNet:
    return VirtioNet(f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}", name=f"net{number}")


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_network_fits(data):
    """Machines, VMs two deep, switches inside and outside, uplinks, cables that lead past a switch."""
    computers: list[Computer] = [Machine(memory="8M") for _machine in range(data.draw(st.integers(1, 3)))]
    for machine in list(computers):
        if data.draw(st.booleans()):
            outer = Hypervisor(machine)
            vms = [outer.create_vm(memory="2M") for _vm in range(data.draw(st.integers(1, 2)))]
            deep = [Hypervisor(vms[0]).create_vm(memory="64K")] if data.draw(st.booleans()) else []
            computers += [*vms, *deep]
    switches = [Switch(data.draw(NAMES)) for _switch in range(data.draw(st.integers(1, 4)))]
    for number in range(data.draw(st.integers(0, 9))):
        computer, switch = data.draw(st.sampled_from(computers)), data.draw(st.sampled_from(switches))
        if data.draw(st.integers(0, 4)) or any(
            one is not computer.history.machine for one in switch.machines
        ):
            if len(computer.board.attached) < 8 and not any(not port.nic.mac for port in switch.ports):
                switch.plug(computer, computer.attach(card(number)), name=data.draw(NAMES))
        else:
            switch.uplink(computer, lambda packet: None, name=data.draw(NAMES))
    for switch in switches:
        for port in switch.ports:
            port.send(data.draw(st.binary(min_size=14, max_size=70)))
        picture = picture_of(switch)
        check(picture)
        no_cable_leads_through_a_port(picture)
        assert picture.sentence.startswith(repr(switch))
    check(picture_of(Together([one for one in computers if isinstance(one, Machine)])))


def test_a_virtual_switch_stands_beside_the_real_one():
    world = World()
    world.together.run()
    picture = picture_of(world.inside)
    check(picture)
    texts = all_text(picture)
    assert texts.index("switch cable, packets: 9") < texts.index("virtual switch inside, packets: 9")
    for name, mac in (("near", "02:00:00:00:00:10"), ("vm", MACS[1]), ("far", MACS[0])):
        assert texts[texts.index(mac) - 1] == name
    assert "↑4 ↓5 uplink" in texts
    assert texts.count("↑4 ↓5") == 2  # what the VM answers goes on over the host's card
    assert texts.count("↑5 ↓4") == 1
    assert "machine, host" in texts
    assert picture.sentence == (
        "Switch inside: 2 ports: vm, uplink; 9 packets went over it. "
        "Switch cable: 2 ports: far, near; 9 packets went over it."
    )
    assert picture_of(world.together).sentence == repr(world.together)
    assert sorted(all_text(picture_of(world.together))) == sorted(texts)


def test_a_switch_of_virtual_machines_alone_stands_inside_their_machine():
    machine, switch = Machine(memory="4M"), Switch()
    for number in (0, 1):
        switch.plug(guest(machine, number, "ab"[number]))
    machine.run(200_000)
    texts = all_text(picture_of(switch))
    assert "virtual switch switch, packets: 9" in texts
    assert texts[-5:-3] == ["machine", "hypervisor"]
    for vm in hypervisor_in(machine).vms:
        assert vm.name in texts


def test_a_reader_of_the_uplink_is_shown_where_there_is_no_card():
    machine, switch = Machine(memory="4M"), Switch()
    vm = Hypervisor(machine).create_vm(memory="64K", devices=[card(1)])
    switch.plug(vm)
    switch.uplink(machine, lambda packet: None, name="out")
    texts = all_text(picture_of(switch))
    assert texts.index("out") < texts.index("leads on") < texts.index("vm1")
    assert "↑0 ↓0 out" in texts


def test_what_is_too_much_is_counted():
    switch = Switch()
    for number in range(MOST + 3):
        switch.plug(Machine(memory="64K", devices=[card(number)]))
    picture = picture_of(switch)
    check(picture)
    assert "… and 3 more" in all_text(picture)
    many, machine = Switch(), Machine(memory="64K")
    for number in range(MOST + 1):
        many.plug(machine, machine.attach(card(number)))
    picture = picture_of(many)
    check(picture)
    assert "… and 1 more" in all_text(picture)
    assert sum(text.startswith("02:") for text in all_text(picture)) == MOST


def test_a_cable_leads_past_what_is_in_the_outer_computer():
    world = World()
    middle = world.host.create_vm(memory="3M", name="middle")
    deep = Hypervisor(middle).create_vm(memory="64K", devices=[card(9)], name="deep")
    world.cable.plug(deep)
    picture = picture_of(world.cable)
    check(picture)
    no_cable_leads_through_a_port(picture)
    names = [text for text in all_text(picture) if text in ("deep", "middle", "near")]
    assert names[-3:] == ["deep", "middle", "near"]


def test_long_names_stay_in_their_boxes():
    world = World()
    world.inside.unplug(world.computer)
    world.inside.name = "inside" * 4
    world.host.bridge(world.inside, name="W" * 60)
    world.computer.attach(VirtioNet("02:00:00:00:00:11", name="net2"))
    world.host.bridge(Switch(), "net2", name="W" * 60)
    picture = picture_of(world.inside)
    check(picture)
    (left, top, right, bottom), *_others = shapes(picture)[0]
    inside = [box for _text, box in boxes(picture) if top < box[1] < bottom and box[0] < right]
    assert len(inside) > 8
    assert all(left < box[0] and box[2] < right for box in inside)


def test_how_often_packets_passed_stands_inside_the_box_that_the_cable_leads_into():
    switch = Switch()
    for number in (1, 2):
        machine = Machine(memory="2M")
        switch.plug(Hypervisor(machine).create_vm(memory="64K", devices=[card(number)]))
    picture = picture_of(switch)
    (_left, top, _right, _bottom), *_others = shapes(picture)[0]
    assert all(box[1] > top + 4 for text, box in boxes(picture) if text == "↑0 ↓0")


def test_a_cable_has_the_look_of_its_switch():
    world, (switch, _together, _machines) = World(), machines()
    assert picture_of(world.inside).svg.count('class="l-hypervisor thick" d=') == 2 + 1  # and the legend's
    assert picture_of(switch).svg.count('class="l-hypervisor thick" d=') == 1
    assert picture_of(switch).svg.count('class="l-machine thick d-machine" d=') == 2 + 1
