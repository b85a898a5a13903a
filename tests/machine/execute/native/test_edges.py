"""Both engines where values are at their edges: operands, CSRs, returns, protected memory."""

from itertools import product

import pytest

from tests.machine.execute.test_lockstep import EDGES
from tests.machine.programs import OPEN, mode, write
from vlab.machine import Machine
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.riscv import CSRS, ROWS, Mode, Program, assemble, encode
from vlab.riscv.meaning import CONTROL, MEMORY

pytest.importorskip("llvmlite")

REST = b"\x13\0\0\0" * 4 + b"\x6f\0\0\0"
STEPS = 40  # the straight line has to fit: near the end of what may be attempted, Python does it
COMPUTING = [
    row
    for row in ROWS.values()
    if row.extension in ("I", "M") and not any(f"{name}(" in row.meaning for name in (*CONTROL, *MEMORY))
]


def both(code):
    image = Program(((RAM_BASE, code + REST),), RAM_BASE)
    return [Machine(image, memory="64K", engine=engine) for engine in ("native", "interpreter")]


def alike(machines):
    for machine in machines:
        machine.run(STEPS)
    return machines[0].snapshot() == machines[1].snapshot()


@pytest.mark.parametrize("row", COMPUTING, ids=lambda row: row.name)
def test_operands(row):
    values = {"rd": 7, "rs1": 5, "rs2": 6, "imm": 8, "shamt": 31}
    machines = both(encode(row, values).to_bytes(4, "little"))
    for one, other in product(EDGES, EDGES if "rs2" in row.operands else EDGES[:1]):
        for machine in machines:
            machine.hart.x[5], machine.hart.x[6], machine.hart.pc = one, other, RAM_BASE
            machine.run(STEPS)
        assert machines[0].hart.x[:32] == machines[1].hart.x[:32], (row.name, hex(one), hex(other))
        assert machines[0].hart.pc == machines[1].hart.pc


@pytest.mark.parametrize(
    "name", [csr.name for csr in CSRS.values() if not csr.name.startswith(("mhpm", "hpm"))]
)
def test_csrs(name):
    values = (0, (1 << 64) - 1, 0x5555 << 30 | 0x5555, 2 << 11, 9 << 60, 8 << 60 | 0x80000, 2)
    traps = (0, CSRS["mstatus"]["TVM"].mask) if name == "satp" else (0,)
    for instruction in ("csrrw", "csrrs", "csrrc"):
        code = assemble(f"{instruction} a0, {name}, a1\n csrr a2, {name}").segments[0][1]
        for value, where, trapped in product(values, Mode, traps):
            machines = both(code)
            for machine in machines:
                write(machine, mcounteren=7, mtvec=RAM_BASE + 16, mstatus=trapped)
                mode(machine, where)
                machine.hart.x[11] = value
            assert alike(machines), (instruction, hex(value), where)


@pytest.mark.parametrize("instruction", ["sret", "mret", "ecall", "ebreak", "sfence.vma", "wfi"])
def test_returns_and_traps(instruction):
    bits = [CSRS["mstatus"][name].mask for name in ("MPRV", "SPP", "SPIE", "MPIE", "TSR")]
    for chosen, origin, where in product(product((0, 1), repeat=5), (0, 1, 3), Mode):
        machines = both(assemble(instruction).segments[0][1])
        for machine in machines:
            status = sum(bit for bit, on in zip(bits, chosen, strict=True) if on) | origin << 11
            write(machine, mtvec=RAM_BASE + 16, stvec=RAM_BASE + 20, mepc=RAM_BASE + 8, sepc=RAM_BASE + 8)
            write(machine, mstatus=status, medeleg=0x108)
            mode(machine, where)
        assert alike(machines), (status, where)


@pytest.mark.parametrize("edge", [0, 4, 0x7FC, 0x800, 0xFFC, 0x1000])
def test_protected_memory_whose_regions_end_inside_a_page(edge):
    """Of a page that isn't one region's, the TLB remembers nothing: each access is looked at."""
    code = assemble("ld a1, 0(a0)\n sd a1, 8(a0)\n ld a2, 0(a0)").segments[0][1]
    data = RAM_BASE + 2 * PAGE
    offsets, configs = (0, 0x7F8, 0x800, 0xFF0), (0x0F, 0x09, 0x88, 0x8B)
    # The region of `config` begins with the page and ends at the edge, or begins there and ends with the page.
    for where, offset, config, ends in product(Mode, offsets, configs, (True, False)):
        machines = both(code)
        for machine in machines:
            first, end = (data, data + edge) if ends else (data + edge, data + PAGE)
            write(machine, pmpaddr0=first >> 2, pmpaddr1=end >> 2, pmpaddr2=OPEN["pmpaddr0"])
            write(machine, pmpcfg0=0x1F << 16 | config << 8, mtvec=RAM_BASE + 16)
            machine.hart.mode, machine.hart.x[10] = where, data + offset
            machine.hart.mmu.select()
        assert alike(machines), (where, hex(offset), hex(config), ends)


@pytest.mark.parametrize("extensions", ["", "C"])
@pytest.mark.parametrize(
    "pc", [RAM_BASE + 1, RAM_BASE + 3, RAM_BASE + PAGE - 1, RAM_BASE + 0xFFFF, (1 << 64) - 1]
)
def test_an_odd_pc_that_somebody_has_set_by_hand(pc, extensions):
    """No jump leads there; where one was put there all the same, it stands where it was put."""
    image = Program(
        ((RAM_BASE, assemble("1: addi a0, a0, 1\n addi a1, a1, 2\n j 1b").segments[0][1]),), RAM_BASE
    )
    machines = [
        Machine(image, memory="64K", extensions=extensions, engine=engine)
        for engine in ("native", "interpreter")
    ]
    for machine in machines:
        machine.hart.pc = pc
    assert alike(machines)
