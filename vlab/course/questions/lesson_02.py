"""What the exercises of lesson 02 ask."""

from collections.abc import Iterator
from random import Random
from typing import Any

from vlab.course.exercises import Case, Exercise, shown
from vlab.course.questions import guests_02 as guests
from vlab.paging import PAGE_SIZE, Flags, entry
from vlab.riscv import Cause, Interrupt, Mode
from vlab.riscv.csrs import CSRS
from vlab.riscv.privilege import INTERRUPT_BIT, Access

_MODES = tuple(int(mode) for mode in Mode)
_EXCEPTIONS = tuple(int(cause) for cause in Cause if cause < 16 and not cause.name.startswith("ECALL"))
_SUPERVISOR = tuple(int(code) for code in (Interrupt.SSI, Interrupt.STI, Interrupt.SEI))
_EVERY = tuple(int(code) for code in Interrupt)
_STATUS = {name: CSRS["mstatus"][name].mask for name in ("SIE", "MIE", "SPIE", "MPIE", "SPP", "MPRV", "TSR")}


def _some(random: Random, bits: tuple[int, ...], share: float = 0.7) -> int:
    """A number with most of these bits set."""
    return sum(1 << bit for bit in bits if random.random() < share)


# 02-1: handler_mode(mode, cause, medeleg, mideleg)


def _delegations(random: Random) -> Iterator[Case]:
    for mode in _MODES:
        exception = random.choice((*_EXCEPTIONS, Cause.ECALL_FROM_U + mode))
        yield from _about_cause(mode, int(exception))
        # What M mode has delegated can't interrupt it.
        interrupt = random.choice(_SUPERVISOR if mode < Mode.M else (Interrupt.MSI, Interrupt.MTI))
        yield from _about_cause(mode, INTERRUPT_BIT | interrupt)
    for _count in range(40):
        mode = random.choice(_MODES)
        cause = random.choice((*_EXCEPTIONS, Cause.ECALL_FROM_U + mode))
        yield str(Mode(mode)), int(cause), _some(random, _EXCEPTIONS), _some(random, _SUPERVISOR)


def _about_cause(mode: int, cause: int) -> Iterator[Case]:
    """All four ways of delegating the cause's code."""
    bit = 1 << (cause & ~INTERRUPT_BIT)
    for medeleg in (0, bit & CSRS["medeleg"].writable):
        for mideleg in (0, bit & CSRS["mideleg"].writable):
            yield str(Mode(mode)), cause, medeleg, mideleg


def _set_bits(case: Case) -> int:
    return sum(register.bit_count() for register in case[1:])


# 02-2: sret(hart)


def _returns(random: Random) -> Iterator[Case]:
    plain_state = {"pc": 0x8000_0100, "mode": 1, "mstatus": 0, "sepc": 0x8000_0200}
    for mode in _MODES:
        for name in ("", "SIE", "SPIE", "SPP", "TSR", "MPRV"):
            yield (plain_state | {"mode": mode, "mstatus": _STATUS.get(name, 0)},)
    for _count in range(60):
        status = sum(mask for mask in _STATUS.values() if random.random() < 0.5)
        state = {"pc": random.getrandbits(30) << 2, "mode": random.choice((0, 1, 1, 1, 3)), "mstatus": status}
        yield (state | {"sepc": random.getrandbits(38) << 2},)


def _ask_return(sret: Any, case: Case) -> Any:
    """What is returned, and the hart after it: this function is meant to change it."""
    hart = dict(case[0])
    reply = sret(hart)
    return {"returned": reply if reply is None else bool(reply), "hart": hart}


def _show_return(name: str, case: Case) -> str:
    return f"{name}({shown(case[0])})"


# 02-3: next_interrupt(mode, mstatus, mideleg, mie, mip)


def _interrupts(random: Random) -> Iterator[Case]:
    on = (0, _STATUS["SIE"], _STATUS["MIE"])
    for mode in Mode:
        for status in on:
            for code in (random.choice(_SUPERVISOR), Interrupt.MTI):
                delegated = 1 << code & CSRS["mideleg"].writable
                yield str(mode), status, delegated, 1 << code, 1 << code
                yield str(mode), status, 0, 1 << code, 1 << code
            yield str(mode), status, 0, 0, 1 << Interrupt.MTI
            yield str(mode), status, 0, 1 << Interrupt.MTI, 0
    for _count in range(100):
        status = sum(mask for mask in _STATUS.values() if random.random() < 0.5)
        yield (
            *(random.choice("USM"), status, _some(random, _SUPERVISOR)),
            *(_some(random, _EVERY), _some(random, _EVERY)),
        )


def _show_interrupt(name: str, case: Case) -> str:
    return f"{name}({case[0]!r}, {', '.join(map(hex, case[1:]))})"


# 02-4: walk(memory, root, address, access, mode, sum, mxr)

_ROOT, _MIDDLE, _LEAF = 0x8004_0000, 0x8004_1000, 0x8004_2000
_FRAME = 0x8000_0000
_LEVELS = ((_ROOT, 30), (_MIDDLE, 21), (_LEAF, 12))
_GOOD = Flags.V | Flags.R | Flags.W | Flags.X | Flags.A | Flags.D
_LEAVES = (
    *(_GOOD, _GOOD | Flags.U, _GOOD & ~Flags.W, _GOOD & ~Flags.X, _GOOD & ~Flags.V),
    *(_GOOD & ~(Flags.R | Flags.W), _GOOD & ~Flags.R, (_GOOD | Flags.U) & ~(Flags.R | Flags.W)),
)


def _walks(random: Random) -> Iterator[Case]:
    """Walks of one, two and three references with every kind of leaf; then what is broken otherwise."""
    for depth in (1, 2, 3):
        for flags in (*_LEAVES, Flags.V):
            yield _walk_case(random, depth, flags)
        for damage in _DAMAGES:
            yield damage(random, _walk_case(random, depth, _GOOD | Flags.U, "U", Access.LOAD))
    for flags in (_GOOD, _GOOD | Flags.U, _GOOD & ~(Flags.R | Flags.W), _GOOD & ~Flags.R):
        for status in ((False, False), (True, False), (False, True)):
            for access in Access:
                yield _walk_case(random, random.choice((1, 3)), flags, "S", access, status)
    for _count in range(30):
        flags = Flags.V | random.randrange(0, 256, 2)
        yield _walk_case(random, random.choice((1, 2, 3, 3)), flags)


def _walk_case(
    random: Random,
    depth: int,
    flags: int,
    mode: str = "",
    access: Access | None = None,
    status: tuple[bool, bool] | None = None,
) -> Case:
    """A table with the way to one address: `depth` references, the last one with these flags."""
    address = random.randrange(1, 256) << 30 | random.getrandbits(30) & ~7
    if random.random() < 0.2:
        address |= (1 << 64) - (1 << 38)  # the upper half
    memory = {}
    for level, (table, shift) in enumerate(_LEVELS[:depth], 1):
        at = table + 8 * (address >> shift & 511)
        size = 1 << shift
        frame = (_FRAME + random.randrange(8) * size) & -size if level == depth else _LEVELS[level][0]
        memory[at] = entry(frame // PAGE_SIZE, flags if level == depth else Flags.V)
    kind = access or random.choice(tuple(Access))
    rest = status or (random.random() < 0.5, random.random() < 0.5)
    return memory, _ROOT, address, str(kind), mode or random.choice("US"), *rest


def _far(random: Random, case: Case) -> Case:
    """The same, the address not canonical."""
    memory, root, address, *rest = case
    return memory, root, address ^ 1 << random.randrange(39, 64), *rest


def _reserved(random: Random, case: Case) -> Case:
    """The same with a reserved bit in the last entry."""
    memory, *rest = case
    last = max(memory)
    return memory | {last: memory[last] | 1 << random.randrange(54, 64)}, *rest


def _misplaced(random: Random, case: Case) -> Case:
    """The same with a page that is not aligned to its size (if it is of 4 KiB, only another one)."""
    memory, *rest = case
    last = max(memory)
    return memory | {last: memory[last] | 1 << 10}, *rest


def _odd_pointer(random: Random, case: Case) -> Case:
    """The same with a flag in the root's entry that is reserved if it is a pointer."""
    memory, *rest = case
    first = min(memory)
    return memory | {first: memory[first] | random.choice((Flags.U, Flags.A, Flags.D))}, *rest


_DAMAGES = (_far, _reserved, _misplaced, _odd_pointer)


def _show_walk(name: str, case: Case) -> str:
    memory, root, address, *rest = case
    entries = ", ".join(f"{at:#x}: {raw:#x}" for at, raw in memory.items())
    told = ", ".join(map(repr, rest))
    return f"{name}({{{entries}}}, {root:#x}, {address:#x}, {told})"


EXERCISES = (
    Exercise(
        *("02-1", "handler_mode", _delegations),
        size=_set_bits,
        gives=frozenset({"Cause", "Mode"}),
    ),
    Exercise(
        *("02-2", "sret", _returns, _ask_return),
        size=lambda case: case[0]["mstatus"].bit_count() + case[0]["sepc"].bit_count(),
        show=_show_return,
        gives=frozenset({"CSRS", "Mode"}),
    ),
    Exercise(
        *("02-3", "next_interrupt", _interrupts),
        size=_set_bits,
        show=_show_interrupt,
        gives=frozenset({"Interrupt", "Mode"}),
        points=2,
    ),
    Exercise(
        *("02-4", "walk", _walks),
        size=lambda case: len(case[0]) * 64 + case[2].bit_count(),
        show=_show_walk,
        points=3,
    ),
    Exercise(
        *("02-5", "timer_handler", guests.draw, guests.ask),
        size=guests.size,
        show=guests.show,
        points=3,
        seconds=20,
    ),
)
