"""Facts of the architecture, no state: instructions, CSRs, registers, causes; coding and assembly.

`table` has a row for each instruction, and `meaning` reads the last column of it; `instructions` encodes and decodes
by it. `csrs` has a row for each CSR, `privilege` the modes and causes, `registers` the names. `assembler` makes a
`program` of a text, with the shorthands of `pseudo`, and `disassembler` goes the other way.
"""

from typing import TYPE_CHECKING

from vlab.later import later
from vlab.riscv.csrs import CSRS, Csr
from vlab.riscv.instructions import ROWS, Instruction, Row, decode, encode
from vlab.riscv.privilege import Access, Cause, Interrupt, Mode, Trap
from vlab.riscv.program import Program
from vlab.riscv.registers import ABI_NAMES

if TYPE_CHECKING:
    from vlab.riscv.assembler import AssemblyError, assemble, assemble_files
    from vlab.riscv.disassembler import disassemble

__all__ = [
    "ABI_NAMES",
    "CSRS",
    "ROWS",
    "Access",
    "AssemblyError",
    "Cause",
    "Csr",
    "Instruction",
    "Interrupt",
    "Mode",
    "Program",
    "Row",
    "Trap",
    "assemble",
    "assemble_files",
    "decode",
    "disassemble",
    "encode",
]

# Imported when first asked for: a machine that runs a loaded image needs neither.
__getattr__ = later(
    __name__,
    {
        "AssemblyError": "vlab.riscv.assembler",
        "assemble": "vlab.riscv.assembler",
        "assemble_files": "vlab.riscv.assembler",
        "disassemble": "vlab.riscv.disassembler",
    },
)
