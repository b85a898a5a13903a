"""The lanes of a run, from the machine's down to the processes', and where each event happens.

A run of one VM, or of one in another, has a lane for each level. With several VMs on one computer, or on a host,
each VM has lanes of its own, and so have the host and its processes.
"""

import re
from itertools import takewhile
from typing import NamedTuple

from vlab import events as ev
from vlab.display import one_line
from vlab.events import Event, Recording
from vlab.language import _
from vlab.views.drawing.grammar import who_name
from vlab.views.runs.control import HOST, OWN, PROCESS, SUPERVISOR, Control, Guests
from vlab.views.runs.hosts import find_hosts, process_names

_MOST_PATHS = 40  # VMs with names of their own; a hostile run may have more

Path = tuple[str, ...]  # a VM: its name, after those of the VMs around it; (): the machine itself
_Key = tuple[str, Path, str]  # a lane: the role, the VM, and of a host's own process its name
_MACHINE = "machine"
_RANKS = {_MACHINE: -2.0, HOST: -1.0, SUPERVISOR: 0.0, OWN: 1000.0, PROCESS: 1001.0}


class Row(NamedTuple):
    """One lane: who acts in it, in which VM, and the name that stands at its left."""

    who: str
    path: Path
    name: str


class Place(NamedTuple):
    """Where an event happens: from this lane to that one; who is in control before it, and after it."""

    start: int
    end: int
    before: int
    after: int


class Switch(NamedTuple):
    """A world switch: the VM, or the host's process, that ran before, and the one that runs now."""

    before: str
    after: str


class Runners:
    """Who has the hart, as the number of a lane and the number of a VM's path; both numbered as they come."""

    def __init__(self, recording: Recording):
        events = recording.events
        self.depth = max((event.level for event in events), default=0)
        hosts = find_hosts(events, self.depth)
        self._names = process_names(events, self.depth, hosts)
        self._control = Control(events, self.depth, hosts)
        self._hosts = {_path(guests) for guests in hosts}
        self._lanes: dict[_Key, int] = {(_MACHINE, (), ""): 0}
        self._numbers: dict[Path, int] = {(): 0}
        self.paths: list[Path] = [()]
        self._guests: Guests = ()
        self.supervisors: list[int] = []  # by level: the lane of whoever works for it
        self.ours: list[int] = []  # by level: the VM that runs there
        self._process = self._names.get(-1, "")
        self._look()
        self.first = self.lane

    def follow(self, number: int, event: Event) -> None:
        """Control changes hands, as the event at this position says."""
        self._control.follow(event)
        self._process = self._names.get(number, self._process)
        self._look()

    @property
    def place(self) -> tuple[str, int]:
        """Whose software runs: its role and its level."""
        return self._control.place

    @property
    def process(self) -> str:
        """The host's own process that runs, or ran last."""
        return self._process

    def _look(self) -> None:
        control = self._control
        if control.guests is not self._guests:
            self._guests = control.guests
            names = _path(control.guests)
            self._innermost = len(names)
            paths = [names[:level] for level in range(len(control.guests))]
            self.ours = [self.number(path) for path in paths]
            self.supervisors = [0, *(self._lane(SUPERVISOR, number) for number in self.ours[:-1])]
            self._places: dict[tuple[str, int, str], tuple[int, int]] = {}
        place = (*control.place, self._process)
        if place not in self._places:
            role, level, process = place
            path = self.ours[min(level, self._innermost)]
            if role == SUPERVISOR and level > self._innermost:
                role = PROCESS
            self._places[place] = self._lane(role, path, process if role == OWN else ""), path
        self.lane, self.path = self._places[place]

    def number(self, path: Path) -> int:
        """The number of a VM."""
        if path not in self._numbers and len(self.paths) >= _MOST_PATHS:
            path = ("…",)
        if path not in self._numbers:
            self._numbers[path] = len(self.paths)
            self.paths.append(path)
        return self._numbers[path]

    def system(self, level: int, vm: str | None = None) -> int:
        """The lane of a computer's own system: its host's, or else its kernel's or hypervisor's.

        It is the one that runs at this level, or the VM `vm` beside it.
        """
        path = self.paths[self.ours[level]]
        if vm is not None and level:
            path = (*self.paths[self.ours[level - 1]], vm)
        return self._lane(HOST if path in self._hosts else SUPERVISOR, self.number(path))

    def _lane(self, role: str, number: int, process: str = "") -> int:
        return self._lanes.setdefault((role, self.paths[number], process), len(self._lanes))

    def rows(self) -> tuple[list[Row], bytes]:
        """The lanes from the machine's down to the processes', and by a lane's first number its place there."""
        order = sorted(self._lanes, key=self._order)
        named = [self._row(*key) for key in order]
        table = bytearray(256)
        for place, key in enumerate(order):
            table[self._lanes[key]] = place
        return named, bytes(table)

    def _order(self, key: _Key) -> tuple[object, ...]:
        """Sorts a host before its hypervisor, that before what is inside, and own processes after that."""
        role, path, process = key
        around = [part for name in path for part in (0.5, _natural(name))]
        return (*around, _RANKS[role], self._lanes[key] if process else 0)

    def _row(self, role: str, path: Path, process: str) -> Row:
        """A lane's look and name: supervisor software of a computer that has VMs or a host is a hypervisor."""
        if role == _MACHINE:
            return Row("machine", (), who_name("machine"))
        deepest = max(map(len, self.paths))
        outer = path in self._hosts or any(other[:-1] == path for other in self.paths if other)
        who = {PROCESS: "process", OWN: "process", HOST: "host"}.get(
            role, "hypervisor" if outer else "kernel"
        )
        title = who_name(who)
        if who == "hypervisor" and deepest > 1:
            title = _("hypervisor {level}").format(level=len(path))
        elif role == OWN:
            title = _("process")
        elif deepest == 0 and who != "host":
            title = {"process": _("process"), "kernel": _("kernel")}.get(who, title)
        name = path_name((*path, process))
        return Row(who, path, f"{title} ({name})" if name else title)


class Lanes:
    """The lanes of a recording, the machine's at the top, and the place of every event in it.

    `several` is whether it has more than one VM on a computer, or a host; then `switches` are the world switches,
    by the position of the event that makes them.
    """

    def __init__(self, recording: Recording):
        self.several = _several(recording)
        self._runners = Runners(recording)
        self.depth = self._runners.depth
        self.switches: dict[int, Switch] = {}
        if not self.several:
            self.lanes = [*self._levels()]
            self.places = [self._place(number, event) for number, event in enumerate(recording)]
            return
        self._receivers = _receivers(recording.events)
        self._contenders: dict[Path, str] = {}  # by computer: who had its hart last
        places = [self._place(number, event) for number, event in enumerate(recording)]
        self.lanes, table = self._runners.rows()
        self.places = [Place(*(table[lane] for lane in place)) for place in places]

    def _levels(self) -> list[Row]:
        """One lane a level: hypervisors from the real machine's inwards, then the innermost guest's software."""
        numbered = _("hypervisor {level}") if self.depth > 1 else who_name("hypervisor")
        inner = [Row("hypervisor", (), numbered.format(level=level)) for level in range(self.depth)]
        kernel, process = (
            (who_name("kernel"), who_name("process")) if self.depth else (_("kernel"), _("process"))
        )
        machine = Row("machine", (), who_name("machine"))
        return [machine, *inner, Row("kernel", (), kernel), Row("process", (), process)]

    def _lane(self) -> int:
        """The lane of who is in control."""
        return self._runners.lane if self.several else self._runners.place[1] + 1

    def _place(self, number: int, event: Event) -> Place:
        """Where an event happens; and control changes hands as it says."""
        runners, level, before = self._runners, event.level, self._lane()
        runners.follow(number, event)
        after = self._lane()
        if self.several:
            self._watch(number, event)
        # Whoever works for a level: the machine for itself, a hypervisor for its VM.
        host = runners.supervisors[level] if self.several else level
        if isinstance(event, ev.Injection):
            vm = self._receivers.get(number) if self.several else None
            return Place(host, runners.system(level, vm) if self.several else level + 1, before, after)
        if isinstance(event, ev.Trap | ev.Return) and level == 0:
            return Place(before, after, before, after)
        if isinstance(event, ev.Routing) and self.several:
            start = runners.system(level)
            return Place(start, after if event.to == "hypervisor" else start, before, after)
        return Place(host, host, before, after)

    def _watch(self, number: int, event: Event) -> None:
        """Is it a world switch? Then another VM, or another process of the host, has the hart from here on."""
        path = self._runners.paths[self._runners.ours[max(0, event.level - 1)]]
        if isinstance(event, ev.Entry) and event.level:
            runs = event.vm
        elif isinstance(event, ev.Return) and self._runners.place == (OWN, event.level):
            path, runs = self._runners.paths[self._runners.ours[event.level]], self._runners.process
        else:
            return
        last = self._contenders.get(path)
        self._contenders[path] = runs
        if last is not None and last != runs:
            self.switches[number] = Switch(last, runs)


def path_name(path: Path) -> str:
    """A VM's name, after those of the VMs around it."""
    return one_line(" / ".join(part for part in path if part))


def _path(guests: Guests) -> Path:
    """The VMs that are known, from the outermost one inwards."""
    return tuple(name or "" for name in takewhile(lambda name: name is not None, guests[1:]))


def _natural(name: str) -> str:
    """Sorts vm2 before vm10."""
    return re.sub(r"[0-9]{1,9}", lambda digits: digits[0].zfill(9), name[:200])


def _several(recording: Recording) -> bool:
    """Whether a host is there, or more than one VM at the same depth."""
    names: dict[int, str] = {}
    for event in recording.events:
        if isinstance(event, ev.Routing):
            return True
        if isinstance(event, ev.Entry | ev.Exit) and names.setdefault(event.level, event.vm) != event.vm:
            return True
    return False


def _receivers(events: list[Event]) -> dict[int, str]:
    """By position, the VM that an interrupt is injected into: the one that enters next, just before its turn."""
    found: dict[int, str] = {}
    enters: dict[int, str] = {}
    for number in range(len(events) - 1, -1, -1):
        event = events[number]
        if isinstance(event, ev.Entry):
            enters[event.level] = event.vm
        elif isinstance(event, ev.Exit):
            enters.pop(event.level, None)
        elif isinstance(event, ev.Injection) and event.interrupt and event.level in enters:
            found[number] = enters[event.level]
    return found
