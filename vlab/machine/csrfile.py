"""The CSRs of one hart: may it be touched, what does a read give, what does a write change."""

from typing import TYPE_CHECKING

from vlab.machine.pmp import LOCKED, Pmp, legal_config
from vlab.riscv import Cause, Interrupt, Mode, Trap
from vlab.riscv.csrs import BY_NUMBER, CSRS, PMP_ENTRIES, RESET, Csr

if TYPE_CHECKING:
    from vlab.machine.hart import Hart

ALL_ONES = (1 << 64) - 1
FOR_EVER = 1 << 63  # software that wants no alarm sets one that far away
STIP = 1 << Interrupt.STI
STCE = CSRS["menvcfg"]["STCE"].mask
_COUNTERS = {0xC00 + bit: 1 << bit for bit in range(32)}
_TM = CSRS["mcounteren"]["TM"].mask

# A write to one of these changes nothing that the hart has to look at before its next instruction.
QUIET = frozenset(
    {"mscratch", "sscratch", "mepc", "sepc", "mcause", "scause", "mtval", "stval", "mtvec", "stvec"}
)


class CsrFile:
    """The control and status registers of one hart, with the behaviour that the table alone can't say.

    `values` holds the registers that have storage, by name; a debugger may look at it. `mcycle` and `minstret` are
    kept as offsets to the computer's clock.
    """

    def __init__(self, hart: "Hart"):
        self._hart = hart
        self.reset()

    def reset(self) -> None:
        """Be as at power-on."""
        self.values = dict(RESET)
        self.pmp = Pmp([0] * PMP_ENTRIES, [0] * PMP_ENTRIES)

    def __getitem__(self, name: str) -> int:
        """A debugger's read, by name: nothing is checked."""
        return self.read(CSRS[name])

    def touch(self, number: int, writes: bool) -> Csr:
        """The CSR of this number, if the hart's mode may read it (and write it, if `writes`).

        Raises:
            Trap: illegal instruction, if it doesn't exist or isn't allowed (Privileged ISA, 2.1).
        """
        csr = BY_NUMBER.get(number)
        if csr is None or self._hart.mode < csr.privilege or (writes and csr.read_only) or not self._enabled(csr):
            raise Trap(Cause.ILLEGAL_INSTRUCTION)
        return csr

    def _enabled(self, csr: Csr) -> bool:
        mode, values = self._hart.mode, self.values
        if mode == Mode.M:
            return True
        if csr.name == "satp":
            return not values["mstatus"] & CSRS["mstatus"]["TVM"].mask
        if csr.name == "stimecmp":
            return bool(values["menvcfg"] & STCE and values["mcounteren"] & _TM)
        if bit := _COUNTERS.get(csr.number, 0):
            return bool(values["mcounteren"] & bit and (mode == Mode.S or values["scounteren"] & bit))
        return True

    def read(self, csr: Csr) -> int:
        """What software reads from a CSR that it may touch."""
        values, hart = self.values, self._hart
        match csr.name:
            case "time":
                return hart.computer.mtime
            case "mcycle" | "cycle":
                return hart.computer.time + values["mcycle"] & ALL_ONES
            case "minstret" | "instret":
                return hart.retired - 1 + values["minstret"] & ALL_ONES
            case "mip":
                return self.pending()
            case "sip":
                return self.pending() & values["mideleg"]
            case "sie":
                return values["mie"] & values["mideleg"]
        return values[csr.view_of or csr.name] & csr.visible

    def write(self, csr: Csr, value: int) -> None:
        """What a write does to a CSR that may be written; the table's WARL rules and the rest."""
        name = csr.view_of or csr.name
        old = self.values[name]
        if csr.name.startswith("pmp"):
            new = self._legal_pmp(csr, old, value)
        elif csr.name in ("sie", "sip"):
            mask = self.values["mideleg"] & csr.writable
            new = old & ~mask | value & mask
        elif csr.name == "mcycle":
            new = value - self._hart.computer.time & ALL_ONES
        elif csr.name == "minstret":
            new = value - self._hart.retired & ALL_ONES
        else:
            new = csr.legalize(old, value)
        self.values[name] = new
        if name not in QUIET:
            self._hart.control_changed(csr.name)

    def pending(self) -> int:
        """`mip` as it stands: what software set, what devices assert, and the alarm of `stimecmp`."""
        computer, values = self._hart.computer, self.values
        pending = values["mip"] | computer.bus.lines(computer.time)
        if values["menvcfg"] & STCE:
            pending = pending & ~STIP | (STIP if computer.mtime >= values["stimecmp"] else 0)
        return pending

    def deadline(self) -> int | None:
        """The next time at which `pending` may change by itself; None if it won't."""
        computer, values = self._hart.computer, self.values
        deadline = computer.bus.deadline(computer.time)
        if values["menvcfg"] & STCE and computer.mtime < values["stimecmp"]:
            alarm = computer.time + values["stimecmp"] - computer.mtime
            deadline = alarm if deadline is None else min(alarm, deadline)
        return None if deadline is None or deadline >= FOR_EVER else deadline

    def _legal_pmp(self, csr: Csr, old: int, value: int) -> int:
        if csr.name.startswith("pmpcfg"):
            return sum(legal_config(part.get(old), part.get(value)) << part.low for part in csr.fields)
        entry = int(csr.name.removeprefix("pmpaddr"))
        configs = self.pmp_configs() + [0]
        tops_locked = configs[entry + 1] & LOCKED and configs[entry + 1] >> 3 & 3 == 1
        return old if configs[entry] & LOCKED or tops_locked else csr.legalize(old, value)

    def pmp_configs(self) -> list[int]:
        """The configuration bytes of all PMP entries."""
        return [self.values[f"pmpcfg{i // 8 * 2}"] >> i % 8 * 8 & 0xFF for i in range(PMP_ENTRIES)]

    def rebuild_pmp(self) -> None:
        """Decode the PMP registers again."""
        self.pmp = Pmp(self.pmp_configs(), [self.values[f"pmpaddr{i}"] for i in range(PMP_ENTRIES)])
