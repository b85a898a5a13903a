"""Snapshots against a plain copy of as much memory, on disk against numpy, and a step back against all of it again."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.bench_interpreter import source
from tests.benchmarks.measuring import Spread, in_turns, seconds, spread, table, this_python
from vlab.hypervisor import Hypervisor
from vlab.machine import Computer, Machine
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.operations import Snapshots
from vlab.riscv import assemble

_FEW = 16  # pages
_A0, _A1 = 10, 11


def _write(computer: Computer, pages: int) -> None:
    for page in range(pages):
        computer.memory.store(RAM_BASE + page * PAGE, 8, computer.memory.load(RAM_BASE + page * PAGE, 8) + 1)


def _snapshot(computer: Computer, pages: int) -> float:
    """A snapshot after `pages` pages were written."""
    _write(computer, pages)
    return seconds(computer.snapshot)


def _restore(computer: Computer, pages: int) -> float:
    """A restore that changes `pages` pages back."""
    before = computer.snapshot()
    _write(computer, pages)
    return seconds(partial(computer.restore, before))


def measure_snapshots(*, megabytes: int = 16, repetitions: int = 5) -> dict[str, Spread]:
    """What each act costs, in plain copies of the whole memory."""
    size = megabytes << 20
    machine = Machine(memory=size)
    vm = Hypervisor(Machine(memory=size + (2 << 20))).create_vm(memory=size)
    every, plain, copied = size // PAGE, bytearray(size), bytearray(size)
    for computer in (machine, vm):
        _write(computer, every)
    acts: dict[str, Callable[[], float]] = {
        "snapshot, every page written": partial(_snapshot, machine, every),
        f"snapshot, {_FEW} pages written": partial(_snapshot, machine, _FEW),
        "restore, every page different": partial(_restore, machine, every),
        f"restore, {_FEW} pages different": partial(_restore, machine, _FEW),
        "snapshot of a VM": partial(_snapshot, vm, _FEW),
        f"restore of a VM, {_FEW} pages different": partial(_restore, vm, _FEW),
    }
    copy: Callable[[], float] = partial(seconds, partial(copied.__setitem__, slice(None), plain))
    turns = in_turns([copy, *acts.values()], repetitions)
    return {name: spread(turn[i] / turn[0] for turn in turns) for i, name in enumerate(acts, 1)}


def measure_step_back(*, instructions: int = 1_000_000, repetitions: int = 5) -> Spread:
    """Running so many instructions, over going one step back after them."""

    def once() -> float:
        machine = Machine(assemble(source("sieve")), memory="1M", engine="interpreter")
        machine.hart.x[_A0], machine.hart.x[_A1] = RAM_BASE + (1 << 19), instructions
        forth = seconds(partial(machine.run, instructions))
        back = seconds(machine.back)
        if machine.steps != instructions - 1:
            raise ValueError(f"a step back from {instructions} led to {machine.steps}")
        return forth / back

    return spread(back for (back,) in in_turns([once], repetitions))


def measure_files(*, megabytes: int = 16, repetitions: int = 5) -> dict[str, Spread]:
    """What a snapshot costs on disk, over `numpy.save` and `numpy.load` of as much memory."""
    import numpy as np

    size = megabytes << 20
    machine, other = Machine(memory=size), Machine(memory=size)
    random = np.random.default_rng(0).integers(0, 256, size, np.uint8)  # no two pages are alike
    machine.memory.poke(RAM_BASE, random.tobytes())
    tree = Snapshots(machine)
    tree.take("one")
    with TemporaryDirectory() as name:
        ours, theirs = Path(name) / "tree", Path(name) / "array.npy"

        def opened() -> None:
            Snapshots.open(ours, other).restore("one")

        acts = [lambda: tree.save(ours), lambda: np.save(theirs, random), opened, lambda: np.load(theirs)]
        turns = in_turns([partial(seconds, act) for act in acts], repetitions)
    return {
        "save": spread(turn[0] / turn[1] for turn in turns),
        "open and restore": spread(turn[2] / turn[3] for turn in turns),
    }


def report(*, quick: bool = False) -> str:
    """Both tables."""
    megabytes, instructions, repetitions = (1, 50_000, 3) if quick else (16, 1_000_000, 5)
    costs = measure_snapshots(megabytes=megabytes, repetitions=repetitions)
    back = measure_step_back(instructions=instructions, repetitions=repetitions)
    files = measure_files(megabytes=megabytes, repetitions=repetitions)
    memory = table(
        f"Snapshots: the cost of each in plain copies of the whole memory, {megabytes} MiB ({this_python()})",
        ["what", "copies"],
        costs.items(),
        [f"One step back after {instructions:,} instructions is {back} times as fast as to run them all."],
    )
    disk = table(
        f"Snapshots on disk: the cost of each over numpy's of an array as large, {megabytes} MiB",
        ["what", "times numpy"],
        files.items(),
        ["Ours is checked byte by byte with SHA-256, on the disk before it has its name, and restored."],
    )
    return f"{memory}\n\n{disk}"
