"""Machines with the H extension in a mode of their choice, and guests in their memory."""

from tests.machine.programs import MASK, OPEN
from vlab.machine import Machine
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.paging import SV39X4, GuestRam, PageTable
from vlab.riscv import Mode, assemble
from vlab.riscv.csrs import H_REGISTERS

NAMED = {
    "U": (Mode.U, False),
    "HS": (Mode.S, False),
    "M": (Mode.M, False),
    "VU": (Mode.U, True),
    "VS": (Mode.S, True),
}
MSTATUS = {part.name: part.mask for part in H_REGISTERS.by_name["mstatus"].fields} | {"MPP": 3 << 11}
HSTATUS = {part.name: part.mask for part in H_REGISTERS.by_name["hstatus"].fields}
STCE, TM = 1 << 63, 2
GUEST_BASE = 0x4000_0000  # where a guest's memory begins
DATA = GUEST_BASE + 0x1000  # a page of it that tests use
GVA = 0x12_3000


def machine(where="M", source="j .", memory="2M", **csrs):
    """A machine with H that stands in a mode, all of memory open, and some CSRs as given."""
    built = Machine(assemble(source), memory=memory, extensions="H")
    write(built, **OPEN, **csrs)
    return go(built, where)


def write(built, **csrs):
    """Write CSRs as M mode does, whatever the mode is."""
    for name, value in csrs.items():
        built.hart.csr.write(H_REGISTERS.by_name[name], value & MASK)


def go(built, where):
    """Put the hart into a mode by its name."""
    built.hart.mode, built.hart.virtual = NAMED[where]
    built.hart.mmu.select()
    return built


def where(built):
    """The name of the mode in which the hart is."""
    name = built.hart.mode_name
    return "HS" if name == "S" else name


class Frames:
    """Memory for page tables, from a place in RAM on."""

    def __init__(self, start):
        self._next = start

    def allocate(self, size):
        start = -(-self._next // size) * size
        self._next = start + size
        return start

    def release(self, address, size):
        raise AssertionError


class Guest:
    """A guest in the memory of a machine: 64 KiB at GUEST_BASE, a G-stage table, and a table of its own.

    `flags` are those of the page at GVA, which leads to DATA; `host_flags` those of every page of the G-stage.
    Nothing but the root registers is written until `touch`.
    """

    def __init__(self, built, flags="RWXUAD", *, host_flags="RWXUAD", paged=True, nested=True):
        self.machine = built
        self.host = PageTable(built.memory, SV39X4, frames=Frames(RAM_BASE + 0x80000))
        self.ram = GuestRam(self.host, 0x10000, base=GUEST_BASE)
        self.host.protect(GUEST_BASE, host_flags, 0x10000)
        self.own = PageTable(self.ram)
        if flags:
            self.own.map(GVA, DATA, flags)
        write(built, hgatp=self.host.satp if nested else 0, vsatp=self.own.satp if paged else 0)
        built.hart.mmu.flush("test")
        built.hart.mmu.select()
        self.data = self.ram.host_address(DATA)  # where the page at GVA really is

    def put(self, value, offset=0, size=8):
        """Write into the page at GVA."""
        self.machine.memory.store(self.data + offset, size, value)

    def get(self, offset=0, size=8):
        """Read from the page at GVA."""
        return self.machine.memory.load(self.data + offset, size)

    def host_flags(self, gpa, flags):
        """Give these flags to the G-stage's page of a guest-physical address, and fence."""
        assert self.host.protect(gpa & -PAGE, flags) == 1
        self.machine.hart.mmu.flush("test")

    def flags(self, flags):
        """Give these flags to the guest's own page at GVA, and fence."""
        assert self.own.protect(GVA, flags) == 1
        self.machine.hart.mmu.flush("test")
