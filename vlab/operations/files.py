"""Trees of snapshots on disk: one file, whose every byte is checked before any of it is used.

    offset   bytes   what (numbers are little-endian)
    0        8       "VLABSNAP"
    8        4       version of this format: 1
    12       8       H, the length of the header
    20       8       B, the length of the blobs
    28       32      SHA-256 of all that follows
    60       H       header: JSON, ASCII
    60 + H   B       blobs, one after another: each page of memory and each block of a disk, once

The header says `computer` (what a state must be of), `blobs` (the length of each) and `snapshots`: name, parent
and state, in the order of taking. A state is plain data. Numbers, texts, true, false, null and lists stand for
themselves; {"b": n} is blob n, {"d": [[key, value], …]} a dictionary. Nothing else is in a file, so reading one
runs nothing.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import accumulate, pairwise
from pathlib import Path
from struct import Struct
from typing import Any

from vlab.files import write_atomically
from vlab.language import VlabError, _
from vlab.machine.devicetree import ISA
from vlab.machine.loading import LARGEST_FILE, read_file
from vlab.machine.snapshot import Checker, Snapshot, checked_pages

MAGIC, VERSION = b"VLABSNAP", 1
COMPUTER = {"isa": ISA}
_HEAD = Struct("<8sIQQ32s")
_DEEPEST = 200  # levels of nesting in a state: a hypervisor in a hypervisor takes some 15

Row = tuple[str, str | None, Snapshot]


def packed(rows: Iterable[Row]) -> bytes:
    """Snapshots, each with its name and its parent's, as the bytes of a file. VlabError if they are too many."""
    writer = Writer()
    snapshots = [
        {"name": name, "parent": parent, "state": writer.plain(snapshot.state)}
        for name, parent, snapshot in rows
    ]
    blobs = list(writer.numbers)
    header = {"computer": COMPUTER, "blobs": [len(blob) for blob in blobs], "snapshots": snapshots}
    text = json.dumps(header, separators=(",", ":")).encode()
    digest, size = sha256(text), sum(map(len, blobs))
    for blob in blobs:
        digest.update(blob)
    head = _HEAD.pack(MAGIC, VERSION, len(text), size, digest.digest())
    if len(head) + len(text) + size > LARGEST_FILE:
        raise VlabError(
            _("The snapshots take more than 1 GiB together, and such a file could not be read again."),
            mend=_("Keep fewer, or snapshots of a computer with less memory."),
        )
    return b"".join([head, text, *blobs])


def write_tree(path: Path, rows: Iterable[Row]) -> None:
    """Write snapshots to a file, of which nobody ever sees half.

    Raises:
        VlabError: if the file can't be written; what stood there is as it was.
    """
    try:
        write_atomically(path, packed(rows))
    except (OSError, ValueError) as error:  # ValueError: a name with a zero in it
        reason = getattr(error, "strerror", None) or str(error)
        raise VlabError(
            _("The file can't be written: {reason}.").format(reason=reason),
            where=str(path),
            mend=_("Choose a folder that you may write to, on a disk with enough room."),
        ) from None


def read_tree(source: Path | bytes) -> list[Row]:
    """The snapshots in a file, or in its bytes: each with its name and its parent's, which comes before it.

    Raises:
        VlabError: if the file can't be read, was made by another version or for another kind of computer, or
            differs in a single byte from what was written.
    """
    where = _("snapshots") if isinstance(source, bytes) else str(source)
    header, blobs = _opened(source if isinstance(source, bytes) else read_file(source), where)
    there = header.part("computer").state
    if there != COMPUTER:
        raise VlabError(
            _("It is of a computer of another kind: {there}; here they are {here}.").format(
                there=str(there)[:80], here=COMPUTER["isa"]
            ),
            where=where,
            mend=_("Open it with the version of vlab that wrote it."),
        )
    reader = Reader(blobs)
    rows: dict[str, Row] = {}
    for row in header.part("snapshots").rows():
        name, parent = row.part("name").state, row.part("parent").state
        hangs = parent is None or (isinstance(parent, str) and parent in rows)
        if not isinstance(name, str) or name in rows or not hangs:
            raise row.bad(_("These are not the names of a tree."))
        state = reader.value(row.part("state"))
        _expect_snapshot(Checker(state, row.where))
        rows[name] = (name, parent, Snapshot(state))
    return list(rows.values())


def _opened(content: bytes, where: str) -> tuple[Checker, list[bytes]]:
    """The header and the blobs of a file, if not a byte of it has changed since it was written."""
    if not content.startswith(MAGIC):
        raise VlabError(
            _("This is no file of snapshots."), where=where, mend=_("Give one that `Snapshots.save` wrote.")
        )
    if len(content) < _HEAD.size:
        raise _damaged(where)
    _magic, version, length, size, digest = _HEAD.unpack_from(content)
    if version != VERSION:
        raise VlabError(
            _("It has version {there} of the format; this vlab reads version {here}.").format(
                there=version, here=VERSION
            ),
            where=where,
            mend=_("Open it with the version of vlab that wrote it."),
        )
    body = memoryview(content)[_HEAD.size :]
    if len(body) != length + size or sha256(body).digest() != digest:
        raise _damaged(where)
    try:
        header = Checker(
            json.loads(bytes(body[:length]), parse_float=_refused, parse_constant=_refused), where
        )
    except (ValueError, RecursionError):
        raise _damaged(where) from None
    sizes = header.part("blobs")
    sizes.all_numbers(len(sizes.rows()), size + 1)
    if sum(sizes.state) != size:
        raise _damaged(where)
    ends = accumulate(sizes.state, initial=length)
    return header, [bytes(body[start:end]) for start, end in pairwise(ends)]


def _damaged(where: str) -> VlabError:
    return VlabError(
        _("The file is cut off or damaged: what it holds is not what was written."),
        where=where,
        mend=_("Take a copy of it that is whole."),
    )


def _refused(text: str) -> Any:
    """No state holds a number that isn't whole."""
    raise ValueError(text)


def _expect_snapshot(state: Checker) -> None:
    """VlabError for what can't be a snapshot's; whether it fits a computer, restoring will tell."""
    memory, hart = state.part("memory"), state.part("hart")
    state.number("time")
    hart.mode()
    hart.number("pc")
    checked_pages(memory, memory.number("base"), memory.number("size"))


class Writer:
    """Plain data → what JSON can say, with the bytes taken out."""

    def __init__(self) -> None:
        self.numbers: dict[bytes, int] = {}  # each blob, in the order of the file

    def plain(self, value: Any) -> Any:
        """One value, whatever is inside it too."""
        match value:
            case None | bool() | int() | str():
                return value
            case bytes() | bytearray():
                return {"b": self.numbers.setdefault(bytes(value), len(self.numbers))}
            case list() | tuple():
                return [self.plain(part) for part in value]
            case Mapping():
                return {"d": [[key, self.plain(part)] for key, part in value.items()]}
        raise VlabError(
            _("A saved state can't hold {kind}.").format(kind=type(value).__name__),
            mend=_("Let the device's `state()` be plain data: numbers, texts, bytes, lists, dictionaries."),
        )


class Reader:
    """The way back. A blob that is used twice is one object, as it was when it was written."""

    def __init__(self, blobs: list[bytes]):
        self.blobs = blobs

    def value(self, checker: Checker, depth: int = 0) -> Any:
        """One value, whatever is inside it too."""
        match checker.state:
            case None | bool() | int() | str():
                return checker.state
            case list() if depth < _DEEPEST:
                return [self.value(part, depth + 1) for part in checker.rows()]
            case {"b": number} if type(number) is int and 0 <= number < len(self.blobs):
                return self.blobs[number]
            case {"d": list(rows)} if depth < _DEEPEST:
                return dict(self._pairs(rows, checker, depth + 1))
        raise checker.bad(_("This is no part of a state."))

    def _pairs(self, rows: list[Any], checker: Checker, depth: int) -> Iterator[tuple[Any, Any]]:
        for row in rows:
            match row:
                case [int() | str() as key, value]:
                    yield key, self.value(Checker(value, f"{checker.where}.{str(key)[:40]}"), depth)
                case _:
                    raise checker.bad(_("This is no part of a state."))
