"""The bank of wrong answers of lesson 11: mistakes that people make, and the words that each must be told."""

from tests.course.answers.banks import Bank

WRONG = Bank()
wrong = WRONG.wrong


# 11-1


@wrong("11-1", "comes first, and it has the most")
def innermost_first(depth, acts):
    return [(1 + acts) ** level for level in range(depth)]


@wrong("11-1", "The exit itself comes by")
def without_the_exit(depth, acts):
    return [acts**level for level in reversed(range(depth))]


@wrong("11-1", "not only the first one")
def a_sum(depth, acts):
    return [1 + level * acts for level in reversed(range(depth))]


@wrong("11-1", "whatever lies below it")
def from_below(depth, acts):
    return [(1 + acts) ** (level + 1) for level in reversed(range(depth))]


@wrong("11-1", "One number for each virtual machine")
def with_the_machine(depth, acts):
    return [(1 + acts) ** level for level in reversed(range(depth + 1))]


@wrong("11-1", "whose software its hypervisor is")
def doubling(depth, acts):
    return [2**level for level in reversed(range(depth))]


# 11-2


def walking(rights=True, first=0, every=None):
    """The right walk, but for one of its parts."""

    def walk_down(page, access, maps):
        for level, entries in enumerate(maps):
            if page not in entries:
                return "fault", level + first
            page, granted = entries[page]
            if rights and (every is None or level == every) and access not in granted:
                return "fault", level + first
        return "memory", page

    return walk_down


WRONG.wrong("11-2", "one map that refuses is enough")(walking(rights=False))
WRONG.wrong("11-2", "counted from 0")(walking(first=1))


@wrong("11-2", "the others are not asked")
def the_last_that_refuses(page, access, maps):
    refusing = []
    for level, entries in enumerate(maps):
        if page not in entries:
            refusing.append(level)
            break
        page, granted = entries[page]
        if access not in granted:
            refusing.append(level)
    return ("fault", refusing[-1]) if refusing else ("memory", page)


@wrong("11-2", "from where the one before leads to")
def each_by_itself(page, access, maps):
    end = walking()(page, access, maps)
    return end if end[0] == "fault" else ("memory", maps[0][page][0])


@wrong("11-2", "leads nowhere")
def as_it_is(page, access, maps):
    for level, entries in enumerate(maps):
        page, granted = entries.get(page, (page, "RWX"))
        if access not in granted:
            return "fault", level
    return "memory", page


@wrong("11-2", "no fault")
def all_rights(page, access, maps):
    for level, entries in enumerate(maps):
        if page not in entries or entries[page][1] != "RWX":
            return "fault", level
        page = entries[page][0]
    return "memory", page


# 11-3


def waits(clocks, alarms, least=0):
    pairs = enumerate(zip(clocks, alarms, strict=True))
    return [(max(least, alarm - clock), level) for level, (clock, alarm) in pairs if alarm is not None]


@wrong("11-3", "what is left, by the clock")
def by_the_time_itself(clocks, alarms):
    times = [(alarm, level) for level, alarm in enumerate(alarms) if alarm is not None]
    return min(times, default=())


@wrong("11-3", "by its own computer's clock")
def by_the_machines_clock(clocks, alarms):
    found = waits([clocks[0]] * len(clocks), alarms)
    return min(found, default=())


@wrong("11-3", "not before")
def in_the_past(clocks, alarms):
    found = waits(clocks, alarms, least=-9999)
    return min(found, default=())


@wrong("11-3", "it is the outermost computer's")
def the_innermost(clocks, alarms):
    found = [(wait, -level) for wait, level in waits(clocks, alarms)]
    return (min(found)[0], -min(found)[1]) if found else ()


@wrong("11-3", "and only then")
def zero_for_none(clocks, alarms):
    return min(waits(clocks, alarms), default=(0, 0))


@wrong("11-3", "0 is a time, too")
def no_alarm_at_zero(clocks, alarms):
    return min(waits(clocks, [alarm or None for alarm in alarms]), default=())


# 11-4


def product(factors):
    result = 1
    for factor in factors:
        result *= factor
    return result


def left(acts, without):
    return sum(act not in without for act in acts)


@wrong("11-4", "The levels multiply")
def added(acts, helped):
    return sum(1 + left(acts, without) for without in helped) if helped else 1


@wrong("11-4", "The exit itself comes to each hypervisor")
def the_acts_only(acts, helped):
    return product(left(acts, without) for without in helped)


@wrong("11-4", "exits twice")
def each_once(acts, helped):
    return product(1 + len(set(acts) - set(without)) for without in helped)


@wrong("11-4", "does not exit there")
def without_help(acts, helped):
    return product(1 + len(acts) for _without in helped)


@wrong("11-4", "one for each act that exits there")
def the_bottom_only(acts, helped):
    return 1 + left(acts, helped[0]) if helped else 2


# 11-5


@wrong("11-5", "also counts what is executed inside")
def its_own_only(story, depth):
    return [sum(count for level, count in story if level == computer) for computer in range(depth + 1)]


@wrong("11-5", "its clock does not show")
def one_for_all(story, depth):
    return [sum(count for _level, count in story)] * (depth + 1)


@wrong("11-5", "its clock shows the most")
def the_other_way_round(story, depth):
    shown = [sum(count for level, count in story if level >= computer) for computer in range(depth + 1)]
    return shown[::-1]


@wrong("11-5", "One clock for each computer")
def without_the_innermost(story, depth):
    return [sum(count for level, count in story if level >= computer) for computer in range(depth)]


# 11-6


def descend(first, factor, start, budget, most=50):
    depth, exits = 0, first
    while exits <= budget and depth < most:
        depth, exits = depth + 1, exits * factor + start
    return depth


@wrong("11-6", "to the last exit")
def less_than(first, factor, start, budget):
    return descend(first, factor, start, budget - 1)


@wrong("11-6", "the last that can be paid")
def one_too_many(first, factor, start, budget):
    return descend(first, factor, start, budget) + 1


@wrong("11-6", "multiply from level to level")
def a_line(first, factor, start, budget):
    return budget // first


@wrong("11-6", "One level more can still be paid")
def power_on_at_once(first, factor, start, budget):
    return descend(first + start, factor, start, budget)
