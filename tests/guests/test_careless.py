"""The guest that runs what is typed at it, and the virus that is typed: bare, in a VM, and on to the next one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypervisor.towers import difference, end, tower
from vlab import Hypervisor, Machine, Snapshots, guests
from vlab.machine import Stop
from vlab.machine.devices import VirtioBlock
from vlab.machine.disks import Disk

LINES = 8
HEALTHY = [f"ok {number}" for number in range(1, LINES + 1)]


def careless():
    return guests.load("careless", LINES=LINES, WORK=300)


def until(computer, words):
    """What to wait for: that a computer has said this."""
    return lambda: words in computer.console


def infected(depth):
    """A careless guest that was ill from its fifth line on, so many hypervisors deep."""
    built = tower(careless(), depth)
    assert built.machine.run(200_000, until=until(built.guest, "ok 4\n")) is Stop.CONDITION
    built.guest.type(guests.as_typed("virus"))
    return built.run()


def test_left_alone_it_is_well():
    machine = Machine(careless(), memory="1M")
    machine.type("hello there\n\nbeef is no word of its language, or is it\n")
    assert machine.run(100_000) is Stop.OFF
    assert (machine.status, machine.console.splitlines()) == (0, HEALTHY)


@pytest.mark.parametrize("depth", [0, 1])
def test_input_becomes_code(depth):
    machine = infected(depth).guest
    sick = [f"sick {number}" for number in range(5, LINES + 1)]
    assert machine.console.splitlines() == [*HEALTHY[:4], guests.as_typed("virus").strip(), *sick]
    assert machine.status == 0


def test_what_it_prints_infects_the_next():
    printed = next(line for line in infected(0).guest.console.splitlines() if len(line) > 20)
    following = Machine(careless(), memory="1M")
    following.type(printed + "\n")
    following.run(100_000)
    assert following.console.splitlines()[:3] == ["ok 1", printed, "sick 2"]


def test_a_snapshot_from_before_is_well_again():
    machine = Machine(memory="4M")
    vm = Hypervisor(machine).create_vm(careless(), memory="1M")
    tree = Snapshots(vm)
    machine.run(200_000, until=until(vm, "ok 3\n"))
    tree.take("well")
    vm.type(guests.as_typed("virus"))
    machine.run(200_000, until=until(vm, "sick"))
    tree.restore("well")
    machine.run(200_000)
    assert vm.console.splitlines() == HEALTHY


def with_disk(disk, typed=""):
    """A careless guest with a disk, run to its end: what it printed."""
    machine = Machine(careless(), memory="1M", devices=[VirtioBlock(disk)])
    machine.type(typed)
    assert machine.run(200_000) is Stop.OFF
    return machine.console.splitlines()


def test_on_a_disk_it_stays_and_comes_back_at_power_on():
    disk, virus = Disk(1 << 16), guests.as_typed("virus")
    assert with_disk(disk) == HEALTHY
    assert with_disk(disk, virus)[-1] == f"sick {LINES}"
    assert with_disk(disk) == [virus.strip(), *(f"sick {number}" for number in range(1, LINES + 1))]
    assert with_disk(Disk(1 << 16)) == HEALTHY


def test_what_is_typed_at_a_guest_with_a_disk_ends_there_too():
    assert with_disk(Disk(1 << 16), "ffffffff\n") == ["ok 1", "crash"]


def test_going_back_takes_the_disk_along():
    machine, disk = Machine(memory="4M"), Disk(1 << 16)
    vm = Hypervisor(machine).create_vm(careless(), memory="1M", devices=[VirtioBlock(disk)])
    before = disk.read(0, 1)
    tree = Snapshots(vm)
    machine.run(200_000, until=until(vm, "ok 3\n"))
    tree.take("well")
    vm.type(guests.as_typed("virus"))
    machine.run(200_000, until=until(vm, "sick"))
    assert bytes(disk.read(0, 1)) != bytes(before)
    tree.restore("well")
    assert bytes(disk.read(0, 1)) == bytes(before)
    machine.run(200_000)
    assert vm.console.splitlines() == HEALTHY
    assert with_disk(disk) == HEALTHY


def test_bare_and_in_a_vm_it_is_the_same_guest():
    bare, virtual = (tower(careless(), depth) for depth in (0, 1))
    for built in (bare, virtual):
        built.guest.type(guests.as_typed("virus"))
        built.run()
    assert difference(end(bare.guest), end(virtual.guest)) == []


def test_what_is_no_program_crashes_it():
    machine = Machine(careless(), memory="1M")
    machine.type("ffffffff\n")
    assert machine.run(100_000) is Stop.OFF
    assert (machine.status, machine.console) == (1, "ok 1\ncrash\n")


@settings(max_examples=40, deadline=None)
@given(st.text("0123456789abcdef \ng", max_size=900))
def test_whatever_is_typed_stays_inside(words):
    machine = Machine(careless(), memory="1M")
    machine.type(words)
    assert machine.run(20_000) in Stop
    assert machine.steps <= 20_000


@pytest.mark.parametrize("typed", ["11111111 " * 200, "zz 11111111 22222222 "])
def test_what_is_too_long_or_no_program_is_stored_nowhere_else(typed):
    program = careless()
    machine = Machine(program, memory="1M")
    place, size = program.symbols["download"], program.symbols["SECTOR"]
    machine.type(typed)
    machine.run(60_000)
    assert machine.uart.waiting == 0
    assert not any(machine.memory.peek(place + size, size))
    assert not any(machine.memory.peek(place - 16, 16))


def test_a_line_to_be_typed():
    words = guests.as_typed("virus").split()
    program = guests.load("virus").segments[0][1]
    assert b"".join(int(word, 16).to_bytes(4, "little") for word in words) == program
    assert guests.as_typed("virus").endswith("\n")
    assert len(words) <= guests.load("careless").symbols["LONGEST"]
