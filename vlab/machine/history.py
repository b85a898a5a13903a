"""Rewinding: the nearest checkpoint, and a replay from there.

Checkpoints are spaced by work done. When there are many, every other one is dropped and the spacing doubles: their number
stays bounded, and a step back costs at most about one spacing of replay. What was typed is a log, and is typed again.
"""

from typing import TYPE_CHECKING, NamedTuple

from vlab.language import VlabError, _
from vlab.machine.snapshot import Snapshot

if TYPE_CHECKING:
    from vlab.machine.machine import Machine, Stop

MOST = 32


class Typed(NamedTuple):
    """Text typed at the console after so many steps."""

    step: int
    text: str


class Checkpoint(NamedTuple):
    """A snapshot, and how much of the input log it has seen."""

    snapshot: Snapshot
    typed: int


class History:
    """The past of one machine: checkpoints by step, and the log of its input."""

    def __init__(self, machine: "Machine", spacing: int = 20_000):
        self._machine = machine
        self.spacing = spacing
        self.checkpoints: dict[int, Checkpoint] = {}
        self.input: list[Typed] = []
        self._seen = 0  # how much of `input` the machine has been given
        self._due = 0  # the step at which the next checkpoint is due

    def note(self) -> None:
        """Keep a checkpoint if one is due."""
        step = self._machine.steps
        if step < self._due:
            return
        if len(self.checkpoints) >= MOST:
            self.checkpoints = {at: self.checkpoints[at] for at in sorted(self.checkpoints)[::2]}
            self.spacing *= 2
        self.checkpoints[step] = Checkpoint(self._machine.snapshot(), self._seen)
        self._due = step + self.spacing

    def typed(self, text: str) -> None:
        """Remember what is typed now; what was typed later, in a future that was rewound, is forgotten."""
        now = self._machine.steps
        self.input = [*self.input[: self._seen], Typed(now, text)]
        self._seen += 1
        self.checkpoints = {step: kept for step, kept in self.checkpoints.items() if step < now}
        self._due = min(self._due, now)

    def next_input(self) -> Typed | None:
        """What the log will type next, in a future that was rewound."""
        return self.input[self._seen] if self._seen < len(self.input) else None

    def retyped(self) -> None:
        """The log's next input has been typed."""
        self._seen += 1

    def goto(self, target: int) -> "Stop":
        """Go to the state after `target` attempted instructions, backwards or forwards."""
        machine = self._machine
        if target < machine.steps:
            found = [step for step in self.checkpoints if step <= target]
            if not found:
                raise VlabError(
                    _("There is no checkpoint at or before step {step}.").format(step=target),
                    mend=_("The first one is made when `run` is first called."),
                )
            checkpoint = self.checkpoints[max(found)]
            machine.restore(checkpoint.snapshot)
            self._seen = checkpoint.typed
        return machine.run(target - machine.steps)
