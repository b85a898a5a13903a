"""Linux, unmodified: from its first instruction to its own power off, by way of a program in user mode."""

from pathlib import Path

import pytest

from tests.linux.kernel import NEEDS, kernel
from vlab.course.doctor import TOOLS
from vlab.hypervisor import Hypervisor
from vlab.machine import Machine, Sbi

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600), pytest.mark.requires("opensbi", *NEEDS)]
MEMORY = 64 << 20
SAYS = ("Linux version", "Run /init", "init: hello from user mode", "child: hello", "the child exited with 7")
TECHNIQUES = ("trap-and-emulate", "hardware-assisted", "binary-translation")
OPENSBI = Path(TOOLS["opensbi"].commands[0])


@pytest.fixture(scope="module")
def linux():
    return kernel().read_bytes()


def started(computer, image, start, console="ttyS0"):
    """Power on: firmware of others and then Linux, or Linux above the SBI here."""
    if start == "opensbi":
        computer.load(OPENSBI.read_bytes(), next_stage=image, bootargs=f"console={console}")
    else:
        Sbi(computer).load(image, bootargs=f"console={console}")
    return computer


def ended(computer):
    """Run until it has switched itself off; what it did, in numbers that no way of running it may change."""
    computer.history.machine.run(2_000_000_000)
    assert [words for words in SAYS if words not in computer.console] == [], computer.console[-1000:]
    assert computer.status == 0
    return computer.console, computer.time, computer.hart.retired


_bare: dict[tuple[str, str], tuple[str, int, int]] = {}


@pytest.fixture
def bare(linux):
    """How it goes on the bare machine with these extensions, asked once."""

    def found(extensions, start):
        if (extensions, start) not in _bare:
            machine = Machine(memory=MEMORY, extensions=extensions)
            _bare[extensions, start] = ended(started(machine, linux, start))
        return _bare[extensions, start]

    return found


@pytest.mark.parametrize("start", ["sbi", "opensbi"])
def test_on_the_bare_machine(bare, start):
    console, time, _retired = bare("C", start)
    assert ("OpenSBI" in console) == (start == "opensbi")
    assert 10_000_000 < time < 30_000_000


def test_with_the_console_of_the_sbi(linux):
    ended(started(Machine(memory=MEMORY, extensions="C"), linux, "sbi", "hvc0"))


@pytest.mark.parametrize("extensions", ["C_sv48", "C_svade", "C_sv48_svade"])
def test_with_other_tables(linux, extensions):
    """It tries how many levels it can have; and a page fault sets A and D where hardware doesn't."""
    machine = Machine(memory=MEMORY, extensions=extensions)
    ended(started(machine, linux, "sbi"))
    assert machine.hart.csr["satp"] >> 60 == (9 if "sv48" in extensions else 8)


@pytest.mark.parametrize("start", ["sbi", "opensbi"])
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_in_a_virtual_machine_it_says_the_same_at_the_same_time(linux, bare, technique, start):
    machine = Machine(memory=Hypervisor.memory_for(MEMORY), extensions="CH")
    vm = Hypervisor(machine).create_vm(memory=MEMORY, technique=technique)
    assert ended(started(vm, linux, start)) == bare("CH", start)


def test_two_deep(linux, bare):
    outer = Hypervisor.memory_for(MEMORY)
    machine = Machine(memory=Hypervisor.memory_for(outer), extensions="CH")
    below = Hypervisor(machine).create_vm(memory=outer)
    vm = Hypervisor(below).create_vm(memory=MEMORY)
    assert ended(started(vm, linux, "sbi")) == bare("CH", "sbi")
