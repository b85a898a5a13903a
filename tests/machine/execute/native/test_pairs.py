"""Two instructions in one handler do what they do one by one, whatever registers they share."""

import random

import pytest

from tests.machine.execute.test_lockstep import EDGES
from vlab.machine import Machine
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.riscv import ROWS, Program, encode

pytest.importorskip("llvmlite")

from vlab.machine.execute.native import building
from vlab.machine.execute.native.pairs import PAIRS

NOP, STAY = encode(ROWS["addi"], {}), encode(ROWS["jal"], {})
DATA = RAM_BASE + 4 * PAGE
# Which registers: x0 to nowhere, one that both write, one that the second reads as rs1, as rs2, as both.
REGISTERS = [
    (5, 6, 7, 8, 9, 10),
    (5, 6, 7, 0, 9, 10),
    (5, 6, 7, 8, 5, 10),
    (5, 6, 7, 8, 9, 5),
    (5, 5, 5, 5, 5, 5),
    (0, 6, 7, 8, 0, 0),
]


def instruction(name, rd, rs1, rs2, imm):
    values = {"rd": rd, "rs1": rs1, "rs2": rs2, "imm": imm, "shamt": imm & 63}
    return encode(ROWS[name], {operand: values[operand] for operand in ROWS[name].operands})


def programs():
    """For each pair: its code, with every choice of registers, and jumps out of it and back into its midst."""
    for pair in dict.fromkeys((one.first, one.second, "back" if one.back else "on") for one in PAIRS):
        code = []
        for one_rd, one_rs1, one_rs2, two_rd, two_rs1, two_rs2 in REGISTERS:
            code += [NOP, instruction(pair[0], one_rd, one_rs1, one_rs2, 16)]
            code += [instruction(pair[1], two_rd, two_rs1, two_rs2, 8 if pair[2] == "on" else -8), NOP]
        yield pair, b"".join(word.to_bytes(4, "little") for word in [*code, STAY])


def built(code):
    image = Program(((RAM_BASE, code),), RAM_BASE)
    machines = [Machine(image, memory="64K", engine=engine) for engine in ("native", "interpreter")]
    for machine in machines:
        machine.hart.csr.values["mtvec"] = RAM_BASE + len(code) - 4
        machine.memory.poke(DATA, bytes(range(256)))
    return machines


@pytest.mark.parametrize(
    ("pair", "code"), list(programs()), ids=lambda one: "+".join(one) if len(one) == 3 else ""
)
def test_a_pair_does_what_its_two_do(pair, code):
    luck = random.Random("+".join(pair))
    machines = built(code)
    for start in range(0, len(code) - 4, 4):
        for values in (lambda: luck.choice(EDGES), lambda: DATA + luck.randrange(0, 128, 8)):
            registers = [0, *(values() for _number in range(31))]
            for steps in (9, 10, 11, 12, 40):  # fewer, Python does
                for machine in machines:
                    machine.hart.x[:32], machine.hart.pc = registers, RAM_BASE + start
                    machine.run(steps)
                found = [(m.hart.x[:32], m.hart.pc, m.hart.csr.values, m.time) for m in machines]
                assert found[0] == found[1], (start, steps)
    assert machines[0].snapshot() == machines[1].snapshot()


def test_pairs_are_found_in_every_way():
    used = set()
    names = {address: name for name, address in building.native().handlers.items()}
    for _pair, code in programs():
        (machine, _other) = built(code)
        for start in range(0, len(code) - 4, 16):
            machine.hart.pc = RAM_BASE + start
            machine.run(20)
        assert machine._native is not None
        used |= {names.get(slot) for slot in machine._native.code._slots[: len(code)].tolist()}
    assert [pair.name for pair in PAIRS if pair.name not in used] == []


@pytest.mark.parametrize("place", [4, 8])
def test_a_stop_in_a_pair(place):
    """Before its first, before its second; and no stop any more."""
    code = b"".join(
        instruction(name, 5, 5, 6, 1).to_bytes(4, "little") for name in ["addi", "addi", "add", "addi"] * 3
    )
    machines = built(code + STAY.to_bytes(4, "little"))
    for stops in ([], [RAM_BASE + place], []):
        for machine in machines:
            machine.stop_at(stops)
            machine.hart.pc = RAM_BASE
        assert machines[0].run(13) is machines[1].run(13)
        assert machines[0].snapshot() == machines[1].snapshot()


def test_a_store_over_the_second_of_a_pair():
    second = instruction("addi", 5, 5, 0, 64)
    code = [instruction("addi", 5, 5, 0, 1), instruction("addi", 5, 5, 0, 2), instruction("sw", 0, 11, 10, 4)]
    code += [instruction("addi", 5, 5, 0, 4), instruction("jal", 0, 0, 0, -16)]
    machines = built(b"".join(word.to_bytes(4, "little") for word in code))
    for machine in machines:
        machine.hart.x[10], machine.hart.x[11] = second, RAM_BASE
    for steps in (10, 11, 30, 100):
        for machine in machines:
            machine.run(steps)
        assert machines[0].snapshot() == machines[1].snapshot()
