"""Firmware in Python: a resident behind the M-mode vector that gives a kernel the calls of the RISC-V SBI 2.0.

With it a kernel starts in S mode, and needs to know nothing of what is below: `Sbi(machine).load(image)`.

    a7            extension           its functions (a6)
    0x10          base                what there is
    0x54494D45    time                0: set the alarm
    0x735049      IPI                 0: raise the software interrupt
    0x52464E43    RFENCE              0: fence.i, 1 and 2: sfence.vma, of an address range
    0x48534D      HSM: harts          0: start, 1: stop, 2: which state, 3: suspend
    0x4442434E    DBCN: debug console 0: write bytes, 1: read bytes, 2: write a byte
    0x53525354    SRST: system reset  0: power off, or start again
    0 to 8        the calls of SBI 0.1: alarm, put a character, get one, clear an IPI, send one, fence.i,
                  sfence.vma, sfence.vma of an address space, power off
"""

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar

from vlab.display import Drawn
from vlab.language import _
from vlab.machine.board import FINISHER_BASE, UART_BASE
from vlab.machine.choices import GATE
from vlab.machine.computer import NEXT_STAGE, RESIDENTS
from vlab.machine.loading import load_image
from vlab.machine.memory import PAGE
from vlab.machine.snapshot import WORD, Checker
from vlab.riscv import Cause, Interrupt, Mode, Program
from vlab.riscv.csrs import CSRS

if TYPE_CHECKING:
    from vlab.machine.computer import Computer

_OLD_OFF = 8
_NOT_RETENTIVE = 1 << 31  # the kind of suspending that forgets the registers
_ALL_HARTS = WORD - 1  # in place of the first hart that a mask is about
_VERSION = 2 << 24  # 2.0
_IMPLEMENTATION = 0x76_6C_61_62  # of our own
OK, FAILED, NOT_SUPPORTED, BAD_PARAMETER, ALREADY_AVAILABLE = 0, -1, -2, -3, -6
_SSIP = 1 << Interrupt.SSI
MOST = 4096  # bytes that one call writes or reads; it says how many, and the kernel calls again
_PASS, _REBOOT, _FAIL = 0x5555, 0x7777, 0x1_3333
_FIRMWARE = {  # what S mode is given
    "medeleg": CSRS["medeleg"].writable & ~(1 << Cause.ECALL_FROM_S),  # all traps but the calls to us
    "mideleg": CSRS["mideleg"].writable,
    "mcounteren": CSRS["mcounteren"].writable,
    "menvcfg": CSRS["menvcfg"]["STCE"].mask,
    "pmpaddr0": CSRS["pmpaddr0"].writable,
    "pmpcfg0": 0x1F,
    "mstatus": Mode.S << CSRS["mstatus"]["MPP"].low,
}


class Extension(IntEnum):
    """The extensions, by their numbers: most of them are their names in ASCII."""

    BASE = 0x10
    TIME = 0x5449_4D45
    IPI = 0x73_5049
    RFENCE = 0x5246_4E43
    HSM = 0x48_534D
    DBCN = 0x4442_434E
    SRST = 0x5352_5354


class Sbi(Drawn):
    """The SBI of a computer with one hart, real or virtual. All that it does to the hart and to devices it issues."""

    kind: ClassVar[str] = "sbi"
    running = None  # it runs no virtual machine

    def __init__(self, computer: "Computer"):
        self.computer = computer
        self._start: tuple[int, int] | None = None  # entry and device tree, until the kernel has been started

    def __repr__(self) -> str:
        return _("SBI firmware at level {level}").format(level=self.computer.level)

    def load(self, image: Any, *, dtb: bytes | None = None, bootargs: str = "") -> Program:
        """Power the computer on with this firmware, which starts `image` in S mode: a0 = 0, a1 = device tree.

        Takes what `Computer.load` takes (a raw image begins at 0x80200000), and raises what that does.
        """
        computer = self.computer
        image = load_image(image, base=NEXT_STAGE, memory=(computer.memory.base, computer.memory.size))
        program = computer.load(image, dtb=dtb, bootargs=bootargs)
        self._start = computer.hart.pc, computer.hart.x[11]
        computer.residents = {Mode.M: self}
        computer.hart.reset(GATE)
        computer.history.begin()
        return program

    def handle(self) -> None:
        """Start the kernel, or answer its call."""
        if self._start is not None:
            self._begin(*self._start)
            return
        issue, saved = self.computer.issue, list(self.computer.registers)
        if issue("csrr a0, mcause") != Cause.ECALL_FROM_S:
            self._store("sw a0, 0(a1)", FINISHER_BASE, _FAIL)  # nothing else comes here
            issue("wfi")
            return
        pc = issue("csrr a0, mepc")
        issue("csrw mepc, a0", pc + 4 & WORD - 1)
        extension, function = saved[17], saved[16]
        error, value = self._call(extension, function, saved[10:14])
        saved[10] = error % WORD
        if extension > _OLD_OFF:
            saved[11] = value % WORD
        if self.computer.status is None:
            self.computer.registers[:] = saved
            issue("mret")

    def _begin(self, entry: int, tree: int) -> None:
        issue = self.computer.issue
        for csr, value in _FIRMWARE.items():
            issue(f"csrs {csr}, a0", value)  # at power-on little else is set, and that is to stay
        issue("csrw mtvec, a0", GATE)
        issue("csrw mepc, a0", entry)
        self._start = None
        self.computer.registers[:] = [0] * 33
        self.computer.registers[11] = tree
        issue("mret")

    def _call(self, extension: int, function: int, arguments: list[int]) -> tuple[int, int]:
        """Answer a call: what goes into a0 (an error, below 0; of an old call, its result) and into a1."""
        match extension, function:
            case (Extension.BASE, _):
                return self._base(function, arguments[0])
            case (Extension.TIME, 0):
                self.computer.issue("csrw stimecmp, a0", arguments[0])
                return OK, 0
            case (Extension.IPI, 0):
                return self._for_harts(arguments[0], arguments[1], self._interrupt), 0
            case (Extension.RFENCE, 0):
                return self._for_harts(arguments[0], arguments[1], self._fence_code), 0
            case (Extension.RFENCE, 1 | 2):
                start, size = arguments[2:]
                mask, first = arguments[:2]
                return self._for_harts(mask, first, lambda: self._fence(start, size)), 0
            case (Extension.HSM, _):
                return self._hart(function, arguments[0]), 0
            case (Extension.DBCN, 0):
                return self._console(arguments[:3], self._put_bytes)
            case (Extension.DBCN, 1):
                return self._console(arguments[:3], self._get_bytes)
            case (Extension.DBCN, 2):
                self._put(arguments[0] & 0xFF)
                return OK, 0
            case (Extension.SRST, 0):
                return self._reset(arguments[0] & 0xFFFF_FFFF, arguments[1] & 0xFFFF_FFFF), 0
        return self._old(extension, arguments[0]), 0

    def _base(self, function: int, argument: int) -> tuple[int, int]:
        known = {*Extension, *range(_OLD_OFF + 1)}
        answers = [_VERSION, _IMPLEMENTATION, 1, int(argument in known), 0, 0, 0]
        return (OK, answers[function]) if function < len(answers) else (NOT_SUPPORTED, 0)

    def _old(self, extension: int, argument: int) -> int:
        match extension:
            case 0:
                self.computer.issue("csrw stimecmp, a0", argument)
            case 1:
                self._put(argument & 0xFF)
            case 2:
                return self._get()
            case 3:
                self.computer.issue("csrc mip, a0", _SSIP)
            case 4:
                self._interrupt()
            case 5:
                self._fence_code()
            case 6 | 7:
                self._fence(0, WORD - 1)
            case 8:
                return self._reset(0, 0)
            case _:
                return NOT_SUPPORTED
        return OK

    def _for_harts(self, mask: int, first: int, deed: Callable[[], None]) -> int:
        """Do something for the harts whose bits are set, counted from `first`: there is hart 0 alone."""
        if first == _ALL_HARTS:
            mask, first = 1, 0
        if mask and (first or mask != 1):
            return BAD_PARAMETER
        if mask:
            deed()
        return OK

    def _hart(self, function: int, argument: int) -> int:
        """Start, stop, look at or suspend a hart: there is one, which is started, and nobody could start it again."""
        there = OK if argument == 0 else BAD_PARAMETER
        match function:
            case 0:
                return there or ALREADY_AVAILABLE
            case 1:
                return FAILED
            case 2:
                return there
            case 3:
                return self._suspend(argument & 0xFFFF_FFFF)
        return NOT_SUPPORTED

    def _suspend(self, kind: int) -> int:
        """Sleep until an interrupt is pending, and go on with everything as it was: the default kind (0)."""
        if kind != 0:
            return NOT_SUPPORTED if kind == _NOT_RETENTIVE else BAD_PARAMETER
        self.computer.issue("wfi")
        return OK

    def _interrupt(self) -> None:
        self.computer.issue("csrs mip, a0", _SSIP)

    def _fence_code(self) -> None:
        self.computer.issue("fence.i")

    def _fence(self, start: int, size: int) -> None:
        """Order what was written before to the page tables of these addresses, or of all."""
        if 0 < size <= PAGE - start % PAGE:
            self.computer.issue("sfence.vma a0", start)
        else:
            self.computer.issue("sfence.vma")

    def _reset(self, kind: int, reason: int) -> int:
        """Power off (0), or begin again (1 cold, 2 warm); a reason other than 0 is a failure."""
        if kind > 2 or reason > 1:
            return BAD_PARAMETER
        off = _FAIL if reason else _PASS
        self._store("sw a0, 0(a1)", FINISHER_BASE, _REBOOT if kind else off)
        return FAILED

    def _console(self, arguments: list[int], move: Callable[[int, int], int]) -> tuple[int, int]:
        """Move bytes between memory and the console: as many as the kernel says, at most `MOST`."""
        size, low, high = arguments
        size = min(size, MOST)
        if high or not self.computer.memory.holds(low, size):
            return BAD_PARAMETER, 0
        return OK, move(low, size)

    def _put_bytes(self, address: int, size: int) -> int:
        for byte in self.computer.memory.peek(address, size):
            self._put(byte)
        return size

    def _get_bytes(self, address: int, size: int) -> int:
        for count in range(size):
            byte = self._get()
            if byte < 0:
                return count
            self.computer.memory.store(address + count, 1, byte)
        return size

    def _put(self, byte: int) -> None:
        self._store("sb a0, 0(a1)", UART_BASE, byte)

    def _get(self) -> int:
        """The next typed byte; -1 if there is none."""
        self.computer.registers[11] = UART_BASE
        if not self.computer.issue("lbu a0, 5(a1)") & 1:
            return -1
        self.computer.registers[11] = UART_BASE
        return self.computer.issue("lbu a0, 0(a1)")

    def _store(self, instruction: str, address: int, value: int) -> None:
        self.computer.registers[11] = address
        self.computer.issue(instruction, value)

    # Saving

    def state(self) -> dict[str, Any]:
        """Where the kernel is to be started, if it isn't yet."""
        return {"start": None if self._start is None else list(self._start)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Be as `state` says; VlabError if it can't be."""
        checker = Checker(state, "sbi")
        start = None if checker.part("start").state is None else checker.numbers("start", 2)
        self._start = None if start is None else (start[0], start[1])


RESIDENTS["sbi"] = Sbi
