"""Machines in any state of their CSRs and page tables, most of them with H, that run privileged code.

`python privileged.py SEED COUNT` runs some on both engines, and exits with an error where they differ.
"""

import random
import sys
from collections import Counter
from itertools import product

from vlab.events import Event, Trap
from vlab.machine import Machine
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.machine.mmu import Key
from vlab.paging import make_satp
from vlab.riscv import ROWS, Mode, Program, assemble, encode
from vlab.riscv.csrs import ALL_CSRS

FRAMES = 40
ONES = (1 << 64) - 1
ROOT, MIDDLE, LOW, HOST_MIDDLE, HOST_LOW, HANDLERS, HOST_ROOT = (
    RAM_BASE + page * PAGE for page in (24, 25, 26, 27, 28, 30, 32)
)
CODE = 8  # pages of memory that hold code and data
LEAVES = [0xCF, 0xDF, 0xCF, 0xDF, 0xCF, 0xDF, 0x0F, 0x1F, 0x4F, 0x5F, 0x43, 0x4B, 0x59, 0, 0xC1]
HOST_LEAVES = [0xDF] * 12 + [0x5F, 0x1F, 0xDB, 0xD7, 0xCF, 0xD9]
TABLES = [RAM_BASE + page * PAGE for page in (24, 25, 26, 28)]
PLACES = [RAM_BASE + page * PAGE for page in range(CODE)] + [page * PAGE for page in range(10)]
PLACES += [*TABLES, PAGE * 1024, ONES + 1 - PAGE, 0x1000_0000, 0x0200_0000, 1 << 56, RAM_BASE + FRAMES * PAGE]
NUMBERS = [csr.number for csr in ALL_CSRS.values() if not csr.name.startswith(("mhpm", "hpm", "pmp"))]
NUMBERS += [0xC03, 0xB03, 0x3B0, 0x5C0]  # counters that are always zero, a pmp register, and none at all
SYSTEM = [row for row in ROWS.values() if row.extension in ("Zicsr", "H") or row.match & 0x7F == 0x73]
MEMORY = [row for row in ROWS.values() if "load(" in row.meaning or "store(" in row.meaning]
STATUS_BITS = [0, 1 << 17, 1 << 18, 1 << 19, 3 << 18, 1 << 39, 1 << 17 | 1 << 39 | 1 << 11]


def place(luck: random.Random) -> int:
    """An address where something may be."""
    return luck.choice(PLACES) + luck.choice([0, 8, 64, 2040, 4088, 4092, luck.randrange(4096)]) & ONES


def code(luck: random.Random, compressed: bool) -> bytes:
    """Instructions, a third of them privileged, a third of them of memory."""
    made, rows = b"", [row for row in ROWS.values() if compressed or row.size == 4]
    length = luck.choice([80, 400, 1600])
    while len(made) < length:
        row = luck.choice(luck.choice([SYSTEM, MEMORY, rows]))
        if row.size == 2 and not compressed:
            continue
        values = {operand: luck.getrandbits(row.width(operand)) for operand in row.operands}
        if "csr" in values:
            values["csr"] = luck.choice(NUMBERS)
        if row.name.startswith("b") or row.name in ("jal", "jalr"):
            values["imm"] = luck.randrange(-8, 9) * 4
        elif "imm" in values and row.step("imm") == 1:
            values["imm"] = luck.randrange(-32, 32)
        for operand in values.keys() & {"rs1", "rs2", "rd"}:
            if luck.random() < 0.9:
                values[operand] = luck.randrange(8)
        if row.name in ("csrrs", "csrrc") and luck.random() < 0.4:
            values["rs1"] = 0  # only reads
        made += encode(row, values).to_bytes(row.size, "little")
        if luck.random() < 0.02:
            made += luck.getrandbits(32).to_bytes(4, "little")
    return made


def tables(luck: random.Random) -> dict[int, int]:
    """The entries of a table, and of one below it: mostly right."""
    first = RAM_BASE // PAGE
    entries = {ROOT: MIDDLE >> 2 | 1, ROOT + 8 * 511: MIDDLE >> 2 | 1, MIDDLE + 8 * 511: LOW >> 2 | 1}
    entries |= {MIDDLE: LOW >> 2 | 1, MIDDLE + 16: LOW >> 2 | 1}
    entries |= {ROOT + 16: first << 10 | luck.choice([0xCF, 0xCF, 0xDF, 0xEF, 0])}
    for index in [*range(10), 511]:
        frame = (
            first + luck.randrange(CODE) if luck.random() < 0.9 else luck.choice(PLACES) // PAGE % (1 << 44)
        )
        entries[LOW + 8 * index] = frame << 10 | luck.choice(LEAVES)
    if luck.random() < 0.3:
        entries[luck.choice([ROOT, ROOT + 16, MIDDLE, LOW, LOW + 8])] = luck.getrandbits(64)
    entries |= {HOST_ROOT + 16: HOST_MIDDLE >> 2 | 1, HOST_MIDDLE: HOST_LOW >> 2 | 1}
    for page in range(FRAMES):
        frame = first + (page if luck.random() < 0.95 else luck.randrange(CODE))
        entries[HOST_LOW + 8 * page] = frame << 10 | luck.choice(HOST_LEAVES)
    if luck.random() < 0.1:
        entries[luck.choice([HOST_ROOT + 16, HOST_MIDDLE])] = luck.getrandbits(64)
    return entries


def csrs(luck: random.Random) -> dict[str, int]:
    """A value for each CSR that matters, in the order in which they are written."""
    status = luck.choice(STATUS_BITS) | luck.choice([0, 0, 1 << 20, 1 << 22, 2, 8, 10])
    status |= luck.choice([0, 1 << 11, 3 << 11, 1 << 8, 1 << 39 | 1 << 11])
    few = luck.choice([0, 7, luck.randrange(8)])
    return {
        "menvcfg": luck.choice([0, 1 << 63, 1 << 61, 5 << 61]), "henvcfg": luck.choice([0, 1 << 63, 1 << 61, 5 << 61]),
        "mtvec": HANDLERS, "stvec": HANDLERS + 256, "vstvec": HANDLERS + 512,
        "mepc": place(luck), "sepc": place(luck), "vsepc": place(luck),
        "mstatus": luck.choice([status, status, luck.getrandbits(64)]),
        "medeleg": luck.choice([0, ONES, 0xF0_B1FF, 0xB1FF]),
        "hedeleg": luck.choice([0, ONES, 0xB1FF, luck.getrandbits(16)]),
        "mideleg": luck.choice([0, 0x222, ONES]), "hideleg": luck.choice([0, ONES]),
        "mcounteren": luck.choice([7, few]), "scounteren": luck.choice([0, 7]), "hcounteren": luck.choice([7, few]),
        "htimedelta": luck.choice([0, luck.getrandbits(64)]),
        "pmpaddr0": luck.choice([ONES, ONES, ONES, (RAM_BASE + luck.randrange(CODE * PAGE)) >> 2]), "pmpaddr1": ONES,
        "pmpcfg0": luck.choice([0x1F, 0x1F, 0x1F, 0x1F1F, 0x1F0F, 0x1F08, 0x1F89, 0x1B, 0x0F0F]),
        "hstatus": luck.choice([luck.getrandbits(64), 0, 1 << 7, 1 << 20, 1 << 22, 1 << 7 | 1 << 8]),
        "hgatp": luck.choice([make_satp(HOST_ROOT), 0]), "vsatp": luck.choice([make_satp(ROOT), 0]),
        "vsstatus": luck.choice([0, 1 << 18, 1 << 19, 3 << 18, 2, 0x100, 0x122]),
        "satp": luck.choice([make_satp(ROOT), 0]),
        "mie": luck.choice([0, 0, ONES, 0x222, luck.getrandbits(12)]),
        "hvip": luck.choice([0, 0, 0x444, 4]), "mip": luck.choice([0, 0, 2, 0x222]),
        "stimecmp": luck.choice([ONES, luck.randrange(600)]), "vstimecmp": luck.choice([ONES, luck.randrange(600)]),
    }  # fmt: skip


def handlers() -> bytes:
    """For M, S and VS mode: each goes on behind what trapped."""
    made = b""
    for letter in "mss":
        source = f"csrr a1, {letter}epc\n addi a1, a1, 4\n csrw {letter}epc, a1\n {letter}ret"
        made += assemble(source).segments[0][1].ljust(256, b"\0")
    return made


def built(engine: str, seed: int) -> Machine:
    """The same machine for an engine each."""
    luck = random.Random(seed)
    assisted, compressed = luck.random() < 0.8, luck.random() < 0.5
    extensions = "C" * compressed + "H" * assisted + luck.choice(["", "", "_sv48", "_svade", "_svadu"])
    quirks = ("silent-sstatus",) if luck.random() < 0.1 else ()
    program = Program(((RAM_BASE, b"\0"),), RAM_BASE)
    machine = Machine(program, memory=FRAMES * PAGE, extensions=extensions, quirks=quirks, engine=engine)
    memory, hart, known = machine.memory, machine.hart, machine.hart.csr.registers.by_name
    memory.poke(RAM_BASE, luck.randbytes(CODE * PAGE))
    words = code(luck, compressed)
    for page in range(6):
        at = page * PAGE + luck.choice([0, 64, PAGE - 4])
        memory.poke(RAM_BASE + at, words[: CODE * PAGE - at])
    for at, entry in tables(luck).items():
        memory.poke(at, entry.to_bytes(8, "little"))
    memory.poke(HANDLERS, handlers())
    for name, value in csrs(luck).items():
        if name in known:
            hart.csr.write(known[name], value)
    if luck.random() < 0.3:
        machine.bus.store(0x0200_4000, 8, luck.randrange(600))
    hart.mode = luck.choice([Mode.U, Mode.S, Mode.S, Mode.M])
    hart.virtual = assisted and hart.mode < Mode.M and luck.random() < 0.65
    hart.pc = luck.choice([place(luck) & ~3, luck.choice(PLACES[:14]), luck.choice(PLACES[:14])])
    odd = [0, 1, 7, 0x222, 1 << 63, 8 << 60 | ROOT >> 12, ONES, luck.getrandbits(64)]
    hart.x[1:32] = [luck.choice([place(luck), place(luck), luck.choice(odd)]) for _register in range(31)]
    if assisted and luck.random() < 0.5:  # native code leaves it to Python to make a context
        for mode, settings in product((Mode.U, Mode.S), product((False, True), repeat=5)):
            paged, sum_, mxr, nested, host_mxr = settings
            hart.mmu.context(Key(mode, paged, sum_, mxr, True, nested, host_mxr))
    hart.mmu.flush("test")
    hart.mmu.select()
    return machine


def traps_of(events: list[Event]) -> dict[int, int]:
    """How many traps of each cause were heard of."""
    return dict(Counter(event.cause for event in events if isinstance(event, Trap)))


def written(machine: Machine, luck: random.Random) -> list[tuple[int, int, int]]:
    """What will be told of some watched words: where, what, and when."""
    told = list[tuple[int, int, int]]()
    for _word in range(luck.choice([0, 0, 0, 1, 3, 300])):
        page = luck.choice([luck.randrange(CODE), luck.randrange(24, FRAMES)])
        word = RAM_BASE + page * PAGE + 8 * luck.randrange(PAGE // 8)
        watch = luck.choice([machine.ram.watch, machine.ram.watch, machine.ram.watch_loads])
        watch(word, lambda at, value: told.append((at, value, machine.time)))
    return told


def differ(seed: int) -> str:
    """Run a machine on both engines, with some stops; what they are where they differ, else nothing.

    Now and then somebody waits for something, listens, or watches words of memory.
    """
    machines = built("native", seed), built("interpreter", seed)
    luck = random.Random(~seed)
    asked, listened = luck.random() < 0.3, luck.random() < 0.3
    heard: list[list[Event]] = [[], []]
    for machine, events in zip(machines, heard, strict=True):
        if listened:
            machine.events.listen(events.append, patient=seed % 4 > 0)
    told = [written(machine, random.Random(seed)) for machine in machines]
    for _stop in range(luck.choice([1, 2, 3, 6])):
        steps = luck.choice([luck.randrange(1, 60), luck.randrange(1, 400)])
        ends = [
            machine.run(steps, each=False, until=(lambda: False) if asked else None) for machine in machines
        ]
        one, other = machines
        counts = one.events.traps.of(0), other.events.traps.of(0), *map(traps_of, heard)
        counted = counts[0] == counts[1] and (not listened or counts[2:] == counts[:2])
        if (
            one.snapshot() != other.snapshot()
            or len(set(ends)) > 1
            or heard[0] != heard[1]
            or told[0] != told[1]
        ):
            return f"{seed}: {machines}"
        if not counted:
            return f"{seed}: {machines}"
    return ""


if __name__ == "__main__":
    first, count = map(int, sys.argv[1:])
    sys.exit("\n".join(filter(None, map(differ, range(first, first + count)))))
