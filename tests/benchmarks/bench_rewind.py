"""A step back after runs of several lengths: checkpoints dense near the present, beside ones evenly spaced.

And after a guest ran in a virtual machine, where the work is the hypervisor's.
"""

from functools import partial
from statistics import median
from typing import NamedTuple

from tests.benchmarks.bench_interpreter import source
from tests.benchmarks.measuring import seconds, table, this_engine, this_python
from vlab import guests
from vlab.hypervisor import Hypervisor
from vlab.machine import Machine
from vlab.machine.history import History, checkpoint_of
from vlab.machine.memory import RAM_BASE
from vlab.riscv import assemble

AIM = 10  # ms
TECHNIQUES = ("trap-and-emulate", "hardware-assisted")
_A0, _A1 = 10, 11


class Even(History):
    """Checkpoints as far apart everywhere: when there are many, every other one is dropped."""

    most = 32

    def note(self) -> int:
        """Keep a checkpoint if one is due. How much work may be done until the next one is."""
        if self.work >= self.due:
            self.checkpoints[self.machine.steps] = checkpoint_of(self.machine, self.seen)
            while len(self.checkpoints) > self.most:
                self.checkpoints = {at: self.checkpoints[at] for at in sorted(self.checkpoints)[::2]}
                self.spacing *= 2
            self.due = self.work + self.spacing
        return self.due - self.work


class Measured(NamedTuple):
    """Of one history: a run's seconds, and the median milliseconds of a step back and of a jump into the past."""

    run: float
    back: float
    jump: float
    checkpoints: int


def measure(kind: type[History], instructions: int, steps: int, engine: str | None = None) -> Measured:
    """Run so far, go so many single steps back, then jump to places all over the past, a step back at each."""
    machine = Machine(assemble(source("sieve")), memory="1M", engine=engine)
    machine.history = kind(machine)
    machine.hart.x[_A0], machine.hart.x[_A1] = RAM_BASE + (1 << 19), instructions
    return _measured(machine, instructions, steps)


def measure_vm(technique: str, instructions: int, steps: int, engine: str | None = None) -> Measured:
    """The same of a small kernel in a virtual machine, whose alarm goes off all the time."""
    machine = Machine(memory="4M", extensions="H", engine=engine)
    kernel = guests.load("kernel", TICK=300, WORK=1_000_000, LETTERS=26)
    Hypervisor(machine).create_vm(kernel, memory="1M", technique=technique)
    return _measured(machine, instructions, steps)


def _measured(machine: Machine, instructions: int, steps: int) -> Measured:
    run = seconds(partial(machine.run, instructions))
    count = len(machine.history.checkpoints)
    backs = [seconds(machine.back) for _step in range(steps)]
    if machine.steps != instructions - steps:
        raise ValueError(f"{steps} steps back from {instructions} led to {machine.steps}")
    jumps = []
    for step in range(steps):
        machine.goto(1 + (instructions - 2) * (7 * step % steps) // steps)
        jumps.append(seconds(machine.back))
    return Measured(run, 1000 * median(backs), 1000 * median(jumps), count)


def report(*, quick: bool = False) -> str:
    """The table: a row for each length and each way to keep checkpoints."""
    lengths, steps = ((50_000, 100_000), 5) if quick else ((1_000_000, 10_000_000, 50_000_000), 15)
    rows = []
    for instructions in lengths:
        for name, kind in (("dense near the present", History), ("as far apart everywhere", Even)):
            found = measure(kind, instructions, steps)
            told = f"{found.back:.2f} ms", f"{found.jump:.2f} ms", f"{found.run:.1f} s"
            rows.append((f"{instructions:,} instructions, {name}", *told, found.checkpoints))
    for technique in TECHNIQUES:
        found = measure_vm(technique, lengths[-1] // 10, steps)
        told = f"{found.back:.2f} ms", f"{found.jump:.2f} ms", f"{found.run:.1f} s"
        rows.append((f"{lengths[-1] // 10:,} instructions of a VM, {technique}", *told, found.checkpoints))
    what = "the median of a step back at the end, and of one after a jump into the past"
    return table(
        f"Rewinding: {what} ({this_python()}, {this_engine()})",
        ["checkpoints", "a step back", "after a jump", "the run", "how many"],
        rows,
        [f"The aim: {AIM} ms after 50 million instructions on the native engine."],
    )
