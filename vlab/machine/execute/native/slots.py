"""One instruction as a slot: its handler and its operands."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from vlab.machine.execute.native.handlers import handler_name, jumps, jumps_near, native
from vlab.machine.execute.native.layout import RD, RS1, SINK, SLOT_SHIFT, UPPER_IMM
from vlab.riscv.instructions import ROWS, Instruction

if TYPE_CHECKING:
    from vlab.machine.hart import Hart

_MOST_KNOWN = 1 << 16  # words of which the slots are remembered
_RD, _RS1, _UPPER = (8 * (place - 8) for place in (RD, RS1, UPPER_IMM))


class Filling(NamedTuple):
    """What fills an instruction's slot, `left` left out.

    One that jumps `reach` bytes has another handler, and operands, for a target in its own page. One that doesn't
    jump has a handler that ends a straight line: `last`. With `ends`, any line ends there.
    """

    handler: int
    operands: int
    ends: bool
    last: int = 0
    reach: int = 0
    near: int = 0
    near_operands: int = 0


class Slots:
    """What fills the slot of each word, for one hart. `csrs` are the places of those that native code knows."""

    def __init__(self, handlers: Mapping[str, int], hart: "Hart", csrs: Mapping[int, int]):
        self._handlers, self._hart, self._csrs = handlers, hart, csrs
        self._known: dict[int, Filling] = {}
        self.leaving = Filling(handlers["leave"], 0, True)  # what leaves an instruction to Python

    def filling(self, word: int) -> Filling:
        """What fills the slot of an instruction; what native code can't do leaves to Python."""
        known = self._known.get(word)
        if known is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            known = self._known[word] = self._made(self._hart.decode(word))
        return known

    def _made(self, found: Instruction | None) -> Filling:
        if found is None:
            return self.leaving
        row = ROWS[found.row.base]
        reach = found["imm"] if jumps_near(row) else 0
        unknown = "csr" in row.operands and found["csr"] not in self._csrs
        if not native(row) or unknown or reach % self._hart.parcel:
            return self.leaving
        name = handler_name(row.name, found.row.size)
        imm = self._csrs[found["csr"]] if "csr" in row.operands else found["imm"] or found["shamt"]
        operands = (found["rd"] or SINK) << _RD | (found["rs1"] or found["zimm"]) << _RS1
        filling = Filling(self._handlers[name], operands | _low(found, imm), jumps(row))
        if reach:
            near = operands | _low(found, reach << SLOT_SHIFT)
            return filling._replace(reach=reach, near=self._handlers[f"{name}.near"], near_operands=near)
        return filling if filling.ends else filling._replace(last=self._handlers[f"{name}.last"])


def _low(found: Instruction, imm: int) -> int:
    """The lower half of the operands: an immediate, and rs2 below it if there is one."""
    if "rs2" in ROWS[found.row.base].operands:
        return (imm & 0xFFFF) << _UPPER | found["rs2"]
    return imm & 0xFFFF_FFFF
