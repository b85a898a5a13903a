"""What the bits of an entry mean: RISC-V's and x86-64's formats, each a value that its schemes carry.

A walk reads every table through the scheme's format, so there is one reader for both.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntFlag
from typing import TYPE_CHECKING

from vlab.riscv.privilege import Access, Mode

if TYPE_CHECKING:
    from vlab.paging.schemes import Scheme


class Flags(IntFlag):
    """The low eight bits of a RISC-V entry (Privileged ISA, section 4.3.1)."""

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


class X86Flags(IntFlag):
    """The flags of an x86-64 entry (Intel SDM, volume 3, section 4.5; AMD APM, volume 2, section 5.4).

    PS is the PAT bit in the last level's entries.
    """

    P = 1 << 0
    RW = 1 << 1
    US = 1 << 2
    PWT = 1 << 3
    PCD = 1 << 4
    A = 1 << 5
    D = 1 << 6
    PS = 1 << 7
    G = 1 << 8
    NX = 1 << 63

    def __str__(self) -> str:
        """The set ones, from the lowest bit up: "P RW US A D"; a dash where none is set."""
        return " ".join(flag.name or "" for flag in X86Flags if flag in self) or "-"


Classify = Callable[[int, int, "Scheme"], str]


class _Table(dict[int, IntFlag]):
    """Flags by their bits, each made once: an IntFlag is slow to make and to mask, and a walk is not to be."""

    def __init__(self, kind: type[IntFlag]):
        super().__init__()
        self._kind = kind

    def __missing__(self, bits: int) -> IntFlag:
        made = self[bits] = self._kind(bits)
        return made


@dataclass(frozen=True)
class Format:
    """The layout of an entry, and the rules that judge it.

    `ppn_shift` is where its physical page number begins, `spare` the (name, shift, width) of the fields that
    are software's own. `valid` marks an entry that counts, `pointer` one that leads to a table, `large` a page
    above level 0; `every` grants every access. Of `limits` a page has only what the entries of all levels
    grant; those in `denies` take a right away where they are set. With `marks_pointers`, hardware sets A in
    pointers too, and never leaves A and D to software. `implicit` is what the walker's own reads of a guest's
    tables count as where a second stage judges them.
    """

    name: str
    flags: type[IntFlag]
    ppn_shift: int
    spare: tuple[tuple[str, int, int], ...]
    valid: int
    pointer: int
    large: int
    every: int
    accessed: int
    dirty: int
    classify: Classify
    permits: Callable[[int, Access, Mode, bool, bool], str | None]
    limits: int = 0
    denies: int = 0
    marks_pointers: bool = False
    implicit: Access = Access.LOAD
    fields: tuple[str, ...] = ()
    table: dict[int, IntFlag] = field(init=False, repr=False, compare=False)
    mask: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", _Table(self.flags))
        object.__setattr__(self, "mask", sum(self.flags))

    def __repr__(self) -> str:
        return self.name

    def index_name(self, level: int) -> str:
        """What the manuals call the part of an address that selects an entry at this level."""
        return self.fields[level] if self.fields else f"VPN[{level}]"


# Plain numbers, because masking an IntFlag costs a microsecond.
_V, _R, _W, _X, _U = 1, 2, 4, 8, 16
_RW, _RWX = _R | _W, _R | _W | _X
_RESERVED_IN_POINTER = int(Flags.U | Flags.A | Flags.D)
_USER, _FETCH, _LOAD, _STORE = Mode.U, Access.FETCH, Access.LOAD, Access.STORE


def _classify_riscv(raw: int, level: int, scheme: "Scheme") -> str:
    """Privileged ISA, section 4.3.2, steps 3 to 5."""
    if not raw & _V:
        return "not-valid"
    if raw & _RW == _W:
        return "write-without-read"
    if raw & scheme.reserved_mask:
        return "reserved-bits"
    if raw & _RWX:
        if level and raw >> 10 & (1 << scheme.index_bits * level) - 1:
            return "misaligned-superpage"
        return "leaf"
    if raw & _RESERVED_IN_POINTER:
        return "reserved-in-pointer"
    return "pointer" if level else "no-leaf"


def _permits_riscv(bits: int, access: Access, mode: Mode, sum: bool, mxr: bool) -> str | None:
    """Privileged ISA, section 4.3.2, steps 6 to 8."""
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


_P, _X86_RW, _US, _PS, _NX = (int(X86Flags[name]) for name in ("P", "RW", "US", "PS", "NX"))


def _classify_x86(raw: int, level: int, scheme: "Scheme") -> str:
    """Intel SDM, volume 3, section 4.5: PS makes a page of 2 MiB or 1 GiB, and is reserved above."""
    if not raw & _P:
        return "not-valid"
    if not level or not raw & _PS:
        return "pointer" if level else "leaf"
    if level > 2:
        return "no-such-page"
    # Bit 12 is the PAT bit of a large page; between it and the page's number all bits are zero.
    return "misaligned-superpage" if raw >> 13 & (1 << scheme.index_bits * level - 1) - 1 else "leaf"


def _permits_x86(bits: int, access: Access, mode: Mode, sum: bool, mxr: bool) -> str | None:
    """Intel SDM, volume 3, section 4.6, with CR0.WP and EFER.NXE set, and without SMEP and SMAP."""
    if mode == _USER and not bits & _US:
        return "supervisor-page-in-U"
    if access is _FETCH:
        return "not-executable" if bits & _NX else None
    return "not-writable" if access is _STORE and not bits & _X86_RW else None


RISCV = Format(
    "RISC-V",
    Flags,
    ppn_shift=10,
    spare=(("rsw", 8, 2),),
    valid=_V,
    pointer=_V,
    large=0,
    every=int(Flags.R | Flags.W | Flags.X | Flags.U),
    accessed=int(Flags.A),
    dirty=int(Flags.D),
    classify=_classify_riscv,
    permits=_permits_riscv,
)

# In pointers everything is granted, so that the page's own entry decides. AMD's nested paging, whose host
# tables have this same format, takes the walker's reads of the guest's tables for user *writes*, because it
# may have to set A or D there (AMD APM, volume 2, section 15.25.5).
X86 = Format(
    "x86-64",
    X86Flags,
    ppn_shift=12,
    spare=(("avl", 9, 3), ("available", 52, 11)),
    valid=_P,
    pointer=_P | _X86_RW | _US,
    large=_PS,
    every=_X86_RW | _US,
    accessed=int(X86Flags.A),
    dirty=int(X86Flags.D),
    classify=_classify_x86,
    permits=_permits_x86,
    limits=_X86_RW | _US | _NX,
    denies=_NX,
    marks_pointers=True,
    implicit=_STORE,
    fields=("PT", "PD", "PDPT", "PML4", "PML5"),
)
