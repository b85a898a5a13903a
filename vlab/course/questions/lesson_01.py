"""What the exercises of lesson 01 ask."""

from collections.abc import Iterator
from random import Random

from vlab.course.exercises import Case, Exercise, shown

# 01-1: what_is_it(host, guest): instruction sets, each a base and the letters of its extensions

_BASES = ("rv64", "rv32", "x86-64", "a32")
_LETTERS = "imafdcv"


def _computers(random: Random) -> Iterator[Case]:
    yield ("rv64", "ima"), ("rv64", "ima")
    yield ("rv64", "imafd"), ("rv64", "g")
    yield ("rv64", "g"), ("rv64", "imafd")
    yield ("rv64", "ima"), ("rv64", "g")
    yield ("rv64", "gc"), ("rv64", "i")
    for base in _BASES[1:]:
        yield ("rv64", "gc"), (base, "im" if base == "rv32" else "")
        yield (base, "im" if base == "rv32" else ""), (base, "im" if base == "rv32" else "")
    for _count in range(24):
        letters = ["i" + "".join(x for x in _LETTERS[1:] if random.random() < 0.6) for _side in range(2)]
        yield ("rv64", letters[0]), (random.choice(("rv64", "rv64", "rv64", "rv32")), letters[1])


# 01-2: through(base, operations): a disk of blocks of four sectors, and an overlay of it

PER_BLOCK = 4
_BLOCKS = 3


def _overlays(random: Random) -> Iterator[Case]:
    blocks = range(_BLOCKS)
    base = [[f"{block}{'abcd'[sector]}" for sector in range(PER_BLOCK)] for block in blocks]
    for count in (1, 2, 2, 3, 3, 4, 4, 6, 6, 8, 8, 10):
        for written in (0.2, 0.5, 0.8):
            yield base, [_operation(random, written, at) for at in range(count)]


def _operation(random: Random, written: float, at: int) -> tuple[str | int, ...]:
    sector = random.randrange(PER_BLOCK * _BLOCKS)
    return ("write", sector, f"new{at}") if random.random() < written else ("read", sector)


# 01-3: spooled(sender, there, deck): where a deck goes by its first card

_USERS = ("ana", "bob", "eve")


def _decks(random: Random) -> Iterator[Case]:
    for order in ("ID", "MSG", "id", "PUNCH"):
        for name in ("bob", "ana", "zoe"):
            for rest in ([], ["FILE memo", "buy milk"], ["lunch?"], ["lunch?", "at one"]):
                there = ["ana", *random.sample(_USERS[1:], random.choice((1, 2)))]
                yield "ana", there, [f"{order} {name}", *rest]


# 01-4: ports(switch, sender, to): to which ports of a switch a frame goes

_EVERYBODY, _GROUP = "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"


def _frames(random: Random) -> Iterator[Case]:
    macs = [f"02:00:00:00:00:{number:02}" for number in range(1, 9)]
    for size in (1, 2, 2, 3, 4, 6):
        names = random.sample([f"p{number}" for number in range(1, 9)], size)
        switch = dict(zip(names, random.sample(macs, size), strict=True))
        stranger = next(mac for mac in macs if mac not in switch.values())
        for to in (*switch.values(), stranger, _EVERYBODY, _GROUP):
            yield switch, random.choice(names), to


# 01-5: step(registers, flags, word): one ARM instruction, data processing with an immediate

OPERATIONS = {"and": 0, "sub": 2, "add": 4, "cmp": 10, "mov": 13}
CONDITIONS = {"eq": 0, "ne": 1, "cs": 2, "cc": 3, "mi": 4, "pl": 5, "ge": 10, "lt": 11, "al": 14}
FLAGS = "NZCV"
_REGISTERS = 4
_EDGES = (
    *(
        ("add", 0xFFFF_FFFF, 1),
        ("add", 0x7FFF_FFFF, 1),
        ("add", 0xFFFF_FFFF, 0),
        ("sub", 0, 1),
        ("sub", 5, 5),
    ),
    *(("sub", 0x8000_0000, 1), ("cmp", 5, 200), ("cmp", 200, 5), ("cmp", 0x8000_0000, 1), ("and", 5, 200)),
)
_VALUES = (0, 1, 5, 200, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)


def instruction(
    condition: str, operation: str, sets: bool, rd: int, rn: int, rotation: int, byte: int
) -> int:
    """The word of an ARM data-processing instruction with an immediate (ARM DDI 0100, A5.1.3)."""
    upper = CONDITIONS[condition] << 28 | 1 << 25 | OPERATIONS[operation] << 21 | sets << 20
    return upper | rn << 16 | rd << 12 | rotation << 8 | byte


def _instructions(random: Random) -> Iterator[Case]:
    for operation, first, second in _EDGES:
        for flags in ("", "CV"):
            yield [1, first, 2, 3], flags, instruction("al", operation, True, 0, 1, 0, second)
    for operation in OPERATIONS:
        for condition in ("al", "al", "al", *CONDITIONS):
            for sets in (False, True):
                registers = [random.choice(_VALUES) for _number in range(_REGISTERS)]
                rd, rn = random.randrange(_REGISTERS), random.randrange(_REGISTERS)
                moves = operation == "mov"
                word = instruction(
                    condition,
                    operation,
                    sets or operation == "cmp",
                    0 if operation == "cmp" else rd,
                    0 if moves else rn,
                    random.choice((0, 0, 1, 4, 12)),
                    random.choice((0, 1, 5, 200, 255)),
                )
                yield registers, "".join(flag for flag in FLAGS if random.random() < 0.5), word


def _difficulty(case: Case) -> int:
    """Unconditional before conditional, plain numbers before rotated ones."""
    _registers, flags, word = case
    return 20 * int(word >> 28 != CONDITIONS["al"]) + 10 * int(word >> 8 & 15 != 0) + len(flags)


def _show_step(name: str, case: Case) -> str:
    registers, flags, word = case
    return f"{name}({shown(registers)}, {flags!r}, {word:#010x})"


# 01-6: places(maps, address): through the memories of several levels

PAGE = 4096
_RAM = 0x8_0000  # the number of the first page of a computer's memory


def _maps(random: Random) -> Iterator[Case]:
    for depth in (0, 1, 1, 2, 2, 2, 3, 3):
        maps, size = [], 4
        for _level in range(depth):
            frames = random.sample(range(_RAM, _RAM + 2 * size), size)
            maps.append(dict(zip(range(_RAM, _RAM + size), frames, strict=True)))
            size *= 2
        if depth > 1:
            lost = maps[-1]
            lost.pop(random.choice([frame for frame in maps[-2].values() if frame in lost]))
        pages = [*random.sample(range(_RAM, _RAM + 4), 3), _RAM + 4, 0x1_0000]
        for page in pages:
            yield maps, page * PAGE + random.choice((0, 8, 0x123, PAGE - 1))


def _show_maps(name: str, case: Case) -> str:
    maps, address = case
    told = ("{" + ", ".join(f"{a:#x}: {b:#x}" for a, b in frames.items()) + "}" for frames in maps)
    return f"{name}([{', '.join(told)}], {address:#x})"


EXERCISES = (
    Exercise(*("01-1", "what_is_it", _computers)),
    Exercise(*("01-2", "through", _overlays), size=lambda case: len(case[1]), points=2),
    Exercise(*("01-3", "spooled", _decks), points=2),
    Exercise(*("01-4", "ports", _frames)),
    Exercise(*("01-5", "step", _instructions), size=_difficulty, show=_show_step, points=3),
    Exercise(*("01-6", "places", _maps), show=_show_maps, points=2),
)
