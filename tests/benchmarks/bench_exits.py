"""Exits, level by level: the same guest on the bare machine, in a VM, in a VM in a VM, and deeper; by technique."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.kernels import WAYS, started
from tests.benchmarks.measuring import seconds, table, this_engine, this_python
from vlab import guests
from vlab.operations.equivalence import SMALL

DEPTHS = {"tiny": 4, "kernel": 3}
_MOST = 20_000_000  # steps; the deepest run takes a tenth of it
_TRAPPED, _TRANSLATED, _KNOWING, _ASSISTED = WAYS

Mix = Callable[[int], tuple[str, ...]]  # by depth, the technique of each level, the outermost first
MIXES: Mapping[str, Mix] = {
    "trap and emulate": lambda depth: (_TRAPPED,) * depth,
    "binary translation": lambda depth: (_TRANSLATED,) * depth,
    "hardware": lambda depth: (_ASSISTED,) * depth,
    "hardware, then trap and emulate": lambda depth: (_ASSISTED, *(_TRAPPED,) * (depth - 1)),
    "the two in turns": lambda depth: ((_ASSISTED, _TRAPPED) * depth)[:depth],
    "hardware, the last paravirtual": lambda depth: (*(_ASSISTED,) * (depth - 1), _KNOWING),
}


@dataclass(frozen=True)
class Run:
    """One guest run in one way: the exits of each VM, the outermost first, and what the whole run took."""

    guest: str
    ways: tuple[str, ...]
    exits: tuple[int, ...]
    steps: int
    seconds: float
    outcome: tuple[int | None, int, str]  # of the guest: its status, its own time, its console

    @property
    def depth(self) -> int:
        """How many hypervisors are below the guest."""
        return len(self.ways)

    @property
    def built(self) -> bool:
        """Whether the guest was built to be paravirtual: another program, with another time of its own."""
        return self.ways[-1:] == (_KNOWING,)


def run(guest: str, ways: Sequence[str]) -> Run:
    """Run a guest under these techniques, until it powers off."""
    built = {"PARAVIRTUAL": 1} if _KNOWING in ways else {}
    image = guests.load(guest, **SMALL.get(guest, {}), **built)
    machine, computer, vms = started(image, *ways)
    taken = seconds(lambda: machine.run(_MOST))
    outcome = (computer.status, computer.time, computer.console)
    return Run(guest, tuple(ways), tuple(vm.exits.total() for vm in vms), machine.steps, taken, outcome)


def measure(
    depths: Mapping[str, int] = DEPTHS, mixes: Mapping[str, Mix] = MIXES
) -> dict[tuple[str, str], list[Run]]:
    """By guest and mix: its runs at depth 0, 1, and so on, as deep as `depths` says.

    A guest that can't be built to be paravirtual is not run so. What two mixes have in common is run once.
    """
    done: dict[tuple[str, tuple[str, ...]], Run] = {}
    found: dict[tuple[str, str], list[Run]] = {}
    for guest, deepest in depths.items():
        for name, mix in mixes.items():
            if _KNOWING in mix(1) and "PARAVIRTUAL" not in guests.switches(guest):
                continue
            all_ways = [(), *map(mix, range(1, deepest + 1))]
            for ways in all_ways:
                if (guest, ways) not in done:
                    done[guest, ways] = run(guest, ways)
            found[guest, name] = [done[guest, ways] for ways in all_ways]
    return found


def exceptions(runs: Sequence[Run]) -> Iterator[str]:
    """What should not be: a VM's exits depend on what lies below it, or a guest's end on where it ran."""
    exits, outcomes = defaultdict(set), defaultdict(set)
    for one in runs:
        outcomes[one.guest, one.built].add(one.outcome)
        for level, count in enumerate(one.exits):
            exits[one.guest, one.ways[level:]].add(count)
    for (guest, ways), counts in exits.items():
        if len(counts) > 1:
            yield f"{guest}: the VM under {', '.join(ways)} has, by what is below, {sorted(counts)} exits."
    for (guest, _built), ends in outcomes.items():
        if len(ends) > 1:
            yield f"{guest}: its status, time or console are not the same everywhere."


def report(*, quick: bool = False) -> str:
    """The exits of every level, and what the levels cost, for each mix of techniques."""
    found = measure({"tiny": 2} if quick else DEPTHS)
    runs = [one for some in found.values() for one in some]
    deepest = max(one.depth for one in runs)
    rows = [row for (guest, name), some in found.items() for row in _rows(f"{guest}, {name}", some, deepest)]
    levels = [f"exits, level {level}" for level in range(1, deepest + 1)]
    wrong = list(exceptions(runs))
    return table(
        f"Exits a level, and the whole run over the one on the bare machine ({this_python()}, {this_engine()})",
        ["guest, and its techniques from outside", "depth", *levels, "steps over bare", "time over bare"],
        rows,
        wrong
        or ["A VM's exits are the same whatever lies below it; so are the guest's output and its own time."],
    )


def _rows(title: str, runs: Sequence[Run], deepest: int) -> Iterator[list[object]]:
    """A row for each depth; the first of them is the bare run's."""
    bare, *others = runs
    for one in others:
        exits = [f"{count:,}" for count in one.exits] + [""] * (deepest - one.depth)
        ratios = one.steps / bare.steps, one.seconds / bare.seconds
        yield [title if one is others[0] else "", one.depth, *exits, *(f"{ratio:.1f}" for ratio in ratios)]
