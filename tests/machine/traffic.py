"""Random traffic of a guest with every device: what a driver does to set one up, and whatever else; from a seed."""

from collections import Counter
from random import Random
from typing import Any

from vlab.machine import Machine
from vlab.machine.devices import VirtioBlock, VirtioConsole, VirtioNet
from vlab.machine.disks import Disk
from vlab.machine.memory import RAM_BASE
from vlab.riscv import assemble

SLOTS, UART, CLINT, PLIC, FINISHER = 0x1000_1000, 0x1000_0000, 0x0200_0000, 0x0C00_0000, 0x0010_0000
MEMORY = 128 << 10
RINGS = RAM_BASE + 0x8000  # a page a queue: descriptors, then the available ring, then the used one
DATA = RAM_BASE + 0x10000
KINDS = ("lbu", "lh", "lw", "ld", "sb", "sh", "sw", "sd", "amoadd.w", "lr.d")
HALF, WORD, DOUBLE = (KINDS.index(kind) for kind in ("sh", "sw", "sd"))
NOTIFY, SIZE, QUEUES = (
    0x50,
    8,
    (1, 2, 2),
)  # a register, descriptors of a queue, queues of the disk, the card, the console
FEATURES = (0, 0x20, 0)
# Registers of a virtio device that a driver writes, and of the others whatever has a meaning.
REGISTERS = (
    0x14,
    0x20,
    0x24,
    0x30,
    0x38,
    0x44,
    0x50,
    0x64,
    0x70,
    0x80,
    0x84,
    0x90,
    0x94,
    0xA0,
    0xA4,
    0x100,
    0x108,
)
PLIC_PLACES = (4, 40, 0x1000, 0x2000, 0x2080, 0x20_0000, 0x20_0004, 0x20_1000, 0x20_1004)
CLINT_PLACES = (0, 0x4000, 0x4004, 0xBFF8, 0xBFFC)

# Goes through a table of accesses: the address, the value, the kind. Faults are skipped, interrupts are turned off.
_SOURCE = """
        la t0, trap
        csrw mtvec, t0
        csrsi mstatus, 8
again:  la s0, table
        li t0, -1
        csrw mie, t0
next:   ld a1, 0(s0)
        ld a2, 8(s0)
        ld t1, 16(s0)
        addi s0, s0, 24
        la t2, kinds
        slli t1, t1, 3
        add t2, t2, t1
        jr t2
        .balign 4
trap:   csrr t0, mcause
        bltz t0, 1f
        csrr t0, mepc
        addi t0, t0, 4
        csrw mepc, t0
        mret
1:      csrw mie, zero
        mret
        .balign 8
kinds:
{kinds}
        j {end}
        .balign 8
table:
{table}
        .dword 0, 0, {count}
"""


def _syntax(kind: str) -> str:
    operand = "a1" if "." in kind else "0(a1)"
    if kind == "amoadd.w":
        return f"amoadd.w a3, a2, ({operand})"
    if kind == "lr.d":
        return f"lr.d a3, ({operand})"
    return f"{kind} {'a2' if kind.startswith('s') else 'a3'}, {operand}"


def _ring(slot: int, queue: int) -> int:
    return RINGS + 0x1000 * (2 * slot + queue)


def _set_up(luck: Random, slot: int) -> list[tuple[int, int, int]]:
    """What a driver writes to set up a device."""
    features = luck.choice([FEATURES[slot]] * 5 + [0, 0x30])
    writes = [(0x70, 0), (0x70, 3), (0x24, 1), (0x20, 1), (0x24, 0), (0x20, features), (0x70, 11)]
    for queue in range(QUEUES[slot]):
        ring = _ring(slot, queue)
        above = [luck.choice([0] * 30 + [1, 1 << 31]) for _place in range(3)]
        places = [(0x80, ring), (0x84, above[0]), (0x90, ring + 0x400), (0x94, above[1])]
        places += [(0xA0, ring + 0x800), (0xA4, above[2])]
        writes += [(0x30, queue), (0x38, luck.choice([SIZE] * 7 + [1, 256])), *places, (0x44, 1)]
    return [(SLOTS + 0x1000 * slot + place, value, WORD) for place, value in [*writes, (0x70, 15)]]


def _request(luck: Random, slot: int, queue: int) -> list[tuple[int, int, int]]:
    """The pieces of a request that the device may understand: address, size, flags."""
    if slot == 0:
        flags = luck.choice([0, 2])
        return [
            (DATA, 16, 0),
            (DATA + 512 * luck.randrange(4), 512 * luck.randrange(1, 3), flags),
            (DATA + 32, 1, 2),
        ]
    return [(DATA + 64, luck.choice([12, 72, 600, 1526]), 2 if queue == 0 else 0)]


def _chain(luck: Random, slot: int, queue: int, offered: int) -> list[tuple[int, int, int]]:
    """A request offered to the device, in place of which there may be anything."""
    ring, head = _ring(slot, queue), luck.randrange(4)
    accesses = [(DATA, luck.choice([0, 1, 4, 8, luck.getrandbits(64)]), DOUBLE)]
    accesses += [(DATA + 8, luck.choice([0, 1, 31, 32, luck.getrandbits(64)]), DOUBLE)]
    pieces = _request(luck, slot, queue)
    for number, (address, size, flags) in enumerate(pieces, head):
        match luck.randrange(20):
            case 0:
                address = luck.choice(
                    [ring, ring + 0x400, ring + 0x800, RAM_BASE + MEMORY - 8, luck.getrandbits(64)]
                )
            case 1:
                size = luck.choice([0, 1, 4096, luck.getrandbits(32)])
            case 2:
                flags = luck.choice([2, 3, luck.getrandbits(16)])
        flags |= number - head < len(pieces) - 1
        following = number + 1
        if luck.random() < 0.03:
            flags, following = flags | 1, luck.choice([head, number, luck.getrandbits(16)])
        fields = size | flags << 32 | following << 48
        accesses += [
            (ring + 16 * number, address, DOUBLE),
            (ring + 16 * number + 8, fields & (1 << 64) - 1, DOUBLE),
        ]
    if luck.random() < 0.05:
        head, offered = luck.getrandbits(16), luck.getrandbits(16)
    accesses += [(ring + 0x404 + 2 * (offered % SIZE), head, HALF), (ring + 0x402, offered + 1, HALF)]
    return [*accesses, (SLOTS + 0x1000 * slot + NOTIFY, queue, WORD)]


def _anything(luck: Random) -> tuple[int, int, int]:
    """Any access, mostly to a place that means something."""
    place = luck.choice(
        [
            SLOTS + 0x1000 * luck.randrange(8) + luck.choice(REGISTERS),
            UART + luck.randrange(9),
            CLINT + luck.choice(CLINT_PLACES),
            PLIC + luck.choice(PLIC_PLACES),
            luck.choice([SLOTS, UART, CLINT, PLIC, FINISHER + 4]) + luck.randrange(0x1100),
            luck.getrandbits(32),
        ]
    )
    value = luck.choice([0, 1, 2, 8, 15, 255, luck.getrandbits(16), luck.getrandbits(64), DATA, RINGS])
    return place, value, luck.choice([WORD, WORD, luck.randrange(len(KINDS))])


def machine(seed: int, engine: str, *, forever: bool = False) -> Machine:
    """A computer with all devices, whose program makes the traffic of a seed, once or again and again."""
    luck = Random(seed)
    accesses: list[tuple[int, int, int]] = []
    offered: Counter[tuple[int, int]] = Counter()
    for slot in luck.sample(range(3), k=3):
        accesses += _set_up(luck, slot) if luck.random() < 0.8 else []
    for _part in range(luck.randrange(4, 24)):
        slot = luck.randrange(3)
        queue = luck.randrange(QUEUES[slot])
        accesses += _chain(luck, slot, queue, offered[slot, queue])
        offered[slot, queue] += 1
        if luck.random() < 0.3:
            accesses += [_anything(luck) for _access in range(luck.randrange(4))]
    kinds = "\n".join(f"        {_syntax(kind)}\n        j next" for kind in KINDS)
    table = "\n".join(f"        .dword {place}, {value}, {kind}" for place, value, kind in accesses)
    source = _SOURCE.format(kinds=kinds, table=table, count=len(KINDS), end="again" if forever else ".")
    devices: list[Any] = [VirtioBlock(Disk("16K")), VirtioNet(), VirtioConsole()]
    return Machine(assemble(source), memory=MEMORY, devices=devices, engine=engine)


def outside(luck: Random, machine: Machine) -> None:
    """Something comes from outside."""
    data = luck.randbytes(luck.choice([0, 1, 14, 60, 1514, 2000]))
    machine.give(luck.choice(["net", "virtio-console", machine.uart.name]), data)
