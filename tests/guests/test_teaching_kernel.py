"""A kernel as courses have it runs unmodified: bare, in a VM of each technique, and two deep, always alike."""

import os
import re
import select
import subprocess
from functools import cache, partial
from itertools import product
from pathlib import Path

import pytest

from tests.guests.gnu import BOARD
from tests.guests.teaching_kernel import BLOCK, README, TYPED, build, disk
from tests.hypervisor.towers import difference, end
from vlab import cli
from vlab.hypervisor import nested
from vlab.machine import Machine, Stop
from vlab.machine.devices.virtio.block import VirtioBlock
from vlab.machine.disks import Disk
from vlab.riscv import Cause

pytestmark = pytest.mark.requires("gcc")
KINDS = list(product((True, False), (True, False)))  # compressed, old
TECHNIQUES = ("trap-and-emulate", "binary-translation", "hardware-assisted")
SHORT = "ls\nsave note Twice.\ncat note\nwrong csr\noff\n"
WITHIN = TYPED.replace("cat readme\n", "").replace(
    "lx\x7fs\n", ""
)  # less to say, of which each byte is exits
MOST = 500_000_000
PROMPT = b"$ "
ALONE = "".join(line + "\n" for line in TYPED.splitlines() if "race" not in line)  # what no timer decides


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """By (compressed, old): the kernel, and what its disk is to begin with."""
    folder = tmp_path_factory.mktemp("teaching")
    return {(c, old): (build(folder, compressed=c, old=old), disk(folder, compressed=c)) for c, old in KINDS}


def computer(made, kind, techniques=(), engine=None, extensions=""):
    """A computer with the kernel, its disk in its drive; and the machine that it is, or is on."""
    kernel, blocks = made[kind]
    letters = "C" * kind[0] + extensions
    machine, vms = nested(techniques, 1 << 20, None, partial(Machine, extensions=letters, engine=engine))
    one = vms[-1] if vms else machine
    one.attach(VirtioBlock(Disk(blocks)))
    one.load(kernel)
    return machine, one


def ran(made, kind, techniques=(), typed=TYPED, engine=None, extensions=""):
    machine, one = computer(made, kind, techniques, engine, extensions)
    one.type(typed)
    assert machine.run(MOST) is not Stop.LIMIT
    return one


@pytest.fixture(scope="module")
def bare(made):
    """How each kind ends on the bare machine, by the kind, what is typed, and with which extensions."""

    @cache
    def ended(kind, typed=TYPED, extensions=""):
        return ran(made, kind, typed=typed, extensions=extensions)

    return ended


@pytest.fixture(scope="module")
def alike(made, bare):
    """Whether it ends in VMs of these techniques, one in the other, as on the bare machine."""

    def same(kind, techniques, typed=WITHIN, engine=None):
        extensions = "H" if "hardware-assisted" in techniques else ""
        one = ran(made, kind, techniques, typed, engine, extensions)
        return difference(end(one), end(bare(kind, typed, extensions))) == []

    return same


@pytest.mark.parametrize("kind", KINDS)
def test_on_the_bare_machine(kind, bare, made):
    one = bare(kind)
    assert one.status == 0
    for said in (
        "teaching kernel, hart 0\n",
        "readme 1292\n",
        README,
        "What is written stays.",
        "95 primes\n",
        " 3\n",  # the sum of what the three children gave back
        "process 12: cause 13 at ",
        " of 0x80000000\n",
        "process 13: cause 2 at ",
        "1 survived\n",
        "what?\n",
        "note 22\n",
        "$ off\n",
    ):
        assert said in one.console, one.console
    (raced,) = re.findall("([abc]{12}) 3", one.console)
    assert sorted(raced) == sorted("abc" * 4) and raced != "aaaabbbbcccc"
    drive = one.board.attached["disk"].device
    before = made[kind][1]
    now = drive.disk.read(0, len(before) // 512)
    changed = {
        at // BLOCK for at in range(0, len(now), BLOCK) if now[at : at + BLOCK] != before[at : at + BLOCK]
    }
    assert len(changed) == 2 and 1 in changed and b"What is written stays." in now


@pytest.mark.parametrize("kind", KINDS[::3])
def test_on_the_interpreter(kind, alike):
    assert alike(kind, (), engine="interpreter")


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("kind", KINDS[::3])
def test_in_a_virtual_machine(kind, technique, alike):
    assert alike(kind, (technique,))


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_in_a_virtual_machine_on_the_interpreter(technique, alike):
    assert alike((True, True), (technique,), SHORT, "interpreter")


@pytest.mark.parametrize(
    "techniques", [("trap-and-emulate",) * 2, ("hardware-assisted", "binary-translation")]
)
def test_two_deep(techniques, alike):
    assert alike((True, False), techniques, SHORT)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("techniques", [*product(TECHNIQUES, repeat=2)])
@pytest.mark.parametrize("kind", KINDS)
def test_two_deep_with_each_technique(kind, techniques, alike):
    assert alike(kind, techniques)


@pytest.mark.requires("qemu")
@pytest.mark.parametrize("kind", KINDS)
def test_it_says_what_it_says_on_qemu(kind, made, tmp_path):
    machine, one = computer(made, kind)
    for line in ALONE.splitlines(keepends=True):
        said = len(one.uart.output)
        machine.run(MOST, each=False, until=lambda said=said: PROMPT in one.uart.output[said:])
        one.type(line)
    assert machine.run(MOST) is Stop.OFF
    kernel, blocks = made[kind]
    assert one.console == on_qemu(kernel, blocks, tmp_path)


def on_qemu(kernel: Path, blocks: bytes, folder: Path) -> str:
    """What the kernel says there, each line typed when it asks for one."""
    image = folder / "disk.img"
    image.write_bytes(blocks)
    drive = f"if=none,format=raw,id=disk,file={image}"
    options = ["-global", "virtio-mmio.force-legacy=false", "-drive", drive]
    options += ["-device", "virtio-blk-device,drive=disk,bus=virtio-mmio-bus.0", "-kernel", str(kernel)]
    pipe = subprocess.PIPE
    with subprocess.Popen([*BOARD, *options], stdin=pipe, stdout=pipe) as qemu:
        assert qemu.stdin is not None and qemu.stdout is not None
        lines, said, asked = ALONE.splitlines(keepends=True), b"", 0
        while select.select([qemu.stdout], [], [], 20)[0] and (more := os.read(qemu.stdout.fileno(), 4096)):
            said += more
            if asked < min(said.count(PROMPT), len(lines)):
                os.write(qemu.stdin.fileno(), lines[asked].encode())
                asked += 1
        qemu.kill()
    return said.decode()


def test_it_sets_no_accessed_bits_itself(made):
    """So where the hardware doesn't either, its first instruction under page tables is its last."""
    machine, one = computer(made, (True, False), extensions="_svade")
    machine.run(3_000_000, each=False, until=lambda: one.hart.csr["satp"])
    machine.run(1000)
    assert one.console == "\nteaching kernel, hart 0\n"
    assert one.hart.csr["scause"] in (Cause.INSTRUCTION_ACCESS_FAULT, Cause.INSTRUCTION_PAGE_FAULT)


@pytest.mark.parametrize(
    "where",
    [[], ["--technique", "binary-translation"], ["--depth", "2"], ["--technique", "hardware-assisted"]],
)
def test_by_the_command_line(where, made, bare, tmp_path, capsysbinary):
    kernel, blocks = made[True, False]
    image = tmp_path / "disk.img"
    image.write_bytes(blocks)
    typed = SHORT.replace("\n", r"\n")
    assert (
        cli.main(["run", str(kernel), "--disk", str(image), "--memory", "1M", "--input", typed, *where]) == 0
    )
    assert capsysbinary.readouterr().out.decode() == bare((True, False), SHORT).console
