"""What the exercises of lesson 11 ask."""

from collections.abc import Iterator
from random import Random
from typing import Any

from vlab.course.exercises import Case, Exercise, shown

# 11-1: exits(depth, acts)


def _towers(random: Random) -> Iterator[Case]:
    for depth in range(1, 6):
        yield from ((depth, acts) for acts in (0, 1, 8, *random.sample(range(2, 40), 6)))


def _height(case: Case) -> int:
    depth, acts = case
    return 100 * int(depth) + int(acts)


# 11-2: walk_down(page, access, maps)

_FIRST = 0x80000
_PAGES = 4


def _walks(random: Random) -> Iterator[Case]:
    yield _FIRST, "R", [{}]
    for rights in ("R", "RW", "RX"):
        yield from ((_FIRST, access, [{_FIRST: (_FIRST + 9, rights)}]) for access in "RWX")
    for depth in (2, 2, 3, 3, 4):
        for _count in range(12):
            maps = _maps(random, depth)
            yield random.choice((*maps[0], _FIRST + _PAGES)), random.choice("RWX"), maps


def _maps(random: Random, depth: int) -> list[dict[int, tuple[int, str]]]:
    """Maps that lead into each other, most of the time: a page or a right may be missing."""
    maps: list[dict[int, tuple[int, str]]] = []
    pages = list(range(_FIRST, _FIRST + _PAGES))
    for _level in range(depth):
        targets = random.sample(range(_FIRST, _FIRST + 4 * _PAGES), len(pages))
        maps.append(
            {
                page: (target, random.choice(("RWX", "RWX", "RWX", "RW", "RX", "R")))
                for page, target in zip(pages, targets, strict=True)
            }
        )
        pages = [target for target in targets if random.random() < 0.9] or targets
    return maps


def _show_walk(name: str, case: Case) -> str:
    page, access, maps = case
    told = ("{" + ", ".join(f"{at:#x}: {shown(entry)}" for at, entry in one.items()) + "}" for one in maps)
    return f"{name}({page:#x}, {access!r}, [{', '.join(told)}])"


def _entries(case: Case) -> int:
    return sum(map(len, case[2]))


# 11-3: next_alarm(clocks, alarms)


def _alarms(random: Random) -> Iterator[Case]:
    yield [5], [None]
    yield [5], [9]
    yield [9], [5]
    yield [9], [0]  # a time, though it counts as false
    yield [30, 10], [40, 25]
    yield [30, 10], [40, 20]
    for depth in (1, 2, 2, 3):
        for _count in range(12):
            clocks = sorted((random.randrange(1000) for _level in range(depth + 1)), reverse=True)
            waits = [random.choice((None, random.randrange(-20, 60), 7)) for _level in clocks]
            yield (
                clocks,
                [
                    None if wait is None else max(0, clock + wait)
                    for clock, wait in zip(clocks, waits, strict=True)
                ],
            )


# 11-4: multiplied(acts, helped)

_ACTS = (
    "rdtime",
    "csrr scause",
    "csrr stval",
    "csrr sepc",
    "csrw sepc",
    "rdtime",
    "csrw stimecmp",
    "sret",
)


def _helps(random: Random) -> Iterator[Case]:
    every: Any = frozenset(_ACTS)
    yield ["sret"], []
    yield ["sret"], [frozenset()]
    yield ["sret"], [frozenset({"sret"})]
    yield ["rdtime", "rdtime"], [frozenset()]
    yield list(_ACTS), [frozenset(), every]
    yield list(_ACTS), [every, frozenset()]
    for depth in (1, 2, 2, 3):
        for _count in range(10):
            acts = random.choices(_ACTS, k=random.randint(2, 5))
            yield (
                acts,
                [frozenset(random.sample(sorted(every), random.randint(0, 4))) for _level in range(depth)],
            )


# 11-5: clocks(story, depth)


def _stories(random: Random) -> Iterator[Case]:
    for depth in (1, 2, 3):
        yield [], depth
        yield from (([(level, 10)], depth) for level in range(depth + 1))
        for length in (2, 3, 5, 9):
            for _count in range(4):
                yield [(random.randint(0, depth), random.randint(1, 99)) for _part in range(length)], depth


# 11-6: deepest(first, factor, start, budget)


def _budgets(random: Random) -> Iterator[Case]:
    yield 1, 2, 3, 6
    yield 10, 2, 0, 9
    yield 10, 2, 0, 10
    yield 10, 2, 0, 20
    yield 5, 9, 13, 57
    yield 5, 9, 13, 58
    for _count in range(50):
        first, factor, start = random.randint(1, 60), random.randint(2, 30), random.randint(0, 40)
        exits = first
        for _level in range(random.randint(0, 4)):
            exits = exits * factor + start
        yield first, factor, start, exits + random.choice((-1, 0, 0, 1, random.randrange(100)))


EXERCISES = (
    Exercise(*("11-1", "exits", _towers), size=_height, points=2),
    Exercise(*("11-2", "walk_down", _walks), size=_entries, show=_show_walk, points=3),
    Exercise(*("11-3", "next_alarm", _alarms)),
    Exercise(*("11-4", "multiplied", _helps), points=2),
    Exercise(*("11-5", "clocks", _stories)),
    Exercise(*("11-6", "deepest", _budgets)),
)
