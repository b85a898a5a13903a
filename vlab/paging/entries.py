"""Page-table entries: their flags, the rules that judge them, and those rules in words.

A rule has a short stable code ("not-valid", "user-page-in-S"): tests, drawings and exercises name it.
"""

from enum import IntFlag
from typing import NamedTuple

from vlab.language import VlabError, _, named
from vlab.paging.formats import RISCV, Flags
from vlab.paging.schemes import PAGE_SHIFT, SV39, Scheme
from vlab.riscv.privilege import Access, Mode

FLAGS = tuple(Flags(bits) for bits in range(256))  # RISC-V's, by their bits: an IntFlag is slow to make


class Entry(NamedTuple):
    """A raw entry, taken apart. `rsw` holds software's low bits, `reserved` those that must be zero."""

    ppn: int
    flags: IntFlag
    rsw: int
    reserved: int


def entry(ppn: int, flags: IntFlag | int, rsw: int = 0, scheme: Scheme = SV39) -> int:
    """The raw entry that holds this physical page number and these flags."""
    return ppn << scheme.format.ppn_shift | rsw << scheme.format.spare[0][1] | int(flags)


def decode(raw: int, scheme: Scheme = SV39) -> Entry:
    """Take a raw entry apart."""
    form = scheme.format
    _name, shift, width = form.spare[0]
    reserved = (raw & scheme.reserved_mask) >> form.ppn_shift + scheme.ppn_bits
    rsw = raw >> shift & (1 << width) - 1
    return Entry(scheme.target(raw) >> PAGE_SHIFT, form.table[raw & form.mask], rsw, reserved)


def classify(raw: int, level: int, scheme: Scheme = SV39) -> str:
    """What an entry is, wherever it leads: "pointer", "leaf", or the rule it breaks (4.3.2, steps 3 to 5)."""
    return scheme.format.classify(raw, level, scheme)


def permits(
    flags: int, access: Access, mode: Mode, sum: bool = False, mxr: bool = False, scheme: Scheme = SV39
) -> str | None:
    """The permission rule (4.3.2, steps 6 to 8): None where a leaf allows the access, else the rule broken.

    `flags` may be a whole raw entry. `sum` and `mxr` are the fields of sstatus; mode is U or S. In x86-64's
    format, `flags` are what all levels grant.
    """
    return scheme.format.permits(int(flags), access, mode, sum, mxr)


def rule_text(rule: str, scheme: Scheme = SV39) -> str:
    """A rule's code in words, in the reader's language. Raises VlabError for a rule that there isn't."""
    if rule == "pointer" and scheme.format is not RISCV:
        return _("PS is clear: the entry points to the next table")
    rules = {
        "allowed": _("the entry allows the access"),
        "pointer": _("R, W and X are clear: the entry points to the next table"),
        "leaf": _("R or X is set: the entry maps a page"),
        "non-canonical": _("the address is not canonical"),
        "no-such-page": _("PS is set at a level that has no pages"),
        "update-refused": _("A or D must be set in this entry, but the G-stage doesn't let it be written"),
        "access-fault": _("the entry could not be read from physical memory"),
        "not-valid": _("the entry is not valid"),
        "write-without-read": _("W without R is reserved"),
        "reserved-bits": _("reserved bits above the PPN are set"),
        "reserved-in-pointer": _("D, A or U is set in a pointer, where they are reserved"),
        "no-leaf": _("the last level holds a pointer, not a page"),
        "misaligned-superpage": _("the superpage is not aligned to its size"),
        "supervisor-page-in-U": _("user mode may not touch a supervisor page"),
        "user-page-in-S": _("supervisor mode may touch a user page only while SUM is set"),
        "fetch-of-user-page": _("supervisor mode never executes a user page"),
        "not-readable": _("the page is not readable"),
        "not-writable": _("the page is not writable"),
        "not-executable": _("the page is not executable"),
        "not-accessed": _("A is clear, and this hardware leaves it to software to set it"),
        "not-dirty": _("D is clear, and this hardware leaves it to software to set it"),
    }
    return named(rule, rules, _("There is no rule {word!r}."))


def flags_of(flags: IntFlag | int | str, scheme: Scheme = SV39) -> IntFlag:
    """Flags from flags, their number, or letters such as "RWU" (dashes are skipped); words for x86: "RW US".

    Raises VlabError for anything else.
    """
    form = scheme.format
    if isinstance(flags, int) and flags >= 0 and not int(flags) & ~form.mask:
        return form.table[int(flags)]
    plain, known = str(flags).replace("-", ""), form.flags.__members__
    letters = form is RISCV
    words = list(plain) if letters else plain.split()
    if isinstance(flags, str) and set(known).issuperset(words):
        return form.table[sum(known[word] for word in set(words))]
    what = _("{flags!r} are not flags: they are letters of DAGUXWRV.")
    if not letters:
        what = _("{flags!r} are not flags: they are words of {known}.")
    upper = plain.upper() if letters else " ".join(plain.upper().split())
    fits = set(known).issuperset(upper if letters else upper.split())
    offer = upper if fits and upper else "RWU" if letters else "RW US"
    raise VlabError(
        what.format(flags=flags, known=" ".join(known)),
        mend=_("Did you mean {word!r}?").format(word=offer),
    )


def access_of(access: Access | str) -> Access:
    """An Access from itself or its name ("fetch", "load", "store"). Raises VlabError for anything else."""
    if isinstance(access, Access):
        return access
    return named(access, {str(kind): kind for kind in Access}, _("There is no access {word!r}."))


def mode_of(mode: Mode | str) -> Mode:
    """A mode in which satp is active, U or S, from itself or its name. Raises VlabError for anything else."""
    choices = {"U": Mode.U, "S": Mode.S}
    return named(mode, choices, _("There is no address translation in mode {word}."))
