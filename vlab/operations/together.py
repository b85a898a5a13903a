"""Several machines on a network, running together: each a slice of time, in turn.

What a machine sends in one slice comes to the others at the start of their next. So it makes no difference in
which order they run, a run can be repeated exactly, and a machine can be rewound by itself.
"""

from collections.abc import Callable, Iterable
from typing import Any

from vlab.display import Drawn
from vlab.language import VlabError, _
from vlab.machine import Machine, Stop
from vlab.machine.expecting import expect_asked, expect_whole
from vlab.machine.interruptible import Interruptible

SLICE = 10_000  # of time: at 10 MHz, a millisecond


class Together(Drawn):
    """Machines that are plugged into the same switches. A packet between two takes a slice of time, or two."""

    def __init__(self, machines: Iterable[Machine], slice: int = SLICE):  # noqa: A002  (the notion's name)
        given: Any = machines
        self.machines: tuple[Machine, ...] = tuple(given) if isinstance(given, Iterable) else ()
        self.slice = slice
        self._slept: dict[Machine, tuple[tuple[int, int, int], int]] = {}  # at which `_place`, and until when
        right = self.machines and all(isinstance(machine, Machine) for machine in self.machines)
        right = right and len(set(self.machines)) == len(self.machines)
        if not right or type(slice) is not int or slice < 1:
            raise VlabError(
                _("These machines can't run together."),
                mend=_("Give one or more, each of them once, and a slice of 1 or more."),
            )

    def __repr__(self) -> str:
        return _("{count} machines together, in slices of {slice}, at time {time}").format(
            count=len(self.machines), slice=self.slice, time=self.time
        )

    @property
    def time(self) -> int:
        """How far all of them have come that are not switched off."""
        return min(
            (self._time_of(machine) for machine in self.machines if machine.status is None),
            default=max(machine.time for machine in self.machines),
        )

    def run(self, time: int | None = None, *, until: Callable[[], object] | None = None) -> Stop:
        """Run them until all are off or asleep for good, for so much `time`, or until `until()` is true.

        One that is behind the others, because it was rewound, catches up first. `until` is asked as
        often as `Machine.run` does if not `each`, and Ctrl-C stops as it does there.
        """
        expect_whole(time)
        expect_asked(until)
        end = None if time is None else self.time + time
        while True:
            if all(machine.status is not None for machine in self.machines):
                return Stop.OFF
            if until is not None and until():
                return Stop.CONDITION
            now = self.time
            if end is not None and now >= end:
                return Stop.LIMIT
            goal = (now // self.slice + 1) * self.slice
            goal = goal if end is None else min(goal, end)
            awake = False
            for machine in self.machines:
                if machine.status is None and self._time_of(machine) < goal:
                    stop = self._run_to(machine, goal, until)
                    if stop is Stop.CONDITION:
                        return stop
                    awake = awake or stop is not Stop.ASLEEP
                elif machine.status is None:
                    awake = awake or not machine.hart.waiting
            if not awake and not self._doze(goal, end):
                return Stop.ASLEEP

    def _run_to(self, machine: Machine, goal: int, until: Callable[[], object] | None) -> Stop:
        """One machine's slice, or the rest of it, after what was sent to it before."""
        begun = self._time_of(machine) // self.slice * self.slice
        with Interruptible():
            for line in machine.history.lines:
                line.bring(machine, begun)
        stop = machine.run(until=until, each=False, time=goal)
        if stop is Stop.ASLEEP:
            self._slept[machine] = _place(machine), goal
        return stop

    def _time_of(self, machine: Machine) -> int:
        """A machine's time. One that sleeps has come as far as it was let sleep, though it doesn't know yet."""
        place, until = self._slept.get(machine, (None, 0))
        still = machine.hart.waiting and place == _place(machine)
        return max(machine.time, until) if still else machine.time

    def _doze(self, goal: int, end: int | None) -> bool:
        """All sleep: until the first alarm, if nothing is under way. False if there is none."""
        sleepers = [machine for machine in self.machines if machine.status is None]
        if any(self._expects(machine) for machine in sleepers):
            return True
        alarms = [alarm for machine in sleepers if (alarm := machine.hart.csr.deadline()) is not None]
        if not alarms:
            return not sleepers
        first = max(goal, (min(alarms) - 1) // self.slice * self.slice)
        first = first if end is None else min(first, end)
        for machine in sleepers:
            self._slept[machine] = _place(machine), max(first, self._time_of(machine))
        return True

    def _expects(self, machine: Machine) -> bool:
        """Whether something is on its way to a machine: for the first time, or again."""
        history = machine.history
        return history.replaying or any(line.under_way(machine) for line in history.lines)


def _place(machine: Machine) -> tuple[int, int, int]:
    """Where a machine stands in its past; rewound, it stands somewhere else."""
    return machine.steps, machine.time, machine.history.rewinds
