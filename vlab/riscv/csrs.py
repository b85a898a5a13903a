"""The one table of control and status registers: number, fields, and what a write may change (WARL).

A row is `name | number | view of | fields`. A field is `NAME[high:low]`, followed by its rule:

    nothing       any value may be written
    {0,1,3}       only these values; a write of another leaves the field as it was (satp: the whole register)
    =2            read-only, always this value
    !             written by hardware alone

Bits that no field covers read as zero. A register that is a *view of* another has no storage: its fields are
that register's. Privilege and read-only-ness stand in the number (bits 9:8 and 11:10; Privileged ISA, 2.1).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

from vlab.display import Drawn
from vlab.language import VlabError, _
from vlab.riscv.privilege import Mode

_TABLE = """
mstatus    | 0x300 |         | SIE[1] MIE[3] SPIE[5] MPIE[7] SPP[8] MPP[12:11]{0,1,3} MPRV[17] SUM[18] MXR[19] TVM[20] TW[21] TSR[22] UXL[33:32]=2 SXL[35:34]=2
misa       | 0x301 |         | A[0]=1 I[8]=1 M[12]=1 S[18]=1 U[20]=1 MXL[63:62]=2
medeleg    | 0x302 |         | EXCEPTIONS[9:0] PAGE_FAULTS[13:12] STORE_PAGE_FAULT[15]
mideleg    | 0x303 |         | SSI[1] STI[5] SEI[9]
mie        | 0x304 |         | SSIE[1] MSIE[3] STIE[5] MTIE[7] SEIE[9] MEIE[11]
mtvec      | 0x305 |         | MODE[1:0]{0,1} BASE[63:2]
mcounteren | 0x306 |         | CY[0] TM[1] IR[2]
menvcfg    | 0x30a |         | FIOM[0] STCE[63]
mcountinhibit | 0x320 |      | CY[0]=0 IR[2]=0
mscratch   | 0x340 |         | VALUE[63:0]
mepc       | 0x341 |         | PC[63:2]
mcause     | 0x342 |         | CODE[62:0] INTERRUPT[63]
mtval      | 0x343 |         | VALUE[63:0]
mip        | 0x344 |         | SSIP[1] MSIP[3]! STIP[5] MTIP[7]! SEIP[9] MEIP[11]!
mcycle     | 0xb00 |         | VALUE[63:0]
minstret   | 0xb02 |         | VALUE[63:0]
mvendorid  | 0xf11 |         |
marchid    | 0xf12 |         |
mimpid     | 0xf13 |         |
mhartid    | 0xf14 |         |
mconfigptr | 0xf15 |         |
sstatus    | 0x100 | mstatus | SIE[1] SPIE[5] SPP[8] SUM[18] MXR[19] UXL[33:32]=2
sie        | 0x104 | mie     | SSIE[1] STIE[5] SEIE[9]
stvec      | 0x105 |         | MODE[1:0]{0,1} BASE[63:2]
scounteren | 0x106 |         | CY[0] TM[1] IR[2]
senvcfg    | 0x10a |         | FIOM[0]
sscratch   | 0x140 |         | VALUE[63:0]
sepc       | 0x141 |         | PC[63:2]
scause     | 0x142 |         | CODE[62:0] INTERRUPT[63]
stval      | 0x143 |         | VALUE[63:0]
sip        | 0x144 | mip     | SSIP[1] STIP[5]! SEIP[9]!
stimecmp   | 0x14d |         | TIME[63:0]
satp       | 0x180 |         | PPN[43:0] ASID[59:44]=0 MODE[63:60]{0,8}
cycle      | 0xc00 | mcycle  | VALUE[63:0]
time       | 0xc01 |         | VALUE[63:0]!
instret    | 0xc02 | minstret | VALUE[63:0]
"""

PMP_ENTRIES = 16


def _generated() -> Iterator[str]:
    """The rows that differ by a number only."""
    for bank in range(0, PMP_ENTRIES // 4, 2):
        yield f"pmpcfg{bank} | {0x3A0 + bank:#x} | | " + " ".join(
            f"CFG{4 * bank + i}[{8 * i + 7}:{8 * i}]" for i in range(8)
        )
    for entry in range(PMP_ENTRIES):
        yield f"pmpaddr{entry} | {0x3B0 + entry:#x} | | ADDRESS[53:0]"
    for counter in range(3, 32):
        yield f"mhpmcounter{counter} | {0xB00 + counter:#x} | |"
        yield f"mhpmevent{counter} | {0x320 + counter:#x} | |"
        yield f"hpmcounter{counter} | {0xC00 + counter:#x} | |"


@dataclass(frozen=True)
class Field:
    """Some bits of a CSR, and the rule for writing them; `legal` is None where any value may be written."""

    name: str
    high: int
    low: int
    legal: tuple[int, ...] | None = None
    fixed: int | None = None
    hardware: bool = False

    @cached_property
    def mask(self) -> int:
        """The field's bits, in place."""
        return (1 << self.high - self.low + 1) - 1 << self.low

    @property
    def bits(self) -> str:
        """Which bits of the register it is, as the table writes them: "12:11"."""
        return f"{self.high}:{self.low}" if self.high > self.low else str(self.high)

    @property
    def rule(self) -> str:
        """What a write may change, in words."""
        if self.fixed is not None:
            return _("nothing: always {value}").format(value=self.fixed)
        if self.hardware:
            return _("nothing: hardware writes it")
        if self.legal is not None:
            return _("only {values}").format(values=", ".join(map(str, self.legal)))
        return _("any value")

    def get(self, value: int) -> int:
        """The field's value in a register's value."""
        return (value & self.mask) >> self.low


@dataclass(frozen=True, repr=False)
class Csr(Drawn):
    """One control and status register: what it is called, who may touch it, and what a write changes."""

    name: str
    number: int
    view_of: str
    fields: tuple[Field, ...]

    def __repr__(self) -> str:
        return _("CSR {name}, number {number:#x}, for {mode} mode and above: {fields}").format(
            name=self.name,
            number=self.number,
            mode=self.privilege,
            fields=", ".join(f"{part.name}[{part.bits}]" for part in self.fields) or _("always zero"),
        )

    @cached_property
    def privilege(self) -> Mode:
        """The lowest mode that may touch it."""
        return Mode.M if self.number >> 8 & 3 == 3 else Mode(self.number >> 8 & 1)

    @cached_property
    def read_only(self) -> bool:
        """Whether any write is an illegal instruction."""
        return self.number >> 10 == 3

    @cached_property
    def writable(self) -> int:
        """The bits that software may change."""
        return sum(part.mask for part in self.fields if part.fixed is None and not part.hardware)

    @cached_property
    def visible(self) -> int:
        """The bits that are not always zero."""
        return sum(part.mask for part in self.fields)

    @cached_property
    def fixed(self) -> int:
        """The value of the bits that are read-only constants."""
        return sum(part.fixed << part.low for part in self.fields if part.fixed is not None)

    @cached_property
    def fixed_mask(self) -> int:
        """The bits that are read-only constants."""
        return sum(part.mask for part in self.fields if part.fixed is not None)

    def legalize(self, old: int, new: int) -> int:
        """What the register (or, for a view, its owner) holds after `new` was written over `old`."""
        writable = self.writable
        for mask, low, legal in self._choosy:
            if (new & mask) >> low not in legal:
                if self.name == "satp":
                    return old  # an unsupported MODE makes the whole write have no effect (4.1.11)
                writable &= ~mask
        return (old & ~writable | new & writable) & ~self.fixed_mask | self.fixed

    @cached_property
    def _choosy(self) -> tuple[tuple[int, int, tuple[int, ...]], ...]:
        """Mask, lowest bit and legal values of each field that doesn't take all values."""
        return tuple((part.mask, part.low, part.legal) for part in self.fields if part.legal is not None)

    def read(self, owner: int) -> int:
        """What software reads, given the value of the register that stores it."""
        return owner & self.visible

    def __getitem__(self, name: str) -> Field:
        """A field by name; VlabError where the register has none of it."""
        found = next((part for part in self.fields if part.name == name), None)
        if found is None:
            raise unknown(
                _("{csr} has no field {name!r}.").format(csr=self.name, name=name),
                name,
                [part.name for part in self.fields],
            )
        return found


def unknown(what: str, name: object, known: Sequence[str]) -> VlabError:
    """The error for a name that isn't among those known, with the one that was probably meant."""
    near = get_close_matches(str(name), known, n=1) or get_close_matches(str(name).upper(), known, n=1)
    if near:
        return VlabError(what, mend=_("Did you mean {near}?").format(near=near[0]))
    return VlabError(what, mend=_("There are: {known}.").format(known=", ".join(known) or _("none")))


def _rows() -> Iterator[Csr]:
    for line in [*_TABLE.strip().splitlines(), *_generated()]:
        name, number, view_of, fields = (part.strip() for part in line.split("|"))
        yield Csr(name, int(number, 16), view_of, tuple(_field(text) for text in fields.split()))


def _field(text: str) -> Field:
    name, _bracket, rest = text.partition("[")
    bits, _bracket, rule = rest.partition("]")
    high, _colon, low = bits.partition(":")
    legal = tuple(int(v) for v in rule.strip("{}").split(",")) if rule.startswith("{") else None
    fixed = int(rule[1:]) if rule.startswith("=") else None
    return Field(name, int(high), int(low or high), legal, fixed, rule == "!")


CSRS: dict[str, Csr] = {csr.name: csr for csr in _rows()}
BY_NUMBER: dict[int, Csr] = {csr.number: csr for csr in CSRS.values()}
# At power-on; no alarm rings before software sets one.
RESET: dict[str, int] = {csr.name: csr.fixed for csr in CSRS.values() if not csr.view_of}
RESET["stimecmp"] = (1 << 64) - 1
STORED = tuple(name for name in RESET if CSRS[name].writable)  # the registers that are more than constants
