"""The bank of wrong answers of lesson 00: mistakes that people make, and the words that each must be told."""

from tests.course.answers.banks import Bank
from tests.course.solutions import defined

WRONG = Bank()
wrong = WRONG.wrong


# 00-1


@wrong("00-1", "An injection is no trap of the real machine")
def both_are_traps(run):
    kinds = [event.kind for event in run]
    return kinds.count("Trap") + kinds.count("Injection"), kinds.count("Injection")


@wrong("00-1", "The other way round")
def swapped(run):
    kinds = [event.kind for event in run]
    return kinds.count("Injection"), kinds.count("Trap")


@wrong("00-1", "Not every trap is the guest kernel's affair")
def all_passed_on(run):
    traps = [event.kind for event in run].count("Trap")
    return traps, traps


@wrong("00-1", "Count each event whose kind is Trap")
def all_events(run):
    kinds = [event.kind for event in run]
    return len(kinds), kinds.count("Injection")


# 00-2


@wrong("00-2", "The first state is that of step 0")
def from_one(ours, theirs):
    found = defined("00_start_here")["first_difference"](ours, theirs)
    return (None, []) if found[0] is None else (found[0] + 1, found[1])


@wrong("00-2", "One run ends before the other")
def shorter_is_equal(ours, theirs):
    length = min(len(ours), len(theirs))
    return defined("00_start_here")["first_difference"](ours[:length], theirs[:length])


@wrong("00-2", "look for the first step, not the last")
def the_last(ours, theirs):
    for step in reversed(range(min(len(ours), len(theirs)))):
        names = [name for name in ours[step] if ours[step][name] != theirs[step][name]]
        if names:
            return step, names
    return (None if len(ours) == len(theirs) else min(len(ours), len(theirs))), []


@wrong("00-2", "All names that differ at that step")
def one_name(ours, theirs):
    found = defined("00_start_here")["first_difference"](ours, theirs)
    return found[0], found[1][:1]


# 00-3


def changed(old, new):
    """The right guest, with a part of its text replaced."""

    def greeting(word):
        text = defined("00_start_here")["greeting"](word)
        assert old in text
        return text.replace(old, new)

    return greeting


def without_the_last(word):
    return defined("00_start_here")["greeting"](word[:-1]).replace("\\n", "")


WRONG["00-3"] = [
    (changed("\\n", ""), "The line must end"),
    (changed("sw   t2, 0(t1)", "nop"), "The computer is still on"),
    (without_the_last, "It stops too early"),
    (changed("sb   t2, 0(t1)", "nop"), "Nothing was printed"),
    (changed("addi t0, t0, 1", "addi t0, t0, 0"), "The console shows something else"),
    (changed("lbu  t2", "lbo  t2"), "returns a text that can't be run"),
    (lambda word: 5, "which is not assembly text"),
]


# 00-4


@wrong("00-4", "Leave the machine where you found it")
def stays_there(machine, register, value):
    for step in range(machine.steps + 1):
        machine.goto(step)
        if machine.hart.x[register] == value:
            return step
    return None


@wrong("00-4", "It has held this value before")
def the_last_time(machine, register, value):
    end, found = machine.steps, None
    for step in range(end + 1):
        machine.goto(step)
        if machine.hart.x[register] == value:
            found = step
    return found


@wrong("00-4", "Count the instructions that have been attempted")
def one_too_early(machine, register, value):
    found = defined("00_start_here")["step_when"](machine, register, value)
    return found and found - 1


@wrong("00-4", "It does hold this value once")
def not_at_the_end(machine, register, value):
    end, found = machine.steps, None
    for step in range(end // 2):
        machine.goto(step)
        if found is None and machine.hart.x[register] == value:
            found = step
    machine.goto(end)
    return found
