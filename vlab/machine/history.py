"""Rewinding: the nearest checkpoint, and a replay from there.

Checkpoints are spaced by work done. When there are many, or they hold much memory, every other one is dropped
and the spacing doubles: so they stay bounded, and a step back costs at most about one spacing of replay. What
was typed is a log, and is typed again. What a debugger changed by hand is in no log.
"""

from typing import TYPE_CHECKING, NamedTuple

from vlab.language import VlabError, _
from vlab.machine.memory import PAGE
from vlab.machine.restoring import restore_computer
from vlab.machine.snapshot import Snapshot

if TYPE_CHECKING:
    from vlab.machine.computer import Computer
    from vlab.machine.machine import Machine, Stop

MOST = 32  # checkpoints
MOST_PAGES = (256 << 20) // PAGE  # that all of them together hold
SPACING = 20_000  # steps, to begin with


class Typed(NamedTuple):
    """Text typed at a computer's console after so many steps of the machine."""

    step: int
    computer: "Computer"
    text: str


class Checkpoint(NamedTuple):
    """A snapshot, and how much of the input log it has seen."""

    snapshot: Snapshot
    typed: int


class History:
    """The past of one machine: checkpoints by step, and the log of its input."""

    def __init__(self, machine: "Machine", spacing: int = SPACING):
        self._machine = machine
        self._first_spacing = spacing
        self.begin()

    def begin(self) -> None:
        """Begin anew: what the machine is now doesn't follow from its past."""
        self.spacing = self._first_spacing
        self.checkpoints: dict[int, Checkpoint] = {}
        self.input: list[Typed] = []
        self._seen = 0  # how much of `input` the machine has been given
        self._due = 0  # the step at which the next checkpoint is due

    def note(self) -> None:
        """Keep a checkpoint if one is due."""
        step = self._machine.steps
        if step < self._due:
            return
        self.checkpoints[step] = Checkpoint(self._machine.snapshot(), self._seen)
        while len(self.checkpoints) > 1 and (len(self.checkpoints) > MOST or self._pages() > MOST_PAGES):
            self.checkpoints = {at: self.checkpoints[at] for at in sorted(self.checkpoints)[::2]}
            self.spacing *= 2
        self._due = step + self.spacing

    def _pages(self) -> int:
        """How many pages the checkpoints hold, those that they share counted once."""
        held = [checkpoint.snapshot.pages for checkpoint in self.checkpoints.values()]
        if sum(map(len, held)) <= MOST_PAGES:
            return 0  # few enough, even if they share none
        return len({id(page) for pages in held for page in pages.values()})

    def typed(self, computer: "Computer", text: str) -> None:
        """Remember what is typed now; what came later, in a future that was rewound, is forgotten."""
        now = self._machine.steps
        self.input = [*self.input[: self._seen], Typed(now, computer, text)]
        self._seen += 1
        self.checkpoints = {step: kept for step, kept in self.checkpoints.items() if step < now}
        self._due = min(self._due, now)

    def retype(self) -> int | None:
        """In a future that was rewound: type what was typed by now. The step of what is typed next, or None."""
        for typed in self.input[self._seen :]:
            if typed.step > self._machine.steps:
                return typed.step
            typed.computer.uart.type(typed.text)
            self._seen += 1
        return None

    def goto(self, target: int) -> "Stop":
        """Go to the state after `target` attempted instructions, backwards or forwards.

        If they end within a resident's work, which is one step, go to where that began.
        """
        machine = self._machine
        if target < machine.steps:
            self._rewind(target)
        stop = machine.run(target - machine.steps)
        if machine.steps > target:
            began = machine.resident_since
            self._rewind(began)
            stop = machine.run(began - machine.steps)
        return stop

    def _rewind(self, target: int) -> None:
        """Restore the last checkpoint at or before a step."""
        found = [step for step in self.checkpoints if step <= target]
        if not found:
            raise VlabError(
                _("There is no checkpoint at or before step {step}.").format(step=target),
                mend=_("The first one is made when the machine first runs."),
            )
        checkpoint = self.checkpoints[max(found)]
        restore_computer(self._machine, checkpoint.snapshot)
        self._seen = checkpoint.typed
