"""Who had the hart: the turns of the VMs of one computer, and of its host's processes, and their shares of the time.

A turn lasts from an entry until its VM leaves the hart for another one's turn, or waits in `wfi`. What the
hypervisor does for a VM in the meantime is a part of its turn; the time between turns is nobody's.
"""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from vlab import events as ev
from vlab.display import Bundle, one_line
from vlab.events import Event, Recording
from vlab.hypervisor import Hypervisor
from vlab.hypervisor.host import Host
from vlab.language import _
from vlab.views.drawing.grammar import LOOKS, colour
from vlab.views.drawing.metrics import fit, text_width, wrap
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, hatch, path, rect, text
from vlab.views.plots.charts import Plot, new_plot, vlab_style
from vlab.views.runs.control import OWN, PROCESS
from vlab.views.runs.lanes import Runners
from vlab.views.runs.timeline import HEAD, LEFT, MARGIN, PLOT, time_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TOP, _LANE, _BAR = 66, 50, 34
_SHARE = 190  # the column of the shares, at the right
_MOST = 20  # rows of a picture
_NAME = 250  # the longest name beside a bar of a chart, in pixels
_TURN = {"VM": "kernel", "process": "process"}

Weights = Mapping[str, int] | Hypervisor | Host


class Turn(NamedTuple):
    """One turn: whose (the name of a VM or of a host's process; `kind` says which), and from when to when."""

    name: str
    kind: str
    start: int
    end: int

    @property
    def length(self) -> int:
        """How long it lasted."""
        return self.end - self.start


class Shares:
    """Who had the machine's hart in a recording, turn by turn, and for how long in all.

    `turns` are in the order of time; `times` maps each name to the sum of its turns. `weights`, by name or as
    those of a hypervisor or a host have them now, are only shown beside the shares. In a notebook it draws itself.
    """

    def __init__(self, recording: Recording, weights: Weights | None = None):
        events = recording.events
        self.start = events[0].time if events else 0
        self.end = events[-1].time + 1 if events else 1
        self.turns = tuple(turn for turn in _turns(recording) if turn.length)
        self.weights = _weights(weights)
        self.kinds: dict[str, str] = {}
        times: dict[str, int] = {}
        for turn in self.turns:
            self.kinds.setdefault(turn.name, turn.kind)
            times[turn.name] = times.get(turn.name, 0) + turn.length
        self.times = {
            name: times[name] for name in sorted(times, key=lambda name: (self.kinds[name] != "VM", name))
        }

    @property
    def total(self) -> int:
        """The time of all turns together."""
        return sum(self.times.values())

    def share(self, name: str) -> float:
        """The part of all turns' time that was one's own; 0 for who had none."""
        return self.times.get(name, 0) / (self.total or 1)

    def due(self, name: str) -> float | None:
        """The part that is one's due by its weight, if all of them are busy; None where a weight isn't known."""
        if not self.times.keys() <= self.weights.keys():
            return None
        return self.weights[name] / sum(self.weights[other] for other in self.times)

    @property
    def switches(self) -> int:
        """How often the hart went from one to another."""
        return max(0, sum(1 for _turn in groupby(turn.name for turn in self.turns)) - 1)

    def __repr__(self) -> str:
        listed = ", ".join(self._said(name) for name in self.times) or _("nobody")
        return _("Who had the hart, time {start} to {end}: {shares}; world switches: {switches}.").format(
            start=self.start, end=self.end, shares=listed, switches=self.switches
        )

    def _said(self, name: str) -> str:
        percent = f"{self.share(name):.0%}".replace("%", " %")
        if name not in self.weights:
            return f"{_named(name)} {percent}"
        return _("{name} {percent} (weight {weight})").format(
            name=_named(name), percent=percent, weight=self.weights[name]
        )

    # The picture

    @property
    def picture(self) -> Picture:
        """A lane for each, with its turns; at the right its share of the time, and what is its due by its weight."""
        names = list(self.times)[:_MOST]
        width, bottom = LEFT + PLOT + _SHARE + MARGIN, _TOP + _LANE * max(1, len(names))
        shapes: list[Element] = [text(MARGIN, 26, _("Who had the hart"), size=13, bold=True)]
        shapes += _legend(LEFT + PLOT + _SHARE, any(self.due(name) is not None for name in names))
        for lane, name in enumerate(names):
            top = _TOP + _LANE * lane
            shapes += [*self._head(name, top), *self._slices(name, top), *self._share(name, top)]
        shapes += time_axis((self.start, self.end), bottom)
        sentence = repr(self)
        lines = wrap(sentence, width - 2 * MARGIN)
        shapes += [
            text(MARGIN, bottom + 46 + 17 * n, line, room=width - 2 * MARGIN) for n, line in enumerate(lines)
        ]
        return Picture(tuple(shapes), width, bottom + 46 + 17 * len(lines), sentence)

    def _head(self, name: str, top: float) -> Iterator[Element]:
        who = _TURN[self.kinds[name]]
        yield rect(MARGIN, top, HEAD - 10, _BAR, f"f-{who}", radius=4)
        yield from _pattern(MARGIN, top, 8, _BAR, who)
        yield rect(MARGIN, top, 8, _BAR, f"l-{who} thin")
        yield text(MARGIN + 16, top + 15, _named(name), room=HEAD - 34, size=12, ink=who, bold=True)
        words = _("VM") if self.kinds[name] == "VM" else _("process")
        if name in self.weights:
            words += " · " + _("weight {weight}").format(weight=self.weights[name])
        yield text(MARGIN + 16, top + 29, words, room=HEAD - 34, size=10, ink=who)

    def _slices(self, name: str, top: float) -> Iterator[Element]:
        """The turns; those too near each other for a gap that can be seen are drawn as one."""
        who, drawn = _TURN[self.kinds[name]], [-1.0, -1.0]
        yield path("l-rule", (LEFT, top + _BAR), (LEFT + PLOT, top + _BAR))
        places = [(self._x(turn.start), self._x(turn.end)) for turn in self.turns if turn.name == name]
        for left, right in [*places, (LEFT + 2 * PLOT, LEFT + 2 * PLOT)]:
            if left - drawn[1] < 1 and drawn[0] >= 0:
                drawn[1] = max(drawn[1], right)
                continue
            if drawn[0] >= 0:
                x, room = drawn[0], max(1.0, drawn[1] - drawn[0])
                yield rect(x, top + 2, room, _BAR - 2, f"f-{who}")
                yield from _pattern(x, top + 2, room, _BAR - 2, who)
                yield rect(x, top + 2, room, _BAR - 2, f"l-{who}")
            drawn = [left, right]

    def _share(self, name: str, top: float) -> Iterator[Element]:
        """The part of the time, as a bar; a mark on it where it should end by the weight."""
        who, left, room = _TURN[self.kinds[name]], LEFT + PLOT + 16, _SHARE - 70.0
        yield rect(left, top + 9, room, 18, "f-rule")
        yield rect(left, top + 9, room * self.share(name), 18, f"b-{who}")
        due = self.due(name)
        if due is not None:
            x = left + room * due
            yield path("l-ink thick", (x, top + 3), (x, top + 33))
        percent = f"{self.share(name):.0%}".replace("%", " %")
        yield text(LEFT + PLOT + _SHARE, top + 23, percent, size=12, bold=True, anchor="end")

    def _x(self, time: float) -> float:
        return LEFT + PLOT * (time - self.start) / (self.end - self.start)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        return self.picture._repr_mimebundle_()


def chart_shares(
    shares: Shares | Recording, weights: Weights | None = None, ax: "Axes | None" = None
) -> Plot:
    """The time that each VM and each of the host's processes had the hart, as a bar chart, with what is its due.

    `weights` is as for `Shares`; of `Shares` themselves it has no effect.
    """
    if isinstance(shares, Recording):
        shares = Shares(shares, weights)
    with vlab_style():
        plot = new_plot(repr(shares), 9, 1.3 + 0.5 * max(1, len(shares.times)), ax)
        for row, (name, time) in enumerate(shares.times.items()):
            who, due = _TURN[shares.kinds[name]], shares.due(name)
            bar = plot.axes.barh(
                [row],
                [time],
                hatch=LOOKS[who].hatch,
                height=0.6,
                color=colour(f"{who}-fill"),
                edgecolor=colour(f"{who}-strong"),
                linewidth=1.5,
            )
            plot.axes.bar_label(bar, [f"{shares.share(name):.0%}".replace("%", " %")], padding=6)
            if due is not None:
                x, label = due * shares.total, _("its due, by its weight") if row == 0 else None
                plot.axes.plot(
                    [x, x],
                    [row - 0.42, row + 0.42],
                    color=colour("ink"),
                    linewidth=2.5,
                    linestyle="-",
                    label=label,
                )
        names = [fit(_chart_name(shares, name), _NAME) for name in shares.times]
        plot.axes.set_yticks(range(len(names)), names, parse_math=False)
        plot.axes.invert_yaxis()
        plot.axes.margins(x=0.12)
        plot.axes.set_xlabel(_("time with the hart (instructions)"))
        plot.axes.tick_params(axis="y", length=0)
        if shares.times and shares.due(next(iter(shares.times))) is not None:
            plot.axes.legend(
                loc="upper center", bbox_to_anchor=(0.5, 1.0 + 0.35 / max(1, len(names))), frameon=False
            )
    return plot


def _chart_name(shares: Shares, name: str) -> str:
    if name not in shares.weights:
        return _named(name)
    return _("{name} (weight {weight})").format(name=_named(name), weight=shares.weights[name])


def _named(name: str) -> str:
    """A VM's name, or a process's; some have none."""
    return one_line(name) or _("a process")


def _weights(given: Weights | None) -> dict[str, int]:
    """Weights by name."""
    if given is None:
        return {}
    if isinstance(given, Host):
        return {process.name: process.weight for process in given.processes}
    if isinstance(given, Hypervisor):
        return {vm.name: vm.weight for vm in given.vms}
    return dict(given)


def _turns(recording: Recording) -> Iterator[Turn]:
    """All turns on the machine's hart, in the order of time; some take no time at all."""
    runners = Runners(recording)
    held: Turn | None = None  # whose turn it is
    for number, event in enumerate(recording.events):
        runners.follow(number, event)
        coming = _begins(runners, event)
        if coming is not None and (held is None or held.name != coming.name):
            if held is not None:
                yield held
            held = coming
        elif held is not None and (coming is not None or _leaves(event)):
            held = held._replace(end=event.time)
        elif held is not None and _waits(event):
            yield held
            held = None
    if held is not None:
        still = runners.place[0] in (OWN, PROCESS) or runners.place[1] > 0
        yield held._replace(end=recording.events[-1].time) if still else held


def _begins(runners: Runners, event: Event) -> Turn | None:
    """The turn that begins with an event, or goes on."""
    if isinstance(event, ev.Entry) and event.level == 1:
        return Turn(event.vm, "VM", event.time, event.time)
    if isinstance(event, ev.Return) and runners.place == (OWN, 0):
        return Turn(runners.process, "process", event.time, event.time)
    return None


def _leaves(event: Event) -> bool:
    """Whether somebody left the hart."""
    return (isinstance(event, ev.Trap) and event.level == 0) or (
        isinstance(event, ev.Exit) and event.level == 1
    )


def _waits(event: Event) -> bool:
    """Whether a VM has nothing to do, until an interrupt."""
    return isinstance(event, ev.Emulation) and event.level == 1 and event.text == "wfi"


def _pattern(x: float, y: float, width: float, height: float, who: str) -> Iterator[Element]:
    slope = LOOKS[who].slope
    if slope is not None and width >= 3:
        yield hatch(x, y, width, height, f"l-{who} thin", slope, gap=6)


def _legend(right: float, due: bool) -> Iterator[Element]:
    """What the bars at the right mean."""
    yield text(right, 26, _("part of the time"), size=11, ink="muted", anchor="end")
    if not due:
        return
    words = _("its due, by its weight")
    room = text_width(words, 11)
    yield text(right, 44, words, size=11, ink="muted", anchor="end")
    yield path("l-ink thick", (right - room - 8, 34), (right - room - 8, 47))
