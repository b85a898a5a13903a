"""The one table of control and status registers: number, fields, and what a write may change (WARL).

`CSRS` are those of every computer here; `registers_of` gives those of one with more extensions.

A row is `name | number | view of | fields`. A field is `NAME[high:low]`, followed by its rule:

    nothing       any value may be written
    {0,1,3}       only these values; a write of another leaves the field as it was (satp: the whole register)
    =2            read-only, always this value
    !             written by hardware alone

Bits that no field covers read as zero. A register that is a *view of* another has no storage: its fields are
that register's. Privilege and read-only-ness stand in the number (bits 9:8 and 11:10; Privileged ISA, 2.1).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property

from vlab.display import Drawn
from vlab.language import _, unknown
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

# What the hypervisor extension adds (chapter "H"): registers, and fields of those that are there already. Of `mip`
# software sets three bits by `hvip`, and one of them by `mip` and `hip` too.
_HYPERVISOR = """
mstatus    | 0x300 |         | GVA[38] MPV[39]
misa       | 0x301 |         | H[7]=1
medeleg    | 0x302 |         | ECALL_FROM_VS[10] GUEST_PAGE_FAULTS[21:20] VIRTUAL_INSTRUCTION[22] STORE_GUEST_PAGE_FAULT[23]
mideleg    | 0x303 |         | VSSI[2]=1 VSTI[6]=1 VSEI[10]=1
mie        | 0x304 |         | VSSIE[2] VSTIE[6] VSEIE[10]
mip        | 0x344 |         | VSSIP[2] VSTIP[6]! VSEIP[10]!
mtinst     | 0x34a |         | INSTRUCTION[31:0]
mtval2     | 0x34b |         | VALUE[63:0]
hstatus    | 0x600 |         | GVA[6] SPV[7] SPVP[8] HU[9] VGEIN[17:12]=0 VTVM[20] VTW[21] VTSR[22] VSXL[33:32]=2
hedeleg    | 0x602 |         | EXCEPTIONS[8:0] PAGE_FAULTS[13:12] STORE_PAGE_FAULT[15]
hideleg    | 0x603 |         | VSSI[2] VSTI[6] VSEI[10]
hie        | 0x604 | mie     | VSSIE[2] VSTIE[6] VSEIE[10]
htimedelta | 0x605 |         | DELTA[63:0]
hcounteren | 0x606 |         | CY[0] TM[1] IR[2]
hgeie      | 0x607 |         |
henvcfg    | 0x60a |         | FIOM[0] STCE[63]
htval      | 0x643 |         | VALUE[63:0]
hip        | 0x644 | mip     | VSSIP[2] VSTIP[6]! VSEIP[10]!
hvip       | 0x645 | mip     | VSSIP[2] VSTIP[6] VSEIP[10]
htinst     | 0x64a |         | INSTRUCTION[31:0]
hgatp      | 0x680 |         | PPN[43:2] VMID[57:44]=0 MODE[63:60]{0,8}
hgeip      | 0xe12 |         |
vsstatus   | 0x200 |         | SIE[1] SPIE[5] SPP[8] SUM[18] MXR[19] UXL[33:32]=2
vsie       | 0x204 | mie     | SSIE[1] STIE[5] SEIE[9]
vstvec     | 0x205 |         | MODE[1:0]{0,1} BASE[63:2]
vsscratch  | 0x240 |         | VALUE[63:0]
vsepc      | 0x241 |         | PC[63:2]
vscause    | 0x242 |         | CODE[62:0] INTERRUPT[63]
vstval     | 0x243 |         | VALUE[63:0]
vsip       | 0x244 | mip     | SSIP[1] STIP[5]! SEIP[9]!
vstimecmp  | 0x24d |         | TIME[63:0]
vsatp      | 0x280 |         | PPN[43:0] ASID[59:44]=0 MODE[63:60]{0,8}
"""

# With the C extension an instruction may begin at any even address ("IALIGN is 16").
_COMPRESSED = """
misa       | 0x301 |         | C[2]=1
mepc       | 0x341 |         | PC[63:1]
sepc       | 0x141 |         | PC[63:1]
"""
_COMPRESSED_H = """
vsepc      | 0x241 |         | PC[63:1]
"""

_SV48 = """
satp       | 0x180 |         | PPN[43:0] ASID[59:44]=0 MODE[63:60]{0,8,9}
"""
_SV48_H = """
vsatp      | 0x280 |         | PPN[43:0] ASID[59:44]=0 MODE[63:60]{0,8,9}
"""

# A and D are set by hardware where ADUE says so, of a guest's tables that of `henvcfg`.
_SVADU = """
menvcfg    | 0x30a |         | ADUE[61]
"""
_SVADU_H = """
henvcfg    | 0x60a |         | ADUE[61]
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
        """The lowest mode that may touch it. With the H extension S mode is HS mode, to which 2 belongs."""
        return (Mode.U, Mode.S, Mode.S, Mode.M)[self.number >> 8 & 3]

    @cached_property
    def hypervisor(self) -> bool:
        """Whether it is a hypervisor's, or a VS register under its own name: for HS mode, and not for VS mode."""
        return self.number >> 8 & 3 == 2

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
                if self.name in ("satp", "vsatp"):
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


def _rows(lines: Iterable[str]) -> Iterator[Csr]:
    for line in lines:
        name, number, view_of, fields = (part.strip() for part in line.split("|"))
        yield Csr(name, int(number, 16), view_of, tuple(_field(text) for text in fields.split()))


def _field(text: str) -> Field:
    name, _bracket, rest = text.partition("[")
    bits, _bracket, rule = rest.partition("]")
    high, _colon, low = bits.partition(":")
    legal = tuple(int(v) for v in rule.strip("{}").split(",")) if rule.startswith("{") else None
    fixed = int(rule[1:]) if rule.startswith("=") else None
    return Field(name, int(high), int(low or high), legal, fixed, rule == "!")


class Registers:
    """The registers of one kind of hart: by name and by number; their values at `reset`, and what is `stored`."""

    def __init__(self, rows: Iterable[Csr]):
        self.by_name: dict[str, Csr] = {csr.name: csr for csr in rows}
        self.by_number: dict[int, Csr] = {csr.number: csr for csr in self.by_name.values()}
        self.reset: dict[str, int] = {csr.name: csr.fixed for csr in self if not csr.view_of}
        for alarm in self.reset.keys() & {"stimecmp", "vstimecmp"}:
            self.reset[alarm] = (1 << 64) - 1  # none rings before software sets one
        # The registers that are more than constants.
        self.stored = tuple(name for name in self.reset if self.by_name[name].writable)

    def __iter__(self) -> Iterator[Csr]:
        return iter(self.by_name.values())

    def holds(self, name: str, value: int) -> bool:
        """Whether software could have left this value in the storage of that name, itself or by a view."""
        csr = self.by_name[name]
        by_views = 0
        for view in self:
            by_views |= view.writable & ~csr.writable if view.view_of == name else 0
        return csr.legalize(csr.fixed, value) == value & ~by_views


def _extended(base: Registers, rows: str) -> Registers:
    """The registers with those of an extension: new ones at the end, new fields behind the others, or in their place."""
    more = {csr.name: csr for csr in _rows(rows.strip().splitlines())}
    known = [_merged(csr, more.pop(csr.name, None)) for csr in base]
    return Registers([*known, *more.values()])


def _merged(csr: Csr, added: Csr | None) -> Csr:
    if added is None:
        return csr
    fields = {part.name: part for part in (*csr.fields, *added.fields)}
    return replace(csr, fields=tuple(fields.values()))


_MORE = (("C", _COMPRESSED, _COMPRESSED_H), ("sv48", _SV48, _SV48_H), ("svadu", _SVADU, _SVADU_H))
BASE_REGISTERS = Registers(_rows([*_TABLE.strip().splitlines(), *_generated()]))
H_REGISTERS = _extended(BASE_REGISTERS, _HYPERVISOR)


@cache
def registers_of(extensions: str) -> Registers:
    """The registers of a hart with these optional extensions: letters, and then names, such as "CH_sv48"."""
    hypervisor = "H" in extensions
    registers = H_REGISTERS if hypervisor else BASE_REGISTERS
    for name, rows, more in _MORE:
        if name in extensions:
            registers = _extended(registers, rows + more.lstrip() * hypervisor)
    if "svadu" in extensions and "svade" not in extensions:
        registers.reset["menvcfg"] |= registers.by_name["menvcfg"]["ADUE"].mask
    return registers


CSRS: dict[str, Csr] = BASE_REGISTERS.by_name
RESET: dict[str, int] = BASE_REGISTERS.reset
STORED = BASE_REGISTERS.stored
# Whatever has a name or a number; what all computers have is as they all have it.
ALL_CSRS: dict[str, Csr] = {**H_REGISTERS.by_name, **CSRS}
BY_NUMBER: dict[int, Csr] = {csr.number: csr for csr in ALL_CSRS.values()}
