"""The events that native code has noted, told as Python's own."""

import struct
from typing import TYPE_CHECKING

from vlab.events import CsrWrite, Return, TlbFill, TlbFlush, Trap
from vlab.machine.execute.native.blocks import address_of, new_block
from vlab.machine.execute.native.layout import CSR_WRITE, NOTE_SIZE, NOTES, RETURN, TLB_FILL, TRAP
from vlab.machine.execute.native.privileged import FENCES, RETURNS
from vlab.machine.pmp import NEEDED
from vlab.riscv import Mode
from vlab.riscv.privilege import mode_name

if TYPE_CHECKING:
    from vlab.machine.machine import Machine

_NOTE = struct.Struct("<8Q")
_ACCESSES = {right: str(access) for access, right in NEEDED.items()}
_MODES = {mode | virtual << 2: mode_name(mode, virtual) for mode in Mode for virtual in (False, True)}


class Notes:
    """The notes of one machine's events. They lie from `start` to `end` in the host.

    `csrs` are the names of CSRs by their place in native code's table.
    """

    def __init__(self, machine: "Machine", csrs: dict[int, str]):
        self._machine, self._csrs = machine, csrs
        self._block = new_block(NOTES * NOTE_SIZE)
        self.start = address_of(self._block)
        self.end = self.start + len(self._block)
        self.contexts: dict[int, str] = {}  # by where they lie, what they are called

    def tell(self, end: int) -> None:
        """Tell of what was noted before `end`."""
        emit = self._machine.events.emit_at
        for note in _NOTE.iter_unpack(memoryview(self._block)[: end - self.start]):
            kind, time, stack, a, b, c, d, e = note
            if kind == TRAP:
                emit(time, stack, Trap, 0, a, b, c, _MODES[d], _MODES[e])
            elif kind == RETURN:
                emit(time, stack, Return, 0, RETURNS[a], b, _MODES[c], _MODES[d])
            elif kind == CSR_WRITE:
                emit(time, stack, CsrWrite, 0, self._csrs[a], b, c, d)
            elif kind == TLB_FILL:
                emit(time, stack, TlbFill, 0, a, b, _ACCESSES[c], self.contexts[d])
            else:
                emit(time, stack, TlbFlush, 0, FENCES[a])
