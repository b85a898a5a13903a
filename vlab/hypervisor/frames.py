"""Frames: the pages of a computer's memory that its hypervisor hands out."""

from collections.abc import Iterable, Sequence
from itertools import islice

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
        """The address of a zeroed frame, or of as many as `size` takes, aligned to it; OutOfFrames without such."""
        count = size // PAGE
        aligned = (frame for frame in reversed(self.free) if frame % count == 0)
        first = next((at for at in aligned if all(at + more in self.free for more in range(1, count))), None)
        if first is None:
            raise OutOfFrames(_("No frame is left for page tables."))
        for frame in range(first, first + count):
            self.free.remove(frame)
        return first * PAGE

    def release(self, address: int, size: int = PAGE) -> None:
        """Take frames back, and zero them."""
        self._memory.poke(address, bytes(size))
        self.free.extend(range(address // PAGE, (address + size) // PAGE))


class Frames:
    """All frames of a computer's memory: a byte for each, 0 where it is free. The first `own` are never given.

    What is handed out is zeroed, and so is what comes back. Which frames come next depends on nothing but which
    are free. It keeps `vlab.paging.Frames`' contract too, for single frames.
    """

    def __init__(self, memory: PhysicalMemory, own: int):
        self._memory, self._first = memory, memory.base // PAGE
        count = memory.size // PAGE
        own = min(own, count)
        self._taken = bytearray(b"\1" * own + bytes(count - own))

    @property
    def free(self) -> int:
        """How many are free."""
        return self._taken.count(0)

    def take(self, count: int, who: str) -> list[int]:
        """So many frames: neighbours if there are, else whichever come first; VlabError if there are too few."""
        if count > self.free:
            raise too_little(count, self.free, who)
        start = self._taken.find(bytes(count))
        if start >= 0:
            found = list(range(start, start + count))
        else:
            found = list(islice((at for at, taken in enumerate(self._taken) if not taken), count))
        for at in found:
            self._taken[at] = 1
        frames = [self._first + at for at in found]
        clear(self._memory, frames)
        return frames

    def claim(self, frames: Sequence[object]) -> bool:
        """Take just these frames; False, and none is taken, if one is not free, or named twice."""
        taken = bytearray(self._taken)
        for frame in frames:
            at = frame - self._first if type(frame) is int else -1
            if not 0 <= at < len(taken) or taken[at]:
                return False
            taken[at] = 1
        self._taken = taken
        return True

    def give(self, frames: Iterable[int]) -> None:
        """Take frames back, zeroed: what was in them is nobody's any more."""
        for frame in frames:
            clear(self._memory, [frame])
            self._taken[frame - self._first] = 0

    def allocate(self, size: int = PAGE) -> int:
        """The address of one zeroed frame, from the end of memory; OutOfFrames when none is left."""
        assert size == PAGE
        at = self._taken.rfind(0)
        if at < 0:
            raise OutOfFrames(_("No frame of memory is left."))
        self._taken[at] = 1
        clear(self._memory, [self._first + at])
        return (self._first + at) * PAGE

    def release(self, address: int, size: int = PAGE) -> None:
        """Take one frame back, and zero it."""
        self.give([address // PAGE])


def too_little(wanted: int, free: int, who: str) -> VlabError:
    """The error for who wants more frames than there are."""
    return VlabError(
        _("{wanted} KiB are needed, and the computer has {free} KiB left.").format(
            wanted=wanted * PAGE >> 10, free=free * PAGE >> 10
        ),
        where=who,
        mend=_("Give the machine more memory, or its guests less."),
    )


def clear(memory: PhysicalMemory, frames: Sequence[int]) -> None:
    """Zero frames that are handed out for the first time: something may have run on this computer before."""
    if len(frames) > 1:
        touched = memory.touched()
        frames = [frame for frame in frames if frame in touched]
    for frame in frames:
        if memory.peek(frame * PAGE, PAGE) != _ZEROS:
            memory.poke(frame * PAGE, _ZEROS)
