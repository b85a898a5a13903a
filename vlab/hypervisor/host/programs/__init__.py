"""Programs for the processes of a host, in RISC-V assembly: files that a student reads.

`count` prints, `nap` sleeps, `echo` reads what is typed, `spin` never gives the hart back, and `wild` does
what no program may. `monitor` is the loop of the process that a virtual machine is.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from vlab.language import _, unknown
from vlab.riscv import Program, assemble_files

BASE = 0x1_0000  # virtual: where a program begins
_HERE = Path(__file__).parent
_PRELUDE = "calls"


def names() -> tuple[str, ...]:
    """The programs there are."""
    return tuple(sorted(path.stem for path in _HERE.glob("*.s") if path.stem != _PRELUDE))


def source(name: str) -> str:
    """The source of a program; VlabError if there is none of that name."""
    if name not in names():
        raise unknown(_("There is no program {name!r} for a host.").format(name=name), name, names())
    return (_HERE / f"{name}.s").read_text(encoding="utf-8")


def load(name: str, **symbols: int) -> Program:
    """Assemble a program, some of its numbers replaced: `load("count", LETTERS=3)`."""
    return build(source(name), f"{name}.s", symbols)


def build(text: str, filename: str = "<cell>", symbols: Mapping[str, int] | None = None) -> Program:
    """Assemble a program of the reader's own; the calls have names there: `li a7, WRITE`.

    Raises AssemblyError, which shows the mistakes in their places.
    """
    return assemble_files([("calls.s", _prelude()), (filename, text)], base=BASE, symbols=symbols)


@cache
def _prelude() -> str:
    return (_HERE / f"{_PRELUDE}.s").read_text(encoding="utf-8")


def calls() -> dict[str, int]:
    """The host's system calls, by name, as programs know them."""
    return {name: int(number) for name, number in re.findall(r"\.equ (\w+), (\d+)", _prelude())}
