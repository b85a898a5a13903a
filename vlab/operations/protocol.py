"""What two hypervisors say to each other when a virtual machine is carried from one to the other.

The protocol, a message a line; each carries a checksum, and the target takes or refuses each.

    hello     what the virtual machine is: memory, devices, technique          → it has room, or says why not
    page      one page of memory: its number, its content                      → taken
    blob      one block of a disk, or anything else of size that won't change  → taken
    state     all the rest: hart, devices, clock; what was sent as a blob, by its SHA-256    → ready
    commit    "it is yours now"
"""

import json
import struct
from collections.abc import Collection, Iterator
from enum import IntEnum
from hashlib import sha256
from typing import Any
from zlib import crc32

from vlab.hypervisor import Hypervisor, VirtualMachine
from vlab.language import VlabError, _
from vlab.machine import Snapshot
from vlab.machine.loading import LARGEST_FILE
from vlab.machine.memory import PAGE
from vlab.machine.snapshot import Checker, computer_state
from vlab.operations.files import COMPUTER, Reader, Writer

VERSION = 1
NUMBER = struct.Struct("<Q")
_FRAME = struct.Struct("<BI")  # kind and checksum
_LARGE = 256  # bytes: what is smaller travels in the state itself
_DIGEST = 32


class Kind(IntEnum):
    """The messages, in the order in which their first ones come."""

    HELLO = 0
    PAGE = 1
    BLOB = 2
    STATE = 3
    COMMIT = 4


def framed(kind: Kind, payload: bytes) -> bytes:
    """A message."""
    return _FRAME.pack(kind, crc32(payload)) + payload


def hello(vm: VirtualMachine) -> bytes:
    """The payload that says what kind of computer it is."""
    return _json(_description(vm))


def blobs(value: Any) -> Iterator[bytes]:
    """All bytes of some size in a state."""
    if isinstance(value, bytes) and len(value) >= _LARGE:
        yield value
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from blobs(part)


def state(vm: VirtualMachine, known: Collection[bytes]) -> bytes:
    """The payload with the state but for the memory, which is there already; a known blob as its digest alone."""
    told = computer_state(vm)
    told["memory"] = {**told["memory"], "pages": {}}
    writer = Writer()
    header = _json(writer.plain(told))
    parts = [NUMBER.pack(len(header)), header]
    for blob in writer.numbers:
        digest = sha256(blob).digest()
        parts += [NUMBER.pack(0), digest] if digest in known else [NUMBER.pack(len(blob) + 1), blob]
    return b"".join(parts)


class Receiver:
    """The target's side: it takes messages, whoever may have sent them, and builds the virtual machine."""

    def __init__(self, hypervisor: Hypervisor):
        self.hypervisor = hypervisor
        self.vm: VirtualMachine | None = None
        self.blobs: dict[bytes, bytes] = {}
        self._ready = self._over = False
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
        if kind >= len(Kind) or crc32(payload) != checksum:
            raise _bad(_("A message is damaged."))
        if self._over or (kind == Kind.HELLO) != (self.vm is None) or (kind == Kind.COMMIT) != self._ready:
            raise _bad(
                _("The message {kind!r} comes at the wrong moment.").format(kind=Kind(kind).name.lower())
            )
        (self._hello, self._page, self._blob, self._state, self._commit)[kind](payload)

    def give_up(self) -> None:
        """The source is gone, or refused: nothing is left of what was built."""
        if self.vm is not None and self.vm.there:
            self.hypervisor.remove(self.vm)
        self.vm = None

    def _hello(self, payload: bytes) -> None:
        wanted = _plain(payload)
        version, computer = wanted.part("version").state, wanted.part("computer").state
        if version != VERSION or computer != COMPUTER:
            raise _bad(
                _("It speaks version {version}, of {computer}.").format(
                    version=repr(version)[:20], computer=repr(computer)[:80]
                )
            )
        self.vm = _empty(self.hypervisor, wanted)
        self._room = LARGEST_FILE

    def _page(self, payload: bytes) -> None:
        assert self.vm is not None
        if len(payload) != NUMBER.size + PAGE:
            raise _bad(_("A page has {size} bytes.").format(size=len(payload) - NUMBER.size))
        (page,) = NUMBER.unpack_from(payload)
        self.vm.memory.poke(self.vm.memory.base + page * PAGE, payload[NUMBER.size :])

    def _blob(self, payload: bytes) -> None:
        self._room -= len(payload)
        if self._room < 0:
            raise _bad(_("Its disks take more than 1 GiB."))
        self.blobs[sha256(payload).digest()] = payload

    def _state(self, payload: bytes) -> None:
        assert self.vm is not None
        header, blobs = self._taken_apart(payload)
        state = Reader(blobs).value(Checker(header, "state"))
        memory = Checker(state, "state").part("memory")
        memory.part("pages")
        state["memory"] = {**memory.state, "pages": self.vm.memory.pages()}
        self.vm.restore(Snapshot(state))
        self._ready = True

    def _taken_apart(self, payload: bytes) -> tuple[Any, list[bytes]]:
        """The header of a state, and its blobs: those that came with it, and those that came before."""
        try:
            (length,) = NUMBER.unpack_from(payload)
            header = json.loads(payload[NUMBER.size : NUMBER.size + length])
            at, blobs = NUMBER.size + length, []
            while at < len(payload):
                (length,) = NUMBER.unpack_from(payload, at)
                at += NUMBER.size
                end = at + (length - 1 if length else _DIGEST)
                blobs.append(payload[at:end] if length else self.blobs[payload[at:end]])
                at = end
        except (struct.error, ValueError, RecursionError, KeyError):
            raise _bad(_("The state can't be read.")) from None
        return header, blobs

    def _commit(self, payload: bytes) -> None:
        assert self.vm is not None
        self._over = True
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
    if not isinstance(name, str):
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


def _bad(what: str) -> VlabError:
    return VlabError(
        what, where=_("migration"), mend=_("Migrate it again, between two that run one version of vlab.")
    )


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _plain(payload: bytes) -> Checker:
    try:
        return Checker(json.loads(payload), "hello")
    except (ValueError, RecursionError):
        raise _bad(_("A message is damaged.")) from None
