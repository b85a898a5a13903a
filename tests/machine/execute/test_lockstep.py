"""One meaning: the fast loop, one instruction at a time, and a naive interpreter written from the manual agree."""

from hypothesis import given
from hypothesis import strategies as st

from tests.machine.naive import ONES, Naive
from vlab.machine import Machine
from vlab.machine.memory import RAM_BASE
from vlab.riscv import ROWS, Program, Trap, encode

SIZE = 3 * 4096
HANDLER = RAM_BASE + 0xF00
DATA = RAM_BASE + 4096
JUMP_TO_ITSELF = 0x0000_006F
UNPRIVILEGED = [row for row in ROWS.values() if row.extension in ("I", "M", "A", "Zifencei")]

EDGES = [
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    1 << 63,
    ONES,
    ONES - 1,
]
NEAR_PAGES = st.builds(
    lambda page, off: RAM_BASE + page * 4096 + off, st.integers(0, 3), st.integers(-16, 16)
)
ALIGNED = st.builds(lambda off: DATA + 8 * off, st.integers(0, 511))
VALUES = st.sampled_from(EDGES) | NEAR_PAGES | ALIGNED | st.integers(0, ONES)
REGISTERS = st.lists(VALUES, min_size=31, max_size=31)


@st.composite
def instructions(draw):
    """A word: any row with any operands, or any bits at all."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.integers(0, (1 << 32) - 1))
    row = draw(st.sampled_from(UNPRIVILEGED))
    values = {operand: draw(st.integers(0, (1 << row.width(operand)) - 1)) for operand in row.operands}
    if row.name.startswith("b") or row.name in ("jal", "jalr"):
        values["imm"] = draw(st.integers(-16, 16)) * draw(st.sampled_from([2, 4, 4, 4]))
    elif "imm" in values and row.step("imm") == 1:
        values["imm"] = draw(st.integers(-32, 31) | st.integers(-2048, 2047))
    return encode(row, values)


def privileged(word):
    """CSRs, returns and fences of address translation: not the naive interpreter's business."""
    return word & 0x7F == 0x73 and word not in (0x73, 0x0010_0073)


def built(words, registers):
    code = b"".join(word.to_bytes(4, "little") for word in words)
    handler = JUMP_TO_ITSELF.to_bytes(4, "little")
    image = code.ljust(HANDLER - RAM_BASE, b"\0") + handler + bytes(range(256)) * 16
    machine = Machine(Program(((RAM_BASE, image),), RAM_BASE), memory=SIZE + 4096)
    machine.hart.csr.values["mtvec"] = HANDLER
    machine.hart.x[1:32] = registers
    vars(machine.bus)["find"] = lambda address: None  # the naive interpreter's computer has no devices
    naive = Naive(RAM_BASE, bytearray(machine.memory.peek(RAM_BASE, SIZE + 4096)), RAM_BASE, HANDLER)
    naive.x[1:] = registers
    return machine, naive


def seen(machine):
    csr = machine.hart.csr
    return {
        "x": machine.hart.x[:32],
        "pc": machine.hart.pc,
        "trap": (csr["mepc"], csr["mcause"], csr["mtval"]),
        "memory": machine.memory.peek(RAM_BASE, machine.memory.size),
        "reserved": machine.reservation,
    }


def expected(naive):
    return {
        "x": naive.x,
        "pc": naive.pc,
        "trap": (naive.epc, naive.cause, naive.tval),
        "memory": bytes(naive.memory),
        "reserved": naive.reserved,
    }


def execute_one_by_one(machine, attempts):
    hart = machine.hart
    for _attempt in range(attempts):
        try:
            hart.execute(hart.fetch(hart.pc))
        except Trap as trap:
            hart.trap(trap.cause, trap.value)


programs = st.lists(instructions().filter(lambda word: not privileged(word)), min_size=1, max_size=24)


@given(programs, REGISTERS, st.integers(1, 60))
def test_the_loop_does_what_the_manual_says(words, registers, attempts):
    machine, naive = built(words, registers)
    machine.run(attempts)
    naive.run(attempts)
    assert seen(machine) == expected(naive)


@given(programs, REGISTERS, st.integers(1, 60), st.data())
def test_the_loop_does_what_one_instruction_at_a_time_does(words, registers, attempts, data):
    machine, _naive = built(words, registers)
    other, _naive = built(words, registers)
    first = data.draw(st.integers(0, attempts))
    machine.run(first)
    machine.run(attempts - first)
    execute_one_by_one(other, attempts)
    assert seen(machine) == seen(other)


@given(st.sampled_from(UNPRIVILEGED), st.data())
def test_each_instruction_with_any_operands(row, data):
    operands = {operand: data.draw(st.integers(0, (1 << row.width(operand)) - 1)) for operand in row.operands}
    machine, naive = built([encode(row, operands)], data.draw(REGISTERS))
    machine.run(1)
    naive.run(1)
    assert seen(machine) == expected(naive)
