"""What the exercises of lesson 09 ask."""

from collections.abc import Iterator
from random import Random
from typing import Any

from vlab.course.exercises import Case, Exercise, shown
from vlab.machine.memory import PAGE
from vlab.riscv import ROWS, encode

# 09-1: classes(experiments)

TRAP = "trap"


def _experiments(random: Random) -> Iterator[Case]:
    for user in (TRAP, (False, 7), (True, 7)):
        yield from (([(user, system)],) for system in (TRAP, (False, 7), (True, 7), (False, 8)))
    for _count in range(60):
        value = random.randrange(4)
        kind = random.choice(("privileged", "privileged", "harmless", "shows", "some"))
        yield ([_experiment(random, kind, value) for _n in range(random.randint(2, 4))],)


def _experiment(random: Random, kind: str, value: int) -> Any:
    """What happened in user mode and in system mode, from one state."""
    done = (random.random() < 0.2, random.randrange(4) if kind == "shows" else value)
    if kind == "privileged":
        return TRAP, done
    if kind == "some":
        return random.choice((TRAP, done)), random.choice((TRAP, done, done))
    return (False, value), (False, done[1])


def _number(case: Case) -> int:
    return len(case[0])


# 09-2: delivered(events, traps)

DEEDS = ("on", "off", "tick", "sret")


def _stories(random: Random) -> Iterator[Case]:
    for traps in (True, False):
        yield ["on", "tick"], traps
        yield ["tick", "on"], traps
        yield ["sret", "off", "tick"], traps
        for length in (3, 4, 5, 8, 12):
            for _count in range(6):
                yield [random.choice(DEEDS) for _event in range(length)], traps


# 09-3: translate(words)

_JUMPS = ("jal", "jalr", "sret", "mret")
_CALLED_OUT = (
    "csrrw",
    "csrrs",
    "csrrc",
    "csrrwi",
    "csrrsi",
    "csrrci",
    "ecall",
    "ebreak",
    "wfi",
    "sfence.vma",
)
_PLAIN = ("add", "addi", "lui", "auipc", "ld", "sd", "lw", "mul", "fence", "fence.i", "beq", "bne")
_CSRS = (0x100, 0x104, 0x105, 0x140, 0x141, 0x142, 0x180, 0xC01)


def _codes(random: Random) -> Iterator[Case]:
    for name in (*_JUMPS, *_CALLED_OUT, *_PLAIN):
        yield ([_word(random, name), _word(random, "addi")],)
    for _count in range(40):
        names = [
            random.choice(random.choices((_PLAIN, _CALLED_OUT, _JUMPS), (5, 3, 1))[0]) for _n in range(8)
        ]
        yield ([_word(random, name) for name in names],)


def _word(random: Random, name: str) -> int:
    row = ROWS[name]
    fields = {field: random.getrandbits(row.width(field)) & ~1 for field in row.operands}
    return encode(row, fields | ({"csr": random.choice(_CSRS)} if "csr" in fields else {}))


def _show_words(name: str, case: Case) -> str:
    return f"{name}([{', '.join(f'{word:#010x}' for word in case[0])}])"


# 09-4: answer(updates, base, size)

BASE, SIZE = 0x8000_0000, 0x8_0000
MOST = 32
_LEAF, _POINTER = 0xC7, 0x01


def _lists(random: Random) -> Iterator[Case]:
    good = BASE, _entry(BASE + PAGE, _LEAF)
    yield from (([update], BASE, SIZE) for update in _singles(good))
    for count in (MOST, MOST + 1):
        yield [good] * count, BASE, SIZE
    for _count in range(40):
        updates = [good] * random.randint(1, 4) + [random.choice([*_singles(good)])]
        random.shuffle(updates)
        yield updates, BASE, SIZE


def _singles(good: tuple[int, int]) -> Iterator[tuple[int, int]]:
    place, value = good
    yield good
    yield from ((at, value) for at in (BASE + SIZE - 8, BASE + SIZE, BASE - 8, BASE + 4, 0))
    for target in (BASE, BASE + SIZE - PAGE, BASE + SIZE, BASE - PAGE, 0):
        yield from ((place, _entry(target, flags)) for flags in (_LEAF, _POINTER, 0))
    yield from ((place, _entry(BASE, flags)) for flags in (0x05, 0x09, 0x11, 0x41, 0x81, 0x0D))
    yield place, value | 1 << 54


def _entry(target: int, flags: int) -> int:
    return target // PAGE << 10 | flags


def _show_list(name: str, case: Case) -> str:
    updates, base, size = case
    told = shown(updates) if len(updates) < MOST else f"[{shown(updates[0])}] * {len(updates)}"
    return f"{name}({told}, {base:#x}, {size:#x})"


# 09-5: lists(events)


def _changes(random: Random) -> Iterator[Case]:
    yield ([1, 2, None, 3],)
    yield ([1, 1, None],)
    yield ([None, None],)
    yield ([None],)
    yield ([*range(31), 0, 5, None],)
    yield ([*range(MOST), None],)
    yield ([*range(MOST + 5)],)
    for length in (4, 10, 40, 90):
        for _count in range(8):
            wide = random.choice((3, 60))
            yield ([random.choice((random.randrange(wide),) * 9 + (None,)) for _event in range(length)],)


EXERCISES = (
    Exercise(*("09-1", "classes", _experiments), size=_number),
    Exercise(*("09-2", "delivered", _stories), size=_number),
    Exercise(*("09-3", "translate", _codes), size=_number, show=_show_words, points=2),
    Exercise(*("09-4", "answer", _lists), size=_number, show=_show_list, points=3),
    Exercise(*("09-5", "lists", _changes), size=_number, points=2),
)
