"""Rewinding: the nearest checkpoint, and a replay from there.

Checkpoints are spaced by work done. When there are many, or they hold much memory, every other one is dropped
and the spacing doubles: so they stay bounded, and a step back costs at most about one spacing of replay. What
came from outside, typed text or packets, is a log, and comes again. What was changed by hand is in no log.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from vlab.events import Recording
from vlab.language import VlabError, _
from vlab.machine.computer import standing
from vlab.machine.interruptible import Interruptible
from vlab.machine.memory import PAGE
from vlab.machine.restoring import restore_computer
from vlab.machine.snapshot import Snapshot

if TYPE_CHECKING:
    from vlab.machine.computer import Computer
    from vlab.machine.machine import Machine, Stop

MOST = 32  # checkpoints
MOST_PAGES = (256 << 20) // PAGE  # that all of them together hold
SPACING = 20_000  # steps, to begin with


class Arrival(NamedTuple):
    """What came from outside to a device of a computer, after so many steps of the machine, at that time of it."""

    step: int
    time: int
    computer: "Computer"
    device: str
    data: bytes


class Checkpoint(NamedTuple):
    """A snapshot, and how much of the input log it has seen."""

    snapshot: Snapshot
    arrived: int


class Line(Protocol):
    """What leads to a machine from others, such as a network: it has a past of its own, which goes by theirs."""

    def bring(self, machine: "Machine", time: int) -> None:
        """Give the machine what was sent to it before `time`, at which it stands, or until which it sleeps."""

    def under_way(self, machine: "Machine") -> bool:
        """Whether something was sent to the machine and has not come yet."""

    def rewound(self, machine: "Machine") -> None:
        """The machine is where it was at its present time, and will do again what it did."""

    def forgotten(self, machine: "Machine", arrivals: Sequence[Arrival]) -> None:
        """What the machine did after its present time is no more, nor are these arrivals."""


class History:
    """The past of one machine: checkpoints by step, and the log of its input."""

    def __init__(self, machine: "Machine", spacing: int = SPACING):
        self.machine = machine
        self._first_spacing = spacing
        self.lines: list[Line] = []
        self.rewinds = 0  # how often it went back
        self.apart = 0  # looks ahead or back that are open: what happens in them is undone
        self.input: list[Arrival] = []
        self._seen = 0  # how much of `input` the machine has been given
        self.begin()

    def __repr__(self) -> str:
        if not self.checkpoints:
            return _("The past of a machine: nothing to go back to yet")
        first, last = min(self.checkpoints), max(self.checkpoints)
        return _("The past of a machine: {count} checkpoints, from step {first} to step {last}").format(
            count=len(self.checkpoints), first=first, last=last
        )

    def begin(self) -> None:
        """Begin anew: what the machine is now doesn't follow from its past."""
        self.spacing = self._first_spacing
        self.checkpoints: dict[int, Checkpoint] = {}
        self._forget_arrivals()
        self.input, self._seen = [], 0
        self._due = 0  # the step at which the next checkpoint is due

    @property
    def replaying(self) -> bool:
        """Whether more came, in the future that was rewound, and will come again."""
        return self._seen < len(self.input)

    def note(self) -> None:
        """Keep a checkpoint if one is due."""
        step = self.machine.steps
        if step < self._due:
            return
        self.checkpoints[step] = Checkpoint(self.machine.snapshot(), self._seen)
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

    def _forget_arrivals(self) -> None:
        """The future that was rewound is no more."""
        forgotten = self.input[self._seen :]
        if not self.apart:
            for line in self.lines:
                line.forgotten(self.machine, forgotten)

    def arrived(self, computer: "Computer", device: str, data: bytes, time: int = 0) -> None:
        """Something comes from outside now: remember it, and hand it to the device of this name.

        To a machine that sleeps it may come later, at `time`. What came later, in a future that was rewound, is
        forgotten. VlabError if nothing can come to the device.
        """
        computer.receiver(device)
        self._forget_arrivals()
        self.machine.sleep_until(time)
        now = self.machine.steps
        arrival = Arrival(now, self.machine.time, computer, device, bytes(data))
        self.input = [*self.input[: self._seen], arrival]
        self._seen += 1
        self.checkpoints = {step: kept for step, kept in self.checkpoints.items() if step < now}
        self._due = min(self._due, now)
        computer.deliver(device, bytes(data))

    def deliver(self) -> int | None:
        """In a future that was rewound: hand over what came by now. The step of what comes next, or None."""
        for arrival in self.input[self._seen :]:
            if arrival.step > self.machine.steps:
                return arrival.step
            if not self.machine.sleep_until(arrival.time):
                return None
            arrival.computer.deliver(arrival.device, arrival.data)
            self._seen += 1
        return None

    def goto(self, target: int) -> "Stop":
        """Go to the state after `target` attempted instructions, backwards or forwards.

        If they end within a resident's work, which is one step, go to where that began.
        """
        machine = self.machine
        if target < machine.steps:
            self.rewind(target)
        stop = machine.run(target - machine.steps)
        if machine.steps > target:
            began = machine.resident_since
            self.rewind(began)
            stop = machine.run(began - machine.steps)
        return stop

    def rewind(self, target: int) -> None:
        """Restore the last checkpoint at or before a step."""
        found = [step for step in self.checkpoints if step <= target]
        if not found:
            raise VlabError(
                _("There is no checkpoint at or before step {step}.").format(step=target),
                mend=_("The first one is made when the machine first runs."),
            )
        checkpoint = self.checkpoints[max(found)]
        restore_computer(self.machine, checkpoint.snapshot)
        self._seen = checkpoint.arrived
        self.rewinds += 1
        if not self.apart:
            for line in self.lines:
                line.rewound(self.machine)

    @contextmanager
    def ahead(self) -> Iterator[Recording]:
        """Look ahead, or back: at the block's end the machine is as it was found, and no listener has heard.

        The recording holds the block's events. A block may run the machine, and be in another one's block.
        """
        machine = self.machine
        with machine.events.apart() as recording:
            before, since = machine.snapshot(), machine.resident_since
            kept = self._seen, self._due, self.input, self.checkpoints
            self._due = sys.maxsize
            self.apart += 1
            try:
                yield recording
            finally:
                self.apart -= 1
                with Interruptible():
                    restore_computer(machine, before)
                    machine.resident_since = since
                    self._seen, self._due, self.input, self.checkpoints = kept

    def last_store(self, address: int) -> int | None:
        """The step that last stored to the double word at a physical address; None if none since the beginning.

        Only an interval that may have changed the page is replayed, with the double word watched. A store by
        a resident belongs to the step at which its work began. Raises VlabError where there is no memory.
        """
        end, page = self.machine.steps, (address - self.machine.ram.base) // PAGE
        with self.ahead():
            later = self.machine.ram.pages().get(page)
            for step in sorted((step for step in self.checkpoints if step <= end), reverse=True):
                earlier = self.checkpoints[step].snapshot.pages.get(page)
                # A page that no interval wrote is the very same object. Zeros are kept nowhere: look.
                if later is None or earlier is not later:
                    found = self._last_store_between(step, end, address)
                    if found is not None:
                        return found
                later, end = earlier, step
        return None

    def _last_store_between(self, start: int, end: int, address: int) -> int | None:
        machine, found = self.machine, [-1]
        other = machine.ram.watched.get(address)

        def stored(there: int, value: int) -> None:
            found[0] = machine.steps - 1 if standing(machine) is None else machine.resident_since
            if other is not None:
                other(there, value)  # what a resident does on it is part of the run

        self.rewind(start)
        machine.ram.watch(address, stored)
        try:
            machine.run(end - machine.steps)
        finally:
            machine.ram.unwatch(address)
            if other is not None:
                machine.ram.watch(address, other)
        return None if found[0] < 0 else found[0]
