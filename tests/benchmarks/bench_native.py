"""Both engines and everybody else, on seven loops: QEMU, with exact counts too, Unicorn, and riscemu.

One run, in turns, the aims beside what was reached. The same peers run a program that they never saw in `bench_cold`,
and others' software boots in `bench_boots`.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple

from tests.benchmarks import naive
from tests.benchmarks.bench_interpreter import source
from tests.benchmarks.measuring import Spread, geometric_mean, in_turns, spread, table
from tests.benchmarks.peers import Riscemu
from vlab.machine import Machine
from vlab.riscv import Program, assemble

RAM = 8 << 20
# From the start of memory; behind the stack, what powers off. The buffer begins shortly behind the program, as where a
# linker puts it: 4 MiB on, its second page would fight with the program's for one place in the TLB.
BUFFER, STACK = 1 << 20, RAM - 4096
# Laps for the native engine, so that each loop takes it some tenths of a second; the interpreter does a part.
LOOPS = {
    "sieve": 20_000, "hash": 100_000, "matrices": 6_000, "pointers": 30_000, "bytecode": 40_000, "paged": 12_000,
    "system": 1_000_000,
}  # fmt: skip
PRIVILEGED = ("paged", "system")  # what Unicorn can't run: it delivers no trap to a guest
# And riscemu, which has no privileges at all, and whose assembler knows no labels in data.
NOT_RISCEMU = (*PRIVILEGED, "bytecode")
PART = 50  # how much less the interpreter does
SMALL = 3_000  # and riscemu, and the interpreter beside it
AIMS = {"hash": 0.2, "paged": 0.9, "system": 4.0}
AIM = 0.3
MEANT = {"QEMU -icount": 1}  # in the mean
MEANT_SLOW = 10  # times riscemu's speed, in the mean, for the interpreter
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


class Measured(NamedTuple):
    """One loop: the native engine's instructions, how many millions a second, and its speed over each peer's.

    And the interpreter's over riscemu's. Left out, or None, where a peer can't run it.
    """

    loop: str
    instructions: int
    speed: Spread
    over: dict[str, Spread]
    slow: Spread | None


PEERS = ("QEMU", "QEMU -icount", "the interpreter", "Unicorn", "riscemu")


def report(*, repetitions: int = 3, quick: bool = False, peers: Sequence[str] = PEERS) -> str:
    """Million instructions a second, and the native engine's speed over each peer's."""
    part = 10 if quick else 1
    found = [measure(loop, laps // part, repetitions, peers) for loop, laps in LOOPS.items()]
    rows = [
        [one.loop, f"{one.instructions:,}", f"{one.speed.median:.0f}", AIMS.get(one.loop, AIM),
         *(_two(one.over.get(peer)) for peer in peers), _two(one.slow)]
        for one in found
    ]  # fmt: skip
    means = [_mean([one.over.get(peer) for one in found]) for peer in peers]
    rows.append(["geometric mean", "", "", "", *means, _mean([one.slow for one in found])])
    rows.append(["its aim", "", "", "", *(MEANT.get(peer, "") for peer in peers), MEANT_SLOW])
    head = ["loop", "instructions", "million/s", "aim", *(f"over {peer}" for peer in peers)]
    return table(
        "Seven loops: the native engine's speed over others', and the interpreter's over riscemu's",
        [*head, "interpreter over riscemu"],
        rows,
        [
            f"Medians of {repetitions} runs in turns; in brackets the lowest and the highest. Processor's seconds.",
            "Of QEMU, its start-up is taken off: what one lap takes. riscemu runs few laps.",
            "A loop's aim is a multiple of QEMU's speed.",
        ],
    )


def measure(loop: str, laps: int, repetitions: int, peers: Sequence[str] = PEERS) -> Measured:
    """One loop, everybody in turns. ValueError where they do not agree on the answer."""
    text = source(loop)
    program, image, starting = assemble(text), booting(text, laps), booting(text, 1)
    native, slow = OnVlab(program, "native"), OnVlab(program, "interpreter")
    few, fewest = max(laps // PART, 1), max(laps // SMALL, 1)
    runs: dict[str, Callable[[], tuple[Any, ...]]] = {
        "native": partial(native.run, laps),
        "QEMU": partial(on_qemu, image), "start": partial(on_qemu, starting),
        "QEMU -icount": partial(on_qemu, image, *ICOUNT),
        "the interpreter": partial(slow.run, few), "native, few": partial(native.run, few),
    }  # fmt: skip
    if loop not in PRIVILEGED and "Unicorn" in peers:
        runs["Unicorn"] = partial(on_unicorn, program, laps)
    if loop not in NOT_RISCEMU and "riscemu" in peers:
        runs["riscemu"] = partial(on_riscemu, Riscemu(text), fewest)
        runs["the interpreter, fewest"] = partial(slow.run, fewest)
    turns = [dict(zip(runs, turn, strict=True)) for turn in in_turns(list(runs.values()), repetitions)]
    for turn in turns:
        _expect_agreement(loop, turn)
    count = turns[0]["native"][1]
    pace = [turn["native"][0] / count for turn in turns]
    over: dict[str, Spread] = {}
    for peer in PEERS[:2]:
        over[peer] = spread(max(t[peer][0] - t["start"][0], _LEAST) / t["native"][0] for t in turns)
    for peer in set(PEERS[2:]) & set(runs):
        done = count if peer == "Unicorn" else turns[0][peer][1]
        over[peer] = spread(turn[peer][0] / done / own for turn, own in zip(turns, pace, strict=True))
    beside = None
    if "riscemu" in runs:
        beside = spread(t["riscemu"][0] / t["the interpreter, fewest"][0] for t in turns)
    return Measured(loop, count, spread(1 / own / 1e6 for own in pace), over, beside)


def _expect_agreement(loop: str, turn: Mapping[str, tuple[Any, ...]]) -> None:
    """Who did as many laps, has the same answer; vlab's engines have as many instructions too."""
    alike = [{turn[name][-1] for name in ("native", "QEMU", "QEMU -icount", "Unicorn") if name in turn}]
    alike.append({turn[name][1:] for name in ("the interpreter", "native, few")})
    alike.append({turn[name][-1] for name in ("riscemu", "the interpreter, fewest") if name in turn})
    if any(len(answers) > 1 for answers in alike):
        raise ValueError(f"{loop}: the peers do not agree: {turn}")


def on_riscemu(peer: Riscemu, laps: int) -> tuple[float, int, int]:
    """riscemu's seconds, its instructions, and the low bits of the answer."""
    lap = peer.run(laps)
    return lap.seconds, lap.instructions, lap.result & 127


def _mean(ratios: Sequence[Spread | None]) -> str:
    known = [ratio.median for ratio in ratios if ratio is not None]
    return f"{geometric_mean(known):.2f}" if known else "–"


def _two(ratio: Spread | None) -> str:
    """A ratio with two digits: many are below 1."""
    return "–" if ratio is None else f"{ratio.median:.2f} ({ratio.lowest:.2f}–{ratio.highest:.2f})"
