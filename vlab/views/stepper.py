"""Stepping through a run or a walk, in a notebook by mouse and keyboard, and in code by the same verbs.

In a live notebook a stepper is one small widget: plain buttons and a slider, made by the browser, which keeps
the frames that it has seen and asks for the next ones before they are needed; so moving waits for no kernel.
What a notebook stores, and shows where no kernel runs, is a film strip (see `vlab.views.picture`).
"""

from bisect import bisect_right
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from vlab.display import Bundle
from vlab.events import Recording
from vlab.language import VlabError, _
from vlab.paging import Walk
from vlab.views.drawn import picture_of
from vlab.views.frames import EventFrames, Frames, PictureFrames, WalkFrames
from vlab.views.picture import Picture, stack

if TYPE_CHECKING:
    from vlab.views.widget import StepperWidget


class Stepper:
    """Steps through a `Recording`, a `Walk`, or a list of things that have pictures.

    The verbs `goto`, `first`, `back`, `next`, `last`, `next_exit`, `next_trap` move, also the widget on the
    page, and return what stands there: the event, the reference, the thing. Positions count from 0, as in the
    recording. Raises VlabError where there is nothing to step through.
    """

    def __init__(self, subject: Recording | Walk | Iterable[Any], at: int = 0):
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
            from vlab.views.widget import StepperWidget

            self._widget = StepperWidget(self._frames, self._at)
            self._widget.observe(lambda change: self.goto(change.new), "at")
        return self._widget

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        shown, metadata = self.strip()._repr_mimebundle_()
        try:
            view = self.widget._repr_mimebundle_()
        except ImportError:
            view = None
        live = view[0] if isinstance(view, tuple) else view
        return (live or {}) | shown, metadata


def _frames(subject: Recording | Walk | Iterable[Any]) -> Frames:
    if isinstance(subject, Recording):
        return EventFrames(subject)
    if isinstance(subject, Walk):
        return WalkFrames(subject)
    subjects = list(subject)
    return PictureFrames(subjects, [picture_of(thing) for thing in subjects])
