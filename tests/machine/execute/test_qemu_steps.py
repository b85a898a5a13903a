"""Lock-step with QEMU: any program in any state, stopped anywhere: registers, CSRs and all memory are the same."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.machine.execute.mask import LEFT_OUT, TOLD, Step
from tests.machine.execute.native.test_lockstep import (
    HANDLER,
    LOW,
    MIDDLE,
    MPP_SPP,
    MPRV,
    MXR,
    ROOT,
    S_HANDLER,
    SKIP,
    SUM,
    VALUES,
    tables,
    words,
)
from tests.machine.execute.stepped import PAGE, RAM_SIZE, Qemu, state
from vlab.machine import Machine
from vlab.machine.memory import RAM_BASE
from vlab.machine.pmp import W
from vlab.paging import make_satp
from vlab.riscv import CSRS, ROWS, Mode, Program
from vlab.riscv.instructions import Row

pytestmark = pytest.mark.requires("qemu")

ONES = (1 << 64) - 1
ENGINES = ("native", "interpreter")
COMPRESSED = [row for row in ROWS.values() if row.extension != "H"]
WIDE = [row for row in COMPRESSED if row.size == 4]
SIE, MIE = 2, 8
TABLES = (ROOT, MIDDLE, LOW)
MARKS = 0xC0  # A and D of an entry
# Whatever isn't RAM is closed to all modes, and stays so: the boards differ there.
CLOSED = {"pmpaddr0": RAM_BASE >> 2, "pmpaddr1": RAM_BASE + RAM_SIZE >> 2, "pmpaddr2": (1 << 54) - 1}
CLOSED_CONFIG = 0x88 | 0x88 << 16
REGION = 3  # the first entry that is a program's
WRITTEN = ("mstatus sstatus mscratch sscratch mepc sepc mcause scause mtval stval mtvec stvec medeleg mideleg mie "
           "sie mip sip mcounteren scounteren satp cycle time instret misa mhartid pmpaddr9").split()  # fmt: skip


@pytest.fixture(scope="module")
def qemus() -> Iterator[dict[bool, Qemu]]:
    with Qemu(compressed=False) as plain, Qemu(compressed=True) as compressed:
        yield {False: plain, True: compressed}


@st.composite
def instructions(draw, rows: list[Row]):
    """As in the lock-step of the engines, and more often a CSR."""
    word = draw(words(rows))
    if len(word) == 4 and word[0] & 0x7F == 0x73 and word[1] & 0x30:
        number = CSRS[draw(st.sampled_from(WRITTEN))].number
        return word[:2] + (int.from_bytes(word[2:], "little") & 15 | number << 4).to_bytes(2, "little")
    return word


@st.composite
def machines(draw):
    """Whether it has compressed instructions, and a function that builds the same machine again and again."""
    compressed = draw(st.booleans())
    code = b"".join(draw(st.lists(instructions(COMPRESSED if compressed else WIDE), min_size=1, max_size=20)))
    copies = draw(st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True))
    offset = draw(st.sampled_from([0, 0, 64, 4096 - len(code), 4096 - 4, 4096 - 2 * compressed]))
    entries = draw(tables())
    mode = draw(st.sampled_from([0, 1, 3]))
    paged = draw(st.booleans())
    registers = draw(st.lists(VALUES, min_size=31, max_size=31))
    status = draw(st.sampled_from(MPP_SPP)) | draw(st.sampled_from([0, SUM, MXR, SUM | MXR, MPRV, SIE | MIE]))
    start = RAM_BASE + copies[0] * PAGE + offset
    slots = [1 + draw(st.integers(0, 5)) for _copy in copies]
    if paged and mode < 3 and draw(st.integers(0, 3)):
        start = slots[0] * PAGE + offset
    user = draw(st.sampled_from([0x10 * (mode == 0)] * 3 + [0x10]))
    csrs = {
        "mtvec": HANDLER, "stvec": S_HANDLER, "mepc": start, "sepc": start, "mstatus": status,
        "medeleg": draw(st.sampled_from([0, 0xFFFF, 0xB1FF])), "mideleg": draw(st.sampled_from([0, 0x222])),
        "mie": draw(st.sampled_from([0, 0, 0x2, 0x222])), "mip": draw(st.sampled_from([0, 0x2, 0x20, 0x200, 0x222])),
        "mcounteren": draw(st.sampled_from([0, 7])), "satp": make_satp(ROOT) if paged else 0,
        "pmpaddr9": ONES,
    }  # fmt: skip
    regions = draw(st.none() | st.tuples(*[st.integers(0, 64)] * 3))
    config = 0x1F << 8
    if regions is not None:  # edges on pages and inside them
        for entry, edge in enumerate(sorted(regions)):
            csrs[f"pmpaddr{REGION + entry}"] = RAM_BASE + edge * PAGE // 2 >> 2
        rights = draw(st.integers(0, 7))
        csrs["pmpcfg0"] = (
            CLOSED_CONFIG | (8 | rights & 5) << 32 | (8 | draw(st.sampled_from([7, 3, 1]))) << 40
        )
    csrs["pmpcfg2"] = draw(st.sampled_from([config] * 5 + [0x1B << 8, 0]))

    def build(engine: str) -> Machine:
        extensions = "C" * compressed
        built = Machine(
            Program(((RAM_BASE, b"\0"),), RAM_BASE), memory=RAM_SIZE, extensions=extensions, engine=engine
        )
        memory = built.memory
        memory.poke(RAM_BASE, bytes(range(256)) * (6 * 16))
        for copy, slot in zip(copies, slots, strict=True):
            place = copy * PAGE + offset
            memory.poke(RAM_BASE + place, code[: 6 * PAGE - place])
            entries[LOW + 8 * slot] = RAM_BASE + copy * PAGE >> 2 | (
                entries[LOW + 8 * slot] & 0x3EF | 9 | user
            )
        for at, entry in entries.items():
            memory.poke(at, entry.to_bytes(8, "little"))
        memory.poke(HANDLER, SKIP["m"])
        memory.poke(S_HANDLER, SKIP["s"])
        hart = built.hart
        for name, value in (CLOSED | {"pmpcfg0": CLOSED_CONFIG} | csrs).items():
            hart.csr.write(CSRS[name], value)
        hart.mode, hart.pc = type(hart.mode)(mode), start & ONES - (1 if compressed else 3)
        hart.x[1:32] = registers
        hart.mmu.flush("test")
        hart.mmu.select()
        return built

    return compressed, build


class Plan:
    """How far a machine may be compared, found by going ahead one instruction at a time."""

    def __init__(self, machine: Machine, most: int):
        self.interrupts: list[int] = []  # how many were taken before each attempt
        self.flushes: set[int] = set()  # after these attempts all have to forget their translations
        self.answers: dict[int, dict[str, int]] = {}  # after each attempt, those that QEMU is given
        for attempt in range(most):
            ready = list(_interrupts(machine))
            step, stale = self._step(machine, ready)
            if any(left.when(step) for left in LEFT_OUT):
                break
            self.interrupts.append(len(ready))
            others = {step.told(told.what) for told in TOLD if told.when(step)}
            self.answers[attempt + 1] = {name: machine.hart.csr[name] for name in others}
            if stale:
                machine.hart.mmu.flush("test")
                self.flushes.add(attempt + 1)

    def _step(self, machine: Machine, ready: list[int]) -> tuple[Step, bool]:
        hart = machine.hart
        before = hart.csr.values["satp"], [machine.memory.peek(table, PAGE) for table in TABLES]
        instruction, status, untold = hart.instruction_at(hart.pc), hart.csr.values["mstatus"], hart.unretired
        values = {} if instruction is None else instruction.values
        operand = values["zimm"] if "zimm" in values else hart.x[values.get("rs1", 0)]
        marks = all(hart.csr.pmp.allowed(table, PAGE, Mode.S) & W for table in TABLES)
        machine.run(1)
        trapped = hart.unretired != untold
        after = hart.csr.values["satp"], [machine.memory.peek(table, PAGE) for table in TABLES]
        stale = any(map(_stale, before[1], after[1]))
        step = Step(machine, instruction, operand, status, trapped, ready, marks, stale)
        return step, stale or before[0] != after[0]

    def __len__(self) -> int:
        return len(self.interrupts)


def _interrupts(machine: Machine) -> Iterator[int]:
    """Take what interrupts are due. Of each, all that might have been taken in its place."""
    hart = machine.hart
    while (cause := hart.interrupt()) is not None:
        delegated = hart.csr["mideleg"]
        group = delegated if delegated >> (cause & 63) & 1 else ~delegated
        yield hart.csr.pending() & hart.csr["mie"] & group
        hart.trap(cause)


def _stale(before: bytes, after: bytes) -> bool:
    """Whether a table has changed so that what was remembered of it may be wrong."""
    if before == after:
        return False
    old, new = (int.from_bytes(table, "little") for table in (before, after))
    marks = int.from_bytes(MARKS.to_bytes(8, "little") * 512, "little")
    return bool((old ^ new) & ~marks or old & ~new)


def compare(qemu: Qemu, build: Callable[[str], Machine], stops: list[int]) -> Plan:
    """Both engines and QEMU have the same state at each of these stops."""
    first = build("interpreter")
    qemu.become(first)
    assert qemu.state() == state(first)
    plan = Plan(first, max(stops))
    ours = [build(engine) for engine in ENGINES]
    at = 0
    told = [attempt for attempt, answers in plan.answers.items() if answers]
    for stop in sorted({*(stop for stop in stops if stop < len(plan)), *plan.flushes, *told, len(plan)}):
        for machine in ours:
            machine.run(stop - at)
        qemu.step(stop - at + sum(plan.interrupts[at:stop]))
        at = stop
        qemu.set(plan.answers.get(at, {}))
        theirs, memory = qemu.state(), qemu.ram[:]
        for engine, machine in zip(ENGINES, ours, strict=True):
            assert state(machine) == theirs, (engine, at)
            assert machine.memory.peek(RAM_BASE, RAM_SIZE) == memory, (engine, at)
        if at in plan.flushes:
            qemu.flush()
            for machine in ours:
                machine.hart.mmu.flush("test")
    return plan


@given(machines(), st.lists(st.integers(1, 100), min_size=1, max_size=3))
def test_a_program_in_any_state_stopped_anywhere(qemus, found, stops):
    compressed, build = found
    compare(qemus[compressed], build, stops)


@pytest.mark.slow
@settings(max_examples=5000)
@given(machines(), st.lists(st.integers(1, 200), min_size=1, max_size=3))
def test_thousands_of_them(qemus, found, stops):
    compressed, build = found
    compare(qemus[compressed], build, stops)
