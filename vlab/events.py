"""Event records: what happened, when, at which level, and because of what.

An event is a small frozen record. Its `id` is (time, sequence): the machine's time in attempted instructions,
and a count within that instant, so that a replay from the same point gives the same ids. `level` says whose
event it is: 0 is the machine, 1 a VM on it, 2 a VM inside that VM. `parent` is the id of the event that it
follows from: the enclosing one that is still open. A trap opens, a VM's exit opens inside the trap by which its
hypervisor heard of it, and the return that ends the handler closes both. An interrupt does not follow from what
it interrupts.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from vlab.display import Drawn, sentence, view
from vlab.language import _

if TYPE_CHECKING:
    import networkx

    from vlab.views import Interrupts, Timeline

EventId = tuple[int, int]
_DEEPEST = 64  # open events a level, and handlers interrupted there: traps that never return must not pile up


@dataclass(frozen=True, slots=True, repr=False)
class Event(Drawn):
    """What every event says: its id, the level it belongs to, and the id of the event it follows from."""

    opens: ClassVar[bool] = False
    closes: ClassVar[bool] = False

    id: EventId
    level: int
    parent: EventId | None

    def __repr__(self) -> str:
        return sentence(self)

    @property
    def time(self) -> int:
        """The machine's time, in attempted instructions plus what `wfi` skipped."""
        return self.id[0]

    @property
    def kind(self) -> str:
        """The record's name: "Trap", "Exit", "Emulation", …"""
        return type(self).__name__


@dataclass(frozen=True, slots=True, repr=False)
class Trap(Event):
    """The real hart left `origin` for a trap handler in `target` (both names of modes)."""

    opens: ClassVar[bool] = True

    cause: int
    value: int
    pc: int
    origin: str
    target: str

    @property
    def interrupt(self) -> bool:
        """Whether it is an interrupt, not an exception."""
        return bool(self.cause >> 63)


@dataclass(frozen=True, slots=True, repr=False)
class Injection(Trap):
    """A hypervisor delivered a trap or interrupt to its guest's virtual hart."""


@dataclass(frozen=True, slots=True, repr=False)
class Return(Event):
    """A handler ended: `sret` or `mret`, on the real hart (level 0) or emulated on a virtual one."""

    closes: ClassVar[bool] = True

    instruction: str
    pc: int
    origin: str
    target: str


@dataclass(frozen=True, slots=True, repr=False)
class Exit(Event):
    """The guest `vm` stopped running directly, and its hypervisor took over. `reason` is a few stable words."""

    reason: str
    cause: int
    value: int
    pc: int
    mode: str
    vm: str = ""

    @property
    def interrupt(self) -> bool:
        """Whether an interrupt ended the guest's run, and not an instruction of its own."""
        return bool(self.cause >> 63)


@dataclass(frozen=True, slots=True, repr=False)
class Entry(Event):
    """A hypervisor let its guest `vm` run on directly, from `pc` in the virtual mode `mode`."""

    pc: int
    mode: str
    vm: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Emulation(Event):
    """A hypervisor executed one row of the instruction table on the virtual hart.

    `changes` holds (name, before, after) of every register and CSR that changed.
    """

    pc: int
    word: int
    text: str
    mode: str
    changes: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True, repr=False)
class CsrWrite(Event):
    """An instruction wrote a CSR (level 0: the real one)."""

    name: str
    before: int
    after: int
    pc: int


@dataclass(frozen=True, slots=True, repr=False)
class TlbFill(Event):
    """The MMU walked and remembered a translation; `access` is what was wanted."""

    address: int
    physical: int
    access: str
    context: str


@dataclass(frozen=True, slots=True, repr=False)
class TlbFlush(Event):
    """All remembered translations were dropped."""

    reason: str


@dataclass(frozen=True, slots=True, repr=False)
class ShadowFill(Event):
    """A hypervisor wrote one entry of a shadow page table: guest-virtual, guest-physical, host-physical."""

    gva: int
    gpa: int
    hpa: int
    flags: str
    access: str


@dataclass(frozen=True, slots=True, repr=False)
class ShadowFlush(Event):
    """A hypervisor dropped shadow entries, and why."""

    reason: str
    entries: int


@dataclass(frozen=True, slots=True, repr=False)
class DeviceAccess(Event):
    """A load or store reached a device's register."""

    device: str
    offset: int
    size: int
    value: int
    store: bool


@dataclass(frozen=True, slots=True, repr=False)
class InterruptChange(Event):
    """An interrupt of a hart became pending, or is held back by something else now, or is pending no more.

    `cause` is as in `xcause`. `held_by` says what keeps it from being delivered: its own enable bit ("mie",
    "sie"), that of its mode ("mstatus.MIE", "sstatus.SIE"), or the "mode" of the hart; nothing: "".
    """

    cause: int
    pending: bool
    held_by: str
    vm: str = ""


def kind_title(kind: str) -> str:
    """A kind of event in the reader's language: in English, its name."""
    return {
        "Trap": _("Trap"),
        "Injection": _("Injection"),
        "Return": _("Return"),
        "Exit": _("Exit"),
        "Entry": _("Entry"),
        "Emulation": _("Emulation"),
        "CsrWrite": _("CsrWrite"),
        "TlbFill": _("TlbFill"),
        "TlbFlush": _("TlbFlush"),
        "ShadowFill": _("ShadowFill"),
        "ShadowFlush": _("ShadowFlush"),
        "DeviceAccess": _("DeviceAccess"),
        "InterruptChange": _("InterruptChange"),
    }.get(kind, kind)


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

    `clock` tells the time, and `stack` the stack pointer: two handlers may be left at the same pc.
    """

    def __init__(self, clock: Callable[[], int], stack: Callable[[], int] = lambda: 0):
        self._clock, self._stack = clock, stack
        self._listeners: tuple[Callable[[Event], None], ...] = ()
        self._levels: list[_Software] = []
        self._told: dict[tuple[int, object], dict[int, str]] = {}
        self._last: EventId = (-1, 0)
        self.on = False

    def __repr__(self) -> str:
        return _("Events of a machine: {count} listeners").format(count=len(self._listeners))

    def emit(self, kind: type[Kind], level: int, *rest: Any) -> Kind | None:
        """Tell the listeners, if there are any; `rest` are the record's own fields in order."""
        if not self.on:
            return None
        time = self._clock()
        self._last = (time, self._last[1] + 1 if self._last[0] == time else 0)
        event = kind(self._last, level, None, *rest)
        cause = self._cause(event)
        if cause is not None:
            event = replace(event, parent=cause.id)
        self._open_and_close(event)
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

    def _open_and_close(self, event: Event) -> None:
        match event:
            case Trap():
                software = self._software(event.level)
                if event.origin != "U":  # a handler was left, and will go on there
                    if len(software.interrupted) >= _DEEPEST:
                        software.interrupted.clear()
                    software.interrupted[event.pc, self._stack()] = software.open
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
                left = software.interrupted.pop((event.pc, self._stack()), software.open[:-1])
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

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` with every event from here on."""
        self._listeners = (*self._listeners, listener)
        self.on = True

    def unlisten(self, listener: Callable[[Event], None]) -> None:
        """Stop calling `listener`."""
        self._listeners = tuple(one for one in self._listeners if one != listener)
        if not self._listeners:
            self.on = False
            self.forget()
            self._last = (-1, 0)

    @contextmanager
    def record(self) -> Iterator["Recording"]:
        """Collect events for the length of a `with` block."""
        recording = Recording()
        self.listen(recording.events.append)
        try:
            yield recording
        finally:
            self.unlisten(recording.events.append)

    @contextmanager
    def apart(self) -> Iterator["Recording"]:
        """Record a look ahead that will be undone: no other listener hears of it, and nothing stays open."""
        kept = self._listeners, self._levels, self._last, self.on
        self._listeners = ()
        self._levels = [replace(one, interrupted=dict(one.interrupted)) for one in self._levels]
        try:
            with self.record() as recording:
                yield recording
        finally:
            self._listeners, self._levels, self._last, self.on = kept


class Recording(Drawn):
    """A list of events to look at, filter, and turn into a graph."""

    def __init__(self, events: Iterable[Event] = ()):
        self.events = list(events)

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.events)  # each kind has fields of its own

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return Recording(self.events[index])
        return self.events[index]

    def __repr__(self) -> str:
        kinds: dict[str, int] = {}
        for event in self.events:
            kinds[event.kind] = kinds.get(event.kind, 0) + 1
        counts = ", ".join(f"{kind_title(kind)} {count}" for kind, count in sorted(kinds.items()))
        return _("{total} events: {counts}").format(total=len(self), counts=counts or _("none"))

    def only(self, *kinds: type[Event], level: int | None = None) -> "Recording":
        """The events of these kinds (and level); an Injection is a Trap too.

        Each one's parent becomes its nearest ancestor that is kept.
        """
        kept = {e.id for e in self.events if isinstance(e, kinds or Event) and level in (None, e.level)}
        parents = {e.id: e.parent for e in self.events}

        def ancestor(parent: EventId | None) -> EventId | None:
            while parent is not None and parent not in kept:
                parent = parents.get(parent)
            return parent

        return Recording(replace(e, parent=ancestor(e.parent)) for e in self.events if e.id in kept)

    def caused_by(self, event: Event) -> "Recording":
        """Everything that follows from an event, directly or not; the event itself is left out."""
        found: list[Event] = []
        caused = {event.id}
        for one in self.events:  # an effect never comes before its cause
            if one.parent in caused:
                caused.add(one.id)
                found.append(one)
        return Recording(found)

    def timeline(self) -> "Timeline":
        """The run on a timeline, to zoom, filter and click; see `vlab.views.Timeline`."""
        return view("Timeline")(self)  # type: ignore[no-any-return]

    def interrupts(self) -> "Interrupts":
        """Every interrupt of the run from pending to delivered and cleared; see `vlab.views.Interrupts`."""
        return view("Interrupts")(self)  # type: ignore[no-any-return]

    @property
    def exits(self) -> "Recording":
        """The VM exits, the traps injected into guests, and what hangs together through them."""
        return self.only(Exit, Injection)

    def graph(self) -> "networkx.DiGraph":
        """Cause → effect, as a networkx DiGraph.

        Nodes are event ids with the attributes `event` (the record), `kind`, `level`, `time`, and every field
        of the record; an edge leads from an event to each one that follows from it.
        """
        import networkx

        graph = networkx.DiGraph()
        for event in self.events:
            own = {f.name: getattr(event, f.name) for f in fields(event) if f.name not in ("id", "parent")}
            graph.add_node(event.id, event=event, kind=event.kind, time=event.time, **own)
        graph.add_edges_from((e.parent, e.id) for e in self.events if e.parent in graph)
        return graph
