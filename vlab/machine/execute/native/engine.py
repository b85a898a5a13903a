"""The loop of the native engine: native code runs until it can't, and Python does that one instruction."""

import struct
from operator import itemgetter
from typing import TYPE_CHECKING

from vlab.machine.computer import standing
from vlab.machine.execute.interpreter import Leave
from vlab.machine.execute.native.blocks import address_of, new_block
from vlab.machine.execute.native.building import native
from vlab.machine.execute.native.codepages import CodePages
from vlab.machine.execute.native.csrs import csr_rows
from vlab.machine.execute.native.layout import (
    CODE,
    CONTEXTS,
    CSR_FIELDS,
    H_FIELDS,
    LIMIT,
    LOOK,
    OFFSETS,
    PMP_ROW,
    STATE_SIZE,
    context_number,
)
from vlab.machine.execute.native.notes import Notes
from vlab.machine.execute.native.tlb import SharedEntries, shared_context
from vlab.machine.memory import Memory
from vlab.machine.mmu import Context, Key
from vlab.machine.quirks import silent_csrs
from vlab.riscv import Mode, Trap
from vlab.riscv.csrs import PMP_ENTRIES

if TYPE_CHECKING:
    from vlab.machine.machine import Machine

_FEW = 8  # attempts for which native code isn't worth its entry
_AT = {name: offset // 8 for name, offset in OFFSETS.items()}
_PC, _COUNT, _END = _AT["pc"], _AT["count"], _AT["end"]
_NOTES, _CHANGED, _UNRETIRED, _VALUE = _AT["note"], _AT["changed"], _AT["unretired"], _AT["value"]
_CONTEXTS, _FIRST_CSR = CONTEXTS // 8, OFFSETS[CSR_FIELDS[0]]
_X = struct.Struct("<32Q")
_REGION = struct.Struct("<3Q")
_MASK = (1 << 64) - 1


class NativeEngine:
    """Runs the instructions of a machine's hart."""

    quantum = 2_000_000  # attempts between looks at Ctrl-C

    def __init__(self, machine: "Machine", memory: Memory):
        made = native()
        self._machine, self._hart, self._memory, self._run = machine, machine.hart, memory, made.run
        self._block = new_block(STATE_SIZE)
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
        self._values, self._fields_format = itemgetter(*self._fields), struct.Struct(f"<{len(self._fields)}Q")
        self._pmp: object = None
        self._breakpoints: frozenset[int] = frozenset()
        self._pmp_rows = new_block(PMP_ROW * PMP_ENTRIES)
        self._set(ram=address_of(memory.ram), base=memory.base, size=memory.size)
        self._set(open=address_of(memory.open), unaligned=machine.hart.parcel - 1)
        self._set(**self.code.fields)
        self._set(keeps_marks=not machine.hart.mmu.hardware_ad, extended=self._extended)
        self._set(csrs=address_of(self._csrs), pmp=address_of(self._pmp_rows))
        hart = machine.hart
        hart.mmu = type(hart.mmu)(hart, True, self._context)

    def _context(self, key: Key) -> Context:
        """A new context, of which native code knows."""
        made = shared_context(key)
        self._state[_CONTEXTS + context_number(key)] = place = _place(made.entries)
        self._notes.contexts[place] = str(key)
        return made

    def _set(self, **fields: int) -> None:
        for name, value in fields.items():
            self._state[_AT[name]] = value

    def run(self, budget: int, asked: bool) -> None:
        """Attempt so many instructions; stop early at a trap or change of control that Python has made.

        If somebody has `asked` for that, stop at every one. With hasty listeners, whatever has an event is Python's.
        """
        machine, state, csr = self._machine, self._state, self._hart.csr
        enabled, events, notes = csr.values["mie"], machine.events, self._notes
        rising = csr.pending() if enabled or events.on else _MASK
        state[_AT["waking"]], state[_AT["rising"]] = rising & enabled, rising
        state[_AT["told"]], state[_AT["look"]] = events.hasty, 0
        state[_AT["asked"]] = asked or bool(
            events.on and rising
        )  # listeners hear what becomes of an interrupt
        noting = events.on and not events.hasty
        state[_NOTES], state[_AT["notes_end"]] = (notes.start, notes.end) if noting else (0, _MASK)
        state[_AT["timer"]] = machine.mtime - machine.time & _MASK
        if budget < _FEW:
            self._steps(budget)
            return
        self._enter()
        while True:
            state[_COUNT] = budget
            state[_END] = machine.time + budget
            reason = self._run(self._address)
            machine.set_clock(machine.time + budget - state[_COUNT])
            budget = state[_COUNT]
            if noting:
                notes.tell(state[_NOTES])
                state[_NOTES] = notes.start
            if not budget:
                self._leave()
                return
            if reason == CODE:
                self.code.hold(state[_VALUE])
            else:
                self._leave()
                if reason == LOOK or standing(machine) is not None:
                    return  # or a trap led to a resident
                count = budget if reason == LIMIT else 1
                budget -= count
                if not self._steps(count) or not budget:
                    return
                self._enter()

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
        if hart.csr.pmp is not self._pmp:
            self._pmp = pmp = hart.csr.pmp
            memory = self._memory
            for field, mode in (("pmp_below", Mode.S), ("pmp_machine", Mode.M)):
                whole = pmp.uniform(memory.base, memory.size)
                state[_AT[field]] = pmp.allowed(memory.base, memory.size, mode) if whole else 0
            self._set(pmp_count=len(pmp.regions))
            for number, region in enumerate(pmp.regions):
                _REGION.pack_into(self._pmp_rows, number * PMP_ROW, region.first, region.end, region.config)

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
        pc = hart.pc
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
