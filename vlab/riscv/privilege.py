"""Privilege: the modes, the kinds of memory access, and the causes of traps (Privileged ISA, tables 1 and 14)."""

from enum import Enum, IntEnum

from vlab.language import _


class Mode(IntEnum):
    """Privilege modes, ordered: a larger number may do more."""

    U = 0
    S = 1
    M = 3

    def __str__(self) -> str:
        return self.name


def mode_name(mode: Mode, virtual: bool) -> str:
    """What a mode is called: "U", "S", "M"; with the virtualization mode V = 1, "VU" and "VS" (chapter H)."""
    return f"V{mode.name}" if virtual else mode.name


class Access(Enum):
    """What an instruction wants from an address. An AMO or `sc` counts as a store."""

    FETCH = "fetch"
    LOAD = "load"
    STORE = "store"

    __hash__ = object.__hash__  # an enumeration's own is a call in Python

    def __str__(self) -> str:
        return self.value

    @property
    def title(self) -> str:
        """The access in the reader's language."""
        return access_title(self.value)


def access_title(access: str) -> str:
    """An access in the reader's language, from its stable word: "fetch", "load", "store"."""
    return {"fetch": _("fetch"), "load": _("load"), "store": _("store")}.get(access, access)


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
    ECALL_FROM_VS = 10
    ECALL_FROM_M = 11
    INSTRUCTION_PAGE_FAULT = 12
    LOAD_PAGE_FAULT = 13
    STORE_PAGE_FAULT = 15
    INSTRUCTION_GUEST_PAGE_FAULT = 20
    LOAD_GUEST_PAGE_FAULT = 21
    VIRTUAL_INSTRUCTION = 22
    STORE_GUEST_PAGE_FAULT = 23

    @property
    def key(self) -> str:
        """The cause in words that stay the same in every language, as the specification's table has it."""
        return _KEYS.get(self) or self.name.lower().replace("_", " ")

    @property
    def title(self) -> str:
        """The cause in the reader's language."""
        return _titles()[self.key]


_KEYS = {
    Cause.ECALL_FROM_U: "ecall from U",
    Cause.ECALL_FROM_S: "ecall from S",
    Cause.ECALL_FROM_VS: "ecall from VS",
    Cause.ECALL_FROM_M: "ecall from M",
    Cause.INSTRUCTION_GUEST_PAGE_FAULT: "instruction guest-page fault",
    Cause.LOAD_GUEST_PAGE_FAULT: "load guest-page fault",
    Cause.STORE_GUEST_PAGE_FAULT: "store guest-page fault",
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
    def key(self) -> str:
        """The interrupt in words that stay the same in every language."""
        who = "supervisor" if self.name.startswith("S") else "machine"
        what = {"SI": "software", "TI": "timer", "EI": "external"}[self.name[1:]]
        return f"{who} {what} interrupt"

    @property
    def title(self) -> str:
        """The interrupt in the reader's language."""
        return _titles()[self.key]


class GuestInterrupt(IntEnum):
    """Interrupt codes that the H extension adds: for VS mode, where each counts as the code one below."""

    VSSI = 2
    VSTI = 6
    VSEI = 10

    @property
    def key(self) -> str:
        """The interrupt in words that stay the same in every language."""
        return f"virtual {Interrupt(self - 1).key}"

    @property
    def title(self) -> str:
        """The interrupt in the reader's language."""
        return _titles()[self.key]


def _titles() -> dict[str, str]:
    """Exceptions and interrupts in the reader's language, by their key."""
    return {
        "instruction misaligned": _("instruction misaligned"),
        "instruction access fault": _("instruction access fault"),
        "illegal instruction": _("illegal instruction"),
        "breakpoint": _("breakpoint"),
        "load misaligned": _("load misaligned"),
        "load access fault": _("load access fault"),
        "store misaligned": _("store misaligned"),
        "store access fault": _("store access fault"),
        "ecall from U": _("ecall from U"),
        "ecall from S": _("ecall from S"),
        "ecall from VS": _("ecall from VS"),
        "ecall from M": _("ecall from M"),
        "instruction page fault": _("instruction page fault"),
        "load page fault": _("load page fault"),
        "store page fault": _("store page fault"),
        "instruction guest-page fault": _("instruction guest-page fault"),
        "load guest-page fault": _("load guest-page fault"),
        "virtual instruction": _("virtual instruction"),
        "store guest-page fault": _("store guest-page fault"),
        "supervisor software interrupt": _("supervisor software interrupt"),
        "supervisor timer interrupt": _("supervisor timer interrupt"),
        "supervisor external interrupt": _("supervisor external interrupt"),
        "machine software interrupt": _("machine software interrupt"),
        "machine timer interrupt": _("machine timer interrupt"),
        "machine external interrupt": _("machine external interrupt"),
        "virtual supervisor software interrupt": _("virtual supervisor software interrupt"),
        "virtual supervisor timer interrupt": _("virtual supervisor timer interrupt"),
        "virtual supervisor external interrupt": _("virtual supervisor external interrupt"),
    }


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

# What the G-stage raises instead (Privileged ISA, section 8.5.1).
GUEST_PAGE_FAULT = {
    Access.FETCH: Cause.INSTRUCTION_GUEST_PAGE_FAULT,
    Access.LOAD: Cause.LOAD_GUEST_PAGE_FAULT,
    Access.STORE: Cause.STORE_GUEST_PAGE_FAULT,
}


class Trap(Exception):
    """An exception raised by the instruction being executed: its cause and what `xtval` will hold.

    The H extension tells more: what `htval` and `htinst` (or `mtval2` and `mtinst`) will hold, and whether
    `value` is an address of a guest's that software outside it named (`hlv`).
    """

    second = 0
    instruction = 0
    guest = False

    def __init__(self, cause: Cause, value: int = 0):
        super().__init__(cause, value)
        self.cause = cause
        self.value = value


def cause_key(cause: int) -> str:
    """An `xcause` value in words that stay the same: an exception, an interrupt, or a code left open."""
    known = _known(cause)
    return f"cause {cause & ~INTERRUPT_BIT}" if known is None else known.key


def cause_title(cause: int) -> str:
    """An `xcause` value in the reader's language."""
    known = _known(cause)
    return _("cause {code}").format(code=cause & ~INTERRUPT_BIT) if known is None else known.title


def _known(cause: int) -> Cause | Interrupt | GuestInterrupt | None:
    """The exception or interrupt; None for a code that the specification leaves open."""
    kinds = (Interrupt, GuestInterrupt) if cause & INTERRUPT_BIT else (Cause,)
    return next((one for kind in kinds for one in kind if one == cause & ~INTERRUPT_BIT), None)
