"""Who is in control, event by event: what the trap ladder's lanes are, and where each event happens.

The real hart's mode and each VM's virtual mode tell it, as `gate` does for a running machine: a level whose
mode isn't U is run by its own supervisor software, which is the hypervisor of the next level, or the
innermost guest's kernel. Where all are U, the innermost guest's process runs.
"""

from typing import NamedTuple

from vlab import events as ev
from vlab.events import Event, Recording
from vlab.language import _
from vlab.views.grammar import who_name


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


class Lanes:
    """The lanes of a recording, the machine's at the top, and the place of every event in it."""

    def __init__(self, recording: Recording):
        self.depth = max((event.level for event in recording), default=0)
        self.lanes = [Lane("machine", who_name("machine")), *self._supervisors(), self._process()]
        self._modes = self._first_modes(recording)
        self._guests: dict[int, str] = {}
        self._inside: dict[tuple[int, str], list[str]] = {}
        self.places = [self._place(event) for event in recording]

    def _supervisors(self) -> list[Lane]:
        """Hypervisors from the real machine's inwards, then the innermost guest's kernel."""
        numbered = _("hypervisor {level}") if self.depth > 1 else who_name("hypervisor")
        found = [Lane("hypervisor", numbered.format(level=level)) for level in range(self.depth)]
        return [*found, Lane("kernel", who_name("kernel") if self.depth else _("kernel"))]

    def _process(self) -> Lane:
        return Lane("process", who_name("process") if self.depth else _("process"))

    def _first_modes(self, recording: Recording) -> list[str]:
        """The mode of each level at the beginning, as the first event that tells shows it."""
        modes: dict[int, str] = {}
        for event in recording:
            if event.level not in modes and (mode := _mode_before(event)):
                modes[event.level] = mode
                if len(modes) > self.depth:
                    break
        return [modes.get(level, "S") for level in range(self.depth + 1)]

    def _control(self) -> int:
        """The lane of whoever runs in these modes."""
        for level, mode in enumerate(self._modes):
            if mode != "U":
                return level + 1
        return len(self.lanes) - 1

    def _place(self, event: Event) -> Place:
        """Where an event happens; and the modes change as it says."""
        before = self._control()
        host = event.level  # whoever works for a level: the machine for itself, a hypervisor for its VM
        match event:
            case ev.Injection():
                self._modes[event.level] = event.target
                return Place(host, event.level + 1, before, self._control())
            case ev.Trap() | ev.Return() if event.level == 0:
                self._modes[0] = event.target
                return Place(before, self._control(), before, self._control())
            case ev.Return() | ev.Trap():
                self._modes[event.level] = event.target
            case ev.Exit():
                self._modes[event.level] = event.mode
            case ev.Entry():
                self._modes[event.level] = event.mode
                self._switch(event.level, event.vm)
        return Place(host, host, before, self._control())

    def _switch(self, level: int, vm: str) -> None:
        """Another VM has other VMs inside, or none; what is inside the last one waits for its return."""
        last = self._guests.setdefault(level, vm)
        if vm != last:
            self._inside[level, last] = self._modes[level + 1 :]
            self._modes[level + 1 :] = self._inside.get((level, vm), ["U"] * (self.depth - level))
            self._guests[level] = vm


def _mode_before(event: Event) -> str | None:
    """The mode that this event found its level in, where it tells."""
    match event:
        case ev.Trap() | ev.Return():
            return event.origin
        case ev.Exit() | ev.Emulation() | ev.Entry():
            return event.mode
    return None
