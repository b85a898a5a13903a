"""Privilege: the modes, the kinds of memory access, and the causes of traps (Privileged ISA, tables 1 and 14)."""

from enum import Enum, IntEnum


class Mode(IntEnum):
    """Privilege modes, ordered: a larger number may do more."""

    U = 0
    S = 1
    M = 3

    def __str__(self) -> str:
        return self.name


class Access(Enum):
    """What an instruction wants from an address. An AMO or `sc` counts as a store."""

    FETCH = "fetch"
    LOAD = "load"
    STORE = "store"

    def __str__(self) -> str:
        return self.value


class Cause(IntEnum):
    """Exception codes of `mcause` and `scause` (interrupt bit clear)."""

    INSTRUCTION_MISALIGNED = 0
    INSTRUCTION_ACCESS_FAULT = 1
    ILLEGAL_INSTRUCTION = 2
    BREAKPOINT = 3
    LOAD_MISALIGNED = 4
    LOAD_ACCESS_FAULT = 5
    STORE_MISALIGNED = 6
    STORE_ACCESS_FAULT = 7
    ECALL_FROM_U = 8
    ECALL_FROM_S = 9
    ECALL_FROM_M = 11
    INSTRUCTION_PAGE_FAULT = 12
    LOAD_PAGE_FAULT = 13
    STORE_PAGE_FAULT = 15

    @property
    def title(self) -> str:
        """The cause in words, as the specification's table has it."""
        return _TITLES.get(self) or self.name.lower().replace("_", " ")


_TITLES = {
    Cause.ECALL_FROM_U: "ecall from U",
    Cause.ECALL_FROM_S: "ecall from S",
    Cause.ECALL_FROM_M: "ecall from M",
}


class Interrupt(IntEnum):
    """Interrupt codes: the bit in `mip`/`mie`, and the code in `mcause` with the interrupt bit set."""

    SSI = 1
    MSI = 3
    STI = 5
    MTI = 7
    SEI = 9
    MEI = 11

    @property
    def title(self) -> str:
        """The interrupt in words."""
        who = "supervisor" if self.name.startswith("S") else "machine"
        what = {"SI": "software", "TI": "timer", "EI": "external"}[self.name[1:]]
        return f"{who} {what} interrupt"


INTERRUPT_BIT = 1 << 63

ACCESS_FAULT = {
    Access.FETCH: Cause.INSTRUCTION_ACCESS_FAULT,
    Access.LOAD: Cause.LOAD_ACCESS_FAULT,
    Access.STORE: Cause.STORE_ACCESS_FAULT,
}

PAGE_FAULT = {
    Access.FETCH: Cause.INSTRUCTION_PAGE_FAULT,
    Access.LOAD: Cause.LOAD_PAGE_FAULT,
    Access.STORE: Cause.STORE_PAGE_FAULT,
}


class Trap(Exception):
    """An exception raised by the instruction being executed: its cause and what `xtval` will hold."""

    def __init__(self, cause: Cause, value: int = 0):
        super().__init__(cause, value)
        self.cause = cause
        self.value = value


def cause_title(cause: int) -> str:
    """An `xcause` value in words: an exception, an interrupt, or a code that the specification leaves open."""
    kind: type[IntEnum] = Interrupt if cause & INTERRUPT_BIT else Cause
    code = cause & ~INTERRUPT_BIT
    return kind(code).title if code in list(kind) else f"cause {code}"  # type: ignore[attr-defined]
