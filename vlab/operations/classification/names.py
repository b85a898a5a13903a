"""Many instructions in few words: the six ways to access a CSR together, and registers that are numbered."""

from collections.abc import Iterable, Iterator

from vlab.operations.classification.kinds import Classified
from vlab.riscv.instructions import ROWS

_FORMS = tuple(row.name for row in ROWS.values() if "csr" in row.operands)
_DIGITS = "0123456789"


def names(rows: Iterable[Classified]) -> list[str]:
    """The names of instructions, each once; "csr… satp" are all accesses to `satp`."""
    plain: list[str] = []
    forms: dict[str, list[str]] = {}
    for name, csr in dict.fromkeys((row.name, row.csr) for row in rows):
        if csr:
            forms.setdefault(csr, []).append(name)
        else:
            plain.append(name)
    by_forms: dict[tuple[str, ...], list[str]] = {}
    for csr, accesses in forms.items():
        by_forms.setdefault(tuple(accesses), []).append(csr)
    for ways, csrs in by_forms.items():
        how = "csr…" if ways == _FORMS else "/".join(ways)
        plain.append(f"{how} {', '.join(_runs(csrs))}")
    return plain


def _runs(csrs: Iterable[str]) -> Iterator[str]:
    """`hpmcounter3, hpmcounter4, hpmcounter5` are `hpmcounter3…5`."""
    numbered: dict[str, list[str]] = {}
    for csr in csrs:
        stem = csr.rstrip(_DIGITS)
        key = stem if csr != stem else f"{csr} alone"  # `mtval` is no first of `mtval2`
        numbered.setdefault(key, []).append(csr)
    for stem, run in numbered.items():
        yield run[0] if len(run) == 1 else f"{run[0]}…{run[-1].removeprefix(stem)}"
