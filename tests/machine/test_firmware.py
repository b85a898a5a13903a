"""Firmware that others wrote, as Debian packages it: OpenSBI, and above it, or above the SBI here, U-Boot.

Both are RV64IMAC and know nothing of this computer but what its device tree says.
"""

from functools import partial
from itertools import product
from pathlib import Path

import pytest

from vlab import cli
from vlab.course.doctor import TOOLS
from vlab.hypervisor import Hypervisor, nested
from vlab.machine import Machine, Sbi

pytestmark = pytest.mark.requires("opensbi", "u-boot")
OPENSBI = Path(TOOLS["opensbi"].commands[0]).parent
UBOOT = Path(TOOLS["u-boot"].commands[0]).parent
MEMORY = 64 << 20
TYPED = "\n\nversion\n"  # the first is taken by its console as it starts, the second stops its countdown
ANSWER = b"GNU ld (GNU Binutils"
MOST = 20_000_000  # instructions
TECHNIQUES = ("trap-and-emulate", "hardware-assisted", "binary-translation")


def boot(computer, firmware="fw_dynamic.bin", image="u-boot.bin"):
    """Power on with the firmware, type a command to what it starts, run until that has answered."""
    computer.load((OPENSBI / firmware).read_bytes(), next_stage=(UBOOT / image).read_bytes())
    return answered(computer)


def answered(computer, most=MOST):
    machine = computer.history.machine
    computer.type(TYPED)
    machine.run(most, each=False, until=lambda: ANSWER in computer.uart.output[-200:])
    assert ANSWER in computer.uart.output, computer.console[-500:]
    return computer.console


def said(console):
    """What a boot says, without the names of extensions: under hardware assistance there is H."""
    return [line for line in console.splitlines() if "rv64" not in line and "DELEG" not in line]


@pytest.fixture(scope="module")
def bare():
    """The computer after the boot on the bare machine."""
    machine = Machine(memory=MEMORY, extensions="C")
    boot(machine)
    return machine


def test_opensbi_and_uboot_on_the_bare_machine(bare):
    for line in (
        "Platform Name             : vlab computer",
        "Platform Console Device   : uart8250",
        "Boot HART Base ISA        : rv64imac",
        "Boot HART ISA Extensions  : time,sstc",
        "Boot HART PMP Count       : 16",
        "Domain0 Next Mode         : S-mode",
        "DRAM:  64 MiB",
        "Hit any key to stop autoboot",
        "=> version",
    ):
        assert line in bare.console, line
    assert bare.steps < 14_000_000


@pytest.mark.parametrize(
    "where",
    [[], *(["--technique", technique] for technique in TECHNIQUES), ["--depth", "2"]],
    ids=lambda where: where[-1] if where else "bare",
)
def test_by_the_command_line(where, capsysbinary):
    image, firmware = UBOOT / "uboot.elf", OPENSBI / "fw_jump.elf"
    typed = ["--input", r"\n\nversion\n", "--expect", ANSWER.decode()]
    assert cli.main(["run", "--bios", str(firmware), str(image), *typed, *where]) == 0
    console, noted = capsysbinary.readouterr()
    assert b"OpenSBI v" in console and b"U-Boot 20" in console
    assert noted == b""


def test_uboot_above_the_sbi_here():
    machine = Machine(memory=MEMORY, extensions="C")
    Sbi(machine).load((UBOOT / "u-boot.bin").read_bytes())
    assert "Hit any key" in answered(machine)


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_in_a_virtual_machine(technique, bare):
    """It says the same at the same time of its own; but it can't know of what is on the console yet, as typed."""
    extensions = "CH" if technique == "hardware-assisted" else "C"
    machine = Machine(memory=Hypervisor.memory_for(MEMORY), extensions=extensions)
    vm = Hypervisor(machine).create_vm(memory=MEMORY, technique=technique)
    boot(vm)
    assert said(vm.console) == said(bare.console)
    assert abs(vm.time - bare.time) < 10_000


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("techniques", [*product(TECHNIQUES, repeat=2)], ids=",".join)
def test_two_deep(techniques, bare):
    extensions = "CH" if "hardware-assisted" in techniques else "C"
    _machine, vms = nested(techniques, MEMORY, build=partial(Machine, extensions=extensions))
    boot(vms[-1])
    assert said(vms[-1].console) == said(bare.console)
