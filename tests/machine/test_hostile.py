"""Guests and files that mean harm: nothing but a VlabError, no end that doesn't come, no memory without bound."""

from random import Random

import pytest

from tests.machine import traffic
from tests.machine.test_loading import RAM, elf, segment
from tests.parts import device_in
from vlab.hypervisor import Hypervisor
from vlab.language import VlabError
from vlab.machine import Computer, Machine, Sbi
from vlab.machine.devices import printed
from vlab.machine.devices.virtio import net
from vlab.machine.devicetree import device_tree
from vlab.machine.sbi import Extension
from vlab.riscv import assemble

ENGINES = ("native", "interpreter")
MOST_OUTPUT, MOST_WAITING = 2000, 4  # what devices keep, made small


def devices_survive(seed):
    """Both engines come to the same end, one of them saved and restored on the way."""
    machines = [traffic.machine(seed, engine) for engine in ENGINES]
    luck = Random(seed)
    for _part in range(5):
        steps, comes, kept = luck.randrange(1, 1500), luck.random() < 0.5, luck.getrandbits(32)
        for number, machine in enumerate(machines):
            machine.run(steps)
            if comes:
                traffic.outside(Random(kept), machine)
            if number == 0 and kept % 3 == 0:
                machine.restore(machine.snapshot())
    assert machines[0].snapshot() == machines[1].snapshot(), seed


def test_random_traffic_with_devices():
    for seed in range(60):
        devices_survive(seed)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_much_random_traffic_with_devices():
    for seed in range(1000, 9000):
        devices_survive(seed)


def test_traffic_without_end_is_not_remembered_without_end(monkeypatch):
    monkeypatch.setattr(printed, "MOST", MOST_OUTPUT)
    monkeypatch.setattr(net, "MOST_WAITING", MOST_WAITING)
    ends = []
    for seed in range(12):
        machine = traffic.machine(seed, ENGINES[seed % 2], forever=True)
        luck = Random(seed)
        for _part in range(4):
            machine.run(8_000)
            for _time in range(20):
                traffic.outside(luck, machine)
        terminal = device_in(machine, "virtio-console").printed
        ends.append((len(terminal.kept), terminal.count, len(device_in(machine, "net").waiting)))
    kept, count, waiting = map(max, *ends)
    assert kept <= MOST_OUTPUT < count and waiting == MOST_WAITING


# Calls

CALLS = """
        la t0, trap
        csrw stvec, t0
        la s0, table
        li s1, {count}
next:   ld a7, 0(s0)
        ld a6, 8(s0)
        ld a0, 16(s0)
        ld a1, 24(s0)
        ld a2, 32(s0)
        ld a3, 40(s0)
        ecall
        csrw sie, zero
        addi s0, s0, 48
        addi s1, s1, -1
        bnez s1, next
        j .
        .balign 4
trap:   csrw sie, zero
        sret
        .balign 8
table:
"""


def calls_survive(seed, depth):
    """Any calls of the SBI, on both engines, or in a virtual machine."""
    luck = Random(seed)
    extensions = [*range(9), *Extension, Extension.DBCN, Extension.RFENCE]
    numbers = [0, 1, 2, 3, 10, 4097, RAM, RAM + 0x2000, RAM + (1 << 20) - 3, 1 << 63, (1 << 64) - 1]
    count = luck.randrange(5, 30)
    table = ""
    for _call in range(count):
        function = luck.choice([0, 0, 1, 2, 3, luck.randrange(9), luck.getrandbits(64)])
        arguments = [luck.choice([*numbers, luck.getrandbits(64)]) for _argument in range(4)]
        extension = luck.choice([*extensions, luck.getrandbits(64)])
        table += f"        .dword {', '.join(map(str, (extension, function, *arguments)))}\n"
    program = assemble(CALLS.format(count=count) + table)
    ends = []
    for engine in ENGINES:
        machine = Machine(memory="4M", engine=engine)
        computer: Computer = Hypervisor(machine).create_vm(memory="1M") if depth else machine
        Sbi(computer).load(program)
        computer.type("typed")
        machine.run(200_000)
        ends.append((machine.snapshot(), computer.console))
    assert ends[0] == ends[1], seed


def test_random_calls():
    for seed in range(60):
        calls_survive(seed, depth=seed % 4 == 0)


# Files

CODE = assemble("1: addi a0, a0, 1\n sd a0, -8(sp)\n ecall\n j 1b").segments[0][1]
ELF = elf([segment(content=CODE), segment(RAM + 0x1000, b"data", size=64)], [(b"_start", RAM, 0x12, 1)])
TREE = device_tree(RAM, 4 << 20, "console=ttyS0")


def damaged(luck: Random, content: bytes) -> bytes:
    """A file in which something is otherwise: bytes, numbers, its length."""
    found = bytearray(content)
    for _damage in range(luck.randrange(1, 6)):
        at, size = luck.randrange(len(found)), luck.choice([1, 1, 2, 4, 8])
        number = luck.choice([0, 1, 3, 0xFF, 1 << 31, (1 << 64) - 1, len(found), luck.getrandbits(64)])
        found[at : at + size] = (number & (1 << 8 * size) - 1).to_bytes(size, luck.choice(["little", "big"]))
    if luck.random() < 0.2:
        del found[luck.randrange(len(found)) :]
    if luck.random() < 0.1:
        found += luck.randbytes(luck.randrange(200))
    return bytes(found)


def files_survive(seed):
    """An image, a second one behind it, and a device tree, all damaged: refused, or loaded and run on both engines."""
    luck = Random(seed)
    image = luck.choice([damaged(luck, ELF), damaged(luck, ELF), luck.randbytes(luck.randrange(300)), ELF])
    following = luck.choice([None, None, damaged(luck, ELF), luck.randbytes(50)])
    tree = luck.choice([None, damaged(luck, TREE), damaged(luck, TREE), luck.randbytes(luck.randrange(200))])
    words = luck.choice(["", "quiet", "\0", "x" * 5000])
    ends: list[object] = []
    for engine in ENGINES:
        try:
            machine = Machine(memory="4M", engine=engine)
            machine.load(image, next_stage=following, dtb=tree, bootargs=words)
        except VlabError as error:
            ends.append(str(error))
            continue
        machine.run(300)
        ends.append(machine.snapshot())
    assert ends[0] == ends[1], seed
    return not isinstance(ends[0], str)


def test_damaged_files():
    assert 20 < sum(map(files_survive, range(150))) < 130


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_many_damaged_files():
    assert sum(map(files_survive, range(1000, 11_000))) > 1000
