"""Attaching devices: places, sources, and that a saved computer has them again."""

from typing import Any

import pytest

from tests.parts import hypervisor_in
from vlab.hypervisor import Hypervisor
from vlab.language import VlabError
from vlab.machine import Machine
from vlab.machine.bus import Device
from vlab.machine.devices import KINDS, VirtioConsole
from vlab.machine.snapshot import Checker
from vlab.riscv import assemble


class Plain:
    """A device with nothing but what must be."""

    def __init__(self, name="plain", size=0x1000):
        self.name, self.size = name, size

    def load(self, offset, size):
        return 7

    def store(self, offset, size, value):
        pass

    def state(self):
        return {}

    def restore(self, state):
        pass


class Pin(Plain):
    """One with a pin."""

    interrupting = True


def attached(machine):
    return [(row["name"], row["base"], row["irq"]) for row in machine.board.state()]


def test_devices_take_the_slots_in_turn():
    machine = Machine(memory="1M", devices=[VirtioConsole("a"), Plain(), VirtioConsole("b")])
    assert attached(machine) == [("a", 0x1000_1000, 1), ("plain", 0x1000_2000, 0), ("b", 0x1000_3000, 3)]
    assert machine.board.sources == {"uart": 10, "a": 1, "b": 3}


def test_a_base_and_a_source_of_its_own():
    machine = Machine(memory="1M")
    machine.attach(Pin("p"), 0x2000_0000, 31)
    machine.attach(Pin("q"), 0x2000_1000)
    machine.attach(Pin("r"), 0x1000_2000)
    machine.attach(Pin("s"))
    assert [row[2] for row in attached(machine)] == [31, 11, 2, 1]


@pytest.mark.parametrize(
    ("device", "base", "irq", "says"),
    [
        (Pin(), None, 10, "belongs to uart"),
        (Pin(), None, 0, "no interrupt source 0"),
        (Plain(), None, 5, "no interrupt pin"),
        (Plain("uart"), None, None, "of this name"),
        (Plain(), 0x1000_0000, None, "overlap uart"),
        (Plain(size=0x2000), None, None, "no free slot"),
    ],
)
def test_what_can_not_be_attached_changes_nothing(device, base, irq, says):
    machine = Machine(memory="1M")
    before = machine.snapshot()
    with pytest.raises(VlabError, match=says):
        machine.attach(device, base, irq)
    assert machine.snapshot() == before
    assert machine.board.sources == {"uart": 10}


def test_slots_and_sources_run_out():
    machine = Machine(memory="1M")
    for number in range(8):
        machine.attach(Pin(f"p{number}"))
    with pytest.raises(VlabError, match="no free slot"):
        machine.attach(Pin("more"))
    for number in range(21):
        machine.attach(Pin(f"q{number}"), 0x2000_0000 + number * 0x1000)
    with pytest.raises(VlabError, match="no interrupt source 32"):
        machine.attach(Pin("more"), 0x3000_0000)


def test_power_on_resets_a_device_or_makes_it_as_it_was_when_it_came():
    class Counter(Plain):
        count = 5

        def state(self):
            return {"count": self.count}

        def restore(self, state):
            self.count = state["count"]

    class Kept(Counter):
        resets = 0

        def reset(self):
            self.resets += 1

    machine = Machine(memory="1M")
    counter, kept = machine.attach(Counter("counter")), machine.attach(Kept("kept"))
    counter.count = kept.count = 9
    machine.load(assemble("j ."))
    assert (counter.count, kept.count, kept.resets) == (5, 9, 1)


def test_only_the_same_devices_take_a_saved_state():
    machine = Machine(memory="1M", devices=[VirtioConsole()])
    saved = machine.snapshot()
    others: list[list[Device]] = [[], [VirtioConsole("other")], [Plain(), VirtioConsole()]]
    for devices in others:
        other = Machine(memory="1M", devices=devices)
        before = other.snapshot()
        with pytest.raises(VlabError, match="other devices"):
            other.restore(saved)
        assert other.snapshot() == before
    Machine(memory="1M", devices=[VirtioConsole()]).restore(saved)


def test_a_restored_hypervisor_builds_its_vms_anew_with_their_devices():
    machine = Machine(memory="4M")
    vm = Hypervisor(machine).create_vm(memory="1M", devices=[VirtioConsole("com")])
    vm.load(assemble("1: wfi\n j 1b"))
    machine.run(200)
    vm.give("com", b"waiting")
    saved = machine.snapshot()
    other = Machine(memory="4M")
    other.restore(saved)
    assert other.snapshot() == saved
    (again,) = hypervisor_in(other).vms
    base, console = again.bus.devices["com"]
    assert (base, console.state()) == (0x1000_1000, vm.bus.devices["com"][1].state())
    assert again.board.sources["com"] == 1


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"kind": "no such", "name": "x", "base": 0x1000_1000, "irq": 1},
        {"kind": None, "name": "x", "base": 0x1000_1000, "irq": 1},
        {"kind": [], "name": "x", "base": 0x1000_1000, "irq": 1},
        {"kind": "virtio-console", "name": 3, "base": 0x1000_1000, "irq": 1},
        {"kind": "virtio-console", "name": "x", "base": 0x1000_0000, "irq": 1},
        {"kind": "virtio-console", "name": "x", "base": 0x1000_1000, "irq": 99},
        {"kind": "virtio-console", "name": "uart", "base": 0x1000_1000, "irq": 1},
        None,
    ],
)
def test_a_saved_device_that_can_not_be(row):
    with pytest.raises(VlabError):
        Machine(memory="1M").board.attach_saved(Checker([row]))


def test_a_device_of_the_readers_own_is_built_anew_once_it_is_registered(monkeypatch):
    monkeypatch.setitem(KINDS, "pin", Pin)
    rows = [{"kind": "pin", "name": "mine", "base": 0x1000_4000, "irq": 4}]
    machine = Machine(memory="1M")
    machine.board.attach_saved(Checker(rows))
    assert machine.board.sources["mine"] == 4


@pytest.mark.parametrize("name", ["lamp", "finisher", "clint", "plic"])
def test_nothing_comes_to_what_takes_nothing(name):
    machine = Machine(memory="1M")
    with pytest.raises(VlabError, match="Nothing can come"):
        machine.give(name, b"x")
    assert machine.history.input == []


def test_what_is_no_device_is_told_so() -> None:
    wrong: list[tuple[Any, Any, Any, str]] = [
        (Plain, None, None, "is a class"),
        (Plain(name=5), None, None, "a name"),
        (Plain(size="4K"), None, None, "a name"),
        (Plain(), "0x1000", None, "can't be a device's base"),
        (Pin(), None, "5", "no interrupt source"),
        (Pin(), None, 1.5, "no interrupt source"),
    ]
    for device, base, irq, says in wrong:
        machine = Machine(memory="1M")
        with pytest.raises(VlabError, match=says):
            machine.attach(device, base, irq)
        assert attached(machine) == []


def test_devices_are_several() -> None:
    none: list[Any] = [VirtioConsole(), None, 5]
    hypervisor = Hypervisor(Machine(memory="4M"))
    free = hypervisor.free
    for wrong in none:
        with pytest.raises(VlabError, match="a list of devices"):
            Machine(memory="1M", devices=wrong)
        with pytest.raises(VlabError, match="a list of devices"):
            hypervisor.create_vm(memory="512K", devices=wrong)
    assert hypervisor.free == free


def test_what_comes_is_bytes_and_what_is_typed_is_text() -> None:
    machine = Machine(memory="1M", devices=[VirtioConsole("a")])
    wrong: list[Any] = ["text", None, 5]
    for data in wrong:
        with pytest.raises(VlabError, match="bytes"):
            machine.give("a", data)
    wrong = [b"bytes", None, 5]
    for text in wrong:
        with pytest.raises(VlabError, match="text"):
            machine.type(text)
    assert machine.history.input == []


def test_a_device_that_raises_is_not_there_and_a_mended_one_can_come() -> None:
    class Broken(Plain):
        def state(self) -> Any:
            raise ZeroDivisionError

    machine = Machine(memory="1M")
    hypervisor = Hypervisor(Machine(memory="4M"))
    free = hypervisor.free
    with pytest.raises(ZeroDivisionError):
        machine.attach(Broken())
    with pytest.raises(ZeroDivisionError):
        hypervisor.create_vm(memory="512K", devices=[Broken()])
    assert hypervisor.vms == []
    assert hypervisor.free == free
    machine.attach(Plain())
    assert attached(machine) == [("plain", 0x1000_1000, 0)]
