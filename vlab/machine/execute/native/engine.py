"""The loop of the native engine: native code runs until it can't, and Python does that one instruction."""

import struct
from mmap import mmap
from typing import TYPE_CHECKING

from vlab.machine.execute.interpreter import Leave
from vlab.machine.execute.native.building import native
from vlab.machine.execute.native.codepages import CodePages, address_of
from vlab.machine.execute.native.layout import (
    CODE,
    CSR_FIELDS,
    DECODE,
    FIELDS,
    LIMIT,
    OFFSETS,
    STATE_SIZE,
)
from vlab.machine.execute.native.tlb import SharedEntries, shared_context
from vlab.machine.memory import PAGE, Memory
from vlab.riscv import Mode, Trap

if TYPE_CHECKING:
    from vlab.machine.machine import Machine

_FEW = 8  # attempts for which native code isn't worth its entry
_AT = {name: offset // 8 for name, offset in OFFSETS.items()}
_PC, _COUNT, _SLOT = _AT["pc"], _AT["count"], _AT["slot"]
_X = struct.Struct("<32Q")
_MASK = (1 << 64) - 1
assert set(CSR_FIELDS) <= set(FIELDS)


class NativeEngine:
    """Runs the instructions of a machine's hart."""

    quantum = 2_000_000  # attempts between looks at Ctrl-C

    def __init__(self, machine: "Machine", memory: Memory):
        made = native()
        self._machine, self._hart, self._memory, self._run = machine, machine.hart, memory, made.run
        self._block = mmap(-1, STATE_SIZE)
        self._address = address_of(self._block)
        self._state = memoryview(self._block).cast("Q")
        self.code = CodePages(made, machine.hart, memory, self._slow_fetches)
        self._pmp: object = None
        self._set(ram=address_of(memory.ram), base=memory.base, size=memory.size)
        self._set(open=address_of(memory.open), codes=address_of(self.code.table))
        self._set(undecoded=self.code.undecoded)
        hart = machine.hart
        hart.mmu.make_context = shared_context
        hart.mmu.contexts.clear()
        hart.mmu.select()

    def _set(self, **fields: int) -> None:
        for name, value in fields.items():
            self._state[_AT[name]] = value

    def run(self, budget: int, told: bool) -> None:
        """Attempt so many instructions; stop early at a trap or change of control that Python has made.

        With `told`, whatever has an event is Python's.
        """
        machine, state = self._machine, self._state
        self._state[_AT["told"]] = told
        if budget < _FEW:
            self._steps(budget)
            return
        self._enter()
        while True:
            state[_COUNT] = budget
            reason = self._run(self._address)
            machine.set_clock(machine.time + budget - state[_COUNT])
            budget = state[_COUNT]
            if not budget:
                self._leave()
                return
            if reason == DECODE:
                self.code.decode(state[_SLOT])
            elif reason != CODE or not self._hold():
                self._leave()
                count = budget if reason == LIMIT else 1
                budget -= count
                if not self._steps(count) or not budget:
                    return
                self._enter()

    # What is shared

    def _enter(self) -> None:
        """Give the hart's state to native code."""
        hart, state = self._hart, self._state
        try:
            _X.pack_into(self._block, 0, *hart.x[:32])
        except struct.error:  # set by hand
            _X.pack_into(self._block, 0, *(value & _MASK for value in hart.x[:32]))
        state[_PC] = hart.pc
        mmu = hart.mmu
        state[_AT["fetch"]], state[_AT["data"]] = _place(mmu.fetches.entries), _place(mmu.data.entries)
        state[_AT["satp"]] = hart.csr.values["satp"]
        if hart.csr.pmp is not self._pmp:
            self._pmp = pmp = hart.csr.pmp
            memory = self._memory
            for field, mode in (("pmp_below", Mode.S), ("pmp_machine", Mode.M)):
                whole = pmp.uniform(memory.base, memory.size)
                state[_AT[field]] = pmp.allowed(memory.base, memory.size, mode) if whole else 0

    def _leave(self) -> None:
        """Take it back."""
        hart = self._hart
        hart.x[:32] = _X.unpack_from(self._block)
        hart.pc = self._state[_PC]

    def _hold(self) -> bool:
        """Give the page that is fetched from a code page; False if it is not to be had."""
        hart, pc = self._hart, self._state[_PC]
        entry = hart.mmu.fetches.find(pc)
        if entry is None or not self._memory.holds(entry.frame * PAGE, PAGE):
            return False
        self.code.hold(entry.frame - self._memory.base // PAGE)
        return True

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
        next(self._machine.counted(1))
        pc = hart.pc
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
