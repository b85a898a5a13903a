"""The serial port: a 16550A (data sheet PC16550D), whose other end is the reader's terminal.

Eight registers of a byte. Which one answers depends on the direction and, at 0 and 1, on LCR bit 7 (DLAB):

    offset   load                        store                        with DLAB
    0        RBR  next received byte     THR  send a byte             DLL  divisor, low
    1        IER  interrupt enables      IER                          DLM  divisor, high
    2        IIR  why it interrupts      FCR  FIFO control
    3        LCR  line control           LCR
    4        MCR  modem control          MCR
    5        LSR  line status            (ignored)
    6        MSR  modem status           (ignored)
    7        SCR  scratch                SCR
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from vlab.language import VlabError, _
from vlab.machine.bus import BusError, checked
from vlab.machine.devices.printed import COUNT, Printed, expect_printed

Listener = Callable[[bytes], None]

# IER: which conditions may interrupt
_RECEIVED, _EMPTIED, _LINE, _MODEM = 0x01, 0x02, 0x04, 0x08
# IIR: the condition reported, highest priority first
_BY_LINE, _BY_RECEIVED, _BY_TIMEOUT, _BY_EMPTIED, _BY_MODEM, _BY_NONE = 0x06, 0x04, 0x0C, 0x02, 0x00, 0x01
_DLAB = 0x80  # LCR
_LOOP = 0x10  # MCR
_READY, _OVERRUN, _TRANSMITTER_IDLE = 0x01, 0x02, 0x60  # LSR
_TERMINAL_PRESENT = 0xB0  # MSR: DCD, DSR and CTS, as from a terminal that is switched on
_FIFO_DEPTH = 16
_TRIGGERS = (1, 4, 8, 14)  # bytes, by FCR bits 7:6

# Saved registers, each with the bound of its values.
_REGISTERS: dict[str, int] = {
    "ier": 0x10,
    "fcr": 0x100,
    "lcr": 0x100,
    "mcr": 0x20,
    "scr": 0x100,
    "dll": 0x100,
    "dlm": 0x100,
    "overrun": 2,
    "emptied": 2,
    "deltas": 0x10,
}
_BYTES = {"output": bytes, "wire": bytes, "looped": bytes}
_FIFO_SETTINGS = (0, 0x01, 0x41, 0x81, 0xC1)  # off, or on with each trigger


class Uart:
    """A 16550A. Sending takes no time; typed bytes wait on the wire until the guest looks for them.

    `printed` is what was sent, as far as it is kept. `listener`, if given, is called with each byte sent; no snapshot
    keeps it.
    """

    name = "uart"
    size = 0x100
    STATUS: ClassVar[int] = 5  # where LSR is: software polls it
    node: ClassVar[str] = "serial"
    properties: ClassVar[Mapping[str, Any]] = {"compatible": "ns16550a", "clock-frequency": 3_686_400}

    def __init__(self, listener: Listener | None = None):
        self.listener = listener
        self.printed = Printed()
        self._wire: deque[int] = deque()  # typed, not yet received
        self._looped: deque[int] = deque()  # received from itself in loopback
        self._ier = self._fcr = self._lcr = self._mcr = self._scr = 0
        self._dll, self._dlm = 12, 0  # 9,600 baud; the divisor changes nothing here
        self._overrun = self._emptied = 0  # an overrun to report; "transmitter emptied" to report
        self._deltas = 0  # MSR bits 0-3: modem lines that changed since last read

    def __repr__(self) -> str:
        return _("UART: {sent} bytes sent, {waiting} typed and not read yet").format(
            sent=self.printed.count, waiting=self.waiting
        )

    def receive(self, data: bytes) -> None:
        """Take bytes that come from the terminal. They wait on the wire until the guest reads them."""
        self._wire.extend(data)

    def show(self, byte: int) -> None:
        """Show one byte at the terminal."""
        sent = bytes((byte,))
        self.printed.add(sent)
        if self.listener:
            self.listener(sent)

    @property
    def output(self) -> bytearray:
        """The bytes sent, as far as they are kept."""
        return self.printed.kept

    @property
    def waiting(self) -> int:
        """How many typed bytes the guest has not read yet."""
        return len(self._wire)

    @property
    def interrupting(self) -> bool:
        """Its interrupt pin."""
        return self._reason() != _BY_NONE

    # What the guest sees.

    def load(self, offset: int, size: int) -> int:
        """Read a register. BusError unless it is one byte at an offset from 0 to 7."""
        if size != 1:
            raise BusError  # its data bus is a byte wide
        match offset:
            case 0:
                return self._dll if self._lcr & _DLAB else self._receive()
            case 1:
                return self._dlm if self._lcr & _DLAB else self._ier
            case 2:
                return self._identify()
            case 3:
                return self._lcr
            case 4:
                return self._mcr
            case 5:
                return self._line_status()
            case 6:
                return self._modem_status()
            case 7:
                return self._scr
        raise BusError

    def store(self, offset: int, size: int, value: int) -> None:
        """Write a register. BusError unless it is one byte at an offset from 0 to 7."""
        if size != 1:
            raise BusError
        value &= 0xFF
        match offset:
            case 0 if self._lcr & _DLAB:
                self._dll = value
            case 1 if self._lcr & _DLAB:
                self._dlm = value
            case 0:
                self._send(value)
            case 1:
                self._enable(value)
            case 2:
                self._control_fifo(value)
            case 3:
                self._lcr = value
            case 4:
                self._control_modem(value)
            case 5 | 6:
                pass  # the status registers are for reading; writing them is for factory tests
            case 7:
                self._scr = value
            case _:
                raise BusError

    # Registers with effects.

    def _receive(self) -> int:
        if self._looped:
            return self._looped.popleft()
        return self._wire.popleft() if self._wire and not self._mcr & _LOOP else 0

    def _send(self, byte: int) -> None:
        self._emptied = 1  # it is gone as soon as it is written
        if self._mcr & _LOOP:
            self._loop_back(byte)
        else:
            self.show(byte)

    def _loop_back(self, byte: int) -> None:
        """The receiver takes it if it has room. Full, a FIFO keeps its bytes, a lone register the newest."""
        if len(self._looped) < (_FIFO_DEPTH if self._fcr else 1):
            self._looped.append(byte)
            return
        self._overrun = 1
        if not self._fcr:
            self._looped[0] = byte

    def _enable(self, value: int) -> None:
        # Enabling "emptied" while it is empty, as ours always is, interrupts at once: drivers rely on it.
        if value & ~self._ier & _EMPTIED:
            self._emptied = 1
        self._ier = value & 0x0F

    def _identify(self) -> int:
        reason = self._reason()
        if reason == _BY_EMPTIED:
            self._emptied = 0  # reading it is the acknowledgement
        return reason | (0xC0 if self._fcr else 0)

    def _reason(self) -> int:
        """IIR's low bits: the enabled condition of highest priority."""
        received = self._available()
        if self._ier & _LINE and self._overrun:
            return _BY_LINE
        if self._ier & _RECEIVED and received:
            # Fewer than the trigger level would interrupt after a pause; our pause has no length.
            reached = not self._fcr or received >= _TRIGGERS[self._fcr >> 6]
            return _BY_RECEIVED if reached else _BY_TIMEOUT
        if self._ier & _EMPTIED and self._emptied:
            return _BY_EMPTIED
        return _BY_MODEM if self._ier & _MODEM and self._deltas else _BY_NONE

    def _available(self) -> int:
        """How many bytes the guest could read now."""
        return len(self._looped) + (0 if self._mcr & _LOOP else len(self._wire))

    def _control_fifo(self, value: int) -> None:
        """Switching the FIFOs, or bit 1, drops what was received. Typed bytes, still on the wire, stay."""
        enabled = value & 1
        if enabled != self._fcr & 1 or value & 0x03 == 0x03:
            self._looped.clear()
        self._fcr = value & 0xC1 if enabled else 0

    def _control_modem(self, value: int) -> None:
        before = self._modem_lines()
        self._mcr = value & 0x1F
        after = self._modem_lines()
        changed = before ^ after
        # DCTS, DDSR and DDCD report any change; TERI only the trailing edge of the ring.
        self._deltas |= (changed & ~0x40 | before & ~after & 0x40) >> 4

    def _modem_lines(self) -> int:
        """MSR bits 4-7. In loopback they are the port's own outputs: RTS, DTR, OUT1 and OUT2."""
        if not self._mcr & _LOOP:
            return _TERMINAL_PRESENT
        dtr, rts, outs = self._mcr & 1, self._mcr >> 1 & 1, self._mcr >> 2 & 3
        return rts << 4 | dtr << 5 | outs << 6

    @property
    def status(self) -> int | None:
        """What LSR holds; None while to read it has an effect."""
        return None if self._overrun else _TRANSMITTER_IDLE | (_READY if self._available() else 0)

    def _line_status(self) -> int:
        status = _TRANSMITTER_IDLE | (_READY if self._available() else 0) | (_OVERRUN if self._overrun else 0)
        self._overrun = 0  # errors are reported once
        return status

    def _modem_status(self) -> int:
        status = self._modem_lines() | self._deltas
        self._deltas = 0
        return status

    # What a snapshot keeps.

    def state(self) -> dict[str, Any]:
        """Registers, bytes sent as far as they are kept, bytes waiting."""
        registers = {name: getattr(self, "_" + name) for name in _REGISTERS}
        return registers | {
            "output": bytes(self.output),
            "dropped": self.printed.dropped,
            "wire": bytes(self._wire),
            "looped": bytes(self._looped),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Be as `state` says; VlabError if a field of it can't be. The listener isn't told what was sent."""
        values = checked(self.name, state, **_REGISTERS, **_BYTES, dropped=COUNT)
        expect_printed(values["output"], self.name)
        depth = _FIFO_DEPTH if values["fcr"] else 1
        if values["fcr"] not in _FIFO_SETTINGS or len(values["looped"]) > depth:
            raise VlabError(_("The saved FIFO can't be one of a 16550's."), where=self.name)
        for name in _REGISTERS:
            setattr(self, "_" + name, values[name])
        self.printed.put(values["output"], values["dropped"])
        self._wire = deque(values["wire"])
        self._looped = deque(values["looped"])
