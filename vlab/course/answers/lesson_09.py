"""What is right in the exercises of lesson 09, and which rule each mistake breaks.

Where the package's own translator does what is asked, it is the key: nothing is defined twice.
"""

from typing import Any

from vlab.course.exercises import Case
from vlab.course.judging import Key, Why
from vlab.course.questions.lesson_09 import MOST, TRAP
from vlab.hypervisor.techniques.translated_words import CALL_OUT, translated
from vlab.language import _
from vlab.machine.memory import PAGE
from vlab.paging import Flags
from vlab.riscv import Mode, decode, disassemble

# 09-1


def _classes(case: Case) -> tuple[bool, bool]:
    (experiments,) = case
    privileged = all(user == TRAP and system != TRAP for user, system in experiments)
    done = [one for pair in experiments for one in pair if one != TRAP]
    return privileged, any(changed for changed, _seen in done) or len({seen for _, seen in done}) > 1


def _why_classes(case: Case, right: Any, given: Any) -> Why:
    (experiments,) = case
    if not isinstance(given, (list, tuple)) or len(given) != len(right):
        return Why(_("Two answers: privileged, and sensitive."))
    if bool(given[0]) != right[0]:
        if right[0]:
            return Why(_("It traps in user mode and not in system mode, from each state: privileged."))
        pair = next(pair for pair in experiments if pair[0] != TRAP or pair[1] == TRAP)
        if pair[0] == TRAP:
            return Why(_("What traps in system mode, too, is not privileged."), repr(pair))
        return Why(_("From this state it does not trap in user mode: it is not privileged."), repr(pair))
    if not right[1]:
        return Why(_("Nothing was changed, and what it showed is always the same: it is not sensitive."))
    done = [one for pair in experiments for one in pair if one != TRAP]
    if any(changed for changed, _seen in done):
        return Why(_("Somewhere it changed what is the hypervisor's affair, without a trap: sensitive."))
    return Why(_("What it shows depends on the mode, or on the control registers: sensitive."))


# 09-2


def _delivered(case: Case) -> list[int]:
    return [at for at, (_sie, _pending, delivered) in enumerate(_followed(case)) if delivered]


def _followed(case: Case) -> list[tuple[bool, bool, bool]]:
    """After each event: the virtual SIE and what is pending, and whether an interrupt was delivered then."""
    events, traps = case
    sie = pending = False
    found = []
    for event in events:
        if event == "tick":
            pending = True
        elif event == "sret":
            sie = True
        elif traps:
            sie = event == "on"
        delivered = sie and pending
        if delivered:
            sie = pending = False
        found.append((sie, pending, delivered))
    return found


def _why_delivered(case: Case, right: Any, given: Any) -> Why:
    events, traps = case
    if not all(type(at) is int and 0 <= at < len(events) for at in given):
        return Why(_("Places are counted from 0, and there are as many as events."))
    if set(given) == set(right):
        return Why(_("Give each place once, in order."))
    at = min(set(right) ^ set(given))
    step = _("event {at}: {deed}").format(at=at, deed=events[at])
    if not traps and {"on", "off"} & set(events[: at + 1]):
        return Why(
            _("Where `on` and `off` don't trap, the hypervisor doesn't hear of them: SIE stays as it was."),
            step,
        )
    if at in right and events[at] == "tick":
        return Why(_("The virtual SIE is on here, so the tick is delivered at once."), step)
    if at in right:
        return Why(_("A tick was held back until now: with SIE on, it is delivered."), step)
    return Why(
        {
            "tick": _("The virtual SIE is off here: the tick is held back. A delivery switches it off, too."),
            "off": _("Interrupts are switched off here: what is pending has to wait."),
        }.get(events[at], _("Nothing is pending here: a tick is delivered once.")),
        step,
    )


# 09-3

_ENDS = ("jal", "jalr", "sret", "mret")


def _translate(case: Case) -> list[int]:
    (words,) = case
    found = []
    for word in words:
        found.append(translated(word, Mode.S, {}))
        instruction = decode(word)
        if instruction is not None and instruction.name in _ENDS:
            break
    return found


def _why_translate(case: Case, right: Any, given: Any) -> Why:
    (words,) = case
    pairs = zip(right, given, strict=False)
    at = next((at for at, (one, other) in enumerate(pairs) if one != other), None)
    if at is None:
        if len(given) > len(right):
            return Why(
                _("A block ends with a jump that always jumps: what follows may never be reached."),
                disassemble(words[len(right) - 1]),
            )
        return Why(
            _("The block goes on here: a branch may fall through."), disassemble(words[len(given) - 1])
        )
    step = disassemble(words[at])
    if right[at] == CALL_OUT:
        return Why(_("Bits 6:0 are 0x73: it becomes `ebreak`, whatever it is."), step)
    return Why(_("This word does the same in every mode: it stays as it is."), step)


# 09-4

_OK, _BAD_ADDRESS, _INVALID, _TOO_MANY = 0, -2, -3, -4
_WRITES_ONLY = Flags.R | Flags.W


def _answer(case: Case) -> int:
    updates, base, size = case
    if len(updates) > MOST:
        return _TOO_MANY
    if any(place % 8 or not base <= place <= base + size - 8 for place, _value in updates):
        return _BAD_ADDRESS
    return _INVALID if any(_refused(value, base, size) for _place, value in updates) else _OK


def _refused(value: int, base: int, size: int) -> str:
    """Why an entry is refused; empty if it is not."""
    flags, target = Flags(value & 0xFF), (value >> 10 & (1 << 44) - 1) * PAGE
    if not flags & Flags.V:
        return ""
    if value >> 54:
        return _("Bits 63:54 of an entry must be 0.")
    if flags & _WRITES_ONLY == Flags.W:
        return _("An entry with W and without R is reserved.")
    if not base <= target <= base + size - PAGE:
        return _("A valid entry must lead to a page of the guest's own memory.")
    if not flags & (Flags.R | Flags.X) and flags & (Flags.U | Flags.A | Flags.D):
        return _("An entry without R and X leads to a table, and there U, A and D are reserved.")
    return ""


def _why_answer(case: Case, right: Any, given: Any) -> Why:
    updates, base, size = case
    if right == _TOO_MANY:
        return Why(_("More than {most} updates are refused before anything is looked at.").format(most=MOST))
    if right == _BAD_ADDRESS:
        place = next(p for p, _value in updates if p % 8 or not base <= p <= base + size - 8)
        return Why(
            _("All 8 bytes of an entry must be the guest's, and its address a multiple of 8."), hex(place)
        )
    if right == _INVALID:
        value = next(value for _place, value in updates if _refused(value, base, size))
        return Why(_refused(value, base, size), hex(value))
    return Why(_("Nothing is wrong in this list. An entry without V may hold anything."))


# 09-5


def _lists(case: Case) -> list[int]:
    (events,) = case
    sent: list[int] = []
    waiting: set[int] = set()
    for event in (*events, None):
        if event is not None:
            waiting.add(event)
        if waiting and (event is None or len(waiting) == MOST):
            sent.append(len(waiting))
            waiting = set()
    return sent


def _why_lists(case: Case, right: Any, given: Any) -> Why:
    (events,) = case
    if 0 in given:
        return Why(_("An empty list is not worth a hypercall."))
    if any(type(n) is not int or n > MOST for n in given):
        return Why(_("A list has {most} entries at most: when it is full, it is sent.").format(most=MOST))
    if len(given) > len(right) or sum(given) > sum(right):
        return Why(_("An entry that is changed again before the list is sent stands in it once."))
    if events[-1] is not None and list(given) == right[:-1]:
        return Why(_("What waits at the end is sent, too."))
    return Why(_("Before the table is used, what waits must be sent: else the guest sees old entries."))


KEYS = {
    "09-1": Key(_classes, _why_classes, lambda: _("a pair of True or False")),
    "09-2": Key(_delivered, _why_delivered, lambda: _("a list of places")),
    "09-3": Key(_translate, _why_translate, lambda: _("a list of words")),
    "09-4": Key(_answer, _why_answer, lambda: _("a number, 0 or below")),
    "09-5": Key(_lists, _why_lists, lambda: _("a list of lengths")),
}
