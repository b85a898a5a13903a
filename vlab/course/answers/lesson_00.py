"""What is right in the exercises of lesson 00, and which rule each mistake breaks."""

from typing import Any

from vlab.course.exercises import Case
from vlab.course.judging import Key, Why
from vlab.course.questions.lesson_00 import after_its_run
from vlab.events import Exit, Recording
from vlab.language import _

# 00-1


def _caught(case: Case) -> tuple[int, int]:
    run: Recording = case[0]
    kinds = [event.kind for event in run]
    return kinds.count("Trap"), kinds.count("Injection")


def _why_caught(case: Case, right: Any, given: Any) -> Why:
    run: Recording = case[0]
    if not isinstance(given, list) or len(given) != 2:
        return Why(_("Return two numbers: how many traps came, and how many were passed on."))
    (traps, passed), (came, on) = right, given
    if came == traps + passed != traps:
        return Why(
            _("An injection is no trap of the real machine: it is something that the hypervisor does.")
        )
    if [came, on] == [passed, traps]:
        return Why(_("The other way round: first the traps that came, then those that were passed on."))
    if came == sum(bool(event.interrupt) for event in run if isinstance(event, Exit)) != traps:
        return Why(_("Every real trap counts, not the interrupts alone."))
    if came != traps:
        return Why(_("Count each event whose kind is Trap: the real machine called the hypervisor."))
    if on == traps:
        return Why(_("Not every trap is the guest kernel's affair: most the hypervisor deals with alone."))
    return Why(_("Count each event whose kind is Injection: the guest's kernel got to know of it."))


# 00-2


def _first_difference(case: Case) -> list[Any]:
    ours, theirs = case
    for step, (left, right) in enumerate(zip(ours, theirs, strict=False)):
        names = [name for name in left if left[name] != right[name]]
        if names:
            return [step, names]
    shorter = min(len(ours), len(theirs))
    return [None if len(ours) == len(theirs) else shorter, []]


def _why_difference(case: Case, right: Any, given: Any) -> Why:
    if len(given) != 2:
        return Why(_("Return a pair: the step, and the names that differ there."))
    if right[0] is None:
        return Why(_("The two runs are equal, state by state: return None for the step, and no names."))
    if right[1] == [] and given[0] is None:
        return Why(
            _("One run ends before the other: that is a difference, at the step where it has no state.")
        )
    if given[0] is None:
        return Why(_("The runs do differ."), _("step {step}").format(step=right[0]))
    if given[0] == right[0] + 1:
        return Why(_("The first state is that of step 0."))
    if isinstance(given[0], int) and given[0] > right[0]:
        return Why(_("They differ earlier: look for the first step, not the last."), str(right[0]))
    return Why(_("All names that differ at that step, in the order in which the state has them."))


# 00-3


def _greeting(case: Case) -> dict[str, Any]:
    return {"console": case[0] + "\n", "off": True, "same in a VM": True}


def _why_greeting(case: Case, right: Any, given: Any) -> Why:
    printed = given.get("console", "")
    if not printed:
        return Why(_("Nothing was printed: store each character, as a byte, at the address 0x10000000."))
    if printed == right["console"]:
        return _why_the_end(given)
    if printed == case[0]:
        return Why(_("The line must end: print a newline, character 10, after the word."))
    if printed == right["console"][: len(printed)]:
        return Why(_("It stops too early: one round of the loop for each character, and then the newline."))
    if printed[: len(right["console"])] == right["console"] != printed:
        return Why(_("It goes on after the word's end: the loop ends at the zero byte."))
    return Why(_("The console shows something else: print just the word that the function is given."))


def _why_the_end(given: Any) -> Why:
    if not given.get("off"):
        return Why(_("The computer is still on: store 0x5555, as a word, at the address 0x100000."))
    return Why(_("A virtual machine makes a difference to it: that is a mistake of ours, please report it."))


# 00-4


def _step_when(case: Case) -> dict[str, Any]:
    machine = after_its_run(case)
    end, number = machine.steps, {"t0": 5, "t1": 6}[case[4]]
    for step in range(end + 1):
        machine.goto(step)
        if machine.hart.x[number] == case[5]:
            return {"returned": step, "stands at step": end}
    return {"returned": None, "stands at step": end}


def _why_step(case: Case, right: Any, given: Any) -> Why:
    wanted, found = right["returned"], given.get("returned")
    if wanted == found:
        return Why(_("Leave the machine where you found it: go back to the step at which it stood."))
    if wanted is None:
        return Why(_("The register never holds this value: return None."))
    if found is None:
        return Why(_("It does hold this value once; the state at the very end counts, too."), str(wanted))
    if isinstance(found, int) and found == wanted - 1:
        return Why(
            _("Count the instructions that have been attempted when the register first holds the value.")
        )
    if isinstance(found, int) and found > wanted:
        return Why(_("It has held this value before. The first time is wanted."), str(wanted))
    return Why(_("At that step the register holds another value."), str(wanted))


KEYS = {
    "00-1": Key(
        _caught,
        _why_caught,
        lambda: _("a pair of numbers"),
        picture=lambda case: case[0],
    ),
    "00-2": Key(_first_difference, _why_difference, lambda: _("a pair such as (3, ['t0']) or (None, [])")),
    "00-3": Key(_greeting, _why_greeting, lambda: _("a text in assembly")),
    "00-4": Key(_step_when, _why_step, lambda: _("the number of a step, or None")),
}
