"""Live migration: a running virtual machine is carried to another computer, while it runs.

First all pages are sent, while the guest runs on and writes; then those that it has written meanwhile; and so
on in *rounds*, as long as each is smaller than the one before. Then it is paused, and the last of its pages
and its state follow: that is the downtime. Until the commit has gone out, the source has lost nothing: a cut
at any message leaves it running, and nothing at the target. (C. Clark et al., "Live Migration of Virtual
Machines", NSDI 2005.)
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from vlab.display import Drawn
from vlab.hypervisor import Hypervisor, VirtualMachine
from vlab.language import VlabError, _
from vlab.machine.memory import PAGE
from vlab.operations.protocol import NUMBER, Kind, Receiver, blobs, framed, hello, state

GOOD_ENOUGH = 8  # pages: with so few left, the guest is paused
MOST_ROUNDS = 30


class Cable(Drawn):
    """What joins two computers. `ticks` is how long a page takes, in the source's time.

    `cut_after` lets so many messages through, and then it is cut: to see what happens.
    """

    def __init__(self, ticks: int = 50, cut_after: int | None = None):
        numbers = [ticks] if cut_after is None else [ticks, cut_after]
        if any(type(number) is not int or number < 0 for number in numbers):
            raise VlabError(
                _("A cable can't be so: {ticks} ticks a page, cut after {messages} messages.").format(
                    ticks=ticks, messages=cut_after
                ),
                mend=_("Give numbers from 0 on."),
            )
        self.ticks, self.cut_after = ticks, cut_after
        self.messages = self.bytes = 0

    def __repr__(self) -> str:
        return _("A cable: {ticks} ticks a page; {messages} messages, {bytes} bytes so far.").format(
            ticks=self.ticks, messages=self.messages, bytes=self.bytes
        )

    def carry(self, message: bytes) -> bytes:
        """What arrives of a message at the other end."""
        if self.cut_after is not None and self.messages >= self.cut_after:
            raise _Cut
        self.messages += 1
        self.bytes += len(message)
        return message

    def time(self, size: int) -> int:
        """How many ticks so many bytes take."""
        return -(-size * self.ticks // PAGE)


class _Cut(Exception):
    """The message didn't arrive."""


class _Changed(Exception):
    """What was sent of the source is no longer what it is, and nobody can say where it differs."""


@dataclass(frozen=True)
class Round(Drawn):
    """What was sent in one round, in how many ticks, and how many pages the guest wrote meanwhile."""

    number: int
    pages: int
    bytes: int
    ticks: int
    written: int
    paused: bool

    def __repr__(self) -> str:
        words = (
            _("Round {number}, the guest paused: {pages} pages in {ticks} ticks.")
            if self.paused
            else _("Round {number}: {pages} pages in {ticks} ticks, while the guest wrote {written}.")
        )
        return words.format(number=self.number, pages=self.pages, ticks=self.ticks, written=self.written)


class Migration(Drawn):
    """One virtual machine on its way to another hypervisor; `run`, or `step` message by message.

    `rounds` says what was sent; `moved` is the virtual machine at its new place, once it is there; `reason`
    why it isn't, after a cut or `cancel`. Then `vm`, the source's, goes on as if nothing had been. So it does
    where somebody else takes its log of writes, rewinds its machine, or lets it go on in its downtime.

    Raises:
        VlabError: if the target is no hypervisor, or it is there already. A `step` raises what the target refuses.
    """

    def __init__(
        self,
        vm: VirtualMachine,
        target: Hypervisor,
        *,
        cable: Cable | None = None,
        good_enough: int = GOOD_ENOUGH,
        most_rounds: int = MOST_ROUNDS,
    ):
        if not all(map(isinstance, (vm, target), (VirtualMachine, Hypervisor))):
            raise VlabError(
                _("A migration is of a virtual machine, to a hypervisor."),
                mend=_("Write `migrate(vm, hypervisor)`."),
            )
        vm.expect_there()
        if target.computer is vm.host:
            raise VlabError(
                _("It is on this computer already."),
                where=vm.name,
                mend=_("Give the hypervisor of another one."),
            )
        numbers = [good_enough, most_rounds]
        if any(type(number) is not int or number < 0 for number in numbers) or not isinstance(
            cable, Cable | None
        ):
            raise VlabError(
                _(
                    "A migration can't be so: good_enough={pages}, most_rounds={rounds}, cable={cable}."
                ).format(pages=repr(good_enough)[:20], rounds=repr(most_rounds)[:20], cable=repr(cable)[:40]),
                mend=_("Give numbers from 0 on, and a Cable(…)."),
            )
        self.vm, self.target, self.cable = vm, target, cable or Cable()
        self.good_enough, self.most_rounds = good_enough, most_rounds
        self.rounds: list[Round] = []
        self.moved: VirtualMachine | None = None
        self.reason: str | None = None
        self.last: str | None = None  # the kind of the message sent last
        self._machine = vm.history.machine
        self._receiver = Receiver(target)
        self._acts = self._protocol()
        self._was_paused = vm.paused
        self._log: set[int] | None = None  # the log of writes, while it is the migration's own

    def __repr__(self) -> str:
        facts = {
            "vm": self.vm.name,
            "rounds": len(self.rounds),
            "pages": sum(each.pages for each in self.rounds),
            "downtime": self.downtime,
            "last": self.rounds[-1].pages if self.rounds else 0,
            "reason": self.reason,
        }
        if self.moved is not None:
            words = _(
                "{vm} was carried over; rounds: {rounds}, pages in all: {pages}, of these in the downtime "
                "of {downtime} ticks, with the state: {last}."
            )
        elif self.reason is not None:
            words = (
                _("{vm} was not carried over: {reason}. It goes on where it was.")
                if self._there
                else _("{vm} was not carried over: {reason}. It is no more where it was either.")
            )
        else:
            words = _("{vm} is on its way: {rounds} rounds and {pages} pages so far.")
        return words.format(**facts)

    @property
    def downtime(self) -> int:
        """For how many ticks of the source's time the guest stood still; its own clock stood too."""
        return sum(each.ticks for each in self.rounds if each.paused)

    @property
    def done(self) -> bool:
        """Whether there is nothing left to do: it has moved, or was cut."""
        return self.moved is not None or self.reason is not None

    def step(self) -> "Migration":
        """Send one message, and let the guest run for as long as that takes."""
        if self.done:
            return self
        try:
            if not self._there:
                raise _Changed
            next(self._acts, None)
        except _Cut:
            self._end(
                _("the cable was cut at message {number} ({kind})").format(
                    number=self.cable.messages + 1, kind=self.last
                )
            )
        except _Changed:
            self._end(_("somebody else changed it, or rewound its machine, meanwhile"))
        except VlabError as error:
            self._end(error.what.rstrip("."))
            raise
        except BaseException:  # Ctrl-C
            self._end(_("it was interrupted"))
            raise
        return self

    def cancel(self) -> None:
        """Give it up: the virtual machine stays where it is."""
        if not self.done:
            self._end(_("it was given up"))

    def _end(self, reason: str) -> None:
        """Nothing is left at the target, and the source goes on as if nothing had been."""
        self.reason = reason
        try:
            self._receiver.give_up()
        finally:
            if self._there:
                if self.vm.memory.log is self._log:
                    self.vm.stop_logging()
                if not self._was_paused:
                    self.vm.resume()

    @property
    def _there(self) -> bool:
        """Whether the source still has it."""
        return self.vm.there

    def run(self) -> "Migration":
        """Go on to the end."""
        while not self.done:
            self.step()
        return self

    # The source's side

    def _protocol(self) -> Iterator[None]:
        """All messages in order, each sent when the next step is asked for."""
        vm = self.vm
        self._send(Kind.HELLO, hello(vm))
        yield
        vm.log_writes()
        self._log = vm.memory.log
        wanted = sorted(vm.memory.pages())
        while True:
            yield from self._round(wanted, paused=False)
            left = sorted(self._written())
            self.rounds[-1] = replace(self.rounds[-1], written=len(left))
            grows = len(left) >= len(wanted)
            wanted = left
            if len(left) <= self.good_enough or grows or len(self.rounds) >= self.most_rounds:
                break
        self._was_paused = vm.paused
        vm.pause()
        wanted = sorted({*wanted, *self._written()})
        yield from self._round(wanted, paused=True)
        told = state(vm, self._receiver.blobs)
        self._expect_still()
        sent = self._send(Kind.STATE, told)
        ticks = self.cable.time(sent)
        last = self.rounds[-1]
        self.rounds[-1] = replace(last, ticks=last.ticks + ticks, bytes=last.bytes + sent)
        yield
        self._expect_still()
        if state(vm, self._receiver.blobs) != told:
            raise _Changed
        self._send(Kind.COMMIT, b"" if self._was_paused else b"\1")
        self.moved = self._receiver.vm
        vm.stop_logging()
        vm.hypervisor.remove(vm)

    def _written(self) -> frozenset[int]:
        """The pages written since this was last asked. `_Changed` if somebody else has had an answer meanwhile.

        A log is another object after each answer, and after its machine was rewound.
        """
        if self.vm.memory.log is not self._log:
            raise _Changed
        written = self.vm.take_written()
        self._log = self.vm.memory.log
        return written

    def _expect_still(self) -> None:
        """Paused, it has not been touched since its last page was sent."""
        if not self.vm.paused or self._written():
            raise _Changed

    def _round(self, pages: list[int], *, paused: bool) -> Iterator[None]:
        """Send these pages as they are when their turn comes, and whatever else is large and new."""
        number, began = len(self.rounds) + 1, self.cable.bytes
        ticks = 0
        memory = self.vm.memory
        for kind, payload in self._payloads(pages):
            if kind == Kind.PAGE:
                page = NUMBER.unpack(payload)[0]
                payload += memory.peek(memory.base + page * PAGE, PAGE)
            took = self.cable.time(self._send(kind, payload))
            ticks += took
            if not paused:
                self._machine.run(took)
            yield
        self.rounds.append(Round(number, len(pages), self.cable.bytes - began, ticks, 0, paused))

    def _payloads(self, pages: list[int]) -> Iterator[tuple[Kind, bytes]]:
        for page in pages:
            yield Kind.PAGE, NUMBER.pack(page)
        for blob in blobs(self.vm.bus.state()):
            if sha256(blob).digest() not in self._receiver.blobs:
                yield Kind.BLOB, blob

    def _send(self, kind: Kind, payload: bytes) -> int:
        """Send one message; returns its length."""
        self.last = kind.name.lower()
        message = framed(kind, payload)
        self._receiver.take(self.cable.carry(message))
        return len(message)


def migrate(vm: VirtualMachine, target: Hypervisor, **options: Any) -> Migration:
    """Carry a running virtual machine to another hypervisor; `options` are `Migration`'s."""
    return Migration(vm, target, **options).run()
