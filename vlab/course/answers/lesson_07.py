"""What is right in the exercises of lesson 07, and which rule each mistake breaks.

Where the package's own hart or hypervisor does what is asked, it is the key: nothing is defined twice.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from itertools import zip_longest
from typing import Any

from vlab.course.exercises import Case, shown
from vlab.course.judging import Key, Why, differences
from vlab.course.questions import guests_07 as guests
from vlab.course.questions.lesson_07 import PAGE_FAULTS
from vlab.course.values import plain
from vlab.events import Event, Exit, Injection, Recording
from vlab.hypervisor import TrapAndEmulate
from vlab.language import _
from vlab.machine import Machine
from vlab.machine.hart import Hart
from vlab.riscv import Cause, Interrupt, Mode
from vlab.riscv.csrs import CSRS
from vlab.riscv.privilege import ACCESS_FAULT, INTERRUPT_BIT, PAGE_FAULT, cause_title

_SIE = CSRS["sstatus"]["SIE"].mask
_ACCESS_OF = {int(fault): access for access, fault in PAGE_FAULT.items()}


@cache
def _hart() -> Hart:
    return Machine(memory="64K").hart


# 07-1


def _deliverable(case: Case) -> int | None:
    """As the package's hart decides, with every supervisor interrupt delegated."""
    mode, sstatus, sie, sip = case
    hart = _hart()
    hart.csr.reset()
    hart.csr.values |= {"mideleg": CSRS["mideleg"].writable, "mie": sie, "mip": sip, "mstatus": sstatus}
    hart.mode = Mode[mode]
    cause = hart.interrupt()
    return None if cause is None else cause & ~INTERRUPT_BIT


def _why_deliverable(case: Case, right: Any, given: Any) -> Why:
    mode, sstatus, sie, sip = case
    if right is not None and given is not None:
        return Why(
            _(
                "Of several, the external one (9) comes first, then the software one (1), then the timer's (5)."
            )
        )
    if right is not None:
        if mode == "U":
            return Why(_("In a mode below S, sstatus.SIE does not matter: the interrupts of S mode are on."))
        return Why(_("It is pending, listened to, and sstatus.SIE is 1: nothing holds it back."))
    if mode == "M" and sie & sip:
        return Why(_("In a mode above S, no interrupt for S mode arrives, whatever sstatus.SIE says."))
    if mode == "S" and sie & sip and not sstatus & _SIE:
        return Why(_("In S mode, sstatus.SIE = 0 holds all interrupts back."))
    if sip and not sie & sip:
        return Why(_("An interrupt whose bit in sie is 0 is not listened to: it stays pending."))
    return Why(_("An interrupt whose bit in sip is 0 is not pending: there is nothing to deliver."))


# 07-2


def _decide(case: Case) -> tuple[str, int | None]:
    cause, mode, found = case
    if cause & INTERRUPT_BIT:
        return "nothing", None
    if cause == Cause.ILLEGAL_INSTRUCTION:
        return "emulate", None
    if cause == Cause.ECALL_FROM_U:
        return "inject", Cause.ECALL_FROM_U + Mode[mode]
    if cause not in PAGE_FAULTS or found == "fault":
        return "inject", cause
    if found == "nothing":
        return "inject", ACCESS_FAULT[_ACCESS_OF[cause]]
    return ("fill", None) if found == "memory" else ("emulate", None)


def _why_decide(case: Case, right: Any, given: Any) -> Why:
    cause, _mode, found = case
    if cause & INTERRUPT_BIT:
        return Why(
            _("A real interrupt is the host's. The guest gets a virtual one, if at all, when it is entered.")
        )
    if cause == Cause.ILLEGAL_INSTRUCTION:
        return Why(
            _(
                "The virtual hart decides whether the instruction is illegal there too. "
                "In virtual U mode it may be legal: rdtime, for one."
            )
        )
    if cause == Cause.ECALL_FROM_U:
        return Why(_("The guest made its ecall in its virtual mode: the cause is 8 plus that mode's number."))
    if cause not in PAGE_FAULTS:
        return Why(_("Such a trap is the guest's own affair: its handler gets it with the same cause."))
    return Why(
        {
            "fault": _("The guest's own table faults too, so the fault is the guest's, with the same cause."),
            "nothing": _(
                "The guest's table leads to where there is neither RAM nor a device: "
                "that is an access fault (1 fetch, 5 load, 7 store)."
            ),
            "memory": _(
                "The guest's table leads to RAM: only the shadow lacks the entry. The guest never sees this."
            ),
            "device": _("A device answers there: the access is carried out on the virtual device."),
        }[found]
    )


# 07-3

_BITS = {
    "csrrw": lambda old, bits: bits,
    "csrrs": lambda old, bits: old | bits,
    "csrrc": lambda old, bits: old & ~bits,
}


def _emulate_csr(case: Case) -> dict[str, Any]:
    csrs, mode, operation, name, value = dict(case[0]), *case[1:]
    csr = CSRS[name]
    if mode < csr.privilege or (csr.read_only and value is not None):
        return {"returned": None, "csrs": csrs}
    owner = csr.view_of or name
    old = csr.read(csrs[owner])
    if value is not None:
        csrs[owner] = csr.legalize(csrs[owner], _BITS[operation](old, value))
    return {"returned": old, "csrs": csrs}


def _why_csr(case: Case, right: Any, given: Any) -> Why:
    csrs, mode, operation, name, value = case
    csr = CSRS[name]
    if right["returned"] is None:
        if mode < csr.privilege:
            said = _(
                "{name} may be touched in {least} mode or above; else the instruction is illegal: return None."
            )
            return Why(said.format(name=name, least=csr.privilege))
        return Why(_("{name} is read-only: to write it is illegal, return None.").format(name=name))
    if value is None and given != right:
        return Why(_("Without a value nothing is written: csrrs and csrrc with x0 only read."))
    strangers = sorted(set(given["csrs"]) - set(csrs))
    if strangers:
        said = _("{name} is a view of {owner}: it has no storage of its own.")
        return Why(said.format(name=strangers[0], owner=CSRS[name].view_of or name))
    if given["returned"] != right["returned"]:
        if csr.view_of and given["returned"] == csrs[csr.view_of]:
            return Why(_("A view shows only its own bits: csr.read takes them out of the owner."))
        return Why(_("The instruction gives the old value, as it was before the write."))
    raw = _BITS[operation](csr.read(csrs[csr.view_of or name]), value)
    if given["csrs"][csr.view_of or name] == raw:
        return Why(_("WARL: only legal values are kept. csr.legalize says what a write leaves."))
    return Why(
        {
            "csrrw": _("csrrw writes the whole value."),
            "csrrs": _("csrrs sets the bits that are 1 in the value, and leaves the others."),
            "csrrc": _("csrrc clears the bits that are 1 in the value, and leaves the others."),
        }[operation]
    )


# 07-4


def _take_trap(case: Case) -> dict[str, int]:
    """As the package's hart does it."""
    state, cause, value = case
    hart = _hart()
    hart.csr.reset()
    hart.csr.values |= {name: content for name, content in state.items() if name in hart.csr.values}
    hart.mode, hart.pc = Mode(state["mode"]), state["pc"]
    hart.trap(cause, value)
    now = {"pc": hart.pc, "mode": int(hart.mode)}
    return {name: now.get(name, hart.csr.values.get(name, 0)) for name in state}


def _why_trap(case: Case, right: Any, given: Any) -> Why:
    """The first thing, in the order in which the hart does them, that is not as it should be."""
    state, cause, _value = case
    letter = "s" if right["mode"] == Mode.S else "m"
    if given.get("mode") != right["mode"]:
        return Why(_why_target(state, cause), _("the mode of the handler"))
    steps = {
        f"{letter}epc": _("{x}epc is the address of the instruction that trapped, its two lowest bits 0."),
        f"{letter}cause": _("{x}cause is the cause, interrupt bit included."),
        f"{letter}tval": _("{x}tval is the value that came with the trap."),
        "mstatus": _why_status(letter, right, given),
        "pc": _(
            "The handler is at the base in {x}tvec, its two lowest bits taken off; "
            "if bit 0 is set, an interrupt goes to base + 4 × code."
        ),
    }
    name = next((name for name in steps if given.get(name) != right[name]), "")
    if not name:
        return Why(_("Nothing else changes: a trap to one mode leaves the other mode's registers alone."))
    return Why(steps[name].format(x=letter), name)


def _why_target(state: dict[str, int], cause: int) -> str:
    if state["mode"] == Mode.M:
        return _("A trap never goes to a lower mode: what happens in M mode is handled in M mode.")
    if cause & INTERRUPT_BIT:
        return _("An interrupt goes to S mode if its bit in mideleg (not in medeleg) is 1, else to M mode.")
    return _("An exception goes to S mode if its bit in medeleg is 1, else to M mode.")


def _why_status(letter: str, right: Any, given: Any) -> str:
    status = CSRS["mstatus"]
    level = letter.upper()
    texts = {
        f"{level}PP": _("{field} is the mode that was interrupted."),
        f"{level}PIE": _("{field} is what {level}IE was before the trap."),
        f"{level}IE": _("{field} is 0 in the handler: it begins with interrupts off."),
    }
    wrong = right["mstatus"] ^ given.get("mstatus", 0) if isinstance(given.get("mstatus"), int) else -1
    for name, text in texts.items():
        if wrong & status[name].mask:
            return text.format(field=name, level=level)
    return _("The other bits of mstatus stay as they are.")


# 07-5


def _caused(run: Recording, counted: Callable[[Event], bool]) -> list[int]:
    """For each system call, how many events of a kind follow from it."""
    parents = {event.id: event.parent for event in run}
    counts = {e.id: 0 for e in run if isinstance(e, Injection) and e.cause == Cause.ECALL_FROM_U}
    for event in filter(counted, run):
        above = event.parent
        while above is not None:
            if above in counts:
                counts[above] += 1
            above = parents.get(above)
    return list(counts.values())


def _exits_per_call(case: Case) -> list[int]:
    return _caused(case[0], lambda event: isinstance(event, Exit))


def _why_exits(case: Case, right: Any, given: Any) -> Why:
    run = case[0]
    injections = [event for event in run if isinstance(event, Injection)]
    if not isinstance(given, list) or len(given) != len(right):
        if isinstance(given, list) and len(given) == len(injections):
            return Why(_("Not every injection is a system call: look at its cause."))
        return Why(_("One number for each system call, in the order in which they happened."))
    at = next(at for at, number in enumerate(right) if given[at] != number)
    step = _("system call {number}").format(number=at + 1)
    if given[at] == 0:
        return Why(_("An exit hangs on a real trap, and that on the call: follow the parents up."), step)
    calls = [event for event in injections if event.cause == Cause.ECALL_FROM_U]
    if given[at] == sum(isinstance(event, Exit) and event.id > calls[at].id for event in run):
        return Why(
            _("What comes after the call's end does not follow from it: go by parents, not by time."), step
        )
    if given[at] == right[at] + 1:
        return Why(_("The exit by which the ecall came is its cause, not its effect."), step)
    if given[at] == _caused(run, lambda event: True)[at]:
        return Why(_("Of all that follows from the call, count the exits only."), step)
    if given[at] > right[at]:
        return Why(
            _("What comes after the call's end does not follow from it: go by parents, not by time."), step
        )
    return Why(_("Every exit that follows from the call counts, that of its sret too."), step)


# 07-6


def _apart(right: Any, given: Any) -> tuple[str, str]:
    """Where two runs part: at a trap of the real hart, or only in the end."""
    if right == given:
        return _("{count} real traps, as under the package's technique").format(count=len(right["traps"])), ""
    at = _first_difference(right, given)
    if at is None:
        return tuple(map(shown, differences(right, given)))  # type: ignore[return-value]
    return _trap_text(right, at), _trap_text(given, at)


def _first_difference(right: Any, given: Any) -> int | None:
    pairs = zip_longest(right["traps"], given["traps"])
    return next((at for at, (ours, theirs) in enumerate(pairs) if ours != theirs), None)


def _trap_text(run: Any, at: int) -> str:
    if at >= len(run["traps"]):
        return _("no more traps")
    cause, value, pc = run["traps"][at]
    return f"{cause_title(cause)} ({value:#x}) at {pc:#x}"


def _why_guest(case: Case, right: Any, given: Any) -> Why:
    at = _first_difference(right, given)
    if at is None:
        return Why(_("The traps are the same, but the guest ends in another state."))
    if at == 0:
        return Why(_("The first exit should come as in the package's hypervisor."))
    cause = right["traps"][at - 1][0]
    rules = {
        Cause.ILLEGAL_INSTRUCTION: _(
            "Execute the instruction on the virtual hart; if that traps, inject the trap."
        ),
        Cause.ECALL_FROM_U: _(
            "An ecall is executed on the virtual hart, which knows from which mode it comes."
        ),
        Cause.BREAKPOINT: _(
            "A breakpoint is the guest's own affair: inject it, with the same cause and value."
        ),
        Cause.STORE_MISALIGNED: _("A misaligned atomic is the guest's own affair: inject it."),
        INTERRUPT_BIT | Interrupt.STI: _(
            "A real interrupt needs nothing more: what the guest gets of it is delivered later."
        ),
    }
    fault = _(
        "A page fault: resolve the address in the guest's own table. It faults: inject. It leads to RAM: fill "
        "the shadow. Else fetch the instruction and execute it on the virtual hart, which may trap as well."
    )
    step = _("real trap {number}, after: {cause}").format(number=at + 1, cause=cause_title(cause))
    return Why(rules.get(cause, fault), step)


@lru_cache(maxsize=64)
def _run(case: Case) -> dict[str, Any]:
    """As the package's hypervisor does it."""
    run: dict[str, Any] = plain(guests.run(TrapAndEmulate, case)[0])
    return run


# 07-7


def _told(case: Case, but: str = "") -> list[int]:
    """By the rules of the exercise, `but` for the one that a common mistake leaves out."""
    kind, events = case
    one_bit = kind == "signals" or but == "alike"
    waiting: dict[int, int] = {}
    held, found = False, []
    for what, number in events:
        if what in ("hold", "release"):
            held = what == "hold" and but != "held"
        elif what == "read":
            waiting[number] = max(0, waiting.get(number, 0) - (but != "unread"))
        elif not (held and but == "lost"):
            waiting[number] = waiting.get(number, 0) + 1
        while not held and (pending := [n for n in waiting if waiting[n]]):
            found.append(pending[0] if but == "order" else min(pending))
            if one_bit or but == "cleared":
                waiting[found[-1]] = waiting[found[-1]] - 1 if but == "counted" else 0
            held = not one_bit
    return found


def _why_told(case: Case, right: Any, given: Any) -> Why:
    rules = {
        "order": _("Of those that are pending, the one with the lowest number comes first."),
        "lost": _("What happens while it is held back is not lost: it stays pending."),
        "counted": _("A signal is one bit: sent twice before it is delivered, it is delivered once."),
        "held": _("What is held back is not told before the release."),
        "cleared": _("To be told takes nothing from a device: it interrupts until all of it has been read."),
        "alike": _("An interrupt switches interrupts off: the next one comes after the release."),
        "unread": _("A device of which all has been read does not interrupt any more."),
    }
    other = _("After each event, tell of all that is pending, while nothing is held back, and of no more.")
    return Why(next((rule for but, rule in rules.items() if _told(case, but) == given), other))


KEYS = {
    "07-1": Key(_deliverable, _why_deliverable, lambda: _("the number of an interrupt, or None")),
    "07-2": Key(_decide, _why_decide, lambda: _('a pair such as ("inject", 13) or ("fill", None)')),
    "07-3": Key(_emulate_csr, _why_csr, lambda: _("the old value, or None")),
    "07-4": Key(_take_trap, _why_trap, lambda: _("nothing: it changes the hart that it is given")),
    "07-5": Key(
        _exits_per_call,
        _why_exits,
        lambda: _("a list of numbers"),
        picture=lambda case: case[0],
    ),
    "07-6": Key(
        _run,
        _why_guest,
        lambda: _("a class"),
        show=_apart,
        picture=lambda case: guests.run(TrapAndEmulate, case)[1].exits,
    ),
    "07-7": Key(_told, _why_told, lambda: _("a list of numbers")),
}
