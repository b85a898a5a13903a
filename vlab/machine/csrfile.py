"""The CSRs of one hart: may it be touched, what does a read give, what does a write change."""

from typing import TYPE_CHECKING, NamedTuple

from vlab.display import Drawn
from vlab.language import _, unknown
from vlab.machine.pmp import LOCKED, TOR, Pmp, legal_config, matching
from vlab.riscv import Cause, Interrupt, Mode, Trap
from vlab.riscv.csrs import BASE_REGISTERS, CSRS, PMP_ENTRIES, Csr, Registers, registers_of

if TYPE_CHECKING:
    from vlab.machine.hart import Hart

ALL_ONES = (1 << 64) - 1
FOR_EVER = 1 << 63  # software that wants no alarm sets one that far away; no computer's time gets there
LONGEST_SLEEP = 1 << 62  # a `wfi` skips no further: what is left until FOR_EVER can't be attempted in any run
STIP = 1 << Interrupt.STI
STCE = CSRS["menvcfg"]["STCE"].mask
ADUE = registers_of("_svadu").by_name["menvcfg"]["ADUE"].mask
_TVM = CSRS["mstatus"]["TVM"].mask
COUNTERS = {0xC00 + bit: 1 << bit for bit in range(32)}
TM = CSRS["mcounteren"]["TM"].mask
_ENABLING = CSRS["mstatus"]["SIE"].mask | CSRS["mstatus"]["MIE"].mask

# A write to one of these changes nothing that the hart has to look at before its next instruction.
QUIET = frozenset(
    {f"{level}{name}" for level in ("m", "s", "vs") for name in ("scratch", "epc", "cause", "tval", "tvec")}
    | {"mtval2", "mtinst", "htval", "htinst"}
)


# Whose reads and writes the table alone can't say; and those that M mode may withhold from the modes below.
_SPECIAL = frozenset(
    {"time", "mcycle", "cycle", "minstret", "instret", "mip", "sip", "sie"}
    | {name for name in CSRS if name.startswith("pmp")}
)
_WITHHELD = frozenset({"satp", "stimecmp"} | {csr.name for csr in CSRS.values() if csr.number in COUNTERS})


class Quick(NamedTuple):
    """A register that software uses often: the lowest mode, where it is stored, the bits, and those that enable.

    Where some bits enable interrupts, only writes that change no others are quick; `time` is only read.
    """

    lowest: Mode
    name: str
    bits: int
    enables: int


class CsrFile(Drawn):
    """The control and status registers of one hart, with the behaviour that the table alone can't say.

    `values` holds the registers that have storage, by name; a debugger may look at it. `mcycle` and
    `minstret` are kept as offsets to the computer's clock.
    """

    def __init__(self, hart: "Hart"):
        self._hart = hart
        self.registers = registers_of(hart.computer.extensions)
        self.quick = {csr.number: quick for csr in self.registers if (quick := _quick(csr)) is not None}
        self.reset()

    def reset(self) -> None:
        """Be as at power-on."""
        self.values = {name: self.registers.reset[name] for name in self.registers.stored}
        self.rebuild_pmp()

    def __repr__(self) -> str:
        hart = self._hart
        return _("CSRs of a hart in {mode} mode at {pc:#x}: satp {satp:#x}, mstatus {mstatus:#x}").format(
            mode=hart.mode, pc=hart.pc, satp=self["satp"], mstatus=self["mstatus"]
        )

    def __getitem__(self, name: str) -> int:
        """A debugger's read, by name: no privilege is checked. VlabError where there is no such CSR."""
        if name not in self.registers.by_name:
            known = list(self.registers.by_name)
            raise unknown(_("There is no CSR {name!r}.").format(name=name), name, known)
        return self.read(self.registers.by_name[name])

    def touch(self, number: int, writes: bool) -> Csr:
        """The CSR of this number, if the hart's mode may read it (and write it, if `writes`).

        Raises:
            Trap: illegal instruction, if it doesn't exist or isn't allowed (Privileged ISA, 2.1).
        """
        csr = self.registers.by_number.get(number)
        if csr is None or self._hart.mode < csr.privilege or (writes and csr.read_only):
            raise Trap(Cause.ILLEGAL_INSTRUCTION, self._hart.word)
        if not self._enabled(csr):
            raise Trap(Cause.ILLEGAL_INSTRUCTION, self._hart.word)
        return csr

    def _enabled(self, csr: Csr) -> bool:
        """Whether M mode lets the modes below it touch this one (3.1.6.6, 3.1.11, and Sstc)."""
        mode, values = self._hart.mode, self.values
        if csr.name not in _WITHHELD or mode == Mode.M:
            return True
        if csr.name == "satp":
            return not values["mstatus"] & _TVM
        if csr.name == "stimecmp":
            return bool(values["menvcfg"] & STCE and values["mcounteren"] & TM)
        if bit := COUNTERS.get(csr.number, 0):
            return bool(values["mcounteren"] & bit and (mode == Mode.S or values["scounteren"] & bit))
        return True

    def read(self, csr: Csr) -> int:
        """What a CSR holds now."""
        values, computer = self.values, self._hart.computer
        if csr.name in _SPECIAL:
            match csr.name:
                case "time":
                    return computer.clint.mtime_at(computer.time)
                case "mcycle" | "cycle":
                    return computer.time + values["mcycle"] & ALL_ONES
                case "minstret" | "instret":
                    return self._hart.retired + values["minstret"] & ALL_ONES
                case "mip":
                    return self.pending()
                case "sip":
                    return self.pending() & values["mideleg"] & csr.visible
                case "sie":
                    return values["mie"] & values["mideleg"] & csr.visible
        return values.get(csr.view_of or csr.name, csr.fixed) & csr.visible

    def write(self, csr: Csr, value: int) -> None:
        """What a write does to a CSR that may be written; the table's WARL rules and the rest."""
        name = csr.view_of or csr.name
        if not csr.writable:
            return
        old = self.values[name]
        self.values[name] = self.legal(csr, old, value & ALL_ONES)
        if name.startswith("pmp"):
            self.rebuild_pmp()
        if name not in QUIET:
            self._hart.control_changed(name)

    def by_table(self, csr: Csr) -> bool:
        """Whether reads and writes do what the table says, and no more."""
        return csr.name not in _SPECIAL

    def legal(self, csr: Csr, old: int, value: int) -> int:
        """What the storage behind a CSR holds after a write."""
        if csr.name not in _SPECIAL:
            return csr.legalize(old, value)
        match csr.name:
            case "sie" | "sip":
                writable = self.values["mideleg"] & csr.writable
                return old & ~writable | value & writable
            case "mip" if self.values["menvcfg"] & STCE:
                return csr.legalize(old, value & ~STIP | old & STIP)  # then STIP is read-only (3.1.9)
            case "mcycle":
                return value - self._hart.computer.time & ALL_ONES
            case "minstret":
                return value - self._hart.retired & ALL_ONES
        if csr.name.startswith("pmp"):
            return self._legal_pmp(csr, old, value)
        return csr.legalize(old, value)

    def pending(self) -> int:
        """`mip` as it stands: what software set, what devices assert, and the alarm of `stimecmp`."""
        computer, values = self._hart.computer, self.values
        time = computer.time
        pending = values["mip"] | computer.bus.lines(time)
        if values["menvcfg"] & STCE:
            pending = pending & ~STIP | (STIP if computer.clint.mtime_at(time) >= values["stimecmp"] else 0)
        return pending

    def deadline(self) -> int | None:
        """The next time at which `pending` may change by itself; None if it won't.

        For a hart that waits: the time until which its `wfi` skips; None if it won't end.
        """
        computer, values = self._hart.computer, self.values
        time = computer.time
        deadline = computer.bus.deadline(time)
        if values["menvcfg"] & STCE and (left := values["stimecmp"] - computer.clint.mtime_at(time)) > 0:
            deadline = time + left if deadline is None else min(time + left, deadline)
        never = LONGEST_SLEEP if self._hart.waiting else FOR_EVER
        return None if deadline is None or deadline >= never else deadline

    # Physical memory protection (3.7)

    def _legal_pmp(self, csr: Csr, old: int, value: int) -> int:
        if csr.name.startswith("pmpcfg"):
            return sum(legal_config(part.get(old), part.get(value)) << part.low for part in csr.fields)
        entry = int(csr.name.removeprefix("pmpaddr"))
        own, above = [*self._pmp_configs(), 0][entry : entry + 2]
        bounds_a_locked_range = above & LOCKED and matching(above) == TOR
        return old if own & LOCKED or bounds_a_locked_range else csr.legalize(old, value)

    def _pmp_configs(self) -> list[int]:
        """The configuration bytes of all entries."""
        return [self.values[f"pmpcfg{i // 8 * 2}"] >> i % 8 * 8 & 0xFF for i in range(PMP_ENTRIES)]

    def rebuild_pmp(self) -> None:
        """Decode the PMP registers again."""
        self.pmp = Pmp(self._pmp_configs(), [self.values[f"pmpaddr{i}"] for i in range(PMP_ENTRIES)])


def _quick(csr: Csr) -> Quick | None:
    """What there is to know of a register whose reads and writes mostly change little; None for others."""
    if csr.name in QUIET and not any(field.legal or field.fixed for field in csr.fields):
        return Quick(csr.privilege, csr.name, csr.writable, 0)  # it only keeps what is written
    if "mstatus" in (csr.name, csr.view_of):
        return Quick(csr.privilege, "mstatus", csr.visible, csr.writable & _ENABLING)
    return Quick(Mode.S, "time", 0, 0) if csr.name == "time" else None


def restorable(name: str, value: int, registers: Registers = BASE_REGISTERS) -> bool:
    """Whether software could have left this value in the storage of that name."""
    if name.startswith("pmpcfg"):
        fields = registers.by_name[name].fields
        return all(legal_config(0, part.get(value)) == part.get(value) for part in fields)
    return registers.holds(name, value)
