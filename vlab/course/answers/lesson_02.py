"""What is right in the exercises of lesson 02, taken from the package's own machine, and why what is wrong is."""

from functools import cache
from typing import Any

from vlab.course.exercises import Case, shown
from vlab.course.judging import Key, Why, differences
from vlab.course.questions import guests_02 as guests
from vlab.language import _
from vlab.machine import Machine
from vlab.machine.hart import Hart
from vlab.paging import SV39, Walk, rule_text, size_text
from vlab.paging import walk as package_walk
from vlab.riscv import Interrupt, Mode, Trap
from vlab.riscv.csrs import CSRS
from vlab.riscv.privilege import INTERRUPT_BIT

_STATUS = {part.name: part.mask for part in CSRS["mstatus"].fields}
_ORDER = tuple(int(Interrupt[name]) for name in ("MEI", "MSI", "MTI", "SEI", "SSI", "STI"))


@cache
def _machine() -> Machine:
    return Machine(memory="64K")


def _hart(mode: Mode, **csrs: int) -> Hart:
    """A hart in this mode, with these registers and all others as at power-on."""
    hart = _machine().hart
    hart.csr.reset()
    hart.csr.values |= csrs
    hart.mode, hart.waiting, hart.changed = mode, False, False
    return hart


# 02-1


def _handler_mode(case: Case) -> str:
    """As the package's hart decides."""
    mode, cause, medeleg, mideleg = case
    hart = _hart(Mode[mode], medeleg=medeleg, mideleg=mideleg)
    hart.trap(cause)
    return str(hart.mode)


def _why_handler(case: Case, right: Any, given: Any) -> Why:
    mode, cause, _medeleg, _mideleg = case
    if mode == "M":
        return Why(_("A trap never goes to a lower mode: what happens in M mode is handled in M mode."))
    if given == "U":
        return Why(_("No trap goes to U mode: processes don't handle traps."))
    if cause & INTERRUPT_BIT:
        return Why(
            _("An interrupt goes to S mode if its bit in mideleg (not in medeleg) is 1, else to M mode.")
        )
    if mode == "S" and right == "S":
        return Why(_("What is delegated goes to S mode from S mode too: a kernel catches its own faults."))
    return Why(_("An exception goes to S mode if its bit in medeleg is 1, else to M mode."))


# 02-2


def _sret(case: Case) -> dict[str, Any]:
    """As the package's hart does it."""
    state = dict(case[0])
    hart = _hart(Mode(state["mode"]), mstatus=state["mstatus"], sepc=state["sepc"])
    hart.pc = state["pc"]
    try:
        hart.pc = hart.sret()
    except Trap:
        return {"returned": False, "hart": state}
    now = {"pc": hart.pc, "mode": int(hart.mode), "mstatus": hart.csr.values["mstatus"]}
    return {"returned": True, "hart": state | now}


def _why_sret(case: Case, right: Any, given: Any) -> Why:
    before = case[0]
    if not right["returned"]:
        if before["mode"] == Mode.U:
            return Why(_("In U mode sret is illegal: return False, and change nothing."))
        return Why(_("In S mode, while TSR is set, sret is illegal: return False, and change nothing."))
    if not given["returned"]:
        return Why(_("Here sret is legal, in M mode too: return True."))
    wrong = right["hart"]["mstatus"] ^ given["hart"].get("mstatus", 0)
    rules = {
        "mode": (
            given["hart"].get("mode") != right["hart"]["mode"],
            _("The new mode stands in SPP: 1 is S, 0 is U."),
        ),
        "pc": (
            given["hart"].get("pc") != right["hart"]["pc"],
            _("The pc becomes sepc as it is. To go on after an ecall, the handler has added 4 to it."),
        ),
        "SIE": (wrong & _STATUS["SIE"], _("SIE gets what SPIE kept: interrupts are as before the trap.")),
        "SPIE": (wrong & _STATUS["SPIE"], _("SPIE becomes 1.")),
        "SPP": (wrong & _STATUS["SPP"], _("SPP becomes 0: the next sret, if no trap came, goes to U mode.")),
        "MPRV": (
            wrong & _STATUS["MPRV"],
            _("MPRV becomes 0, whenever sret ends in a mode below M: always."),
        ),
        "mstatus": (wrong, _("The other bits of mstatus stay as they are.")),
    }
    for name, (broken, rule) in rules.items():
        if broken:
            return Why(rule, name)
    return Why(_("Nothing else changes."))


# 02-3


def _next_interrupt(case: Case) -> int | None:
    """As the package's hart decides."""
    mode, mstatus, mideleg, mie, mip = case
    cause = _hart(Mode[mode], mstatus=mstatus, mideleg=mideleg, mie=mie, mip=mip).interrupt()
    return None if cause is None else cause & ~INTERRUPT_BIT


def _why_interrupt(case: Case, right: Any, given: Any) -> Why:
    mode, _mstatus, mideleg, mie, mip = case
    if given is not None and given not in _ORDER:
        return Why(_("That is the code of no interrupt."))
    asked = right if given is None else given
    target = Mode.S if mideleg >> asked & 1 else Mode.M
    step = _("interrupt {code}, for {mode} mode").format(code=asked, mode=target)
    if given is None or (right is not None and _arrives(case, given)):
        return _why_taken(case, right, given, step)
    if not mip >> asked & 1:
        return Why(_("An interrupt whose bit in mip is 0 is not pending: there is nothing to deliver."), step)
    if not mie >> asked & 1:
        return Why(_("An interrupt whose bit in mie is 0 is not listened to: it stays pending."), step)
    if Mode[mode] > target:
        return Why(_("In a mode above the one that it is for, an interrupt waits, whatever SIE says."), step)
    enable = "SIE" if target == Mode.S else "MIE"
    said = _("In {mode} mode itself, {enable} = 0 holds its interrupts back.")
    return Why(said.format(mode=target, enable=enable), step)


def _arrives(case: Case, code: int) -> bool:
    """Whether this interrupt would come, were it alone."""
    mode, mstatus, mideleg, mie, mip = case
    return _next_interrupt((mode, mstatus, mideleg, mie & 1 << code, mip)) == code


def _why_taken(case: Case, right: int, given: int | None, step: str) -> Why:
    mode, _mstatus, mideleg, _mie, _mip = case
    target = Mode.S if mideleg >> right & 1 else Mode.M
    if given is not None:
        other = Mode.S if mideleg >> given & 1 else Mode.M
        if other != target:
            return Why(_("Those for M mode come before those for S mode, whatever their codes."), step)
        return Why(_("Within a mode, external comes before software, and software before timer."), step)
    if Mode[mode] < target:
        said = _("In a mode below {mode}, the interrupts for {mode} mode are on, whatever mstatus says.")
        return Why(said.format(mode=target), step)
    return Why(_("It is pending, listened to, and its mode has interrupts on: nothing holds it back."), step)


# 02-4


def _package(case: Case) -> Walk:
    memory, root, address, access, mode, sum, mxr = case
    return package_walk(
        lambda at, _size: memory.get(at, 0), root, address, access, mode=mode, sum=sum, mxr=mxr
    )


def _walk(case: Case) -> tuple[list[int], int | None]:
    found = _package(case)
    return [step.address for step in found.steps], found.physical


def _why_walk(case: Case, right: Any, given: Any) -> Why:
    walked = _package(case)
    (references, physical), (theirs, result) = right, given
    pairs = enumerate(zip(references, theirs, strict=False), 1)
    apart = next((number for number, (ours, other) in pairs if ours != other), None)
    if apart is not None:
        step = _("reference {number}, level {level}").format(
            number=apart, level=walked.steps[apart - 1].level
        )
        return Why(_why_reference(case, walked, apart, theirs[apart - 1]), step)
    if len(theirs) < len(references):
        step = _("reference {number}, level {level}").format(number=len(theirs) + 1, level=2 - len(theirs))
        if not theirs:
            return Why(_("The walk begins at the root, for each canonical address."), step)
        return Why(rule_text("pointer"), step)
    step = (
        _("reference {number}, level {level}").format(number=len(references), level=walked.level)
        if references
        else ""
    )
    if physical is None or len(theirs) > len(references):
        return Why(rule_text("leaf" if walked.rule == "allowed" else walked.rule), step)
    if result is None:
        return Why(_why_allowed(case, walked), step)
    size = size_text(walked.page_size or 0)
    return Why(_("The page has {size}: all bits below it are the offset.").format(size=size), step)


def _why_reference(case: Case, walked: Walk, number: int, given: Any) -> str:
    ours = walked.steps[number - 1]
    table = ours.address & -4096
    if given == table + ours.index:
        return _("An entry has 8 bytes: number {index} stands at the table's address + 8 × {index}.").format(
            index=ours.index
        )
    if isinstance(given, int) and given & -4096 == table:
        return _("The index at level {level} is bits {high} to {low} of the address.").format(
            level=ours.level, high=SV39.shift(ours.level) + 8, low=SV39.shift(ours.level)
        )
    return _("The next table's address is the entry's PPN (bits 10 to 53) × 4096.")


def _why_allowed(case: Case, walked: Walk) -> str:
    _memory, _root, _address, access, mode, sum, mxr = case
    flags = walked.flags
    assert flags is not None
    if access == "load" and mxr and "R" not in str(flags):
        return _("While MXR is set, a page that may be executed may be read, too.")
    if mode == "S" and sum and "U" in str(flags):
        return _("While SUM is set, supervisor mode may load from user pages, and store to them.")
    return rule_text("leaf" if walked.level else "allowed")


# 02-5


def _measured(case: Case) -> dict[str, Any]:
    """What a right handler leads to."""
    mode, _interval, ticks = case
    return {
        "interrupts": ticks,
        "ticks": ticks,
        "changed": [],
        "other traps": [],
        "ends in": "program",
        "mode": mode,
    }


def _why_measured(case: Case, right: Any, given: Any) -> Why:
    if given["other traps"]:
        return Why(_why_other_trap(given["other traps"][0]), _("traps"))
    if given["ends in"] != "program":
        return Why(_("The handler does not come back to the program: its last instruction is sret."))
    if given["changed"]:
        if given["changed"][-len(guests.COUNTERS) :] == list(guests.COUNTERS):
            return Why(
                _("The program goes on where it was interrupted: an instruction of it was lost. Leave sepc."),
                _("registers"),
            )
        return Why(
            _("The program does not know that it was interrupted: each register is as it was before."),
            _("registers"),
        )
    if given["mode"] != right["mode"]:
        return Why(_("The program goes on in the mode in which it was: leave SPP."), _("mode"))
    if given["interrupts"] > right["interrupts"]:
        return Why(
            _(
                "The interrupt is pending as long as time has passed stimecmp: set the next alarm, "
                "one interval from now."
            ),
            _("interrupts"),
        )
    if given["interrupts"] < right["interrupts"]:
        return Why(_("The next interrupt comes too late, or never."), _("interrupts"))
    return Why(_("Each interrupt adds 1 to the double word at ticks."), "ticks")


def _why_other_trap(title: str) -> str:
    if title == "illegal instruction":
        return _("The handler runs in S mode: an instruction or a register for M mode only is illegal there.")
    return _(
        "The handler may use memory at ticks, interval, and where sscratch points. "
        "The program's sp may hold anything."
    )


def _shown_measured(right: Any, given: Any) -> tuple[str, str]:
    if right == given:
        told = _("{count} interrupts, {count} ticks, and the program noticed nothing")
        return told.format(count=right["ticks"]), ""
    return tuple(map(shown, differences(right, given)))  # type: ignore[return-value]


KEYS = {
    "02-1": Key(_handler_mode, _why_handler, lambda: _('"S" or "M"')),
    "02-2": Key(_sret, _why_sret, lambda: _("True or False")),
    "02-3": Key(_next_interrupt, _why_interrupt, lambda: _("the number of an interrupt, or None")),
    "02-4": Key(
        _walk,
        _why_walk,
        lambda: _("a pair: the list of the entries' addresses, and the physical address or None"),
        picture=_package,
    ),
    "02-5": Key(
        _measured,
        _why_measured,
        lambda: _("the text of a handler"),
        show=_shown_measured,
    ),
}
