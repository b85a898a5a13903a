"""Interrupts on their way: pending → enabled → delivered → cleared, of the machine and of every VM.

An interrupt is pending from when its source raises it until its handler clears the source. It waits as long as
something holds it back: its own enable bit, the enable bit of the mode, or the mode of the hart (Privileged
ISA, 3.1.6.1 and 3.1.9). In a VM the hypervisor keeps it meanwhile and injects it when the guest will have it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from vlab import events as ev
from vlab.display import Bundle, one_line
from vlab.events import Event, Recording
from vlab.language import _
from vlab.riscv.privilege import cause_title
from vlab.views.drawing.grammar import LOOKS
from vlab.views.drawing.metrics import text_width, wrap
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, el, hatch, path, rect, text
from vlab.views.runs.timeline import HEAD, LEFT, MARGIN, PLOT, checked_window, time_axis

_LANE, _BAR, _TOP = 62, 22, 66
_SHOWN = 100  # interrupts in one picture: of a longer run, the beginning


@dataclass(frozen=True)
class Wait:
    """A time for which an interrupt was held back, and by what: "sie", "sstatus.SIE", "mode", … ("": by nothing)."""

    start: int
    end: int
    held_by: str


@dataclass(frozen=True)
class Journey:
    """One interrupt's way. Times are the machine's; None: not in the recording.

    `level` and `vm` say whose it is; `waits` lists what held it back, in order of time; `delivered` are the
    times of the traps (in a VM: injections) by which its handler was entered.
    """

    cause: int
    level: int
    vm: str
    pending: int | None
    waits: tuple[Wait, ...] = ()
    delivered: tuple[int, ...] = ()
    cleared: int | None = None

    @property
    def enabled(self) -> int | None:
        """When nothing held it back any more."""
        free = next((wait.start for wait in self.waits if not wait.held_by), None)
        return free if free is not None or not self.delivered else self.delivered[0]

    @property
    def waited(self) -> int:
        """For how long something held it back."""
        return sum(wait.end - wait.start for wait in self.waits if wait.held_by)

    def __repr__(self) -> str:
        title, whose = cause_title(self.cause), one_line(self.vm) or _("the machine")
        if self.pending is None:
            return _("{title} of {whose}: delivered at {time}").format(
                title=title, whose=whose, time=self.delivered[0]
            )
        said = _("{title} of {whose}: pending at {time}").format(title=title, whose=whose, time=self.pending)
        held = ", ".join(dict.fromkeys(_holder(wait) for wait in self.waits if wait.held_by))
        if held:
            said += ", " + _("held back for {waited} by {held}").format(waited=self.waited, held=held)
        if self.delivered:
            said += ", " + _("delivered at {time}").format(time=self.delivered[0])
        if self.cleared is not None:
            said += ", " + _("cleared at {time}").format(time=self.cleared)
        return said


class Interrupts:
    """The interrupts of a recording, as `Journey`s in the order in which they became pending.

    It is iterated, indexed and counted like a list; `between(start, end)` takes a part. In a notebook it draws
    itself: a lane for each source, the waiting hatched.
    """

    def __init__(self, recording: Recording | Iterable[Event]):
        events = list(recording)
        self.start = events[0].time if events else 0
        self.end = events[-1].time + 1 if events else 1
        self.journeys = tuple(_journeys(events, self.end))

    def __len__(self) -> int:
        return len(self.journeys)

    def __iter__(self) -> Iterator[Journey]:
        return iter(self.journeys)

    def __getitem__(self, index: int) -> Journey:
        return self.journeys[index]

    def __repr__(self) -> str:
        if not self.journeys:
            return _("Interrupts, time {start} to {end}: none.").format(start=self.start, end=self.end)
        if len(self.journeys) == 1:
            return _("Interrupts, time {start} to {end}: {journey}.").format(
                start=self.start, end=self.end, journey=self.journeys[0]
            )
        held = [journey for journey in self.journeys if journey.waited]
        return _(
            "Interrupts, time {start} to {end}: {count}; {delivered} delivered, "
            "{held} held back, for {waited} instructions in all."
        ).format(
            start=self.start,
            end=self.end,
            count=len(self.journeys),
            delivered=sum(bool(journey.delivered) for journey in self.journeys),
            held=len(held),
            waited=sum(journey.waited for journey in held),
        )

    def between(self, start: int, end: int) -> "Interrupts":
        """Those that are on their way at some moment from `start` up to, not including, `end`.

        Raises VlabError for what are no times.
        """
        part = Interrupts(())
        part.start, part.end = checked_window(start, max(end, start + 1))
        part.journeys = tuple(
            one for one in self.journeys if _first(one) < end and _last(one, self.end) >= start
        )
        return part

    def only(self, *, vm: str | None = None, level: int | None = None) -> "Interrupts":
        """Those of one VM (the machine's: vm=""), or of one level."""
        part = Interrupts(())
        part.start, part.end = self.start, self.end
        part.journeys = tuple(
            one for one in self.journeys if vm in (None, one.vm) and level in (None, one.level)
        )
        return part

    @property
    def picture(self) -> Picture:
        """A lane for each source; of a run with many interrupts, the time of the first hundred."""
        shown = self
        if len(self) > _SHOWN:
            shown = self.between(self.start, max(_first(self[_SHOWN]), self.start + 1))
            shown.journeys = shown.journeys[:_SHOWN]
        return shown._drawn(
            repr(self) if shown is self else f"{self!r} {_('Shown: {part}').format(part=shown)}"
        )

    def _drawn(self, sentence: str) -> Picture:
        sources = sorted({(one.level, one.vm, one.cause) for one in self.journeys})
        width, bottom = MARGIN + HEAD + PLOT + MARGIN, _TOP + _LANE * max(1, len(sources))
        shapes = [text(MARGIN, 26, _("Interrupts"), size=13, bold=True), *legend(width)]
        for lane, (level, vm, cause) in enumerate(sources):
            shapes += _head(_TOP + _LANE * lane, level, vm, cause)
            free = LEFT
            for journey in self.journeys:
                if (journey.level, journey.vm, journey.cause) == (level, vm, cause):
                    shapes += self._way(journey, _TOP + _LANE * lane, free)
                    free = max(free, self._x(_last(journey, self.end)))
        shapes += time_axis((self.start, self.end), bottom)
        top, lines = bottom + 46, wrap(sentence, width - 2 * MARGIN)
        shapes += [text(MARGIN, top + 17 * n, line, room=width - 2 * MARGIN) for n, line in enumerate(lines)]
        return Picture(tuple(shapes), width, top + 17 * len(lines), sentence)

    def _x(self, time: float) -> float:
        inside = min(max(time, self.start), self.end)
        return LEFT + PLOT * (inside - self.start) / (self.end - self.start)

    def _way(self, journey: Journey, top: float, free: float) -> Iterator[Element]:
        """One interrupt: the time it is pending, the waiting hatched, and where it is delivered.

        Left of `free` there is no room for words.
        """
        who = _who(journey.level)
        left, right = self._x(_first(journey)), self._x(_last(journey, self.end))
        yield rect(left, top + 14, max(1.5, right - left), _BAR, f"o-{who}")
        drawn = 0.0  # where the last mark ends: of a million on one point, one is seen
        for wait in journey.waits:
            if self._x(wait.end) < drawn + 1:
                continue
            drawn = self._x(wait.end)
            room = max(3.0, drawn - self._x(wait.start))  # a short one is seen too
            x = self._x(wait.end) - room
            if wait.held_by:
                yield from held(x, top + 14, room, _BAR)
                words = _holder(wait)
                if text_width(words, 10) + 4 < room:
                    yield text(x + 2, top + 9, words, size=10, ink="fault")
                elif x - text_width(words, 10) - 6 > free:
                    yield text(x - 4, top + 9, words, size=10, ink="fault", anchor="end")
                free = max(free, x + room)
        drawn = 0.0
        for time in journey.delivered:
            x = self._x(time)
            if self.start <= time < self.end and x >= drawn + 1:
                drawn = x
                yield from delivery(x, top + 12, who)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        return self.picture._repr_mimebundle_()


def _first(journey: Journey) -> int:
    return journey.delivered[0] if journey.pending is None else journey.pending


def _last(journey: Journey, end: int) -> int:
    """When it is over: cleared, or for one of which no more is known, the end; a lone delivery is a moment."""
    if journey.cleared is not None:
        return journey.cleared
    return end if journey.pending is not None else journey.delivered[-1]


@dataclass(slots=True)
class _Way:
    """A Journey that is still being told of."""

    cause: int
    level: int
    vm: str
    pending: int | None
    waits: list[Wait] = field(default_factory=list)
    delivered: list[int] = field(default_factory=list)
    cleared: int | None = None

    def end_wait(self, time: int) -> None:
        """The last wait, if it goes on, is over; one that took no time is none, unless nothing held it."""
        if not self.waits or self.waits[-1].end > self.waits[-1].start:
            return
        last = replace(self.waits.pop(), end=time)
        if last.end > last.start or not last.held_by:
            self.waits.append(last)

    def journey(self, end: int) -> Journey:
        """All that was told; what waits at the end of the recording, waits until there."""
        if self.cleared is None and not self.delivered:
            self.end_wait(end)
        told = tuple(self.waits), tuple(self.delivered), self.cleared
        return Journey(self.cause, self.level, self.vm, self.pending, *told)


_Open = dict[tuple[int, str, int], _Way]  # by level, VM and cause: the one on its way


def _journeys(events: list[Event], end: int) -> list[Journey]:
    """What the events tell of each interrupt, put together."""
    found: list[_Way] = []
    open_: _Open = {}
    guests: dict[int, str] = {}
    for number, event in enumerate(events):
        match event:
            case ev.InterruptChange():
                _changed(found, open_, event)
            case ev.Exit() | ev.Entry():
                guests[event.level] = event.vm
            case ev.Trap() if event.interrupt:
                vm = _receiver(events, number, guests) if event.level else ""
                _delivered(found, open_, event, vm)
    return [way.journey(end) for way in found]


def _changed(found: list[_Way], open_: _Open, event: ev.InterruptChange) -> None:
    key = (event.level, event.vm, event.cause)
    way = open_.get(key)
    if event.pending:
        if way is None:
            way = open_[key] = _Way(event.cause, event.level, event.vm, event.time)
            found.append(way)
        way.end_wait(event.time)
        way.waits.append(Wait(event.time, event.time, event.held_by))
    elif way is not None:
        del open_[key]
        if not way.delivered:
            way.end_wait(event.time)
        way.cleared = event.time


def _delivered(found: list[_Way], open_: _Open, event: ev.Trap, vm: str) -> None:
    way = open_.get((event.level, vm, event.cause))
    if way is None:  # by hand, or pending for no time: nobody told of it before
        found.append(_Way(event.cause, event.level, vm, None, delivered=[event.time]))
        return
    if not way.delivered:
        way.end_wait(event.time)
    way.delivered.append(event.time)


def _receiver(events: list[Event], number: int, guests: dict[int, str]) -> str:
    """Whose an injected interrupt is: the VM's that enters next; it is injected just before its turn."""
    level = events[number].level
    for event in events[number + 1 : number + 200]:
        if event.level == level and isinstance(event, ev.Entry):
            return event.vm
        if event.level == level and isinstance(event, ev.Exit):
            break
    return guests.get(level, "")


def _holder(wait: Wait) -> str:
    """What held it back, for a reader: a bit by its name, or the mode of the hart."""
    return _("mode") if wait.held_by == "mode" else one_line(wait.held_by)


def _who(level: int) -> str:
    return "kernel" if level else "machine"


def _head(top: float, level: int, vm: str, cause: int) -> Iterator[Element]:
    """A lane's name: which interrupt, whose; and its ground."""
    who = _who(level)
    yield rect(MARGIN, top, HEAD - 10, _LANE - 8, f"f-{who}", radius=4)
    yield hatch(MARGIN, top, 8, _LANE - 8, f"l-{who} thin", LOOKS[who].slope or 0, gap=5)
    yield rect(MARGIN, top, 8, _LANE - 8, f"l-{who} thin")
    whose = one_line(vm) or (_("the machine") if level == 0 else _("the VM"))
    lines = wrap(cause_title(cause), HEAD - 34, 11, bold=True)[:2]
    for n, line in enumerate(lines):
        yield text(MARGIN + 16, top + 17 + 14 * n, line, size=11, ink=who, bold=True)
    yield text(MARGIN + 16, top + 19 + 14 * len(lines), whose, size=11, ink=who, room=HEAD - 34)
    yield path("l-rule", (LEFT, top + 14 + _BAR), (LEFT + PLOT, top + 14 + _BAR))


def held(x: float, y: float, width: float, height: float) -> Iterator[Element]:
    """The time in which something is held back."""
    yield rect(x, y, width, height, "f-fault")
    yield hatch(x, y, width, height, "l-fault thin", 1, gap=5)
    yield rect(x, y, width, height, "l-fault thin")


def delivery(x: float, y: float, who: str) -> Iterator[Element]:
    """The moment in which a handler is entered."""
    yield path(f"b-{who}", (x - 5, y + 38), (x, y + 28), (x + 5, y + 38), closed=True)
    yield path(f"l-{who} thick", (x, y), (x, y + 30))


def legend(width: float, who: str = "kernel") -> Iterator[Element]:
    """What bars, hatches and arrows mean, from the right."""
    x = width - MARGIN
    for kind, words in (("arrow", _("delivered")), ("held", _("held back")), ("bar", _("pending"))):
        x -= text_width(words, 11)
        yield text(x, 26, words, size=11, ink="muted")
        x -= 22
        if kind == "arrow":
            yield path(f"l-{who} thick", (x + 11, 14), (x + 11, 22))
            yield path(f"b-{who}", (x + 6, 28), (x + 11, 18), (x + 16, 28), closed=True)
        elif kind == "held":
            yield from held(x, 16, 16, 11)
        else:
            yield el("rect", class_=f"o-{who}", x=x, y=16, width=16, height=11)
        x -= 18
