"""One hart: its registers, its modes and traps, and how its loads and stores reach memory.

The same class is a machine's real hart and a virtual machine's virtual one: emulating a guest's instruction
is this hart executing that row of the table. A real hart has a TLB and is driven by the engine's loop; a
virtual one has none.
"""

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from vlab.display import Drawn
from vlab.events import CsrWrite, DeviceAccess, Return
from vlab.events import Trap as TrapEvent
from vlab.language import _
from vlab.machine.bus import BusError
from vlab.machine.csrfile import TM, CsrFile
from vlab.machine.execute.interpreter import Interpreter, Leave
from vlab.machine.execute.lowering import Operation
from vlab.machine.memory import PAGE
from vlab.machine.mmu import Mmu
from vlab.machine.pmp import X
from vlab.machine.quirks import csr_file
from vlab.riscv import Access, Cause, Mode, Trap
from vlab.riscv.csrs import CSRS, Csr
from vlab.riscv.instructions import Instruction, decode, length
from vlab.riscv.privilege import ACCESS_FAULT, INTERRUPT_BIT, Interrupt, mode_name
from vlab.riscv.table import OPTIONAL

if TYPE_CHECKING:
    from vlab.machine.computer import Computer

_STATUS = {part.name: part.mask for part in CSRS["mstatus"].fields}
_TRANSLATING = frozenset({"mstatus", "satp", "vsstatus", "vsatp", "hgatp"})  # what contexts are chosen by
_MODES = {int(mode): mode for mode in Mode}
MASK = (1 << 64) - 1


class Stack(NamedTuple):
    """Where a status register keeps what a trap into a mode sets aside, and which CSRs tell of it (3.1.6.1)."""

    status: str
    enabled: int  # xIE: the mode's interrupts are on
    before: int  # xPIE: they were, before the trap
    origin: int  # xPP: the mode that trapped
    shift: int
    epc: str
    cause: str
    tval: str
    tvec: str


def _stack(mode: Mode) -> Stack:
    letter, prefix = mode.name, mode.name.lower()
    origin = CSRS["mstatus"][f"{letter}PP"]
    csrs = (prefix + name for name in ("epc", "cause", "tval", "tvec"))
    return Stack("mstatus", _STATUS[f"{letter}IE"], _STATUS[f"{letter}PIE"], origin.mask, origin.low, *csrs)


STACKS = {mode: _stack(mode) for mode in (Mode.S, Mode.M)}


class Hart(Drawn):
    """The state of one hart: registers `x`, `pc`, `mode`, CSRs, and the TLB if it is a real one (`cached`).

    `x` has a 33rd place, where writes to x0 go. `word` is the instruction being executed, where that matters.
    `virtual` is the virtualization mode V: only a hart with the H extension (`h_extension`) ever sets it.
    """

    interrupts: ClassVar[tuple[int, ...]] = tuple(Interrupt)
    priority: ClassVar[tuple[int, ...]] = (  # which of them is taken first (3.1.9)
        *(Interrupt.MEI, Interrupt.MSI, Interrupt.MTI, Interrupt.SEI, Interrupt.SSI, Interrupt.STI),
    )
    virtual = False

    def __init__(self, computer: "Computer", *, cached: bool):
        self.computer = computer
        self.memory = computer.memory
        self.lacking = frozenset(OPTIONAL) - set(computer.extensions)  # their instructions are illegal
        self.parcel = 4 if "C" in self.lacking else 2  # bytes: where an instruction may begin (IALIGN)
        self.csr = self._csr_file()
        self.x = [0] * 33
        self.mode = Mode.M
        self.pc = 0
        self.word = 0
        self.waiting = False
        self.changed = False
        self.unretired = 0
        self.interpreter = Interpreter(self)
        self.mmu = self._mmu(cached)

    def _csr_file(self) -> CsrFile:
        return csr_file(self, self.computer.quirks)

    def _mmu(self, cached: bool) -> Mmu:
        return Mmu(self, cached)

    def __repr__(self) -> str:
        return _("Hart in {mode} mode at {pc:#x}, {retired} instructions completed").format(
            mode=self.mode_name, pc=self.pc, retired=self.retired
        )

    @property
    def mode_name(self) -> str:
        """The mode as it is called: "U", "S", "M"; with V = 1, "VU" or "VS"."""
        return mode_name(self.mode, self.virtual)

    def reset(self, pc: int, a0: int = 0, a1: int = 0, a2: int = 0) -> None:
        """Power on: M mode at `pc`, with a0, a1 and a2 as given, everything else 0."""
        self.x[:] = [0] * 33
        self.x[10:13] = a0, a1, a2
        self.mode, self.virtual, self.pc = Mode.M, False, pc
        self.waiting = self.changed = False
        self.unretired = 0
        self.csr.reset()
        self.mmu.flush("reset")
        self.mmu.select()

    @property
    def retired(self) -> int:
        """Instructions completed: the attempted ones less those that trapped."""
        return self.computer.time - self.computer.skipped - self.unretired

    def emit(self, kind: Any, *rest: Any) -> None:
        """Tell of an event of this hart's level."""
        events = self.computer.events
        if events.on:
            events.emit(kind, self.computer.level, *rest)

    # Traps and returns (Privileged ISA, 3.1.6, 3.1.7, 3.1.8)

    def interrupt(self) -> int | None:
        """The interrupt to take before the next instruction, as an `xcause` value; None if there is none."""
        values = self.csr.values
        if not values["mie"]:
            return None
        pending = self.csr.pending() & values["mie"]
        if not pending:
            return None
        ready = self._ready(pending)
        return next((INTERRUPT_BIT | code for code in self.priority if ready >> code & 1), None)

    def _ready(self, pending: int) -> int:
        """Which of these interrupts are taken in the hart's mode: those for M, or else those for S."""
        delegated, status = self.csr.values["mideleg"], self.csr.values["mstatus"]
        ready = 0
        if self.mode < Mode.M or status & _STATUS["MIE"]:
            ready = pending & ~delegated
        if not ready and (self.mode < Mode.S or (self.mode == Mode.S and status & _STATUS["SIE"])):
            ready = pending & delegated
        return ready

    def trap(
        self,
        cause: int,
        value: int = 0,
        kind: type[TrapEvent] = TrapEvent,
        raised: Trap | None = None,
        guest: Stack | None = None,
    ) -> None:
        """Enter the handler of an exception, or of an interrupt, in the mode that it is delegated to.

        What was `raised`, if anything, tells the H extension more; with it, a `guest` may have a handler of its own.
        """
        cause = int(cause)
        interrupt, code = cause & INTERRUPT_BIT, cause & ~INTERRUPT_BIT
        values, origin, virtual = self.csr.values, self.mode, guest is not None
        delegated = values["mideleg" if interrupt else "medeleg"] >> code & 1
        target = Mode.S if virtual or (delegated and origin != Mode.M) else Mode.M
        stack = guest or STACKS[target]
        if self.computer.events.on:
            self.emit(kind, cause, value, self.pc, self.mode_name, mode_name(target, virtual))
        self.computer.events.traps.count(self.computer.level, cause)
        if not interrupt:
            self.unretired += 1
        status = values[stack.status]
        before = stack.before if status & stack.enabled else 0
        cleared = status & ~(stack.enabled | stack.before | stack.origin)
        values[stack.status] = cleared | before | origin << stack.shift
        values[stack.epc], values[stack.cause], values[stack.tval] = self.pc, cause, value
        vector = values[stack.tvec]
        self.pc = (vector & ~3) + (4 * code if interrupt and vector & 1 else 0) & MASK
        self.mode, self.virtual = target, virtual
        self.waiting = False
        self.mmu.select()

    def _return(self, stack: Stack, instruction: str, virtual: bool = False) -> int:
        """Leave a handler of which `stack` tells, to a mode with this V: the pc to go on at."""
        values, origin, before = self.csr.values, self.mode, self.virtual
        status = values[stack.status]
        self.mode, self.virtual = _MODES[(status & stack.origin) >> stack.shift], virtual
        enabled = stack.enabled if status & stack.before else 0
        # The mode before becomes U.
        status = status & ~(stack.enabled | stack.origin) | stack.before | enabled
        values[stack.status] = status if self.mode == Mode.M else status & ~_STATUS["MPRV"]
        there = values[stack.epc]
        self.control_changed("mstatus")
        if self.computer.events.on:
            self.emit(Return, instruction, there, mode_name(origin, before), self.mode_name)
        return there

    # What the table's meanings call

    def _need(self, lowest: Mode, trapped_by: str = "") -> None:
        """Illegal below the mode `lowest`, and in S while this bit of mstatus is set (3.1.6.6)."""
        caught = self.mode == Mode.S and trapped_by and self.csr.values["mstatus"] & _STATUS[trapped_by]
        if self.mode < lowest or caught:
            raise Trap(Cause.ILLEGAL_INSTRUCTION, self.word)

    def sret(self) -> int:
        """`sret`: the pc to go on at. Illegal in U, and in S under TSR."""
        self._need(Mode.S, "TSR")
        return self._return(STACKS[Mode.S], "sret")

    def mret(self) -> int:
        """`mret`: the pc to go on at. Illegal below M."""
        self._need(Mode.M)
        return self._return(STACKS[Mode.M], "mret")

    def ecall(self) -> None:
        """`ecall`: always a trap, whose cause says from where."""
        raise Trap(Cause(Cause.ECALL_FROM_U + self.mode))

    def ebreak(self) -> None:
        """`ebreak`: always a trap."""
        raise Trap(Cause.BREAKPOINT, self.pc)

    def wfi(self) -> None:
        """`wfi`: illegal in U, where its bounded wait is zero, and in S under TW."""
        self._need(Mode.S, "TW")
        self.waiting = not self.csr.pending() & self.csr.values["mie"]
        self.changed = True

    def sfence_vma(self, address: int, asid: int, every: bool) -> None:
        """`sfence.vma`: illegal in U, and in S under TVM. The TLB forgets all; shadows are told more."""
        self._need(Mode.S, "TVM")
        self.mmu.flush("sfence.vma")
        self.computer.translations_changed("sfence.vma", None if every else address)

    def csr_write(self, number: int, value: int) -> int:
        """`csrrw`: the old value."""
        if (quick := self._quickly(number, 0, value, True)) is not None:
            return quick
        csr = self.csr.touch(number, True)
        return self._write_csr(csr, value, self._read_csr(csr))

    def csr_set(self, number: int, bits: int, writes: bool) -> int:
        """`csrrs`: the old value."""
        if (quick := self._quickly(number, MASK, bits, writes)) is not None:
            return quick
        csr = self.csr.touch(number, writes)
        old = self._read_csr(csr)
        return self._write_csr(csr, self._base(csr, old) | bits, old) if writes else old

    def csr_clear(self, number: int, bits: int, writes: bool) -> int:
        """`csrrc`: the old value."""
        if (quick := self._quickly(number, ~bits, 0, writes)) is not None:
            return quick
        csr = self.csr.touch(number, writes)
        old = self._read_csr(csr)
        return self._write_csr(csr, self._base(csr, old) & ~bits, old) if writes else old

    def _quickly(self, number: int, stays: int, comes: int, writes: bool) -> int | None:
        """Change a register that keeps what is written, and nothing else, or only whether interrupts are enabled.

        The old value, or the time that is read; None for all others: see `CsrFile.quick`.
        """
        csr, computer, mode = self.csr, self.computer, self.mode
        found = csr.quick.get(number)
        if found is None or mode < found[0] or self.virtual or computer.events.on:
            return None
        _lowest, name, bits, enables = found
        values = csr.values
        if not bits:
            if writes or not (values["mcounteren"] & TM or mode == Mode.M):
                return None
            return computer.clint.mtime_at(computer.time)
        old = values[name] & bits
        new = old & stays | comes
        if not enables:
            values[name] = new & bits
        elif (old ^ new) & ~enables:
            return None
        elif writes:
            values[name] ^= old ^ new
            self.changed = True
        return old

    def _base(self, csr: Csr, read: int) -> int:
        """What a set or clear starts from: of mip and sip only what software set (3.1.9)."""
        return self.csr.values["mip"] if csr.name in ("mip", "sip") else read

    def _read_csr(self, csr: Csr) -> int:
        """What software reads: an instruction that reads minstret is attempted, but not retired yet."""
        value = self.csr.read(csr)
        return value - 1 & MASK if csr.name in ("minstret", "instret") else value

    def _write_csr(self, csr: Csr, value: int, old: int) -> int:
        self.csr.write(csr, value)
        if self.computer.events.on:
            self.emit(CsrWrite, csr.name, old, self.csr.read(csr), self.pc)
        return old

    def control_changed(self, name: str) -> None:
        """A write to this register changed what the engine goes by: modes, enables, alarms, translation."""
        self.changed = True
        if name.startswith("pmp"):
            self.mmu.flush("pmp")
            self.computer.translations_changed("pmp", None)
        elif name in _TRANSLATING:
            self.mmu.select()

    # Memory, the long way: everything that is not a plain access to a fast page

    def load(self, address: int, size: int) -> int:
        """Load `size` bytes from a virtual address: unsigned. Traps as the access deserves."""
        if address % PAGE + size > PAGE:
            pieces = self._pieces(address, size, Access.LOAD)
            low, high = (self._loaded(physical, length) for physical, length in pieces)
            return low | high << 8 * pieces[0][1]
        physical = self.mmu.translate(address, Access.LOAD, size)
        if not self.memory.holds(physical, size):
            return self._device_load(address, physical, size)
        self.mmu.quicken(Access.LOAD, address, physical)
        return self._loaded(physical, size)

    def _loaded(self, physical: int, size: int) -> int:
        """What an instruction loads from RAM."""
        self.memory.loaded(physical, size)
        return self.memory.load(physical, size)

    def store(self, address: int, size: int, value: int) -> None:
        """Store the low `size` bytes of `value` at a virtual address."""
        if address % PAGE + size > PAGE:
            for physical, length in self._pieces(address, size, Access.STORE):
                self.memory.store(physical, length, value)
                value >>= 8 * length
            return
        physical = self.mmu.translate(address, Access.STORE, size)
        if not self.memory.holds(physical, size):
            self._device_store(address, physical, size, value & (1 << 8 * size) - 1)
            return
        self.memory.store(physical, size, value)
        if self.memory.fast(physical):
            self.mmu.quicken(Access.STORE, address, physical)

    def _in_ram(self, address: int, size: int, access: Access) -> int:
        """The physical address of bytes in one page that must be RAM; traps as the access deserves."""
        physical = self.mmu.translate(address, access, size)
        if not self.memory.holds(physical, size):
            raise Trap(ACCESS_FAULT[access], address)
        return physical

    def _pieces(self, address: int, size: int, access: Access) -> list[tuple[int, int]]:
        """The two parts of an access across pages, (place, size); both checked before either is used."""
        return [(self._in_ram(start, part, access), part) for start, part in parts(address, size)]

    def _device_load(self, address: int, physical: int, size: int) -> int:
        try:
            value = self.computer.bus.load(physical, size)
        except BusError:
            raise Trap(ACCESS_FAULT[Access.LOAD], address) from None
        self._tell_device_access(physical, size, value, store=False)
        self.changed = True
        return value

    def _device_store(self, address: int, physical: int, size: int, value: int) -> None:
        try:
            self.computer.bus.store(physical, size, value)
        except BusError:
            raise Trap(ACCESS_FAULT[Access.STORE], address) from None
        self._tell_device_access(physical, size, value, store=True)
        self.changed = True

    def _tell_device_access(self, physical: int, size: int, value: int, *, store: bool) -> None:
        if self.computer.events.on and (found := self.computer.bus.find(physical)) is not None:
            device, offset = found
            self.emit(DeviceAccess, device.name, offset, size, value, store)

    def _atomic(self, address: int, size: int, access: Access) -> int:
        if address % size:
            misaligned = Cause.STORE_MISALIGNED if access is Access.STORE else Cause.LOAD_MISALIGNED
            raise Trap(misaligned, address)
        return self._in_ram(address, size, access)

    def amo_load(self, address: int, size: int) -> int:
        """The load of an AMO: traps as a store would."""
        return self._loaded(self._atomic(address, size, Access.STORE), size)

    def load_reserved(self, address: int, size: int) -> int:
        """`lr`: load, and reserve exactly these bytes."""
        physical = self._atomic(address, size, Access.LOAD)
        self.computer.reservation = (physical, size)
        return self._loaded(physical, size)

    def store_conditional(self, address: int, size: int, value: int) -> int:
        """`sc`: 0 and a store if these bytes are reserved, else 1. Nothing is reserved after it."""
        physical = self._atomic(address, size, Access.STORE)
        held, self.computer.reservation = self.computer.reservation == (physical, size), None
        if held:
            self.memory.store(physical, size, value)
            self.memory.fast(physical)  # an engine may do the next one by itself
        return 0 if held else 1

    # Instructions

    def decode(self, word: int) -> Instruction | None:
        """The instruction that a word is, or None where this hart knows none."""
        found = decode(word)
        return None if found is not None and found.row.extension in self.lacking else found

    def fetch(self, pc: int) -> int:
        """The word of the instruction at a virtual address; traps as the fetch deserves.

        It may lie in two pages. The trap then tells which of its parts can't be had (`mtval`, 3.1.16).
        """
        return self.whole(pc, self.fetch_address(pc))

    def fetch_address(self, pc: int) -> int:
        """The physical address, in RAM, where the instruction at a virtual one begins; traps as the fetch deserves."""
        return self._in_ram(pc, self.parcel, Access.FETCH)

    def whole(self, pc: int, physical: int) -> int:
        """The word of the instruction at `pc` that begins at `physical`; traps as the fetch of its rest deserves."""
        if not pc & 2:  # what lies in the same four bytes may be fetched too: nothing can tell them apart
            word = self.memory.load(physical, 4)
            return word if length(word) == 4 or self.parcel == 4 else word & 0xFFFF
        first = self.memory.load(physical, 2)
        return (
            first
            if length(first) == 2
            else first | self.memory.load(self.fetch_address(pc + 2 & MASK), 2) << 16
        )

    def instruction_at(self, pc: int) -> Instruction | None:
        """The instruction at a virtual address, as the TLB or the tables have it now; None if there is none.

        It looks, and changes nothing.
        """
        word = 0
        try:
            for offset in range(0, 4, self.parcel):
                word |= self.memory.load(self._seen(pc + offset & MASK), self.parcel) << 8 * offset
                if length(word) == self.parcel:
                    break
        except Trap:
            return None
        return self.decode(word)

    def _seen(self, pc: int) -> int:
        """Where a fetch would go; Trap if nowhere."""
        entry = self.mmu.fetches.find(pc)
        if entry is not None and entry.rights & X:
            return entry.frame * PAGE | pc % PAGE
        return self.mmu.resolve(pc, Access.FETCH, self.parcel, touch=False).physical

    def execute(self, word: int) -> bool:
        """Execute one instruction that stands at `pc`, and move on. Whether nothing changed that an engine goes by.

        Raises:
            Trap: as the instruction deserves; `pc` is then where it was, and the caller enters the handler.
        """
        return self.perform(self.interpreter.operation(word, self.pc))

    def perform(self, operation: Operation) -> bool:
        """See `execute`: what the instruction at `pc` does is at hand."""
        try:
            self.pc = operation()
        except Leave as leave:
            self.pc = leave.pc
            return False
        return True

    def leave(self, pc: int) -> int:
        """`pc`, or Leave if something changed that the engine goes by."""
        if self.changed:
            self.changed = False
            raise Leave(pc)
        return pc


def parts(address: int, size: int) -> list[tuple[int, int]]:
    """The parts of an access that lie in one page each, as (address, size)."""
    length = PAGE - address % PAGE
    if size <= length:
        return [(address, size)]
    return [(address, length), (address + length & MASK, size - length)]
