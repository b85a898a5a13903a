"""Raw image files under disks: read a block when it is first asked for, written whole or not at all.

The file stays open. So its content is there even after somebody has put another file in its place; and what
somebody writes *into* it is noticed by its time and size, before a block of it is believed.
"""

import errno
import os
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from vlab.files import replacing, resolved
from vlab.language import VlabError, _

SECTOR, BLOCK = 512, 4096  # bytes
LARGEST = 1 << 34  # bytes of a disk
ZEROS = bytes(BLOCK)


class RawFile:
    """The blocks of the image file at `path`.

    Raises:
        VlabError: there is no such file, it can't be read, or its size can't be a disk's.
    """

    def __init__(self, path: str | PathLike[str]):
        with told(path):
            self.path = resolved(path)
            if not self.path.is_file():
                raise VlabError(
                    _("This isn't a file.") if self.path.exists() else _("There is no such file."),
                    where=str(path),
                    mend=_("Check the name, and the folder it is looked for in."),
                )
            self._blocks: dict[int, bytes] = {}
            self._open()
        self.size = self._seen[2]
        check_size(self.size, str(path))

    def _open(self) -> None:
        self._file = self.path.open("rb", buffering=0)
        self._close = weakref.finalize(self, self._file.close)
        self._seen = _signature(os.fstat(self._file.fileno()))

    def block(self, number: int) -> bytes:
        """A block, zeros behind the end of the file. VlabError if it can't be read, or the file has changed."""
        if number not in self._blocks:
            with told(self.path):
                self._file.seek(number * BLOCK)
                content = self._read(min(BLOCK, self.size - number * BLOCK)).ljust(BLOCK, b"\0")
                if _signature(os.fstat(self._file.fileno())) != self._seen:
                    raise self._changed()
            self._blocks[number] = ZEROS if content == ZEROS else content
        return self._blocks[number]

    def _read(self, size: int) -> bytes:
        pieces = b""
        while len(pieces) < size and (piece := self._file.read(size - len(pieces))):
            pieces += piece
        return pieces

    def blocks(self) -> dict[int, bytes]:
        """The blocks that are not all zeros; all of the file is read for it, but for holes."""
        numbers = sorted({*self._blocks, *self._written()})
        found = ((number, self.block(number)) for number in numbers)
        return {number: content for number, content in found if content is not ZEROS}

    def _written(self) -> Iterator[int]:
        """The blocks that are not in a hole, as far as the system can tell."""
        place = 0
        while place < self.size:
            try:
                start = self._file.seek(place, os.SEEK_DATA)
                end = self._file.seek(start, os.SEEK_HOLE)
            except (OSError, AttributeError) as error:
                if getattr(error, "errno", None) == errno.ENXIO:
                    return  # nothing but a hole to the end
                start, end = place, self.size  # this system doesn't tell
            yield from range(start // BLOCK, -(-end // BLOCK))
            place = end

    def commit(self, blocks: dict[int, bytes]) -> None:
        """Let the file hold what `blocks` says, and its own where that says nothing: all at once, or not at all.

        Raises:
            VlabError: it may not be written, something else has changed it, or there is no room.
        """
        with told(
            self.path, mend=_("Nothing is lost: the file is as it was, and the changes are in memory.")
        ):
            if not self.path.exists() or _signature(self.path.stat()) != self._seen:
                raise self._changed()
            if not self.path.stat().st_mode & 0o222 or not os.access(self.path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            whole = sorted((self.blocks() | blocks).items())
            with replacing(self.path) as file:
                write_blocks(file, self.size, whole)
                if _signature(self.path.stat()) != self._seen:
                    raise self._changed()
            self._close()
            self._open()
        self._blocks.update(blocks)

    def _changed(self) -> VlabError:
        if _signature(os.fstat(self._file.fileno())) != self._seen:  # not another file: this very one
            return VlabError(
                _("Something else has written into this file since it was opened."),
                where=str(self.path),
                mend=_(
                    "What was in it and not read yet is gone. What you wrote is still in memory, in `disk.own`: "
                    "open the file again, and write those blocks to it."
                ),
            )
        return VlabError(
            _("Something else has changed this file since it was opened."),
            where=str(self.path),
            mend=_(
                "Nothing is lost: what you wrote is still in memory. Save it in another file with `.save(path)`, "
                "or open this one again."
            ),
        )


def save_image(path: str | PathLike[str], size: int, blocks: Iterable[tuple[int, bytes]]) -> None:
    """Write a raw image with these blocks, ascending, and holes elsewhere; VlabError if that fails."""
    with told(path), replacing(place_for(path)) as file:
        write_blocks(file, size, blocks)


def write_blocks(file: BinaryIO, size: int, blocks: Iterable[tuple[int, bytes]]) -> None:
    """Blocks at their places in an empty file, holes elsewhere."""
    for number, content in blocks:
        if content != ZEROS:
            file.seek(number * BLOCK)
            file.write(content[: size - number * BLOCK])
    file.truncate(size)


def place_for(path: str | PathLike[str]) -> Path:
    """Where a file of this name is to be written: not in the place of a device or a folder. OSError: see `resolved`."""
    place = resolved(path)
    if place.exists() and not place.is_file():
        raise VlabError(_("This isn't a file."), where=str(path), mend=_("Take another name."))
    return place


def check_size(size: int, where: str) -> None:
    """VlabError unless a disk may have so many bytes."""
    if size <= 0 or size % SECTOR or size > LARGEST:
        raise VlabError(
            _("A disk cannot have {size} bytes.").format(size=size),
            where=where,
            mend=_("Give a multiple of 512, up to {limit} GiB.").format(limit=LARGEST >> 30),
        )


@contextmanager
def told(path: str | PathLike[str], mend: str = "") -> Iterator[None]:
    """What the system refuses about a file, as a VlabError."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise VlabError(_reason(error), where=str(path), mend=mend or _mend(error)) from None


def _reason(error: OSError | ValueError) -> str:
    match getattr(error, "errno", None):
        case errno.ENOSPC | errno.EDQUOT:
            return _("There is no room left for this file.")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return _("You may not read or write this file.")
    reason = getattr(error, "strerror", None) or str(error)
    return _("The file can't be used: {reason}.").format(reason=reason)


def _mend(error: OSError | ValueError) -> str:
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return _("Make room, or take another folder.")
    return _("Check its permissions, or take another name.")


def _signature(seen: os.stat_result) -> tuple[int, int, int, int]:
    """By what a file is known to be the same, unchanged."""
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns
