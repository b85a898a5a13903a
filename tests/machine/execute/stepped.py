"""QEMU, stepped through its GDB stub: put into any state of our machine, and asked for its own after any step."""

import mmap
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from vlab.machine import Machine
from vlab.machine.memory import RAM_BASE
from vlab.riscv import CSRS, Mode

_PIECE = 1024  # bytes of memory a packet; QEMU takes 4,096 hexadecimal digits
_SECONDS = 60
# Only what our machine has. Timers and counters run by the host's clock there: no Sstc, no performance counters.
_WITHOUT = "f d h v zba zbb zbc zbs sstc svinval svnapot svpbmt xventanacondops Zihintpause sscofpmf"
_CPU = "rv64,pmu-num=0," + ",".join(f"{name}=false" for name in _WITHOUT.split())
_MODE = 33  # its number, after x0 to x31 and pc
_MTIMECMP = 0x0200_4000  # its alarm is put off for ever
_SINGLE_STEP = 1  # and neither NOIRQ (2) nor NOTIMER (4): interrupts that software sets are taken

# The CSRs that a state is made of. Those of PMP come in the order in which they may be written.
PMP = [*(f"pmpaddr{number}" for number in range(16)), "pmpcfg2", "pmpcfg0"]
STATE = (
    "mstatus medeleg mideleg mie mip mtvec mscratch mepc mcause mtval mcounteren "
    "stvec sscratch sepc scause stval scounteren satp"
).split()


_COMMAND = shutil.which("qemu-system-riscv64") or "qemu-system-riscv64"


def version() -> str:
    """Which QEMU this host has, as in "7.2"; "" for none."""
    if shutil.which(_COMMAND) is None:
        return ""
    said = subprocess.run([_COMMAND, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"version (\d+\.\d+)", said)
    return found[1] if found else ""


class Qemu:
    """A QEMU of the `virt` board with so much memory, with "C" or without, halted at its reset vector."""

    def __init__(self, extensions: str, size: int):
        self.size = size
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        memory, stub = folder / "ram", folder / "stub"
        memory.write_bytes(bytes(size))
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(stub))
        self._listener.listen()
        self._listener.settimeout(_SECONDS)
        ram = f"memory-backend-file,id=ram,size={size},mem-path={memory},share=on"
        self._process = subprocess.Popen(
            [
                *(_COMMAND, "-machine", "virt,memory-backend=ram", "-object", ram, "-m", f"{size}B"),
                *("-cpu", f"{_CPU},c={str('C' in extensions).lower()}", "-bios", "none", "-S"),
                *("-display", "none", "-serial", "none", "-monitor", "none"),
                *("-chardev", f"socket,id=stub,path={stub}", "-gdb", "chardev:stub"),
            ],
            stderr=subprocess.PIPE,
        )
        self._socket, _address = self._listener.accept()
        self._socket.settimeout(_SECONDS)
        self._left = b""
        with memory.open("r+b") as file:
            self.ram = mmap.mmap(file.fileno(), size)
        self.ask(f"Qqemu.sstep={_SINGLE_STEP:x}", "Qqemu.PhyMemMode:1", f"M{_MTIMECMP:x},8:{'f' * 16}")
        self._first = self._first_csr()

    def __enter__(self) -> "Qemu":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        self._listener.close()
        self._process.kill()
        self._process.communicate()
        self.ram.close()
        self._folder.cleanup()

    # The protocol

    def ask(self, *requests: str) -> list[str]:
        """The answers to requests, sent all at once, the receipt of the last answer before them.

        Behind them nothing may come: whatever arrives while instructions run, stops QEMU.
        """
        packets = (f"${text}#{sum(text.encode()) % 256:02x}" for text in requests)
        self._socket.sendall("+".join(["", *packets]).encode())
        return [self._answer() for _request in requests]

    def _answer(self) -> str:
        while (found := re.search(rb"\$([^#]*)#..", self._left)) is None:
            try:
                data = self._socket.recv(1 << 16)
            except ConnectionError:
                data = b""
            assert data, f"QEMU has gone: {self._process.communicate()[1].decode()}"
            self._left += data
        self._left = self._left[found.end() :]
        return found[1].decode()

    def _first_csr(self) -> int:
        """The number that the stub gives to the CSR numbered 0."""
        text = ""
        while not text.endswith("</feature>"):
            text += self.ask(f"qXfer:features:read:riscv-csr.xml:{len(text):x},ff0")[0][1:]
        found = re.search(r'name="mstatus"[^/]*regnum="(\d+)"', text)
        assert found is not None
        return int(found[1]) - CSRS["mstatus"].number

    def _number(self, name: str) -> int:
        return self._first + CSRS[name].number

    # States

    def become(self, machine: Machine) -> None:
        """Be in the state of a machine whose memory is as large. What its TLB holds is not part of it."""
        csrs = [f"P{self._number(name):x}={_hex(machine.hart.csr[name])}" for name in (*STATE, *PMP)]
        registers = "G" + "".join(map(_hex, (*machine.hart.x[:32], machine.hart.pc)))
        contents = self._changes(machine.memory.peek(RAM_BASE, self.size))
        requests = [_mode(Mode.M), *csrs, _mode(machine.hart.mode), registers, *contents]
        answers = zip(requests, self.ask(*requests), strict=True)
        assert not (refused := [pair for pair in answers if pair[1] != "OK"]), refused

    def _changes(self, wanted: bytes) -> list[str]:
        """The packets that make its memory so: a write past the stub would not be seen by translated code."""
        if self.ram[:] == wanted:
            return []
        pieces = range(0, self.size, _PIECE)
        changed = (at for at in pieces if self.ram[at : at + _PIECE] != wanted[at : at + _PIECE])
        return [f"M{RAM_BASE + at:x},{_PIECE:x}:{wanted[at : at + _PIECE].hex()}" for at in changed]

    def step(self, count: int = 1) -> None:
        """Execute so many instructions; taking an interrupt is a step of its own."""
        for _step in range(count):
            (answer,) = self.ask("s")
            assert answer.startswith("T05"), answer

    def set(self, csrs: Mapping[str, int]) -> None:
        """Give CSRs these values."""
        self.ask(*(f"P{self._number(name):x}={_hex(value)}" for name, value in csrs.items()))

    def flush(self) -> None:
        """Forget all translations: as QEMU does when a PMP register is written."""
        (value,) = self.ask(f"p{self._number('pmpcfg0'):x}")
        self.ask(f"P{self._number('pmpcfg0'):x}={value}")

    def state(self) -> dict[str, int]:
        """Registers, pc, mode, CSRs."""
        names = [*STATE, *PMP]
        registers, mode = self.ask("g", f"p{_MODE:x}")
        # A mode below M may not read all of them.
        _ok, *csrs = self.ask(_mode(Mode.M), *(f"p{self._number(name):x}" for name in names))
        self.ask(f"P{_MODE:x}={mode}")
        values = [_value(registers[at : at + 16]) for at in range(0, 16 * _MODE, 16)]
        found = {f"x{number}": value for number, value in enumerate(values[:32])}
        found |= {"pc": values[32], "mode": _value(mode)}
        return found | dict(zip(names, map(_value, csrs), strict=True))


def _mode(mode: Mode) -> str:
    """The packet that puts the hart into a mode."""
    return f"P{_MODE:x}={_hex(mode)}"


def _hex(value: int) -> str:
    return int(value).to_bytes(8, "little").hex()


def _value(text: str) -> int:
    return int.from_bytes(bytes.fromhex(text), "little")


def state(machine: Machine) -> dict[str, int]:
    """The same of our machine."""
    hart = machine.hart
    found = {f"x{number}": value for number, value in enumerate(hart.x[:32])}
    return found | {"pc": hart.pc, "mode": int(hart.mode)} | {name: hart.csr[name] for name in (*STATE, *PMP)}
