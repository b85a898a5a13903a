"""What the exercises of lesson 04 ask."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from random import Random
from typing import Any

from vlab import guests
from vlab.course.exercises import Case, Exercise
from vlab.hypervisor.architectures import KVM, VM370, HyperV, VMware, Xen
from vlab.machine import Machine

# 04-1: exits(code, rounds, silent)

STATUS = ("csrci sstatus, 2", "csrsi sstatus, 2", "csrr a2, sstatus")
OTHERS = ("csrw sscratch, a0", "csrr a2, scause", "sfence.vma")
PLAIN = ("add a0, a0, a1", "xor a2, a0, a1", "sub a3, a2, a1")
LOOP = ["addi a1, a1, -1", "bnez a1, again"]


def _loops(random: Random) -> Iterator[Case]:
    for silent in (False, True):
        yield [*LOOP], 2, silent
        for text in (*STATUS, *OTHERS, *PLAIN):
            yield [text, *LOOP], 1, silent
        for _count in range(8):
            body = [
                random.choice(random.choice((STATUS, OTHERS, PLAIN))) for _n in range(random.randint(2, 5))
            ]
            yield [*body, *LOOP], random.randint(1, 3), silent


def _looped(case: Case) -> int:
    return len(case[0]) * int(case[1])


# 04-2: called_out(code)


def _rows(random: Random) -> Iterator[Case]:
    special = "csrr a2, scause"
    for apart in range(1, 8):
        yield ([special, *[PLAIN[0]] * (apart - 1), special],)
    yield ([PLAIN[0]] * 3,)
    for length in (4, 8, 14, 24):
        for _count in range(6):
            often = random.choice((1, 2, 4))
            yield ([_one(random, often) for _n in range(length)],)


def _one(random: Random, often: int) -> str:
    """A plain instruction `often` times as probably as a privileged one."""
    kind = random.choice(((*STATUS, *OTHERS[:2]), *[PLAIN] * often))
    return random.choice(kind)


# 04-3: hypercalls(events)

DEEDS = ("off", "on", "tick")


def _stories(random: Random) -> Iterator[Case]:
    yield (["off", "on"],)
    yield (["off", "tick", "on"],)
    yield (["tick", "off", "on"],)
    yield (["off", "tick", "tick", "on", "off", "on"],)
    for length in (4, 6, 10, 16):
        yield from (([random.choice(DEEDS) for _event in range(length)],) for _count in range(6))


# 04-4: system(exits, returns)

SYSTEMS: dict[str, tuple[Any, str]] = {
    "VM/370": (VM370, ""),
    "Xen": (Xen, ""),
    "Hyper-V": (HyperV, "H"),
    "KVM": (KVM, "H"),
    "VMware": (VMware, ""),
}
_TICKS = (300, 500, 900)
_MOST = 300_000  # steps


@lru_cache
def measured(name: str, tick: int) -> tuple[tuple[tuple[str, int], ...], int | None]:
    """Run a guest in a system: its exits by cause, and how often a host's program had to run for it.

    The guest is the small kernel, with its ticks so far apart; or `tiny`, where `tick` is 0.
    """
    kind, extensions = SYSTEMS[name]
    system = kind(Machine(memory="4M", extensions=extensions))
    switch = {"PARAVIRTUAL": 1} if kind is Xen else {}
    how = {"TICK": tick, "WORK": 20, "LETTERS": 1, "PRIMES": 100, **switch}
    image = guests.load("kernel", **how) if tick else guests.load("tiny")
    vm = system.create_vm(image, memory="256K")
    system.computer.run(_MOST)
    return tuple(sorted(vm.exits.items())), system.returns(vm) if hasattr(system, "returns") else None


def _found(random: Random) -> Iterator[Case]:
    asked = [(name, random.choice(_TICKS)) for name in SYSTEMS]
    asked += [(name, 0) for name in random.sample([name for name in SYSTEMS if name != "Xen"], 3)]
    for name, tick in asked:
        exits, returns = measured(name, tick)
        yield dict(exits), returns


# 04-5: ranking(counts, prices)

COUNTED = ("system call", "page fault", "page-table write", "device access")
_WAYS = ("native", "shadows", "hardware", "translation")


def _bills(random: Random) -> Iterator[Case]:
    some = {"system call": 10, "device access": 2}
    yield some, {"hardware": {"system call": 5, "device access": 9}, "translation": {"system call": 6}}
    yield some, {"a": {"system call": 1}, "b": {"device access": 1}}
    yield {**some, "page fault": 0}, {"a": {"system call": 3, "device access": 1}}
    yield some, {"b": dict.fromkeys(some, 4), "a": dict.fromkeys(some, 4)}
    yield some, {"a": {"system call": 5, "device access": 10}, "b": {"system call": 4, "device access": 12}}
    for _count in range(30):
        counts = {what: random.choice((0, random.randint(1, 60))) for what in random.sample(COUNTED, 3)}
        ways = random.sample(_WAYS, random.randint(1, 3))
        yield counts, {way: _prices(random) for way in ways}


def _prices(random: Random) -> dict[str, int]:
    known = [what for what in COUNTED if random.random() < 0.85]
    return {what: random.choice((50, 400, 3000)) + random.randrange(100) for what in known}


# 04-6: systems(silent, assisted, changed, stays)


def _wishes(random: Random) -> Iterator[Case]:
    wishes = list(product((False, True), repeat=4))
    random.shuffle(wishes)
    yield from wishes


EXERCISES = (
    Exercise(*("04-1", "exits", _loops), size=_looped),
    Exercise(*("04-2", "called_out", _rows), size=lambda case: len(case[0]), points=2),
    Exercise(*("04-3", "hypercalls", _stories), size=lambda case: len(case[0])),
    Exercise(*("04-4", "system", _found), points=2),
    Exercise(*("04-5", "ranking", _bills), size=lambda case: len(case[0]) + 4 * len(case[1]), points=2),
    Exercise(*("04-6", "systems", _wishes), size=sum),
)
