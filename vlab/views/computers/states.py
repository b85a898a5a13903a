"""A computer's run, instruction by instruction, as values: each position is a `Look`, right before an instruction.

The run is a look ahead: when it has been recorded, the computer is as it was found. Between two positions the
computer attempts exactly one instruction of its own (a resident's work is one, too), however many the machine
under a VM needs for it. An interrupt that is due is taken before the position, so `pc` is where it goes on.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from vlab import events as ev
from vlab.events import Event, Recording
from vlab.hypervisor import VirtualMachine
from vlab.language import VlabError, _
from vlab.machine import GATE, Computer, Machine, Stop, standing
from vlab.machine.look import Look, look, physical_address
from vlab.machine.memory import PAGE
from vlab.riscv import Access, Instruction, Program, decode
from vlab.riscv.csrs import BY_NUMBER
from vlab.riscv.registers import ABI_NAMES, NUMBERS

MOST = 20_000  # positions kept in one run
_PATIENCE = 100_000  # machine steps within which a VM must have attempted an instruction
_CSR_WRITES = {
    "csrrw": "",
    "csrrwi": "",
    "csrrs": "source",
    "csrrc": "source",
    "csrrsi": "zimm",
    "csrrci": "zimm",
}
_STORES = {"b": 1, "h": 2, "w": 4, "d": 8}
_WORD = 8

Place = str | int  # a register's or CSR's name, or the physical address of a double word


class Attempt(NamedTuple):
    """A position: its look, and what happened on the way to it from the one before.

    `written` are the registers, CSRs and double words of memory that were written, with the same value too;
    `changed` are the double words whose value changed, with the value that they have now.
    """

    look: Look
    events: tuple[Event, ...]
    written: frozenset[Place]
    changed: dict[int, int]


def attempts(
    computer: Computer, recording: Recording, memory: int | None = None, program: Program | None = None
) -> Iterator[Attempt]:
    """The positions from where the computer stands, for ever; to be used inside `History.ahead()`.

    Ends where the computer is off, sleeps for good, or isn't run by its hypervisor. `recording` is that
    block's, and is emptied on the way.
    """
    machine = computer.history.machine
    _settle(computer, machine)
    machine.ram.fresh()
    here, events = look(computer, memory, program), _taken(recording)
    yield Attempt(here, events, frozenset(_trap_effects(events, computer.level)), {})
    while True:
        target = _store_target(computer, here)
        if not _attempt(computer, machine):
            return
        after = look(computer, memory, program, here)
        events = _taken(recording)
        changed = dict(_changed(computer, machine))
        written = frozenset(
            (*changed, *_effects(here, after, target), *_trap_effects(events, computer.level))
        )
        yield Attempt(after, events, written, changed)
        here = after


def _taken(recording: Recording) -> tuple[Event, ...]:
    events = tuple(recording.events)
    recording.events.clear()
    return events


def _steps(computer: Computer) -> int:
    return computer.time - computer.skipped


def _attempt(computer: Computer, machine: Machine) -> bool:
    """One more instruction of the computer; False if there is none."""
    before, end = _steps(computer), machine.steps + _PATIENCE
    while _steps(computer) == before:
        if computer.status is not None or machine.steps > end or machine.run(1) in (Stop.OFF, Stop.ASLEEP):
            return _steps(computer) != before
    _settle(computer, machine)
    return True


def _settle(computer: Computer, machine: Machine) -> bool:
    """Go on until the next thing is an attempt of the computer's; False if that never comes."""
    if not isinstance(computer, VirtualMachine):
        return machine.catch_up()
    end = machine.steps + _PATIENCE
    while computer.status is None and machine.steps <= end:
        runs = _on_the_hart(computer)
        if runs and standing(machine) is None and computer.hart.interrupt() is None:
            return machine.catch_up()
        if runs or standing(machine) is not None:
            stop = machine.run(1)
        else:  # another guest runs
            stop = machine.run(_PATIENCE, until=lambda: _on_the_hart(computer), each=False)
        if stop in (Stop.OFF, Stop.ASLEEP):
            return False
    return False


def _on_the_hart(computer: Computer) -> bool:
    """Whether a VM runs directly, and every VM around it."""
    while isinstance(computer, VirtualMachine):
        if not computer.running:
            return False
        computer = computer.host
    return True


# What was written


def _changed(computer: Computer, machine: Machine) -> Iterator[tuple[int, int]]:
    """The double words of the computer's memory that changed, and what they hold now."""
    vms = _around(computer)
    for page, (before, now) in machine.ram.fresh().items():
        if before == now:
            continue
        old, new = memoryview(before).cast("Q"), memoryview(now).cast("Q")
        for number in range(PAGE // _WORD):
            if old[number] != new[number]:
                address = _inwards(vms, machine.ram.base + page * PAGE + number * _WORD)
                if address is not None:
                    yield address, new[number]


def _around(computer: Computer) -> list[VirtualMachine]:
    """The VM and those around it, the outermost first."""
    vms: list[VirtualMachine] = []
    while isinstance(computer, VirtualMachine):
        vms.insert(0, computer)
        computer = computer.host
    return vms


def _inwards(vms: list[VirtualMachine], address: int | None) -> int | None:
    """The machine's physical address as the innermost VM's, if it is its memory."""
    for vm in vms:
        address = None if address is None else vm.memory.guest_address(address)
    return address


def outwards(computer: Computer, address: int) -> int:
    """The computer's physical address as the machine's. Raises VlabError where it has no memory."""
    computer.memory.peek(address & -_WORD, _WORD)
    for vm in reversed(_around(computer)):
        address = vm.memory.host_address(address)
    return address


def _instruction(here: Look) -> Instruction | None:
    return None if here.word is None else decode(here.word)


def _store_target(computer: Computer, here: Look) -> tuple[int, ...]:
    """The double words that the next instruction will store to, if it is a store that succeeds."""
    instruction = _instruction(here)
    if instruction is None or "store" not in instruction.row.meaning:
        return ()
    size = _STORES[instruction.name[-1]]
    start = here.x[instruction["rs1"]] + instruction["imm"] & (1 << 64) - 1
    found = (
        physical_address(computer.hart, at & (1 << 64) - 1, Access.STORE) for at in (start, start + size - 1)
    )
    return tuple(dict.fromkeys(at & -_WORD for at in found if at is not None))


def _effects(here: Look, after: Look, target: tuple[int, ...]) -> Iterator[Place]:
    """What an instruction wrote by its meaning, and which registers and CSRs changed in any way."""
    if here.x is not after.x:
        yield from (ABI_NAMES[n] for n in range(32) if here.x[n] != after.x[n])
    if here.csrs is not after.csrs:
        yield from (name for name, value in after.csrs.items() if here.csrs[name] != value)
    instruction = _instruction(here)
    if instruction is None or after.retired == here.retired:
        return
    row = instruction.row
    if instruction["rd"]:
        yield ABI_NAMES[instruction["rd"]]
    if row.name in ("sret", "mret"):
        yield "mstatus"
    if row.name in _CSR_WRITES and (not _CSR_WRITES[row.name] or instruction[_CSR_WRITES[row.name]]):
        csr = BY_NUMBER[instruction["csr"]]
        yield csr.view_of or csr.name
    if not row.name.startswith("sc.") or not after.x[instruction["rd"]]:
        yield from target


def _trap_effects(events: tuple[Event, ...], level: int) -> Iterator[Place]:
    """The CSRs that a trap into the computer's own software writes."""
    for event in events:
        if isinstance(event, ev.Trap) and event.level == level:
            prefix = event.target.lower()
            yield from ("mstatus", f"{prefix}epc", f"{prefix}cause", f"{prefix}tval")


# A recorded run


class States:
    """A stretch of a computer's run: `looks` by position, the `events` that led to each, and what each wrote.

    Records at most `steps` instructions from where the computer stands, and leaves it as it was found.
    `memory` is the virtual address where the memory window begins (None: around sp); `program` is where labels
    come from (None: what was loaded). Raises VlabError for more steps than are kept.
    """

    def __init__(
        self,
        computer: Computer,
        steps: int = 200,
        *,
        memory: int | None = None,
        program: Program | None = None,
    ):
        if not 0 <= steps <= MOST:
            raise VlabError(
                _("A run of {steps} steps is not kept whole.").format(steps=steps),
                mend=_("Ask for at most {most}; begin later with machine.run or machine.goto.").format(
                    most=MOST
                ),
            )
        self.computer = computer
        self.looks: list[Look] = []
        self.events: list[tuple[Event, ...]] = []
        self.changed: list[dict[int, int]] = []
        self.written: dict[Place, list[int]] = {}
        history = computer.history
        with history.ahead() as recording:
            for attempt in islice(attempts(computer, recording, memory, program), steps + 1):
                for place in attempt.written:
                    self.written.setdefault(place, []).append(len(self.looks))
                self.looks.append(attempt.look)
                self.events.append(attempt.events)
                self.changed.append(attempt.changed)

    def __repr__(self) -> str:
        return _("States of {name}, from step {first} to step {last}").format(
            name=self.looks[0].name, first=self.looks[0].step, last=self.looks[-1].step
        )

    def __len__(self) -> int:
        return len(self.looks)

    @property
    def stops(self) -> dict[str, list[int]]:
        """The positions after a trap of the computer, after an exit of its (or a guest's), after a switch."""
        level = self.looks[0].level
        found: dict[str, list[int]] = {"exit": [], "trap": [], "switch": []}
        guest = ""
        for at in range(1, len(self)):
            events = self.events[at]
            if any(isinstance(event, ev.Trap) and event.level == level for event in events):
                found["trap"].append(at)
            if any(isinstance(event, ev.Exit) and event.level == max(1, level) for event in events):
                found["exit"].append(at)
            entered = [
                event.vm for event in events if isinstance(event, ev.Entry) and event.level == level + 1
            ]
            switched = any(
                vm != before for before, vm in zip([guest, *entered], entered, strict=False) if before
            )
            guest = entered[-1] if entered else guest
            if switched or self._switches(at):
                found["switch"].append(at)
        return found

    def _switches(self, at: int) -> bool:
        """Whether software put another root into satp; a resident that loads a shadow table does not count."""
        before, after = self.looks[at - 1], self.looks[at]
        return before.pc != GATE and before.csrs["satp"] != after.csrs["satp"]

    def place(self, what: Place) -> Place:
        """A register, CSR or address as `written` knows it. Raises VlabError for what is none."""
        if isinstance(what, str):
            if what in NUMBERS:
                return ABI_NAMES[NUMBERS[what]]
            self.looks[0][what]
            csr = next((csr for csr in BY_NUMBER.values() if csr.name == what), None)
            return what if csr is None else csr.view_of or csr.name
        return what & -_WORD

    def physical(self, at: int, address: int) -> int:
        """The physical address behind one that the memory window shows at a position; any other is physical."""
        for window in self.looks[at].memory:
            if window.physical is not None and 0 <= address - window.address < len(window.data):
                return window.physical + address - window.address
        return address

    def wrote(self, at: int, names: Iterable[str]) -> dict[str, int]:
        """For each name (a register's, a CSR's, or a physical address as hex): its `who_wrote`, or -1."""
        found = {}
        for name in names:
            place = int(name, 16) if name.startswith("0x") else self.place(name)
            places = self.written.get(place, [])
            number = bisect_right(places, at)
            found[name] = places[number - 1] if number else -1
        return found

    def who_wrote(self, what: Place, at: int) -> int | None:
        """The last position up to `at` at which `what` was written; None if it wasn't, in this run."""
        if isinstance(what, int):
            what = self.physical(at, what)
        place = self.place(what)
        places = self.written.get(place, [])
        number = bisect_right(places, at)
        return places[number - 1] if number else None

    def not_written(self, what: Place, at: int) -> VlabError:
        """The error for what was not written up to a position; it says when it was written before, if ever."""
        place = self.place(self.physical(at, what) if isinstance(what, int) else what)
        step = written_before(self.computer, place)
        name = f"{place:#x}" if isinstance(place, int) else place
        said = _("{name} was not written between steps {first} and {here}.").format(
            name=name, first=self.looks[0].step, here=self.looks[at].step
        )
        if step is None:
            return VlabError(said, mend=_("It holds what it held when the machine's history began."))
        mend = _(
            "It was last written at step {step} of the machine: machine.goto({step}), then step from there."
        )
        return VlabError(said, mend=mend.format(step=step))


def written_before(computer: Computer, what: Place) -> int | None:
    """The machine's step that last wrote a register, CSR or double word of the computer; None if none is known.

    The past is replayed from the machine's checkpoints, the latest interval first: of memory only intervals
    that touched its page.
    """
    history = computer.history
    if isinstance(what, int):
        return history.last_store(outwards(computer, what) & -_WORD)
    end = history.machine.steps
    with history.ahead() as recording:
        for start in sorted((step for step in history.checkpoints if step <= end), reverse=True):
            history.rewind(start)
            found, since = None, start
            for attempt in attempts(computer, recording):
                if attempt.look.machine_step > end:
                    break
                if what in attempt.written:
                    found = since
                since = attempt.look.machine_step
                if since >= end:
                    break
            if found is not None:
                return found
            end = start
    return None
