"""What is particular about the exercises of lesson 01: the keys agree with the package's own parts."""

import pytest

from tests.course.answers.wrong_01 import WRONG
from tests.parts import device_in
from vlab.course.checking import examine, key
from vlab.course.exercises import find
from vlab.course.questions.lesson_01 import PER_BLOCK
from vlab.guests.emulated import emulated
from vlab.hypervisor import Hypervisor
from vlab.hypervisor.architectures import VM370
from vlab.machine import Computer, Machine
from vlab.machine.devices import VirtioNet
from vlab.machine.disks import SECTOR, Disk
from vlab.machine.network import Switch

ARM = emulated([0] * 40)


def cases(exercise):
    return find(exercise).cases(seed=0)


def stored(content):
    """A sector in which a text stands."""
    return content.encode().ljust(SECTOR, b"\0")


def test_overlays_are_the_packages_own():
    """Its blocks have eight sectors: two of the package's to one here."""
    for base, operations in cases("01-2"):
        real = Disk(b"".join(stored(content) * 2 for block in base for content in block))
        overlay, read = real.overlay(), []
        for kind, sector, *content in operations:
            if kind == "write":
                overlay.write(2 * sector, stored(content[0]) * 2)
            else:
                read.append(overlay.read(2 * sector).rstrip(b"\0").decode())
        own = {
            block: [data[2 * SECTOR * n :][:SECTOR].rstrip(b"\0").decode() for n in range(PER_BLOCK)]
            for block, data in overlay.own.items()
        }
        assert key("01-2").answer((base, operations)) == (read, own)


def test_the_control_program_does_the_same_with_each_deck():
    cp = VM370(Machine(memory="4M"))
    for sender, there, deck in cases("01-3"):
        vms = {name: cp.log_on(name) for name in there}
        expected_consoles = dict.fromkeys(there, "")
        expected_readers: dict[str, list[str]] = {name: [] for name in there}
        for user, place, content in key("01-3").answer((sender, there, deck)):
            if place == "terminal":
                expected_consoles[user] += f"\n* {content}\n"
            else:
                expected_readers[user].append("\n".join(content))
        device_in(vms[sender], "cards").taker("\n".join(deck).encode())
        readers = {
            name: [deck.decode().rstrip("\n") for deck in device_in(vm, "cards").reader]
            for name, vm in vms.items()
        }
        assert {name: vm.console for name, vm in vms.items()} == expected_consoles
        assert readers == expected_readers
        for name in there:
            cp.log_off(name)


def test_the_packages_switch_hands_on_to_the_same_ports(monkeypatch):
    for ports, sender, to in cases("01-4"):
        switch, hypervisor = Switch(), Hypervisor(Machine(memory="4M"))
        cards = {name: VirtioNet(mac) for name, mac in ports.items()}
        came: list[str] = []
        for name, card in cards.items():
            switch.plug(hypervisor.create_vm(memory="64K", devices=[card], name=name), name=name)
            monkeypatch.setattr(card, "receive", lambda data, name=name, came=came: came.append(name))
        frame = bytes.fromhex(to.replace(":", "")) + bytes(60)
        wire = cards[sender].wire
        assert wire is not None
        wire(frame)
        assert key("01-4").answer((ports, sender, to)) == came


def test_the_emulator_in_assembly_ends_in_the_same_state():
    at, names = ARM.symbols, "NZCV"
    machine = Machine(ARM, memory="64K")
    machine.run(until=lambda: machine.hart.pc == at["fetch"])
    start = machine.snapshot()
    for registers, flags, word in cases("01-5"):
        machine.restore(start)
        machine.memory.poke(at["arm_memory"], word.to_bytes(4, "little"))
        given = b"".join(value.to_bytes(4, "little") for value in registers)
        machine.memory.poke(at["arm_registers"], given)
        machine.hart.x[19:23] = [int(name in flags) for name in names]
        machine.step()
        machine.run(until=lambda: machine.hart.pc == at["fetch"])
        raw = machine.memory.peek(at["arm_registers"], 16)
        after = [int.from_bytes(raw[n : n + 4], "little") for n in range(0, 16, 4)]
        left = "".join(name for name, bit in zip(names, machine.hart.x[19:23], strict=True) if bit)
        assert key("01-5").answer((registers, flags, word)) == (after, left)


def test_addresses_are_translated_as_by_hypervisors_in_one_another():
    machine = Machine(memory="8M")
    computer: Computer = machine
    maps: list[dict[int, int]] = []
    for size in ("4M", "2M", "256K"):
        vm = Hypervisor(computer).create_vm(memory=size)
        first = vm.memory.base // 4096
        maps.insert(0, {first + page: frame for page, frame in enumerate(vm.memory.frames)})
        computer = vm
    address = computer.memory.base + 0x3123
    machine.memory.poke(key("01-6").answer((maps, address))[-1], b"here")
    assert computer.memory.peek(address, 4) == b"here"


@pytest.mark.parametrize("exercise", ["01-2", "01-5"])
def test_the_counter_example_is_the_smallest(exercise):
    answer = WRONG[exercise][0][0]
    asked = find(exercise)
    plainly = [c for c in asked.cases(0) if list(answer(*c)) != list(key(exercise).answer(c))]
    assert asked.show(asked.name, min(plainly, key=asked.size)) in str(examine(asked, answer))
