"""The trap ladder: who is in control, event by event, and how control goes up in traps and down in resumes.

Lanes lie above each other, the machine's at the top and the guest process's at the bottom, so that a trap
goes up and a resume goes down. The axis counts events, not time: a trap storm and a long calm take the same
room. The thick line is whoever is in control; an arrow is a way from one lane to another; every other event
is a mark in the lane of whoever did it. Each has its words under it. Where several VMs take turns, or a host's
processes, an upright line stands at each world switch.
"""

from collections.abc import Iterator
from itertools import takewhile

from vlab import events as ev
from vlab.display import one_line
from vlab.events import Event, Recording
from vlab.language import VlabError, _
from vlab.views.drawing.grammar import LOOKS
from vlab.views.drawing.metrics import fit, wrap
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, arrow, el, group, hatch, path, rect, text
from vlab.views.runs.lanes import Lanes, Place
from vlab.views.words import Causes, event_label, event_sentence

WINDOW = 24  # events in one picture
MARGIN = 14
HEAD = 128  # the lanes' names
SLOT = 31  # one event
LANE = 50
TOP = 58
LABEL = 198  # the longest words under the lanes
TURN = -40  # the degrees by which they fall to the left
FALL = 138  # the room that they need
_R = 6  # half a mark


class Ladder:
    """A recording's ladder, from which pictures of any stretch are cut."""

    def __init__(self, recording: Recording):
        self.events = recording.events
        self.lanes = Lanes(recording)
        self.causes = Causes(recording)

    def picture(self, first: int, last: int, at: int | None = None) -> Picture:
        """The events from `first` up to, not including, `last`; the one at position `at` lit."""
        columns = max(last - first, 12)
        width = MARGIN + HEAD + columns * SLOT + MARGIN
        bottom = TOP + LANE * len(self.lanes.lanes)
        lit = {} if at is None else {k: name for name, found in self.lit(at, last).items() for k in found}
        shapes = [
            *self._header(first, last, width),
            *self._lanes(width),
            *(self._halo(number, first, lit, bottom) for number in range(first, last)),
            *self._switches(first, last, bottom),
            *self._control(first, last),
            *(self._event(number, first, lit, bottom) for number in range(first, last)),
        ]
        height = bottom + FALL + MARGIN
        if at is not None:
            lines = wrap(self._about(at), width - 2 * MARGIN, bold=True)
            shapes += [
                text(MARGIN, height + 8 + 17 * n, line, room=width - 2 * MARGIN, bold=True)
                for n, line in enumerate(lines)
            ]
            height += 8 + 17 * len(lines)
        return Picture(tuple(shapes), width, height, self.sentence(first, last, at))

    def lit(self, at: int, last: int) -> dict[str, list[int]]:
        """What lights up with an event, before position `last`: itself, its cause, all that it caused."""
        cause = self.causes.cause(at)
        effects = takewhile(lambda effect: effect < last, self.causes.effects(at))
        return {"lit": [at], "cause": [] if cause is None else [cause], "effect": list(effects)}

    def sentence(self, first: int, last: int, at: int | None = None) -> str:
        """What a picture of this stretch shows."""
        total = len(self.events)
        if not total:
            return _("Trap ladder with no events.")
        stretch = _("Trap ladder, events {first} to {last} of {total}").format(
            first=first, last=last - 1, total=total
        )
        if at is not None:
            chosen = _("at {number}: {event}").format(number=at, event=self._about(at))
            return f"{stretch}; {chosen}"
        shown = self.events[first:last]
        counts = {
            kind: sum(type(event) is kind for event in shown) for kind in (ev.Trap, ev.Exit, ev.Injection)
        }
        said = _("{stretch}: traps {traps}, exits {exits}, injections {injections}.").format(
            stretch=stretch, traps=counts[ev.Trap], exits=counts[ev.Exit], injections=counts[ev.Injection]
        )
        if not self.lanes.several:
            return said
        switches = sum(number in self.lanes.switches for number in range(first, last))
        return said + " " + _("World switches: {count}.").format(count=switches)

    def _about(self, number: int) -> str:
        """One event in a sentence; of a world switch, also who ran before."""
        said, switch = event_sentence(self.events[number]), self.lanes.switches.get(number)
        if switch is None:
            return said
        return f"{said} {_('A world switch: before, {vm} had the hart.').format(vm=_runner(switch.before))}"

    def _header(self, first: int, last: int, width: float) -> Iterator[Element]:
        """Which stretch of the recording this is, in words and in a bar, and the events' numbers."""
        total = len(self.events)
        if not total:
            yield text(MARGIN, 26, _("no events"), size=13, bold=True)
            return
        words = _("events {first} to {last} of {total}, time {start} to {end}").format(
            first=first,
            last=last - 1,
            total=total,
            start=self.events[first].time,
            end=self.events[last - 1].time,
        )
        bar = 150.0
        yield text(MARGIN, 26, words, room=width - 3 * MARGIN - bar, size=13, bold=True)
        left = width - MARGIN - bar
        yield rect(left, 17, bar, 8, "f-rule", radius=4)
        part = max(4.0, bar * (last - first) / total)
        yield rect(left + min(bar * first / total, bar - part), 17, part, 8, "b-kernel", radius=4)
        for number in range(first, last):
            if number == first or (number % 4 == 0 and number > first + 1):
                yield text(_x(number - first), TOP - 8, str(number), size=10, ink="muted", anchor="middle")

    def _lanes(self, width: float) -> Iterator[Element]:
        """Each lane's ground, and its name."""
        for number, lane in enumerate(self.lanes.lanes):
            top, slope = TOP + LANE * number, LOOKS[lane.who].slope
            yield rect(MARGIN, top, width - 2 * MARGIN, LANE - 4, f"f-{lane.who}", radius=4)
            if slope is not None:
                yield hatch(MARGIN, top, 8, LANE - 4, f"l-{lane.who} thin", slope, gap=5)
            yield rect(MARGIN, top, 8, LANE - 4, f"l-{lane.who} thin")
            lines = wrap(lane.name, HEAD - 26, 12, bold=True)[:2]
            for n, line in enumerate(lines):
                y = _y(number) + 4 - 7.5 * (len(lines) - 1) + 15 * n
                yield text(MARGIN + 16, y, line, ink=lane.who, bold=True)

    def _switches(self, first: int, last: int, bottom: float) -> Iterator[Element]:
        """An upright line where another VM, or another process of the host, gets the hart."""
        for number in range(first, last):
            if number in self.lanes.switches:
                x = _x(number - first) - SLOT / 2
                yield path("l-ink thick", (x, TOP - 4), (x, bottom))
                yield path("o-ink", (x - 5, TOP - 4), (x, TOP + 3), (x + 5, TOP - 4), closed=True)

    def _control(self, first: int, last: int) -> Iterator[Element]:
        """The thick line: whoever is in control between one event and the next."""
        places = self.lanes.places[first:last]
        left = MARGIN + HEAD - 8.0
        for column, place in enumerate(places):
            if place.before != place.after:
                yield self._bar(place.before, left, _x(column))
                left = _x(column)
                if not _moves(self.events[first + column], place):
                    yield path("l-muted dashed", (left, _y(place.before)), (left, _y(place.after)))
        if places:
            yield self._bar(places[-1].after, left, _x(len(places) - 0.5))

    def _bar(self, lane: int, left: float, right: float) -> Element:
        return rect(left, _y(lane) - 2.5, right - left, 5, f"b-{self.lanes.lanes[lane].who}")

    def _halo(self, number: int, first: int, lit: dict[int, str], bottom: float) -> Element:
        """The light behind an event that is chosen; a click on it chooses it."""
        x = _x(number - first) - SLOT / 2 + 1
        light = rect(x, TOP - 4, SLOT - 2, bottom - TOP + 4, "f-lit halo", radius=5)
        return group([light], class_=lit.get(number), data_event=str(number))

    def _event(self, number: int, first: int, lit: dict[int, str], bottom: float) -> Element:
        """One event: its mark and its words. Its position is written on it for steppers."""
        event, place, x = self.events[number], self.lanes.places[number], _x(number - first)
        middle = (_y(place.start) + _y(place.end)) / 2
        shapes = [
            *self._mark(event, place, x),
            el("circle", class_="hollow ring", cx=x, cy=middle, r=_R + 5),
            self._words(number, place, x, bottom),
        ]
        return group(shapes, class_=lit.get(number), data_event=str(number))

    def _words(self, number: int, place: Place, x: float, bottom: float) -> Element:
        event = self.events[number]
        ink = "fault" if type(event) is ev.Trap else self.lanes.lanes[place.start].who
        label, switch = event_label(event), self.lanes.switches.get(number)
        if switch is not None:
            before, after = _runner(switch.before), _runner(switch.after)
            label, ink = _("switch: {before} → {after}").format(before=before, after=after), "ink"
        words = fit(label, LABEL, 11, bold=True)  # bold, once it is lit
        shown = text(
            x + 5, bottom + 12, words, size=11, ink=ink, bold=switch is not None, anchor="end", turn=TURN
        )
        return group([shown], class_="name")

    def _mark(self, event: Event, place: Place, x: float) -> Iterator[Element]:
        """The event's arrow or shape."""
        start, end, who = _y(place.start), _y(place.end), self.lanes.lanes[place.start].who
        if place.start != place.end:
            line, head = _ARROWS[type(event)]
            yield arrow(line, head, (x, start), (x, end), size=9)
        else:
            yield from _shape(event, x, start, who)


_ARROWS: dict[type[Event], tuple[str, str]] = {
    ev.Trap: ("l-fault thick", "b-fault"),
    ev.Return: ("l-ink thick", "o-ink"),
    ev.Injection: ("l-hypervisor thick dashed", "b-hypervisor"),
    ev.Routing: ("l-host thick dashed", "b-host"),
}


def ladder_picture(recording: Recording, at: int | None = None, window: int = WINDOW) -> Picture:
    """The trap ladder of a recording: about `window` events around position `at`, or from the beginning.

    Raises VlabError where the recording has no event at this position.
    """
    if at is not None:
        at = position(at, len(recording))
    first, last = stretch(len(recording), at or 0, window)
    return Ladder(recording).picture(first, last, at)


def position(at: int, total: int) -> int:
    """A position among so many events. Raises VlabError where there is none."""
    if at in range(total):
        return at
    what = _("There is no event {number!r}.").format(number=at)
    raise VlabError(what, mend=_("Choose one from 0 to {last}.").format(last=total - 1) if total else "")


def stretch(total: int, at: int, window: int) -> tuple[int, int]:
    """The positions of `window` events with `at` in their midst, as far as the ends allow."""
    window = max(1, min(window, total))
    first = max(0, min(at - window // 2, total - window))
    return first, min(total, first + window)


def _shape(event: Event, x: float, y: float, who: str) -> Iterator[Element]:
    """The mark of an event that stays in its lane: its shape says what it is, filled or hollow."""
    r = _R
    square = [(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)]
    diamond = [(x - r - 1, y), (x, y - r - 1), (x + r + 1, y), (x, y + r + 1)]
    match event:
        case ev.Trap():
            yield path("b-fault", (x - r - 1, y + r), (x, y - r - 2), (x + r + 1, y + r), closed=True)
        case ev.Return():
            yield path("o-ink", (x - r - 1, y - r), (x, y + r + 2), (x + r + 1, y - r), closed=True)
        case ev.Exit():
            yield path(f"b-{who}", *square, closed=True)
        case ev.Entry():
            yield path(f"o-{who}", *square, closed=True)
        case ev.CsrWrite():
            yield path(f"b-{who}", *diamond, closed=True)
        case ev.ShadowFill():
            yield path(f"o-{who}", *diamond, closed=True)
        case ev.Emulation():
            yield el("circle", class_=f"b-{who}", cx=x, cy=y, r=r + 0.5)
        case ev.TlbFill():
            yield el("circle", class_=f"o-{who}", cx=x, cy=y, r=r)
        case ev.TlbFlush() | ev.ShadowFlush():
            yield path(f"l-{who} thick", (x - r, y - r), (x + r, y + r))
            yield path(f"l-{who} thick", (x - r, y + r), (x + r, y - r))
        case ev.Routing():  # a signpost
            left, right = x - r - 1, x + r + 2
            post = [(left, y - r), (x + 2, y - r), (right, y), (x + 2, y + r), (left, y + r)]
            yield path(f"b-{who}", *post, closed=True)
        case _:
            yield rect(x - r - 2, y - r / 2 - 1, 2 * r + 4, r + 2, f"o-{who}")


def _moves(event: Event, place: Place) -> bool:
    """Whether the event's own arrow shows that control changes hands."""
    return type(event) in (ev.Trap, ev.Return) or (type(event) is ev.Routing and place.start == place.before)


def _runner(name: str) -> str:
    """A VM's name, or a process's; some have none."""
    return one_line(name) or _("a process")


def _x(column: float) -> float:
    return MARGIN + HEAD + SLOT * (column + 0.5)


def _y(lane: int) -> float:
    return TOP + LANE * lane + (LANE - 4) / 2
