"""The interpreter against riscemu and against a naive fetch-decode loop: the same programs, in turns."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.benchmarks.measuring import Spread, geometric_mean, in_turns, spread, table, this_python
from tests.benchmarks.peers import Lap, Naive, Peer, Riscemu, Vlab

# Laps, so that each loop is some 100,000 instructions long: that takes the slowest a good part of a second.
LOOPS = {"arithmetic": 300, "calls": 25, "copy": 140, "hash": 60, "sieve": 5}
PEERS: tuple[type[Peer], ...] = (Vlab, Riscemu, Naive)
AIMS = {Riscemu: 10, Naive: 5}


@dataclass(frozen=True)
class Measured:
    """One loop: for each repetition what each peer did, vlab first."""

    loop: str
    turns: list[tuple[Lap, ...]]

    @property
    def instructions(self) -> int:
        """How many instructions each of them ran."""
        return self.turns[0][0].instructions

    def speed(self, peer: int) -> float:
        """Million instructions a second."""
        return self.instructions / spread(turn[peer].seconds for turn in self.turns).median / 1e6

    def ratios(self, peer: int) -> list[float]:
        """How many times as fast vlab is, for each repetition."""
        return [turn[peer].seconds / turn[0].seconds for turn in self.turns]


def source(loop: str) -> str:
    """The program of one loop."""
    return (Path(__file__).parent / "loops" / f"{loop}.s").read_text("utf-8")


def measure(
    peers: Sequence[type[Peer]] = PEERS, *, repetitions: int = 7, quick: bool = False
) -> list[Measured]:
    """Let each of `peers` run each loop, in turns; a `quick` run is a fifth as long.

    ValueError where they do not agree on the number of instructions or on the result.
    """
    part = 5 if quick else 1
    return [_measure(loop, laps // part, peers, repetitions) for loop, laps in LOOPS.items()]


def _measure(loop: str, laps: int, peers: Sequence[type[Peer]], repetitions: int) -> Measured:
    ready = [peer(source(loop)) for peer in peers]
    turns = in_turns([partial(peer.run, laps) for peer in ready], repetitions)
    outcomes = {(lap.instructions, lap.result) for turn in turns for lap in turn}
    if len(outcomes) != 1:
        raise ValueError(f"{loop}: the peers do not agree on (instructions, result): {sorted(outcomes)}")
    return Measured(loop, turns)


def overall(measured: Sequence[Measured], peer: int) -> Spread:
    """The geometric mean over all loops, and its spread over the repetitions."""
    return spread(map(geometric_mean, zip(*(one.ratios(peer) for one in measured), strict=True)))


def report(peers: Sequence[type[Peer]] = PEERS, *, repetitions: int = 7, quick: bool = False) -> str:
    """Speeds, and how many times as fast vlab is."""
    measured = measure(peers, repetitions=repetitions, quick=quick)
    others = range(1, len(peers))
    names = [peer.__name__.lower() for peer in peers]
    rows = [
        [
            one.loop,
            f"{one.instructions:,}",
            *(f"{one.speed(i):.2f}" for i in range(len(peers))),
            *(spread(one.ratios(i)) for i in others),
        ]
        for one in measured
    ]
    means = [geometric_mean([one.speed(i) for one in measured]) for i in range(len(peers))]
    rows.append(["geometric mean", "", *(f"{m:.2f}" for m in means), *(overall(measured, i) for i in others)])
    aims = [f"{AIMS[peer]} × {name}" for peer, name in zip(peers, names, strict=True) if peer in AIMS]
    return table(
        f"The interpreter: million instructions a second, and vlab's speed over others' ({this_python()})",
        ["loop", "instructions", *names, *(f"over {names[i]}" for i in others)],
        rows,
        [
            f"Medians of {repetitions} runs taken in turns; of ratios, in brackets, lowest and highest.",
            "Start-up, parsing and a first run are not counted. vlab is a whole machine, history included.",
            "riscemu is an RV32: the same instructions, with words where the others have double words.",
            f"The aim: {' and '.join(aims)}.",
        ],
    )
