"""Exits, level by level: the same guest on the bare machine, in a VM, in a VM in a VM, and one deeper."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.benchmarks.measuring import seconds, table, this_python
from vlab import guests
from vlab.hypervisor import Hypervisor, VirtualMachine
from vlab.machine import Computer, Machine

DEPTHS = {"tiny": 3, "kernel": 3}
# Bytes of memory: the guest's own, and what each level around it needs more.
_GUEST, _LEVEL = 1 << 20, 2 << 20
_MOST = 20_000_000  # steps; the deepest run takes a tenth of it


@dataclass(frozen=True)
class Run:
    """One guest run at one depth: the exits of each VM, the outermost first, and what the whole run took."""

    guest: str
    depth: int
    exits: tuple[int, ...]
    steps: int
    seconds: float
    outcome: tuple[int | None, int, str]  # of the guest: its status, its own time, its console


def run(guest: str, depth: int) -> Run:
    """Run a guest under `depth` hypervisors, until it powers off."""
    machine, vms = _tower(depth)
    computer = _top(machine, vms)
    computer.load(guests.load(guest))
    taken = seconds(lambda: machine.run(_MOST))
    outcome = (computer.status, computer.time, computer.console)
    return Run(guest, depth, tuple(vm.exits.total() for vm in vms), machine.steps, taken, outcome)


def _tower(depth: int) -> tuple[Machine, list[VirtualMachine]]:
    """A machine, and VMs one in the other. A VM is as large as any other with as many VMs in it."""
    machine, vms = Machine(memory=_GUEST + depth * _LEVEL), list[VirtualMachine]()
    for inside in reversed(range(depth)):
        vms.append(Hypervisor(_top(machine, vms)).create_vm(memory=_GUEST + inside * _LEVEL))
    return machine, vms


def _top(machine: Machine, vms: Sequence[VirtualMachine]) -> Computer:
    return vms[-1] if vms else machine


def measure(depths: dict[str, int] = DEPTHS) -> list[Run]:
    """Each guest at depth 0, 1, and so on, as deep as `depths` says."""
    return [run(guest, depth) for guest, deepest in depths.items() for depth in range(deepest + 1)]


def exceptions(runs: Sequence[Run]) -> Iterator[str]:
    """What should not be: a VM's exits depend on what lies below it, or a guest's end on where it ran."""
    exits, outcomes = defaultdict(set), defaultdict(set)
    for one in runs:
        outcomes[one.guest].add(one.outcome)
        for inside, count in enumerate(reversed(one.exits)):
            exits[one.guest, inside].add(count)
    for (guest, inside), counts in exits.items():
        if len(counts) > 1:
            yield f"{guest}: the VM with {inside} more in it has, depending on depth, {sorted(counts)} exits."
    for guest, ends in outcomes.items():
        if len(ends) > 1:
            yield f"{guest}: its status, time or console are not the same at all depths."


def report(*, quick: bool = False) -> str:
    """The exits of every level, and what the levels cost."""
    runs = measure({"tiny": 2} if quick else DEPTHS)
    bare = {one.guest: one for one in runs if one.depth == 0}
    deepest = max(one.depth for one in runs)
    rows = [
        [
            one.guest,
            one.depth,
            *(f"{count:,}" for count in one.exits),
            *[""] * (deepest - one.depth),
            f"{one.steps:,}",
            f"{one.steps / bare[one.guest].steps:.1f}",
            f"{one.seconds / bare[one.guest].seconds:.1f}",
        ]
        for one in runs
    ]
    levels = [f"exits, level {level}" for level in range(1, deepest + 1)]
    found = list(exceptions(runs))
    return table(
        f"Exits a level, and the whole run over the one on the bare machine ({this_python()})",
        ["guest", "depth", *levels, "steps", "steps over bare", "time over bare"],
        rows,
        found
        or ["A VM's exits are the same whatever lies below it; so are the guest's output and its own time."],
    )
