"""Who is in control, event by event: what the trap ladder's lanes are, and where each event happens.

The real hart's mode and each VM's virtual mode tell it, as `gate` does for a running machine: a level whose
mode isn't U is run by its own supervisor software, which is the hypervisor of the next level, or the
innermost guest's kernel. Where all are U, the innermost guest's process runs.
"""

from typing import NamedTuple

from vlab import events as ev
from vlab.events import Event, Recording
from vlab.language import _
from vlab.views.drawing.grammar import who_name


class Lane(NamedTuple):
    """One lane: who acts in it, and the name that stands at its left."""

    who: str
    name: str


class Place(NamedTuple):
    """Where an event happens: from this lane to that one; who is in control before it, and after it."""

    start: int
    end: int
    before: int
    after: int


class Control:
    """Who is in control in a run `depth` VMs deep: the mode of every level, and the VM that it runs.

    `guests` holds the running VM's name by level, the machine's own first; None where no VM is known. It is
    another tuple whenever it changes.
    """

    def __init__(self, recording: Recording, depth: int):
        self.depth = depth
        self.modes, self.guests = _beginning(recording, depth)
        self._inside: dict[tuple[str | None, ...], tuple[list[str], tuple[str | None, ...]]] = {}

    @property
    def level(self) -> int:
        """The level whose own software runs; `depth + 1`: a process of the innermost guest."""
        for level, mode in enumerate(self.modes):
            if mode != "U":
                return level
        return self.depth + 1

    def follow(self, event: Event) -> None:
        """The modes change as an event says."""
        if isinstance(event, ev.Trap | ev.Return):
            self.modes[event.level] = event.target
        elif isinstance(event, ev.Entry | ev.Exit):
            self.modes[event.level] = event.mode
            guest = self.guests[event.level]
            if guest is None or (guest != event.vm and isinstance(event, ev.Entry)):
                self._switch(event.level, event.vm)

    def _switch(self, level: int, vm: str) -> None:
        """Another VM has other VMs inside, or none; what is inside the last one waits for its return."""
        self._inside[self.guests[: level + 1]] = self.modes[level + 1 :], self.guests[level + 1 :]
        path, deeper = (*self.guests[:level], vm), self.depth - level
        modes, guests = self._inside.get(path, (["U"] * deeper, (None,) * deeper))
        self.modes[level + 1 :] = modes
        self.guests = path + guests


class Lanes:
    """The lanes of a recording, the machine's at the top, and the place of every event in it."""

    def __init__(self, recording: Recording):
        self.depth = max((event.level for event in recording), default=0)
        self.lanes = [Lane("machine", who_name("machine")), *self._supervisors(), self._process()]
        self._control = Control(recording, self.depth)
        self.places = [self._place(event) for event in recording]

    def _supervisors(self) -> list[Lane]:
        """Hypervisors from the real machine's inwards, then the innermost guest's kernel."""
        numbered = _("hypervisor {level}") if self.depth > 1 else who_name("hypervisor")
        found = [Lane("hypervisor", numbered.format(level=level)) for level in range(self.depth)]
        return [*found, Lane("kernel", who_name("kernel") if self.depth else _("kernel"))]

    def _process(self) -> Lane:
        return Lane("process", who_name("process") if self.depth else _("process"))

    def _place(self, event: Event) -> Place:
        """Where an event happens; and the modes change as it says."""
        before = self._control.level + 1
        self._control.follow(event)
        after = self._control.level + 1
        host = event.level  # whoever works for a level: the machine for itself, a hypervisor for its VM
        if isinstance(event, ev.Injection):
            return Place(host, event.level + 1, before, after)
        if isinstance(event, ev.Trap | ev.Return) and event.level == 0:
            return Place(before, after, before, after)
        return Place(host, host, before, after)


def _beginning(recording: Recording, depth: int) -> tuple[list[str], tuple[str | None, ...]]:
    """The mode and the VM of each level at the beginning, as the first event that tells shows it."""
    modes: dict[int, str] = {}
    guests: dict[int, str | None] = {0: ""}
    for event in recording:
        if event.level not in modes and (mode := _mode_before(event)):
            modes[event.level] = mode
        if event.level not in guests and isinstance(event, ev.Exit | ev.Entry):
            guests[event.level] = event.vm
        if len(modes) > depth and len(guests) > depth:
            break
    levels = range(depth + 1)
    return [modes.get(level, "S") for level in levels], tuple(guests.get(level) for level in levels)


def _mode_before(event: Event) -> str | None:
    """The mode that this event found its level in, where it tells."""
    match event:
        case ev.Trap() | ev.Return():
            return event.origin
        case ev.Exit() | ev.Emulation() | ev.Entry():
            return event.mode
    return None
