"""Where events come from: who listens, and which event each one follows from."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from vlab.events.counts import TrapCounts
from vlab.events.recording import Recording
from vlab.events.records import Entry, Event, EventId, Exit, InterruptChange, Return, Trap
from vlab.language import _

_DEEPEST = 64  # open events a level, and handlers interrupted there: traps that never return must not pile up

Kind = TypeVar("Kind", bound=Event)


@dataclass(slots=True)
class _Software:
    """What the system software of one level has in hand: its open events, the innermost last."""

    open: tuple["Trap | Exit", ...] = ()
    # By pc and stack pointer: what was open in a handler when it was left there by another trap.
    interrupted: dict[tuple[int, int], tuple["Trap | Exit", ...]] = field(default_factory=dict)
    guest: str = ""  # the VM that ran last, if it is known


class EventSource:
    """Where a machine's events come from. With no listener it does nothing, and listening changes nothing.

    `clock` tells the time, and `stack` the stack pointer: two handlers may be left at the same pc. `traps` are counted
    whether anybody listens or not.
    """

    def __init__(self, clock: Callable[[], int], stack: Callable[[], int] = lambda: 0):
        self._clock, self._stack = clock, stack
        self._listeners: tuple[Callable[[Event], None], ...] = ()
        self._hasty: tuple[Callable[[Event], None], ...] = ()
        self._levels: list[_Software] = []
        self._told: dict[tuple[int, object], dict[int, str]] = {}
        self._last: EventId = (-1, 0)
        self.traps = TrapCounts()
        self.on = False

    def __repr__(self) -> str:
        return _("Events of a machine: {count} listeners").format(count=len(self._listeners))

    def emit(self, kind: type[Kind], level: int, *rest: Any) -> Kind | None:
        """Tell the listeners, if there are any; `rest` are the record's own fields in order."""
        return self.emit_at(self._clock(), self._stack(), kind, level, *rest) if self.on else None

    def emit_at(self, time: int, stack: int, kind: type[Kind], level: int, *rest: Any) -> Kind:
        """The same of what was at a `time` that is just past, when the stack pointer was `stack`."""
        self._last = (time, self._last[1] + 1 if self._last[0] == time else 0)
        event = kind(self._last, level, None, *rest)
        cause = self._cause(event)
        if cause is not None:
            event = replace(event, parent=cause.id)
        self._open_and_close(event, stack)
        for listener in self._listeners:
            listener(event)
        return event

    def _cause(self, event: Event) -> "Trap | Exit | None":
        """The innermost open event of the outermost level that has one: its software stands in control."""
        found = next((software.open[-1] for software in self._levels if software.open), None)
        if isinstance(event, Trap) and event.interrupt:
            # A hypervisor may hear of it by an exit that is an interrupt itself.
            return found if isinstance(found, Exit) and found.interrupt else None
        if isinstance(event, InterruptChange) and event.pending and event.level == 0:
            return None  # a device's doing, whatever the hart does meanwhile
        return found

    def _open_and_close(self, event: Event, stack: int) -> None:
        match event:
            case Trap():
                software = self._software(event.level)
                if event.origin != "U":  # a handler was left, and will go on there
                    if len(software.interrupted) >= _DEEPEST:
                        software.interrupted.clear()
                    software.interrupted[event.pc, stack] = software.open
                around = () if event.interrupt else software.open[1 - _DEEPEST :]
                software.open = (*around, event)
            case Exit():
                software = self._software(event.level - 1)
                software.open = (*software.open[1 - _DEEPEST :], event)
                software.guest = event.vm
            case Entry():
                software = self._software(event.level - 1)
                if software.guest not in ("", event.vm):
                    del self._levels[event.level :]  # another guest has its own past
                software.guest = event.vm
            case Return():
                software = self._software(event.level)
                left = software.interrupted.pop((event.pc, stack), software.open[:-1])
                software.open = () if event.target == "U" else left

    def _software(self, level: int) -> _Software:
        while len(self._levels) <= level:
            self._levels.append(_Software())
        return self._levels[level]

    def forget(self, level: int = 0) -> None:
        """What was open at this level and inside is so no more: another state was put in its place."""
        del self._levels[level:]
        self._told = {key: told for key, told in self._told.items() if key[0] < level}

    def told(self, level: int, hart: object) -> dict[int, str]:
        """What the listeners know of a hart's interrupts, by code; whoever tells them keeps it."""
        return self._told.setdefault((level, hart), {})

    @property
    def hasty(self) -> bool:
        """Whether somebody must hear of each event when it happens."""
        return bool(self._hasty)

    def listen(self, listener: Callable[[Event], None], *, patient: bool = False) -> None:
        """Call `listener` with every event from here on.

        A `patient` one may be called a little later, in the same order: it looks at nothing but the events.
        """
        self._listeners = (*self._listeners, listener)
        if not patient:
            self._hasty = (*self._hasty, listener)
        self.on = True

    def unlisten(self, listener: Callable[[Event], None]) -> None:
        """Stop calling `listener`."""
        self._listeners = tuple(one for one in self._listeners if one != listener)
        self._hasty = tuple(one for one in self._hasty if one != listener)
        if not self._listeners:
            self.on = False
            self.forget()
            self._last = (-1, 0)

    @contextmanager
    def record(self) -> Iterator["Recording"]:
        """Collect events for the length of a `with` block: the first million of them (`recording.MOST`)."""
        recording = Recording()
        self.listen(recording.take, patient=True)
        try:
            yield recording
        finally:
            self.unlisten(recording.take)

    @contextmanager
    def apart(self) -> Iterator["Recording"]:
        """Record a look ahead that will be undone: no other listener hears of it, and nothing stays open."""
        kept = self._listeners, self._hasty, self._levels, self._told, self._last, self.on
        self._listeners = self._hasty = ()
        self._levels = [replace(one, interrupted=dict(one.interrupted)) for one in self._levels]
        self._told = {key: dict(told) for key, told in self._told.items()}
        counted = self.traps.rows()
        try:
            with self.record() as recording:
                yield recording
        finally:
            self._listeners, self._hasty, self._levels, self._told, self._last, self.on = kept
            self.traps.restore(counted)
