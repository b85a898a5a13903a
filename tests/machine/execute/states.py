"""Machines in random states, from a seed: a program, registers, CSRs, page tables and PMP that often mean something.

Drawn without hypothesis: what matters here is how much of the machine a hundred of them come by, and a difference is
at one instruction anyway.
"""

from collections.abc import Callable
from random import Random

from vlab.machine import Machine
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.paging import make_satp
from vlab.riscv import CSRS, ROWS, Mode, Program, assemble, encode
from vlab.riscv.instructions import Row

Build = Callable[[str], Machine]

RAM_SIZE = 64 * PAGE
ONES = (1 << 64) - 1
FRAMES = 12  # of code and data; then come the tables, and the handlers
ROOT, MIDDLE, LOW, HANDLER = (RAM_BASE + number * PAGE for number in (16, 17, 18, 19))
S_HANDLER = HANDLER + 0x400
TABLES = (ROOT, MIDDLE, LOW)
HOST_ROOT, HOST_MIDDLE, HOST_LOW = (
    RAM_BASE + number * PAGE for number in (20, 24, 25)
)  # of the second stage
VIRTUAL = 1 << 30  # where the tables map 16 pages to any frames; RAM itself is mapped where it is, for S
FAR = ONES + 1 - (1 << 30)  # the same pages at the other end
# Whatever isn't RAM is closed to all modes, and stays so: another board has other things there.
CLOSED = {
    "pmpaddr0": RAM_BASE >> 2, "pmpaddr1": RAM_BASE + RAM_SIZE >> 2, "pmpaddr2": (1 << 54) - 1,
    "pmpcfg0": 0x88 | 0x88 << 16,
}  # fmt: skip
OPEN = 0x1F << 8  # entry 9: all that is left

STATUS = {
    name: CSRS["mstatus"][name].mask for name in "SIE MIE SPIE MPIE SPP MPRV SUM MXR TVM TW TSR".split()
}
WRITTEN = (
    "mstatus sstatus sstatus mscratch sscratch mepc sepc mcause scause mtval stval mtvec stvec medeleg mideleg mie sie "
    "mip sip mcounteren scounteren satp satp satp cycle time instret misa mhartid pmpaddr9"
).split()
BASES, VALUES, USEFUL, RESULTS = range(1, 6), range(6, 12), range(12, 18), (0, 2, *range(6, 12))
ROWS_BY_KIND = {
    "memory": [row for row in ROWS.values() if "(rs1)" in row.syntax and row.extension == "I"],
    "atomic": [row for row in ROWS.values() if row.extension == "A"],
    "reserving": [ROWS[name] for name in ("lr.w", "lr.d", "sc.w", "sc.d")],
    "csr": [row for row in ROWS.values() if row.extension == "Zicsr"],
    "system": [ROWS[name] for name in ("ecall", "ebreak", "sret", "mret", "wfi", "sfence.vma", "fence.i")],
    "short": [row for row in ROWS.values() if row.extension == "C"],
    "any": [row for row in ROWS.values() if row.extension in ("I", "M") and row.size == 4],
}


def handler(letter: str) -> bytes:
    """Go on behind what trapped; interrupts of a vector end themselves."""
    entries = "\n".join(f"j {'skip' if number == 0 else 'clear'}" for number in range(16))
    skip = f"csrr x31, {letter}epc\n addi x31, x31, 4\n csrw {letter}epc, x31\n {letter}ret"
    return assemble(f"{entries}\nskip: {skip}\nclear: csrw {letter}ip, zero\n {letter}ret").segments[0][1]


HANDLERS = {"m": handler("m"), "s": handler("s")}


def place(luck: Random) -> int:
    """Where something may be: physical, virtual, or nowhere; at an edge or not."""
    base = luck.choice([RAM_BASE, RAM_BASE, VIRTUAL, VIRTUAL, VIRTUAL, FAR, 0])
    page = luck.randrange(FRAMES + 2) if luck.random() < 0.9 else luck.randrange(70)
    offset = luck.choice(
        [0, 2048, *(8 * luck.randrange(512) for _time in range(4)), 4092, luck.randrange(4096)]
    )
    return base + page * PAGE + offset & ONES


def status(luck: Random) -> int:
    """A value of mstatus. MPRV is rare: what comes after it can rarely be compared with anybody."""
    often = {"MPRV": 0.08, "TVM": 0.25, "TW": 0.25, "TSR": 0.15}
    bits = sum(mask for name, mask in STATUS.items() if luck.random() < often.get(name, 0.4))
    return bits | luck.choice([0, 1, 3]) << 11


def useful(luck: Random) -> int:
    """What is often written to a CSR."""
    number = luck.choice(
        [status(luck), status(luck), place(luck) & -4, 0x222, 0xB3FF, 2, HANDLER | 1, S_HANDLER | 1, 0]
    )
    return luck.choice([number, number, make_satp(ROOT), luck.getrandbits(64)])


def word(luck: Random, compressed: bool) -> bytes:
    """An instruction, mostly on registers that lead somewhere."""
    kinds = ["memory", "atomic", "reserving", "csr", "system", "any", "short"]
    weights = [9, 0.6, 0.8, 5, 2, 5, 7 * compressed]
    row = luck.choice(ROWS_BY_KIND[luck.choices(kinds, weights)[0]])
    if luck.random() < 0.02:
        return luck.randbytes(4)
    if row.name.startswith("sc."):  # behind the lr that makes it one that stores
        registers, size = {"rd": 0, "rs1": luck.choice(BASES), "rs2": luck.choice(VALUES)}, row.name[-1]
        pair = encode(ROWS[f"lr.{size}"], registers), encode(row, registers | {"rd": luck.choice(RESULTS)})
        return b"".join(word.to_bytes(4, "little") for word in pair)
    values = {operand: luck.getrandbits(row.width(operand)) for operand in row.operands}
    if row.size == 4:
        values |= {name: value for name, value in operands(luck, row).items() if name in values}
    elif "target" in values:
        values["target"] = 2 * luck.randrange(-6, 7)
    return encode(row, values).to_bytes(row.size, "little")


def operands(luck: Random, row: Row) -> dict[str, int]:
    """Operands of an instruction of four bytes."""
    values = {"rd": luck.choice(RESULTS), "rs1": luck.choice(VALUES), "rs2": luck.choice(VALUES)}
    if row.name.startswith("b") or row.name == "jal":
        values["imm"] = luck.choice([4, 8, 12, 12, -8, 6])
    elif "imm" in row.operands and row.step("imm") == 1:
        values["imm"] = luck.choice([0, 0, 8, luck.randrange(-64, 64), luck.randrange(-2048, 2048)])
    if "(rs1)" in row.syntax or row.name in ("jalr", "sfence.vma"):
        values["rs1"] = luck.choice(BASES)
    if row.extension == "Zicsr":
        values |= {"csr": CSRS[luck.choice(WRITTEN)].number, "rs1": luck.choice([0, *USEFUL])}
    return values


def tables(luck: Random) -> dict[int, int]:
    """Entries of three tables: mostly right, with all kinds of flags."""
    whole = RAM_BASE >> 2 | luck.choice([0xCF, 0xCF, 0xCF, 0xDF, 0x0F, 0x4B])
    entries = {
        ROOT + 16: whole,
        ROOT + 8: MIDDLE >> 2 | 1,
        ROOT + 8 * 511: MIDDLE >> 2 | 1,
        MIDDLE: LOW >> 2 | 1,
    }
    for index in range(16):
        frame = RAM_BASE // PAGE + luck.choice([*range(FRAMES)] * 3 + [16, 17, 18])  # the tables among them
        flags = luck.choice(
            [0xCF, 0xDF, 0xDF, 0x0F, 0x1F, 0xD9, 0x59, 0x53, 0xD7, 0xC9, luck.getrandbits(8) | 1]
        )
        entries[LOW + 8 * index] = frame << 10 | flags
    if luck.random() < 0.2:
        entries[luck.choice([*entries])] ^= 1 << luck.randrange(64)
    return entries


def csrs(luck: Random, paged: bool) -> dict[str, int]:
    """What CSRs hold when the program starts."""
    values = {
        "mtvec": HANDLER | luck.choice([0, 1]), "stvec": S_HANDLER | luck.choice([0, 1]),
        "mepc": place(luck) & -4, "sepc": place(luck) & -4,
        "mstatus": status(luck),
        "medeleg": luck.choice([0, 0xB3FF, luck.getrandbits(16) & 0xB3FF]), "mideleg": luck.choice([0, 0x222]),
        "mie": luck.choice([0, 0, 0x2, 0x222]), "mip": luck.choice([0, 0, 0, 0x2, 0x20, 0x200, 0x222]),
        "mcounteren": luck.choice([0, 7]), "satp": make_satp(ROOT) if paged else 0,
        "pmpaddr9": (1 << 54) - 1, "pmpcfg2": luck.choice([OPEN] * 30 + [0x1B << 8, 0]),
    }  # fmt: skip
    if luck.random() < 0.2:  # two regions of RAM before it, with edges on pages and inside them
        config = 0
        for entry, edge in enumerate(sorted(luck.choices(range(FRAMES * 64), k=3)), 3):
            values[f"pmpaddr{entry}"] = RAM_BASE + edge * 64 >> 2
            config |= (entry > 3 and 8 | luck.choice([0, 1, 3, 4, 5, 7])) << 8 * entry
        values["pmpcfg0"] = CLOSED["pmpcfg0"] | config
    return values


def host_tables(luck: Random) -> dict[int, int]:
    """Entries of the second stage: all pages where they are, mostly with all rights."""
    entries = {HOST_ROOT + 16: HOST_MIDDLE >> 2 | 1, HOST_MIDDLE: HOST_LOW >> 2 | 1}
    for page in range(RAM_SIZE // PAGE):
        flags = luck.choice([0xDF] * 12 + [0x5F, 0x1F, 0x9F, 0xDB, 0xD7, 0xD9, 0xCF, luck.getrandbits(8)])
        entries[HOST_LOW + 8 * page] = RAM_BASE + page * PAGE >> 2 | flags
    return entries


def become_guest(luck: Random, machine: Machine) -> None:
    """Go on with V = 1, if the mode is S or U: under the tables, through the second stage, or one of them, or none."""
    hart = machine.hart
    for at, entry in host_tables(luck).items():
        machine.memory.poke(at, entry.to_bytes(8, "little"))
    status = luck.choice([0, STATUS["SUM"], STATUS["MXR"], STATUS["SUM"] | STATUS["MXR"]])
    values = {
        "hgatp": luck.choice([0, *[make_satp(HOST_ROOT)] * 3]), "vsatp": hart.csr["satp"], "vsstatus": status,
        "vstvec": hart.csr["stvec"], "vsepc": hart.pc, "hedeleg": luck.choice([0, 0xB1FF]),
        "hstatus": luck.getrandbits(64), "hcounteren": luck.choice([0, 7]),
    }  # fmt: skip
    for name, value in values.items():
        hart.csr.write(hart.csr.registers.by_name[name], value)
    hart.virtual = hart.mode != Mode.M


def random_machine(seed: object, extensions: str) -> Build:
    """A function that builds the machine of a seed, again and again."""
    luck = Random(repr((seed, extensions)))
    compressed = "C" in extensions
    code = b"".join(word(luck, compressed) for _word in range(luck.randrange(8, 40)))
    mode, paged = luck.choice(list(Mode)), luck.random() < 0.75
    entries, values = tables(luck), csrs(luck, paged)
    frame, slot = luck.randrange(FRAMES - 1), luck.randrange(8)
    offset = luck.choice([0, 0, 64, 4096 - len(code), 4096 - 4, 4096 - 2 * compressed]) & -4 >> compressed
    pc = RAM_BASE + frame * PAGE + offset
    if paged and mode != Mode.M and (mode == Mode.U or luck.random() < 0.7):
        pc = VIRTUAL + slot * PAGE + offset
    entries[LOW + 8 * slot] = (
        RAM_BASE + frame * PAGE >> 2 | luck.choice([0xCF, 0x0B]) | 0x10 * (mode == Mode.U)
    )
    x = [place(luck) for _base in BASES]
    x += [luck.choice([place(luck), luck.getrandbits(64), luck.randrange(64), 1 << 63]) for _value in VALUES]
    x += [useful(luck) for _useful in USEFUL] + [luck.getrandbits(64) for _rest in range(14)]

    def build(engine: str) -> Machine:
        program = Program(((RAM_BASE, b"\0"),), RAM_BASE)
        built = Machine(program, memory=RAM_SIZE, extensions=extensions, engine=engine)
        memory, hart = built.memory, built.hart
        memory.poke(RAM_BASE, bytes(range(256)) * (FRAMES * PAGE // 256))
        memory.poke(RAM_BASE + frame * PAGE + offset, code * max(1, (PAGE - offset) // len(code)))
        for at, entry in entries.items():
            memory.poke(at, entry.to_bytes(8, "little"))
        memory.poke(HANDLER, HANDLERS["m"])
        memory.poke(S_HANDLER, HANDLERS["s"])
        for name, value in (CLOSED | values).items():
            hart.csr.write(CSRS[name], value)
        hart.mode, hart.pc = mode, pc
        hart.x[1:32] = x
        if "H" in extensions:
            become_guest(Random(repr(seed)), built)
        hart.mmu.flush("test")
        hart.mmu.select()
        return built

    return build
