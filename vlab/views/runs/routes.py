"""To whom a host sends each interrupt and each trap: sources at the left, the host in the midst, who got it right.

A host takes all of them. It keeps what is its own, and hands its hypervisor what concerns a guest.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from vlab import events as ev
from vlab.display import Bundle, one_line
from vlab.events import Event, Recording
from vlab.language import _, grouped
from vlab.views.drawing.grammar import LOOKS, who_name
from vlab.views.drawing.metrics import text_width, wrap
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, arrow, el, hatch, path, rect, text

_MARGIN, _TOP = 20, 58
_BOX, _LINK, _HOST = 196, 92, 196  # widths: of a source and of a receiver, between two columns, of the host
_ROW, _APART = 34, 16  # a way's height, and the room between two sources
_TALL = 44.0  # a receiver's height
_MOST = 16  # ways in one picture; of more, the rest together


class Route(NamedTuple):
    """One way, taken so many `times`.

    `source` is "timer", a device, a process or a VM; `to` is "host", or "hypervisor", then on behalf of `vm`.
    """

    source: str
    interrupt: bool
    to: str
    vm: str
    times: int


class Routes:
    """The ways that a host's interrupts and traps took in a recording, each with how many took it.

    It is iterated and counted like a list, interrupts first; in a notebook it draws itself. `level` is the host's:
    0 for one on the machine itself.
    """

    def __init__(self, recording: Recording | Iterable[Event], level: int = 0):
        counts: Counter[tuple[str, bool, str, str]] = Counter(
            (event.source, event.interrupt, event.to, event.vm)
            for event in recording
            if isinstance(event, ev.Routing) and event.level == level
        )
        found = [Route(*way, count) for way, count in counts.items()]
        self.routes = tuple(sorted(found, key=lambda way: (not way.interrupt, way[0], way[2], way[3])))

    def __len__(self) -> int:
        return len(self.routes)

    def __iter__(self) -> Iterator[Route]:
        return iter(self.routes)

    def __getitem__(self, index: int) -> Route:
        return self.routes[index]

    def count(self, *, to: str | None = None, interrupt: bool | None = None) -> int:
        """How many there were in all, or to "host" or "hypervisor" only, or of interrupts (or of traps) only."""
        return sum(
            way.times for way in self.routes if to in (None, way.to) and interrupt in (None, way.interrupt)
        )

    def __repr__(self) -> str:
        return _(
            "The host took all: of {interrupts} interrupts it kept {kept_interrupts}, of {traps} traps {kept_traps}; "
            "the others it handed to the hypervisor."
        ).format(
            interrupts=self.count(interrupt=True),
            kept_interrupts=self.count(interrupt=True, to="host"),
            traps=self.count(interrupt=False),
            kept_traps=self.count(interrupt=False, to="host"),
        )

    @property
    def picture(self) -> Picture:
        """All ways; of very many, the busiest ones, and the rest together."""
        return _drawn(self, _shown(self.routes))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        return self.picture._repr_mimebundle_()


_Source = tuple[str, bool]
_Receiver = tuple[str, str]


def _shown(routes: tuple[Route, ...]) -> list[Route]:
    """The ways of a picture, in their order; those that are too many become one to each side."""
    if len(routes) <= _MOST:
        return list(routes)
    busiest = sorted(routes, key=lambda way: -way.times)
    kept = set(busiest[: _MOST - 2])
    shown = [way for way in routes if way in kept]
    for to in ("host", "hypervisor"):
        count = sum(
            way.times for way in busiest[_MOST - 2 :] if (way.to == "hypervisor") == (to == "hypervisor")
        )
        if count:
            shown.append(Route("…", False, to, "…" if to == "hypervisor" else "", count))
    return shown


def _drawn(routes: Routes, shown: list[Route]) -> Picture:
    rows = _rows(shown)
    receivers = len({(way.to, way.vm) for way in shown})
    bottom = max(max(rows, default=_TOP) + _ROW + 4, _TOP + (_TALL + 4) * receivers + 4)
    width = _MARGIN + _BOX + _LINK + _HOST + _LINK + _BOX + _MARGIN
    shapes: list[Element] = [text(_MARGIN, 28, _("Whose affair is it?"), size=14, bold=True)]
    shapes += _host(bottom)
    shapes += _sources(shown, rows)
    shapes += _receivers(shown, rows, bottom)
    for way, y in zip(shown, rows, strict=True):
        shapes += _count(way, y)
    sentence = repr(routes)
    lines = wrap(sentence, width - 2 * _MARGIN)
    shapes += [text(_MARGIN, bottom + 30 + 17 * n, line) for n, line in enumerate(lines)]
    return Picture(tuple(shapes), width, bottom + 30 + 17 * len(lines), sentence)


def _rows(shown: list[Route]) -> list[float]:
    """The height of each way: those of one source together."""
    rows: list[float] = []
    y, last = float(_TOP + 32), None
    for way in shown:
        if last is not None:
            y += _ROW + (_APART if last != way[:2] else 0)
        rows.append(y)
        last = way[:2]
    return rows


_HOST_LEFT = _MARGIN + _BOX + _LINK
_HOST_RIGHT = _HOST_LEFT + _HOST
_RIGHT = _HOST_RIGHT + _LINK


def _host(bottom: float) -> Iterator[Element]:
    """The host in the midst, from top to bottom: there is no way past it."""
    yield rect(_HOST_LEFT, _TOP, _HOST, bottom - _TOP, "f-host", radius=4)
    yield hatch(_HOST_LEFT, _TOP, _HOST, 8, "l-host thin", LOOKS["host"].slope or 0, gap=6)
    yield rect(_HOST_LEFT, _TOP, _HOST, bottom - _TOP, "l-host thick d-host", radius=4)
    middle = (_HOST_LEFT + _HOST_RIGHT) / 2
    yield text(middle, _TOP + 24, who_name("host"), size=14, ink="host", bold=True, anchor="middle")


def _count(way: Route, y: float) -> Iterator[Element]:
    """How many took a way, inside the host, and what they were."""
    middle, centre = (_HOST_LEFT + _HOST_RIGHT) / 2, y + _ROW / 2
    words = _("{count} interrupts") if way.interrupt else _("{count} traps")
    if way.times == 1:
        words = _("1 interrupt") if way.interrupt else _("1 trap")
    who = "host" if way.to != "hypervisor" else "hypervisor"
    yield rect(_HOST_LEFT + 14, centre - 11, _HOST - 28, 22, "f-paper", radius=4)
    yield rect(_HOST_LEFT + 14, centre - 11, _HOST - 28, 22, f"l-{who}", radius=4)
    words = words.format(count=grouped(way.times))
    yield text(middle, centre + 4, words, room=_HOST - 40, ink=who, bold=True, anchor="middle")


def _sources(shown: list[Route], rows: list[float]) -> Iterator[Element]:
    """A box for each source, and its ways into the host."""
    vms = {way.vm for way in shown if way.vm}
    for source in dict.fromkeys(way[:2] for way in shown):
        places = [y for way, y in zip(shown, rows, strict=True) if way[:2] == source]
        name, interrupt = source
        who = "machine" if interrupt else "kernel" if name in vms else "process"
        note = {"machine": _("device"), "kernel": _("VM"), "process": _("process")}[who]
        if name == "timer" and interrupt:
            name, note = _("timer"), _("clock")
        yield from _box(_MARGIN, places[0], places[-1] - places[0] + _ROW, who, one_line(name), note)
        for y in places:
            line = f"l-{who} d-{who}"
            yield arrow(line, f"b-{who}", (_MARGIN + _BOX, y + _ROW / 2), (_HOST_LEFT + 14, y + _ROW / 2))


def _receivers(shown: list[Route], rows: list[float], bottom: float) -> Iterator[Element]:
    """A box for each who gets something, and the ways to it, which meet in one line."""
    heights: dict[_Receiver, list[float]] = {}
    counts: Counter[_Receiver] = Counter()
    for way, y in zip(shown, rows, strict=True):
        heights.setdefault((way.to, way.vm), []).append(y + _ROW / 2)
        counts[way.to, way.vm] += way.times
    order = sorted(heights, key=lambda one: (one[0] == "hypervisor", one[1]))
    gap = max(4.0, (bottom - _TOP - _TALL * len(order)) / (len(order) + 1))
    for number, one in enumerate(order):
        top, handed = _TOP + gap * (number + 1) + _TALL * number, one[0] == "hypervisor"
        who = "hypervisor" if handed else "host"
        title = who_name("hypervisor") if handed else _("the host itself")
        note = (
            _("for {vm}").format(vm=one_line(one[1])) if one[1] else "" if handed else _("drivers, processes")
        )
        yield from _box(_RIGHT, top, _TALL, who, title, note, grouped(counts[one]))
        x = _HOST_RIGHT + 14 + (_LINK - 40) * (number + 0.5) / len(order)
        yield from _ways(heights[one], x, top + _TALL / 2, who)


def _ways(places: list[float], x: float, end: float, who: str) -> Iterator[Element]:
    """From the host at these heights to one line upright at `x`, and from that to a receiver."""
    line = f"l-{who} d-{who}"
    for y in places:
        yield path(line, (_HOST_RIGHT - 14, y), (x, y))
        yield el("circle", class_=f"b-{who}", cx=x, cy=y, r=3)
    yield path(line, (x, min(*places, end)), (x, max(*places, end)))
    yield arrow(line, f"b-{who}", (x, end), (_RIGHT, end))


def _box(
    x: float, y: float, height: float, who: str, name: str, note: str, count: str = ""
) -> Iterator[Element]:
    """Who it is: a name, what that is, and how many it got."""
    slope, middle = LOOKS[who].slope, y + height / 2
    yield rect(x, y, _BOX, height, f"f-{who}", radius=4)
    if slope is not None:
        yield hatch(x, y, 8, height, f"l-{who} thin", slope, gap=5)
    yield rect(x, y, _BOX, height, f"l-{who}", radius=4)
    left, aside = x + 18, text_width(count, 12, bold=True) + 8
    yield text(left, middle - 2 if note else middle + 4, name, room=_BOX - 28 - aside, ink=who, bold=True)
    if count:
        yield text(x + _BOX - 10, middle + 4, count, ink=who, bold=True, anchor="end")
    if note:
        yield text(left, middle + 12, note, room=_BOX - 28 - aside, size=11, ink=who)
