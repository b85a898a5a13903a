"""Translation schemes: the shape of a virtual address and of its page tables, one row of data each.

Everything else on this floor reads these rows, so a scheme of the same family costs one more row.
"""

from dataclasses import dataclass, replace
from enum import IntFlag
from functools import cached_property
from typing import NamedTuple

from vlab.language import VlabError, _, named
from vlab.paging.formats import RISCV, X86, Classify, Format

PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT


@dataclass(frozen=True)
class Scheme:
    """One paging mode of the Privileged ISA (sections 4.3 to 4.6; 8.5 for the G-stage ones) or of x86-64.

    `mode` is its number in satp (hgatp for a G-stage scheme; 0 where it has none). `extra_bits` widen the top
    level's index alone; `sign_extended` says whether the bits above the address repeat its top bit or are
    zero. `format` tells what the bits of an entry mean.
    """

    name: str
    levels: int
    index_bits: int
    entry_size: int
    ppn_bits: int
    mode: int
    xlen: int = 64
    extra_bits: int = 0
    sign_extended: bool = True
    format: Format = RISCV

    @cached_property
    def va_bits(self) -> int:
        """Bits of a virtual address that take part in translation."""
        return PAGE_SHIFT + self.levels * self.index_bits + self.extra_bits

    @cached_property
    def ppn_mask(self) -> int:
        """The bits of a physical page number."""
        return (1 << self.ppn_bits) - 1

    @cached_property
    def reserved_mask(self) -> int:
        """The bits of an entry that must be zero: in RISC-V's those above its PPN."""
        known = sum((1 << width) - 1 << shift for _name, shift, width in self.format.spare)
        known |= self.format.mask | self.ppn_mask << self.format.ppn_shift
        return ~known & (1 << 8 * self.entry_size) - 1

    @cached_property
    def reading(self) -> "_Reading":
        """What a walk needs to read entries, in one piece, because looking it up piece by piece takes time."""
        form = self.format
        bits = (form.mask, form.ppn_shift, self.ppn_mask, self.entry_size, form.limits)
        return form, form.classify, form.table, *bits

    @cached_property
    def descent(self) -> tuple[tuple[int, int, int], ...]:
        """From the root down, a level each: (level, shift, mask); its index is `address >> shift & mask`."""
        top = self.levels - 1
        return tuple(
            (level, self.shift(level), (1 << self.index_bits + self.extra_bits * (level == top)) - 1)
            for level in range(top, -1, -1)
        )

    @cached_property
    def _high(self) -> tuple[int, int]:
        """The shift that leaves the bits that must agree, and what they are when they are ones."""
        shift = self.va_bits - 1 if self.sign_extended else self.va_bits
        return shift, (1 << self.xlen - shift) - 1 if self.sign_extended else 0

    def canonical(self, address: int) -> bool:
        """Whether the bits above the virtual address are as they must be."""
        shift, ones = self._high
        high = address >> shift
        return high == 0 or high == ones

    def extend(self, address: int) -> int:
        """The canonical address whose translated bits are those of `address`."""
        low = address & (1 << self.va_bits) - 1
        shift, ones = self._high
        return low | (ones << shift if low >> shift else 0)

    def shift(self, level: int) -> int:
        """Offset bits of a page whose leaf stands at this level."""
        return PAGE_SHIFT + self.index_bits * level

    def page_size(self, level: int) -> int:
        """Bytes that a leaf at this level maps: 4 KiB at level 0."""
        return 1 << self.shift(level)

    def table_size(self, level: int | None = None) -> int:
        """Bytes of a table at this level, the root if none is given: a page, or more with extra bits."""
        top = level is None or level == self.levels - 1
        return self.entry_size << self.index_bits + self.extra_bits * top

    def target(self, raw: int) -> int:
        """The physical address of the table or page that a raw entry leads to."""
        return (raw >> self.format.ppn_shift & self.ppn_mask) << PAGE_SHIFT


SV32 = Scheme("Sv32", levels=2, index_bits=10, entry_size=4, ppn_bits=22, mode=1, xlen=32)
SV39 = Scheme("Sv39", levels=3, index_bits=9, entry_size=8, ppn_bits=44, mode=8)
SV48 = Scheme("Sv48", levels=4, index_bits=9, entry_size=8, ppn_bits=44, mode=9)
SV57 = Scheme("Sv57", levels=5, index_bits=9, entry_size=8, ppn_bits=44, mode=10)


def _g_stage(scheme: Scheme) -> Scheme:
    """The G-stage variant: a root four times as large for two more bits of guest-physical address (8.5.1)."""
    return replace(scheme, name=f"{scheme.name}x4", extra_bits=2, sign_extended=False)


SV32X4, SV39X4, SV48X4, SV57X4 = map(_g_stage, (SV32, SV39, SV48, SV57))

# Nested paging after AMD has these same tables at both stages: 4 levels over 4 take 24 references.
X86_64 = Scheme("x86-64", levels=4, index_bits=9, entry_size=8, ppn_bits=40, mode=0, format=X86)
X86_64_LA57 = replace(X86_64, name="x86-64 LA57", levels=5)

_ROWS = (SV32, SV39, SV48, SV57, SV32X4, SV39X4, SV48X4, SV57X4, X86_64, X86_64_LA57)
SCHEMES = {scheme.name: scheme for scheme in _ROWS}
_BY_SATP_MODE = {(s.xlen, s.mode): s for s in _ROWS if s.mode and not s.extra_bits}
_SATP_FIELDS = {64: (60, 44), 32: (31, 22)}  # the lowest bits of MODE and of ASID

_Reading = tuple[Format, Classify, dict[int, IntFlag], int, int, int, int, int]


def scheme_of(scheme: Scheme | str) -> Scheme:
    """A scheme from itself or its name ("Sv39"). Raises VlabError for anything else."""
    if isinstance(scheme, Scheme):
        return scheme
    return named(scheme, SCHEMES, _("There is no paging scheme {word!r}."))


class Satp(NamedTuple):
    """The fields of a satp value. `scheme` is None where MODE is Bare (0) or a number not known here."""

    mode: int
    asid: int
    ppn: int
    scheme: Scheme | None

    @property
    def root(self) -> int:
        """Physical address of the root table."""
        return self.ppn << PAGE_SHIFT


def make_satp(root: int, *, asid: int = 0, scheme: Scheme = SV39) -> int:
    """The satp value that selects `scheme` with its root table at physical address `root` (4.1.11).

    Raises VlabError for a scheme of another architecture.
    """
    if not scheme.mode:
        raise VlabError(
            _("{scheme} is not selected by satp.").format(scheme=scheme.name),
            mend=_("Its root register is CR3, which holds the root's address."),
        )
    mode_at, asid_at = _SATP_FIELDS[scheme.xlen]
    return scheme.mode << mode_at | asid << asid_at | root >> PAGE_SHIFT


def parse_satp(value: int, *, xlen: int = 64) -> Satp:
    """The fields of a satp value; `Satp.scheme` tells which tables it selects."""
    mode_at, asid_at = _SATP_FIELDS[xlen]
    mode = value >> mode_at
    asid = value >> asid_at & (1 << mode_at - asid_at) - 1
    return Satp(mode, asid, value & (1 << asid_at) - 1, _BY_SATP_MODE.get((xlen, mode)))


def size_text(size: int) -> str:
    """A size in the largest binary unit that divides it: "2 MiB"."""
    for unit, name in ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"
