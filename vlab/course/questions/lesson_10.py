"""What the exercises of lesson 10 ask."""

from collections.abc import Iterator
from random import Random

from vlab.course.exercises import Case, Exercise, shown

# 10-1: handler(cause, mode, medeleg, hedeleg)

MODES = ("M", "S", "U", "VS", "VU")
_CAUSES = (2, 8, 12, 13, 15, 21, 22)


def _traps(random: Random) -> Iterator[Case]:
    for mode in MODES:
        for medeleg in (0, 1 << 8):
            yield from ((8, mode, medeleg, hedeleg) for hedeleg in (0, 1 << 8))
    for _count in range(80):
        cause = random.choice(_CAUSES)
        bit = 1 << cause
        medeleg, hedeleg = (
            random.choice((0, bit, bit, bit << 1, random.getrandbits(24) | bit)) for _n in range(2)
        )
        yield cause, random.choice(MODES), medeleg, hedeleg


def _show_trap(name: str, case: Case) -> str:
    cause, mode, medeleg, hedeleg = case
    return f"{name}({cause}, {mode!r}, {medeleg:#x}, {hedeleg:#x})"


# 10-2: taken(hvip, vsie, hideleg, on, mode)

VIRTUAL = (2, 6, 10)


def _interrupts(random: Random) -> Iterator[Case]:
    some = (0, 1 << 6, 1 << 2 | 1 << 6, 1 << 6 | 1 << 10, 1 << 2 | 1 << 6 | 1 << 10)
    for mode in ("VS", "VU"):
        for on in (False, True):
            yield 1 << 6, 1 << 5, 1 << 6, on, mode
    for _count in range(90):
        waiting = random.choice(some)
        enabled, lent = (random.choice((*some, 0x444, 0x444)) for _n in range(2))
        yield waiting, enabled >> 1, lent, random.random() < 0.6, random.choice(("VS", "VU"))


def _show_interrupt(name: str, case: Case) -> str:
    waiting, enabled, lent, on, mode = case
    return f"{name}({waiting:#x}, {enabled:#x}, {lent:#x}, {on}, {mode!r})"


# 10-3: translate(memory, root, host_root, address)

GUEST_ROOT, HOST_ROOT = 0x8000_0000, 0x10_0000
_RAM, _TABLES, _PAGES = 0x20_0000, 0x10_4000, 4
_LEAF, _POINTER = 0xDF, 0x01


def _tables(random: Random) -> Iterator[Case]:
    for broken in (None, None, None, *range(9)):
        for _count in range(4):
            yield _built(random, broken)


def _built(random: Random, broken: int | None) -> Case:
    """A pair of tables for one page, one entry after another; `broken`: which of them is missing.

    The guest's three tables and its page are four guest-physical pages, in host-physical frames of any order.
    """
    indices = [random.randrange(1, 8) for _level in range(3)]
    pages = random.sample(range(1, 8), _PAGES - 1)
    gpas = [GUEST_ROOT, *(GUEST_ROOT + 0x1000 * page for page in pages)]
    frames = [_RAM + 0x1000 * frame for frame in random.sample(range(16), _PAGES)]
    guest = [
        (frames[at] + 8 * indices[at], _entry(gpas[at + 1], _LEAF if at == 2 else _POINTER))
        for at in range(3)
    ]
    host = [
        (HOST_ROOT + 8 * 2, _entry(_TABLES, _POINTER)),
        (_TABLES, _entry(_TABLES + 0x1000, _POINTER)),
        *(
            (_TABLES + 0x1000 + 8 * (gpa >> 12 & 511), _entry(frame, _LEAF))
            for gpa, frame in zip(gpas, frames, strict=True)
        ),
    ]
    entries = [*host, *guest]
    if broken is not None:
        del entries[broken]
    address = sum(index << 12 + 9 * level for index, level in zip(indices, (2, 1, 0), strict=True))
    return dict(entries), GUEST_ROOT, HOST_ROOT, address | random.randrange(0, 4096, 8)


def _entry(target: int, flags: int) -> int:
    return target >> 12 << 10 | flags


def _missing(case: Case) -> int:
    """Complete tables come first."""
    return -len(case[0])


def _show_tables(name: str, case: Case) -> str:
    memory, root, host_root, address = case
    told = ", ".join(f"{at:#x}: {value:#x}" for at, value in sorted(memory.items()))
    return f"{name}({{{told}}}, {root:#x}, {host_root:#x}, {address:#x})"


# 10-4: exits(deeds)

DEEDS = ("call", "edit", "fence", "device")


def _deeds(random: Random) -> Iterator[Case]:
    yield from (([deed],) for deed in (*DEEDS, 1))
    yield ([1, 1],)
    yield ([1, "fence", 1],)
    yield ([1, "edit", 1],)
    for length in (3, 5, 8, 12, 20):
        for _count in range(7):
            yield ([random.choice((*DEEDS, 1, 1, 2, 3)) for _deed in range(length)],)


def _number(case: Case) -> int:
    return len(case[0])


# 10-5: dearer_from(one, two)


def _bills(random: Random) -> Iterator[Case]:
    yield (10, 1), (10, 1)
    yield (100, 5), (40, 5)
    yield (40, 5), (100, 5)
    yield (100, 5), (40, 9)
    yield (40, 9), (100, 5)
    yield (100, 9), (40, 5)
    yield (50, 7), (50, 5)
    yield (10, 3), (20, 1)
    for _count in range(60):
        starts, further = ([random.randrange(1, most) for _n in range(2)] for most in (40, 9))
        yield (starts[0], further[0]), (starts[1], further[1])


def _largest(case: Case) -> int:
    return int(sum(map(sum, case)))


def _show_bills(name: str, case: Case) -> str:
    return f"{name}({shown(case[0])}, {shown(case[1])})"


EXERCISES = (
    Exercise(*("10-1", "handler", _traps), size=lambda case: case[2] + case[3], show=_show_trap),
    Exercise(
        *("10-2", "taken", _interrupts), size=lambda case: sum(case[:3]), show=_show_interrupt, points=2
    ),
    Exercise(*("10-3", "translate", _tables), size=_missing, show=_show_tables, points=3),
    Exercise(*("10-4", "exits", _deeds), size=_number, points=2),
    Exercise(*("10-5", "dearer_from", _bills), size=_largest, show=_show_bills),
)
