"""Code that runs once: a straight program of distinct instructions, for every engine and every peer, in turns."""

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tests.benchmarks.bench_native import ICOUNT, OnVlab, booting, on_qemu, on_riscemu, on_unicorn
from tests.benchmarks.measuring import Spread, in_turns, spread, table
from tests.benchmarks.peers import Riscemu
from vlab.riscv import Program, assemble

LENGTH = 100_000
PEERS = ("the interpreter", "QEMU", "QEMU -icount", "Unicorn", "riscemu")
_LEAST = 0.0001  # seconds: what QEMU needs less than that, drowns in its start-up
_EMPTY = "_start: ecall"
Run = Callable[[], tuple[Any, ...]]  # its seconds first, its result last

# Of all of them the low 32 bits of the result hang on the operands' alone: so an RV32 gets the same ones.
_KINDS = (
    "add {d}, {a}, {b}", "sub {d}, {a}, {b}", "xor {d}, {a}, {b}", "or {d}, {a}, {b}", "and {d}, {a}, {b}",
    "mul {d}, {a}, {b}", "addi {d}, {a}, {n}", "xori {d}, {a}, {n}", "andi {d}, {a}, {n}", "ori {d}, {a}, {n}",
    "lw {d}, {o}(s0)", "sw {a}, -{o}(s0)", "lbu {d}, {o}(s0)", "add a0, a0, {a}", "lhu {d}, {o}(s0)",
)  # fmt: skip
_FREE = [f"t{i}" for i in range(7)] + [f"a{i}" for i in range(2, 7)] + [f"s{i}" for i in range(1, 12)]


def straight(length: int) -> str:
    """A program of so many instructions, hardly two of them the same; now and then a branch over the next one."""
    luck = random.Random(100_000)
    lines = ["_start:", "mv s0, a0", *(f"li {name}, 0" for name in ["a0", *_FREE])]
    for number in range(length):
        if number % 8 == 7:
            lines += [
                f"bne {luck.choice(_FREE)}, {luck.choice(_FREE)}, on{number}",
                f"addi a0, a0, {number % 2000}",
                f"on{number}:",
            ]
            continue
        given = {name: luck.choice(_FREE) for name in "dab"} | {"o": 4 * luck.randrange(1, 500)}
        given |= {"n": luck.randrange(-2048, 2048)}
        lines.append(luck.choice(_KINDS).format(**given))
    return "\n".join([*lines, "ecall", ""])


def once(program: Program, engine: str) -> tuple[float, int, int]:
    """What a new machine does with a program that it never saw."""
    return OnVlab(program, engine).run(1)


def measure(
    length: int = LENGTH, repetitions: int = 3, peers: Sequence[str] = PEERS
) -> tuple[int, Spread, list[Spread]]:
    """How many instructions; the native engine's milliseconds; each peer's time over its."""
    text = straight(length)
    program, image, empty = assemble(text), booting(text, 1), booting(_EMPTY, 1)
    known: dict[str, Run] = {
        "the interpreter": partial(once, program, "interpreter"),
        "QEMU": partial(on_qemu, image),
        "QEMU -icount": partial(on_qemu, image, *ICOUNT),
        "Unicorn": partial(on_unicorn, program, 1),
    }
    if "riscemu" in peers:
        known["riscemu"] = partial(on_riscemu, Riscemu(text), 1)
    starting: dict[str, Run] = {
        "QEMU": partial(on_qemu, empty),
        "QEMU -icount": partial(on_qemu, empty, *ICOUNT),
    }
    runs: list[Run] = [partial(once, program, "native"), *(known[peer] for peer in peers)]
    turns = in_turns([*runs, *starting.values()], repetitions)
    for turn in turns:
        if len({run[-1] for run in turn[: len(runs)]}) != 1:
            raise ValueError(f"the peers do not agree: {turn}")
    ratios = []
    for at, peer in enumerate(peers, 1):
        begun = len(runs) + list(starting).index(peer) if peer in starting else None
        times = [max(t[at][0] - (t[begun][0] if begun else 0), _LEAST) / t[0][0] for t in turns]
        ratios.append(spread(times))
    return turns[0][0][1], spread(1000 * turn[0][0] for turn in turns), ratios


def report(*, repetitions: int = 3, quick: bool = False, peers: Sequence[str] = PEERS) -> str:
    """The native engine's speed over each peer's."""
    count, native, ratios = measure(LENGTH // (50 if quick else 1), repetitions, peers)
    rows = [[peer, f"{ratio.median:.2f} ({ratio.lowest:.2f}–{ratio.highest:.2f})"]
            for peer, ratio in zip(peers, ratios, strict=True)]  # fmt: skip
    return table(
        f"Cold code: {count:,} instructions, each run once",
        ["peer", "its time over the native engine's"],
        rows,
        [
            f"The native engine: {native.median:.1f} ms ({native.lowest:.1f}–{native.highest:.1f}).",
            f"Medians of {repetitions} runs in turns; in brackets the lowest and the highest. Processor's seconds.",
            "Start-up is not counted. riscemu has parsed its text before, and has nothing to decode.",
        ],
    )
