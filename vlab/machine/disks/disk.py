"""A disk: blocks of its own over blocks of what lies below it, which is another disk, a file, or zeros.

A block is a disk's own where it differs from what lies below. So an overlay costs what differs, a commit is
to move the own blocks down, and a disk in memory is an overlay of zeros.
"""

import weakref
from collections.abc import Iterator, Mapping
from os import PathLike
from typing import Any, Protocol

from vlab.display import Drawn
from vlab.language import VlabError, _
from vlab.machine.disks import changes
from vlab.machine.disks.rawfile import BLOCK, LARGEST, SECTOR, ZEROS, RawFile, check_size, save_image
from vlab.paging import size_text

__all__ = ["BLOCK", "LARGEST", "SECTOR", "Disk", "Extent"]

_PER_BLOCK = BLOCK // SECTOR


class _Below(Protocol):
    """What lies below a disk."""

    def block(self, number: int) -> bytes:
        """One block."""

    def blocks(self) -> dict[int, bytes]:
        """All that are not zeros."""


class _Zeros:
    """What lies below a disk in memory."""

    def block(self, number: int) -> bytes:
        """Zeros."""
        return ZEROS

    def blocks(self) -> dict[int, bytes]:
        """None."""
        return {}


class Disk(Drawn):
    """A disk in memory: so many bytes of zeros (a number, or "64K"), or with this content.

    Raises:
        VlabError: the size is none, 0, too large, or no multiple of 512.
    """

    shift = 0  # of an extent: its block 0 is this one of the base
    base: "Disk | None" = None  # the disk that it is a version, or a piece, of

    def __init__(self, content: int | str | bytes, *, name: str = "disk", read_only: bool = False):
        given = bytes(content) if isinstance(content, bytes | bytearray | memoryview) else b""
        size = len(given) if isinstance(content, bytes | bytearray | memoryview) else _bytes(content)
        check_size(size, name)
        self._set_up(size, _Zeros(), name, read_only)
        self._put_all({at // BLOCK: given[at : at + BLOCK] for at in range(0, len(given), BLOCK)})

    def _set_up(self, size: int, below: _Below, name: str, read_only: bool) -> None:
        self.size, self.name, self.read_only = size, name, read_only
        self._below = below
        self._own: dict[int, bytes] = {}
        self._whole: dict[int, bytes] | None = None  # the blocks, as last asked for
        self._fresh: set[int] = set()  # the blocks that have changed since
        self._overlays: list[weakref.ref[Disk]] = []
        self._extents: list[Extent] = []
        self._made = 0

    @classmethod
    def open(cls, path: str | PathLike[str], read_only: bool = False) -> "Disk":
        """The disk in a raw image file. It is read when needed; writes stay in memory until `commit`.

        Raises:
            VlabError: there is no such file, it can't be read, or its size can't be a disk's.
        """
        return cls._on(RawFile(path), read_only)

    @classmethod
    def _on(cls, file: RawFile, read_only: bool) -> "Disk":
        disk = Disk.__new__(Disk)
        disk._set_up(file.size, file, file.path.name, read_only)
        return disk

    @property
    def sectors(self) -> int:
        """How many sectors of 512 bytes it has."""
        return self.size // SECTOR

    @property
    def file(self) -> RawFile | None:
        """The image file right under it, if there is one."""
        return self._below if isinstance(self._below, RawFile) else None

    @property
    def own(self) -> dict[int, bytes]:
        """The blocks of 4 KiB by number that differ from what lies below: the base, the file as it is, or zeros."""
        return dict(sorted(self._own.items()))

    def chain(self) -> "list[Disk]":
        """The disk, the one that it is a version or a piece of, and so on down."""
        found = [self]
        while (base := found[-1].base) is not None:
            found.append(base)
        return found

    def __repr__(self) -> str:
        facts = {"name": self.name, "size": size_text(self.size), "count": len(self._own)}
        if self.base is not None:
            words = _("Disk {name}, {size}: a version of {base}; blocks of 4 KiB that differ: {count}")
            words = words.format(base=self.base.name, **facts)
        elif self.file is not None:
            words = _("Disk {name}, {size}, in a file; blocks of 4 KiB changed and not committed: {count}")
            words = words.format(**facts)
        else:
            words = _("Disk {name}, {size}, in memory; blocks of 4 KiB in use: {count}")
            words = words.format(**facts)
        return words + (_("; read only") if self.read_only else "")

    # Sectors

    def read(self, sector: int, count: int = 1) -> bytes:
        """The bytes of `count` sectors.

        Raises:
            VlabError: they are not all on the disk, or its file can't be read.
        """
        self._expect(sector, count)
        start, end = sector * SECTOR, (sector + count) * SECTOR
        first = start // BLOCK
        blocks = b"".join(self.block(number) for number in range(first, -(-end // BLOCK)))
        return blocks[start - first * BLOCK : end - first * BLOCK]

    def write(self, sector: int, data: bytes) -> None:
        """Write whole sectors.

        Raises:
            VlabError: `data` is not bytes, or not whole sectors, they are not all on the disk, or it is read-only.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise VlabError(
                _("What is written to a disk is bytes, not {kind}.").format(kind=type(data).__name__),
                where=self.name,
                mend=_('Write b"…", or encode a text: text.encode().'),
            )
        if len(data) % SECTOR:
            raise VlabError(
                _("{size} bytes are not whole sectors.").format(size=len(data)),
                where=self.name,
                mend=_("Write a multiple of 512 bytes."),
            )
        self._expect(sector, len(data) // SECTOR)
        if self.read_only:
            raise self._refused()
        start, end = sector * SECTOR, sector * SECTOR + len(data)
        found = {}
        for number in range(start // BLOCK, -(-end // BLOCK)):
            at = number * BLOCK
            first, last = max(start, at), min(end, at + BLOCK)
            content = bytes(data[first - start : last - start])
            if last - first < BLOCK:
                old = self.block(number)
                content = old[: first - at] + content + old[last - at :]
            found[number] = content
        self._put_all(found)

    def _expect(self, sector: Any, count: Any) -> None:
        whole = isinstance(sector, int) and isinstance(count, int)
        if not whole or count < 0 or sector < 0 or sector + count > self.sectors:
            first, last = (sector, sector + count - 1) if whole else (repr(sector)[:40], "…")
            raise VlabError(
                _("There are no sectors {first} to {last} on this disk.").format(first=first, last=last),
                where=self.name,
                mend=_("It has sectors 0 to {last}.").format(last=self.sectors - 1),
            )

    def _refused(self) -> VlabError:
        return VlabError(
            _("This disk is read-only."),
            where=self.name,
            mend=_("Write to an overlay of it: `disk.overlay()`."),
        )

    # Blocks

    def block(self, number: int) -> bytes:
        """One block of 4 KiB. Behind the end of the disk it has zeros."""
        layer: _Below = self
        while isinstance(layer, Disk):  # no recursion, for a chain may be long
            if number in layer._own:
                return layer._own[number]
            number += layer.shift
            layer = layer._below
        return layer.block(number)

    def blocks(self) -> dict[int, bytes]:
        """The blocks of 4 KiB that are not zeros, by number. They are shared, so this costs what was written since."""
        if self._whole is None:
            for layer in reversed(self.chain()[1:]):  # from the lowest on: so none of them asks far down
                if layer._whole is None:
                    layer.blocks()
            found = self._below.blocks() | self._own
        else:
            found = self._whole | {number: self.block(number) for number in self._fresh}
        if self._whole is None or self._fresh:
            self._whole = {number: found[number] for number in sorted(found) if found[number] is not ZEROS}
            self._fresh.clear()
        return dict(self._whole)

    def set_blocks(self, blocks: Mapping[int, bytes]) -> None:
        """Make the disk be as `blocks` says; whatever is not in it is zero.

        Raises:
            VlabError: these can't be its blocks, or they differ and it is read-only; nothing has changed then.
        """
        changes.check_blocks(blocks, self.size, self.name)
        now = self.blocks()
        wanted = {number: blocks.get(number, ZEROS) for number in sorted({*now, *blocks})}
        differing = {n: content for n, content in wanted.items() if now.get(n, ZEROS) is not content}
        if self.read_only and any(now.get(n, ZEROS) != content for n, content in differing.items()):
            raise self._refused()
        self._put_all(differing)

    def _put_all(self, blocks: Mapping[int, bytes]) -> None:
        """Write blocks, all or none: what can fail, reading what was there, comes first."""
        before = {number: self.block(number) for number in blocks}
        below = {number: self._below.block(number) for number in blocks}
        for number, content in blocks.items():
            if content != before[number]:
                self._keep_for_others(number, before[number])
                self._fresh.add(number)
                content = content.ljust(BLOCK, b"\0")
                content = ZEROS if content == ZEROS else content
                if content == below[number]:
                    self._own.pop(number, None)
                else:
                    self._own[number] = content

    def _keep_for_others(self, number: int, content: bytes) -> None:
        """Before a block changes: overlays are versions of what this disk was, so they take the block over."""
        for overlay in self._alive():
            if number not in overlay._own:
                overlay._own[number] = content
        for extent in self._extents:
            if 0 <= number - extent.shift < -(-extent.size // BLOCK):
                extent._keep_for_others(number - extent.shift, content)

    def _alive(self) -> "Iterator[Disk]":
        return (overlay for reference in self._overlays if (overlay := reference()) is not None)

    # Disks made from it

    def overlay(self, name: str | None = None) -> "Disk":
        """A version of this disk, as it is now: what is written to either, the other doesn't see."""
        disk = Disk.__new__(Disk)
        self._made += 1
        disk._set_up(self.size, self, name or f"{self.name}.{self._made}", read_only=False)
        disk.base = self
        self._overlays = [one for one in self._overlays if one() is not None] + [weakref.ref(disk)]
        return disk

    def extent(self, first: int, sectors: int, *, name: str | None = None, overlap: bool = False) -> "Extent":
        """A piece of this disk as a disk: what is written to one is on the other.

        Raises:
            VlabError: it isn't on the disk, doesn't begin and end with blocks of 4 KiB, or is another extent's
                already (unless `overlap`).
        """
        self._expect(first, sectors)
        end = first + sectors
        if not sectors or first % _PER_BLOCK or (end % _PER_BLOCK and end != self.sectors):
            raise VlabError(
                _("An extent cannot have sectors {first} to {last}.").format(first=first, last=end - 1),
                where=self.name,
                mend=_("Let it begin and end at multiples of 8 sectors (4 KiB)."),
            )
        for other in self._extents:
            if not overlap and first < other.first + other.sectors and other.first < end:
                raise VlabError(
                    _("Sectors {first} to {last} belong to the extent {other} already.").format(
                        first=max(first, other.first),
                        last=min(end, other.first + other.sectors) - 1,
                        other=other.name,
                    ),
                    where=self.name,
                    mend=_("Take others, or say that they may share them: `overlap=True`."),
                )
        return Extent(self, first, sectors, name or f"{self.name}[{first}:{end}]")

    # Files

    def commit(self) -> None:
        """Move what differs down: into the image file, all at once or not at all, or into the base.

        Raises:
            VlabError: there is nothing below, or it can't take it; nothing has changed then.
        """
        if self.file is not None:
            if self.read_only:
                raise self._refused()
            self.file.commit(self._own)
        elif self.base is not None:
            if self.base.read_only:
                raise self.base._refused()
            self.base._put_all(self._own)
        else:
            raise VlabError(
                _("There is no file and no other disk under this one."),
                where=self.name,
                mend=_("Write it into a file: `disk.save(path)`."),
            )
        self._own.clear()

    def save(self, path: str | PathLike[str]) -> None:
        """Write all of it into a raw image file, with holes for zeros; the disk stays where it is.

        Raises:
            VlabError: the file can't be written; one that stood there is whole.
        """
        save_image(path, self.size, self.blocks().items())

    def save_changes(self, path: str | PathLike[str]) -> None:
        """Write what differs from what lies below into a file: see `vlab.machine.disks.changes`.

        Raises:
            VlabError: the file can't be written; one that stood there is whole.
        """
        changes.save(path, self.size, self._below.blocks(), self.own)

    def open_changes(self, path: str | PathLike[str]) -> "Disk":
        """An overlay of this disk, with the changes that `save_changes` wrote.

        Raises:
            VlabError: the file is damaged, or its changes are of another disk.
        """
        found = changes.load(path, self.size, self.blocks())
        disk = self.overlay()
        disk._put_all(found)
        return disk


class Extent(Disk):
    """A piece of another disk: see `Disk.extent`. It has no blocks of its own."""

    base: Disk

    def __init__(self, base: Disk, first: int, sectors: int, name: str):
        self._set_up(sectors * SECTOR, base, name, base.read_only)
        self.base, self.first = base, first
        self.shift = first // _PER_BLOCK
        base._extents.append(self)

    def __repr__(self) -> str:
        words = _("Disk {name}, {size}: sectors {first} to {last} of {base}").format(
            name=self.name,
            size=size_text(self.size),
            first=self.first,
            last=self.first + self.sectors - 1,
            base=self.base.name,
        )
        return words + (_("; read only") if self.read_only else "")

    def release(self) -> None:
        """Give its sectors back: another extent may have them. They keep their content; this one has none."""
        for number, content in self.blocks().items():
            self._keep_for_others(number, content)
        self.base._extents = [other for other in self.base._extents if other is not self]
        self.size, self.shift, self._below = 0, 0, _Zeros()

    def blocks(self) -> dict[int, bytes]:
        """The base's blocks in its place, numbered from its own start."""
        count = -(-self.size // BLOCK)
        numbered = ((number - self.shift, content) for number, content in self.base.blocks().items())
        return {number: content for number, content in numbered if 0 <= number < count}

    def _put_all(self, blocks: Mapping[int, bytes]) -> None:
        self.base._put_all({number + self.shift: content for number, content in blocks.items()})

    def commit(self) -> None:
        """It has nothing of its own to commit: VlabError, always."""
        raise VlabError(
            _("What is written to a piece of a disk is on that disk already."),
            where=self.name,
            mend=_("Commit the disk under it: `disk.base.commit()`."),
        )

    def save_changes(self, path: str | PathLike[str]) -> None:
        """It has none of its own: VlabError, always."""
        self.commit()


def _bytes(size: Any) -> int:
    from vlab.machine.computer import parse_size  # which knows devices, and those know disks

    return parse_size(size)
