"""The virtio block device (Virtio 1.2, 5.2): a disk that a driver reads and writes by requests.

A request is one chain: a header of 16 bytes (type 4, reserved 4, sector 8), the data, and a byte for the
status, which the device writes. A request is done before the driver's store to `notify` is.
"""

import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from vlab.language import VlabError, _
from vlab.machine.bus import checked
from vlab.machine.devices.virtio.queue import Chain, QueueError
from vlab.machine.devices.virtio.transport import VirtioDevice
from vlab.machine.disks import LARGEST, SECTOR, Disk
from vlab.machine.disks.changes import check_blocks

OK, IOERR, UNSUPPORTED = 0, 1, 2  # status
READ_ONLY, BLOCK_SIZE, CAN_FLUSH = 1 << 5, 1 << 6, 1 << 9  # features (5.2.3)

_HEADER = struct.Struct("<IIQ")
_CONFIG = struct.Struct("<QIIHBBI")  # sectors, size_max, seg_max, geometry, block size (5.2.4)
_ID_LENGTH = 20


class Request(IntEnum):
    """Types of requests (5.2.6)."""

    IN = 0
    OUT = 1
    FLUSH = 4
    GET_ID = 8


class VirtioBlock(VirtioDevice):
    """A drive with `disk` in it. Without one it is empty, until a saved state brings a disk. VlabError for no disk."""

    kind = "virtio-block"
    device_id = 2
    features = BLOCK_SIZE | CAN_FLUSH

    def __init__(self, disk: Disk | None = None, name: str = "disk"):
        if disk is not None and not isinstance(disk, Disk):
            raise VlabError(
                _("{given} is no disk.").format(given=repr(disk)[:40]),
                where=name,
                mend=_('Give one: `Disk("64K")`, or `Disk.open("image.img")`.'),
            )
        self.disk = disk
        super().__init__(name)

    def __repr__(self) -> str:
        return _("{name}: virtio block device, {state}; {disk}").format(
            name=self.name, state=self.status_words(), disk=self.disk or _("without a disk")
        )

    @property
    def offered(self) -> int:
        """All features that it offers: of a disk that is read-only, that it is."""
        return super().offered | (READ_ONLY if self.disk is not None and self.disk.read_only else 0)

    @property
    def sectors(self) -> int:
        """How many sectors the driver is told of."""
        return 0 if self.disk is None else self.disk.sectors

    def config(self) -> bytes:
        """The capacity, and the size of a block."""
        return _CONFIG.pack(self.sectors, 0, 0, 0, 0, 0, SECTOR)

    def notified(self, number: int) -> None:
        """Do all requests that wait."""
        while (chain := self.queue[number].pop()) is not None:
            if not chain.writable:
                raise QueueError("no room for the status")
            self._serve(chain)
            self.queue[number].push(chain)

    def _serve(self, chain: Chain) -> None:
        """One request. The data that the driver asked for fills all its room but the last byte, the status."""
        room = chain.writable - 1
        data, status = b"", IOERR
        try:
            if chain.readable >= _HEADER.size:
                kind, _reserved, sector = _HEADER.unpack(chain.read(_HEADER.size))
                data, status = self._do(kind, sector, chain, room)
        except VlabError:
            pass  # outside of the disk, read-only, or its file is gone
        chain.write(data[:room].ljust(room, b"\0"))
        chain.write(bytes([status]))

    def _do(self, kind: int, sector: int, chain: Chain, room: int) -> tuple[bytes, int]:
        """The data for the driver, and the status. VlabError where the disk refuses."""
        if self.disk is None:
            return b"", IOERR
        match kind:
            case Request.IN if not room % SECTOR:
                return self.disk.read(sector, room // SECTOR), OK
            case Request.OUT:
                self.disk.write(sector, chain.read(start=_HEADER.size))
                return b"", OK
            case Request.FLUSH:
                return b"", OK  # what was written is on the disk already
            case Request.GET_ID:
                return self.disk.name.encode("utf-8", "replace")[:_ID_LENGTH].ljust(_ID_LENGTH, b"\0"), OK
        return b"", IOERR if kind == Request.IN else UNSUPPORTED

    # What a snapshot keeps

    def own_state(self) -> dict[str, Any]:
        """The whole disk: its blocks are shared with it, so they cost what is written later."""
        if self.disk is None:
            return {"sectors": 0, "read_only": 0, "blocks": {}}
        return {
            "sectors": self.disk.sectors,
            "read_only": int(self.disk.read_only),
            "blocks": self.disk.blocks(),
        }

    def restore_own(self, state: Mapping[str, Any]) -> None:
        """Put the disk's blocks back; an empty drive gets a disk in memory. VlabError if they don't fit it."""
        values = checked(self.name, state, sectors=LARGEST // SECTOR + 1, read_only=2, blocks=dict)
        sectors, blocks = values["sectors"], values["blocks"]
        if self.disk is None and sectors:
            check_blocks(blocks, sectors * SECTOR, self.name)
            made = Disk(sectors * SECTOR, name=self.name)
            made.set_blocks(blocks)
            made.read_only = bool(values["read_only"])
            self.disk = made
            return
        if sectors != self.sectors:
            raise VlabError(
                _("It is the state of a disk of {there} sectors, and this one has {here}.").format(
                    there=sectors, here=self.sectors
                ),
                where=self.name,
            )
        if self.disk is not None:
            self.disk.set_blocks(blocks)
