"""Live migration: a running virtual machine is carried to another computer, while it runs.

The protocol, a message a line; each carries a checksum, and the target answers each.

    hello     what the virtual machine is: memory, devices, technique          → it has room, or says why not
    page      one page of memory: its number, its content                      → taken
    blob      one block of a disk, or anything else of size that won't change  → taken
    state     all the rest: hart, devices, clock; what was sent as a blob, by its SHA-256    → ready
    commit    "it is yours now"

First all pages are sent, while the guest runs on and writes; then those that it has written meanwhile; and so
on in *rounds*, as long as each is smaller than the one before. Then it is paused, and the last of its pages
and its state follow: that is the downtime. Until the commit has gone out, the source has lost nothing: a cut
at any message leaves it running, and nothing at the target. (C. Clark et al., "Live Migration of Virtual
Machines", NSDI 2005.)
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any
from zlib import crc32

from vlab.display import Drawn, one_line
from vlab.hypervisor import Hypervisor, VirtualMachine
from vlab.language import VlabError, _
from vlab.machine import Snapshot
from vlab.machine.loading import LARGEST_FILE
from vlab.machine.memory import PAGE
from vlab.machine.snapshot import Checker, computer_state
from vlab.operations.files import COMPUTER, Reader, Writer

VERSION = 1
GOOD_ENOUGH = 8  # pages: with so few left, the guest is paused
MOST_ROUNDS = 30
_LARGE = 256  # bytes: what is smaller travels in the state itself
_FRAME = struct.Struct("<BI")  # kind and checksum
_NUMBER = struct.Struct("<Q")
_DIGEST = 32
_HELLO, _PAGE, _BLOB, _STATE, _COMMIT = range(5)
KINDS = ("hello", "page", "blob", "state", "commit")


class Cable(Drawn):
    """What joins two computers. `ticks` is how long a page takes, in the source's time.

    `cut_after` lets so many messages through, and then it is cut: to see what happens.
    """

    def __init__(self, ticks: int = 50, cut_after: int | None = None):
        if ticks < 0 or (cut_after is not None and cut_after < 0):
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
    why it isn't, after a cut or `cancel`. Then `vm`, the source's, goes on as if nothing had been.

    Raises:
        VlabError: if the target has no room for it, or it is there already.
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
        if target.computer is vm.host:
            raise VlabError(
                _("It is on this computer already."),
                where=vm.name,
                mend=_("Give the hypervisor of another one."),
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
                "{vm} was carried over in {rounds} rounds: {pages} pages in all, the last {last} "
                "and the state in a downtime of {downtime} ticks."
            )
        elif self.reason is not None:
            words = _("{vm} was not carried over: {reason}. It goes on where it was.")
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
            next(self._acts, None)
        except _Cut:
            self._end(
                _("the cable was cut at message {number} ({kind})").format(
                    number=self.cable.messages + 1, kind=self.last
                )
            )
        except BaseException:  # Ctrl-C too
            self._end(_("the target refused it"))
            raise
        return self

    def cancel(self) -> None:
        """Give it up: the virtual machine stays where it is."""
        if not self.done:
            self._end(_("it was given up"))

    def _end(self, reason: str) -> None:
        """Nothing is left at the target, and the source goes on as if nothing had been."""
        self.reason = reason
        self._receiver.give_up()
        self.vm.stop_logging()
        if not self._was_paused:
            self.vm.resume()

    def run(self) -> "Migration":
        """Go on to the end."""
        while not self.done:
            self.step()
        return self

    # The source's side

    def _protocol(self) -> Iterator[None]:
        """All messages in order, each sent when the next step is asked for."""
        vm = self.vm
        self._send(_HELLO, _json(_description(vm)))
        yield
        vm.log_writes()
        wanted = sorted(vm.memory.pages())
        while True:
            yield from self._round(wanted, paused=False)
            left = sorted(vm.take_written())
            self.rounds[-1] = replace(self.rounds[-1], written=len(left))
            grows = len(left) >= len(wanted)
            wanted = left
            if len(left) <= self.good_enough or grows or len(self.rounds) >= self.most_rounds:
                break
        vm.pause()
        wanted = sorted({*wanted, *vm.take_written()})
        yield from self._round(wanted, paused=True)
        sent = self._send(_STATE, self._state())
        ticks = self.cable.time(sent)
        last = self.rounds[-1]
        self.rounds[-1] = replace(last, ticks=last.ticks + ticks, bytes=last.bytes + sent)
        yield
        self._send(_COMMIT, b"" if self._was_paused else b"\1")
        self.moved = self._receiver.vm
        vm.stop_logging()
        vm.hypervisor.remove(vm)

    def _round(self, pages: list[int], *, paused: bool) -> Iterator[None]:
        """Send these pages as they are when their turn comes, and whatever else is large and new."""
        number, began = len(self.rounds) + 1, self.cable.bytes
        ticks = 0
        memory = self.vm.memory
        for kind, payload in self._payloads(pages):
            if kind == _PAGE:
                page = _NUMBER.unpack(payload)[0]
                payload += memory.peek(memory.base + page * PAGE, PAGE)
            took = self.cable.time(self._send(kind, payload))
            ticks += took
            if not paused:
                self._machine.run(took)
            yield
        self.rounds.append(Round(number, len(pages), self.cable.bytes - began, ticks, 0, paused))

    def _payloads(self, pages: list[int]) -> Iterator[tuple[int, bytes]]:
        for page in pages:
            yield _PAGE, _NUMBER.pack(page)
        for blob in _blobs(self.vm.bus.state()):
            if sha256(blob).digest() not in self._receiver.blobs:
                yield _BLOB, blob

    def _state(self) -> bytes:
        """The state without the memory, which is there already; of a blob that is there too, its digest."""
        state = computer_state(self.vm)
        state["memory"] = {**state["memory"], "pages": {}}
        writer = Writer()
        header = _json(writer.plain(state))
        parts = [_NUMBER.pack(len(header)), header]
        for blob in writer.numbers:
            digest = sha256(blob).digest()
            known = digest in self._receiver.blobs
            parts += [_NUMBER.pack(0), digest] if known else [_NUMBER.pack(len(blob) + 1), blob]
        return b"".join(parts)

    def _send(self, kind: int, payload: bytes) -> int:
        """Send one message; returns its length."""
        self.last = KINDS[kind]
        message = _FRAME.pack(kind, crc32(payload)) + payload
        self._receiver.take(self.cable.carry(message))
        return len(message)


class Receiver:
    """The target's side: it takes messages, whoever may have sent them, and builds the virtual machine."""

    def __init__(self, hypervisor: Hypervisor):
        self.hypervisor = hypervisor
        self.vm: VirtualMachine | None = None
        self.blobs: dict[bytes, bytes] = {}
        self._ready = False
        self._room = 0  # bytes of blobs that may still come

    def take(self, message: bytes) -> None:
        """Do what one message says.

        Raises:
            VlabError: if it is damaged, comes at the wrong moment, or says what can't be.
        """
        if len(message) < _FRAME.size:
            raise _bad(_("A message is cut off."))
        kind, checksum = _FRAME.unpack_from(message)
        payload = message[_FRAME.size :]
        if kind >= len(KINDS) or crc32(payload) != checksum:
            raise _bad(_("A message is damaged."))
        if (kind == _HELLO) != (self.vm is None) or (kind == _COMMIT) != self._ready:
            raise _bad(_("The message {kind!r} comes at the wrong moment.").format(kind=KINDS[kind]))
        (self._hello, self._page, self._blob, self._state, self._commit)[kind](payload)

    def give_up(self) -> None:
        """The source is gone, or refused: nothing is left of what was built."""
        if self.vm is not None:
            self.hypervisor.remove(self.vm)
            self.vm = None

    def _hello(self, payload: bytes) -> None:
        wanted = _plain(payload)
        version, computer = wanted.part("version").state, wanted.part("computer").state
        if version != VERSION or computer != COMPUTER:
            raise _bad(
                _("It speaks version {version}, of {computer}.").format(version=version, computer=computer)
            )
        self.vm = _empty(self.hypervisor, wanted)
        self._room = LARGEST_FILE

    def _page(self, payload: bytes) -> None:
        assert self.vm is not None
        if len(payload) != _NUMBER.size + PAGE:
            raise _bad(_("A page has {size} bytes.").format(size=len(payload) - _NUMBER.size))
        (page,) = _NUMBER.unpack_from(payload)
        self.vm.memory.poke(self.vm.memory.base + page * PAGE, payload[_NUMBER.size :])

    def _blob(self, payload: bytes) -> None:
        self._room -= len(payload)
        if self._room < 0:
            raise _bad(_("Its disks take more than 1 GiB."))
        self.blobs[sha256(payload).digest()] = payload

    def _state(self, payload: bytes) -> None:
        assert self.vm is not None
        header, blobs = self._taken_apart(payload)
        state = Reader(blobs).value(Checker(header, "state"))
        Checker(state, "state").part("memory")
        state["memory"] = {**state["memory"], "pages": self.vm.memory.pages()}
        self.vm.restore(Snapshot(state))
        self._ready = True

    def _taken_apart(self, payload: bytes) -> tuple[Any, list[bytes]]:
        """The header of a state, and its blobs: those that came with it, and those that came before."""
        try:
            (length,) = _NUMBER.unpack_from(payload)
            header = json.loads(payload[_NUMBER.size : _NUMBER.size + length])
            at, blobs = _NUMBER.size + length, []
            while at < len(payload):
                (length,) = _NUMBER.unpack_from(payload, at)
                at += _NUMBER.size
                end = at + (length - 1 if length else _DIGEST)
                blobs.append(payload[at:end] if length else self.blobs[payload[at:end]])
                at = end
        except (struct.error, ValueError, RecursionError, KeyError):
            raise _bad(_("The state can't be read.")) from None
        return header, blobs

    def _commit(self, payload: bytes) -> None:
        assert self.vm is not None
        self._ready = False
        if payload:
            self.vm.resume()


def empty_like(vm: VirtualMachine, hypervisor: Hypervisor) -> VirtualMachine:
    """A virtual machine of the same kind as another, on another hypervisor: paused, with nothing in it yet.

    Raises:
        VlabError: if there is no room for it.
    """
    return _empty(hypervisor, Checker(_description(vm)))


def _description(vm: VirtualMachine) -> dict[str, Any]:
    """What kind of computer it is."""
    technique, shadow = vm.technique.kind
    return {
        "version": VERSION,
        "computer": COMPUTER,
        "name": vm.name,
        "memory": vm.memory.size,
        "technique": technique,
        "shadow": shadow,
        "weight": vm.weight,
        "devices": vm.board.state(),
    }


def _empty(hypervisor: Hypervisor, wanted: Checker) -> VirtualMachine:
    name = wanted.part("name").state
    if not isinstance(name, str) or name != one_line(name):
        raise wanted.bad(_("This is not a virtual machine."))
    vm = hypervisor.create_vm(
        memory=wanted.number("memory"),
        technique=wanted.part("technique").state,
        shadow=wanted.part("shadow").state,
        name=name,
        weight=wanted.number("weight"),
    )
    try:
        vm.board.attach_saved(wanted.part("devices"))
    except VlabError:
        hypervisor.remove(vm)
        raise
    vm.pause()
    return vm


def migrate(vm: VirtualMachine, target: Hypervisor, **options: Any) -> Migration:
    """Carry a running virtual machine to another hypervisor; `options` are `Migration`'s."""
    return Migration(vm, target, **options).run()


def _bad(what: str) -> VlabError:
    return VlabError(
        what, where=_("migration"), mend=_("Migrate it again, between two that run one version of vlab.")
    )


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _plain(payload: bytes) -> Checker:
    try:
        return Checker(json.loads(payload), "hello")
    except (ValueError, RecursionError):
        raise _bad(_("A message is damaged.")) from None


def _blobs(value: Any) -> Iterator[bytes]:
    """All bytes of some size in a state."""
    if isinstance(value, bytes) and len(value) >= _LARGE:
        yield value
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _blobs(part)
