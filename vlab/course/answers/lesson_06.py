"""What is right in the exercises of lesson 06, and which rule each mistake breaks.

Where the package's own hart does what is asked, it is the key: nothing is defined twice.
"""

from functools import cache
from typing import Any

from vlab.course.exercises import Case
from vlab.course.judging import Key, Why
from vlab.language import _
from vlab.machine import Machine
from vlab.machine.hart import Hart
from vlab.riscv import ROWS, Cause, Mode, Trap, decode, disassemble, encode
from vlab.riscv.csrs import BY_NUMBER, CSRS
from vlab.riscv.privilege import INTERRUPT_BIT

_SIE, _SPIE, _SPP = (CSRS["sstatus"][name].mask for name in ("SIE", "SPIE", "SPP"))
_STATUS = CSRS["sstatus"].number


@cache
def _machine() -> Machine:
    return Machine(memory="64K")


def _hart(mode: str, status: int = 0) -> Hart:
    """A hart in this mode, with this `mstatus`, and every exception delegated to S mode."""
    hart = _machine().hart
    hart.csr.reset()
    hart.csr.values |= {"mstatus": status, "medeleg": CSRS["medeleg"].writable}
    hart.mode, hart.waiting, hart.pc = Mode[mode], False, _machine().memory.base
    return hart


def _illegal(hart: Hart, word: int) -> bool:
    """Execute a word; whether it trapped."""
    try:
        hart.execute(word)
    except Trap:
        return True
    return False


# 06-1


def _traps(case: Case) -> bool:
    what, csr, writes, mode = case
    if what == "csr":
        row = ROWS["csrrw" if writes else "csrrs"]
        return _illegal(_hart(mode), encode(row, {"csr": csr, "rs1": 0, "rd": 0 if writes else 5}))
    fields = {"rd": 5, "rs1": 6, "rs2": 7} if what == "add" else {"rs1": 0, "rs2": 0}
    return _illegal(_hart(mode), encode(ROWS[what], fields))


def _why_traps(case: Case, right: Any, given: Any) -> Why:
    what, csr, writes, mode = case
    if what == "add":
        return Why(_("An ordinary instruction is executed directly, in every mode."))
    if what == "ecall":
        return Why(_("ecall is the door: it is meant to trap, in every mode."))
    if what == "mret":
        return Why(_("mret ends a trap of M mode: below M mode it is illegal."))
    if what != "csr":
        return Why(_("{what} needs S mode or above: in user mode it is illegal.").format(what=what))
    if writes and csr >> 10 == 3:
        return Why(
            _("{csr:#x} has 11 in bits 11:10: it is read-only, and a write is illegal in every mode.").format(
                csr=csr
            )
        )
    least = Mode(csr >> 8 & 3)
    said = _("Bits 9:8 of {csr:#x} say the least mode, {least}: in {mode} mode it {may}.")
    may = _("may be touched") if Mode[mode] >= least else _("is illegal")
    return Why(said.format(csr=csr, least=least, mode=mode, may=may))


# 06-2


def _dead(case: Case) -> list[str]:
    running, crashed = case
    root = _root(running, crashed)
    return sorted(name for name in running if root in _below(running, name))


def _root(running: dict[str, Any], name: str) -> str:
    """The lowest that the crash reaches: who is in system mode takes along what it runs on."""
    on, how = running[name]
    return name if on is None or how == "user" else _root(running, on)


def _below(running: dict[str, Any], name: str | None) -> list[str]:
    """A thing, what it runs on, what that runs on, and so on."""
    return [] if name is None else [name, *_below(running, running[name][0])]


def _why_dead(case: Case, right: Any, given: Any) -> Why:
    running, crashed = case
    given = [str(name) for name in given]
    if sorted(given) == right:
        return Why(_("Give each name once, in the order of the alphabet."))
    if crashed not in given:
        return Why(_("Who crashes is dead, whatever else is."), str(crashed))
    name = next(name for name in (*running, *given) if (name in right) != (name in given))
    if name not in running:
        return Why(_("Only what was running can be dead."), name)
    if name not in right:
        return Why(_("What runs in user mode is stopped by a trap, and what it runs on goes on."), name)
    if name in _below(running, crashed):
        if name == running[crashed][0]:
            return Why(_("Who crashes in system mode takes along what it runs on."), name)
        return Why(
            _("What was taken along is in system mode, too: so it takes along what it runs on itself."), name
        )
    return Why(_("When something dies, so does everything that runs on it, however high it stands."), name)


# 06-3


def _inhibits(case: Case) -> bool:
    word, x = case
    hart = _hart("S", _SIE)
    hart.x[:32] = x
    _illegal(hart, word)
    return not hart.csr["sstatus"] & _SIE


def _why_inhibits(case: Case, right: Any, given: Any) -> Why:
    word, _x = case
    instruction, step = decode(word), disassemble(word)
    assert instruction is not None
    name = instruction.name
    if not name.startswith("csr"):
        return Why(_("Its opcode, bits 6:0, is not 0x73: it is no instruction for control registers."), step)
    if instruction["csr"] != _STATUS:
        said = _("Bits 31:20 name {csr}; interrupts are switched off in sstatus, 0x100.")
        return Why(said.format(csr=BY_NUMBER[instruction["csr"]].name), step)
    if name.startswith("csrrs"):
        return Why(_("csrrs and csrrsi only set bits: they switch nothing off."), step)
    if name.startswith("csrrw"):
        return Why(
            _("csrrw and csrrwi write all bits: interrupts are off if bit 1 of what is written is 0."), step
        )
    if name == "csrrci":
        return Why(_("The mask is in the word itself, bits 19:15: SIE is cleared if it has bit 1."), step)
    return Why(
        _("The mask is in a register, whose number is in bits 19:15: SIE is cleared if it has bit 1."), step
    )


# 06-4


def _handle(case: Case) -> str:
    cause, mode, kind = case
    if cause & INTERRUPT_BIT:
        return "interrupt"
    if mode == "S":
        return "panic"
    if kind == "VM":
        return "hypervisor"
    return "system call" if cause == Cause.ECALL_FROM_U else "kill"


def _why_handle(case: Case, right: Any, given: Any) -> Why:
    return Why(
        {
            "interrupt": _("Bit 63 tells an interrupt: the host takes them all, whoever was running."),
            "panic": _("An exception in S mode is one in the host's own mode: nobody is left to kill."),
            "hypervisor": _("An exception of a virtual machine is its hypervisor's affair, ecall or not."),
            "system call": _("An ecall from user mode, cause 8, asks the host for something."),
            "kill": _("A process in user mode did what it may not: it is killed, and nothing else happens."),
        }[right]
    )


# 06-5


def _follow(case: Case) -> list[tuple[int, ...]]:
    sie, spie, events = case
    hart, found = _hart("S", sie * _SIE | spie * _SPIE), []
    for deed, value in events:
        # All this happens to a kernel: what it interrupts, and goes back to, is its own mode.
        hart.csr.values["mstatus"] |= _SPP
        if deed == "trap":
            hart.trap(Cause.BREAKPOINT)
        elif deed == "sret":
            hart.execute(encode(ROWS["sret"], {}))
        else:
            hart.x[5] = value
            hart.execute(encode(ROWS[deed], {"csr": _STATUS, "rs1": 5, "rd": 0}))
        found.append(tuple(int(bool(hart.csr["sstatus"] & bit)) for bit in (_SIE, _SPIE)))
    return found


def _why_follow(case: Case, right: Any, given: Any) -> Why:
    _sie, _spie, events = case
    if len(given) != len(right):
        return Why(_("One pair for each event: SIE and SPIE after it."))
    at = next(at for at, (one, other) in enumerate(zip(right, given, strict=True)) if one != other)
    deed, value = events[at]
    step = _("event {at}: {deed}").format(at=at, deed=deed if value is None else f"{deed} {value:#x}")
    return Why(
        {
            "csrrw": _("csrrw writes all bits: SIE becomes bit 1 of the value, and SPIE bit 5."),
            "csrrs": _("csrrs sets the bits of the value, and leaves the others as they were."),
            "csrrc": _("csrrc clears the bits of the value, and leaves the others as they were."),
            "sret": _("sret: SIE becomes what SPIE was, and SPIE becomes 1."),
            "trap": _("A trap: SPIE becomes what SIE was, and SIE becomes 0."),
        }[deed],
        step,
    )


KEYS = {
    "06-1": Key(_traps, _why_traps, lambda: _("True or False")),
    "06-2": Key(_dead, _why_dead, lambda: _("a sorted list of names")),
    "06-3": Key(_inhibits, _why_inhibits, lambda: _("True or False")),
    "06-4": Key(_handle, _why_handle, lambda: _("a word such as 'kill'")),
    "06-5": Key(_follow, _why_follow, lambda: _("a list of pairs (SIE, SPIE)")),
}
