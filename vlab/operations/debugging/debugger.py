"""A debugger of a machine or of any VM: run to a breakpoint or a watched write, step, and all that backwards.

A watched write is only noted while the machine runs on; then it is gone back to the step that made it. So every
engine stops exactly, though none of them looks at each store. Backwards, what lies before the present is replayed from
a checkpoint, the latest interval first, and the last stop of it is the one.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from vlab.hypervisor import BinaryTranslation, VirtualMachine
from vlab.language import VlabError, _
from vlab.machine import Computer, Stop, standing
from vlab.machine.interruptible import Interruptible
from vlab.machine.writes import listening, running

CHUNK = 100_000  # steps between looks at whether the debugger wants to stop
LOOK = 1000  # of single steps
MOST = 256  # breakpoints, and double words watched
_WORD = 8


class Halt(NamedTuple):
    """Why the computer stands still; for a watched write, the address that was given, and the step that makes it.

    `why` is "step", "break", "watch", "interrupted", "asleep" (nothing will wake it), "off", or "beginning": there is
    nothing before this.
    """

    why: str
    address: int | None = None
    step: int | None = None


class _Hit(NamedTuple):
    """A write to a watched place: the machine's step, and the address under which it is watched."""

    step: int
    address: int


class Debugger:
    """Stops and moves one computer; the machine under it, and all that is on it, moves with it.

    `wanted` is asked now and then: whether to stop. Addresses are virtual, as the computer's mode sees them.
    """

    def __init__(self, computer: Computer, wanted: Callable[[], bool] = lambda: False):
        computer.expect_there()
        self.computer, self.machine, self._wanted = computer, computer.history.machine, wanted
        self.breakpoints: set[int] = set()
        self._translated = _translated(computer)
        self._watched: dict[
            int, tuple[int, ...]
        ] = {}  # the machine's double words, by the address that was given

    # What to stop at

    def watch(self, address: int, size: int, physical: int) -> None:
        """Stop after each write to these bytes; they lie at this physical address of the computer's now.

        VlabError where that is no memory, or where it is too much.
        """
        words = range(physical & -_WORD, physical + size, _WORD)
        if not 0 < size <= MOST * _WORD or sum(map(len, self._watched.values())) + len(words) > MOST:
            raise VlabError(_("At most {count} double words are watched.").format(count=MOST))
        self._watched[address] = tuple(self.computer.machine_address(word) for word in words)

    def unwatch(self, address: int) -> None:
        """Stop there no more."""
        self._watched.pop(address, None)

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
        """Run to a breakpoint, a watched write, or an end."""
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
        """Right after the first watched write."""
        self.machine.goto(hit.step)
        self.machine.run(1)
        return Halt("watch", hit.address, hit.step)

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
        """Run backwards: to the last breakpoint or watched write before this, or to the beginning."""
        machine, end, before = self.machine, self.machine.steps, self._attempted()
        history = machine.history
        for start in sorted((step for step in history.checkpoints if step < end), reverse=True):
            found = self._last_between(start, end, before)
            if found is not None:
                machine.goto(found.step)
                return Halt("break") if found.address < 0 else Halt("watch", found.address, found.step)
            if self._wanted():
                machine.goto(start)
                return Halt("interrupted")
            end = start
        if history.checkpoints:
            machine.goto(min(history.checkpoints))
        return Halt("beginning")

    def _last_between(self, start: int, end: int, before: int) -> _Hit | None:
        """The last stop of an interval, before so many attempts of its own; at a breakpoint its address is -1."""
        machine, last = self.machine, None
        with Interruptible():
            machine.history.rewind(start)
        with self._armed() as hits:
            while machine.steps < end:
                here = machine.steps
                if self._stands_at_break():
                    last = _Hit(here, -1) if self._attempted() < before else last
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
        """With its breakpoints set, and its places watched: the first and the last write there."""
        machine, hits = self.machine, list[_Hit]()
        with ExitStack() as watches:
            machine.stop_at(() if self._translated else self.breakpoints)
            watches.callback(machine.stop_at)
            for address, words in self._watched.items():

                def heard(step: int, value: int, address: int = address) -> None:
                    hits[1:] = [_Hit(step, address)]

                for word in words:
                    watches.enter_context(listening(machine, word, heard))
            yield hits


def _translated(computer: Computer) -> bool:
    """Whether its code may run elsewhere than where it stands: then only single steps tell where it is."""
    while isinstance(computer, VirtualMachine):
        if isinstance(computer.technique, BinaryTranslation):
            return True
        computer = computer.host
    return False
