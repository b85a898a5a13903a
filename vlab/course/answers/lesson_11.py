"""What is right in the exercises of lesson 11, and which rule each mistake breaks."""

from itertools import accumulate
from typing import Any

from vlab.course.exercises import Case
from vlab.course.judging import Key, Why
from vlab.language import _

# 11-1


def _exits(case: Case) -> list[int]:
    depth, acts = case
    return [(1 + acts) ** inner for inner in reversed(range(depth))]


def _why_exits(case: Case, right: Any, given: Any) -> Why:
    depth, acts = case
    if len(given) != depth:
        return Why(_("One number for each virtual machine: there are as many as the tower is deep."))
    if list(given) == right[::-1]:
        return Why(_("The outermost virtual machine comes first, and it has the most exits."))
    if given[-1] != 1:
        return Why(_("The innermost virtual machine has one exit, whatever lies below it."))
    at = max(place for place in range(depth) if given[place] != right[place])
    step = _("the VM of level {level}: {right} exits, from {inner} of the VM in it").format(
        level=at + 1, right=right[at], inner=right[at + 1]
    )
    if given[at] == right[at + 1] * acts:
        return Why(_("The exit itself comes by, too: one exit becomes `1 + acts`."), step)
    if given[at] == right[at + 1] + acts:
        return Why(_("Every exit of the VM inside has to be dealt with, not only the first one."), step)
    return Why(
        _("One exit of a VM is `1 + acts` exits of the VM around it, whose software its hypervisor is."), step
    )


# 11-2


def _walk_down(case: Case) -> tuple[str, int]:
    steps = _steps(case)
    level, page, refused = steps[-1]
    return ("fault", level) if refused else ("memory", page)


def _steps(case: Case) -> list[tuple[int, int, str]]:
    """Of each level that is asked: its number, the page it leads to, and why it refuses, if it does."""
    page, access, maps = case
    steps = []
    for level, entries in enumerate(maps):
        at = page
        page, rights = entries.get(at, (at, ""))
        missing = _("map {level} has no page {page:#x}").format(level=level, page=at)
        lacking = _("map {level}, page {page:#x}: {rights}").format(level=level, page=at, rights=rights)
        steps.append((level, page, missing if at not in entries else "" if access in rights else lacking))
        if steps[-1][2]:
            break
    return steps


def _why_walk(case: Case, right: Any, given: Any) -> Why:
    _level, _page, refused = _steps(case)[-1]
    if not isinstance(given, (tuple, list)) or len(given) != len(right):
        return Why(_("A pair: a word and a number."))
    if right[0] == "memory":
        if given[0] == "fault":
            return Why(_("Every map has the page that the one before leads to, and the right: no fault."))
        return Why(_("Each map goes on from where the one before leads to, down to the last."))
    if given[0] == "memory":
        missing = case[0] not in case[2][0] or "has" in refused
        if missing:
            return Why(_("A page that a map does not have leads nowhere: that is a fault."), refused)
        return Why(_("The right is needed at every level: one map that refuses is enough."), refused)
    if given[1] == right[1] + 1 == len(case[2]):
        return Why(_("The maps are counted from 0, which is the guest kernel's own table."), refused)
    return Why(
        _("The first map that refuses decides, from the innermost on: the others are not asked."), refused
    )


# 11-3


def _next_alarm(case: Case) -> tuple[int, ...]:
    clocks, alarms = case
    waits = [
        (max(0, alarm - clock), level)
        for level, (clock, alarm) in enumerate(zip(clocks, alarms, strict=True))
        if alarm is not None
    ]
    return min(waits, default=())


def _why_alarm(case: Case, right: Any, given: Any) -> Why:
    clocks, alarms = case
    if right and 0 in alarms and not given:
        return Why(_("0 is a time, too: only `None` stands for no alarm."))
    if not right or not given:
        return Why(_("An empty pair if there is no alarm at all, and only then."))
    if len(given) != len(right):
        return Why(_("A pair: after how many instructions, and whose alarm."))
    step = _("computer {level}: clock {clock}, alarm {alarm}").format(
        level=right[1], clock=clocks[right[1]], alarm=alarms[right[1]]
    )
    if given[1] == right[1]:
        if given[0] < 0:
            return Why(_("An alarm whose time has come rings after 0 instructions, not before."), step)
        return Why(_("What counts is what is left, by the clock of the computer that has the alarm."), step)
    if given[0] == right[0]:
        return Why(_("If several ring at once, it is the outermost computer's."), step)
    return Why(_("Each alarm is by its own computer's clock: the one with the least left rings first."), step)


# 11-4


def _factors(case: Case) -> list[int]:
    acts, helped = case
    return [1 + sum(act not in without for act in acts) for without in helped]


def _multiplied(case: Case) -> int:
    return list(accumulate(_factors(case), lambda exits, factor: exits * factor, initial=1))[-1]


def _why_multiplied(case: Case, right: Any, given: Any) -> Why:
    acts, helped = case
    factors = _factors(case)
    step = _("by level, the outermost first: {factors}").format(factors=", ".join(map(str, factors)))
    once = [1 + len(set(acts) - set(without)) for without in helped]
    if factors and given == sum(factors):
        return Why(_("The levels multiply: each exit of one level becomes so many of the next."), step)
    if once != factors and given == _product(once):
        return Why(_("An instruction that is executed twice exits twice."), step)
    if given == _product(factor - 1 for factor in factors):
        return Why(
            _("The exit itself comes to each hypervisor too, with any help: 1 + what is not helped."), step
        )
    if given == _product(1 + len(acts) for _without in helped):
        return Why(_("What a computer helps with does not exit there."), step)
    return Why(
        _("Each VM with a hypervisor in it is a factor: one, and one for each act that exits there."), step
    )


def _product(factors: Any) -> int:
    return list(accumulate(factors, lambda one, other: one * other, initial=1))[-1]


# 11-5


def _clocks(case: Case) -> list[int]:
    story, depth = case
    return [sum(count for level, count in story if level >= computer) for computer in range(depth + 1)]


def _why_clocks(case: Case, right: Any, given: Any) -> Why:
    story, _depth = case
    if len(given) != len(right):
        return Why(_("One clock for each computer: the machine's, and one for each virtual machine."))
    at = next(place for place, (one, other) in enumerate(zip(right, given, strict=True)) if one != other)
    own = sum(count for level, count in story if level == at)
    step = _("computer {level}: {own} by its own software, {inside} inside it").format(
        level=at, own=own, inside=right[at] - own
    )
    if list(given) == right[::-1]:
        return Why(_("The machine comes first, and its clock shows the most."), step)
    if given[at] > right[at]:
        return Why(_("What the hypervisors outside a computer do, its clock does not show."), step)
    return Why(_("A computer's clock also counts what is executed inside it, at all levels."), step)


# 11-6


def _deepest(case: Case) -> int:
    first, factor, start, budget = case
    depth, exits = 0, first
    while exits <= budget:
        depth, exits = depth + 1, exits * factor + start
    return depth


def _why_deepest(case: Case, right: Any, given: Any) -> Why:
    first, factor, start, budget = case
    exits = [first]
    for _level in range(right):
        exits.append(exits[-1] * factor + start)
    step = _("by depth: {exits}; the budget is {budget}").format(
        exits=", ".join(map(str, exits)), budget=budget
    )
    if type(given) is not int:
        return Why(_("A depth is a whole number."), step)
    if given > right:
        if given == right + 1:
            return Why(_("That depth is too dear by now: the greatest is the last that can be paid."), step)
        return Why(_("The exits multiply from level to level, and power-on comes on top."), step)
    if exits[right - 1] == budget:
        return Why(_("The budget may be spent to the last exit."), step)
    return Why(_("One level more can still be paid."), step)


KEYS = {
    "11-1": Key(_exits, _why_exits, lambda: _("a list of numbers, the outermost first")),
    "11-2": Key(_walk_down, _why_walk, lambda: _("a pair: a word and a number")),
    "11-3": Key(_next_alarm, _why_alarm, lambda: _("a pair of numbers, or an empty one")),
    "11-4": Key(_multiplied, _why_multiplied, lambda: _("a number")),
    "11-5": Key(_clocks, _why_clocks, lambda: _("a list of numbers, the machine's first")),
    "11-6": Key(_deepest, _why_deepest, lambda: _("a number, 0 or more")),
}
