"""The loop of the native engine: native code runs until it can't, and Python does that one instruction."""

import struct
from operator import itemgetter
from typing import TYPE_CHECKING

from vlab.events import CAUSES
from vlab.machine.board import UART_BASE
from vlab.machine.choices import GATE
from vlab.machine.computer import Resident, standing
from vlab.machine.csrfile import STCE
from vlab.machine.devices.uart import Uart
from vlab.machine.execute.interpreter import Leave
from vlab.machine.execute.native.blocks import address_of, new_block
from vlab.machine.execute.native.building import native
from vlab.machine.execute.native.codepages import CodePages
from vlab.machine.execute.native.csrs import csr_rows
from vlab.machine.execute.native.issuing import issuing
from vlab.machine.execute.native.layout import (
    ARRIVED,
    CODE,
    CONTEXTS,
    CSR_FIELDS,
    DEVICE,
    H_FIELDS,
    LOOK,
    OFFSETS,
    REFUSED,
    REGISTERS,
    STATE_SIZE,
    context_number,
    keeps_marks,
)
from vlab.machine.execute.native.notes import Notes
from vlab.machine.execute.native.outside import Outside
from vlab.machine.execute.native.regions import Regions
from vlab.machine.execute.native.tlb import SharedEntries, shared_context
from vlab.machine.h_extension.csrfile import VSTIP, HypervisorCsrFile
from vlab.machine.history import ISSUE_WORK, LOOP_WORK, STORE_WORK, TURN_WORK
from vlab.machine.memory import Memory
from vlab.machine.mmu import Context, Key
from vlab.machine.quirks import silent_csrs
from vlab.machine.sequence import RETURN, Issue, Sequence
from vlab.riscv import Mode, Trap
from vlab.riscv.csrs import CSRS

if TYPE_CHECKING:
    from vlab.machine.machine import Machine

_FEW = 8  # attempts for which native code isn't worth its entry
_AT = {name: offset // 8 for name, offset in OFFSETS.items()}
_PC, _COUNT, _END = _AT["pc"], _AT["count"], _AT["end"]
_NOTES, _CHANGED, _UNRETIRED, _VALUE = _AT["note"], _AT["changed"], _AT["unretired"], _AT["value"]
_MODE, _VIRTUAL = _AT["mode"], _AT["virtual"]
_TM, _TVM = CSRS["mcounteren"]["TM"].mask, CSRS["mstatus"]["TVM"].mask
_S = int(Mode.S)
# Python's work, and stores to devices, between looks at Ctrl-C and at whether a checkpoint is due: some hundredths
# of a second.
_MOST_TOIL, _MOST_STORES = 150_000, 2_500
_CONTEXTS, _FIRST_CSR = CONTEXTS // 8, OFFSETS[CSR_FIELDS[0]]
_X = struct.Struct("<32Q")
_MASK = (1 << 64) - 1
_STATUS = STATE_SIZE  # where the register stands that can be read without Python: behind the block


class NativeEngine:
    """Runs the instructions of a machine's hart."""

    quantum = 2_000_000  # attempts between looks at Ctrl-C

    def __init__(self, machine: "Machine", memory: Memory):
        made = native()
        self._machine, self._hart, self._memory, self._run = machine, machine.hart, memory, made.run
        self._resume = made.resume
        self._block = new_block(STATE_SIZE + 8)
        self._address = address_of(self._block)
        self._state = memoryview(self._block).cast("Q")
        registers = machine.hart.csr.registers
        csrs, rows = csr_rows(registers, silent_csrs(machine.quirks))
        self._notes = Notes(
            machine, {place: registers.by_number[number].name for number, place in csrs.items()}
        )
        self._csrs = new_block(len(rows))
        self._csrs[:] = rows
        self.code = CodePages(made, machine.hart, memory, csrs, self._slow_fetches)
        self._extended = "H" in machine.extensions
        self._fields = CSR_FIELDS + (H_FIELDS if self._extended else ())
        self._shared = frozenset(self._fields)
        self._values, self._fields_format = itemgetter(*self._fields), struct.Struct(f"<{len(self._fields)}Q")
        self._breakpoints: frozenset[int] = frozenset()
        self._regions = Regions(machine, memory, self._state)
        self._set(ram=address_of(memory.ram), base=memory.base, size=memory.size)
        self._set(open=address_of(memory.open), watched=address_of(memory.listed))
        self._set(loads_watched=address_of(memory.loads_listed))
        self._set(unaligned=machine.hart.parcel - 1, **self.code.fields)
        self._set(keeps_marks=keeps_marks(machine.extensions), extended=self._extended)
        self._traps = new_block(8 * CAUSES)
        self._set(status=self._address + _STATUS, csrs=address_of(self._csrs), traps=address_of(self._traps))
        machine.events.traps.share(memoryview(self._traps).cast("Q"))
        hart = machine.hart
        hart.mmu = type(hart.mmu)(hart, True, self._context)
        self.lent = False  # whether a resident does its work with the hart's state where native code left it
        self.returning = False  # whether its last act, the `sret`, is still to be done
        self._resident: Resident | None = None  # whoever may
        self.stirred = False  # whether interrupts may have changed, besides that of the resident's own alarm
        self.shifted = False  # whether, of those, that of its guest's own alarm has, and nothing else
        self._bus: int | None = None  # the next time at which a device may interrupt; -1: not known yet
        self.registers = self._state[:REGISTERS]  # while the state is lent

    def _context(self, key: Key) -> Context:
        """A new context, of which native code knows."""
        made = shared_context(key)
        self._state[_CONTEXTS + context_number(key)] = place = _place(made.entries)
        self._notes.contexts[place] = str(key)
        return made

    def _set(self, **fields: int) -> None:
        for name, value in fields.items():
            self._state[_AT[name]] = value

    def run(self, calm: int, budget: int, asked: bool) -> None:
        """Attempt so many instructions; stop early at a trap or change of control that Python has made.

        Nothing is due for `calm` of them, and for `budget` of them nothing but interrupts. If somebody has `asked`
        for that, stop at every one; then, and with listeners, nothing is done by a resident. With hasty listeners,
        whatever has an event is Python's.
        """
        machine, state, first = self._machine, self._state, self._notes.start
        watched = self._prepare(asked)
        if calm < _FEW or self._hart.pc & 1:  # odd only by hand: no slot of native code stands there
            self._steps(min(calm, _FEW))
            return
        limit = machine.time + budget
        self._enter()
        self._resident = None if watched else machine.residents.get(Mode.S)
        if self._resident is not None:
            state[_AT["polled"]] = _MASK  # it may read what was typed
        self._bus, outside = -1, Outside(self, machine, state)
        self._begin(machine.time + calm)
        stores = 0 if watched else _MOST_STORES
        most = machine.toil + _MOST_TOIL
        reason: int | None
        while True:
            reason = self._run(self._address)
            count = state[_COUNT]
            machine.set_clock(state[_END] - count)
            if state[_NOTES] > first:
                self._tell()
            if reason == ARRIVED and self._may_lend():
                reason = self._take_turns(limit)
                count = state[_COUNT]
            if reason is None:
                return
            if not count:
                self._leave()
                return
            if reason == CODE:
                self.code.hold(state[_VALUE])
            elif reason == DEVICE and stores:
                stores -= 1
                machine.toil += STORE_WORK
                if not outside.store():
                    return
                self._begin(state[_END])
            else:
                self._leave()
                if reason == LOOK or standing(machine) is not None:
                    return  # or a trap led to a resident
                goes_on = self._step()
                machine.toil += LOOP_WORK
                if count == 1 or machine.toil >= most:
                    return
                if not (goes_on or (self._resident is not None and self._hart.pc == GATE)):
                    return
                self._enter()
                self._begin(state[_END])
                if not goes_on and (not self._may_lend() or self._take_turns(limit) is None):
                    return

    def _prepare(self, asked: bool) -> bool:
        """Say what is pending, and who looks on; whether anybody does."""
        machine, state, csr, notes = self._machine, self._state, self._hart.csr, self._notes
        enabled, events = csr.values["mie"], machine.events
        rising = csr.pending() if enabled or events.on else _MASK
        state[_AT["waking"]], state[_AT["rising"]] = rising & enabled, rising
        state[_AT["told"]], state[_AT["look"]] = events.hasty, 0
        # Listeners hear what becomes of an interrupt.
        state[_AT["asked"]] = asked or bool(events.on and rising)
        noting = events.on and not events.hasty
        state[_NOTES], state[_AT["notes_end"]] = (notes.start, notes.end) if noting else (0, _MASK)
        state[_AT["timer"]] = machine.mtime - machine.time & _MASK
        status = None if asked or events.on else machine.uart.status
        state[_AT["polled"]] = _MASK if status is None else UART_BASE + Uart.STATUS
        self._block[_STATUS] = status or 0
        return asked or events.on

    def _tell(self) -> None:
        """Tell of the events that native code has noted."""
        end, self._state[_NOTES] = self._state[_NOTES], self._notes.start
        try:
            self._notes.tell(end)
        except BaseException:  # a listener's own
            self._leave()
            raise

    def _begin(self, end: int) -> None:
        """Let native code attempt instructions until this time."""
        self._state[_COUNT], self._state[_END] = end - self._machine.time, end

    # Residents

    def _may_lend(self) -> bool:
        """Whether this GATE is that of a resident of S mode, which can do its work with the state where it is.

        Nothing that it issues may trap in that mode, by what M mode has set; and nothing be pending for it.
        """
        state = self._state
        if self._resident is None or state[_MODE] != _S or state[_VIRTUAL]:
            return False
        if self._bus == -1:
            alarm = state[_AT["menvcfg"]] & STCE and state[_AT["mcounteren"]] & _TM
            trapped = state[_AT["mstatus"]] & _TVM
            if not alarm or trapped or self._waking():
                self._resident = None
            self._bus = self._machine.bus.deadline(self._machine.time)
        return self._resident is not None

    def _take_turns(self, limit: int) -> int | None:
        """Let the resident work, and native code go on with the `sret` that ended that, as long as each leads to the
        other. Why native code stopped; None if the machine has to look around, and the state is not lent any more.
        """
        machine, state, resident = self._machine, self._state, self._resident
        assert resident is not None
        values, timer, handle = self._hart.csr.values, state[_AT["timer"]], resident.handle
        resume, block, now = self._resume, self._address, machine.goal
        if self._bus is not None:
            limit = min(limit, self._bus)
        self.stirred = self._extended
        until = _MASK
        most = machine.toil + _MOST_TOIL
        while machine.toil < most:
            self.lent, self.returning = True, False
            machine.resident_since = now - machine.skipped
            handle()
            if not self.lent:
                return None
            began, now, end = now, machine.goal, values["stimecmp"] - timer
            machine.toil += TURN_WORK + ISSUE_WORK * (now - began)
            if end > limit:
                end = limit
            if self.stirred or self.shifted:
                until = self._look_around()
            end = min(end, until)
            if not self.returning or end - now < _FEW:
                break
            self.lent = False
            state[_COUNT], state[_END] = end - now, end
            reason = resume(block)
            machine.goal = now = end - state[_COUNT]
            if reason == REFUSED:
                self.lent, state[_PC] = True, GATE
                break
            if reason != ARRIVED:
                return reason
        else:
            self.lent, self.returning = True, False
        self.settle()
        return None

    def _look_around(self) -> int:
        """The time until which no interrupt comes, once the resident has had to do with more than its own alarm."""
        state, csr = self._state, self._hart.csr
        enabled, rising = state[_AT["mie"]], state[_AT["rising"]]
        if self.stirred or rising == _MASK or not isinstance(csr, HypervisorCsrFile):
            csr.values["mie"] = enabled
            rising, deadline = csr.pending() if enabled else _MASK, csr.deadline()
        else:  # only how far its guest's time is from the hart's has changed
            rings, deadline = csr.alarm()
            rising = rising & ~VSTIP | csr.values["mip"] & VSTIP | rings  # `hvip` may assert it too
        self.stirred = self.shifted = False
        state[_AT["waking"]], state[_AT["rising"]] = rising & enabled, rising
        return 0 if self._waking() else _MASK if deadline is None else deadline

    def _waking(self) -> int:
        """The interrupts that are pending and enabled, but those of its guest: its return waits for none of these."""
        state = self._state
        lent = state[_AT["hideleg"]] & state[_AT["mideleg"]] if self._extended else 0
        return state[_AT["waking"]] & ~lent

    def peek(self, name: str) -> int:
        """What a CSR of the table holds, while the state is lent."""
        return self._state[_AT[name]] if name in self._shared else self._hart.csr.values[name]

    @property
    def unretired(self) -> int:
        """See `Hart.unretired`, while the state is lent."""
        return self._hart.unretired + self._state[_UNRETIRED]

    def issuing(self, sequence: Sequence, each: Issue) -> Issue | None:
        """How a sequence is issued: at once while the state is lent, else by `each`; None if never at once."""
        names = {"machine": self._machine, "state": self._state, "csr": self._hart.csr}
        return issuing(sequence, engine=self, each=each, **names)

    def fence(self) -> None:
        """Forget all translations."""
        self._hart.mmu.flush("sfence.vma")

    def load_registers(self, x: list[int]) -> None:
        """See `Computer.load_registers`, while the state is lent."""
        _X.pack_into(self._block, 0, *x[:32])

    def settle(self) -> None:
        """The state is not lent any more; what the resident has issued is done."""
        self.lent = False
        self._leave()
        if self.returning:
            self.returning = False
            self._machine.issue(RETURN)

    # What is shared

    def _enter(self) -> None:
        """Give the hart's state to native code."""
        hart, state = self._hart, self._state
        if hart.interpreter.breakpoints is not self._breakpoints:
            self._breakpoints = hart.interpreter.breakpoints
            self.code.stop_at(self._breakpoints)
            self._set(halting=bool(self._breakpoints))
        try:
            _X.pack_into(self._block, 0, *hart.x[:32])
        except struct.error:  # set by hand
            _X.pack_into(self._block, 0, *(value & _MASK for value in hart.x[:32]))
        state[_PC] = hart.pc & _MASK
        mmu = hart.mmu
        state[_AT["fetch"]], state[_AT["data"]] = _place(mmu.fetches.entries), _place(mmu.data.entries)
        state[_AT["mode"]], state[_AT["virtual"]] = hart.mode, hart.virtual
        state[_AT["slept"]] = self._machine.skipped + hart.unretired & _MASK
        self._fields_format.pack_into(self._block, _FIRST_CSR, *self._values(hart.csr.values))
        held = self._machine.reservation
        state[_AT["reserved"]], state[_AT["reserved_size"]] = held or (0, 0)
        self._regions.tell(hart.csr.pmp)

    def _leave(self) -> None:
        """Take it back."""
        hart = self._hart
        state = self._state
        hart.x[:32] = _X.unpack_from(self._block)
        hart.pc = state[_PC]
        size = state[_AT["reserved_size"]]
        self._machine.reservation = (state[_AT["reserved"]], size) if size else None
        if state[_CHANGED]:
            found = self._fields_format.unpack_from(self._block, _FIRST_CSR)
            hart.csr.values.update(zip(self._fields, found, strict=True))
            hart.mode = Mode(state[_AT["mode"]])
            hart.virtual = bool(state[_AT["virtual"]])
            hart.unretired += state[_UNRETIRED]
            hart.mmu.select()
            state[_CHANGED] = state[_UNRETIRED] = 0

    def _slow_fetches(self) -> None:
        """Some code pages are no more: no tag may lead there."""
        for context in self._hart.mmu.contexts.values():
            entries = context.entries
            assert isinstance(entries, SharedEntries)
            entries.slow_fetches()

    # One instruction in Python

    def _steps(self, count: int) -> bool:
        """Attempt so many instructions; False if the machine has to look around before they are done."""
        return all(self._step() for _attempt in range(count))

    def _step(self) -> bool:
        """Attempt one instruction; False if the machine has to look around."""
        hart = self._hart
        pc = hart.pc & _MASK
        if pc in hart.interpreter.breakpoints:
            hart.interpreter.hit = True
            return False
        self._machine.set_clock(self._machine.time + 1)
        try:
            hart.pc = hart.interpreter.operation(hart.fetch(pc), pc)()
        except Leave as leave:
            hart.pc = leave.pc
            return False
        except Trap as trap:
            hart.pc = pc
            hart.trap(trap.cause, trap.value, raised=trap)
            return False
        return True


def _place(entries: object) -> int:
    assert isinstance(entries, SharedEntries)
    return entries.address
