"""Failover: a virtual machine that fails is restored to a snapshot known to be consistent.

A `Watchdog` looks at it every so often, takes a snapshot when all is well, and goes back to one when it isn't.
What the guest did in between is lost. `Protected` loses nothing that anybody has seen: another host has a copy
of each instant whose output was let out. (B. Cully et al., "Remus: High Availability via Asynchronous Virtual
Machine Replication", NSDI 2008.)
"""

from collections.abc import Callable
from dataclasses import dataclass

from vlab.display import Drawn
from vlab.hypervisor import Hypervisor, VirtualMachine
from vlab.language import VlabError, _
from vlab.machine import Machine, Stop
from vlab.machine.memory import PAGE
from vlab.operations.expecting import expect_hypervisor, expect_ticks, expect_vm
from vlab.operations.protocol import empty_like
from vlab.operations.snapshots import Saved, Snapshots

Asked = Callable[[VirtualMachine], bool]
MOST, MOST_PAGES = 256, (256 << 20) // PAGE  # snapshots that a watchdog keeps, and pages in all of them
MOST_EPOCHS = 256  # that are kept
_TRIES = 2  # from one snapshot, before an older one is tried


@dataclass(frozen=True)
class Failure(Drawn):
    """A guest that failed: when (in its own time and by the watchdog's clock), why, and what it was restored to.

    `lost` is the guest's time between the snapshot and the failure: work to be done again. `down` is how long,
    by that clock, nobody served: from the failure, as far as it is known, to the restored guest's next step.
    """

    time: int
    noticed: int
    reason: str
    restored: str | None
    lost: int
    down: int

    def __repr__(self) -> str:
        if self.restored is None:
            return _("At time {time} the guest failed: {reason}. There was nothing to go back to.").format(
                time=self.time, reason=self.reason
            )
        words = _(
            "At time {time} the guest failed: {reason}. Restored to {name!r}; lost: {lost} ticks of work."
        )
        return words.format(time=self.time, reason=self.reason, name=self.restored, lost=self.lost)


class Watchdog(Drawn):
    """Watches a virtual machine, every so many ticks of its host's time.

    It has failed if it powered off with a status that isn't 0, or `alive(vm)` says no. While all is well and
    `consistent(vm)` says yes, a snapshot is taken, into the tree `snapshots`. Two failures after one snapshot,
    and the one before it is tried: what made the guest fail may be in it. There are 256 at most, and fewer where
    they hold 256 MiB together: then the oldest is forgotten.
    """

    def __init__(
        self,
        vm: VirtualMachine,
        every: int = 5_000,
        *,
        alive: Asked = lambda vm: True,
        consistent: Asked = lambda vm: True,
    ):
        expect_vm(vm)
        if type(every) is not int or every < 1:
            raise VlabError(
                _("A watchdog can't look every {every} ticks.").format(every=every),
                mend=_("Give it a number from 1 on."),
            )
        self.vm, self.every, self.alive, self.consistent = vm, every, alive, consistent
        self.snapshots = Snapshots(vm)
        self.failures: list[Failure] = []
        self._machine = vm.history.machine
        self._waited = 0  # for how long the machine slept until it looked
        self._began = self.now
        self._next = self._began + every  # when it looks again
        self._off: int | None = None  # when the guest was switched off
        self._tries: dict[str, int] = {}

    def __repr__(self) -> str:
        return _(
            "A watchdog of {vm}: failures: {failures}, ticks of work lost: {lost}; "
            "available {percent:.2f} % of the time."
        ).format(
            vm=self.vm.name, failures=len(self.failures), lost=self.lost, percent=100 * self.availability
        )

    @property
    def lost(self) -> int:
        """All the guest's time that had to be done again."""
        return sum(failure.lost for failure in self.failures)

    @property
    def availability(self) -> float:
        """The part of the host's time in which the guest had not failed: 1 is always."""
        passed = self.now - self._began
        return 1 - sum(failure.down for failure in self.failures) / passed if passed else 1.0

    def run(self, ticks: int) -> "Watchdog":
        """Let the machine run for so many ticks, or until the guest ends well, or has nothing to go back to.

        So too when the machine itself is switched off, or sleeps for good.
        """
        expect_ticks(ticks)
        end = self.now + ticks
        while self.now < end and not self._over():
            stop = self._run_until(min(end, self._next))
            if self.now >= self._next or self._off is not None:
                self._look()
            elif stop is not Stop.LIMIT:
                break
        return self

    @property
    def now(self) -> int:
        """The time of its clock: the machine's, which stands while the machine sleeps for good, and its does not."""
        return self._machine.time + self._waited

    def _run_until(self, time: int) -> Stop:
        """Run until then, and remember when the guest was switched off."""
        machine, vm, time = self._machine, self.vm, time - self._waited
        stop = machine.run(until=lambda: vm.status is not None, each=False, time=time)
        if vm.status is None:
            return stop
        self._off = self.now
        return machine.run(time=time)  # the other guests of this machine go on

    def _look(self) -> None:
        """Is all well? Then keep this instant; else go back."""
        self._waited += max(0, self._next - self.now)
        reason = self._why_failed()
        if reason is not None:
            self._fail(reason, self.every if self._off is None else max(0, self._next - self._off))
        elif self.vm.status is None and self.consistent(self.vm):
            self._take()
        self._off = None
        self._next = self.now + self.every

    def _over(self) -> bool:
        dead = bool(self.failures) and self.failures[-1].restored is None
        return self.vm.status == 0 or dead

    def _why_failed(self) -> str | None:
        if self.vm.status:
            return _("it powered off with status {status}").format(status=self.vm.status)
        if self.vm.status is None and not self.alive(self.vm):
            return _("it gave no sign of life")
        return None

    def _take(self) -> None:
        name = _("time {time}").format(time=self.vm.time)
        if all(saved.name != name for saved in self.snapshots):
            self.snapshots.take(name)
        kept = self.snapshots
        while len(kept) > MOST or (len(kept) > 2 and sum(saved.changed for saved in kept) > MOST_PAGES):
            self._tries.pop(next(iter(kept)).name, None)
            kept.forget_oldest()

    def _fail(self, reason: str, silent: int) -> None:
        time, saved = self.vm.time, self._last_good()
        name, lost = (None, 0) if saved is None else (saved.name, time - saved.time)
        self.failures.append(Failure(time, self.now, reason, name, lost, silent))
        if saved is not None:
            self._tries[saved.name] = self._tries.get(saved.name, 0) + 1
            self.snapshots.restore(saved.name)

    def _last_good(self) -> Saved | None:
        """The last snapshot, or the nearest one before it that has not been tried so often."""
        name = self.snapshots.here
        while name is not None and self._tries.get(name, 0) >= _TRIES:
            name = self.snapshots[name].parent
        return None if name is None else self.snapshots[name]


@dataclass(frozen=True)
class Epoch(Drawn):
    """One round of protection: how long the guest ran, how many pages were copied, what was then let out."""

    number: int
    ticks: int
    pages: int
    released: str

    def __repr__(self) -> str:
        return _(
            "Epoch {number}: {ticks} ticks, {pages} pages copied, then {letters} letters let out."
        ).format(number=self.number, ticks=self.ticks, pages=self.pages, letters=len(self.released))


class Protected(Drawn):
    """A virtual machine with a copy on another host, which takes over when this one dies.

    It runs in epochs, of which `epochs` are the last 256. What it prints in one is held back until the copy has all of
    that epoch; what is typed is kept, and typed again, until then. So whoever looks from outside, at `seen`, can't
    tell that a host died.
    """

    def __init__(self, vm: VirtualMachine, backup: Hypervisor, every: int = 5_000):
        expect_vm(vm)
        expect_hypervisor(backup)
        if backup.computer is vm.host:
            raise VlabError(
                _("A copy on the same computer would die with it."),
                where=vm.name,
                mend=_("Give the hypervisor of another one."),
            )
        if type(every) is not int or every < 1:
            raise VlabError(_("An epoch can't have {every} ticks.").format(every=every))
        self.vm, self.every = vm, every
        self.copy = empty_like(vm, backup)
        self.epochs: list[Epoch] = []
        self.alive = True
        self._typed: list[str] = []  # in this epoch: the copy knows nothing of it
        self._count = self._copied = 0  # epochs, and pages in them
        self._printed = 0  # bytes that were let out
        self._pages: dict[int, bytes] = {}
        self._commit(0)

    def __repr__(self) -> str:
        words = (
            _("{vm} is protected: {epochs} epochs, {pages} pages copied.")
            if self.alive
            else _("The host of {vm} died after {epochs} epochs; its copy went on.")
        )
        return words.format(vm=self.vm.name, epochs=self._count, pages=self._copied)

    @property
    def seen(self) -> str:
        """What was let out to the world: its console, as somebody outside sees it. The copy has just that."""
        return self.copy.console

    def type(self, text: str) -> None:
        """Type at it, wherever it is now."""
        if self.alive:
            self._typed.append(text)
            self.vm.type(text)
        else:
            self.copy.type(text)

    def run(self, ticks: int) -> "Protected":
        """Run epoch after epoch for so many ticks of its host's time, wherever it is now."""
        expect_ticks(ticks)
        machine: Machine = (self.vm if self.alive else self.copy).history.machine
        if not self.alive:
            machine.run(ticks)
            return self
        end = machine.time + ticks
        while machine.time < end:
            length = min(self.every, end - machine.time)
            stop = machine.run(length)
            self._commit(length)
            if stop is not Stop.LIMIT:
                break
        return self

    def kill(self, after: int = 0) -> VirtualMachine:
        """The host dies `after` so many ticks of an epoch; the copy takes over, and is the result."""
        if not self.alive:
            raise VlabError(_("Its host is dead already."), where=self.vm.name)
        expect_ticks(after)
        if after:
            self.vm.history.machine.run(after)  # nobody will ever see what happens in these
        self.alive = False
        self.copy.resume()
        for text in self._typed:
            self.copy.type(text)
        return self.copy

    def _commit(self, ticks: int) -> None:
        """Copy what changed; when the other side has it, let out what was printed meanwhile."""
        snapshot = self.vm.snapshot()
        changed = sum(
            snapshot.pages.get(page) != self._pages.get(page) for page in {*snapshot.pages, *self._pages}
        )
        self.copy.restore(snapshot)
        self._pages = dict(snapshot.pages)
        self._typed.clear()
        printed = self.vm.uart.printed
        released = printed.since(self._printed).decode("utf-8", "replace")
        self._printed = printed.count
        self.epochs.append(Epoch(self._count, ticks, changed, released))
        self._count += 1
        self._copied += changed
        while len(self.epochs) > MOST_EPOCHS:
            del self.epochs[0]
