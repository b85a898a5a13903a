"""A hart with the H extension: the mode V, its traps and returns, and what a hypervisor's instructions do."""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from vlab.events import Trap as TrapEvent
from vlab.machine.choices import GATE
from vlab.machine.h_extension.csrfile import HypervisorCsrFile, SilentHypervisorCsrFile
from vlab.machine.h_extension.mmu import TwoStageMmu
from vlab.machine.hart import MASK, STACKS, Hart, Stack, parts
from vlab.machine.quirks import silent_csrs
from vlab.riscv import Access, Cause, Interrupt, Mode, Trap
from vlab.riscv.csrs import H_REGISTERS
from vlab.riscv.instructions import ROWS, encode
from vlab.riscv.privilege import ACCESS_FAULT, INTERRUPT_BIT, GuestInterrupt

if TYPE_CHECKING:
    from vlab.machine.computer import Computer

_STATUS = {part.name: part.mask for part in H_REGISTERS.by_name["mstatus"].fields}
_HSTATUS = {part.name: part.mask for part in H_REGISTERS.by_name["hstatus"].fields}
_MPV, _M_GVA = _STATUS["MPV"], _STATUS["GVA"]
_SPV, _SPVP, _H_GVA = _HSTATUS["SPV"], _HSTATUS["SPVP"], _HSTATUS["GVA"]
_VS = STACKS[Mode.S]._replace(status="vsstatus", epc="vsepc", cause="vscause", tval="vstval", tvec="vstvec")
# Whose xtval is the address of a load or store, and whose is that of an instruction.
_OF_DATA = frozenset(int(cause) for cause in Cause if cause.name.startswith(("LOAD", "STORE")))
_OF_CODE = frozenset(int(cause) for cause in Cause if cause.name.startswith(("INSTRUCTION", "BREAKPOINT")))
_MEMORY_OPCODES = (0x03, 0x23, 0x2F)  # loads, stores, atomics


class HypervisorHart(Hart):
    """A hart with HS, VS and VU modes. Sections are those of the chapter "H"."""

    interrupts: ClassVar[tuple[int, ...]] = tuple(sorted((*Interrupt, *GuestInterrupt)))
    priority: ClassVar[tuple[int, ...]] = (
        *Hart.priority,
        *(GuestInterrupt.VSEI, GuestInterrupt.VSSI, GuestInterrupt.VSTI),
    )
    csr: HypervisorCsrFile
    mmu: TwoStageMmu

    def __init__(self, computer: "Computer", *, cached: bool):
        self.virtual = False
        super().__init__(computer, cached=cached)

    def _csr_file(self) -> HypervisorCsrFile:
        silent = silent_csrs(self.computer.quirks)
        return SilentHypervisorCsrFile(self, silent) if silent else HypervisorCsrFile(self)

    def _mmu(self, cached: bool) -> TwoStageMmu:
        return TwoStageMmu(self, cached)

    # Traps: where they go, and the way back

    def _ready(self, pending: int) -> int:
        """See `Hart._ready`: those for M, or else for HS mode, or else, as the guest knows them, for VS mode."""
        values = self.csr.values
        mode, virtual, status = self.mode, self.virtual, values["mstatus"]
        ready, lent = 0, values["hideleg"]
        if mode < Mode.M or status & _STATUS["MIE"]:
            ready = pending & ~values["mideleg"]
        if not ready and (virtual or mode < Mode.S or (mode == Mode.S and status & _STATUS["SIE"])):
            ready = pending & values["mideleg"] & ~lent
        if not ready and virtual and (mode == Mode.U or values["vsstatus"] & _VS.enabled):
            ready = pending & values["mideleg"] & lent
        return ready

    def trap(
        self,
        cause: int,
        value: int = 0,
        kind: type[TrapEvent] = TrapEvent,
        raised: Trap | None = None,
        guest: Stack | None = None,
    ) -> None:
        """See `Hart.trap`. What HS mode was delegated, and V = 1 meets, may be delegated to VS mode ("Trap Entry")."""
        cause, values, virtual, mode = int(cause), self.csr.values, self.virtual, self.mode
        if virtual and self._lent(cause):
            # The virtual interrupts count as the supervisor's own to a guest.
            super().trap(cause - 1 if cause & INTERRUPT_BIT else cause, value, kind, raised, _VS)
            return
        of_guest = virtual and cause in _OF_CODE
        second = instruction = 0
        if raised is not None:
            second, instruction = raised.second, raised.instruction
        if cause in _OF_DATA:
            of_guest = self.mmu.data.key.virtual or (raised is not None and raised.guest)
            # Of what is no guest's, zero: so a kernel that is assisted, and has no `htinst`, leaves the same state.
            instruction = instruction or (self._transformed(value) if of_guest else 0)
        super().trap(cause, value, kind, raised)
        told = (_MPV if virtual else 0) | (_M_GVA if of_guest else 0)
        if self.mode == Mode.M:
            values["mstatus"] = values["mstatus"] & ~(_MPV | _M_GVA) | told
            values["mtval2"], values["mtinst"] = second, instruction
            self.mmu.select()  # MPV says whose memory MPRV is about
            return
        told = (_SPV if virtual else 0) | (_H_GVA if of_guest else 0)
        kept = values["hstatus"] & ~(_SPV | _H_GVA)
        if virtual:
            kept = kept | _SPVP if mode == Mode.S else kept & ~_SPVP
        values["hstatus"] = kept | told
        values["htval"], values["htinst"] = second, instruction

    def _lent(self, cause: int) -> bool:
        """Whether VS mode has this trap of its own."""
        values, code = self.csr.values, cause & ~INTERRUPT_BIT
        delegated, further = ("mideleg", "hideleg") if cause & INTERRUPT_BIT else ("medeleg", "hedeleg")
        return bool((values[delegated] & values[further]) >> code & 1)

    def _transformed(self, address: int) -> int:
        """The load, store or atomic at pc that trapped, as `htinst` has it; 0 where it can't be read any more.

        Its rs1 becomes the distance from where the access began to the address that faulted, its offset 0.
        """
        if self.pc == GATE:
            return 0
        found = self.instruction_at(self.pc)
        if found is None:
            return 0
        row = ROWS[found.row.base]
        if not (row.match & 0x7F in _MEMORY_OPCODES or row.name[:3] in ("hlv", "hsv")):
            return 0
        distance = address - self.x[found["rs1"]] - found["imm"] & MASK
        transformed = encode(row, found.values | {"rs1": distance, "imm": 0})
        compressed = 2 if found.row.size == 2 else 0  # of such a one bit 1 is zero
        return transformed - compressed if distance < 8 else 0

    def _return(self, stack: Stack, instruction: str, virtual: bool = False) -> int:
        """See `Hart._return`. `sret` in VS mode stays there; else V becomes what MPV or SPV says ("Trap Return")."""
        values = self.csr.values
        if self.virtual:
            values["mstatus"] &= ~_STATUS["MPRV"]
            return super()._return(_VS, instruction, True)
        if instruction == "mret":
            status = values["mstatus"]
            virtual = bool(status & _MPV) and status & stack.origin != stack.origin  # which is M
            values["mstatus"] = status & ~_MPV
        else:
            virtual = bool(values["hstatus"] & _SPV)
            values["hstatus"] &= ~_SPV
        return super()._return(stack, instruction, virtual)

    # What the table's meanings call

    def _need(self, lowest: Mode, trapped_by: str = "") -> None:
        """See `Hart._need`. With V = 1 a virtual instruction, where HS mode could do it, or VTSR, VTW, VTVM says so."""
        if not self.virtual:
            super()._need(lowest, trapped_by)
            return
        values = self.csr.values
        too_low = trapped_by == "TW" and values["mstatus"] & _STATUS["TW"]  # it counts in VS and VU mode too
        if lowest == Mode.M or too_low:
            raise Trap(Cause.ILLEGAL_INSTRUCTION, self.word)
        if self.mode < lowest or (trapped_by and values["hstatus"] & _HSTATUS[f"V{trapped_by}"]):
            raise Trap(Cause.VIRTUAL_INSTRUCTION, self.word)

    def ecall(self) -> None:
        """See `Hart.ecall`: VS mode has a cause of its own."""
        if self.virtual and self.mode == Mode.S:
            raise Trap(Cause.ECALL_FROM_VS)
        super().ecall()

    def _hypervise(self, trapped_by: str = "") -> None:
        """A hypervisor's instruction: a virtual one with V = 1, illegal in U mode and, if TVM says so, in HS mode."""
        if self.virtual:
            raise Trap(Cause.VIRTUAL_INSTRUCTION, self.word)
        self._need(Mode.S, trapped_by)

    def _as_guest(self, access: Callable[[], int | None]) -> int | None:
        """A load or store of a hypervisor, or with HU of its U mode, as if V = 1 ("… Load and Store Instructions")."""
        if self.virtual or self.mode != Mode.U or not self.csr.values["hstatus"] & _HSTATUS["HU"]:
            self._hypervise()
        mmu = self.mmu
        own, mmu.data = mmu.data, mmu.guest()
        try:
            return access()
        except Trap as trap:
            trap.guest = True
            raise
        finally:
            mmu.data = own

    def hlv(self, address: int, size: int) -> int:
        """`hlv`: load as the guest would."""
        return self._as_guest(lambda: self.load(address, size)) or 0

    def hsv(self, address: int, size: int, value: int) -> None:
        """`hsv`: store as the guest would."""
        self._as_guest(lambda: self.store(address, size, value))

    def hlvx(self, address: int, size: int) -> int:
        """`hlvx`: load what the guest may execute; its faults are a load's."""
        return self._as_guest(lambda: self._load_executable(address, size)) or 0

    def _load_executable(self, address: int, size: int) -> int:
        value = read = 0
        for start, length in parts(address, size):
            physical = self.mmu.executable(start, length)
            if not self.memory.holds(physical, length):
                raise Trap(ACCESS_FAULT[Access.LOAD], start)
            value |= self.memory.load(physical, length) << 8 * read
            read += length
        return value

    def hfence_vvma(self, address: int, asid: int, every: bool) -> None:
        """`hfence.vvma`: the TLB forgets all. TVM doesn't matter to it."""
        self._hypervise()
        self._forget("hfence.vvma")

    def hfence_gvma(self, address: int, vmid: int, every: bool) -> None:
        """`hfence.gvma`: the same, illegal in HS mode under TVM."""
        self._hypervise("TVM")
        self._forget("hfence.gvma")

    def _forget(self, fence: str) -> None:
        self.mmu.flush(fence)
        self.computer.translations_changed(fence, None)
