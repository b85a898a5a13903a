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


class Briefs(dict[tuple[int, int, Mode], Brief | None]):
    """Those of one guest, by word, pc and mode; None for an instruction that is not one of these.

    Where a technique deals with exits, or enters its guest, in a way of its own, there is no `hart`, and none at all.
    """

    def __init__(self, hart: "Hart | None"):
        self._hart = hart

    def __missing__(self, key: tuple[int, int, Mode]) -> Brief | None:
        if self._hart is None:
            return None
        if len(self) >= _MOST:
            self.clear()
        made = self[key] = _made(self._hart, *key)
        return made


def _made(hart: "Hart", word: int, pc: int, mode: Mode) -> Brief | None:
    instruction = hart.decode(word)
    if instruction is None or mode == Mode.U or pc == GATE or not _changes_little(hart, instruction):
        return None
    operation = hart.interpreter.operation(word, pc)
    return operation, instruction.values.get("rs1", 0), instruction["rd"]


def _changes_little(hart: "Hart", instruction: Instruction) -> bool:
    values, known = instruction.values, hart.csr.registers.by_number
    if "csr" not in values or values["csr"] not in known:
        return False
    csr = known[values["csr"]]
    only_reads = not instruction.row.base.startswith("csrrw") and not values.get("rs1", values.get("zimm"))
    return only_reads or csr.number in hart.csr.kept or "mstatus" in (csr.name, csr.view_of)
