"""Lock-step with QEMU: any program in any state, stopped anywhere: registers, CSRs and all memory are the same."""

from collections.abc import Iterator
from random import Random

import pytest

from tests.machine.execute import stepped
from tests.machine.execute.mask import LEFT_OUT, TOLD, Step
from tests.machine.execute.states import RAM_SIZE, TABLES, Build, random_machine
from tests.machine.execute.stepped import Qemu, state
from vlab.machine import Machine
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.machine.pmp import W
from vlab.riscv import Mode

pytestmark = [
    pytest.mark.requires("qemu"),
    # Others have other faults, and other extensions to be turned off.
    pytest.mark.xfail(stepped.version() not in ("", "7.2"), reason="the mask is QEMU 7.2's", strict=False),
]

ENGINES = ("native", "interpreter")
ENOUGH = 6  # traps: a program that has lost its way tells no more
MARKS = 0xC0  # A and D of an entry


@pytest.fixture(scope="module")
def qemus() -> Iterator[dict[str, Qemu]]:
    with Qemu("", RAM_SIZE) as plain, Qemu("C", RAM_SIZE) as compressed:
        yield {"": plain, "C": compressed}


class Plan:
    """How far a machine may be compared, found by going ahead one instruction at a time."""

    def __init__(self, machine: Machine, most: int):
        self.interrupts: list[int] = []  # how many were taken before each attempt
        self.flushes: set[int] = set()  # after these attempts all have to forget their translations
        self.answers: dict[int, dict[str, int]] = {}  # after each attempt, those that QEMU is given
        self.traps = 0
        for attempt in range(most):
            ready = list(_interrupts(machine))
            step, stale = self._step(machine, ready)
            self.traps += step.trapped
            if self.traps > ENOUGH or any(left.when(step) for left in LEFT_OUT):
                break
            self.interrupts.append(len(ready))
            others = {step.told(told.what) for told in TOLD if told.when(step)}
            self.answers[attempt + 1] = {name: machine.hart.csr[name] for name in others}
            if stale:
                machine.hart.mmu.flush("test")
                self.flushes.add(attempt + 1)

    def _step(self, machine: Machine, ready: list[int]) -> tuple[Step, bool]:
        hart = machine.hart
        old = dict(hart.csr.values)
        before = [machine.memory.peek(table, PAGE) for table in TABLES]
        instruction, mode, untold = hart.instruction_at(hart.pc), hart.mode, hart.unretired
        held = machine.reservation
        values = {} if instruction is None else instruction.values
        rs1 = hart.x[values.get("rs1", 0)]
        marks = all(hart.csr.pmp.allowed(table, PAGE, Mode.S) & W for table in TABLES)
        machine.run(1)
        after = [machine.memory.peek(table, PAGE) for table in TABLES]
        stale = any(map(_stale, before, after))
        step = Step(
            machine,
            instruction,
            operand=values.get("zimm", rs1),
            mode=mode,
            status=old["mstatus"],
            trapped=hart.unretired != untold,
            reserved=held[1] if held else 0,
            ready=ready,
            marks=marks,
            marked=before != after,
            stale=stale,
        )
        return step, stale or old["satp"] != hart.csr.values["satp"]

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


def compare(qemu: Qemu, build: Build, stops: list[int]) -> Plan:
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


def compared(qemus: dict[str, Qemu], seeds: range) -> int:
    """How many steps of the machines of these seeds are alike."""
    steps = 0
    for seed in seeds:
        luck = Random(seed)
        extensions = luck.choice(["", "C"])
        stops = [luck.randrange(1, 300) for _stop in range(2)]
        try:
            steps += len(compare(qemus[extensions], random_machine(seed, extensions), stops))
        except AssertionError as error:
            error.add_note(f"in the machine of the seed {seed}")
            raise
    return steps


def test_programs_in_any_state_stopped_anywhere(qemus):
    assert compared(qemus, range(400)) > 400 * 15


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_thousands_of_them(qemus):
    assert compared(qemus, range(1000, 21_000)) > 20_000 * 15
