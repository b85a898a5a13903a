"""What the exercises of lesson 06 ask."""

from collections.abc import Iterator
from random import Random
from typing import Any

from vlab.course.exercises import Case, Exercise, shown
from vlab.riscv import ROWS, Cause, Interrupt, encode
from vlab.riscv.csrs import CSRS
from vlab.riscv.privilege import INTERRUPT_BIT

MODES = "USM"
_SIE, _SPIE, _SUM = (CSRS["sstatus"][name].mask for name in ("SIE", "SPIE", "SUM"))


# 06-1: traps(what, csr, writes, mode)

OTHERS = ("add", "ecall", "sret", "mret", "wfi", "sfence.vma")
_COUNTERS = range(0xC00, 0xD00)  # these firmware opens or closes, and the alarm as well
_ALARM = "stimecmp"


def _instructions(random: Random) -> Iterator[Case]:
    for mode in MODES:
        yield from ((what, None, False, mode) for what in OTHERS)
        for name in ("sstatus", "satp", "mstatus", "mhartid"):
            yield from (("csr", CSRS[name].number, writes, mode) for writes in (False, True))
    numbers = [csr.number for csr in CSRS.values() if csr.number not in _COUNTERS and csr.name != _ALARM]
    for _count in range(40):
        yield "csr", random.choice(numbers), random.random() < 0.5, random.choice(MODES)


def _known_first(case: Case) -> int:
    return (case[1] or 0) + 0x1000 * int(case[2])


# 06-2: dead(running, crashed)


def _worlds(random: Random) -> Iterator[Case]:
    yield {"host": (None, "system"), "a": ("host", "user")}, "a"
    yield {"host": (None, "system"), "a": ("host", "system")}, "a"
    yield {"host": (None, "system"), "a": ("host", "user"), "b": ("a", "user")}, "a"
    yield {"host": (None, "system"), "a": ("host", "user"), "b": ("a", "system")}, "b"
    for _count in range(40):
        names = random.sample(["ana", "bea", "cms", "eva", "leo", "vm1", "vm2", "web"], random.randint(2, 7))
        running: dict[str, tuple[str | None, str]] = {"host": (None, "system")}
        for name in names:
            running[name] = random.choice(list(running)), random.choice(("user", "user", "system"))
        yield running, random.choice(names)


def _inhabitants(case: Case) -> int:
    return len(case[0])


# 06-3: inhibits(word, x)

_CSR_ROWS = ("csrrw", "csrrs", "csrrc", "csrrwi", "csrrsi", "csrrci")
_NAMES = ("sstatus",) * 6 + ("sie", "sscratch", "mstatus")
_OFTEN = ("csrrw", "csrrc", "csrrwi", "csrrci")  # they can switch something off
_VALUES = (0, _SIE, _SPIE, _SIE | _SPIE, _SUM, (1 << 64) - 1, (1 << 64) - 1 - _SIE)


def _words(random: Random) -> Iterator[Case]:
    for name in _CSR_ROWS:
        for operand in (0, 2, 5):
            yield _word(random, name, "sstatus", operand)
    for _count in range(60):
        yield _word(random, random.choice((*_CSR_ROWS, *_OFTEN)), random.choice(_NAMES), random.randrange(32))
    for name in ("addi", "andi", "ori"):
        fields = {"rd": random.randrange(1, 32), "rs1": 2, "imm": CSRS["sstatus"].number}
        yield encode(ROWS[name], fields), _registers(random)


def _word(random: Random, name: str, csr: str, operand: int) -> Case:
    fields = {"csr": CSRS[csr].number, "rd": random.choice((0, 0, 10)), "rs1": operand, "zimm": operand}
    wanted = {
        field: value for field, value in fields.items() if field != ("rs1" if name[-1] == "i" else "zimm")
    }
    return encode(ROWS[name], wanted), _registers(random)


def _registers(random: Random) -> list[int]:
    return [0, *(random.choice(_VALUES) for _register in range(31))]


def _order(case: Case) -> int:
    return int(case[0]) >> 12


def _show_word(name: str, case: Case) -> str:
    """The call with only those registers that the word can name."""
    word, x = case
    register = word >> 15 & 31
    return f"{name}({word:#010x}, x)   x[{register}] = {shown(x[register])}"


# 06-4: handle(scause, mode, kind)

KINDS = ("program", "VM", "system")
_EXCEPTIONS = (
    *(Cause.ILLEGAL_INSTRUCTION, Cause.BREAKPOINT, Cause.LOAD_ACCESS_FAULT, Cause.STORE_ACCESS_FAULT),
    *(Cause.ECALL_FROM_U, Cause.INSTRUCTION_PAGE_FAULT, Cause.LOAD_PAGE_FAULT, Cause.STORE_PAGE_FAULT),
)


def _arrivals(random: Random) -> Iterator[Case]:
    every: list[Case] = []
    for kind, mode in (("program", "U"), ("VM", "U"), ("system", "U"), ("system", "S")):
        causes = [int(cause) for cause in _EXCEPTIONS if mode == "U" or cause != Cause.ECALL_FROM_U]
        causes += [INTERRUPT_BIT | Interrupt.STI, INTERRUPT_BIT | Interrupt.SEI]
        if mode == "S":
            causes.append(int(Cause.ECALL_FROM_S))
        every += [(cause, mode, kind) for cause in causes]
    random.shuffle(every)
    yield from every


def _exceptions_first(case: Case) -> int:
    cause: int = case[0]
    return cause & ~INTERRUPT_BIT | cause >> 58


# 06-5: follow(sie, spie, events)

DEEDS = ("csrrw", "csrrs", "csrrc", "sret", "trap")


def _stories(random: Random) -> Iterator[Case]:
    for sie in (0, 1):
        for deed in DEEDS:
            yield sie, 1 - sie, [_deed(random, deed)]
    for length in (2, 3, 4, 8, 12):
        for _count in range(10):
            events = [_deed(random, random.choice(DEEDS)) for _event in range(length)]
            yield random.randrange(2), random.randrange(2), events


def _deed(random: Random, deed: str) -> Any:
    return (deed, random.choice(_VALUES[:5])) if deed.startswith("csr") else (deed, None)


def _length(case: Case) -> int:
    return len(case[2])


EXERCISES = (
    Exercise(*("06-1", "traps", _instructions), size=_known_first),
    Exercise(*("06-2", "dead", _worlds), size=_inhabitants, points=2),
    Exercise(*("06-3", "inhibits", _words), size=_order, show=_show_word, points=2),
    Exercise(*("06-4", "handle", _arrivals), size=_exceptions_first),
    Exercise(*("06-5", "follow", _stories), size=_length, points=3),
)
