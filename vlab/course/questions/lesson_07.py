"""What the exercises of lesson 07 ask."""

from collections.abc import Iterator
from random import Random
from typing import Any

from vlab.course.exercises import Case, Exercise, shown, shown_call
from vlab.course.questions import guests_07 as guests
from vlab.course.questions import runs_07 as runs
from vlab.riscv import Cause, Interrupt, Mode
from vlab.riscv.csrs import CSRS
from vlab.riscv.privilege import INTERRUPT_BIT

_MODES = tuple(int(mode) for mode in Mode)
_SUPERVISOR = tuple(int(code) for code in (Interrupt.SSI, Interrupt.STI, Interrupt.SEI))
_SIE, _SPIE, _SPP, _SUM, _MXR = (CSRS["sstatus"][name].mask for name in ("SIE", "SPIE", "SPP", "SUM", "MXR"))
_WORD = 64


def _some(random: Random, bits: tuple[int, ...]) -> int:
    """A number with most of these bits set."""
    return sum(1 << bit for bit in bits if random.random() < 0.7)


# 07-1: deliverable(mode, sstatus, sie, sip)


def _pending(random: Random) -> Iterator[Case]:
    for mode in "USM":
        for status in (0, _SIE):
            code = 1 << random.choice(_SUPERVISOR)
            yield mode, status, code, code
            yield mode, status, 0, code
            yield mode, status, code, 0
    for _count in range(80):
        other = sum(bit for bit in (_SPIE, _SPP, _SUM, _MXR) if random.random() < 0.3)
        sie, sip = _some(random, _SUPERVISOR), _some(random, _SUPERVISOR)
        yield random.choice("USM"), other | random.choice((0, _SIE)), sie, sip


def _set_bits(case: Case) -> int:
    return sum(register.bit_count() for register in case[1:])


def _show_pending(name: str, case: Case) -> str:
    return f"{name}({case[0]!r}, {', '.join(map(hex, case[1:]))})"


# 07-2: decide(cause, mode, found)

PAGE_FAULTS = (Cause.INSTRUCTION_PAGE_FAULT, Cause.LOAD_PAGE_FAULT, Cause.STORE_PAGE_FAULT)
FOUND = ("fault", "memory", "device", "nothing")
_FOUND_NOTHING = (
    *(Cause.ILLEGAL_INSTRUCTION, Cause.ECALL_FROM_U),
    *(Cause.BREAKPOINT, Cause.LOAD_MISALIGNED, Cause.STORE_MISALIGNED),
    *(INTERRUPT_BIT | Interrupt.STI, INTERRUPT_BIT | Interrupt.SEI),
)


def _exits(random: Random) -> Iterator[Case]:
    every: list[Case] = []
    for mode in "USM":
        every += [(int(cause), mode, None) for cause in _FOUND_NOTHING]
        every += [
            (int(c), mode, f) for c in PAGE_FAULTS for f in FOUND if (c, f) != (PAGE_FAULTS[0], "device")
        ]
    random.shuffle(every)
    yield from every


def _cause_first(case: Case) -> int:
    cause: int = case[0]
    return cause & ~INTERRUPT_BIT | (cause >> 58)


# 07-3: emulate_csr(csrs, mode, operation, name, value)

_TOUCHED = (
    "mstatus",
    "sstatus",
    "mie",
    "sie",
    "satp",
    "stvec",
    "mtvec",
    "sepc",
    "sscratch",
    "mideleg",
    "mhartid",
)
_STORED = ("mstatus", "mie", "satp", "stvec", "mtvec", "sepc", "sscratch", "mideleg", "mhartid")
OPERATIONS = ("csrrw", "csrrs", "csrrc")


def _csr_instructions(random: Random) -> Iterator[Case]:
    zero = {name: CSRS[name].fixed for name in _STORED}
    yield dict(zero), 1, "csrrw", "mstatus", 1
    yield dict(zero), 3, "csrrw", "mhartid", 1
    yield dict(zero), 3, "csrrs", "mhartid", None
    for name in _TOUCHED:
        bit = 1 << random.choice((0, 1, 5, 8, 11))
        yield dict(zero), random.choice((1, 3)), random.choice(OPERATIONS), name, bit
    for _count in range(60):
        csrs = {name: CSRS[name].legalize(CSRS[name].fixed, random.getrandbits(_WORD)) for name in _STORED}
        operation = random.choice(OPERATIONS)
        reads = operation != "csrrw" and random.random() < 0.3
        value = None if reads else random.choice((0, (1 << _WORD) - 1, random.getrandbits(_WORD)))
        yield csrs, random.choice(_MODES), operation, random.choice(_TOUCHED), value


def _ask_csr(emulate: Any, case: Case) -> Any:
    """What is returned, and what the registers are after it: this function is meant to change them."""
    csrs = dict(case[0])
    reply = emulate(csrs, *case[1:])
    return {"returned": reply, "csrs": csrs}


def _csr_bits(case: Case) -> int:
    return sum(value.bit_count() for value in [*case[0].values(), case[4] or 0])


def _show_csr(name: str, case: Case) -> str:
    """The call with only those registers that are not zero."""
    csrs = {register: value for register, value in case[0].items() if value}
    return shown_call(name, (csrs, *case[1:]))


# 07-4: take_trap(hart, cause, value)

_TRAP_CSRS = (
    *("mstatus", "medeleg", "mideleg"),
    *("mtvec", "mepc", "mcause", "mtval"),
    *("stvec", "sepc", "scause", "stval"),
)
_ECALLS = tuple(cause for cause in Cause if cause.name.startswith("ECALL"))
_CAUSES = tuple(int(cause) for cause in Cause if cause not in _ECALLS and cause < 16)


def _traps(random: Random) -> Iterator[Case]:
    plain_state = dict.fromkeys(_TRAP_CSRS, 0) | {"mtvec": 0x8000_0100, "stvec": 0x8000_0200}
    for mode in _MODES:
        for status in ("SIE", "MIE"):
            state = plain_state | {"pc": 0x8000_0000, "mode": mode, "mstatus": CSRS["mstatus"][status].mask}
            yield state, _cause(random, mode, 0.5), 0
            yield (
                state | {"medeleg": CSRS["medeleg"].writable, "mideleg": CSRS["mideleg"].writable},
                _cause(random, mode, 0.5),
                0,
            )
    for _count in range(60):
        state = {
            name: CSRS[name].legalize(CSRS[name].fixed, random.getrandbits(_WORD)) for name in _TRAP_CSRS
        }
        mode = random.choice(_MODES)
        state |= {"pc": random.getrandbits(_WORD - 2) << 2, "mode": mode}
        yield state, _cause(random, mode, 0.3), random.getrandbits(_WORD)


def _cause(random: Random, mode: int, interrupts: float) -> int:
    """A cause that the hart can meet in this mode."""
    if random.random() < interrupts:
        # To M mode nothing is delegated away, so there it is one of M mode's own.
        codes = [code for code in Interrupt if mode < Mode.M or code not in _SUPERVISOR]
        return INTERRUPT_BIT | random.choice(codes)
    return random.choice((*_CAUSES, Cause.ECALL_FROM_U + mode))


def _ask_trap(take_trap: Any, case: Case) -> Any:
    """The state after it: this function is meant to change the hart that it is given."""
    state = dict(case[0])
    take_trap(state, *case[1:])
    return state


def _trap_bits(case: Case) -> int:
    return sum(value.bit_count() for value in case[0].values())


def _show_trap(name: str, case: Case) -> str:
    state = {register: value for register, value in case[0].items() if value or register == "mode"}
    return f"{name}({shown(state)}, {', '.join(map(shown, case[1:]))})"


# 07-7: told(kind, events)


def _happenings(random: Random) -> Iterator[Case]:
    hold, release, first = ("hold", None), ("release", None), ("happens", 1)
    yield "signals", [first]
    yield "signals", [hold, first]
    yield "signals", [hold, first, release]
    yield "signals", [hold, ("happens", 2), first, release]
    yield "signals", [hold, first, first, release]
    yield "interrupts", [first]
    yield "interrupts", [first, first]
    yield "interrupts", [first, release]
    yield "interrupts", [first, ("read", 1), release]
    yield "interrupts", [first, ("happens", 2), ("read", 1), release]
    for _count in range(60):
        kind = random.choice(("signals", "interrupts"))
        verbs = ("happens", "happens", "hold", "release") + ("read",) * (kind == "interrupts")
        events = [random.choice(verbs) for _event in range(random.randint(3, 9))]
        yield kind, [(what, random.randint(1, 3) if what in ("happens", "read") else None) for what in events]


def _events(case: Case) -> int:
    return len(case[1])


EXERCISES = (
    Exercise(
        *("07-1", "deliverable", _pending),
        size=_set_bits,
        show=_show_pending,
    ),
    Exercise(
        *("07-2", "decide", _exits),
        size=_cause_first,
        gives=frozenset({"Cause", "Access", "Mode"}),
    ),
    Exercise(
        *("07-3", "emulate_csr", _csr_instructions, _ask_csr),
        size=_csr_bits,
        show=_show_csr,
        gives=frozenset({"CSRS", "Mode"}),
        points=2,
    ),
    Exercise(
        *("07-4", "take_trap", _traps, _ask_trap),
        size=_trap_bits,
        show=_show_trap,
        gives=frozenset({"CSRS", "Mode", "Cause", "Interrupt"}),
        points=3,
    ),
    Exercise(
        *("07-5", "exits_per_call", runs.draw, runs.ask),
        size=runs.size,
        show=runs.show,
        gives=frozenset({"Cause", "Exit", "Injection", "Recording", "descendants", "ancestors"}),
        points=2,
    ),
    Exercise(
        *("07-6", "Mine", guests.draw, guests.ask),
        size=guests.size,
        show=guests.show,
        gives=frozenset({"Access", "Cause", "Injection", "Mode", "Trap", "TrapAndEmulate", "TrapRaised"}),
        points=4,
        seconds=20,
    ),
    Exercise("07-7", "told", _happenings, size=_events, points=2),
)
