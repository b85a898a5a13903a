"""What the exercises of lesson 05 ask.

Pages are known by number, and what is in one by a letter. A memory is a dictionary of them: `{3: "a", 8: "b"}`;
whatever is not in it is zeros. Instants are whole numbers, as ticks are.
"""

from collections.abc import Iterator
from random import Random

from vlab.course.exercises import Case, Exercise

_LETTERS = "abcd"


def _memory(random: Random, most: int = 4) -> dict[int, str]:
    pages = random.sample(range(6), random.randint(0, most))
    return {page: random.choice(_LETTERS) for page in sorted(pages)}


# 05-1: changes(before, after) and 05-2: restored(chain)


def _pairs(random: Random) -> Iterator[Case]:
    yield {}, {}
    yield {}, {1: "a"}
    yield {1: "a"}, {}
    yield {1: "a"}, {1: "a"}
    yield {1: "a"}, {1: "b"}
    yield {1: "a", 2: "b"}, {2: "b"}
    for _count in range(30):
        before = _memory(random)
        after = _memory(random) if random.random() < 0.5 else dict(before)
        if after and random.random() < 0.5:
            after[random.choice(list(after))] = random.choice(_LETTERS)
        yield before, after


def _chains(random: Random) -> Iterator[Case]:
    yield ([{}],)
    yield ([{1: "a"}],)
    yield ([{1: "a"}, {1: "b"}],)
    yield ([{1: "a"}, {1: None}],)
    yield ([{1: "a"}, {2: "b"}],)
    yield ([{1: "a"}, {1: None}, {1: "c"}],)
    for _count in range(30):
        chain: list[dict[int, str | None]] = [dict(_memory(random))]
        for _step in range(random.randint(0, 4)):
            changed = sorted(random.sample(range(6), random.randint(0, 3)))
            chain.append({page: random.choice([*_LETTERS, None]) for page in changed})
        yield (chain,)


# 05-3: consistent(log, at)


def _logs(random: Random) -> Iterator[Case]:
    yield [], 0
    yield [(10, 1), (20, 1)], 5
    yield [(10, 1), (20, 1)], 10
    yield [(10, 1), (20, 1)], 15
    yield [(10, 1), (20, 1)], 20
    yield [(10, 1), (20, 2), (30, 1), (40, 2)], 35
    yield [(10, 1), (20, 2), (30, 2), (40, 1)], 30
    for _count in range(40):
        log: list[tuple[int, int]] = []
        number, time = 1, 0
        open_ones: list[int] = []
        for _write in range(random.randint(1, 7)):
            time += random.randint(1, 9)
            if open_ones and random.random() < 0.6:
                log.append((time, open_ones.pop(random.randrange(len(open_ones)))))
            else:
                log.append((time, number))
                open_ones.append(number)
                number += 1
        yield log, random.randint(0, time + 2)


def _length(case: Case) -> int:
    return 10 * len(case[0]) + int(case[1])


# 05-4: service(failures, every, total)


def _failures(random: Random) -> Iterator[Case]:
    yield [], 10, 100
    yield [25], 10, 100
    yield [30], 10, 100
    yield [31], 10, 100
    yield [25, 47], 10, 100
    yield [5], 10, 100
    for _count in range(30):
        every = random.choice((5, 10, 20))
        total = every * random.randint(5, 12)
        times: list[int] = []
        time = 0
        while (time := time + random.randint(every + 1, 4 * every)) < total - every and len(times) < 4:
            times.append(time)
        yield times, every, total


def _times(case: Case) -> int:
    return 100 * len(case[0]) + int(case[2])


# 05-5: neighbour(sharing, attack)

SHARED = ("memory", "files", "processes", "name", "kernel")
NEEDS: dict[str, str] = {
    "read memory": "memory",
    "read a file": "files",
    "overwrite a file": "files",
    "list processes": "processes",
    "end a process": "processes",
    "rename the computer": "name",
    "crash the kernel": "kernel",
    "read memory through a kernel's bug": "kernel",
}


def _attacks(random: Random) -> Iterator[Case]:
    arrangements: list[tuple[str, ...]] = [
        ("files", "processes", "name", "kernel"),
        ("kernel",),
        (),
        SHARED,
    ]
    for shared in arrangements:
        for attack in NEEDS:
            yield list(shared), attack
    for _count in range(10):
        shared = tuple(part for part in SHARED if random.random() < 0.5)
        yield list(shared), random.choice(list(NEEDS))


def _parts(case: Case) -> int:
    return len(case[0])


EXERCISES: tuple[Exercise, ...] = (
    Exercise("05-1", "changes", _pairs),
    Exercise("05-2", "restored", _chains),
    Exercise("05-3", "consistent", _logs, size=_length, points=2),
    Exercise("05-4", "service", _failures, size=_times, points=3),
    Exercise("05-5", "succeeds", _attacks, size=_parts, points=2),
)
