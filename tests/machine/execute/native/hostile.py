"""Run random bytes as code on the native engine, beside the interpreter: `python hostile.py SEED COUNT`.

A process of its own, so that a crash of native code is a red test and not the end of all tests.
"""

import random
import sys

from vlab.machine import Machine
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.paging import make_satp
from vlab.riscv import CSRS, ROWS, Mode, Program, encode

SIZE = 32 * PAGE
ROOT = RAM_BASE + 28 * PAGE
STEPS = 3000


def contents(luck: random.Random) -> bytes:
    """Half of it instructions with any operands, half of it any bytes; page tables are among them."""
    rows = list(ROWS.values())
    content = bytearray(luck.randbytes(SIZE))
    at = 0
    while at < 16 * PAGE - 4:
        row = luck.choice(rows)
        word = encode(row, {name: luck.getrandbits(32) for name in row.operands})
        content[at : at + row.size] = word.to_bytes(row.size, "little")
        at += row.size
    for entry in range(28 * PAGE, SIZE, 8):
        frame = RAM_BASE // PAGE + luck.randrange(-1, 33)
        flags = luck.choice([0x01, 0xCF, 0xDF, 0x0F, 0x1F, luck.getrandbits(10)])
        content[entry : entry + 8] = (frame << 10 | flags).to_bytes(8, "little")
    return bytes(content)


def built(engine: str, seed: int) -> Machine:
    """The same machine for an engine each."""
    luck = random.Random(seed)
    extensions = luck.choice(["", "C", "H", "CH", "C_svade", "CH_sv48", "CH_svadu"])
    program = Program(((RAM_BASE, b"\0"),), RAM_BASE)
    machine = Machine(program, memory=SIZE, extensions=extensions, engine=engine)
    machine.memory.poke(RAM_BASE, contents(luck))
    hart = machine.hart
    places = [RAM_BASE + luck.randrange(SIZE) for _place in range(40)] + [
        0,
        (1 << 64) - 8,
        1 << 63,
        0x1000_0000,
    ]
    for number in range(1, 32):
        hart.x[number] = luck.choice(places) + luck.choice([0, 0, 0, 4095, -1]) & (1 << 64) - 1
    for name in ("mtvec", "stvec", "mepc", "sepc"):
        hart.csr.write(CSRS[name], luck.choice(places[:40]) & ~3)
    for name in ("medeleg", "mideleg", "mie", "mcounteren", "mstatus"):
        hart.csr.write(CSRS[name], luck.getrandbits(64))
    mode = luck.choice(list(Mode))
    if "H" in extensions:
        for name in ("hstatus", "hedeleg", "hideleg", "hcounteren", "vsstatus", "vstvec", "vsepc"):
            hart.csr.write(
                hart.csr.registers.by_name[name], luck.choice([0, luck.getrandbits(64), places[0] & ~3])
            )
        for name in ("hgatp", "vsatp"):
            hart.csr.write(hart.csr.registers.by_name[name], luck.choice([0, make_satp(ROOT)]))
        hart.virtual = mode != Mode.M and luck.random() < 0.7
    hart.csr.write(CSRS["pmpaddr0"], (1 << 54) - 1)
    hart.csr.write(CSRS["pmpcfg0"], luck.choice([0x1F, 0x1F, luck.getrandbits(16)]))
    hart.csr.write(CSRS["satp"], luck.choice([0, make_satp(ROOT)]))
    hart.mode, hart.pc = mode, luck.choice(places[:40]) & ~3
    hart.mmu.flush("test")
    hart.mmu.select()
    return machine


def main(seed: int, count: int) -> None:
    """Exit with an error at the first machine of which the engines make different ones."""
    for number in range(seed, seed + count):
        native, reference = built("native", number), built("interpreter", number)
        for steps in (STEPS, 1, STEPS):
            native.run(steps)
            reference.run(steps)
            if native.snapshot() != reference.snapshot():
                sys.exit(f"The engines disagree on machine {number}: {native}, {reference}")
    print(f"{count} machines alike")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
