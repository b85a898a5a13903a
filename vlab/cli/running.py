"""One run of `vlab run`: the guest's console on this terminal, what is waited for, and when it is over."""

import codecs
import sys
from collections.abc import Callable
from contextlib import nullcontext
from enum import StrEnum
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from vlab.cli.progress import Progress
from vlab.cli.typist import Typist
from vlab.language import VlabError, _, grouped

if TYPE_CHECKING:
    from vlab.cli.keyboard import Keyboard
    from vlab.machine import Computer, Machine
    from vlab.riscv import Program

DEFAULT_LIMIT = 1_000_000_000
_CHUNK = (
    20_000  # instructions before a first look at whether the guest gets anywhere; then it is the seldomer
)
_SOON = 0.05  # seconds after which who types is to be heard
_FEW = 1000  # instructions that are run before that in any case
_ENOUGH_TRAPS = 1000  # in a row, with nothing completed between them
_MAGIC, _MAGIC_AT = b"RSC\x05", 56  # what a raw image of Linux has there
_JUMP_TO_ITSELF = 0x0000_006F
_NOTHING_THERE = (5, 7)  # the causes of load and store access faults
_UNTIL_HANDLED = (
    1000  # steps that a trap takes at most until its handler stands: deep inside, some for each level
)


class End(StrEnum):
    """How a run ended."""

    OFF = "off"
    EXPECTED = "expected"
    LIMIT = "limit"
    ENDLESS = "endless"
    INTERRUPTED = "interrupted"
    LEFT = "left"


class Run:
    """One run: the console, what it waits for, and when it is over."""

    def __init__(
        self,
        machine: "Machine",
        guest: "Computer",
        expected: str | None,
        limit: int | None,
        show: Callable[[bytes], None] | None = None,
        keyboard: "Keyboard | None" = None,
    ):
        """`show` is given each byte of the console; by default it goes to this terminal.

        With `limit` None there is none as long as something may be typed, and then the default.
        """
        self.machine, self.guest = machine, guest
        self.limit, self._unlimited = DEFAULT_LIMIT if limit is None else limit, limit is None
        self._counted = 0  # the step from which on it counts
        self._keyboard, self._typist = keyboard, Typist(machine, guest, keyboard)
        self.why = ""  # what the guest does, if the run ended because it will do so for ever
        self.began: FirstTrap | None = None  # if those are traps
        self._expected = None if expected is None else expected.encode("utf-8", "replace")
        self._found = False
        self._stops = False  # whether the machine has to stop when it is found
        self._retired = self._attempted = self._shown = 0
        self._row = self._looked = (
            machine.steps,
            machine.steps,
        )  # the last that was completed, was so between these
        self._show = show or _showing()
        self._progress: Progress | None = None
        if is_terminal(sys.stderr):
            self._progress = Progress(machine, shared=show is None and is_terminal(sys.stdout))
        guest.uart.listener = self._printed

    def _printed(self, byte: bytes) -> None:
        if self.guest.uart.printed.count > self._shown:  # not again, when a debugger has gone back
            self._shown = self.guest.uart.printed.count
            with self._progress.printing(byte) if self._progress else nullcontext():
                self._show(byte)
        if self._expected is not None and self.guest.uart.output.endswith(self._expected):
            self._found = True
            if self._stops:
                self.machine.stop_here()

    def _over(self) -> bool:
        return self._found or self.guest.status is not None

    def go(self) -> End:
        """Run to an end."""
        try:
            with self._keyboard or nullcontext(), self._progress or nullcontext():
                return self._go()
        except KeyboardInterrupt:
            return End.INTERRUPTED

    def _go(self) -> End:
        from vlab.machine import Stop

        # To be asked after each trap takes time: it is for those who wait for a text from deep inside.
        self._stops = self._expected is not None and self.guest is self.machine
        until = None if self._expected is None or self._stops else self._over
        machine, typist, chunk = self.machine, self._typist, _CHUNK
        while (left := self._left()) > 0:
            if typist.left:
                return End.LEFT
            began = monotonic()
            steps = typist.steps(min(left, chunk))
            asked = typist.until(until)
            stop = machine.run(steps, until=asked, each=False, time=typist.horizon(steps))
            chunk = min(2 * chunk, _CHUNK * machine.pace)
            if typist.live and monotonic() - began > _SOON:
                chunk = max(chunk // 4, _FEW)
            if self._over():
                return End.EXPECTED if self._found else End.OFF
            if not self._goes_on(asleep=stop is Stop.ASLEEP):
                return End.ENDLESS
        return End.LIMIT

    def _left(self) -> int:
        """Type what has come, then: how many instructions are left."""
        while self._typist.type():
            pass
        if self._unlimited and self._typist.there:
            self._counted = self.machine.steps
        return self._counted + self.limit - self.machine.steps

    def _goes_on(self, *, asleep: bool) -> bool:
        """Whether something can still happen; while the guest sleeps, its reader may type."""
        if asleep and self.machine.hart.csr.deadline() is not None:
            self.why = ""
        else:
            self.why = _("waits for an interrupt that nothing will send") if asleep else self._endless()
        if self.why:
            return self._typist.wakes(asleep=asleep)
        self._typist.rest(asleep=asleep)
        return True

    def _endless(self) -> str:
        """Why nothing will ever happen again, as far as that is easily seen; else an empty text.

        If no interrupt is pending and no alarm is set, nothing will interrupt the guest: what it does now
        over and over, it does for ever.
        """
        guest, hart = self.guest, self.guest.hart
        attempted, retired = guest.time - guest.skipped, hart.retired
        self._looked = self._looked[1], self.machine.steps
        if retired != self._retired:
            self._retired, self._attempted, self._row = retired, attempted, self._looked
        if hart.csr.deadline() is not None or hart.interrupt() is not None:
            return ""
        if attempted - self._attempted >= _ENOUGH_TRAPS:
            self.began = _first_trap(self.machine, guest, *self._row)
            return _traps_for_ever(guest)
        stands = not hart.mmu.fetches.key.paged and guest.memory.holds(hart.pc, 4)
        if stands and int.from_bytes(guest.memory.peek(hart.pc, 4), "little") == _JUMP_TO_ITSELF:
            return _("jumps to where it stands, and has not switched its computer off")
        return ""


class FirstTrap(NamedTuple):
    """The trap after which nothing was completed any more: what is in `xepc`, `xcause`, `xtval` and `xtvec` of x."""

    level: str
    pc: int
    cause: int
    value: int
    vector: int

    def told(self, program: "Program") -> str:
        """In a sentence; in two, where nobody has set a trap handler."""
        from vlab.riscv.privilege import cause_title

        place, cause = _place(self.pc, program), cause_title(self.cause)
        if self.cause in _about_addresses() and self.value != self.pc:
            said = _("The first trap was at {place}: {cause}, address {address:#x}.")
            said = said.format(place=place, cause=cause, address=self.value)
        else:
            said = _("The first trap was at {place}: {cause}.").format(place=place, cause=cause)
        unset = _("{register} is 0: no trap handler was set.").format(register=f"{self.level}tvec")
        return said if self.vector else f"{said} {unset}"


def _about_addresses() -> tuple[int, ...]:
    """Causes of traps whose `xtval` is an address."""
    from vlab.riscv import Cause

    return tuple(cause for cause in Cause if cause.name.endswith(("FAULT", "MISALIGNED")))


def _first_trap(machine: "Machine", guest: "Computer", before: int, after: int) -> FirstTrap | None:
    """The past is replayed to find it; between these two steps the last instruction was completed.

    None if it isn't found there. The machine is then as it was, and no listener has heard.
    """
    retired = guest.hart.retired
    try:
        with machine.history.ahead():
            while before < after:
                middle = (before + after) // 2
                machine.goto(middle)
                # A resident's work is one step: the machine may stand before the one that was asked for.
                before, after = (before, middle) if guest.hart.retired == retired else (middle + 1, after)
            machine.goto(after)
            pc = guest.hart.pc
            for _step in range(_UNTIL_HANDLED):
                machine.run(1)
                if (found := _taken(guest, pc)) is not None:
                    return found
    except VlabError:
        pass  # its past is not known so far back
    return None


def _taken(guest: "Computer", pc: int) -> FirstTrap | None:
    """The trap at an address, if the guest stands at its handler's begin."""
    hart, level = guest.hart, _handling(guest)
    at, cause, value, vector = (hart.csr[f"{level}{name}"] for name in ("epc", "cause", "tval", "tvec"))
    # Before the first trap all of them are 0, and somebody may have jumped there.
    taken = at == pc and hart.pc == vector & -4 and (pc or cause)
    return FirstTrap(level, pc, cause, value, vector & -4) if taken else None


def _handling(guest: "Computer") -> str:
    """The letter before the CSRs of who handles the trap that the guest has taken."""
    from vlab.riscv import Mode

    return "m" if guest.hart.mode == Mode.M else "s"


def _traps_for_ever(guest: "Computer") -> str:
    from vlab.riscv.privilege import cause_title

    csr, level = guest.hart.csr, _handling(guest)
    vector, cause = csr[f"{level}tvec"] & -4, cause_title(csr[f"{level}cause"])
    return _("traps for ever: its trap handler, at {vector:#x}, begins with another trap ({cause})").format(
        vector=vector, cause=cause
    )


def ending(run: Run, end: End, program: "Program") -> str:
    """Where a run that did not end by itself has left the guest, in a sentence; else an empty text."""
    place = _place(run.guest.hart.pc, program)
    match end:
        case End.LIMIT:
            said = _("The limit of {limit} instructions is reached; the guest is at {place}.")
            return said.format(limit=grouped(run.limit), place=place)
        case End.ENDLESS:
            said = _("The guest {why}; it is at {place}.").format(why=run.why, place=place)
            return said if run.began is None else f"{run.began.told(program)} {said}"
        case End.INTERRUPTED:
            return _("Interrupted; the guest is at {place}.").format(place=place)
        case End.LEFT:
            return _("You have left; the guest is at {place}.").format(place=place)
    return _stopped(run.guest)


def mend(run: Run, end: End, program: "Program") -> str:
    """What the reader can do about such an end; nothing if that isn't known."""
    guest = run.guest
    if end is End.LIMIT:
        return _("--max-instructions sets another limit.")
    if end is End.ENDLESS and not guest.residents:
        kernel = _("This is a kernel for S mode: --sbi starts it there, or firmware that --bios names.")
        if _called(run):
            return f"{kernel} {_('A guest that makes hypercalls is for --technique paravirtual.')}"
        if _is_linux_kernel(guest, program.entry):
            return kernel
    if end is End.ENDLESS and (address := _beyond_memory(guest)) is not None:
        return _(
            "Its last trap was an access to {address:#x}, and its memory ends before that: --memory gives it more."
        ).format(address=address)
    if getattr(guest, "exits", {}).get("missing instruction"):  # a virtual machine's
        return _(
            "Name another technique. This one is for guests that are built for it, as `vlab run kernel --set "
            "PARAVIRTUAL=1` is."
        )
    if (end is End.ENDLESS or guest.status) and (address := _absent_device(run)) is not None:
        return _(
            "It looked for a device at {address:#x}, and there is none: --disk attaches a disk. Other devices, such "
            "as a network card, are attached in Python: `Machine(image, devices=[…])`."
        ).format(address=address)
    return ""


def _beyond_memory(guest: "Computer") -> int | None:
    """The address behind its memory at which the guest's last trap was about a load or store; else None."""
    from vlab.machine.memory import LIMIT

    csr, memory, level = guest.hart.csr, guest.memory, _handling(guest)
    cause, address = csr[f"{level}cause"], csr[f"{level}tval"]
    beyond = memory.base + memory.size <= address < memory.base + LIMIT
    return address if cause in _NOTHING_THERE and beyond else None


def _absent_device(run: Run) -> int | None:
    """The address at which the guest's last trap, or the first of those without end, was for want of a device."""
    from vlab.machine.board import SLOT_BASE, SLOT_SIZE, SLOTS

    csr, devices = run.guest.hart.csr, run.guest.bus.devices.values()
    traps = [(csr[f"{level}cause"], csr[f"{level}tval"]) for level in "sm"]
    if run.began is not None:
        traps = [(run.began.cause, run.began.value)]
    taken = [(base, base + device.size) for base, device in devices]
    return next(
        (
            address
            for cause, address in traps
            if cause in _NOTHING_THERE
            and SLOT_BASE <= address < SLOT_BASE + SLOTS * SLOT_SIZE
            and not any(first <= address < end for first, end in taken)
        ),
        None,
    )


def _called(run: Run) -> bool:
    """Whether the guest asked for something in M mode, where nobody is to answer."""
    from vlab.riscv import Cause

    return run.began is not None and run.began.cause == Cause.ECALL_FROM_M and not run.began.vector


def _is_linux_kernel(guest: "Computer", entry: int) -> bool:
    place = entry + _MAGIC_AT
    return guest.memory.holds(place, len(_MAGIC)) and guest.memory.peek(place, len(_MAGIC)) == _MAGIC


def _stopped(guest: "Computer") -> str:
    """Why the guest's hypervisor has stopped it; nothing if it has not."""
    technique = getattr(guest, "technique", None)  # a virtual machine's
    stopped = technique.stopped if technique is not None else ""
    return _("The guest was {stopped}.").format(stopped=stopped) if stopped else ""


def _place(pc: int, program: "Program") -> str:
    """Where in the program this is, in numbers and in words."""
    symbol = program.symbol_at(pc)
    return f"{pc:#x}" if symbol is None else f"{pc:#x} ({symbol[0]}+{symbol[1]:#x})"


def _showing() -> Callable[[bytes], None]:
    """How to show a byte of the console at once."""
    stream = sys.stdout
    if stream is None:
        return lambda byte: None
    raw = getattr(stream, "buffer", None)
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def show(byte: bytes) -> None:
        if raw is None:
            stream.write(decode(byte))
        else:
            raw.write(byte)
        stream.flush()

    return show


def is_terminal(stream: Any) -> bool:
    """Whether a stream, which may be missing, is one that a person looks at."""
    return stream is not None and bool(stream.isatty())
