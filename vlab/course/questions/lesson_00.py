"""What the exercises of lesson 00 ask."""

from collections.abc import Iterator
from random import Random
from typing import Any

from vlab.course.exercises import Case, Exercise, Misused, shown
from vlab.course.questions import runs_07 as runs
from vlab.hypervisor import Hypervisor
from vlab.language import VlabError, _
from vlab.machine import Machine
from vlab.riscv import Program, assemble

_STEPS = 5000  # instructions that a reader's guest may attempt
_SMALL = 0x1_0000

# 00-1: caught(run) is asked about the recordings of 07-5

# 00-2: first_difference(ours, theirs)

_WATCHED = ("pc", "t0", "t1", "a0")


def _histories(random: Random) -> Iterator[Case]:
    """Two runs as lists of states: equal, different in one state or more, or one shorter than the other."""
    yield [], []
    for length in (1, 2, 3, 3, 5, 5, 8, 8, 8):
        ours = [{name: random.randrange(16) for name in _WATCHED} for _step in range(length)]
        for kind in ("equal", "value", "values", "shorter", "longer"):
            yield ours, _changed(random, ours, kind)


def _changed(random: Random, ours: list[dict[str, int]], kind: str) -> list[dict[str, int]]:
    theirs = [dict(state) for state in ours]
    match kind:
        case "value":
            theirs[random.randrange(len(ours))][random.choice(_WATCHED)] += 16
        case "values":
            for at in range(random.randrange(len(ours)), len(ours)):
                for name in random.sample(_WATCHED, 2):
                    theirs[at][name] += 16
        case "shorter":
            theirs.pop()
        case "longer":
            theirs.append(dict.fromkeys(_WATCHED, 1))
    return theirs


# 00-3: greeting(word)


def _words(random: Random) -> Iterator[Case]:
    for length in (2, 2, 3, 5, 8, 13):
        yield ("".join(random.choice("abcdefghijklmnopqrstuvwxyz") for _letter in range(length)),)


def _ask_guest(greeting: Any, case: Case) -> Any:
    """What the guest does on the bare machine, and whether a virtual machine makes a difference to it."""
    source = greeting(*case)
    if not isinstance(source, str):
        raise Misused(_("returns {value}, which is not assembly text").format(value=shown(source)[:80]))
    try:
        program = assemble(source, filename="greeting")
        bare = Machine(program, memory=_SMALL)
    except VlabError as error:
        raise Misused(_("returns a text that can't be run:\n{error}").format(error=error)) from None
    bare.run(_STEPS)
    machine = Machine(memory=Hypervisor.memory_for(_SMALL))
    vm = Hypervisor(machine).create_vm(program, memory=_SMALL)
    machine.run(until=lambda: vm.time >= _STEPS)
    parts = ("hart", "memory", "devices")
    ends = [computer.snapshot().state for computer in (bare, vm)]
    return {
        "console": bare.console,
        "off": bare.status is not None,
        "same in a VM": bare.status == vm.status and all(ends[0][part] == ends[1][part] for part in parts),
    }


# 00-4: step_when(machine, register, value)

_COUNTER = """
    li   t0, {start}
    li   t1, {rounds}
1:  addi t0, t0, {stride}
    addi t1, t1, -1
    bnez t1, 1b
    li   t0, {last}
    li   t2, 0x100000
    li   t3, 0x5555
    sw   t3, 0(t2)
2:  j    2b
"""
_REGISTERS = {"t0": 5, "t1": 6}


def _counters(random: Random) -> Iterator[Case]:
    """A program that counts, and what to look for: a value that comes once, or comes back, or never comes."""
    for rounds in (1, 2, 4, 9, 17):
        start, stride = random.randrange(1, 100), random.choice((1, 3, 7))
        within = start + stride * random.randint(1, rounds)
        for last in (start, within, start + stride * (rounds + 3)):
            program = (start, rounds, stride, last)
            yield *program, "t0", within
            yield *program, "t0", last
            yield *program, "t1", random.randint(0, rounds)
        yield start, rounds, stride, start, "t0", 5000


def _program(case: Case) -> Program:
    start, rounds, stride, last = case[:4]
    return assemble(_COUNTER.format(start=start, rounds=rounds, stride=stride, last=last))


def after_its_run(case: Case) -> Machine:
    """The machine of a case: it has run its program to the end."""
    machine = Machine(_program(case), memory=_SMALL)
    machine.run()
    return machine


def _ask_rewinding(step_when: Any, case: Case) -> Any:
    """What is returned, and where the machine stands afterwards."""
    machine = after_its_run(case)
    reply = step_when(machine, _REGISTERS[case[4]], case[5])
    return {"returned": reply, "stands at step": machine.steps}


def _show_rewinding(name: str, case: Case) -> str:
    start, rounds, stride, last, register, value = case
    return _(
        "{name}(machine, {number}, {value}): {register} of a program that counts from {start} by {stride}, "
        "{rounds} times, and ends with {last}"
    ).format(
        name=name,
        number=_REGISTERS[register],
        value=value,
        register=register,
        start=start,
        stride=stride,
        rounds=rounds,
        last=last,
    )


EXERCISES = (
    Exercise(
        *("00-1", "caught", runs.draw, runs.ask),
        size=runs.size,
        show=runs.show,
        gives=frozenset({"Exit", "Injection", "Trap"}),
    ),
    Exercise(*("00-2", "first_difference", _histories)),
    Exercise(
        *("00-3", "greeting", _words, _ask_guest),
        size=lambda case: len(case[0]),
        points=2,
        seconds=20,
    ),
    Exercise(
        *("00-4", "step_when", _counters, _ask_rewinding),
        size=lambda case: case[1],
        show=_show_rewinding,
        points=2,
        seconds=20,
    ),
)
