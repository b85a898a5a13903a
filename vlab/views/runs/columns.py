"""A long run in columns: when, in which lane, what, of which VM, and because of what, a few bytes an event.

A million events take 21 MB so. The page and the printed picture both draw from these columns alone, and both
find what stands between two times by halving; so neither needs longer for a longer run than for a short one.
"""

import zlib
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from vlab import events as ev
from vlab.display import one_line
from vlab.events import Event, EventId, Recording, kind_title
from vlab.language import _, unknown
from vlab.riscv.privilege import cause_key, cause_title
from vlab.views.runs.lanes import Runners, path_name
from vlab.views.terms import term

_MOST_CAUSES = 200  # with names of their own; a hostile run may have more
# They change who has the hart.
_MOVES = frozenset({ev.Trap, ev.Injection, ev.Return, ev.Exit, ev.Entry, ev.Routing})
_OPENS = frozenset({ev.Trap, ev.Injection, ev.Exit})  # other events may follow from them


class Cause(NamedTuple):
    """One kind of event with one cause, such as ("Exit", "timer"), and the cause in the reader's language."""

    kind: str
    key: str
    title: str


# What tells two events of a kind apart: the field, before it is made into words.
_FIELDS: dict[type[Event], Callable[[Any], object]] = {
    ev.Trap: attrgetter("cause"),
    ev.Injection: attrgetter("cause"),
    ev.InterruptChange: attrgetter("cause"),
    ev.Exit: attrgetter("reason"),
    ev.ShadowFlush: attrgetter("reason"),
    ev.TlbFlush: attrgetter("reason"),
    ev.Return: attrgetter("instruction"),
    ev.Entry: attrgetter("mode"),
    ev.Emulation: lambda event: event.text.split(" ", 1)[0],
    ev.CsrWrite: attrgetter("name"),
    ev.ShadowFill: attrgetter("access"),
    ev.TlbFill: attrgetter("access"),
    ev.DeviceAccess: attrgetter("device"),
    ev.Routing: attrgetter("to"),
}


class Option(NamedTuple):
    """A choice of events: the words that stand for it in code, its title, and the numbers that it lets pass."""

    words: tuple[str, ...]
    title: str
    numbers: tuple[int, ...]
    group: str = ""


class Columns:
    """A recording's events by position, in columns.

    `times`; `lanes` and `control` (numbers of `rows`: where the event stands, who has the hart after it);
    `causes` (numbers of `kinds`); `vms` (numbers of `paths`); `parents` (how many positions earlier the event
    stands that it follows from; 0: none).
    """

    def __init__(self, recording: Recording):
        self.events = recording.events
        self.times = array("d", [event.id[0] for event in self.events])
        self.kinds: list[Cause] = []
        self._numbers: dict[tuple[type[Event], object], int] = {}
        self.causes = bytes(map(self._cause, self.events))
        self.parents = array("I", _distances(self.events))
        self.lanes, self.control, self.vms = bytearray(), bytearray(), bytearray()
        runners = Runners(recording)
        self._place(runners)
        self.paths = runners.paths
        self.rows, table = runners.rows()
        self.lanes, self.control = self.lanes.translate(table), self.control.translate(table)
        self.first = table[runners.first]

    def __len__(self) -> int:
        return len(self.events)

    @property
    def span(self) -> tuple[float, float]:
        """When the run begins, and when its last instant is over."""
        return (self.times[0], self.times[-1] + 1) if self.times else (0.0, 1.0)

    def _cause(self, event: Event) -> int:
        kind = type(event)
        key = (kind, _FIELDS.get(kind, _nothing)(event))
        number = self._numbers.get(key)
        return self._new_cause(*key) if number is None else number

    def _new_cause(self, kind: type[Event], value: object) -> int:
        if len(self._numbers) >= _MOST_CAUSES:
            value = None
        if (kind, value) not in self._numbers:
            self._numbers[kind, value] = len(self.kinds)
            self.kinds.append(_named(kind, value))
        return self._numbers[kind, value]

    def _place(self, runners: Runners) -> None:
        """Walk through the run: in whose lane each event stands, of which VM it is, who has the hart then."""
        coming: dict[int, list[int]] = {}  # interrupts that were delivered to a VM before its turn
        for number, event in enumerate(self.events):
            kind, level, lane, path = type(event), event.level, runners.lane, runners.path
            if kind in _MOVES:
                runners.follow(number, event)
                if kind is ev.Injection and event.cause >> 63:  # type: ignore[attr-defined]
                    coming.setdefault(level, []).append(number)
                elif kind is ev.Exit:
                    coming.pop(level, None)
                elif kind is ev.Entry:
                    for place in coming.pop(level, ()):
                        self.vms[place] = runners.ours[level]
            if kind is ev.Routing:
                lane, path = runners.system(level), runners.ours[level]
                if event.vm:  # type: ignore[attr-defined]
                    path = runners.number((*runners.paths[path], event.vm))  # type: ignore[attr-defined]
            elif level:
                lane, path = runners.supervisors[level], runners.ours[level]
                if kind is ev.InterruptChange and event.vm:  # type: ignore[attr-defined]
                    path = runners.number((*runners.paths[runners.ours[level - 1]], event.vm))  # type: ignore[attr-defined]
            elif kind is ev.Trap or kind is ev.Return:
                path = path or runners.path
            else:
                lane, path = 0, runners.path
            self.lanes.append(lane)
            self.vms.append(path)
            self.control.append(runners.lane)

    def pack(self) -> bytes:
        """All columns behind each other, packed: times as differences, so that little is left of them."""
        last, steps = self.span[0], array("d")
        for time in self.times:
            steps.append(time - last)
            last = time
        parts = (steps.tobytes(), self.parents.tobytes(), self.lanes, self.control, self.causes, self.vms)
        return zlib.compress(b"".join(parts), 1)

    def between(self, start: float, end: float) -> range:
        """The positions of the events from one time up to, not including, another."""
        return range(bisect_left(self.times, start), bisect_left(self.times, end))

    # Causes and effects, as `vlab.views.words` asks for them

    def cause(self, number: int) -> int | None:
        """The position of the event that this one follows from."""
        distance = self.parents[number]
        return number - distance if distance else None

    def effects(self, number: int) -> Iterator[int]:
        """The positions of all events that follow from this one, directly or not; none stands before it."""
        found = {number}
        for place, distance in enumerate(self.parents[number + 1 :], number + 1):
            if distance and place - distance in found:
                found.add(place)
                yield place

    def count(self, number: int) -> int:
        """How many there are."""
        return sum(1 for _effect in self.effects(number))


def _nothing(_event: object) -> None:
    return None


def _named(kind: type[Event], value: object) -> Cause:
    """A kind of event with its cause, in stable words and in the reader's."""
    if kind in (ev.Trap, ev.Injection, ev.InterruptChange) and isinstance(value, int):
        return Cause(kind.__name__, cause_key(value), cause_title(value))
    words = one_line(str(value))[:40] if value is not None else ""
    return Cause(kind.__name__, words, term(words) or kind_title(kind.__name__))


def _distances(events: Sequence[Event]) -> Iterator[int]:
    """How many positions before each event stands the one that it follows from; 0 where it isn't there."""
    places: dict[EventId, int] = {}
    for number, event in enumerate(events):
        yield 0 if event.parent is None else number - places.get(event.parent, number)
        if type(event) in _OPENS:
            places[event.id] = number


def cause_options(columns: Columns) -> list[Option]:
    """All events; then each kind; then each cause, whatever the kind."""
    found: dict[str, list[int]] = {}
    titles: dict[str, str] = {}
    for kind in columns.kinds:
        titles.setdefault(f"kind {kind.kind}", kind_title(kind.kind))
    for kind in columns.kinds:
        titles.setdefault(f"cause {kind.key}", kind.title)
    for place, kind in enumerate(columns.kinds):
        found.setdefault(f"kind {kind.kind}", []).append(place)
        if kind.key:
            found.setdefault(f"cause {kind.key}", []).append(place)
    options = [Option(("",), _("all events"), ())]
    for key in sorted(found, key=lambda key: (not key.startswith("kind "), titles[key])):
        group, word = key.split(" ", 1)
        options.append(Option((word, titles[key]), titles[key], tuple(found[key]), f"{group}s"))
    return options


def vm_options(columns: Columns) -> list[Option]:
    """All VMs; then each one, with those inside it."""
    options = [Option(("",), _("the machine and all VMs"), ())]
    for vm in columns.paths[1:]:
        inside = [place for place, other in enumerate(columns.paths) if other[: len(vm)] == vm]
        name = path_name(vm) or _("the VM")
        options.append(Option((name, vm[-1]), name, tuple(inside)))
    return options


def find_option(options: list[Option], wanted: str) -> int:
    """The number of the option that these words stand for. VlabError if there is none."""
    for place, option in enumerate(options):
        if option.numbers and wanted in option.words:
            return place
    what = _("The run has no {wanted!r}.").format(wanted=wanted)
    raise unknown(what, wanted, (option.words[0] for option in options[1:]))
