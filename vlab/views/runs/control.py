"""Who is in control, event by event.

The real hart's mode and each VM's virtual mode tell it, as `gate` does for a running machine: a level whose
mode isn't U is run by its own supervisor software, which is the hypervisor of the next level, or the
innermost guest's kernel. Where all are U, the innermost guest's process runs. Where a host lies below, the
mode doesn't tell enough: its kernel and the hypervisor, its module, share one, and so do guests and processes.
"""

from collections.abc import Iterable

from vlab import events as ev
from vlab.events import Event

HOST, SUPERVISOR, OWN, PROCESS = "host", "supervisor", "own", "process"  # roles
_GUEST, _ENTERING = "guest", "entering"

Guests = tuple[str | None, ...]  # by level: the VM that runs there, the machine's own name first


class Control:
    """Who is in control in a run `depth` VMs deep: the mode of every level, and the VM that it runs.

    `guests` holds the running VM's name by level, the machine's own first; None where no VM is known. It is
    another tuple whenever it changes. `hosts` are the computers, as parts of such tuples, that have a host.
    """

    def __init__(self, events: Iterable[Event], depth: int, hosts: frozenset[Guests] = frozenset()):
        self.depth, self.hosts = depth, hosts
        self.modes, self.guests = _beginning(events, depth)
        self._hands = _beginning_hands(events, self.modes)  # by level: who has the hart, if a host is there
        self._inside: dict[Guests, tuple[list[str], list[str], Guests]] = {}

    @property
    def place(self) -> tuple[str, int]:
        """Whose software runs: its role, and its level; `depth + 1`: a process of the innermost guest."""
        for level, mode in enumerate(self.modes):
            if self.hosts and self.guests[: level + 1] in self.hosts:
                hands = self._hands[level]
                if hands != _GUEST:
                    return (SUPERVISOR if hands == _ENTERING else hands), level
            elif mode != "U":
                return SUPERVISOR, level
        return PROCESS, self.depth + 1

    def follow(self, event: Event) -> None:
        """The modes change as an event says."""
        level = event.level
        if isinstance(event, ev.Trap):
            self.modes[level] = event.target
            self._hands[level] = HOST
        elif isinstance(event, ev.Return):
            self.modes[level] = event.target
            self._hands[level] = self._resumed(event)
        elif isinstance(event, ev.Entry | ev.Exit):
            self.modes[level] = event.mode
            self._hands[level - 1] = _ENTERING if isinstance(event, ev.Entry) else SUPERVISOR
            guest = self.guests[level]
            if guest is None or (guest != event.vm and isinstance(event, ev.Entry)):
                self._switch(level, event.vm)
        elif isinstance(event, ev.Routing):
            self._hands[level] = SUPERVISOR if event.to == "hypervisor" else HOST

    def _resumed(self, event: ev.Return) -> str:
        """Who has the hart of a host's computer after a handler's end: only a process that has S mode stays."""
        if event.origin == "M":
            return HOST
        hands = self._hands[event.level]
        return _GUEST if hands in (_ENTERING, _GUEST) else OWN

    def _switch(self, level: int, vm: str) -> None:
        """Another VM has other VMs inside, or none; what is inside the last one waits for its return."""
        inside = self.modes[level + 1 :], self._hands[level:], self.guests[level + 1 :]
        self._inside[self.guests[: level + 1]] = inside
        path, deeper = (*self.guests[:level], vm), self.depth - level
        modes, hands, guests = self._inside.get(
            path, (["U"] * deeper, [HOST] * (deeper + 1), (None,) * deeper)
        )
        self.modes[level + 1 :] = modes
        self._hands[level:] = hands
        self.guests = path + guests


def _beginning(events: Iterable[Event], depth: int) -> tuple[list[str], Guests]:
    """The mode and the VM of each level at the beginning, as the first event that tells shows it."""
    modes: dict[int, str] = {}
    guests: dict[int, str | None] = {0: ""}
    for event in events:
        if event.level not in modes and (mode := _mode_before(event)):
            modes[event.level] = mode
        if event.level not in guests and isinstance(event, ev.Exit | ev.Entry):
            guests[event.level] = event.vm
        if len(modes) > depth and len(guests) > depth:
            break
    levels = range(depth + 1)
    return [modes.get(level, "S") for level in levels], tuple(guests.get(level) for level in levels)


def _beginning_hands(events: Iterable[Event], modes: list[str]) -> list[str]:
    """Who has the hart of each level at the beginning, if a host is there: who leaves it first."""
    found = {level: HOST for level, mode in enumerate(modes) if mode != "U"}
    for event in events:
        if len(found) >= len(modes):
            break
        if isinstance(event, ev.Exit):
            found.setdefault(event.level - 1, _GUEST)
        elif isinstance(event, ev.Return | ev.Entry):
            found.setdefault(event.level - isinstance(event, ev.Entry), OWN)
    return [found.get(level, OWN) for level in range(len(modes))]


def _mode_before(event: Event) -> str | None:
    """The mode that this event found its level in, where it tells."""
    match event:
        case ev.Trap() | ev.Return():
            return event.origin
        case ev.Exit() | ev.Emulation() | ev.Entry():
            return event.mode
    return None
