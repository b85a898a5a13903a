"""What was recorded: a list of events to look at, filter, and turn into a graph."""

from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from vlab.display import Drawn, view
from vlab.events.records import Event, EventId, Exit, Injection, kind_title
from vlab.language import _, grouped

if TYPE_CHECKING:
    import networkx

    from vlab.views import Interrupts, Timeline


MOST = 1 << 20  # events that are kept: a guest may trap for ever


class Recording(Drawn):
    """A list of events to look at, filter, and turn into a graph.

    Recorded, it keeps the first `most` of them, a million if not given, and counts in `missed` how many came later.
    """

    def __init__(self, events: Iterable[Event] = (), *, most: int | None = None):
        self.events = list(events)
        self.missed = 0
        self._most = MOST if most is None else most

    def take(self, event: Event) -> None:
        """An event happened: keep it if there is room."""
        if len(self.events) < self._most:
            self.events.append(event)
        else:
            self.missed += 1

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
        said = _("{total} events: {counts}").format(total=len(self), counts=counts or _("none"))
        return f"{said}. {self.missing()}" if self.missed else said

    def missing(self) -> str:
        """A sentence where not all that happened was kept; else an empty text."""
        if not self.missed:
            return ""
        return _("Only the first {count} events were kept.").format(count=grouped(len(self)))

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

    def timeline(self, *, size: str = "normal") -> "Timeline":
        """The run on a timeline, to zoom, filter and click, also in "lecture" size; see `vlab.views.Timeline`."""
        return view("Timeline")(self, size=size)  # type: ignore[no-any-return]

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
