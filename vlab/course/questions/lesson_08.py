"""What the exercises of lesson 08 ask.

They have one picture of the tables in common. A guest's table is a dictionary from virtual pages to pairs of a
guest-physical page and flags, such as `(0x80006, "RWUAD")`. The hypervisor's map is one from guest-physical to
host-physical pages. A shadow leads from virtual to host-physical pages, with rights, such as `(0x80106, "RW")`.
"""

from collections.abc import Iterator
from random import Random
from typing import Any

from vlab.course.exercises import Case, Exercise, shown
from vlab.course.questions import guests_08 as guests

_RIGHTS = ("R", "RW", "X", "RX", "RWX")
_USED = ("", "A", "AD")
_GUEST, _HOST = 0x80000, 0x80100  # the first page of the guest's memory, and where it really is
DEVICE = 0x10000


def _flags(random: Random, *, used: float = 0.8, user: float = 0.5) -> str:
    """A leaf's flags. A page that was written was used before."""
    how = random.choice(("A", "AD", "AD")) if random.random() < used else ""
    return random.choice(_RIGHTS) + ("U" if random.random() < user else "") + how


# 08-1: shadow_rights(flags, mode, sum, mxr)


def _leaves(random: Random) -> Iterator[Case]:
    every: list[Case] = [
        (rights + user + used, mode, sum_, mxr)
        for rights in _RIGHTS
        for user in ("", "U")
        for used in _USED
        for mode, sum_ in (("U", False), ("S", False), ("S", True))
        for mxr in (False, True)
    ]
    random.shuffle(every)
    yield from every


def _settings(case: Case) -> int:
    flags, mode, sum_, mxr = case
    return 4 * (int(sum_) + int(mxr)) + len(flags) + int(mode == "S")


# 08-2: miss(table, frames, page, access)


def _misses(random: Random) -> Iterator[Case]:
    frames = {_GUEST + n: _HOST + n for n in range(4)}
    for access in ("load", "store", "fetch"):
        yield {}, frames, 0x40000, access
        for flags in ("RWUAD", "RWUA", "RWU", "RU", "XUA", "RXUAD", "RWAD", "RWX"):
            yield {0x40000: (random.choice(list(frames)), flags)}, frames, 0x40000, access
        for flags in ("RWUAD", "RUA", "RWAD"):
            yield {0x40000: (random.choice((DEVICE, _GUEST + 4)), flags)}, frames, 0x40000, access
    for _count in range(20):
        some = random.sample(range(0x40000, 0x40008), 4)
        places = [*frames, DEVICE, _GUEST + 4]
        table = {page: (random.choice(places), _flags(random, user=0.8)) for page in some}
        yield table, frames, random.choice((*some, 0x40008)), random.choice(("load", "store", "fetch"))


def _pages(case: Case) -> int:
    return len(repr(case[0]))


# 08-3: translate(table, frames)


def _tables(random: Random) -> Iterator[Case]:
    yield {}, {_GUEST: _HOST}
    for flags in ("RWUAD", "RWUA", "RWU", "RWAD", "XUA"):
        yield {0x40000: (_GUEST, 1, flags)}, {_GUEST: _HOST}
    for place in (DEVICE, _GUEST + 1):
        yield {0x40000: (place, 1, "RWUAD")}, {_GUEST: _HOST}
    for size in (2, 4):
        yield {0x40000: (_GUEST, size, "RXUAD")}, {_GUEST + n: _HOST + 3 * n for n in range(size - 1)}
    for _count in range(30):
        held = random.sample(range(8), 5)
        frames = {_GUEST + n: _HOST + random.randrange(64) * 8 + n for n in sorted(held)}
        table = {}
        for page in sorted(random.sample(range(0x40000, 0x40040, 4), random.randint(1, 5))):
            size = random.choice((1, 1, 4))
            place = random.choice((_GUEST, _GUEST + 4)) + (0 if size == 4 else random.randrange(4))
            table[page] = (random.choice((place, place, place, DEVICE)), size, _flags(random, user=0.8))
        yield table, frames


# 08-4: dropped(policy, shadow, event)

POLICIES = ("eager", "lazy", "traced")
_ROOTS, _TABLES = (0x8000C, 0x8000D), (0x8000E, 0x8000F)


def _events(random: Random) -> Iterator[Case]:
    for policy in POLICIES:
        for number in (1, 2, 3, 5):
            for kind in ("satp", "fence", "fence page", "store", "store in part", "store above"):
                shadow = _shadow(random, number)
                yield policy, shadow, _event(random, kind, shadow)


def _shadow(random: Random, number: int) -> list[Any]:
    """Entries, each a root, a page, and the addresses of the three guest entries that it was made from."""
    entries: list[Any] = []
    for _entry in range(number):
        root, page = random.choice(_ROOTS), 0x40000 + random.randrange(4)
        table = _TABLES[_ROOTS.index(root)]
        used = (root << 12 | 8, table << 12, (table << 12) + 0x800 + 8 * (page & 3))
        if (root, page) not in [entry[:2] for entry in entries]:
            entries.append((root, page, used))
    return entries


def _event(random: Random, kind: str, shadow: list[Any]) -> Any:
    match kind:
        case "satp":
            return "satp", random.choice(_ROOTS)
        case "fence":
            return "fence", None
        case "fence page":
            return "fence", random.choice((shadow[0][1], 0x40003))
        case "store in part":
            return "store", random.choice(shadow)[2][2] + random.choice((4, 7, -1))
        case "store above":
            return "store", random.choice(random.choice(shadow)[2][:2])
    return "store", random.choice(shadow)[2][2] + random.choice((0, 8, 64))


def _entries(case: Case) -> int:
    return len(case[1])


def _show_event(name: str, case: Case) -> str:
    policy, shadow, event = case
    return f"{name}({policy!r}, {_hex(shadow)}, {_hex(event)})"


def _hex(value: Any) -> str:
    """A value as Python writes it, the numbers in hexadecimal."""
    if isinstance(value, list):
        return f"[{', '.join(map(_hex, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(_hex, value))})"
    return shown(value)


def _show_tables(name: str, case: Case) -> str:
    """The call, its dictionaries in hexadecimal."""
    parts = [_dictionary(part) if isinstance(part, dict) else shown(part) for part in case]
    return f"{name}({', '.join(parts)})"


def _dictionary(table: dict[int, Any]) -> str:
    return "{" + ", ".join(f"{page:#x}: {_hex(entry)}" for page, entry in table.items()) + "}"


EXERCISES = (
    Exercise(*("08-1", "shadow_rights", _leaves), size=_settings),
    Exercise(*("08-2", "miss", _misses), size=_pages, show=_show_tables, points=2),
    Exercise(*("08-3", "translate", _tables), size=_pages, show=_show_tables, points=2),
    Exercise(*("08-4", "dropped", _events), size=_entries, show=_show_event, points=3),
    Exercise(
        *("08-5", "Mended", guests.draw, guests.ask),
        size=guests.size,
        show=guests.show,
        gives=frozenset({"StaleSatp"}),
        points=3,
        seconds=20,
    ),
)
