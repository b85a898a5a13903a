"""Disks: sectors in memory, in a file, as a version of another disk, or as a piece of one.

    real = Disk("64K")                    # zeros, in memory; or the bytes of an image
    real = Disk.open("system.img")        # a raw image file: writes stay in memory until `.commit()`
    mine = real.overlay()                 # a version of it: what is written here, only this one sees
    minidisk = real.extent(16, 32)        # a piece of it: what is written here stands there too

Blocks of 4 KiB are immutable bytes, which disks, overlays and snapshots share.
"""

from vlab.machine.disks.disk import BLOCK, LARGEST, SECTOR, Disk, Extent

__all__ = ["BLOCK", "LARGEST", "SECTOR", "Disk", "Extent"]
