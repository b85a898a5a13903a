"""Virtual address spaces of a host: one page table for each process, and the frames that it maps.

    0x0000_0000_0001_0000   the program             U
    0x0000_0000_3fff_c000   its stack, to 1 GiB     U
    0x0000_0010_8000_0000   a VM's memory           U   of the process that a VM is: GPA + VM_OFFSET
    0xffff_ffc0_0000_0000   devices                 S   physical address + KERNEL; in every table
    0xffff_ffc0_8000_0000   the host's memory       S

A guest kernel that is let into system mode has its own pages for S mode, and the devices where a bare computer
has them: at their physical addresses.
"""

from collections.abc import Iterator
from typing import Any

from vlab.hypervisor.guestmemory import GuestMemory
from vlab.language import VlabError, _
from vlab.machine.computer import PhysicalMemory
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.machine.snapshot import Checker
from vlab.paging import SV39, Frames, PageTable, Walk, walk
from vlab.riscv import Access, Mode, Program

KERNEL = 0xFFFF_FFC0_0000_0000  # the upper half: what is physical is here too, for S mode
VM_OFFSET = 0x10_0000_0000
STACK_TOP, STACK_PAGES = 0x4000_0000, 4
USER_END = 1 << 38  # the lower half ends here
_GIGA = SV39.page_size(2)


class Space:
    """One address space: its page table, the frames that are its own, and where they are.

    Raises VlabError where no frame is left for its root.
    """

    def __init__(self, memory: PhysicalMemory, frames: Frames, *, root: int | None = None):
        self._memory, self._frames = memory, frames
        self.table = PageTable(memory, frames=frames, root=root)
        self.own: list[int] = []  # addresses of frames

    def map_kernel(self) -> None:
        """The upper half, and in it all that is physical: two large pages, or more for a large memory."""
        self.table.map(KERNEL, 0, "RWAD", level=2)
        for at in range(RAM_BASE, self._memory.base + self._memory.size, _GIGA):
            self.table.map(KERNEL + at, at, "RWXAD", level=2)

    def map_devices(self) -> None:
        """Devices where a bare computer has them, for S mode."""
        self.table.map(0, 0, "RWAD", level=2)

    def add(self, address: int, size: int, flags: str) -> None:
        """Zeroed pages of its own, as many as `size` bytes from `address` on touch; those there already stay."""
        for page in range(address & -PAGE, address + size, PAGE):
            if self.table.find(page) is None:
                self.own.append(self._frames.allocate(PAGE))
                self.table.map(page, self.own[-1], flags)

    def show(self, address: int, physical: int, size: int) -> None:
        """Frames that are somebody else's, such as a VM's: they are seen here, and not given back from here."""
        self.table.map(address, physical, "RWUAD", size)

    def put(self, program: Program, flags: str) -> None:
        """Load a program's bytes at their addresses; VlabError where it has none in the lower half."""
        for address, content in program.segments:
            if not PAGE <= address <= address + len(content) <= USER_END:
                raise VlabError(
                    _("A program at {address:#x} is outside the lower half.").format(address=address)
                )
            self.add(address, len(content), flags)
            self.write(address, content, Mode.U if "U" in flags else Mode.S)

    def walk(self, address: int, access: Access | str = Access.LOAD, mode: Mode = Mode.U) -> Walk:
        """Where an address leads, by the table as it stands in memory now."""
        return walk(self._memory.load, self.table.root, address, access, mode=mode)

    def read(self, address: int, size: int) -> bytes | None:
        """What a program has at an address; None if it may not read all of that itself."""
        pieces = self._pieces(address, size, Access.LOAD, Mode.U)
        return None if pieces is None else b"".join(self._memory.peek(at, length) for at, length in pieces)

    def write(self, address: int, data: bytes, mode: Mode = Mode.U) -> bool:
        """Put bytes where a program has its address; False, and nothing is written, if it may not write there."""
        pieces = self._pieces(address, len(data), Access.STORE, mode)
        if pieces is None:
            return False
        for at, length in pieces:
            self._memory.poke(at, data[:length])
            data = data[length:]
        return True

    def _pieces(self, address: int, size: int, access: Access, mode: Mode) -> list[tuple[int, int]] | None:
        """The physical places of a range, none across pages; None if one of them may not be touched."""
        found: list[tuple[int, int]] = []
        while size:
            length = min(size, PAGE - address % PAGE)
            if (physical := self.walk(address, access, mode).physical) is None:
                return None
            if not self._memory.holds(physical, length):
                return None
            found.append((physical, length))
            address, size = address + length, size - length
        return found

    def release(self) -> None:
        """Give everything back: its own frames, and those of the table."""
        for frame in self.own:
            self._frames.release(frame, PAGE)
        for address, size in self.table.tables.items():
            self._frames.release(address, size)
        self._frames.release(self.table.root, PAGE)

    def frames(self) -> Iterator[int]:
        """The numbers of the frames that are its own, and of those of its table."""
        for address in (*self.own, self.table.root, *self.table.tables):
            yield address // PAGE

    def state(self) -> dict[str, Any]:
        """Where everything stands, as plain data; what it says is in memory."""
        return {"own": list(self.own), "tables": [self.table.root, *self.table.tables]}

    @classmethod
    def restored(cls, memory: PhysicalMemory, frames: Frames, state: Checker) -> "Space":
        """One that `state` tells of; VlabError if it can't be."""
        own, tables = (
            part.all_numbers(len(part.rows())) for part in (state.part("own"), state.part("tables"))
        )
        if not tables or any(address % PAGE for address in (*own, *tables)):
            raise state.bad(_("The page table of a process is not where it can be."))
        space = cls(memory, frames, root=tables[0])
        space.table.tables = dict.fromkeys(tables[1:], PAGE)
        space.own = own
        return space


def user_space(memory: PhysicalMemory, frames: Frames, program: Program) -> Space:
    """The address space of an ordinary process, with its program and its stack."""
    return _filled(memory, frames, program, "RWXUAD", STACK_TOP - STACK_PAGES * PAGE, STACK_PAGES * PAGE)


def vm_space(memory: PhysicalMemory, frames: Frames, guest: GuestMemory, program: Program | None) -> Space:
    """The address space of a process that is a virtual machine: the guest's memory is a piece of it."""
    space = Space(memory, frames)
    try:
        space.map_kernel()
        for gpa, hpa, size in guest.runs():
            space.show(VM_OFFSET + gpa, hpa, size)
        if program is not None:
            space.put(program, "RWXUAD")
    except VlabError:
        space.release()
        raise
    return space


def system_space(memory: PhysicalMemory, frames: Frames, program: Program, size: int) -> Space:
    """The address space of a guest kernel in system mode: as a bare computer has it, and the host's upper half."""
    return _filled(memory, frames, program, "RWXAD", RAM_BASE, size)


def _filled(
    memory: PhysicalMemory, frames: Frames, program: Program, flags: str, first: int, size: int
) -> Space:
    space = Space(memory, frames)
    try:
        space.map_kernel()
        if "U" not in flags:
            space.map_devices()
        space.add(first, size, flags)
        space.put(program, flags)
    except VlabError:
        space.release()
        raise
    return space
