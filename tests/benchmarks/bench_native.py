"""The native engine, the interpreter, and the peers whose trade is speed: QEMU and Unicorn. One run, in turns."""

import os
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

from tests.benchmarks import naive
from tests.benchmarks.bench_interpreter import source
from tests.benchmarks.measuring import Spread, geometric_mean, in_turns, spread, table
from vlab.machine import Machine
from vlab.riscv import Program, assemble

RAM = 8 << 20
BUFFER, STACK = RAM // 2, RAM - 4096  # from the start of memory; behind the stack, what powers off
# Laps for the native engine, so that each loop takes it some tenths of a second; the interpreter does a part.
LOOPS = {
    "sieve": 20_000, "hash": 100_000, "matrices": 6_000, "pointers": 30_000, "bytecode": 40_000, "paged": 12_000,
    "system": 1_000_000,
}  # fmt: skip
PRIVILEGED = ("paged", "system")  # what Unicorn can't run: it delivers no trap to a guest
PART = 50  # how much less the interpreter does
AIMS = {"hash": 0.2, "paged": 0.9, "system": 4.0}
AIM = 0.3
ICOUNT = ("-icount", "shift=0")

_LEAST = 0.001  # seconds of a run less those of starting up: a shorter one drowns in these

_BOOT = """
    la   t0, finish
    csrw mtvec, t0
    li   sp, {stack}
    li   a0, {buffer}
    li   a1, {laps}
    j    _start
    .balign 4
finish:
    andi a0, a0, 127
    slli a0, a0, 16
    li   t0, 0x3333
    or   a0, a0, t0
    li   t0, 0x100000
    sw   a0, 0(t0)
1:  j    1b
"""


class OnVlab:
    """A whole machine on one engine, with a program."""

    def __init__(self, program: Program, engine: str):
        self._machine = Machine(program, memory=RAM, engine=engine)
        self._fresh = self._machine.snapshot()

    def run(self, laps: int) -> tuple[float, int, int]:
        """The processor's seconds; the instructions; the low bits of the answer."""
        machine = self._machine
        machine.restore(self._fresh)
        hart = machine.hart
        hart.x[2], hart.x[10], hart.x[11] = naive.BASE + STACK, naive.BASE + BUFFER, laps
        # Nobody waits for something: so nobody is asked after each trap.
        hart.csr.values["mtvec"] = naive.BASE + STACK
        machine.memory.poke(naive.BASE + STACK, _OFF)
        start = process_time()
        machine.run()
        return process_time() - start, machine.steps, hart.x[10] & 127


_OFF = assemble("li t0, 0x100000\n li t1, 0x5555\n sw t1, 0(t0)\n j .").segments[0][1]


def booting(text: str, laps: int) -> bytes:
    """The same program with what comes before and after it, as an image for QEMU."""
    boot = _BOOT.format(stack=naive.BASE + STACK, buffer=naive.BASE + BUFFER, laps=laps)
    ((_at, image),) = assemble(boot + text).segments
    return image


def on_qemu(image: bytes, *options: str) -> tuple[float, int]:
    """QEMU's seconds for an image, its start-up included, and the low bits of the answer."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image"
        path.write_bytes(image)
        cpu = "rv64,c=false,f=false,d=false"
        command = ["qemu-system-riscv64", "-machine", "virt", "-m", "64M", "-cpu", cpu, "-nographic"]
        started = subprocess.Popen(
            [*command, *options, "-bios", str(path)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        _pid, status, used = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime, started.returncode


def on_unicorn(program: Program, laps: int) -> tuple[float, int]:
    """Unicorn's seconds, and the low bits of the answer."""
    import unicorn
    from unicorn import riscv_const as reg

    kind: Any = unicorn.Uc  # type: ignore[attr-defined]  # its module exports nothing by name
    machine = kind(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV64)
    machine.mem_map(naive.BASE, RAM)
    for address, content in program.segments:
        machine.mem_write(address, content)
    for register, value in (
        (reg.UC_RISCV_REG_SP, naive.BASE + STACK), (reg.UC_RISCV_REG_A0, naive.BASE + BUFFER),
        (reg.UC_RISCV_REG_A1, laps),
    ):  # fmt: skip
        machine.reg_write(register, value)
    machine.hook_add(unicorn.UC_HOOK_INTR, lambda uc, number, data: uc.emu_stop())
    start = process_time()
    machine.emu_start(program.entry, 0)
    return process_time() - start, machine.reg_read(reg.UC_RISCV_REG_A0) & 127


def report(*, repetitions: int = 3, quick: bool = False) -> str:
    """Million instructions a second, and the native engine's speed over each peer's."""
    rows, ratios = [], []
    for loop, laps in LOOPS.items():
        row, over_qemu = _measured(loop, laps // (10 if quick else 1), repetitions)
        rows.append(row)
        ratios.append(over_qemu)
    means = [geometric_mean([ratio[i].median for ratio in ratios]) for i in range(3)]
    rows.append(["geometric mean", "", "", *(f"{mean:.2f}" for mean in means), ""])
    aims = ", ".join(f"{loop} {aim}" for loop, aim in AIMS.items())
    return table(
        "The native engine: million instructions a second, and its speed over others'",
        [
            "loop",
            "instructions",
            "native",
            "over QEMU",
            "over QEMU -icount",
            "over the interpreter",
            "over Unicorn",
        ],
        rows,
        [
            f"Medians of {repetitions} runs in turns; in brackets the lowest and the highest. Processor's seconds.",
            "Of QEMU, its start-up is taken off: what one lap takes.",
            f"The aim: {AIM} × QEMU ({aims}); in the mean 1 × QEMU -icount.",
        ],
    )


def _measured(loop: str, laps: int, repetitions: int) -> tuple[list[object], list[Spread]]:
    text = source(loop)
    program, image, starting = assemble(text), booting(text, laps), booting(text, 1)
    native, slow = OnVlab(program, "native"), OnVlab(program, "interpreter")
    few = max(laps // PART, 1)
    runs: list[Callable[[], tuple[Any, ...]]] = [
        partial(native.run, laps),
        partial(on_qemu, image), partial(on_qemu, starting), partial(on_qemu, image, *ICOUNT),
        partial(slow.run, few), partial(native.run, few),
    ]  # fmt: skip
    if loop not in PRIVILEGED:
        runs.append(partial(on_unicorn, program, laps))
    turns = in_turns(runs, repetitions)
    for turn in turns:
        answers = {turn[0][2], *(answer for _seconds, answer in (turn[1], turn[3], *turn[6:]))}
        if len(answers) != 1 or turn[4][1:] != turn[5][1:]:
            raise ValueError(f"{loop}: the peers do not agree: {turn}")
    count = turns[0][0][1]
    speed = spread(count / turn[0][0] / 1e6 for turn in turns)
    over = [
        spread(max(turn[1][0] - turn[2][0], _LEAST) / turn[0][0] for turn in turns),
        spread(max(turn[3][0] - turn[2][0], _LEAST) / turn[0][0] for turn in turns),
        spread((turn[4][0] / turn[4][1]) / (turn[0][0] / count) for turn in turns),
    ]
    unicorn = spread(turn[6][0] / turn[0][0] for turn in turns) if loop not in PRIVILEGED else "–"
    return [loop, f"{count:,}", f"{speed.median:.0f}", *map(_two, over), _two(unicorn)], over


def _two(ratio: Spread | str) -> str:
    """A ratio with two digits: many are below 1."""
    if isinstance(ratio, str):
        return ratio
    return f"{ratio.median:.2f} ({ratio.lowest:.2f}–{ratio.highest:.2f})"
