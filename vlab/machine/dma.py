"""Direct memory access: what a device that reads and writes memory by itself sees of its computer."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlab.machine.computer import Computer


class Dma:
    """A computer's memory for its devices. It goes the way of every store: all that watches memory sees it."""

    def __init__(self, computer: "Computer"):
        self._computer = computer

    def holds(self, address: int, size: int = 1) -> bool:
        """Whether all these bytes are memory."""
        return self._computer.memory.holds(address, size)

    def peek(self, address: int, size: int) -> bytes:
        """Read; VlabError where this is no memory."""
        return self._computer.memory.peek(address, size)

    def poke(self, address: int, data: bytes) -> None:
        """Write; VlabError where this is no memory. An `sc` to bytes that it writes will fail (A extension)."""
        computer = self._computer
        with computer.history.machine.ram.written_by("device", computer):
            computer.memory.poke(address, data)
        held = computer.reservation
        if held is not None and address < held[0] + held[1] and held[0] < address + len(data):
            computer.reservation = None

    def attend(self) -> None:
        """A device's pin went up: if its computer sleeps, it must look."""
        self._computer.attend()
