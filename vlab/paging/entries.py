"""Page-table entries: their flags, the rules that judge them, and those rules in words.

A rule has a short stable code ("not-valid", "user-page-in-S"): tests, drawings and exercises name it.
"""

from enum import IntFlag
from typing import NamedTuple

from vlab.language import VlabError, _
from vlab.paging.schemes import FLAG_BITS, SV39, Scheme, named
from vlab.riscv.privilege import Access, Mode


class Flags(IntFlag):
    """The low eight bits of an entry (Privileged ISA, section 4.3.1)."""

    V = 1 << 0
    R = 1 << 1
    W = 1 << 2
    X = 1 << 3
    U = 1 << 4
    G = 1 << 5
    A = 1 << 6
    D = 1 << 7

    def __str__(self) -> str:
        """All eight in the order of the bits, a dash for a clear one: "DA-U-WRV"."""
        return "".join(flag.name or "" if flag in self else "-" for flag in reversed(Flags))


# An IntFlag is slow to make and to mask. The walk works on plain numbers and takes its Flags from here.
FLAGS = tuple(Flags(bits) for bits in range(256))
_V, _R, _W, _X, _U = 1, 2, 4, 8, 16
_RW, _RWX = _R | _W, _R | _W | _X
_RESERVED_IN_POINTER = int(Flags.U | Flags.A | Flags.D)
_USER, _FETCH, _LOAD = Mode.U, Access.FETCH, Access.LOAD


class Entry(NamedTuple):
    """A raw entry, taken apart. `reserved` holds the bits above the PPN, which must be zero."""

    ppn: int
    flags: Flags
    rsw: int
    reserved: int


def entry(ppn: int, flags: Flags | int, rsw: int = 0) -> int:
    """The raw entry that holds this physical page number and these flags."""
    return ppn << FLAG_BITS | rsw << 8 | int(flags)


def decode(raw: int, scheme: Scheme = SV39) -> Entry:
    """Take a raw entry apart."""
    top = FLAG_BITS + scheme.ppn_bits
    return Entry(raw >> FLAG_BITS & scheme.ppn_mask, FLAGS[raw & 0xFF], raw >> 8 & 3, raw >> top)


def classify(raw: int, level: int, scheme: Scheme = SV39) -> str:
    """What an entry is, wherever it leads: "pointer", "leaf", or the rule it breaks (4.3.2, steps 3 to 5)."""
    if not raw & _V:
        return "not-valid"
    if raw & _RW == _W:
        return "write-without-read"
    if raw & scheme.reserved_mask:
        return "reserved-bits"
    if raw & _RWX:
        if level and raw >> FLAG_BITS & (1 << scheme.index_bits * level) - 1:
            return "misaligned-superpage"
        return "leaf"
    if raw & _RESERVED_IN_POINTER:
        return "reserved-in-pointer"
    return "pointer" if level else "no-leaf"


def permits(flags: int, access: Access, mode: Mode, sum: bool = False, mxr: bool = False) -> str | None:
    """The permission rule (4.3.2, steps 6 to 8): None where a leaf allows the access, else the rule broken.

    `flags` may be a whole raw entry. `sum` and `mxr` are the fields of sstatus; mode is U or S.
    """
    bits = int(flags)
    if bits & _U:
        if mode != _USER:
            if access is _FETCH:
                return "fetch-of-user-page"
            if not sum:
                return "user-page-in-S"
    elif mode == _USER:
        return "supervisor-page-in-U"
    if access is _LOAD:
        return None if bits & _R or (mxr and bits & _X) else "not-readable"
    if access is _FETCH:
        return None if bits & _X else "not-executable"
    return None if bits & _W else "not-writable"


def rule_text(rule: str) -> str:
    """A rule's code in words, in the reader's language."""
    return {
        "allowed": _("the entry allows the access"),
        "pointer": _("R, W and X are clear: the entry points to the next table"),
        "leaf": _("R or X is set: the entry maps a page"),
        "non-canonical": _("the address is not canonical"),
        "access-fault": _("the entry could not be read from physical memory"),
        "not-valid": _("the entry is not valid"),
        "write-without-read": _("W without R is reserved"),
        "reserved-bits": _("reserved bits above the PPN are set"),
        "reserved-in-pointer": _("D, A or U is set in a pointer, where they are reserved"),
        "no-leaf": _("the last level holds a pointer, not a page"),
        "misaligned-superpage": _("the superpage is not aligned to its size"),
        "supervisor-page-in-U": _("user mode may not touch a supervisor page"),
        "user-page-in-S": _("supervisor mode may touch a user page only while SUM is set"),
        "fetch-of-user-page": _("supervisor mode never executes a user page"),
        "not-readable": _("the page is not readable"),
        "not-writable": _("the page is not writable"),
        "not-executable": _("the page is not executable"),
        "not-accessed": _("A is clear, and this hardware leaves it to software to set it"),
        "not-dirty": _("D is clear, and this hardware leaves it to software to set it"),
    }[rule]


def flags_of(flags: Flags | int | str) -> Flags:
    """Flags from Flags, a number below 256, or letters such as "RWU" (dashes are skipped).

    Raises VlabError for anything else.
    """
    if isinstance(flags, int) and 0 <= flags < 256:
        return FLAGS[flags]
    letters, known = str(flags).replace("-", ""), set(Flags.__members__)
    if isinstance(flags, str) and known.issuperset(letters):
        return FLAGS[sum(Flags[letter] for letter in set(letters))]
    offer = letters.upper() if known.issuperset(letters.upper()) else "RWU"
    raise VlabError(
        _("{flags!r} are not flags: they are letters of DAGUXWRV.").format(flags=flags),
        mend=_("Did you mean {word!r}?").format(word=offer),
    )


def access_of(access: Access | str) -> Access:
    """An Access from itself or its name ("fetch", "load", "store"). Raises VlabError for anything else."""
    if isinstance(access, Access):
        return access
    return named(access, {str(kind): kind for kind in Access}, _("There is no access {word!r}."))


def mode_of(mode: Mode | str) -> Mode:
    """A mode in which satp is active, U or S, from itself or its name. Raises VlabError for anything else."""
    choices = {"U": Mode.U, "S": Mode.S}
    return named(mode, choices, _("There is no address translation in mode {word}."))
