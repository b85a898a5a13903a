"""Others' software boots, everything included: the process starts, vlab is imported, the engine comes from its cache.

Beside it QEMU boots the same images; Unicorn and riscemu can't: they have no devices, and no privileged modes. OpenSBI
and U-Boot to the prompt, a command typed and answered; and OpenSBI and Linux to its only program, and off. Then, of
Linux under trap and emulate, what each cause of exits costs.
"""

import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

from tests.benchmarks.bench_switches import foreign_call
from tests.benchmarks.measuring import Spread, in_turns, spread, table, this_engine, this_python
from vlab.course.doctor import TOOLS
from vlab.files import checkout
from vlab.guests import linux
from vlab.hypervisor import Hypervisor
from vlab.machine import Machine, Sbi

WAYS: Mapping[str, tuple[str, ...]] = {
    "bare": (),
    "trap-and-emulate": ("--technique", "trap-and-emulate"),
    "hardware-assisted": ("--technique", "hardware-assisted"),
    "binary-translation": ("--technique", "binary-translation"),
    "two deep": ("--depth", "2"),
    "the interpreter, bare": ("--engine", "interpreter"),
}
QEMU = {"QEMU": (), "QEMU -icount": ("-icount", "shift=0")}
AIMS = {"bare": ("QEMU -icount", 2), "trap-and-emulate": ("QEMU", 10), "hardware-assisted": ("QEMU", 3)}
MEMORY = 64 << 20
_OPENSBI = TOOLS["opensbi"].commands[0]
_TTY = "console=ttyS0"
# On vlab all of it is there from the beginning; QEMU's serial port loses what comes before the driver does.
_TYPED, _ANSWER = "\n\nversion\n", "GNU ld (GNU Binutils"
_WHEN_ASKED = ((b"autoboot", b"\n"), (b"=> ", b"version\n"))


class Boot(NamedTuple):
    """What is booted: its image, what is typed to it, and what it says at the end, before which it isn't over."""

    image: Path
    typed: str
    says: str
    stays: bool  # it doesn't switch itself off


class Taken(NamedTuple):
    """Seconds of one boot: those of the clock on the wall, and the processor's."""

    wall: float
    processor: float


def uboot() -> Boot:
    """U-Boot to the prompt."""
    return Boot(Path(TOOLS["u-boot"].commands[0]), _TYPED, _ANSWER, True)


def tiny_linux() -> Boot:
    """Linux to its power off; built, if it isn't yet."""
    return Boot(linux.image(), "", "init: the child exited with 7", False)


def on_vlab(boot: Boot, way: str) -> Taken:
    """A process of `vlab run`."""
    command = [sys.executable, "-m", "vlab", "run", "--bios", _OPENSBI, str(boot.image), "--append", _TTY]
    typed = ["--input", boot.typed.replace("\n", r"\n"), "--expect", boot.says] if boot.stays else []
    return _taken([*command, *typed, *WAYS[way]], boot)


def on_qemu(boot: Boot, *options: str) -> Taken:
    """A process of QEMU's."""
    command = ["qemu-system-riscv64", "-machine", "virt", "-m", "64M", "-nographic", "-bios", _OPENSBI]
    return _taken([*command, *options, "-kernel", str(boot.image), "-append", _TTY], boot, _WHEN_ASKED)


def _taken(command: Sequence[str], boot: Boot, typed: Sequence[tuple[bytes, bytes]] = ()) -> Taken:
    """Run until it has ended, or said what it is to say. ValueError if it ends without.

    `typed` is what is typed next, each as soon as it has said something.
    """
    start, left = perf_counter(), list(typed)
    with subprocess.Popen(
        command,
        cwd=checkout(),
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as running:
        assert running.stdin is not None and running.stdout is not None
        heard = b""
        while said := os.read(running.stdout.fileno(), 1 << 16):
            heard += said
            while left and left[0][0] in heard:
                os.write(running.stdin.fileno(), left.pop(0)[1])
            if boot.stays and boot.says.encode() in heard:
                running.kill()
        _pid, status, used = os.wait4(running.pid, 0)
        wall = perf_counter() - start
        running.returncode = os.waitstatus_to_exitcode(status)
    if boot.says.encode() not in heard:
        raise ValueError(f"{' '.join(command)} did not say {boot.says!r}: {heard[-300:]!r}")
    return Taken(wall, used.ru_utime + used.ru_stime)


def measure(boot: Boot, ways: Sequence[str], repetitions: int) -> dict[str, list[Taken]]:
    """QEMU's ways and vlab's, in turns; vlab's once before, so that byte code and the engine are in their caches."""
    for way in ways:
        on_vlab(boot, way)
    acts = {name: partial(on_qemu, boot, *options) for name, options in QEMU.items()}
    acts |= {way: partial(on_vlab, boot, way) for way in ways}
    rounds = in_turns(list(acts.values()), repetitions)
    return {name: [turn[place] for turn in rounds] for place, name in enumerate(acts)}


def over(measured: Mapping[str, Sequence[Taken]], way: str, peer: str, *, wall: bool = True) -> Spread:
    """How many times as long a way took as a peer, turn by turn."""
    pairs = zip(measured[way], measured[peer], strict=True)
    return spread(
        here.wall / there.wall if wall else here.processor / there.processor for here, there in pairs
    )


class _Timed(Hypervisor):
    """A hypervisor that notes how long it is at work for each exit, by its cause."""

    def __init__(self, computer: Machine):
        super().__init__(computer)
        self.costs: dict[str, list[float]] = defaultdict(list)

    def handle(self) -> None:
        """See `Hypervisor.handle`."""
        before = sum((vm.exits for vm in self.vms), Counter[str]())
        start = perf_counter()
        super().handle()
        taken = perf_counter() - start
        for cause in sum((vm.exits for vm in self.vms), Counter[str]()) - before:
            self.costs[cause].append(taken)


def causes(technique: str = "trap-and-emulate") -> dict[str, tuple[int, float]]:
    """Of Linux's boot above the SBI here: how many exits each cause has, and the median of its seconds."""
    machine = Machine(memory=Hypervisor.memory_for(MEMORY), extensions="CH")
    hypervisor = _Timed(machine)
    vm = hypervisor.create_vm(memory=MEMORY, technique=technique)
    Sbi(vm).load(linux.image(), bootargs=_TTY)
    machine.run(500_000_000)
    if vm.status != 0:
        raise ValueError("Linux did not switch its computer off")
    return {cause: (count, median(hypervisor.costs[cause])) for cause, count in vm.exits.most_common()}


def report(*, quick: bool = False) -> str:
    """A table for each boot, and one of the causes."""
    if quick:
        return _table("OpenSBI and U-Boot, to an answer at the prompt", measure(uboot(), ("bare",), 1), 1)
    boot, repeated = tiny_linux(), tuple(AIMS)
    power_off = measure(boot, repeated, 3)
    longer = [way for way in WAYS if way not in AIMS]
    aims = ", ".join(f"{way} {aim} × {peer}" for way, (peer, aim) in AIMS.items())
    parts = [
        _table("OpenSBI and U-Boot, to an answer at the prompt", measure(uboot(), repeated, 3), 3),
        _table("The same, where it takes longer", measure(uboot(), longer, 1), 1),
        f"{_table('OpenSBI and Linux, to its init and off', power_off, 3)}\nThe aims, on the wall: {aims}.",
        _table("The same, where it takes longer", measure(boot, longer, 1), 1),
        *map(_causes, ("trap-and-emulate", "hardware-assisted")),
    ]
    return "\n\n".join(parts)


def _table(title: str, measured: Mapping[str, Sequence[Taken]], repetitions: int) -> str:
    rows = [
        [
            way,
            *(f"{median(taken):.2f}" for taken in zip(*turns, strict=True)),
            *(_two(over(measured, way, peer, wall=wall)) for peer in QEMU for wall in (True, False)),
        ]
        for way, turns in measured.items()
    ]
    peers = [f"over {peer}{kind}" for peer in QEMU for kind in ("", ", processor")]
    return table(
        f"{title}: a whole process ({this_python()}, {this_engine()})",
        ["way", "seconds", "processor's", *peers],
        rows,
        [f"Medians of {repetitions} in turns; in brackets the lowest and the highest."],
    )


def _causes(technique: str) -> str:
    call = foreign_call()
    found = causes(technique)
    rows = [
        [cause, f"{count:,}", f"{cost * 1e6:.1f}", f"{cost / call:.0f}"]
        for cause, (count, cost) in found.items()
    ]
    total = sum(count for count, _cost in found.values())
    return table(
        f"Linux above the SBI here, {technique}: its {total:,} exits ({this_engine()})",
        ["cause", "exits", "median µs", "in empty foreign calls"],
        rows,
        ["How long the hypervisor is at work: from its trap handler's first act to its last."],
    )


def _two(ratio: Spread) -> str:
    return f"{ratio.median:.2f} ({ratio.lowest:.2f}–{ratio.highest:.2f})"
