"""The assembler: GNU syntax for the instructions of the table, from text to a `Program`.

What differs from GNU `as` is said in `vlab/riscv/assembler/README` terms below:

- sections lie where `layout` says; there is no linker and no object file, so every symbol must be defined;
- a number that does not fit its place is an error, where GNU may cut it off with a warning.
"""

from collections.abc import Mapping, Sequence

from vlab.language import VlabError, _
from vlab.riscv.assembler.assembly import Assembly
from vlab.riscv.assembler.finish import finish
from vlab.riscv.assembler.flow import Flow
from vlab.riscv.assembler.layout import PAGE
from vlab.riscv.assembler.lines import statements
from vlab.riscv.assembler.problems import AssemblyError, Problem
from vlab.riscv.program import Program

__all__ = ["AssemblyError", "Problem", "assemble", "assemble_files"]

BASE = 0x8000_0000


def assemble(
    source: str, *, filename: str = "<cell>", base: int = BASE, symbols: Mapping[str, int] | None = None
) -> Program:
    """Assemble a text.

    `base` is where `.text` begins, a multiple of 4096; `symbols` are defined beforehand. Raises AssemblyError, which
    names all mistakes with their places.
    """
    return assemble_files([(filename, source)], base=base, symbols=symbols)


def assemble_files(
    files: Sequence[tuple[str, str]], *, base: int = BASE, symbols: Mapping[str, int] | None = None
) -> Program:
    """Assemble several (name, text) files as if they were one, in their order."""
    if base % PAGE or not 0 <= base < 1 << 64:
        raise VlabError(_("The base {base} is not the address of a page.").format(base=hex(base)))
    assembly = Assembly(symbols)
    read = (statement for order, (name, text) in enumerate(files) for statement in statements(name, order, text))
    Flow(assembly).read(read)
    return finish(assembly, base, dict(files))
