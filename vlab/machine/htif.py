"""HTIF, the host-target interface: the double words by which RISC-V test programs talk to their host.

A program that has a symbol `tohost` stores there what it wants. The top byte names a device, the next one a
command:

    device 0, command 0    an odd value ends the run, and the rest of it, halved, is the exit status
    device 1, command 1    print the low byte

Else nothing is done. The host clears the word when it has printed: software waits for that before the next
one.
"""

from typing import TYPE_CHECKING, Any

from vlab.language import _
from vlab.machine.snapshot import Checker
from vlab.riscv import Program

if TYPE_CHECKING:
    from vlab.machine.computer import Computer

_COMMAND = 48  # the lowest bit of device and command
_PRINT = 0x0101
_DOUBLE = 8


class Htif:
    """The host's end of one computer's HTIF. `status` is the program's exit status; None until it ends."""

    def __init__(self, computer: "Computer"):
        self._computer = computer
        self.tohost: int | None = None
        self.status: int | None = None

    def __repr__(self) -> str:
        if self.tohost is None:
            return _("HTIF: the program asks for none")
        return _("HTIF: tohost at {address:#x}").format(address=self.tohost)

    def connect(self, program: Program | None) -> None:
        """Listen where this program says, if it is an aligned double word of memory; with none, don't."""
        address = None if program is None else program.symbols.get("tohost")
        self._listen(address if address is not None and self._right(address) else None)
        self.status = None

    def _right(self, address: int) -> bool:
        return address % _DOUBLE == 0 and self._computer.memory.holds(address, _DOUBLE)

    def _listen(self, address: int | None) -> None:
        memory = self._computer.memory
        if self.tohost is not None:
            memory.unwatch(self.tohost)
        self.tohost = address
        if address is not None:
            memory.watch(address, self._stored)

    def _stored(self, address: int, value: int) -> None:
        command = value >> _COMMAND
        if command == _PRINT:
            self._computer.uart.show(value & 0xFF)
            self._computer.memory.poke(address, bytes(_DOUBLE))
        elif command == 0 and value & 1:
            self.status = value >> 1 & 0xFFFF_FFFF
            self._computer._hart.changed = True  # so that nothing more is run

    def state(self) -> dict[str, Any]:
        """Where it listens, and how the program ended."""
        return {"tohost": self.tohost, "status": self.status}

    def restore(self, state: Checker) -> None:
        """Be as `state` says; VlabError if it can't be."""
        tohost = state.optional("tohost")
        status = state.optional("status", 1 << 32)
        if tohost is not None and not self._right(tohost):
            raise state.bad(_("There is no double word of memory at {tohost:#x}.").format(tohost=tohost))
        self._listen(tohost)
        self.status = status
