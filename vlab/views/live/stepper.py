"""Stepping through a run, a walk or a computer, in a notebook by mouse and keyboard, in code by the same verbs.

In a live notebook a stepper is one small widget: plain buttons and a slider, made by the browser, which keeps
the frames that it has seen and asks for the next ones before they are needed; so moving waits for no kernel.
What a notebook stores, and shows where no kernel runs, is a film strip (see `vlab.views.drawing.picture`).
"""

from bisect import bisect_right
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from vlab.display import Bundle
from vlab.events import Recording
from vlab.language import VlabError, _
from vlab.machine import Computer
from vlab.operations import Snapshots
from vlab.paging import Walk
from vlab.riscv import Program
from vlab.views.computers.comparison import Comparison
from vlab.views.computers.sidebyside import CompareFrames
from vlab.views.computers.snapshots import SnapshotFrames
from vlab.views.computers.stateframes import StateFrames
from vlab.views.computers.states import States
from vlab.views.drawing.picture import Picture, stack
from vlab.views.drawn import drawing_of
from vlab.views.live.frames import EventFrames, Frames, PictureFrames, WalkFrames
from vlab.views.live.live import live_bundle, size_of

if TYPE_CHECKING:
    from vlab.views.live.stepperwidget import StepperWidget


class Stepper:
    """Steps through a `Recording`, a `Walk`, a computer, a `Comparison`, or a list of things that have pictures.

    The verbs `goto`, `first`, `back`, `next`, `last`, `next_exit`, `next_trap`, `next_context_switch`,
    `next_difference`, `who_wrote` move, also the widget on the page, and return what stands there: the event,
    the reference, the computer's `Look`. Positions count from 0. `size` is "normal" or, for the back row, "lecture".

    A computer (a machine or a virtual machine) is recorded for `steps` of its own instructions from where it
    stands, and is left as it was found: to put it where you look, `machine.goto(stepper.subject.machine_step)`.
    `memory` is the virtual address where its memory window begins (None: around sp), `program` what its labels
    are taken from (None: what it loaded).

    Raises VlabError where there is nothing to step through.
    """

    def __init__(
        self,
        subject: "Recording | Walk | Computer | States | Comparison | Iterable[Any]",
        at: int = 0,
        *,
        steps: int = 200,
        memory: int | None = None,
        program: Program | None = None,
        size: str = "normal",
    ):
        self._size = size_of(size)
        if isinstance(subject, Computer):
            subject = States(subject, steps, memory=memory, program=program)
        self._frames = _frames(subject)
        if not len(self._frames):
            raise VlabError(_("There is nothing to step through."), mend=_("Record a run, or give pictures."))
        self._at = 0
        self._widget: StepperWidget | None = None
        self.goto(at)

    def __len__(self) -> int:
        return len(self._frames)

    def __repr__(self) -> str:
        return _("Stepper over {count} positions, at {at}: {sentence}").format(
            count=len(self), at=self._at, sentence=self.sentence
        )

    @property
    def at(self) -> int:
        """The position, counted from 0."""
        return self._at

    @property
    def subject(self) -> Any:
        """What stands at this position: the event, the reference, the computer's Look, the thing."""
        return self._frames.frame(self._at).subject

    @property
    def picture(self) -> Picture:
        """The picture at this position."""
        return self._frames.picture(self._at)

    @property
    def sentence(self) -> str:
        """What stands at this position, in one sentence."""
        return self._frames.frame(self._at).sentence

    def goto(self, at: int) -> Any:
        """Move to a position. Raises VlabError where there is none."""
        if at not in range(len(self)):
            what = _("There is no position {at!r} to go to.").format(at=at)
            raise VlabError(what, mend=_("Choose one from 0 to {last}.").format(last=len(self) - 1))
        self._at = at
        if self._widget is not None:
            self._widget.at = at
        return self._frames.frame(at).subject

    def first(self) -> Any:
        """Move to the beginning."""
        return self.goto(0)

    def back(self) -> Any:
        """Move one position back; at the beginning, stay."""
        return self.goto(max(0, self._at - 1))

    def next(self) -> Any:
        """Move one position on; at the end, stay."""
        return self.goto(min(len(self) - 1, self._at + 1))

    def last(self) -> Any:
        """Move to the end."""
        return self.goto(len(self) - 1)

    def next_exit(self) -> Any:
        """Move to the next VM exit; where none follows, stay."""
        return self._next("exit")

    def next_trap(self) -> Any:
        """Move to the next trap of the real hart; where none follows, stay."""
        return self._next("trap")

    def next_context_switch(self) -> Any:
        """Move to where another address space (`satp` gets another value) or another VM takes over, or stay."""
        return self._next("switch")

    def next_difference(self) -> Any:
        """In a comparison: move to where two runs that were alike differ next; where none follows, stay."""
        return self._next("difference")

    def who_wrote(self, what: str | int) -> Any:
        """Move to the position right after the last write of a register, a CSR, or a double word of memory.

        `what` is a name, or an address: one that the memory window shows, or else a physical one. A write of
        the same value counts. At that position, stay. Raises VlabError where nobody wrote it since the first
        position (it says at which step of the machine it was, if that is known), and where no states are.
        """
        if not isinstance(self._frames, StateFrames):
            raise VlabError(
                _("Only of a computer's states is it known who wrote what."),
                mend=_("Write Stepper(machine)."),
            )
        found = self._frames.states.who_wrote(what, self._at)
        if found is None:
            raise self._frames.states.not_written(what, self._at)
        return self.goto(found)

    def _next(self, stop: str) -> Any:
        stops = self._frames.stops.get(stop, [])
        place = bisect_right(stops, self._at)
        return self.goto(stops[place] if place < len(stops) else self._at)

    def strip(self) -> Picture:
        """The film strip: what a notebook stores, and what paper shows."""
        pictures, captions = zip(*self._frames.strip(self._at), strict=True)
        return stack(list(pictures), list(captions), repr(self))

    @property
    def widget(self) -> "StepperWidget":
        """The live widget, made when first asked for. Needs anywidget."""
        if self._widget is None:
            from vlab.views.live.stepperwidget import StepperWidget

            self._widget = StepperWidget(self._frames, self._at, self._size)
            self._widget.observe(lambda change: self.goto(change.new), "at")
        return self._widget

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        return live_bundle(self.strip()._repr_mimebundle_(), lambda: self.widget)


def _frames(subject: object) -> Frames:
    if isinstance(subject, States):
        return StateFrames(subject)
    if isinstance(subject, Comparison):
        return CompareFrames(subject)
    if isinstance(subject, Recording):
        return EventFrames(subject)
    if isinstance(subject, Walk):
        return WalkFrames(subject)
    if isinstance(subject, Snapshots):
        return SnapshotFrames(subject)
    subjects = list(subject) if isinstance(subject, Iterable) else []
    return PictureFrames(subjects, [drawing_of(thing) for thing in subjects])
