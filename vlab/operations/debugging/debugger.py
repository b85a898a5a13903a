"""A debugger of a machine or of any VM: run to a breakpoint or a watched access, step, and all that backwards.

A watched access is only noted while the machine runs on; then it is gone back to the step that made it. So every
engine stops exactly, though none of them looks at each store. Backwards, what lies before the present is replayed from
a checkpoint, the latest interval first, and the last stop of it is the one.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from vlab.hypervisor import BinaryTranslation, VirtualMachine
from vlab.language import VlabError, _
from vlab.machine import Computer, Machine, Stop, standing
from vlab.machine.interruptible import Interruptible
from vlab.machine.writes import listening, running

CHUNK = 100_000  # steps between looks at whether the debugger wants to stop
LOOK = 1000  # of single steps
MOST = 256  # breakpoints, and double words watched
_WORD = 8
# What may be watched, as GDB names it: writes, loads, or both. Whether one hears of loads, for each time one listens.
WATCHES = {"watch": (False,), "rwatch": (True,), "awatch": (True, False)}


class Halt(NamedTuple):
    """Why the computer stands still; for a watched access, the address that was given, and the step that makes it.

    `why` is "step", "break", "interrupted", "asleep" (nothing will wake it), "off", "beginning" (there is nothing
    before this), or one of WATCHES.
    """

    why: str
    address: int | None = None
    step: int | None = None


class _Watch(NamedTuple):
    """What is watched: one of WATCHES, and the address that was given."""

    kind: str
    address: int


class _Hit(NamedTuple):
    """An access to a watched place, or none where it is a breakpoint: the machine's step, and what is watched."""

    step: int
    watch: _Watch | None

    def halt(self) -> Halt:
        """Why the computer stands still there."""
        return Halt("break") if self.watch is None else Halt(*self.watch, self.step)


class Debugger:
    """Stops and moves one computer; the machine under it, and all that is on it, moves with it.

    `wanted` is asked now and then: whether to stop. Addresses are virtual, as the computer's mode sees them.
    """

    def __init__(self, computer: Computer, wanted: Callable[[], bool] = lambda: False):
        computer.expect_there()
        self.computer, self.machine, self._wanted = computer, computer.history.machine, wanted
        self.breakpoints: set[int] = set()
        self._translated = _translated(computer)
        # The machine's double words, and of each the bytes that are meant: from the first, up to the end.
        self._watched: dict[_Watch, tuple[tuple[int, int, int], ...]] = {}

    # What to stop at

    def watch(self, address: int, size: int, physical: int, kind: str = "watch") -> None:
        """Stop after each access of a kind to these bytes; they lie at this physical address of the computer's now.

        VlabError where that is no memory, or where it is too much.
        """
        words = range(physical & -_WORD, physical + size, _WORD)
        if not 0 < size <= MOST * _WORD or sum(map(len, self._watched.values())) + len(words) > MOST:
            raise VlabError(_("At most {count} double words are watched.").format(count=MOST))
        meant = []
        for word in words:
            place = self.computer.machine_address(word)
            meant.append((place, place + max(physical - word, 0), place + min(physical + size - word, _WORD)))
        self._watched[_Watch(kind, address)] = tuple(meant)

    def unwatch(self, address: int, kind: str = "watch") -> None:
        """Stop there no more."""
        self._watched.pop(_Watch(kind, address), None)

    # Forwards

    def step(self) -> Halt:
        """One instruction of this computer's, or one of its residents' works."""
        before, machine = self._attempted(), self.machine
        look = machine.steps + LOOK
        while self.computer.status is None:
            if machine.run(1, until=self._off, each=False) is Stop.ASLEEP:
                return Halt("asleep")
            if self._attempted() > before and self._at_rest():
                return Halt("step")
            if machine.steps >= look:
                if self._wanted():
                    return Halt("interrupted")
                look = machine.steps + LOOK
        return Halt("off")

    def go(self) -> Halt:
        """Run to a breakpoint, a watched access, or an end."""
        machine = self.machine
        with self._armed() as hits:
            if self._stands_at_break():
                self._pass()
            while not hits:
                if self.computer.status is not None:
                    return Halt("off")
                stop = self._run(machine.steps + CHUNK)
                if stop is Stop.CONDITION and not hits and self.computer.status is None:
                    if self._stands_at_break():
                        return Halt("break")
                    self._pass()  # it is another computer's
                elif stop is Stop.ASLEEP and not hits:
                    return Halt("asleep")
                elif not hits and self._wanted():
                    return Halt("interrupted")
        return self._after(hits[0])

    def goto(self, step: int) -> Halt:
        """Go to a step of the machine's, back or forth: until it sleeps for ever, is off, or is wanted to stop."""
        machine = self.machine
        while machine.steps + CHUNK < step:
            stop = machine.run(CHUNK, until=self._off, each=False)
            if stop is not Stop.LIMIT:
                return Halt("off" if self._off() else "asleep")
            if self._wanted():
                return Halt("interrupted")
        machine.goto(step)
        return Halt("step")

    def _after(self, hit: _Hit) -> Halt:
        """Right after the first watched access."""
        self.machine.goto(hit.step)
        self.machine.run(1)
        return hit.halt()

    # Backwards

    def back(self) -> Halt:
        """Undo one instruction of this computer's."""
        machine, now, wanted, distance = self.machine, self.machine.steps, self._attempted() - 1, 1
        first = min(machine.history.checkpoints, default=now)
        place = None
        while place is None and distance < 2 * max(1, now - first):
            machine.goto(max(first, now - distance))
            while machine.steps < now and self._attempted() <= wanted:
                if self._at_rest():
                    place = machine.steps
                machine.run(1)
            distance *= 2
        machine.goto(first if place is None else place)
        return Halt("beginning" if place is None else "step")

    def go_back(self) -> Halt:
        """Run backwards: to the last breakpoint or watched access before this, or to the beginning."""
        machine, end, before = self.machine, self.machine.steps, self._attempted()
        history = machine.history
        for start in sorted((step for step in history.checkpoints if step < end), reverse=True):
            found = self._last_between(start, end, before)
            if found is not None:
                machine.goto(found.step)
                return found.halt()
            if self._wanted():
                machine.goto(start)
                return Halt("interrupted")
            end = start
        if history.checkpoints:
            machine.goto(min(history.checkpoints))
        return Halt("beginning")

    def _last_between(self, start: int, end: int, before: int) -> _Hit | None:
        """The last stop of an interval, before so many attempts of its own."""
        machine, last = self.machine, None
        with Interruptible():
            machine.history.rewind(start)
        with self._armed() as hits:
            while machine.steps < end:
                here = machine.steps
                if self._stands_at_break():
                    last = _Hit(here, None) if self._attempted() < before else last
                    self._pass()
                elif self._run(end) is not Stop.CONDITION:
                    break
                elif not self._stands_at_break():
                    self._pass()  # it is another computer's
        both = [hit for hit in (*hits, last) if hit is not None and hit.step < end]
        return max(both, key=lambda hit: hit.step, default=None)

    # How

    def _attempted(self) -> int:
        return self.computer.time - self.computer.skipped

    def _off(self) -> bool:
        return self.computer.status is not None

    def _at_rest(self) -> bool:
        """Whether its own last instruction is done with: no hypervisor below is at work on it."""
        resident = standing(self.machine)
        return resident is None or resident.computer.level >= self.computer.level

    def _stands_at_break(self) -> bool:
        """Whether this computer is about to execute an instruction at a breakpoint."""
        return bool(self.breakpoints) and self._runs() and self.computer.hart.pc in self.breakpoints

    def _runs(self) -> bool:
        """Whether the next instruction is this computer's, or that of a VM in it."""
        inner: Computer | None = running(self.machine) if standing(self.machine) is None else None
        while inner is not None and inner is not self.computer:
            inner = inner.host if isinstance(inner, VirtualMachine) else None
        return inner is not None

    def _run(self, end: int) -> Stop:
        """Run to a step, or to a breakpoint, of this computer or another one: CONDITION."""
        machine = self.machine
        if not self._translated:
            return machine.run(max(0, end - machine.steps), until=self._off, each=False)
        while machine.steps < end and not self._off():
            if self.step().why == "asleep":
                return Stop.ASLEEP
            if self._stands_at_break():
                return Stop.CONDITION
        return Stop.LIMIT

    def _pass(self) -> None:
        """Go past an instruction at a breakpoint: its own wholly, whatever interrupts it; of another's, a step."""
        if not self._translated:
            self.machine.stop_at()
        if self._stands_at_break():
            self.step()
        else:
            self.machine.run(1)
        if not self._translated:
            self.machine.stop_at(self.breakpoints)

    @contextmanager
    def _armed(self) -> Iterator[list[_Hit]]:
        """With its breakpoints set, and its places watched: the first and the last access there."""
        machine, hits = self.machine, list[_Hit]()
        with ExitStack() as watches:
            machine.stop_at(() if self._translated else self.breakpoints)
            watches.callback(machine.stop_at)
            for watch, words in self._watched.items():
                for word, first, end in words:
                    heard = _hearing(machine, hits, watch, first, end)
                    for loads in WATCHES[watch.kind]:
                        watches.enter_context(listening(machine, word, heard, loads=loads))
            yield hits


def _hearing(
    machine: Machine, hits: list[_Hit], watch: _Watch, first: int, end: int
) -> Callable[[int, int], None]:
    """What notes the accesses that have one of these bytes."""

    def heard(step: int, value: int) -> None:
        at, size = machine.ram.access
        if at < end and first < at + size:
            hits[1:] = [_Hit(step, watch)]

    return heard


def _translated(computer: Computer) -> bool:
    """Whether its code may run elsewhere than where it stands: then only single steps tell where it is."""
    while isinstance(computer, VirtualMachine):
        if isinstance(computer.technique, BinaryTranslation):
            return True
        computer = computer.host
    return False
