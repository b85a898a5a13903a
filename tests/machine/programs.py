"""Small programs and single instructions, put on a machine."""

from vlab.machine import Machine
from vlab.machine.computer import word_of
from vlab.machine.history import History
from vlab.machine.memory import RAM_BASE
from vlab.paging import SV39, PageTable, make_satp
from vlab.riscv import ABI_NAMES, CSRS, Mode, Trap, assemble

OFF = "li t6, 0x100000\n li t5, 0x5555\n sw t5, 0(t6)\n"
MASK = (1 << 64) - 1
OPEN = {"pmpaddr0": MASK, "pmpcfg0": 0x1F}  # all of memory, for S and U


def machine(source="j .", memory="1M", **csrs):
    """A machine with an assembled program, and some CSRs as given."""
    built = Machine(assemble(source), memory=memory)
    write(built, **csrs)
    return built


def spaced(built, spacing):
    """Give it a history with so many steps between checkpoints, whatever its engine."""
    built.pace = 1
    built.history = History(built, spacing)


def finished(source, memory="1M"):
    """A machine that has run a program until it powers off; what is wrong with it fails the test."""
    built = machine(source + "\n" + OFF, memory)
    stop = built.run(100_000)
    assert built.status == 0, (stop, built, hex(built.hart.csr["mcause"]), hex(built.hart.csr["mepc"]))
    return built


def write(built, **csrs):
    """Write CSRs as M mode does, whatever the mode is."""
    for name, value in csrs.items():
        built.hart.csr.write(CSRS[name], value)


def mode(built, wanted):
    """Put the hart into a mode, all of memory open to it."""
    write(built, **OPEN)
    built.hart.mode = Mode(wanted)
    built.hart.mmu.select()
    return built


def do(built, instruction, **registers):
    """Execute one instruction where the hart stands. Returns the trap that it raised, or None."""
    hart = built.hart
    for name, value in registers.items():
        hart.x[ABI_NAMES.index(name)] = value & MASK
    try:
        hart.execute(word_of(instruction) if isinstance(instruction, str) else instruction)
    except Trap as trap:
        return trap
    return None


def cause(built, instruction, **registers):
    """The cause of the trap that one instruction raises; None if it raises none."""
    trap = do(built, instruction, **registers)
    return None if trap is None else trap.cause


def register(built, name):
    return built.hart.x[ABI_NAMES.index(name)]


def paged(built, pages, at=0xC0000):
    """Turn on Sv39: `pages` are (virtual, physical, flags) of 4 KiB; the tables stand `at` from RAM's start."""

    class Frames:
        next = RAM_BASE + at

        def allocate(self, size):
            self.next += size
            return self.next - size

        def release(self, address, size):
            raise AssertionError

    table = PageTable(built.memory, scheme=SV39, frames=Frames())
    for virtual, physical, flags in pages:
        table.map(virtual, physical, flags)
    write(built, satp=make_satp(table.root))
    built.hart.mmu.flush("test")
    built.hart.mmu.select()
    return table
