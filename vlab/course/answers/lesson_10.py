"""What is right in the exercises of lesson 10, and which rule each mistake breaks.

Where the package's own walk does what is asked, it is the key: nothing is defined twice.
"""

from typing import Any

from vlab.course.exercises import Case
from vlab.course.judging import Key, Why
from vlab.language import _
from vlab.paging import SV39X4, Host, Walk, walk_two_stages
from vlab.riscv import Mode

# 10-1

_NEVER = frozenset(range(20, 24))  # guest-page faults, and the virtual instruction between them


def _handler(case: Case) -> str:
    cause, mode, medeleg, hedeleg = case
    if mode == "M" or not medeleg >> cause & 1:
        return "M"
    return "VS" if mode[0] == "V" and hedeleg >> cause & 1 and cause not in _NEVER else "S"


def _why_handler(case: Case, right: Any, given: Any) -> Why:
    cause, mode, medeleg, _hedeleg = case
    if given not in ("M", "S", "VS"):
        return Why(_('A trap is handled in "M", "S" or "VS"; the hypervisor\'s mode, HS, is "S" here.'))
    if mode == "M":
        return Why(_("A trap never goes to a mode with less privilege: from M it stays in M."))
    if right == "M":
        return Why(
            _("M mode did not give this cause away in `medeleg`: it is its own."), f"medeleg = {medeleg:#x}"
        )
    if right == "VS":
        return Why(_("Both registers give this cause away, and V is 1: it is the guest's own."))
    if mode[0] != "V":
        return Why(_("`hedeleg` matters only to what happens in a guest, with V = 1."))
    if cause in _NEVER:
        return Why(
            _("Bits 20 to 23 of `hedeleg` can't be set: these causes are the hypervisor's."),
            f"cause = {cause}",
        )
    return Why(_("M mode gave this cause away, and the hypervisor did not: it goes to HS."))


# 10-2


def _taken(case: Case) -> int | None:
    waiting, enabled, lent, on, mode = case
    ready = waiting & lent & enabled << 1 if on or mode == "VU" else 0
    return next((code - 1 for code in (10, 2, 6) if ready >> code & 1), None)


def _why_taken(case: Case, right: Any, given: Any) -> Why:
    waiting, enabled, lent, on, mode = case
    if given in (2, 6, 10):
        return Why(_("The guest reads the code one below: it is told what a computer of its own would tell."))
    if right is None:
        if mode == "VS" and not on and waiting & lent & enabled << 1:
            return Why(_("The guest's kernel has its interrupts off: what is pending has to wait."))
        return Why(
            _("It must be pending, given away in `hideleg`, and enabled in `vsie`, which is one bit lower.")
        )
    if given is None:
        if mode == "VU" and not on:
            return Why(_("A process can't be without interrupts: in VU, `vsstatus` has no say."))
        return Why(
            _("It must be pending, given away in `hideleg`, and enabled in `vsie`, which is one bit lower.")
        )
    if not waiting & lent & enabled << 1 & 1 << given + 1:
        return Why(
            _("It must be pending, given away in `hideleg`, and enabled in `vsie`, which is one bit lower.")
        )
    return Why(_("Of several, the external one (9) comes first, then software (1), then the timer (5)."))


# 10-3


def _walked(case: Case) -> Walk:
    memory, root, host_root, address = case
    host = Host(SV39X4, host_root)
    return walk_two_stages(lambda at, _size: memory.get(at, 0), root, address, "load", host=host, mode=Mode.U)


def _translate(case: Case) -> tuple[str, int]:
    found = _walked(case)
    if found.fault_gpa is not None:
        return "hypervisor", found.fault_gpa
    return ("guest", found.address) if found.physical is None else ("memory", found.physical)


def _why_translate(case: Case, right: Any, given: Any) -> Why:
    step = repr(_walked(case))
    if not isinstance(given, (tuple, list)) or len(given) != len(right):
        return Why(_("Two answers: where it ends, and an address."), step)
    if right[0] == "memory":
        if given[0] == "memory":
            return Why(
                _("What the guest's table gives is guest-physical: it goes through the second table, too."),
                step,
            )
        return Why(
            _("Both tables map it: each of the guest's entries stands where the second table says."), step
        )
    if right[0] == "guest":
        return Why(
            _(
                "An entry of the guest's own is 0: its kernel gets a page fault, with the guest-virtual address."
            ),
            step,
        )
    if given[0] != "hypervisor":
        return Why(_("What the second table lacks is not the guest's affair: its hypervisor is told."), step)
    return Why(
        _("The second table has no page there: the hypervisor is told the guest-physical address."), step
    )


# 10-4


def _exits(case: Case) -> tuple[int, int]:
    (deeds,) = case
    shadow = nested = 0
    filled: set[int] = set()
    touched: set[int] = set()
    for deed in deeds:
        match deed:
            case "call":
                shadow += 2
            case "device":
                shadow, nested = shadow + 1, nested + 1
            case "fence":
                shadow, filled = shadow + 1, set()
            case int():
                shadow, nested = shadow + (deed not in filled), nested + (deed not in touched)
                filled.add(deed)
                touched.add(deed)
    return shadow, nested


def _why_exits(case: Case, right: Any, given: Any) -> Why:
    (deeds,) = case
    if not isinstance(given, (tuple, list)) or len(given) != len(right):
        return Why(_("Two numbers: the exits with shadows, and those with hardware assistance."))
    if given[1] != right[1]:
        if "device" in deeds and given[1] == right[1] - deeds.count("device"):
            return Why(_("A device of a VM is a program: an access exits, whatever the hardware is."))
        if given[1] < right[1]:
            return Why(_("The first touch of a page has no entry in the second table yet: it exits."))
        return Why(
            _("Calls, fences and edits of its own table are the guest's affair: with hardware no exit.")
        )
    if "call" in deeds and (right[0] - given[0]) % deeds.count("call") == 0:
        return Why(_("Under trap and emulate a system call exits, and so does the `sret` that ends it."))
    if "fence" in deeds:
        return Why(_("A fence exits, and empties the lazy shadow: each page exits again at its next access."))
    return Why(
        _("An access exits if the shadow does not have its page, and an edit does not: nobody is told.")
    )


# 10-5


def _dearer_from(case: Case) -> int | None:
    (start, further), (other_start, other_further) = case
    ahead, gains = other_start - start, further - other_further
    if gains <= 0:
        return 1 if gains == 0 and ahead < 0 else None
    return 1 if ahead < 0 else ahead // gains + 2


def _why_dearer(case: Case, right: Any, given: Any) -> Why:
    one, two = case
    if right is None:
        if one[1] < two[1]:
            return Why(_("Each time more costs less in the first way: it does not stay dearer for good."))
        return Why(_("What costs the same each time never becomes dearer by repeating it."))
    if given is None:
        return Why(
            _("Each time more costs more in the first way, or it began dearer: one day it has cost more.")
        )
    if given < 1:
        return Why(_("Nothing is done fewer times than once: where it is dearer at once, the answer is 1."))
    times = min(given, right)
    bills = [start + (times - 1) * further for start, further in case]
    step = _("n = {times}: {one} and {two}").format(times=times, one=bills[0], two=bills[1])
    if given > right:
        return Why(_("It is so already earlier."), step)
    return Why(_("Once costs the start alone; and to cost the same is not yet to cost more."), step)


KEYS = {
    "10-1": Key(_handler, _why_handler, lambda: _("the name of a mode")),
    "10-2": Key(_taken, _why_taken, lambda: _("a number, or None")),
    "10-3": Key(_translate, _why_translate, lambda: _("a pair: a word and an address")),
    "10-4": Key(_exits, _why_exits, lambda: _("a pair of numbers")),
    "10-5": Key(_dearer_from, _why_dearer, lambda: _("a number, or None")),
}
