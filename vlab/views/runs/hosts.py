"""Which computers of a run have a host as their system software, and which of its own processes ran when.

A host tells by `Routing` whose affair a trap is. From that the name of a process is known when it traps by an
instruction of its own; the page table that is loaded tells it apart from others until then.
"""

from collections.abc import Iterable

from vlab import events as ev
from vlab.events import Event
from vlab.views.runs.control import OWN, Control, Guests

_MOST_NAMES = 12  # processes with a lane of their own


def find_hosts(events: list[Event], depth: int) -> frozenset[Guests]:
    """The computers that have a host, each as the names of the VMs on the way to it."""
    if not any(type(event) is ev.Routing for event in events):
        return frozenset()
    control = Control(events, depth)
    found: set[Guests] = set()
    for event in events:
        if type(event) is ev.Routing:
            found.add(control.guests[: event.level + 1])
        control.follow(event)
    return frozenset(found)


def process_names(events: list[Event], depth: int, hosts: frozenset[Guests]) -> dict[int, str]:
    """By the position of the event that lets a host's process run, its name; -1 stands for the beginning."""
    if not hosts:
        return {}
    finder = _Finder(Control(events, depth, hosts))
    finder.begin()
    for number, event in enumerate(events):
        finder.follow(number, event)
    return finder.names()


class _Finder:
    """Walks through a run. A process is known by its host and its page table until its name is told."""

    def __init__(self, control: Control):
        self._control = control
        self._tables: dict[Guests, int] = {}  # by host: what `satp` has
        self._nameless: dict[tuple[Guests, int | None], list[int]] = {}
        self._known: dict[tuple[Guests, int | None], str] = {}
        self._names: dict[int, str] = {}
        self._last: dict[Guests, int] = {}  # by host: where its last process began to run

    def begin(self) -> None:
        """The run may begin in a process."""
        role, level = self._control.place
        if role == OWN:
            self._runs(-1, self._control.guests[: level + 1])

    def follow(self, number: int, event: Event) -> None:
        """One event more."""
        host = self._control.guests[: event.level + 1]
        before = self._control.place[0]
        self._control.follow(event)
        if isinstance(event, ev.CsrWrite) and event.name == "satp":
            self._tables[host] = event.after
        elif isinstance(event, ev.Routing) and event.to == "host" and not event.interrupt:
            self._named(host, event.source)
        elif isinstance(event, ev.Return) and before != OWN and self._control.place == (OWN, event.level):
            self._runs(number, host)

    def _runs(self, number: int, host: Guests) -> None:
        self._last[host] = number
        self._nameless.setdefault((host, self._tables.get(host)), []).append(number)

    def _named(self, host: Guests, name: str) -> None:
        key = host, self._tables.get(host)
        self._known[key] = name
        for number in self._nameless.pop(key, ()):
            self._names[number] = name
        if host in self._last:  # a guest in system mode loads tables of its own
            self._names[self._last[host]] = name

    def names(self) -> dict[int, str]:
        """All that was told; who was interrupted only, and never trapped by itself, has no name."""
        for key, numbers in self._nameless.items():
            for number in numbers:
                self._names.setdefault(number, self._known.get(key, ""))
        first = set(_first(self._names[number] for number in sorted(self._names)))
        return {number: name if name in first else "…" for number, name in self._names.items()}


def _first(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))[:_MOST_NAMES]
