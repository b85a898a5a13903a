"""Frames: the pages of a computer's memory that its hypervisor hands out."""

from collections.abc import Iterable

from vlab.language import VlabError, _
from vlab.machine.computer import PhysicalMemory
from vlab.machine.memory import PAGE

_ZEROS = bytes(PAGE)


class OutOfFrames(VlabError):
    """There are not enough free frames."""


class FramePool:
    """Some frames (host-physical page numbers) for page tables; it keeps `vlab.paging.Frames`' contract."""

    def __init__(self, memory: PhysicalMemory, frames: Iterable[int]):
        self._memory = memory
        self.free = list(frames)

    def allocate(self, size: int = PAGE) -> int:
        """The address of a zeroed frame; OutOfFrames when none is left."""
        assert size == PAGE
        if not self.free:
            raise OutOfFrames(_("No frame is left for page tables."))
        return self.free.pop() * PAGE

    def release(self, address: int, size: int = PAGE) -> None:
        """Take a frame back, and zero it."""
        self._memory.poke(address, bytes(size))
        self.free.append(address // PAGE)


def clear(memory: PhysicalMemory, frames: Iterable[int]) -> None:
    """Zero frames that are handed out for the first time: something may have run on this computer before."""
    for frame in frames:
        if memory.peek(frame * PAGE, PAGE) != _ZEROS:
            memory.poke(frame * PAGE, _ZEROS)
