"""Faults that a machine can be built with, on purpose: what breaks the condition of Popek and Goldberg.

This isn't what the specification leaves open (see `choices`): a machine with a quirk is no RISC-V computer in
this one respect. Its device tree and `misa` don't say so, as no x86 processor said so.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vlab.language import _, unknown
from vlab.machine.csrfile import CsrFile
from vlab.riscv.csrs import BY_NUMBER, CSRS, Csr

if TYPE_CHECKING:
    from vlab.machine.hart import Hart


# On x86, `popf` writes the flags, the interrupt flag IF among them. Where the privilege doesn't suffice for that
# (CPL > IOPL), it raises nothing: IF stays as it was. And `pushf` reads the real IF anywhere (Intel SDM, volume
# 2B, POPF and PUSHF). Adams and Agesen (2006, section 3.1) call the two faults "lack of traps" and "visibility
# of privileged state". IF is RISC-V's SIE, and the register that software reads and writes for its sake is
# `sstatus`: so the same fault is an access to `sstatus` from U mode that doesn't trap.
QUIRKS: dict[str, tuple[str, ...]] = {"silent-sstatus": ("sstatus",)}  # by name: the CSRs that it is about


def quirk_title(name: str) -> str:
    """What a machine with this quirk does, in the reader's language."""
    return {
        "silent-sstatus": _(
            "in U mode, a write of `sstatus` does nothing and a read gives its value: neither traps (after x86's "
            "`popf` and `pushf`)"
        ),
    }[name]


def chosen_quirks(wanted: object) -> tuple[str, ...]:
    """The names of quirks, in order and each once, from one name or more; VlabError if there is none such."""
    names = list(wanted) if isinstance(wanted, Iterable) and not isinstance(wanted, str) else [wanted]
    for name in names:
        if name not in tuple(QUIRKS):
            raise unknown(_("There is no quirk {name!r}.").format(name=name), name, list(QUIRKS))
    return tuple(name for name in QUIRKS if name in names)


def csr_file(hart: "Hart", quirks: Iterable[str]) -> CsrFile:
    """The CSRs of a hart with these quirks. One without any has the plain ones, and pays nothing."""
    silent = silent_csrs(quirks)
    return SilentCsrFile(hart, silent) if silent else CsrFile(hart)


def silent_csrs(quirks: Iterable[str]) -> frozenset[int]:
    """The numbers of the CSRs that these quirks are about."""
    return frozenset(CSRS[csr].number for name in quirks for csr in QUIRKS[name])


class SilentCsrFile(CsrFile):
    """CSRs of which some, from a mode that may not touch them, can be read and are not written: nothing traps."""

    def __init__(self, hart: "Hart", silent: frozenset[int]):
        super().__init__(hart)
        self._silent = silent

    def touch(self, number: int, writes: bool) -> Csr:
        """See `CsrFile.touch`."""
        return BY_NUMBER[number] if self._forbidden(number) else super().touch(number, writes)

    def write(self, csr: Csr, value: int) -> None:
        """See `CsrFile.write`: here is where nothing happens."""
        if not self._forbidden(csr.number):
            super().write(csr, value)

    def _forbidden(self, number: int) -> bool:
        return number in self._silent and self._hart.mode < BY_NUMBER[number].privilege
