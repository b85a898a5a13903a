"""The timeline of a long run: time from left to right, a lane for each who acts in it, a million events or three.

A lane's area shows how much of the time its software had the hart, and the bars on it how many events stand
there (on a logarithmic scale, so that one event is still seen beside thousands). In a live notebook the
timeline is a widget: the page has all columns (see `vlab.views.runs.columns`), so zooming, moving and filtering
wait for no kernel. What a notebook stores is a picture of the stretch that was shown.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from itertools import compress, pairwise
from math import log10
from operator import sub
from typing import TYPE_CHECKING, Any, TypeVar

from vlab.display import Bundle
from vlab.events import Event, Recording
from vlab.language import VlabError, _, grouped
from vlab.views.drawing.grammar import LOOKS
from vlab.views.drawing.metrics import text_width, wrap
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, el, hatch, number, path, rect, text
from vlab.views.live.live import live_bundle, size_of
from vlab.views.runs.columns import Columns, Option, cause_options, find_option, vm_options
from vlab.views.runs.lanes import Row
from vlab.views.words import event_sentence

if TYPE_CHECKING:
    from vlab.views.live.timelinewidget import TimelineWidget

MARGIN, HEAD, PLOT = 14, 178, 750.0
TOP, LANE, GROUND = 58, 46, 38  # a lane, and its part that is drawn on
_BARS = 300  # as many stretches of time as a picture counts events in
_LEAST = 4.0  # the height of a bar for one event
_FARTHEST = 1 << 64  # a time; beyond it, numbers of the page's side no longer add up
_NOT_SHOWN = 255  # in place of a lane's number


class Timeline:
    """The timeline of a recording.

    The verbs `only`, `zoom` and `at` choose what is shown, also by the widget on the page, and are the timeline
    itself: `recording.timeline().only(cause="timer").zoom(0, 50_000)`. `events` are those that are shown.
    `size` is "normal" or, for the back row, "lecture". Raises VlabError for another one.
    """

    def __init__(self, recording: Recording, *, size: str = "normal"):
        self._size = size_of(size)
        self.columns = Columns(recording)
        self.causes = cause_options(self.columns)
        self.vms = vm_options(self.columns)
        self._cause = self._vm = 0
        self._root: int | None = None
        self._at: int | None = None
        self._window = self.columns.span
        self._widget: TimelineWidget | None = None

    def __len__(self) -> int:
        return len(self.columns)

    def __repr__(self) -> str:
        return self.sentence

    # The verbs

    def only(self, *, cause: str | Event | None = None, vm: str | None = None) -> "Timeline":
        """Show only some events; without arguments all again.

        `cause` is a kind of event ("Exit"), a cause or reason ("timer", "illegal instruction"), or an event of
        the recording: then what follows from it is shown. `vm` is a VM's name. Raises VlabError where the run
        has no such cause or VM.
        """
        root = self._position(cause) if isinstance(cause, Event) else None
        chosen = 0 if isinstance(cause, Event) or cause is None else find_option(self.causes, cause)
        running = 0 if vm is None else find_option(self.vms, vm)
        self._root = root
        self._cause, self._vm = chosen, running
        return self._tell()

    def zoom(self, start: float | None = None, end: float | None = None) -> "Timeline":
        """Show the time from `start` up to `end`; without arguments the whole run. VlabError if that is none."""
        first, last = self.columns.span
        self._window = checked_window(first if start is None else start, last if end is None else end)
        return self._tell()

    def at(self, event: Event | int | None) -> "Timeline":
        """Choose an event, given itself or as its position; None: none. VlabError if it isn't there."""
        self._at = None if event is None else self._position(event)
        if self._at is not None:
            start, end = self._window
            time = self.columns.times[self._at]
            if not start <= time < end:
                half = (end - start) / 2
                self._window = (time - half, time + half)
        return self._tell()

    def _position(self, event: object) -> int:
        """Where an event stands in the recording."""
        columns = self.columns
        if isinstance(event, int) and event in range(len(columns)):
            return event
        if isinstance(event, Event):
            start = bisect_left(columns.times, event.time)
            for place in range(start, len(columns)):
                if columns.events[place].id == event.id:
                    return place
                if columns.times[place] > event.time:
                    break
        what = _("There is no event {number!r}.").format(number=event)
        raise VlabError(what, mend=_("Choose one from 0 to {last}.").format(last=len(columns) - 1))

    # What is shown

    @property
    def window(self) -> tuple[float, float]:
        """The time that is shown: from, and up to."""
        return self._window

    @property
    def chosen(self) -> Any:
        """The event that is chosen, in code or on the page; None: none."""
        return None if self._at is None else self.columns.events[self._at]

    @property
    def events(self) -> Recording:
        """The events that are shown."""
        lanes, places = self._shown(), self.columns.between(*self._window)
        return Recording(self.columns.events[place] for place in places if lanes[place] != _NOT_SHOWN)

    def _shown(self) -> bytes:
        """The events' lanes, and for those that the filters hold back a number that is none."""
        columns = self.columns
        held = _held(columns.causes, self.causes[self._cause]) | _held(columns.vms, self.vms[self._vm])
        if self._root is not None:
            follows = bytearray(b"\xff") * len(columns)
            for place in columns.effects(self._root):
                follows[place] = 0
            held |= int.from_bytes(follows, "little")
        return (held | int.from_bytes(columns.lanes, "little")).to_bytes(len(columns), "little")

    @property
    def sentence(self) -> str:
        """What is shown, in one sentence."""
        return self._sentence(self._shown())

    def _sentence(self, lanes: bytes) -> str:
        places = self.columns.between(*self._window)
        seen = lanes[places.start : places.stop]
        counts = {row.name: seen.count(lane) for lane, row in enumerate(self.columns.rows)}
        listed = ", ".join(f"{name} {count}" for name, count in counts.items() if count) or _("none")
        start, end = (number(time) for time in self._window)
        said = _("Timeline, time {start} to {end}: {shown} of {total} events; {lanes}.").format(
            start=start, end=end, shown=sum(counts.values()), total=len(self), lanes=listed
        )
        filters = [
            option.title for option in (self.causes[self._cause], self.vms[self._vm]) if option.numbers
        ]
        if self._root is not None:
            filters.append(_("what follows from event {number}").format(number=self._root))
        if filters:
            said += " " + _("Only: {filters}.").format(filters=", ".join(filters))
        if self._at is not None:
            event = event_sentence(self.chosen)
            said += " " + _("Chosen, event {number}: {event}").format(number=self._at, event=event)
        return said

    # The picture

    @property
    def picture(self) -> Picture:
        """The stretch that is shown, drawn."""
        columns, lanes = self.columns, self._shown()
        bottom = TOP + LANE * len(columns.rows)
        width = MARGIN + HEAD + PLOT + MARGIN
        sentence = self._sentence(lanes)
        lines = wrap(sentence, width - 2 * MARGIN)
        shapes = [
            *_heads(columns.rows, width),
            *self._areas(),
            *self._bars(lanes),
            *time_axis(self._window, bottom),
        ]
        shapes += self._mark(bottom)
        top = bottom + 46
        shapes += [text(MARGIN, top + 17 * n, line, room=width - 2 * MARGIN) for n, line in enumerate(lines)]
        shapes += [text(MARGIN, 26, _("Timeline"), size=13, bold=True), *_legend(width)]
        return Picture(tuple(shapes), width, top + 17 * len(lines), sentence)

    def _edges(self) -> list[float]:
        start, end = self._window
        return [start + (end - start) * bar / _BARS for bar in range(_BARS + 1)]

    def _bars(self, lanes: bytes) -> Iterator[Element]:
        """How many events stand in each stretch, in each lane."""
        places = [bisect_left(self.columns.times, edge) for edge in self._edges()]
        counts = [
            [lanes.count(lane, first, last) for first, last in pairwise(places)]
            for lane in range(len(self.columns.rows))
        ]
        most = max((count for row in counts for count in row), default=0)
        for lane, row in enumerate(self.columns.rows):
            ground, step = TOP + LANE * lane + GROUND, PLOT / _BARS
            strokes = [
                f"M{x} {ground}L{x} {number(ground - _height(count, most))}"
                for bar, count in enumerate(counts[lane])
                if count and (x := number(LEFT + step * (bar + 0.5)))
            ]
            if strokes:
                yield el("path", class_=f"l-{row.who} thick", d="".join(strokes))

    def _areas(self) -> Iterator[Element]:
        """Which part of each stretch each lane's software had the hart."""
        shares, step = self._shares(), PLOT / _BARS
        for lane, row in enumerate(self.columns.rows):
            if not any(shares[lane]):
                continue
            ground = TOP + LANE * lane + GROUND
            points = [(LEFT, float(ground))]
            for bar, share in enumerate(shares[lane]):
                y = ground - (GROUND - 4) * share
                if y != points[-1][1]:
                    points += [(LEFT + step * bar, points[-1][1]), (LEFT + step * bar, y)]
            points += [(LEFT + PLOT, points[-1][1]), (LEFT + PLOT, float(ground))]
            yield path(f"f-{row.who}", *points, closed=True)
            yield path(f"l-{row.who} thin", *points)

    def _shares(self) -> list[list[float]]:
        """By lane, for each stretch of time, the part of it for which that lane's software had the hart."""
        columns, edges = self.columns, self._edges()
        times, control = columns.times, columns.control
        places = [bisect_left(times, edge) for edge in edges]
        gaps = array("d", map(sub, times[places[0] + 1 : places[-1]], times[places[0] : places[-1]]))
        masks = [control[places[0] : places[-1]].translate(_only(lane)) for lane in range(len(columns.rows))]
        shares = [[0.0] * _BARS for _row in columns.rows]
        for bar in range(_BARS):
            first, last, (start, end) = places[bar], places[bar + 1], edges[bar : bar + 2]
            before = control[first - 1] if first else columns.first
            if end <= columns.span[0] or start >= columns.span[1]:
                continue
            shares[before][bar] += (times[first] if first < last else end) - start
            if first < last:
                shares[control[last - 1]][bar] += end - times[last - 1]
                inside = slice(first - places[0], last - 1 - places[0])
                for lane, mask in enumerate(masks):
                    shares[lane][bar] += sum(compress(gaps[inside], mask[inside]))
            for row in shares:
                row[bar] = min(1.0, row[bar] / (end - start))
        return shares

    def _mark(self, bottom: float) -> list[Element]:
        """Where the chosen event stands."""
        start, end = self._window
        if self._at is None or not start <= self.columns.times[self._at] < end:
            return []
        x = LEFT + PLOT * (self.columns.times[self._at] - start) / (end - start)
        y = TOP + LANE * self.columns.lanes[self._at] + GROUND / 2
        return [
            path("l-ink thin dashed", (x, TOP - 6.0), (x, bottom)),
            el("circle", class_="hollow l-ink thick", cx=x, cy=y, r=8),
        ]

    # The widget

    @property
    def widget(self) -> "TimelineWidget":
        """The live widget, made when first asked for. Needs anywidget."""
        if self._widget is None:
            from vlab.views.live.timelinewidget import TimelineWidget

            self._widget = TimelineWidget(self.columns, self.causes, self.vms, self._size)
            self._tell()
            self._widget.observe(self._told, ["at", "window", "cause", "vm", "root"])
        return self._widget

    def _tell(self) -> "Timeline":
        """The widget shows what was chosen in code."""
        if self._widget is not None:
            at, root = (-1 if place is None else place for place in (self._at, self._root))
            with self._widget.hold_sync(), self._widget.hold_trait_notifications():
                self._widget.set_trait("window", list(self._window))
                for name, value in {"at": at, "cause": self._cause, "vm": self._vm, "root": root}.items():
                    self._widget.set_trait(name, value)
        return self

    def _told(self, _change: object) -> None:
        """What was chosen on the page holds in code."""
        widget = self._widget
        if widget is not None:
            self._at = widget.at if widget.at >= 0 else None
            self._root = widget.root if widget.root >= 0 else None
            self._cause, self._vm = widget.cause, widget.vm
            self._window = (widget.window[0], widget.window[1])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        return live_bundle(self.picture._repr_mimebundle_(), lambda: self.widget)


LEFT = float(MARGIN + HEAD)


def _held(numbers: bytes | bytearray, option: Option) -> int:
    """As one large number, a byte an event: 0 where the option lets it pass, 255 where it doesn't."""
    table = bytes(0 if not option.numbers or one in option.numbers else _NOT_SHOWN for one in range(256))
    return int.from_bytes(numbers.translate(table), "little")


def _only(lane: int) -> bytes:
    return bytes(one == lane for one in range(256))


def _height(count: int, most: int) -> float:
    """A bar's height: logarithmic, and never nothing."""
    return _LEAST + (GROUND - 8 - _LEAST) * (log10(count) / log10(most) if most > 1 else 0)


def _heads(rows: list[Row], width: float) -> Iterator[Element]:
    """Each lane's ground line and name."""
    for lane, row in enumerate(rows):
        top, slope = TOP + LANE * lane, LOOKS[row.who].slope
        yield rect(MARGIN, top, HEAD - 10, GROUND, f"f-{row.who}", radius=4)
        if slope is not None:
            yield hatch(MARGIN, top, 8, GROUND, f"l-{row.who} thin", slope, gap=5)
        yield rect(MARGIN, top, 8, GROUND, f"l-{row.who} thin")
        yield path("l-rule", (LEFT, top + GROUND), (width - MARGIN, top + GROUND))
        lines = wrap(row.name, HEAD - 34, 12, bold=True)[:2]
        for n, line in enumerate(lines):
            y = top + GROUND / 2 + 4 - 7.5 * (len(lines) - 1) + 15 * n
            yield text(MARGIN + 16, y, line, ink=row.who, bold=True)


Time = TypeVar("Time", int, float)


def checked_window(start: Time, end: Time) -> tuple[Time, Time]:
    """The same two times. Raises VlabError unless they are times that a picture can tell apart."""
    try:
        if -_FARTHEST <= start < end <= _FARTHEST:
            return start, end
    except TypeError:  # no numbers at all
        pass
    what = _("There is no time from {start} to {end}.").format(start=start, end=end)
    raise VlabError(what, mend=_("Give two times, the earlier one first."))


def time_axis(window: tuple[float, float], bottom: float) -> Iterator[Element]:
    """Times under the lanes, at round numbers."""
    start, end = window
    step = 10.0 ** int(log10(max(1.0, (end - start) / 3)))
    while (end - start) / step > 9:
        step *= 2.5 if f"{step:.0e}"[0] == "2" else 2
    first, title = start - start % step + (step if start % step else 0), _("time (instructions)")
    free = MARGIN + min(HEAD - 16.0, text_width(title, 11)) + 6
    for n in range(int((end - first) // step) + 1):
        tick = first + n * step
        x, words = LEFT + PLOT * (tick - start) / (end - start), grouped(round(tick))
        half = text_width(words, 11) / 2
        yield path("l-muted", (x, bottom - 4), (x, bottom + 2))
        if x - half > free and x + half <= LEFT + PLOT + MARGIN:
            yield text(x, bottom + 15, words, size=11, ink="muted", anchor="middle")
            free = x + half + 6
    yield text(MARGIN, bottom + 15, title, size=11, ink="muted", room=HEAD - 16)


def _legend(width: float) -> Iterator[Element]:
    """What areas and bars mean."""
    share, events = _("area: part of the time it runs"), _("bars: events, logarithmic")
    x = width - MARGIN - text_width(events, 11)
    yield text(x, 26, events, size=11, ink="muted")
    yield rect(x - 12, 17, 3, 9, "b-machine")
    yield rect(x - 7, 20, 3, 6, "b-machine")
    x -= 34 + text_width(share, 11)
    yield text(x, 26, share, size=11, ink="muted")
    yield rect(x - 20, 16, 14, 11, "f-machine")
    yield path("l-machine thin", (x - 20, 27), (x - 20, 16), (x - 6, 16), (x - 6, 27))
