"""The model's stable words in the reader's language: reasons of exits and flushes, and kinds of computers.

The words themselves are keys: of counters, of exported files, of a reader's own queries. So they stay English
everywhere, and only what is *shown* goes through `term`.
"""

from vlab.language import _
from vlab.riscv.privilege import Cause, Interrupt

_HYPERCALL = "hypercall: "
_CAUSES = {cause.key: cause for kind in (Cause, Interrupt) for cause in kind}


def term(word: str) -> str:
    """A stable word in the reader's language; a word that isn't the model's (a CSR's name) as it is."""
    if (cause := _CAUSES.get(word)) is not None:
        return cause.title
    if word.startswith(_HYPERCALL):  # their names are a programmer's words, as those of instructions
        return _("hypercall: {name}").format(name=word.removeprefix(_HYPERCALL))
    return reasons().get(word) or kinds().get(word) or word


def reasons() -> dict[str, str]:
    """Every reason of an exit (beside the causes of traps) and of a flush that has words of its own."""
    return {
        "privileged instruction": _("privileged instruction"),
        "missing instruction": _("missing instruction"),
        "system call": _("system call"),
        "ecall": _("ecall"),
        "timer": _("timer"),
        "interpreted": _("interpreted"),
        "guest fault": _("guest fault"),
        "device access": _("device access"),
        "shadow fill": _("shadow fill"),
        "G-stage fill": _("G-stage fill"),
        "page-table write": _("page-table write"),
        "first write": _("first write"),
        "translation": _("translation"),
        "call-out": _("call-out"),
        "code read": _("code read"),
        "code write": _("code write"),
        "code traced": _("code traced"),
        "translation dropped": _("translation dropped"),
        "copy on write": _("copy on write"),
        "time slice": _("time slice"),
        "writes logged": _("writes logged"),
        "pages shared": _("pages shared"),
        "satp written": _("satp written"),
        "no frame left": _("no frame left"),
        "power": _("power-on"),
        "restore": _("snapshot restored"),
        "reset": _("reset"),
        "pmp": _("physical memory protection changed"),
    }


def kinds() -> dict[str, str]:
    """What kind of thing a part of a computer, or a node of a graph, is."""
    return {
        "machine": _("machine"),
        "hypervisor": _("hypervisor"),
        "host": _("host"),
        "process": _("process"),
        "VM": _("VM"),
        "software": _("software"),
        "device": _("device"),
        "snapshot": _("snapshot"),
    }
