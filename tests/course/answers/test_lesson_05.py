"""What is particular about the exercises of lesson 05: their keys say what the package's own parts do."""

import pytest

from tests.course.answers.wrong_05 import WRONG
from vlab import guests
from vlab.course.checking import examine, key
from vlab.course.exercises import find
from vlab.course.questions.lesson_05 import NEEDS
from vlab.hypervisor import Hypervisor
from vlab.machine import Machine
from vlab.machine.devices import VirtioBlock
from vlab.machine.disks import SECTOR, Disk
from vlab.operations import Watchdog, probe_isolation
from vlab.riscv import assemble

PAGE = 4096
TICKS = 1000  # of the package, for one of an exercise
ATTACKS = {
    "read memory": "memory",
    "read a file": "read",
    "overwrite a file": "overwrite",
    "list processes": "list",
    "end a process": "kill",
    "rename the computer": "rename",
    "crash the kernel": "crash",
    "read memory through a kernel's bug": "bug",
}
SHARED = {
    "processes": ["files", "processes", "name", "kernel"],
    "containers": ["kernel"],
    "virtual machines": [],
}
OBEDIENT = """
1:  ld   t0, order
    beqz t0, 1b
    li   t1, 0x100000           # the finisher: off, with status 1
    li   t2, 0x13333
    sw   t2, 0(t1)
    .data
order: .dword 0
"""


def cases(exercise):
    return find(exercise).cases(seed=0)


def page(content):
    """A page in which a letter stands, or zeros."""
    return (content or "").encode().ljust(PAGE, b"\0")


def letters(pages):
    """What is in pages of the package, as the exercises have it."""
    return {number: data.rstrip(b"\0").decode() for number, data in pages.items()}


def test_changes_are_what_a_dirty_log_has_to_carry():
    """Its guest's memory is as before; what was logged, less what is the same again, are the changes."""
    vm = Hypervisor(Machine(memory="2M")).create_vm(memory="64K")
    for before, after in cases("05-1"):
        vm.memory.set_pages({number: page(letter) for number, letter in before.items()})
        vm.log_writes()
        changes = key("05-1").answer((before, after))
        for number, letter in changes.items():
            vm.memory.poke(vm.memory.base + number * PAGE, page(letter))
        assert letters(vm.memory.pages()) == after
        assert vm.take_written() == set(changes)
        vm.stop_logging()


def test_a_chain_is_that_of_a_disk_and_its_overlays():
    for (chain,) in cases("05-2"):
        disk = Disk(6 * PAGE)
        for changes in chain:
            disk = disk.overlay()
            for number, letter in changes.items():
                disk.write(number * PAGE // SECTOR, page(letter))
        assert letters(disk.blocks()) == key("05-2").answer((chain,))


class Logged(Disk):
    """A disk that remembers which of its sectors were written, in order."""

    def write(self, sector, data):
        self.log = [*getattr(self, "log", []), sector]
        super().write(sector, data)


def bank(disk):
    vm = Hypervisor(Machine(memory="3M")).create_vm(memory="256K", devices=[VirtioBlock(disk)])
    vm.load(guests.load("bank"))
    return vm


def test_a_copy_of_the_banks_disk_is_consistent_when_the_key_says_so():
    content = bytearray(PAGE)
    content[SECTOR] = 100
    disk = Logged(bytes(content))
    vm, found = bank(disk), []
    log: list[tuple[int, int]] = []
    while len(log) < 8:
        vm.history.machine.run(317)
        writes = [sector for sector in getattr(disk, "log", []) if sector in (1, 2)]
        log += [(vm.time, number // 2) for number in range(len(log), len(writes))]
        again = bank(Disk(b"".join(disk.read(sector) for sector in range(disk.sectors))))
        again.history.machine.run(3000)
        found.append("the books balance" in again.console)
        assert found[-1] is key("05-3").answer((log, vm.time)), (log, vm.time)
    assert {True, False} == set(found)


def fail_at(vm, dog, time):
    """Let the watchdog watch until nearly then: the few instructions of failing end just before it."""
    dog.run(time * TICKS - 40 - dog.now)
    vm.memory.poke(assemble(OBEDIENT).symbols["order"], (1).to_bytes(8, "little"))


@pytest.mark.parametrize("seed", range(2))
def test_a_watchdog_loses_and_misses_as_much(seed):
    for failures, every, total in find("05-4").cases(seed):
        if len(failures) > 2:
            continue  # after two failures from one snapshot, the package's goes back to an older one
        vm = Hypervisor(Machine(memory="2M")).create_vm(assemble(OBEDIENT), memory="64K")
        dog = Watchdog(vm, every=every * TICKS)
        dog.snapshots.take("power-on")
        for time in failures:
            fail_at(vm, dog, time)
        dog.run(total * TICKS - dog.now)
        down = sum(failure.down for failure in dog.failures)
        counted = round(dog.lost / TICKS), down // TICKS
        assert len(dog.failures) == len(failures)
        assert counted == key("05-4").answer((failures, every, total))


def test_attacks_succeed_as_in_the_matrix_of_isolation():
    matrix = probe_isolation()
    assert set(ATTACKS) == set(NEEDS)
    for arrangement, shared in SHARED.items():
        for attack, probe in ATTACKS.items():
            succeeded = matrix[probe, arrangement].verdict.value != "held"
            assert key("05-5").answer((shared, attack)) is succeeded, (arrangement, attack)


@pytest.mark.parametrize("exercise", ["05-1", "05-2", "05-3", "05-4", "05-5"])
def test_the_counter_example_is_the_smallest(exercise):
    answer = WRONG[exercise][0][0]
    asked = find(exercise)
    wrong = [case for case in asked.cases(0) if answer(*case) != key(exercise).answer(case)]
    assert asked.show(asked.name, min(wrong, key=asked.size)) in str(examine(asked, answer))
