"""The assembler: GNU syntax for the instructions of the table, from text to a `Program`.

The bytes are those of GNU `as` and `ld`, for texts that both take. What differs:

- There are no object files. Every symbol must be defined in the text, and sections lie where `layout` says.
- `.rodata` is a directive; `//` begins a comment; `li` and `.skip` take distances between near labels.
- An error here, a warning or silence there: a number that is cut off, a character escape nobody knows, an
  instruction at an address that is no multiple of 4.
- `.align 2` in code aligns; without compressed instructions GNU takes code to be aligned always.
- Names of macros keep their case.
- Where branches stand at the very edge of their reach with large alignments between, GNU may take a long form
  that it could do without.
- Compressed instructions only where they are written as such (`c.addi`): there is no `.option rvc`.
- No `.include`, no thread-local or position-independent symbols, no `.comm`.
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

    `base` is where `.text` begins, a multiple of 4096; `symbols` are defined beforehand, and the text may
    define them otherwise. Raises AssemblyError, which shows the mistakes in their places.
    """
    return assemble_files([(filename, source)], base=base, symbols=symbols)


def assemble_files(
    files: Sequence[tuple[str, str]], *, base: int = BASE, symbols: Mapping[str, int] | None = None
) -> Program:
    """Assemble several (name, text) files as if they were one, in their order."""
    if base % PAGE or not 0 <= base < 1 << 64:
        raise VlabError(_("The base {base} is not the address of a page.").format(base=hex(base)))
    assembly = Assembly(symbols)
    read = (
        statement for order, (name, text) in enumerate(files) for statement in statements(name, order, text)
    )
    Flow(assembly).read(read)
    return finish(assembly, base, dict(files))
