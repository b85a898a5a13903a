"""Beside Unicorn: every instruction of the table, random words, and loops of them: registers, pc, and memory are alike.

It tells a guest of no exception: it stops, and says of which kind. What can't align is said at `LEFT_OUT`.
"""

import random
from collections import Counter
from typing import Any, NamedTuple

import pytest

from tests.machine.execute.test_lockstep import EDGES
from vlab.machine import Machine
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.riscv import ROWS, Cause, Program, decode, encode
from vlab.riscv.instructions import Instruction, Row, length
from vlab.riscv.meaning import MEMORY

pytest.importorskip("llvmlite")

from vlab.machine.execute.native.kinds import called, jumps

unicorn: Any = pytest.importorskip("unicorn", reason="unicorn, another emulator, isn't installed")
names: Any = pytest.importorskip("unicorn.riscv_const")

ENGINES = ("native", "interpreter")
ONES = (1 << 64) - 1
SIZE = 16 * PAGE
HERE = (
    RAM_BASE + 3 * PAGE
)  # in the midst of instructions that do nothing, so that a branch may go where it likes
CODE_END = 6 * PAGE
DATA = RAM_BASE + 8 * PAGE
HANDLER = RAM_BASE + SIZE - 4
NOP, STAY = (0x13).to_bytes(4, "little"), (0x6F).to_bytes(4, "little")
STEPS = 12  # so many that native code does them
NOWHERE = 63  # a cause that no trap has

# Not compared, each for a reason: `ecall` and `ebreak` stop Unicorn with an error of their own, whatever they are; an
# `sc` of what isn't reserved fails there before it asks whether it may store; what is privileged needs CSRs and modes,
# of which it has others; and it has floating point.
LEFT_OUT = {"ecall", "ebreak", "c.ebreak"}
EBREAK, PRIVILEGED, FLOATING = 0x9002, 0x73, (0x07, 0x27, 0x43, 0x47, 0x4B, 0x4F, 0x53)
TABLE = [
    row
    for row in ROWS.values()
    if row.extension in ("I", "M", "A", "C", "Zifencei") and row.name not in LEFT_OUT
]

X = [names.UC_RISCV_REG_X0 + number for number in range(32)]
# The error with which it stops, and what that is on our machine.
CAUSES = {
    unicorn.UC_ERR_READ_UNMAPPED: (
        Cause.LOAD_ACCESS_FAULT,
        Cause.STORE_ACCESS_FAULT,
    ),  # it loads first in an AMO
    unicorn.UC_ERR_WRITE_UNMAPPED: (Cause.STORE_ACCESS_FAULT,),
    unicorn.UC_ERR_FETCH_UNMAPPED: (Cause.INSTRUCTION_ACCESS_FAULT,),
    unicorn.UC_ERR_EXCEPTION: (Cause.ILLEGAL_INSTRUCTION, Cause.LOAD_MISALIGNED, Cause.STORE_MISALIGNED),
}


class After(NamedTuple):
    """How a program has left its computer."""

    x: list[int]
    pc: int
    memory: bytes
    error: int | None


@pytest.fixture(scope="module")
def peer() -> Any:
    uc = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV64)
    uc.mem_map(RAM_BASE, SIZE)
    return uc


def image_of(code: bytes) -> bytes:
    image = bytearray(NOP * (CODE_END // 4) + bytes(range(256)) * ((SIZE - CODE_END) // 256))
    image[HERE - RAM_BASE : HERE - RAM_BASE + len(code)] = code
    image[-4:] = STAY
    return bytes(image)


def theirs(peer: Any, image: bytes, registers: list[int], steps: int) -> After:
    peer.ctl_remove_cache(RAM_BASE, RAM_BASE + SIZE)
    peer.mem_write(RAM_BASE, image)
    peer.reg_write_batch([*zip(X[1:], registers, strict=True), (names.UC_RISCV_REG_PC, HERE)])
    error = None
    try:
        peer.emu_start(HERE, 0, count=steps)
    except unicorn.UcError as found:
        error = found.errno
    x = list(peer.reg_read_batch(X))
    return After(x, peer.reg_read(names.UC_RISCV_REG_PC), bytes(peer.mem_read(RAM_BASE, SIZE)), error)


def ours(engine: str, image: bytes, registers: list[int], steps: int) -> tuple[After, int]:
    machine = Machine(Program(((RAM_BASE, NOP),), HERE), memory=SIZE, extensions="C", engine=engine)
    vars(machine.bus)["find"] = lambda address: None  # Unicorn's computer has no devices
    machine.memory.poke(RAM_BASE, image)  # without a device tree
    values = machine.hart.csr.values
    values["mtvec"], values["mcause"] = HANDLER, NOWHERE
    machine.hart.x[1:32] = registers
    machine.run(steps)
    memory = machine.memory.peek(RAM_BASE, SIZE)
    return After(machine.hart.x[:32], machine.hart.pc, memory, None), values["mcause"]


def alike(peer: Any, code: bytes, registers: list[int], steps: int = STEPS) -> After:
    image = image_of(code)
    their = theirs(peer, image, registers, steps)
    for engine in ENGINES:
        our, cause = ours(engine, image, registers, steps)
        if their.error is None:
            assert cause == NOWHERE, (engine, Cause(cause), code.hex())
            assert our.pc == their.pc, engine
        else:
            assert cause in CAUSES[their.error], (engine, their.error, cause)
        assert our.x == their.x, engine
        assert our.memory == their.memory, engine
    return their


def registers_of(luck: random.Random) -> list[int]:
    """Values at edges, places in data, and just outside memory."""
    edges = [
        *EDGES,
        RAM_BASE + SIZE - luck.randrange(16),
        RAM_BASE - luck.randrange(16),
        luck.getrandbits(64),
    ]
    data = [DATA, DATA + 64, DATA + luck.randrange(2 * PAGE), DATA + 8 * luck.randrange(1000)]
    return [luck.choice(edges + 2 * data) & ONES for _register in range(31)]


def random_word(luck: random.Random, row: Row) -> bytes:
    values = {operand: luck.getrandbits(row.width(operand)) for operand in row.operands}
    return encode(row, values).to_bytes(row.size, "little")


def first(code: bytes) -> Instruction | None:
    """The instruction that these bytes begin with."""
    return decode(int.from_bytes(code[: length(code[0])], "little"))


def leads_anywhere(code: bytes) -> bool:
    """Whether it begins with a jump to where a register says."""
    found = first(code)
    return found is not None and found.row.base == "jalr"


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_every_instruction_with_random_operands(peer, row):
    luck = random.Random(row.name)
    for _time in range(12):
        word, registers = random_word(luck, row), registers_of(luck)
        if leads_anywhere(word):
            registers = [HERE + 2 * luck.randrange(-500, 500) for _register in registers]
        if row.name.startswith("sc."):
            registers = [DATA + 8 * luck.randrange(1000) for _register in registers]
        alike(peer, word, registers)


def compared(word: bytes) -> bool:
    """Whether an instruction is neither privileged nor of floating point."""
    number = int.from_bytes(word, "little")
    if number & 3 == 3:
        return number & 0x7F not in (PRIVILEGED, *FLOATING)
    funct = number >> 13 & 7
    floating = number & 3 != 1 and funct & 3 == 1  # c.fld, c.fsd, and those by sp
    reserved = (number & 3 == 0 and funct == 4) or number & 0xFC43 == 0x9C41  # these do nothing there
    return not floating and not reserved and number != EBREAK


def test_random_words(peer):
    """What Unicorn knows as an instruction is one here too, and does the same."""
    luck = random.Random(5)
    kinds: Counter[int | None] = Counter()
    while kinds.total() < 1500:
        word = luck.randbytes(4)
        word = word[: length(word[0])]
        if not compared(word) or leads_anywhere(word):
            continue
        kinds[alike(peer, word, registers_of(luck)).error] += 1
    assert len(kinds) >= 3 and min(kinds.values()) > 10, kinds


def test_every_word_of_two_bytes_is_legal_there_if_it_is_here(peer):
    registers, differ = [DATA + 64] * 31, []
    for number in range(1 << 16):
        word = number.to_bytes(2, "little")
        if number & 3 == 3 or not compared(word):
            continue
        peer.mem_write(HERE, word)
        peer.ctl_remove_cache(HERE, HERE + 2)
        peer.reg_write_batch([*zip(X[1:], registers, strict=True), (names.UC_RISCV_REG_PC, HERE)])
        error = None
        try:
            peer.emu_start(HERE, 0, count=1)
        except unicorn.UcError as found:
            error = found.errno
        if (error == unicorn.UC_ERR_EXCEPTION) != (first(word) is None):
            differ.append((number, error))
    assert differ == []


STRAIGHT = [row for row in TABLE if not row.name.startswith("sc.") and not jumps(row)]
COUNTER, BASES, WRITTEN = 8, range(10, 14), (0, 9, *range(14, 32))


def fits(word: bytes) -> bool:
    """Whether an instruction may stand in a loop: it leaves the counter and the bases alone, and accesses only data."""
    found = first(word)
    if found is None or jumps(found.row) or found.values.get("rd", 0) not in WRITTEN:
        return False
    return not called(found.row) & MEMORY.keys() or found.values["rs1"] in BASES


def loop(luck: random.Random) -> bytes:
    """Instructions that don't jump, again and again."""
    body = b""
    while len(body) < 80:
        word = random_word(luck, luck.choice(STRAIGHT))
        body += word if fits(word) else b""
    back = encode(ROWS["bne"], {"rs1": COUNTER, "rs2": 0, "imm": -len(body) - 4})
    count = encode(ROWS["addi"], {"rd": COUNTER, "rs1": COUNTER, "imm": -1})
    return body + count.to_bytes(4, "little") + back.to_bytes(4, "little") + STAY


def test_loops_stopped_anywhere(peer):
    luck = random.Random(2)
    for _time in range(40):
        registers = registers_of(luck)
        registers[COUNTER - 1] = luck.randrange(3, 60)
        for base in BASES:
            registers[base - 1] = DATA + 2 * PAGE + 8 * luck.randrange(600)
        assert alike(peer, loop(luck), registers, luck.randrange(20, 1500)).error is None
