"""The host's console: it prints on its computer's UART, and takes typed lines from it by interrupt."""

from typing import TYPE_CHECKING, Any, ClassVar

from vlab.language import _
from vlab.machine.board import UART_BASE, UART_SOURCE
from vlab.machine.snapshot import Checker

if TYPE_CHECKING:
    from vlab.hypervisor.host.kernel import Kernel

_IER, _LSR = UART_BASE + 1, UART_BASE + 5
_RECEIVED, _READY = 0x01, 0x01  # IER: interrupt when a byte has come; LSR: there is one
_AT_ONCE = 64  # bytes taken by one interrupt: for more of them it comes again
_LONGEST = 1 << 12  # bytes typed ahead that are kept
_RETURN, _NEWLINE = 0x0D, 0x0A


class Console:
    """The driver of the UART. What is typed is shown, and kept until a process reads it, line by line."""

    name: ClassVar[str] = "uart"
    source: ClassVar[int] = UART_SOURCE

    def __init__(self, host: "Kernel"):
        self._host = host
        self._typed = bytearray()

    def start(self) -> None:
        """Let it interrupt when something is typed."""
        self._host.store(_IER, 1, _RECEIVED)

    def write(self, data: bytes) -> None:
        """Print. The transmitter of this UART is always ready, so nobody waits for it."""
        for byte in data:
            self._host.store(UART_BASE, 1, byte)

    def interrupted(self) -> tuple[()]:
        """Take the bytes that have come; readers are given what makes a line."""
        for _byte in range(_AT_ONCE):
            if not self._host.load(_LSR, 1) & _READY:
                break
            byte = self._host.load(UART_BASE, 1)
            byte = _NEWLINE if byte == _RETURN else byte
            self._host.store(UART_BASE, 1, byte)  # a terminal shows only what it is sent
            if len(self._typed) < _LONGEST:
                self._typed.append(byte)
        self._host.serve_readers()
        return ()

    def serve(self) -> None:
        """Nothing: what is printed is printed at once."""

    def line(self, room: int) -> bytes | None:
        """The next typed line, its end included, or as much of it as there is room for; None if there is none."""
        end = self._typed.find(b"\n") + 1
        if not end and len(self._typed) < _LONGEST:
            return None
        taken = min(end or _LONGEST, room)
        line = bytes(self._typed[:taken])
        del self._typed[:taken]
        return line

    def state(self) -> dict[str, Any]:
        """What was typed and not read yet, as plain data."""
        return {"typed": bytes(self._typed)}

    def restore(self, state: Checker) -> None:
        """Be as `state` says."""
        typed = state.part("typed").state
        if type(typed) is not bytes or len(typed) > _LONGEST:
            raise state.bad(_("What was typed ahead can't be that."))
        self._typed[:] = typed
