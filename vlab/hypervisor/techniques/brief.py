"""Emulations in brief: a CSR that is read, one that only keeps what is written, or the one that enables interrupts.

Most exits of a kernel are for these. Mostly nothing else of the guest changes by it, and its next entry is as the
last one was. So it is worth having at hand.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from vlab.machine import GATE
from vlab.riscv import Mode
from vlab.riscv.instructions import Instruction

if TYPE_CHECKING:
    from vlab.machine.hart import Hart

# An operation of the virtual hart, which gives the next pc; the register that it reads, and the one that it writes.
Brief = tuple[Callable[[], int], int, int]
_MOST = 16_384  # that are kept at hand


class Briefs:
    """Those of one guest."""

    def __init__(self, hart: "Hart"):
        self._hart = hart
        self._made: dict[tuple[int, int, Mode], Brief | None] = {}

    def __call__(self, word: int, pc: int) -> Brief | None:
        """How to emulate an instruction of the guest's kernel; None if it is not one of these."""
        key = word, pc, self._hart.mode
        if key not in self._made:
            if len(self._made) >= _MOST:
                self._made.clear()
            self._made[key] = self._make(*key)
        return self._made[key]

    def _make(self, word: int, pc: int, mode: Mode) -> Brief | None:
        instruction = self._hart.decode(word)
        if instruction is None or mode == Mode.U or pc == GATE or not self._changes_little(instruction):
            return None
        operation = self._hart.interpreter.operation(word, pc)
        return operation, instruction.values.get("rs1", 0), instruction["rd"]

    def _changes_little(self, instruction: Instruction) -> bool:
        values = instruction.values
        if "csr" not in values:
            return False
        csr = self._hart.csr.registers.by_number.get(values["csr"])
        if csr is None:
            return False
        only_reads = not instruction.row.base.startswith("csrrw") and not values.get(
            "rs1", values.get("zimm")
        )
        return only_reads or csr.number in self._hart.csr.kept or "mstatus" in (csr.name, csr.view_of)
