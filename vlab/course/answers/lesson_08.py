"""What is right in the exercises of lesson 08, and which rule each mistake breaks.

The rights that a mode has are the machine's own rule, and the guests run under the package's own hypervisor.
"""

from functools import lru_cache
from typing import Any

from vlab.course.exercises import Case, shown
from vlab.course.judging import Key, Why, differences
from vlab.course.questions import guests_08 as guests
from vlab.course.values import plain
from vlab.hypervisor import TrapAndEmulate
from vlab.language import _
from vlab.machine.mmu import Key as Context
from vlab.machine.mmu import rights
from vlab.paging import flags_of
from vlab.riscv import Mode

_LETTERS = "RWX"
_NEEDED = {"load": "R", "store": "W", "fetch": "X"}
_ENTRY = 8  # bytes of an entry

# 08-1


def _shadow_rights(case: Case) -> str:
    flags, mode, sum_, mxr = case
    if "A" not in flags:
        return ""
    allowed = rights(flags_of(flags), Context(Mode[mode], True, mode == "S" and sum_, mxr))
    return "".join(letter for bit, letter in enumerate(_LETTERS) if allowed >> bit & 1)


def _why_rights(case: Case, right: str, given: Any) -> Why:
    flags, mode, sum_, _mxr = case
    user = "U" in flags
    if not isinstance(given, str) or any(letter not in _LETTERS for letter in given):
        return Why(_("The answer is a text with some of the letters R, W, X, in this order."))
    if "A" not in flags:
        return Why(
            _("A page that was never used stays out: its first use must be seen, so that A can be set.")
        )
    if mode == "U" and not user:
        return Why(_("A process may not touch the kernel's pages: they have no U."))
    if mode == "S" and user and not sum_ and given:
        return Why(_("The kernel may touch a page of its processes only while SUM is 1."))
    if mode == "S" and user and "X" in given:
        return Why(_("The kernel never executes a page of its processes, whatever SUM is."))
    if ("W" in given) != ("W" in right) and "D" not in flags:
        return Why(_("While D is 0 the shadow has no W: the first store must be seen, so that D can be set."))
    if ("R" in given) != ("R" in right) and "R" not in flags:
        return Why(_("With MXR, a page that may be executed may be read as well; without it, only R counts."))
    return Why(_("What the guest's entry allows in this mode, and nothing else."))


# 08-2


def _miss(case: Case) -> tuple[str, Any]:
    table, frames, page, access = case
    place, flags = table.get(page, (None, ""))
    if "U" not in flags or _NEEDED[access] not in flags:
        return "guest fault", None
    if place not in frames:
        return "device", None
    flags += "AD" if access == "store" else "A"
    return "fill", (frames[place], _user_rights(flags))


def _user_rights(flags: str) -> str:
    """What a process may do with a page that was used."""
    return "".join(letter for letter in _LETTERS if letter in flags and (letter != "W" or "D" in flags))


def _why_miss(case: Case, right: Any, given: Any) -> Why:
    table, _frames, page, access = case
    if right[0] == "guest fault":
        if page not in table:
            return Why(_("The guest's own table does not map the page: that is the guest's fault."))
        if "U" not in table[page][1]:
            return Why(
                _("Here a process runs: a page without U is not for it, and the fault is the guest's.")
            )
        return Why(
            _(
                "The guest's entry has no {letter}: a {access} faults there too, and the fault is the guest's."
            ).format(letter=_NEEDED[access], access=access)
        )
    place, _flags = table[page]
    if right[0] == "device":
        return Why(
            _("The hypervisor gave the guest no frame for this guest-physical page: no memory is there.")
        )
    if given[0] == "fill":
        (wanted, needed), (got, allowed) = right[1], given[1]
        if got == place:
            return Why(
                _("The shadow is for the real MMU: it names the host-physical page, not the guest-physical.")
            )
        if got == wanted and "W" in allowed and "W" not in needed:
            return Why(
                _("After a load the guest's page is still clean: without D there is no W in the shadow.")
            )
        if got == wanted and "W" in needed and "W" not in allowed and access == "store":
            return Why(_("The store sets A and D in the guest's entry: now the shadow may have W."))
        if got == wanted:
            return Why(
                _("The rights are the guest's R, W and X, in this order, W only if the page is dirty.")
            )
    return Why(_("The guest's own table allows it, and there is memory: only the shadow lacks the entry."))


# 08-3


def _translate(case: Case) -> dict[int, Any]:
    table, frames = case
    shadow = {}
    for page, (place, size, flags) in table.items():
        if "U" in flags and "A" in flags:
            for n in range(size):
                if place + n in frames:
                    shadow[page + n] = frames[place + n], _user_rights(flags)
    return shadow


def _why_translate(case: Case, right: Any, given: Any) -> Why:
    table, _frames = case
    page = min(p for p in {**right, **given} if right.get(p, ...) != given.get(p, ...))
    step = _("page {page:#x}").format(page=page)
    start = next((start for start, (_place, size, _f) in table.items() if start <= page < start + size), None)
    if start is None:
        return Why(_("The guest's table does not have this page."), step)
    place, _size, flags = table[start]
    gpa = place + page - start
    wanted, got = right.get(page), given.get(page)
    if wanted is None:
        if "U" not in flags:
            return Why(_("This is a process's shadow: the kernel's pages, without U, are not in it."), step)
        if "A" not in flags:
            return Why(
                _("A page that was never used stays out: its first use must be seen, so that A can be set."),
                step,
            )
        return Why(_("There is no frame behind it: a device, or nothing. An access must exit."), step)
    if got is None:
        return Why(_("A large page has many parts; each one with a frame gets an entry of its own."), step)
    if got[0] != wanted[0]:
        if got[0] == gpa:
            return Why(
                _("The shadow is for the real MMU: it names the host-physical page, not the guest-physical."),
                step,
            )
        return Why(
            _("Neighbours in the guest's memory are not neighbours in the host's: look up each part."), step
        )
    return Why(_("The rights are the guest's R, W and X, W only if the page is dirty."), step)


# 08-4


def _dropped(case: Case) -> list[Any]:
    policy, shadow, (event, what) = case
    match policy, event:
        case ("eager", "satp" | "fence") | ("lazy", "fence") if policy == "eager" or what is None:
            gone = shadow
        case "lazy", "fence":
            gone = [entry for entry in shadow if entry[1] == what]
        case "traced", "store":
            gone = [entry for entry in shadow if any(what - _ENTRY < at < what + _ENTRY for at in entry[2])]
        case _:
            gone = []
    return [(root, page) for root, page, _used in gone]


def _why_dropped(case: Case, right: Any, given: Any) -> Why:
    policy, shadow, (event, what) = case
    if policy == "eager":
        if event == "store":
            return Why(
                _(
                    "An eager hypervisor does not see the guest edit its tables: the shadow is stale until the fence."
                )
            )
        return Why(
            _("An eager hypervisor knows whole tables only: it drops everything, and translates anew.")
        )
    if policy == "lazy":
        if event == "store":
            return Why(_("A lazy hypervisor does not see the guest edit its tables: it waits for the fence."))
        if event == "satp":
            return Why(_("Each root has its own shadow: a write to satp alone drops nothing."))
        if what is None:
            return Why(
                _(
                    "The guest may have edited a table that is not loaded now: a fence of all drops every root's."
                )
            )
        return Why(_("The fence names a page, not a table: that page goes, from the shadow of every root."))
    if event != "store":
        return Why(_("Traced shadows are always true: neither satp nor a fence needs to drop any."))
    if len(given) > len(right):
        return Why(
            _(
                "Only what was made from an entry that the store touches: the same page of tables is not enough."
            )
        )
    if not any(what in entry[2] for entry in shadow):
        return Why(
            _("A store of eight bytes that begins inside an entry, or ends in it, changes it as well.")
        )
    return Why(_("An entry of an upper table is part of many translations: all that were made from it go."))


# 08-5


def _why_mended(case: Case, right: Any, given: Any) -> Why:
    deeds = case[1]
    if not given["ended"]:
        return Why(_("The guest does not come to its end: each exit has to be dealt with."))
    at = next((at for at, value in enumerate(right["read"]) if given["read"][at] != value), None)
    if at is None:
        if given["fills"] > right["fills"]:
            return Why(
                _("All reads are right, but shadows that were still true were dropped: there are more fills.")
            )
        return Why(
            _("All reads are right, but the guest exits otherwise than under the package's technique.")
        )
    step = _("read number {number}").format(number=at + 1)
    place = [n for n, deed in enumerate(deeds) if deed == "read"][at]
    loaded = [deed for deed in deeds[: place + 1] if deed in ("one", "two")]
    if given["read"][at] == (1 << 64) - 1:
        return Why(_("The read faults: the hypervisor looked the page up in no table of the guest's."), step)
    if "off" in deeds[:place] or "swap" in deeds[:place] or "write" in deeds[:place]:
        return Why(_("Whatever happened in between: what counts is the table that is loaded now."), step)
    if len(loaded) > 2 and given["read"][at] == {"one": 101, "two": 202}[loaded[-2]]:
        return Why(
            _("That is the page of the table before: the new root counts as soon as satp is written."), step
        )
    return Why(
        _("That is the page of the first table: after a write to satp, the old shadow must not stay in use."),
        step,
    )


def _apart(right: Any, given: Any) -> tuple[str, str]:
    """What was read; if that is the same, all in which the runs differ."""
    if right["read"] != given["read"]:
        return shown(right["read"]), shown(given["read"])
    return tuple(map(shown, differences(right, given)))  # type: ignore[return-value]


@lru_cache(maxsize=128)
def _run(case: Case) -> dict[str, Any]:
    """As the package's hypervisor does it."""
    run: dict[str, Any] = plain(guests.run(TrapAndEmulate, case)[0])
    return run


KEYS = {
    "08-1": Key(_shadow_rights, _why_rights, lambda: _("a text such as 'RW'")),
    "08-2": Key(_miss, _why_miss, lambda: _("a pair such as ('fill', (0x80106, 'RW'))")),
    "08-3": Key(_translate, _why_translate, lambda: _("a dictionary from pages to pairs (frame, rights)")),
    "08-4": Key(_dropped, _why_dropped, lambda: _("a list of pairs (root, page)")),
    "08-5": Key(
        _run,
        _why_mended,
        lambda: _("a class"),
        show=_apart,
        picture=lambda case: guests.run(TrapAndEmulate, case)[1].exits,
    ),
}
