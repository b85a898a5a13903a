"""Events in the trace format of Chrome and Perfetto, for a file that https://ui.perfetto.dev opens.

There is a track for the machine and for every VM, and for every process of a host: there a slice is its time with
the hart. On the others a slice lasts from a trap to the return that ends its
handler, and for as long as a guest runs directly; everything else is an instant. An arrow leads from a slice
to each slice that follows from it. The viewer takes times for microseconds: one is one attempted instruction
of the machine. (Trace Event Format, "JSON Array Format", "Flow Events".)
"""

import json
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import fields
from typing import Any, NamedTuple

from vlab.events import (
    CsrWrite,
    Entry,
    Event,
    EventId,
    Exit,
    Injection,
    InterruptChange,
    Return,
    Routing,
    Trap,
)
from vlab.language import _
from vlab.views.words import event_label, vm_name

_DEEPEST = 32  # slices in each other: traps that never return would make thousands, which no viewer can show
_REMEMBERED = 4096  # causes that may still have effects: the open events of all levels are far fewer
_MOST_HELD = 64  # events that wait until it is known whose an interrupt is
# In place of a level: the tracks of the processes of a host, on the machine (-1), in a VM (-2), …
_PROCESS = -1
_COUNTS = ("size", "offset", "entries")  # these are numbers to a reader; all others are addresses and bits


class PerfettoTrace:
    """Writes events as they come, with `write(text)`, and keeps none: a listener for an `EventSource`.

    `close` writes the end.
    """

    def __init__(self, write: Callable[[str], object]):
        self._write = write
        self._open: Counter[int] = Counter()
        self._between = "[\n"
        self._tracks: dict[tuple[int, str], int] = {}
        self._guests: dict[int, str] = {}
        self._slices: dict[EventId, int] = {}  # by event: the track of the slice that it is, or follows from
        self._arrows = 0
        self._held: deque[Event] = deque()
        self._processes = _Processes()
        self._row(ph="M", name="process_name", args={"name": _("vlab: 1 µs is one attempted instruction")})
        self._track(0, "")

    def __call__(self, event: Event) -> None:
        """Write one event; one that waits for it to be known whose it is comes later, and so do those after it."""
        self._held.append(event)
        while self._held and (len(self._held) > _MOST_HELD or self._known(self._held[0])):
            self._put(self._held.popleft())

    def _known(self, event: Event) -> bool:
        """Whether it is known whose an event is: an interrupt is injected just before its VM's turn."""
        if not isinstance(event, Injection) or not event.interrupt:
            return True
        for other in self._held:
            if other.level == event.level and isinstance(other, Entry | Exit):
                if isinstance(other, Entry):
                    self._guests[event.level] = other.vm
                return True
        return False

    def _put(self, event: Event) -> None:
        """Write one event."""
        ran = self._processes.follow(event)
        if ran is not None:
            track = self._track(_PROCESS - event.level, ran.name)
            label = _("has the hart")
            self._row(ph="X", name=label, cat="process", ts=ran.start, dur=ran.end - ran.start, tid=track)
        label = event_label(event)
        if isinstance(event, Entry):
            label = _("runs directly in {mode}").format(mode=event.mode)
        track = self._track(event.level, self._vm(event))
        row = {
            "name": label,
            "cat": event.kind,
            "ts": event.time,
            "tid": track,
            "args": _details(event),
        }
        phases = self._phases(event, track)
        cause = None if event.parent is None else self._slices.get(event.parent)
        follows = cause is not None and "B" in phases
        if cause is not None and follows:
            self._arrows += 1
            self._arrow("s", event, cause)
        for phase in phases:
            self._row(ph=phase, **row, **({"s": "t"} if phase == "i" else {}))
        if follows:
            self._arrow("f", event, track)
        self._remember(event, track if "B" in phases else cause)

    def close(self) -> None:
        """Write the end of the file."""
        while self._held:
            self._put(self._held.popleft())
        self._write("\n]\n")

    def _vm(self, event: Event) -> str:
        """The name of the VM whose event it is; of the machine's, none."""
        if isinstance(event, Entry | Exit | InterruptChange) and event.level:
            self._guests[event.level] = event.vm
        return self._guests.get(event.level, "")

    def _track(self, level: int, vm: str) -> int:
        """The number of a VM's track, which gets its name when it is first needed."""
        if (track := self._tracks.get((level, vm))) is None:
            track = self._tracks[level, vm] = len(self._tracks)
            self._row(ph="M", name="thread_name", tid=track, args={"name": _track_name(level, vm)})
            self._row(ph="M", name="thread_sort_index", tid=track, args={"sort_index": track})
        return track

    def _remember(self, event: Event, track: int | None) -> None:
        """What follows from this event follows from that track's slice."""
        if isinstance(event, Trap | Exit) and track is not None:
            if len(self._slices) >= _REMEMBERED:
                self._slices.clear()
            self._slices[event.id] = track

    def _arrow(self, phase: str, event: Event, track: int) -> None:
        """One end of an arrow; both bind to the slice that is open on their track then."""
        end = {"bp": "e"} if phase == "f" else {}
        self._row(ph=phase, id=self._arrows, name="cause", cat="cause", ts=event.time, tid=track, **end)

    def _phases(self, event: Event, track: int) -> str:
        """What becomes of an event: beginnings (B) or ends (E) of slices, or an instant (i)."""
        before = after = self._open[track]
        match event:
            case Trap() | Entry():
                after += 1
            case Return(target="U"):
                after = 0  # all handlers have ended, those too that were left without a return
            case Return() | Exit():
                after = max(0, after - 1)
        self._open[track] = after
        shown = min(after, _DEEPEST) - min(before, _DEEPEST)
        phases = "B" * shown + "E" * -shown
        return phases + "i" if isinstance(event, Exit) or not phases else phases  # an exit is worth a mark

    def _row(self, **row: Any) -> None:
        self._write(self._between + json.dumps({"pid": 0, **row}, separators=(",", ":")))
        self._between = ",\n"


class _Run(NamedTuple):
    """For how long a process of a host had the hart."""

    name: str
    start: int
    end: int


class _Processes:
    """Finds when a host's processes run. Who is interrupted is known by the page table, once it had a name."""

    def __init__(self) -> None:
        self._tables: dict[int, int] = {}  # by level: what `satp` has
        self._names: dict[tuple[int, int | None], str] = {}
        self._entering: set[int] = set()  # levels at which a guest will have the hart, not a process
        self._began: dict[int, int] = {}
        self._over: dict[int, tuple[int, int]] = {}

    def follow(self, event: Event) -> _Run | None:
        """One event more. A process's time with the hart is known once the host says whose its end is."""
        level = event.level
        match event:
            case CsrWrite(name="satp"):
                self._tables[level] = event.after
            case Entry():
                self._entering.add(level - 1)
            case Return() if event.origin != "M" and level not in self._entering:
                self._began[level] = event.time
            case Trap():
                self._entering.discard(level)
                self._over.pop(level, None)
                if level in self._began:
                    self._over[level] = self._began.pop(level), event.time
            case Routing() if level in self._over:
                key, (start, end) = (level, self._tables.get(level)), self._over.pop(level)
                if not event.interrupt and len(self._names) < _REMEMBERED:
                    self._names[key] = event.source
                return _Run(self._names.get(key, ""), start, end)
        return None


def _track_name(level: int, vm: str) -> str:
    """Who it is; VMs at different depths may bear the same name."""
    if level <= _PROCESS:
        return _("process {name}").format(name=vm or "?")
    if not vm:
        return vm_name(level)
    return vm if level == 1 else _("{vm} at depth {level}").format(vm=vm, level=level)


def _details(event: Event) -> dict[str, Any]:
    """Every field of an event; its id and its cause's as texts that can be searched for."""
    found: dict[str, Any] = {"id": _name(event.id)}
    if event.parent is not None:
        found["parent"] = _name(event.parent)
    for field in fields(event):
        if field.name not in ("id", "level", "parent"):
            found[field.name] = _shown(field.name, getattr(event, field.name))
    return found


def _name(event: EventId) -> str:
    return f"{event[0]}.{event[1]}"


def _shown(name: str, value: Any) -> Any:
    """A value for a viewer, which keeps whole numbers only up to 53 bits."""
    match value:
        case bool() | str():
            return value
        case int():
            return value if name in _COUNTS else hex(value)
    return {changed: f"{before:#x} → {after:#x}" for changed, before, after in value}
