"""What a stepper steps through: events of a recording, references of a walk, or pictures one after the other.

A *sheet* is one drawing; many frames may share it and differ only in what is lit. So a browser moves from
frame to frame by lighting marks, and few drawings need to be made and sent.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from vlab.events import CsrWrite, Entry, Event, Recording
from vlab.language import _
from vlab.machine import GATE
from vlab.paging import G_STAGE, VS_STAGE, Walk, rule_text
from vlab.views import words
from vlab.views.addresses.chain import walk_picture
from vlab.views.drawing.picture import Picture
from vlab.views.runs.ladder import WINDOW, Ladder, stretch

STRIDE = 16  # events that share a sheet of the ladder; the rest of the sheet is what comes before and after
_STRIP = 4  # pictures in a film strip at most


class Frame(NamedTuple):
    """One position of a stepper: what stands there, in a sentence and in detail, and which marks are lit."""

    subject: object
    sheet: int
    lit: dict[str, list[int]]
    sentence: str
    detail: str
    wrote: dict[str, int] = {}  # noqa: RUF012 - of a state: who wrote each register, CSR and word, as a position


class Frames(Protocol):
    """Frames by position, made when asked for."""

    stops: dict[str, list[int]]

    def __len__(self) -> int: ...

    def frame(self, at: int) -> Frame:
        """The frame at a position."""

    def sheet(self, number: int) -> Picture:
        """A drawing, with nothing lit."""

    def picture(self, at: int) -> Picture:
        """The drawing of a frame, lit."""

    def strip(self, at: int) -> list[tuple[Picture, str]]:
        """Pictures with captions that tell the story on paper."""


class EventFrames:
    """A recording, event by event, on the trap ladder."""

    def __init__(self, recording: Recording):
        self.ladder = Ladder(recording)
        self.events = recording.events
        kinds = {"exit": "Exit", "trap": "Trap"}
        self.stops = {
            stop: [number for number, event in enumerate(self.events) if event.kind == kind]
            for stop, kind in kinds.items()
        }
        self.stops["switch"] = context_switches(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def _stretch(self, sheet: int) -> tuple[int, int]:
        return stretch(len(self), sheet * STRIDE + STRIDE // 2, WINDOW)

    def frame(self, at: int) -> Frame:
        """One event, its fields, and what hangs together with it."""
        event, sheet = self.events[at], at // STRIDE if len(self) > WINDOW else 0
        _first, last = self._stretch(sheet)
        detail = words.event_table(event) + words.relations_html(self.ladder.causes, at)
        return Frame(event, sheet, self.ladder.lit(at, last), words.event_sentence(event), detail)

    def sheet(self, number: int) -> Picture:
        """The ladder of the events that share it."""
        return self.ladder.picture(*self._stretch(number))

    def picture(self, at: int) -> Picture:
        """The sheet of an event, lit."""
        return self.ladder.picture(*self._stretch(self.frame(at).sheet), at)

    def strip(self, at: int) -> list[tuple[Picture, str]]:
        """The ladder around the position, and as much again after it."""
        first = max(0, min(at - at % WINDOW, len(self) - WINDOW))
        stretches = [(f, min(f + WINDOW, len(self))) for f in (first, first + WINDOW) if f < len(self)]
        return [(self.ladder.picture(*s, at if s[0] <= at < s[1] else None), "") for s in stretches]


class WalkFrames:
    """A page-table walk, reference by reference, and then its result."""

    def __init__(self, walk: Walk):
        self.walk = walk
        self.stops: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self.walk.steps) + 1

    def frame(self, at: int) -> Frame:
        """One reference, or after the last one the whole walk."""
        steps = self.walk.steps
        if at == len(steps):
            return Frame(self.walk, 0, {"lit": [at]}, repr(self.walk), "")
        step = steps[at]
        said = {
            VS_STAGE: _(
                "Reference {number} of {count}, the guest's table (VS-stage), level {level}, entry {index} at "
                "GPA {address:#x}, read at HPA {hpa:#x}: {why}."
            ),
            G_STAGE: _(
                "Reference {number} of {count}, the host's table (G-stage) for GPA {gpa:#x}, level {level}, "
                "entry {index} at HPA {address:#x}: {why}."
            ),
        }
        one = _("Reference {number} of {count}, level {level}, entry {index} at {address:#x}: {why}.")
        sentence = (said.get(step.stage, one) if self.walk.host else one).format(
            number=at + 1, count=len(steps), why=rule_text(step.rule, self.walk.scheme), **step._asdict()
        )
        return Frame(step, 0, {"lit": [at]}, sentence, "")

    def sheet(self, number: int) -> Picture:
        """The walk; all frames share it."""
        return walk_picture(self.walk)

    def picture(self, at: int) -> Picture:
        """The walk, with one reference lit."""
        return walk_picture(self.walk, at)

    def strip(self, at: int) -> list[tuple[Picture, str]]:
        """The walk."""
        return [(self.picture(at), "")]


class PictureFrames:
    """Pictures, one after the other, each drawn when it is first asked for; `subject` is what a picture shows."""

    def __init__(self, subjects: Sequence[Any], drawings: Sequence[Callable[[], Picture]]):
        self.subjects = subjects
        self.stops: dict[str, list[int]] = {}
        self._drawings = drawings
        self._drawn: dict[int, Picture] = {}

    def __len__(self) -> int:
        return len(self.subjects)

    def frame(self, at: int) -> Frame:
        """One thing with its picture."""
        return Frame(self.subjects[at], at, {}, self.sheet(at).sentence, "")

    def sheet(self, number: int) -> Picture:
        """The picture of one thing."""
        if number not in self._drawn:
            self._drawn[number] = self._drawings[number]()
        return self._drawn[number]

    picture = sheet  # nothing in it can be lit

    def strip(self, at: int) -> list[tuple[Picture, str]]:
        """A few pictures from the first to the last."""
        last, count = len(self) - 1, min(_STRIP, len(self))
        chosen = sorted({round(last * n / max(1, count - 1)) for n in range(count)})
        return [(self.sheet(n), f"{n} / {last}: {self.sheet(n).sentence}") for n in chosen]


def context_switches(events: Sequence[Event]) -> list[int]:
    """Where another address space or another VM takes over: software puts another root into `satp`, or a
    hypervisor lets another guest run on. A resident that loads a shadow table changes nobody's address space.
    """
    found, guests = [], dict[int, str]()
    for number, event in enumerate(events):
        if isinstance(event, CsrWrite) and event.name == "satp":
            switched = event.before != event.after and event.pc != GATE
        elif isinstance(event, Entry):
            switched = guests.get(event.level, event.vm) != event.vm
            guests[event.level] = event.vm
        else:
            continue
        if switched:
            found.append(number)
    return found
