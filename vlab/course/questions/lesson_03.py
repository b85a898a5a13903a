"""What the exercises of lesson 03 ask: about a host's rights, interrupts, turns and memory, a farm, and scopes."""

from collections.abc import Iterator
from random import Random
from typing import Any

from vlab.course.exercises import Case, Exercise

DEEDS = ("start", "install", "create", "pause", "stop", "type")
_OF_A_VM = ("pause", "stop", "type")
_GROUPS: tuple[list[str], ...] = ([], ["vm"], ["audio"], ["audio", "vm"], ["vms"])


# 03-1: may(user, groups, deed, owner, installed)


def _rights(random: Random) -> Iterator[Case]:
    every: list[Case] = [
        (user, [] if user == "root" else list(groups), deed, owner if deed in _OF_A_VM else "", installed)
        for user in ("root", "ana", "eva")
        for groups in (_GROUPS[:1] if user == "root" else _GROUPS)
        for deed in DEEDS
        for owner in (("root", "ana", "eva") if deed in _OF_A_VM else ("",))
        for installed in ((True,) if deed in _OF_A_VM else (True, False))
    ]
    random.shuffle(every)
    yield from every


# 03-2: route(event, running, devices)


def _interrupts(random: Random) -> Iterator[Case]:
    devices = {"uart": "", "disk": "", "net1": "vm1", "net2": "vm2"}
    for running in _runners(random):
        yield ("trap", random.choice((2, 8, 12, 13))), running, devices
        for device in devices:
            yield ("device", device), running, devices
        for _count in range(3):
            yield ("timer", random.randrange(100, 1000)), running, devices
        if running and running[0] == "VM" and running[2] is not None:
            for late in (0, 1, 50):
                yield ("timer", running[2] + late), running, devices


def _runners(random: Random) -> Iterator[tuple[Any, ...]]:
    yield ()
    yield "program", "count"
    yield "program", "vm1"
    yield "program", "vm9"
    for name in ("vm1", "vm2", "vm3"):
        yield "VM", name, None
        yield "VM", name, random.randrange(100, 1000)


def _busy(case: Case) -> int:
    return 10 * len(case[1]) + len(repr(case[0]))


# 03-3: order(tasks, lengths)


def _tasks(random: Random) -> Iterator[Case]:
    yield [("a", 1, 0)], [5, 5]
    yield [("a", 1, 0), ("b", 1, 0)], [5] * 2
    yield [("a", 1, 0), ("b", 2, 0)], [8] * 6
    yield [("a", 1, 0), ("b", 1, 0)], [8, 2, 2, 2, 2]
    yield [("a", 1, 0), ("b", 1, 3)], [8] * 6
    yield [("a", 1, 1)], [8, 8]
    for _count in range(30):
        names = "abcd"[: random.randint(2, 4)]
        tasks = [(name, random.choice((1, 2, 4, 8)), random.choice((0, 0, 0, 2, 4))) for name in names]
        yield tasks, [random.choice((8, 8, 8, 3, 16)) for _turn in range(random.randint(3, 12))]


def _turns(case: Case) -> int:
    return 10 * len(case[0]) + len(case[1])


# 03-4: host_address(gpa, size, offset, table)

MEMORY = 0x8000_0000  # where a guest's memory begins, by its own reckoning
PAGE = 4096


def _addresses(random: Random) -> Iterator[Case]:
    for offset in (0x10_0000_0000, 0x7F00_0000, 0):
        for pages in (1, 3):
            first = (MEMORY + offset) // PAGE
            frames = random.sample(range(0x80100, 0x80200), pages)
            table: dict[int, Any] = {first + n: (frame, "RWUAD") for n, frame in enumerate(frames)}
            table[0x10] = random.randrange(0x80700, 0x80800), "RWXUAD"
            table[first + pages] = random.randrange(0x80700, 0x80800), "RWAD"
            table[first + pages + 1] = random.randrange(0x80700, 0x80800), "RWUAD"
            table[first - 1] = random.randrange(0x80700, 0x80800), "RWUAD"
            size = pages * PAGE
            within = (0, random.randrange(PAGE), random.randrange(size), size - 1)
            for gpa in (
                *(MEMORY + at for at in within),
                0x1_0000,
                MEMORY - 8,
                MEMORY + size,
                MEMORY + size + PAGE,
            ):
                yield gpa, size, offset, table
            gone = {page: entry for page, entry in table.items() if page != first}
            yield MEMORY + 16, size, offset, gone
            yield MEMORY + 16, size, offset, {**table, first: (table[first][0], "RWAD")}


def _mapped(case: Case) -> int:
    return len(case[3]) * 1000 + len(repr(case))


def _show_address(name: str, case: Case) -> str:
    gpa, size, offset, table = case
    shown = ", ".join(f"{page:#x}: ({frame:#x}, {flags!r})" for page, (frame, flags) in table.items())
    return f"{name}({gpa:#x}, {size:#x}, {offset:#x}, {{{shown}}})"


# 03-5: plan(free, servers, empty)


def _farms(random: Random) -> Iterator[Case]:
    yield {"north": 4, "south": 4}, {"mail": ("north", 2)}, "north"
    yield {"north": 4, "south": 1}, {"mail": ("north", 2)}, "north"
    yield {"north": 4, "south": 4, "west": 3}, {"mail": ("north", 2)}, "north"
    yield {"north": 4, "south": 4}, {"mail": ("south", 2)}, "north"
    yield (
        {"north": 0, "south": 4, "west": 3},
        {"a": ("north", 2), "b": ("north", 3), "c": ("north", 2)},
        "north",
    )
    for _count in range(30):
        hosts = ["north", "south", "west", "east"][: random.randint(2, 4)]
        free = {host: random.randint(0, 8) for host in hosts}
        names = ["mail", "web", "files", "test", "wiki", "shop"][: random.randint(1, 6)]
        servers = {name: (random.choice([hosts[0], *hosts]), random.randint(1, 4)) for name in names}
        yield free, servers, hosts[0]


# 03-6: scope(needs)

_PARTS = frozenset({"disk", "network", "console"})
_SYSTEM = frozenset({"S mode", "page tables", "alarm", "console"})
SCOPES = {
    "nothing": frozenset[str](),
    "parts": _PARTS,
    "system": _SYSTEM,
    "platform": _PARTS | _SYSTEM | {"M mode", "interrupt controller", "device registers"},
}


def _needs(random: Random) -> Iterator[Case]:
    yield ([],)
    every = sorted(SCOPES["platform"])
    for need in every:
        yield ([need],)
    yield (["S mode", "alarm", "console"],)
    yield (["S mode", "disk"],)
    for offers in SCOPES.values():
        for _count in range(8):
            some = sorted(offers)
            yield (random.sample(some, min(len(some), random.randint(1, 4))),)


EXERCISES = (
    Exercise(*("03-1", "may", _rights)),
    Exercise(*("03-2", "route", _interrupts), size=_busy),
    Exercise(*("03-3", "order", _tasks), size=_turns, points=2),
    Exercise(*("03-4", "host_address", _addresses), size=_mapped, show=_show_address, points=2),
    Exercise(*("03-5", "plan", _farms), points=3),
    Exercise(*("03-6", "scope", _needs)),
)
