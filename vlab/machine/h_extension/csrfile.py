"""The CSRs of a hart with the H extension: VS registers in place of the supervisor's, and who may touch what."""

from typing import TYPE_CHECKING

from vlab.machine.csrfile import ADUE, ALL_ONES, COUNTERS, FOR_EVER, LONGEST_SLEEP, STCE, CsrFile
from vlab.machine.quirks import SilentCsrFile
from vlab.riscv import Cause, Mode, Trap
from vlab.riscv.csrs import H_REGISTERS, Csr
from vlab.riscv.privilege import GuestInterrupt

if TYPE_CHECKING:
    from vlab.machine.h_extension.hart import HypervisorHart

VSTIP = 1 << GuestInterrupt.VSTI
_TM = H_REGISTERS.by_name["hcounteren"]["TM"].mask
_TVM = H_REGISTERS.by_name["mstatus"]["TVM"].mask
_VTVM = H_REGISTERS.by_name["hstatus"]["VTVM"].mask
_ALARMS = ("stimecmp", "vstimecmp")

# Which VS register a guest finds under the number of which supervisor's.
SUBSTITUTES = {csr.name[1:]: csr.name for csr in H_REGISTERS if csr.hypervisor and csr.name.startswith("vs")}


class HypervisorCsrFile(CsrFile):
    """The registers of a hart with H. Sections are those of the chapter "H" where none is named."""

    def __init__(self, hart: "HypervisorHart"):
        self._hart: HypervisorHart = hart
        super().__init__(hart)

    # Who may

    def touch(self, number: int, writes: bool) -> Csr:
        """See `CsrFile.touch`. A guest's access is to the VS register, if there is one.

        Raises:
            Trap: illegal instruction; or virtual instruction, where HS mode could do what V = 1 may not
                ("Trap Cause Codes").
        """
        if not self._hart.virtual:
            return super().touch(number, writes)
        csr, word = self.registers.by_number.get(number), self._hart.word
        host_may = csr is not None and csr.privilege <= Mode.S and not (writes and csr.read_only)
        if csr is None or not host_may or not self._open(csr):
            raise Trap(Cause.ILLEGAL_INSTRUCTION, word)
        if csr.hypervisor or csr.privilege > self._hart.mode or not self._lent(csr):
            raise Trap(Cause.VIRTUAL_INSTRUCTION, word)
        return self.registers.by_name[SUBSTITUTES.get(csr.name, csr.name)]

    def _enabled(self, csr: Csr) -> bool:
        """See `CsrFile._enabled`: HS mode, or U mode, with V = 0."""
        if not csr.hypervisor or self._hart.mode == Mode.M:
            return super()._enabled(csr)
        return not self.values["mstatus"] & _TVM if csr.name == "hgatp" else self._open(csr)

    def _open(self, csr: Csr) -> bool:
        """Whether M mode lets HS mode touch it, TVM left aside: only then it is a hypervisor's affair."""
        values = self.values
        if csr.name in _ALARMS:
            return bool(values["menvcfg"] & STCE and values["mcounteren"] & _TM)
        bit = COUNTERS.get(csr.number, 0)
        return not bit or bool(values["mcounteren"] & bit)

    def _lent(self, csr: Csr) -> bool:
        """Whether the hypervisor lets its guest touch it, and VS mode (if it is a counter) VU mode."""
        values = self.values
        if csr.name == "satp":
            return not values["hstatus"] & _VTVM
        if csr.name in _ALARMS:
            return bool(values["henvcfg"] & STCE and values["hcounteren"] & _TM)
        if bit := COUNTERS.get(csr.number, 0):
            user = self._hart.mode == Mode.U
            return bool(values["hcounteren"] & bit and (not user or values["scounteren"] & bit))
        return True

    # What a read gives, what a write changes

    def read(self, csr: Csr) -> int:
        """See `CsrFile.read`. `vsip` and `vsie` show what is delegated, one place lower; a guest has its own `time`."""
        if self._hart.virtual and csr.name == "time":
            return self.guest_time
        if not csr.hypervisor:
            return super().read(csr)
        values = self.values
        match csr.name:
            case "hip":
                return self.pending() & csr.visible
            case "vsip":
                return (self.pending() & values["hideleg"]) >> 1
            case "vsie":
                return (values["mie"] & values["hideleg"]) >> 1
            case "henvcfg":
                # Its STCE and ADUE are read-only 0 under clear ones in menvcfg (Sstc, Svadu).
                return values["henvcfg"] & ~((STCE | ADUE) & ~values["menvcfg"])
        return super().read(csr)

    def by_table(self, csr: Csr) -> bool:
        """See `CsrFile.by_table`."""
        return csr.name not in ("hip", "vsip", "vsie", "henvcfg") and super().by_table(csr)

    def legal(self, csr: Csr, old: int, value: int) -> int:
        """See `CsrFile.legal`."""
        if not csr.hypervisor:
            return super().legal(csr, old, value)
        match csr.name:
            case "vsip" | "vsie":
                writable = self.values["hideleg"] & csr.writable << 1
                return old & ~writable | value << 1 & writable
            case "henvcfg":
                return csr.legalize(old, value & ~((STCE | ADUE) & ~self.values["menvcfg"]))
        return super().legal(csr, old, value)

    # Interrupts and alarms

    @property
    def guest_time(self) -> int:
        """The timer as V = 1 reads it."""
        computer = self._hart.computer
        return computer.clint.mtime_at(computer.time) + self.values["htimedelta"] & ALL_ONES

    def pending(self) -> int:
        """See `CsrFile.pending`; the alarm of `vstimecmp` asserts VSTIP (Sstc)."""
        return super().pending() | self.alarm()[0]

    def deadline(self) -> int | None:
        """See `CsrFile.deadline`. A guest's time may run over, and then its alarm is silent again."""
        deadline, (_rings, change) = super().deadline(), self.alarm()
        if change is None:
            return deadline
        return change if deadline is None else min(change, deadline)

    def alarm(self) -> tuple[int, int | None]:
        """VSTIP if the alarm of `vstimecmp` rings now, and at which time that changes by itself, as in `deadline`."""
        values = self.values
        if not values["menvcfg"] & values["henvcfg"] & STCE:
            return 0, None
        computer, alarm = self._hart.computer, values["vstimecmp"]
        time = computer.time
        now = computer.clint.mtime_at(time) + values["htimedelta"] & ALL_ONES
        change = time + (alarm if now < alarm else ALL_ONES + 1) - now
        never = LONGEST_SLEEP if self._hart.waiting else FOR_EVER
        return VSTIP if now >= alarm else 0, None if change >= never else change


class SilentHypervisorCsrFile(SilentCsrFile, HypervisorCsrFile):
    """The same with a quirk: what is silent in U mode is so in VU mode, of the VS register."""

    def touch(self, number: int, writes: bool) -> Csr:
        """See `CsrFile.touch`."""
        csr = super().touch(number, writes)
        return self.registers.by_name[SUBSTITUTES.get(csr.name, csr.name)] if self._hart.virtual else csr

    def write(self, csr: Csr, value: int) -> None:
        """See `CsrFile.write`. VU mode comes here with a VS register only where nothing is to happen."""
        hart = self._hart
        if not (hart.virtual and hart.mode == Mode.U and csr.hypervisor):
            super().write(csr, value)
