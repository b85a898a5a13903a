"""Whose turn it is: the hart shared fairly among virtual machines, by their weights.

Each VM has an account of the hart's time that it has used, divided by its weight. Whoever has used least runs
next, for a slice of time. So guests that are all busy get the hart in proportion to their weights. A guest that
could not run starts level with the others when it can: time that was not used is not saved up. A guest's `wfi`
with an alarm lasts as long as others have their turns; with nobody else to run it is over at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlab.language import VlabError, _
from vlab.machine.computer import standing
from vlab.machine.snapshot import WORD, Checker

if TYPE_CHECKING:
    from vlab.hypervisor.virtualmachine import VirtualMachine

NEVER = WORD - 1
SLICE = 5_000  # of the host's time; entering a guest and leaving it takes about ten
MOST_WEIGHT = 10_000
_UNIT = 1 << 16  # that accounts are finer than time: weights divide it
_MOST_SPENT = 1 << 96


@dataclass(slots=True)
class Account:
    """One VM's share of the hart: `spent` is the time that it has used, in units by its weight."""

    weight: int = 1
    spent: int = 0
    absent: bool = True  # it could not run when last somebody was chosen
    paused: bool = False

    def charge(self, time: int) -> None:
        """It has used so much time."""
        self.spent += self.units(time)

    def units(self, time: int) -> int:
        """What so much time costs it."""
        return time * _UNIT // self.weight

    def state(self) -> dict[str, Any]:
        """All of it, as plain data."""
        return {"weight": self.weight, "spent": self.spent, "absent": self.absent, "paused": self.paused}

    def restore(self, state: Checker) -> None:
        """Be as `state` says."""
        weight = state.number("weight", MOST_WEIGHT + 1)
        if not weight:
            raise state.bad(_("A weight of 0 gives no time at all."))
        self.spent = state.number("spent", _MOST_SPENT)
        self.weight, self.absent, self.paused = weight, state.flag("absent"), state.flag("paused")


class Schedule:
    """Whose turn it is on one hypervisor's hart, and until when. `time_slice` is the length of a turn."""

    def __init__(self, time_slice: int = SLICE):
        self.time_slice = max(1, time_slice)
        self._floor = 0  # what the one who had used least had used, when last somebody was chosen
        self._since: int | None = None  # the host's time up to which all is charged; None: nobody ran
        self._end: int | None = None  # when the present turn ends; None: nobody else wants one
        self._shared = False
        self._able: list[VirtualMachine] = []  # who could run, when last somebody was chosen

    def __repr__(self) -> str:
        return _("Schedule: turns of {length} instructions").format(length=self.time_slice)

    def entered(self, now: int, until: int | None) -> int:
        """A VM begins to run directly at `now`; when it has to stop at the latest, or at `until` if given."""
        if self._since is None:
            self._since = now
        if until is not None:
            return until
        if self._shared and self._end is None:
            self._end = now + self.time_slice
        return NEVER if self._end is None else min(NEVER, self._end)

    def goes_on(self, vm: "VirtualMachine", now: int) -> int | None:
        """When the turn ends of a VM that has stopped at `now`, if who wants the next one is who did before; None: now.

        It pays, if it has not: see `left`.
        """
        end, account = self._end, vm.account
        self.left(vm, now)
        if end is not None and now >= end:
            return None
        least = min(one.account.spent for one in self._able) if self._shared else account.spent
        if least > self._floor:
            self._floor = least
        return NEVER if end is None or end > NEVER else end

    def left(self, vm: "VirtualMachine", now: int) -> None:
        """A VM stopped running directly at `now`: it pays for that time, and for the work on its last exit."""
        since, self._since = self._since, now
        if since is not None and now > since:
            account = vm.account
            account.spent += (now - since) * _UNIT // account.weight

    def idle(self) -> None:
        """Nobody runs, and nobody pays."""
        self._since = self._end = None

    def order(
        self, vms: Sequence["VirtualMachine"], current: "VirtualMachine | None"
    ) -> list["VirtualMachine"]:
        """Who can run, the next one first. The one whose turn it is goes on until that is over."""
        able = [vm for vm in vms if vm.able]
        known = [vm.account.spent for vm in able if not vm.account.absent]
        self._floor = max(self._floor, min(known, default=0))
        for vm in vms:
            account = vm.account
            was_absent, account.absent = account.absent, vm not in able
            if was_absent and not account.absent:
                account.spent = max(account.spent, self._floor)
        self._able = able
        self._shared = len(able) > 1
        if not self._shared:
            self._end = None
        if current is not None and current in able and self._goes_on(current):
            return [current, *(vm for vm in able if vm is not current)]
        self._end = None
        return sorted(able, key=lambda vm: vm.account.spent + vm.account.units(vm.sleep or 0))

    def _goes_on(self, vm: "VirtualMachine") -> bool:
        """Whether its turn is not over: never between two instructions of a resident inside it."""
        if vm.sleep:
            return not self._shared
        over = self._end is not None and self._since is not None and self._since >= self._end
        return not over or standing(vm) is not None

    def state(self) -> dict[str, Any]:
        """All of it, as plain data."""
        return {"time_slice": self.time_slice, "floor": self._floor, "since": self._since, "end": self._end}

    def restore(self, state: Checker) -> None:
        """Be as `state` says."""
        self.time_slice = max(1, state.number("time_slice"))
        self._floor = state.number("floor", _MOST_SPENT)
        self._since, self._end = state.optional("since"), state.optional("end", 2 * WORD)


def checked_weight(weight: object) -> int:
    """A weight; VlabError unless it is a whole number from 1 to MOST_WEIGHT."""
    if type(weight) is not int or not 1 <= weight <= MOST_WEIGHT:
        raise VlabError(
            _("{weight} is no weight of a virtual machine.").format(weight=repr(weight)[:40]),
            mend=_("Give a whole number from 1 to {most}.").format(most=MOST_WEIGHT),
        )
    return weight
