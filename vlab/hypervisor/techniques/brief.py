"""Emulations in brief: a CSR that is read, one that only keeps what is written, or the one that enables interrupts.

Most exits of a kernel are for these. Mostly nothing else of the guest changes by it, and its next entry is as the
last one was. So it is worth having at hand what each such instruction does to the virtual hart.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from vlab.machine.choices import SINK
from vlab.machine.execute.lowering import LOOSE, LooseOperation, loose_factory
from vlab.riscv import Access
from vlab.riscv.instructions import ROWS, Instruction

if TYPE_CHECKING:
    from vlab.machine.hart import Hart

_MOST = 4096  # that are kept at hand


class Lean(NamedTuple):
    """An exit that one act is all there is to; then the guest is so many bytes further, and else as it was."""

    reason: str
    access: Access
    act: Callable[[], None]
    length: int


class Briefs(dict[int, LooseOperation | None]):
    """Those of one guest, by word: operations on its registers, wherever they are; None for all other instructions.

    One that may not be done traps, and has done nothing. Where a technique deals with exits, or enters its guest, in a
    way of its own, there is no `hart`, and none at all.
    """

    def __init__(self, hart: "Hart | None"):
        self._hart = hart

    def __missing__(self, word: int) -> LooseOperation | None:
        hart = self._hart
        if hart is None:
            return None
        if len(self) >= _MOST:
            self.clear()
        instruction, made = hart.decode(word), None
        if instruction is not None and _changes_little(hart, instruction):
            operands = dict.fromkeys(LOOSE, 0) | instruction.values | {"word": word}
            operands["rd"] = operands["rd"] or SINK
            made = loose_factory(ROWS[instruction.row.base])(hart, *(operands[name] for name in LOOSE))
        self[word] = made
        return made


def _changes_little(hart: "Hart", instruction: Instruction) -> bool:
    values, csrs = instruction.values, hart.csr
    csr = csrs.registers.by_number.get(values.get("csr", -1))
    if csr is None:
        return False
    only_reads = not instruction.row.base.startswith("csrrw") and not values.get("rs1", values.get("zimm"))
    return only_reads or csr.number in csrs.quick
