"""Events in the trace format of Chrome and Perfetto, for a file that https://ui.perfetto.dev opens.

There is a track for each level. On it a slice lasts from a trap to the return that ends its handler, and for
as long as a guest runs directly; everything else is an instant. The viewer takes times for microseconds: one
is one attempted instruction of the machine. (Trace Event Format, "JSON Array Format".)
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from vlab.events import Entry, Event, EventId, Exit, Return, Trap
from vlab.language import _
from vlab.views.words import event_label, vm_name

_DEEPEST = 32  # slices in each other: traps that never return would make thousands, which no viewer can show
_COUNTS = ("size", "offset", "entries")  # these are numbers to a reader; all others are addresses and bits


class PerfettoTrace:
    """Writes events as they come, with `write(text)`, and keeps none: a listener for an `EventSource`.

    `levels` is how many computers there are, the machine included. `close` writes the end.
    """

    def __init__(self, write: Callable[[str], object], levels: int):
        self._write = write
        self._open: Counter[int] = Counter()
        self._between = "[\n"
        self._row(ph="M", name="process_name", args={"name": _("vlab: 1 µs is one attempted instruction")})
        for level in range(levels):
            self._row(ph="M", name="thread_name", tid=level, args={"name": vm_name(level)})
            self._row(ph="M", name="thread_sort_index", tid=level, args={"sort_index": level})

    def __call__(self, event: Event) -> None:
        """Write one event."""
        label = event_label(event)
        if isinstance(event, Entry):
            label = _("runs directly in {mode}").format(mode=event.mode)
        row = {
            "name": label,
            "cat": event.kind,
            "ts": event.time,
            "tid": event.level,
            "args": _details(event),
        }
        for phase in self._phases(event):
            self._row(ph=phase, **row, **({"s": "t"} if phase == "i" else {}))

    def close(self) -> None:
        """Write the end of the file."""
        self._write("\n]\n")

    def _phases(self, event: Event) -> str:
        """What becomes of an event: beginnings (B) or ends (E) of slices, or an instant (i)."""
        before = after = self._open[event.level]
        match event:
            case Trap() | Entry():
                after += 1
            case Return(target="U"):
                after = 0  # all handlers have ended, those too that were left without a return
            case Return() | Exit():
                after = max(0, after - 1)
        self._open[event.level] = after
        shown = min(after, _DEEPEST) - min(before, _DEEPEST)
        phases = "B" * shown + "E" * -shown
        return phases + "i" if isinstance(event, Exit) or not phases else phases  # an exit is worth a mark

    def _row(self, **row: Any) -> None:
        self._write(self._between + json.dumps({"pid": 0, **row}, separators=(",", ":")))
        self._between = ",\n"


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
