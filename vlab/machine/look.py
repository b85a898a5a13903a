"""A look at a computer, as a value: what a debugger shows of it between two of its instructions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from vlab.display import Drawn, one_line
from vlab.language import VlabError, _
from vlab.machine.memory import PAGE
from vlab.machine.pmp import NEEDED
from vlab.riscv import Access, Mode, Program, Trap
from vlab.riscv.csrs import ALL_CSRS
from vlab.riscv.instructions import length
from vlab.riscv.privilege import mode_name
from vlab.riscv.registers import ABI_NAMES, NUMBERS

if TYPE_CHECKING:
    from vlab.machine.computer import Computer
    from vlab.machine.hart import Hart

_BEFORE, _AFTER = 4, 6  # words of code shown before the current instruction, and from it on
_WORDS = 8  # double words of memory
_BELOW = 16  # bytes shown below sp, at least
_CONSOLE = 600  # bytes of console output
_TOP = 1 << 64


class Window(NamedTuple):
    """Bytes at virtual addresses of one page; `physical` is None, and they are none, where that is no memory."""

    address: int
    physical: int | None
    data: bytes

    def words(self, size: int) -> Iterator[tuple[int, int | None, int | None]]:
        """Each number of `size` bytes: its virtual and physical address, and its value."""
        for at in range(0, len(self.data), size):
            value = int.from_bytes(self.data[at : at + size], "little")
            yield self.address + at, self.physical + at if self.physical is not None else None, value


@dataclass(frozen=True)
class Look(Drawn):
    """What a computer was like right before an instruction.

    `step` counts the instructions that this computer attempted, `machine_step` those of the machine under it.
    `csrs` holds every CSR with storage by name; `code` and `memory` are windows around `pc` and an address.
    `console` is the end of what was printed. `look["t0"]`, `look["sstatus"]`, `look["pc"]` are numbers.
    """

    who: str
    level: int
    step: int
    machine_step: int
    time: int
    retired: int
    mode: Mode
    pc: int
    x: tuple[int, ...] = field(repr=False)
    csrs: Mapping[str, int] = field(repr=False)
    waiting: bool
    status: int | None
    code: Window = field(repr=False)
    memory: tuple[Window, ...] = field(repr=False)
    console: str = field(repr=False)
    program: Program | None = field(repr=False, compare=False)
    virtual: bool = False  # the virtualization mode V of a hart with the H extension
    parcel: int = field(default=4, repr=False)  # bytes: where an instruction may begin

    def __repr__(self) -> str:
        return _("{who} before its step {step}: {mode} mode, pc {pc:#x}").format(
            who=self.name, step=self.step, mode=self.mode_name, pc=self.pc
        )

    @property
    def mode_name(self) -> str:
        """The mode as it is called: "U", "S", "M", or "VU", "VS"."""
        return mode_name(self.mode, self.virtual)

    @property
    def name(self) -> str:
        """Whose state it is."""
        return one_line(self.who) or _("the machine")

    def __getitem__(self, name: str) -> int:
        if name == "pc":
            return self.pc
        if name in NUMBERS:
            return self.x[NUMBERS[name]]
        csr = ALL_CSRS.get(name)
        held = None if csr is None else self.csrs.get(csr.view_of or name, csr.fixed)
        if csr is None or held is None:
            raise VlabError(
                _("There is no register {name!r}.").format(name=name),
                mend=_("Write a register's name, for example t0, or a CSR's, for example satp."),
            )
        return csr.read(held & self.csrs["mideleg"] if name in ("sie", "sip") else held)

    @property
    def word(self) -> int | None:
        """The instruction that stands at `pc`; None where that is no memory."""
        return next((word for address, _physical, word in self.instructions() if address == self.pc), None)

    def instructions(self) -> Iterator[tuple[int, int, int]]:
        """The instructions around `pc`: virtual address, physical address, word.

        Where some are compressed, what stands before `pc` is a guess: nothing tells where they begin.
        """
        window = self.code
        if window.physical is None:
            return
        for offset in self._starts():
            size = self.parcel
            if size == 2 and offset + 2 <= len(window.data):
                size = length(window.data[offset])
            if offset + size <= len(window.data):
                word = int.from_bytes(window.data[offset : offset + size], "little")
                yield window.address + offset, window.physical + offset, word

    def _starts(self) -> Iterator[int]:
        """Where instructions begin in the window of code: from the first offset on that leads to `pc`."""
        here, end = self.pc - self.code.address, len(self.code.data)
        if self.parcel == 4:
            yield from range(0, end, 4)
            return
        for first in (0, 2, here):
            at, offsets = first, []
            while at + 2 <= end:
                offsets.append(at)
                at += length(self.code.data[at])
            if here in offsets:
                yield from offsets
                return

    def differences(self, other: "Look") -> list[tuple[str, object, object]]:
        """What differs in `other`: (name, here, there) of pc, mode, registers, CSRs, time, console, status."""
        pairs = [("pc", self.pc, other.pc), ("mode", self.mode_name, other.mode_name)]
        pairs += [(ABI_NAMES[n], self.x[n], other.x[n]) for n in range(1, 32)]
        if self.csrs is not other.csrs:
            pairs += [(name, value, other.csrs.get(name, 0)) for name, value in self.csrs.items()]
        more: list[tuple[str, object, object]] = [
            ("time", self.time, other.time),
            ("console", self.console, other.console),
            ("status", self.status, other.status),
        ]
        return [pair for pair in (*pairs, *more) if pair[1] != pair[2]]


def look(
    computer: "Computer",
    memory: int | None = None,
    program: Program | None = None,
    before: Look | None = None,
) -> Look:
    """The computer as it stands now; looking changes nothing.

    `memory` is the virtual address where the memory window begins (None: around sp), `program` what its
    labels and source lines are taken from (None: the program that was loaded). What is as it was `before`
    is shared with it.
    """
    hart = computer.hart
    x, csrs = tuple(hart.x[:32]), dict(hart.csr.values)
    csrs["mip"] = hart.csr.pending()
    sent = bytes(computer.uart.output[-_CONSOLE:])
    if before is not None:
        x = before.x if before.x == x else x
        csrs = before.csrs if before.csrs == csrs else csrs  # type: ignore[assignment]
    start = (x[2] - _BELOW & -_BELOW if memory is None else memory & -8) % _TOP
    return Look(
        who=computer.name,
        level=computer.level,
        step=computer.time - computer.skipped,
        machine_step=computer.history.machine.steps,
        time=computer.time,
        retired=hart.retired,
        mode=hart.mode,
        pc=hart.pc,
        x=x,
        csrs=csrs,
        waiting=hart.waiting,
        status=computer.status,
        code=_code(hart),
        memory=tuple(_windows(hart, start, _WORDS * 8)),
        console=sent.decode("utf-8", "replace"),
        program=program or computer.program,
        virtual=hart.virtual,
        parcel=hart.parcel,
    )


def _code(hart: "Hart") -> Window:
    """The words around pc, as far as they stand in its page."""
    pc, start = hart.pc, hart.pc & -PAGE
    first, end = max(start, pc - 4 * _BEFORE), min(start + PAGE, pc + 4 * _AFTER)
    return _window(hart, first, end - first, Access.FETCH)


def _windows(hart: "Hart", address: int, size: int) -> Iterator[Window]:
    """The bytes from a virtual address on, a window for each page."""
    while size:
        length = min(size, PAGE - address % PAGE)
        yield _window(hart, address, length, Access.LOAD)
        address, size = (address + length) % _TOP, size - length


def _window(hart: "Hart", address: int, size: int, access: Access) -> Window:
    physical = physical_address(hart, address, access)
    if physical is None:
        return Window(address, None, b"")
    return Window(address, physical, hart.memory.peek(physical, size))


def physical_address(hart: "Hart", address: int, access: Access) -> int | None:
    """Where in memory a virtual address leads, by what the TLB remembers or else by a walk; None if nowhere."""
    context = hart.mmu.fetches if access is Access.FETCH else hart.mmu.data
    entry = context.find(address)
    if entry is not None and entry.rights & NEEDED[access]:
        physical = entry.frame * PAGE | address % PAGE
    else:
        try:
            physical = hart.mmu.resolve(address, access, touch=False).physical
        except Trap:
            return None
    return physical if hart.memory.holds(physical & -PAGE, PAGE) else None
