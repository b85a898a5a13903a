"""Rewinding: the nearest checkpoint, and a replay from there.

Checkpoints are spaced by work done: instructions, what Python does for them (a device's access, a resident's turn),
pages to copy, and the size of the state beside them. It is counted, never timed. Near the present they are dense, and
the further away the sparser: so there are few, and a step back costs about one spacing of replay however long the run
was. Who goes back further leaves new ones on the way, ever closer to the target: the next
step back is a short one again. They share the pages that nobody wrote between them, and where all of them hold too
much memory they become sparser.
What came from outside, typed text or packets, is a log, and comes again; where it becomes too long, its older half is
forgotten, with the past that it belongs to. What was changed by hand is in no log.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from vlab.events import Recording
from vlab.language import VlabError, _
from vlab.machine.interruptible import Interruptible
from vlab.machine.memory import PAGE
from vlab.machine.pages import Pages
from vlab.machine.restoring import restore_computer
from vlab.machine.snapshot import Snapshot
from vlab.machine.stop import Stop
from vlab.machine.writes import last_write

if TYPE_CHECKING:
    from vlab.machine.computer import Computer
    from vlab.machine.machine import Machine

MOST = 256  # checkpoints
MOST_PAGES = (256 << 20) // PAGE  # that all of them together hold
SPACING = 20_000  # steps between checkpoints near the present, for an engine of the interpreter's pace
COPY = 1_000  # steps that are as much work as twenty copies of a page, with what its next store then costs
PARTS = 25  # of a state that is kept half as often as one of none: those of hypervisors have many
# What is as much work as so many steps of the interpreter:
LOOP_WORK = 50  # a turn of the machine's loop
TURN_WORK = 20  # a turn of a resident to which native code lends its state
ISSUE_WORK = 5  # an instruction that a resident issues
AHEAD_WORK = 30  # an instruction that a hypervisor interprets before it enters its guest
STORE_WORK = 10  # a store to a device, native code waiting for it
MOST_ARRIVALS = 1 << 14  # that are remembered: another machine may send for ever
GRAIN = 16  # far away, checkpoints are as far apart as this part of their distance from the present


class Arrival(NamedTuple):
    """What came from outside to a device of a computer, after so many steps of the machine, at that time of it."""

    step: int
    time: int
    computer: "Computer"
    device: str
    data: bytes


class Checkpoint(NamedTuple):
    """A snapshot, how much of the input log it has seen, and its `large` bytes beside memory: their sizes by id.

    Its `parts` are so many containers of plain data: what a snapshot costs where no page was written. `toil` is what
    Python had done by then: see `Machine.toil`.
    """

    snapshot: Snapshot
    arrived: int
    large: dict[int, int]
    parts: int
    toil: int


def checkpoint_of(machine: "Machine", arrived: int) -> Checkpoint:
    """A checkpoint of now."""
    snapshot, large = machine.snapshot(), dict[int, int]()
    return Checkpoint(snapshot, arrived, large, _parts(snapshot.state, large), machine.toil)


def _parts(part: Any, large: dict[int, int]) -> int:
    """How many containers a state has; and where it has bytes of a page or more, such as what was printed.

    Memory's own pages are counted apart; and one resident's state behind two modes is one.
    """
    kind = type(part)
    if kind is dict:
        return 1 + sum(
            _parts(value, large) for value in {id(value): value for value in part.values()}.values()
        )
    if kind is list and part and type(part[0]) in (dict, list):
        if type(part[0]) is list and set(map(type, part[0])) == {int}:
            return 1 + len(part)  # rows of numbers, as those of a TLB
        return 1 + sum(_parts(value, large) for value in part)
    if kind is bytes and len(part) >= PAGE:
        large[id(part)] = len(part)
    return kind is list


def _changed_pages(before: Checkpoint, after: Checkpoint) -> int:
    """How many pages of memory are not the same in both."""
    one, other = Pages.of(before.snapshot.pages), Pages.of(after.snapshot.pages)
    return sum(1 for _page in one.differing(other))


def _copied(before: Checkpoint, after: Checkpoint) -> int:
    """How many pages' worth was copied for a checkpoint, given the one before."""
    beside = sum(size for place, size in after.large.items() if place not in before.large)
    return _changed_pages(before, after) + beside // PAGE


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
        self.seen = 0  # how much of `input` the machine has been given
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
        self.spacing, self._grain = self._first_spacing * self.machine.pace, GRAIN
        self.checkpoints: dict[int, Checkpoint] = {}
        self._changed: dict[tuple[int, int], int] = {}  # pages that differ between neighbours
        self._forget_arrivals()
        self.input, self.seen = [], 0
        self.machine.toil = 0
        self.due = 0  # the work after which the next checkpoint is due

    @property
    def replaying(self) -> bool:
        """Whether more came, in the future that was rewound, and will come again."""
        return self.seen < len(self.input)

    @property
    def work(self) -> int:
        """The work that led to the machine's present state, in instructions of its engine, about."""
        return self.machine.steps + self.machine.pace * self.machine.toil

    def _work(self, step: int) -> int:
        """The work that led to a checkpoint."""
        return step + self.machine.pace * self.checkpoints[step].toil

    def note(self) -> int:
        """Keep a checkpoint if one is due. How much work may be done until the next one is."""
        left = self.due - self.work
        if left > 0:
            return left
        before = self.checkpoints[max(self.checkpoints)] if self.checkpoints else None
        now = self._keep(self.machine.steps)
        left = self.spacing + self.spacing * now.parts // PARTS
        left += COPY * self.machine.pace * _copied(before or now, now)
        self.due = self.work + left
        return left

    def _keep(self, step: int) -> Checkpoint:
        """Keep a checkpoint of now, and drop those that nobody needs any more."""
        now = self.checkpoints[step] = checkpoint_of(self.machine, self.seen)
        steps = self._needed(sorted(self.checkpoints), step)
        while len(steps) > 2 and (len(steps) > MOST or self._pages(steps) > MOST_PAGES):
            if self._grain > 1:
                self._grain //= 2
            else:
                self.spacing *= 2
            steps = self._needed(steps, step)
        self.checkpoints = {at: self.checkpoints[at] for at in steps}
        self._changed = {pair: self._changed[pair] for pair in pairwise(steps) if pair in self._changed}
        return now

    def _needed(self, steps: list[int], now: int) -> list[int]:
        """The first one, the last one, and those without which two neighbours would be too far apart."""
        # What was done at leisure once, took less work when it was replayed.
        gaps = (max(after - step, self._work(after) - self._work(step)) for step, after in pairwise(steps))
        places = dict(zip(steps, accumulate(gaps, initial=0), strict=True))
        kept, here = steps[:1], places[now]
        for step, after in pairwise(steps[1:]):
            before, behind = places[kept[-1]], places[after]
            distance = min(abs(here - before), abs(here - behind)) if not before < here < behind else 0
            if behind - before > max(self.spacing, distance // self._grain):
                kept.append(step)
        return kept + steps[1:][-1:]

    def _pages(self, steps: list[int]) -> int:
        """How many pages the checkpoints hold at most, those counted once that neighbours share."""
        first = self.checkpoints[steps[0]].snapshot.pages
        large: dict[int, int] = {}
        for step in steps:
            large |= self.checkpoints[step].large
        beside = sum(large.values()) // PAGE
        return len(first) + sum(self._pages_between(*pair) for pair in pairwise(steps)) + beside

    def _pages_between(self, before: int, after: int) -> int:
        """How many pages differ from one checkpoint to another."""
        if (before, after) not in self._changed:
            self._changed[before, after] = _changed_pages(self.checkpoints[before], self.checkpoints[after])
        return self._changed[before, after]

    def _forget_arrivals(self) -> None:
        """The future that was rewound is no more."""
        forgotten = self.input[self.seen :]
        if not self.apart:
            for line in self.lines:
                line.forgotten(self.machine, forgotten)

    def _forget_beginning(self) -> None:
        """Of the log the older half is forgotten, and the checkpoints from which it would be needed."""
        kept = {step: one for step, one in self.checkpoints.items() if one.arrived >= MOST_ARRIVALS // 2}
        gone = min((one.arrived for one in kept.values()), default=self.seen)
        self.input, self.seen = self.input[gone:], self.seen - gone
        self.checkpoints = {step: one._replace(arrived=one.arrived - gone) for step, one in kept.items()}

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
        self.input = [*self.input[: self.seen], arrival]
        self.seen += 1
        self.checkpoints = {step: kept for step, kept in self.checkpoints.items() if step < now}
        if len(self.input) > MOST_ARRIVALS:
            self._forget_beginning()
        self.due = min(self.due, self.work)
        computer.deliver(device, bytes(data))

    def deliver(self) -> int | None:
        """In a future that was rewound: hand over what came by now. The step of what comes next, or None."""
        for arrival in self.input[self.seen :]:
            if arrival.step > self.machine.steps:
                return arrival.step
            if not self.machine.sleep_until(arrival.time):
                return None
            arrival.computer.deliver(arrival.device, arrival.data)
            self.seen += 1
        return None

    def goto(self, target: int) -> "Stop":
        """Go to the state after `target` attempted instructions, backwards or forwards.

        If they end within a resident's work, which is one step, go to where that began.
        """
        machine = self.machine
        if target < machine.steps:
            self.rewind(target)
        stop = self._approach(target)
        if machine.steps > target:
            began = machine.resident_since
            self.rewind(began)
            stop = machine.run(began - machine.steps)
        return stop

    def _approach(self, target: int) -> "Stop":
        """Run to a step; in the past, leave checkpoints on the way, each half as far from it as the one before.

        How much work is left, nobody knows: so it is halved as long as that may be much, and where it was not, no
        checkpoint is left.
        """
        machine, since = self.machine, self.work
        few = max(1, self.spacing // (machine.pace * LOOP_WORK))  # even if Python must do each of them
        while not self.apart and target - machine.steps > few and self.work < self.due:
            stop = machine.run((target - machine.steps) // 2)
            if stop is not Stop.LIMIT or self.work >= self.due:
                break
            if self.work - since > self.spacing // 2:
                self._keep(machine.steps)
                since = self.work
        return machine.run(max(0, target - machine.steps))

    def rewind(self, target: int) -> None:
        """Restore the last checkpoint at or before a step."""
        found = [step for step in self.checkpoints if step <= target]
        if not found:
            raise VlabError(
                _("There is no checkpoint at or before step {step}.").format(step=target),
                mend=_("The earliest one is of step {step}.").format(step=min(self.checkpoints))
                if self.checkpoints
                else _("The first one is made when the machine first runs."),
            )
        checkpoint = self.checkpoints[max(found)]
        restore_computer(self.machine, checkpoint.snapshot)
        self.seen, self.machine.toil = checkpoint.arrived, checkpoint.toil
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
            before, since, toil = machine.snapshot(), machine.resident_since, machine.toil
            kept = self.seen, self.due, self.input, self.checkpoints
            self.due = sys.maxsize
            self.apart += 1
            try:
                yield recording
            finally:
                self.apart -= 1
                with Interruptible():
                    restore_computer(machine, before)
                    machine.resident_since, machine.toil = since, toil
                    self.seen, self.due, self.input, self.checkpoints = kept

    def last_store(self, address: int) -> int | None:
        """The step that last stored to the double word at a physical address; None if none since the beginning.

        A store by a resident belongs to the step at which its work began. Raises VlabError where there is no memory.
        """
        found = last_write(self.machine, address)
        return None if found is None else found[0]
