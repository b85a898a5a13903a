"""What GDB asks for, and what it is answered: one packet in, one packet out."""

import re
from collections.abc import Callable, Mapping

from vlab.display import one_line
from vlab.hypervisor import VirtualMachine
from vlab.language import VlabError, _
from vlab.machine import GATE, Computer
from vlab.machine.computer import word_of
from vlab.machine.look import physical_address
from vlab.machine.memory import PAGE
from vlab.operations.debugging import registers
from vlab.operations.debugging.debugger import MOST, WATCHES, Debugger, Halt
from vlab.operations.debugging.packets import LONGEST
from vlab.riscv import Access

_SIGINT, _SIGTRAP = 2, 5
_TOP = 1 << 64
_OK, _UNKNOWN, _BAD, _NO_MEMORY, _REFUSED = b"OK", b"", b"E16", b"E0e", b"E01"
_FEATURES = f"PacketSize={LONGEST:x};qXfer:features:read+;QStartNoAckMode+;vContSupported+"
_FEATURES += ";ReverseStep+;ReverseContinue+"
_WATCHED = dict(enumerate(WATCHES, start=2))  # by the number that a packet has for it
_NUMBER = re.compile(rb"[0-9a-fA-F]{1,16}")


class Stub:
    """GDB's side of a debugger. `answer` takes a payload and gives one; `over` is "detached" or "killed" at the end.

    `tell` prints text on GDB's console.
    """

    def __init__(self, debugger: Debugger, tell: Callable[[str], object] = lambda text: None):
        self._tell = tell
        self.debugger, self.computer = debugger, debugger.computer
        self.over = ""
        self.acknowledging = True
        self._description = registers.description(self.computer).encode()
        self._halt = Halt("step")

    def answer(self, payload: bytes) -> bytes:
        """The answer to a packet; an empty one for what is not known here, E and a number for what can't be done."""
        try:
            for name, act in _ACTS.items():
                if payload.startswith(name):
                    return act(self, payload[len(name) :])
        except VlabError:
            return _REFUSED
        return _UNKNOWN

    # What it is and where it stands

    def _supported(self, _rest: bytes) -> bytes:
        return _FEATURES.encode()

    def _no_acknowledgements(self, _rest: bytes) -> bytes:
        self.acknowledging = False
        return _OK

    def _read_description(self, rest: bytes) -> bytes:
        document, _colon, place = rest.partition(b":")
        numbers = _numbers(place, b",")
        if document != b"target.xml" or numbers is None or len(numbers) != 2:
            return _BAD
        start, size = numbers[0], min(numbers[1], LONGEST // 2)
        part = self._description[start : start + size]
        return (b"m" if start + size < len(self._description) else b"l") + part

    def _why(self, _rest: bytes) -> bytes:
        halt = self._halt
        if halt.why == "off":  # there is nothing after this, but a past to go back to
            return b"T%02xreplaylog:end;thread:1;" % _SIGTRAP
        if halt.why in WATCHES and halt.address is not None:
            return b"T%02x%s:%x;thread:1;" % (_SIGTRAP, halt.why.encode(), halt.address)
        if halt.why == "beginning":
            return b"T%02xreplaylog:begin;thread:1;" % _SIGTRAP
        return b"T%02xthread:1;" % (_SIGINT if halt.why in ("interrupted", "asleep") else _SIGTRAP)

    # Registers and memory

    def _read_registers(self, _rest: bytes) -> bytes:
        return b"".join(self._register(number) or b"" for number in range(registers.PC + 1))

    def _write_registers(self, rest: bytes) -> bytes:
        values = _bytes(rest)
        if values is None or len(values) < registers.SIZE * (registers.PC + 1):
            return _BAD
        for number in range(1, registers.PC + 1):
            self._set(number, values[registers.SIZE * number :][: registers.SIZE])
        return _OK

    def _read_register(self, rest: bytes) -> bytes:
        numbers = _numbers(rest)
        return (self._register(numbers[0]) if numbers else None) or _BAD

    def _write_register(self, rest: bytes) -> bytes:
        number, _equals, value = rest.partition(b"=")
        numbers, content = _numbers(number), _bytes(value)
        if not numbers or content is None or len(content) != registers.SIZE:
            return _BAD
        return _OK if self._set(numbers[0], content) else _REFUSED

    def _register(self, number: int) -> bytes | None:
        value = registers.read(self.computer, number)
        return None if value is None else value.to_bytes(registers.SIZE, "little").hex().encode()

    def _set(self, number: int, content: bytes) -> bool:
        value = int.from_bytes(content, "little")
        return registers.read(self.computer, number) == value or registers.write(self.computer, number, value)

    def _physical(self, address: int) -> int | None:
        """Where a virtual address of the computer leads now, whoever may only execute there."""
        hart = self.computer.hart
        found = physical_address(hart, address % _TOP, Access.LOAD)
        return physical_address(hart, address % _TOP, Access.FETCH) if found is None else found

    def _pieces(self, address: int, size: int) -> list[tuple[int | None, int]]:
        """Virtual memory as pieces of physical memory, none beyond its page."""
        pieces, end = [], address + size
        while address < end:
            length = min(end - address, PAGE - address % PAGE)
            pieces.append((self._physical(address), length))
            address += length
        return pieces

    def _read_memory(self, rest: bytes) -> bytes:
        numbers = _numbers(rest, b",")
        if numbers is None or len(numbers) != 2:
            return _BAD
        start, size = numbers[0], min(numbers[1], LONGEST // 2)
        found = self._at_gate(start, size)
        for physical, length in self._pieces(start, size):
            if physical is None:
                break
            found += self.computer.memory.peek(physical, length)
        return found.hex().encode() or (_NO_MEMORY if numbers[1] else b"")

    def _at_gate(self, start: int, size: int) -> bytes:
        """What is read at GATE where a resident stands: nothing is there, but GDB decodes whatever pc points at.

        `ecall` says it best: from there on, the environment is at work.
        """
        if not self.computer.residents or not GATE <= start < GATE + 4:
            return b""
        return word_of("ecall").to_bytes(4, "little")[start - GATE :][:size]

    def _write_hex(self, rest: bytes) -> bytes:
        place, _colon, content = rest.partition(b":")
        return self._write_memory(place, _bytes(content))

    def _write_binary(self, rest: bytes) -> bytes:
        place, _colon, content = rest.partition(b":")
        return self._write_memory(place, content)

    def _write_memory(self, place: bytes, content: bytes | None) -> bytes:
        numbers = _numbers(place, b",")
        if numbers is None or len(numbers) != 2 or content is None or len(content) != numbers[1]:
            return _BAD
        pieces = self._pieces(numbers[0], len(content))
        if any(physical is None for physical, _length in pieces):
            return _NO_MEMORY
        for physical, length in pieces:
            assert physical is not None
            self.computer.memory.poke(physical, content[:length])
            content = content[length:]
        if pieces:
            self.computer.history.begin()
        return _OK

    # Running

    def _go(self, _rest: bytes) -> bytes:
        halt = self.debugger.go()
        if halt.step is not None:  # on RISC-V, GDB wants to make a watched access itself, or undo it
            self.debugger.machine.goto(halt.step)
        return self._halted(halt)

    def _step(self, _rest: bytes) -> bytes:
        return self._halted(self.debugger.step())

    def _back(self, _rest: bytes) -> bytes:
        return self._halted(self.debugger.back())

    def _go_back(self, _rest: bytes) -> bytes:
        halt = self.debugger.go_back()
        if halt.step is not None:
            self.debugger.machine.run(1)
        return self._halted(halt)

    def _halted(self, halt: Halt) -> bytes:
        self._halt = halt
        if halt.why == "off":
            self._tell(
                _("The computer is off; its status is {status}.").format(status=self.computer.status) + "\n"
            )
        return self._why(b"")

    def _insert(self, rest: bytes) -> bytes:
        kind, address, size = self._point(rest)
        if kind in (0, 1):
            if len(self.debugger.breakpoints) >= MOST:
                return _REFUSED
            self.debugger.breakpoints.add(address)
        elif kind in _WATCHED:
            physical = self._physical(address)
            if physical is None:
                return _NO_MEMORY
            self.debugger.watch(address, size, physical, _WATCHED[kind])
        else:
            return _UNKNOWN if kind is not None else _BAD
        return _OK

    def _remove(self, rest: bytes) -> bytes:
        kind, address, _size = self._point(rest)
        if kind in (0, 1):
            self.debugger.breakpoints.discard(address)
        elif kind in _WATCHED:
            self.debugger.unwatch(address, _WATCHED[kind])
        else:
            return _UNKNOWN if kind is not None else _BAD
        return _OK

    def _point(self, rest: bytes) -> tuple[int | None, int, int]:
        """The kind, address and size of a breakpoint or a watchpoint; None where that isn't well said."""
        numbers = _numbers(rest.partition(b";")[0], b",")
        return (None, 0, 0) if numbers is None or len(numbers) != 3 else (numbers[0], numbers[1], numbers[2])

    def _detach(self, _rest: bytes) -> bytes:
        self.over = "detached"
        return _OK

    def _kill(self, _rest: bytes) -> bytes:
        self.over = "killed"
        return _OK

    # `monitor` commands

    def _monitor(self, rest: bytes) -> bytes:
        words = (_bytes(rest) or b"").decode("utf-8", "replace").split()
        said = self._said(words[0] if words else "help", words[1:])
        return (said + "\n").encode("utf-8", "replace").hex().encode()[: LONGEST - LONGEST % 2]

    def _said(self, name: str, words: list[str]) -> str:
        command = _COMMANDS.get(name)
        if command is None:
            wrong = _("There is no command {name}.").format(name=one_line(name))
            return _usage() if name == "help" else wrong + "\n" + _usage()
        try:
            return command(self, words)
        except VlabError as error:
            return str(error)

    def _said_step(self, _words: list[str]) -> str:
        count, steps = self.computer.time - self.computer.skipped, self.debugger.machine.steps
        if self.computer is self.debugger.machine:
            return repr(self.computer)
        return _("{computer}: {count} instructions attempted; the machine: {steps}").format(
            computer=repr(self.computer), count=count, steps=steps
        )

    def _said_goto(self, words: list[str]) -> str:
        if len(words) != 1 or not (words[0].isascii() and words[0].isdecimal()):
            return _("`goto` takes a step, a decimal number: `goto 1000`.")
        halt = self.debugger.goto(int(words[0][:18]))
        said = _("Interrupted at step {step}.") if halt.why == "interrupted" else _("At step {step}.")
        again = _("`maintenance flush register-cache` lets GDB look again.")
        return f"{said.format(step=self.debugger.machine.steps)} {again}"

    def _said_who(self, words: list[str]) -> str:
        numbers = _numbers(words[0].removeprefix("0x").encode()) if len(words) == 1 else None
        if numbers is None or len(numbers) != 1:
            return _("`who` takes an address, a hexadecimal number: `who 0x80000000`.")
        physical = self._physical(numbers[0])
        if physical is None:
            return _("There is no memory at {address:#x}.").format(address=numbers[0])
        found = self.computer.who_wrote(physical)
        return repr(found) if found else _("Nobody wrote it since the history began.")


def _usage() -> str:
    return _(
        "`exits`: why the virtual machine stopped running directly. `step`: how far it is. `goto STEP`: to a "
        "step of the machine's, back or forth. `who ADDRESS`: who wrote the double word there last. Where pc is "
        "{gate:#x}, a hypervisor or firmware written in Python stands: memory there reads as an `ecall`, and "
        "`stepi` does all of its work."
    ).format(gate=GATE)


def _exits(computer: Computer) -> str:
    if not isinstance(computer, VirtualMachine):
        return _("A machine has no exits: `--gdb-level` chooses a virtual machine.")
    rows = sorted(computer.exits.items(), key=lambda row: (-row[1], row[0]))
    return "\n".join([repr(computer), *(f"{count:>10} {reason}" for reason, count in rows)])


def _numbers(text: bytes, separator: bytes = b";") -> list[int] | None:
    """Numbers in hexadecimal; None where one of them is none."""
    words = text.split(separator) if text else []
    return [int(word, 16) for word in words] if words and all(map(_NUMBER.fullmatch, words)) else None


def _bytes(text: bytes) -> bytes | None:
    try:
        return bytes.fromhex(text.decode("ascii"))
    except ValueError:
        return None


_Act = Callable[[Stub, bytes], bytes]


def _always(answer: bytes) -> _Act:
    return lambda _stub, _rest: answer


_COMMANDS: Mapping[str, Callable[[Stub, list[str]], str]] = {
    "exits": lambda stub, _words: _exits(stub.computer),
    "step": Stub._said_step,
    "goto": Stub._said_goto,
    "who": Stub._said_who,
}
# The first name that a packet begins with is the one: so a longer name stands before a shorter one.
_ACTS: Mapping[bytes, _Act] = {
    b"qSupported": Stub._supported,
    b"QStartNoAckMode": Stub._no_acknowledgements,
    b"qXfer:features:read:": Stub._read_description,
    b"qRcmd,": Stub._monitor,
    b"qfThreadInfo": _always(b"m1"),
    b"qsThreadInfo": _always(b"l"),
    b"qAttached": _always(b"1"),
    b"qCRC": _always(_UNKNOWN),
    b"qC": _always(b"QC1"),
    b"vCont?": _always(b"vCont;c;C;s;S"),
    b"vCont;c": Stub._go,
    b"vCont;C": Stub._go,
    b"vCont;s": Stub._step,
    b"vCont;S": Stub._step,
    b"vKill": Stub._kill,
    b"?": Stub._why,
    b"H": _always(_OK),
    b"T": _always(_OK),
    b"g": Stub._read_registers,
    b"G": Stub._write_registers,
    b"p": Stub._read_register,
    b"P": Stub._write_register,
    b"m": Stub._read_memory,
    b"M": Stub._write_hex,
    b"X": Stub._write_binary,
    b"Z": Stub._insert,
    b"z": Stub._remove,
    b"bs": Stub._back,
    b"bc": Stub._go_back,
    b"c": Stub._go,
    b"C": Stub._go,
    b"s": Stub._step,
    b"S": Stub._step,
    b"D": Stub._detach,
    b"k": Stub._kill,
}
