"""Linux, unmodified: from its first instruction to its own power off, by way of a program in user mode."""

from pathlib import Path

import pytest

from vlab.course.doctor import TOOLS
from vlab.guests import linux as built
from vlab.hypervisor import Hypervisor
from vlab.machine import Machine, Sbi

NEEDS = [tool.name for tool in built.NEEDS]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600), pytest.mark.requires("opensbi", *NEEDS)]
MEMORY = 64 << 20
SAYS = ("Linux version", "Run /init", "init: hello from user mode", "child: hello", "the child exited with 7")
TECHNIQUES = ("trap-and-emulate", "hardware-assisted", "binary-translation")
OPENSBI = Path(TOOLS["opensbi"].commands[0])


@pytest.fixture(scope="module")
def linux():
    return built.image().read_bytes()


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


def in_vm(image, technique, start="sbi", engine=None):
    """It has run in a virtual machine: what it did; and the exits."""
    machine = Machine(memory=Hypervisor.memory_for(MEMORY), extensions="CH", engine=engine)
    vm = Hypervisor(machine).create_vm(memory=MEMORY, technique=technique)
    return ended(started(vm, image, start)), vm.exits


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


@pytest.mark.parametrize("extensions", ["C_sv48", "C_svade", "C_sv48_svade", "C_svadu"])
def test_with_other_tables(linux, extensions):
    """It tries how many levels it can have; and a page fault sets A and D where hardware doesn't."""
    machine = Machine(memory=MEMORY, extensions=extensions)
    ended(started(machine, linux, "sbi"))
    assert machine.hart.csr["satp"] >> 60 == (9 if "sv48" in extensions else 8)


@pytest.mark.parametrize("start", ["sbi", "opensbi"])
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_in_a_virtual_machine_it_says_the_same_at_the_same_time(linux, bare, technique, start):
    assert in_vm(linux, technique, start)[0] == bare("CH", start)


def test_on_the_interpreter_it_does_the_same(linux, bare):
    machine = Machine(memory=MEMORY, extensions="CH", engine="interpreter")
    assert ended(started(machine, linux, "sbi")) == bare("CH", "sbi")


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_on_the_interpreter_a_virtual_machine_does_the_same_with_the_same_exits(linux, technique):
    pytest.importorskip("llvmlite")
    assert in_vm(linux, technique, engine="interpreter") == in_vm(linux, technique, engine="native")


def test_two_deep(linux, bare):
    outer = Hypervisor.memory_for(MEMORY)
    machine = Machine(memory=Hypervisor.memory_for(outer), extensions="CH")
    below = Hypervisor(machine).create_vm(memory=outer)
    vm = Hypervisor(below).create_vm(memory=MEMORY)
    assert ended(started(vm, linux, "sbi")) == bare("CH", "sbi")
    assert vm.exits == in_vm(linux, "trap-and-emulate")[1], "whatever lies below it"
