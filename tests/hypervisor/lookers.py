"""Ways to run a machine to a step of its while somebody looks on, or lets go of it in between: none may change it."""

from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Any

from vlab.events import Event
from vlab.hypervisor import VirtualMachine
from vlab.machine import Machine, Stop

Way = Callable[[Machine, Sequence[VirtualMachine], int, Random], None]
_PIECES = (1, 2, 3, 10, 100, 1000, 5000, 20_000)
_UNUSED = 0x8000  # bytes before the end of RAM; nobody here writes there
_MOST_HALTS = 100
_NOWHERE = 0x1234_5678  # an address that nobody goes to


def state(machine: Machine, vms: Sequence[VirtualMachine]) -> dict[str, Any]:
    """All of a machine at a moment: what a snapshot has, and what it leaves out."""
    taken = machine.snapshot()
    return {
        "state": taken.state,
        "pages": dict(taken.pages),
        "time": machine.time,
        "unretired": machine.unretired,
        "exits": [dict(vm.exits) for vm in vms],
    }


def alone(machine: Machine, vms: Sequence[VirtualMachine], steps: int, luck: Random) -> None:
    """Nobody looks on."""
    machine.run(steps)


def heard(machine: Machine, vms: Sequence[VirtualMachine], steps: int, luck: Random) -> None:
    """A listener that hears of each event when it happens."""
    machine.events.listen(lambda event: None)
    machine.run(steps)


def recorded(machine: Machine, vms: Sequence[VirtualMachine], steps: int, luck: Random) -> None:
    """A patient listener, as counts and traces have it."""
    with machine.events.record():
        machine.run(steps)


def watched(machine: Machine, vms: Sequence[VirtualMachine], steps: int, luck: Random) -> None:
    """A listener that looks around, at each level, and takes snapshots."""
    count = 0

    def look(event: Event) -> None:
        nonlocal count
        count += 1
        if count % 7 == 0:
            for computer in (machine, *vms):
                repr((computer, computer.hart, computer.time, computer.mtime, computer.reservation))
        if count % 401 == 0:
            machine.snapshot()

    machine.events.listen(look)
    machine.run(steps)


def _pieces(machine: Machine, steps: int, luck: Random, between: Callable[[], None]) -> None:
    while machine.steps < steps:
        if machine.run(min(steps - machine.steps, luck.choice(_PIECES))) is not Stop.LIMIT:
            return
        between()


def in_pieces(machine: Machine, vms: Sequence[VirtualMachine], steps: int, luck: Random) -> None:
    """Stopped now and then."""
    _pieces(machine, steps, luck, lambda: None)


def inspected(machine: Machine, vms: Sequence[VirtualMachine], steps: int, luck: Random) -> None:
    """Stopped now and then, and looked at from all sides."""

    def inspect() -> None:
        machine.snapshot(), machine.look(), machine.tlb()
        for vm in vms:
            vm.snapshot(), vm.look(), vm.chain(vm.hart.pc), vm.tables(), vm.memory_map()

    _pieces(machine, steps, luck, inspect)


def now_and_then(machine: Machine, vms: Sequence[VirtualMachine], steps: int, luck: Random) -> None:
    """Listeners come and go."""
    heard_by: list[Callable[[Event], None]] = []

    def change() -> None:
        if heard_by and luck.random() < 0.5:
            machine.events.unlisten(heard_by.pop())
        else:
            heard_by.append(lambda event: None)
            machine.events.listen(heard_by[-1], patient=luck.random() < 0.5)

    _pieces(machine, steps, luck, change)


def by_conditions(machine: Machine, vms: Sequence[VirtualMachine], steps: int, luck: Random) -> None:
    """Stopped by `until`, asked before each instruction or not."""

    def reached(goal: int) -> bool:
        return machine.steps >= goal

    while machine.steps < steps:
        goal, each = machine.steps + luck.choice((10, 1000, 7000)), luck.random() < 0.3
        if machine.run(steps - machine.steps, until=partial(reached, goal), each=each) is not Stop.CONDITION:
            return


def by_time(machine: Machine, vms: Sequence[VirtualMachine], steps: int, luck: Random) -> None:
    """Stopped by its clock, in the midst of a `wfi` too."""
    time = 0
    while machine.steps < steps and machine.status is None:
        time = max(time, machine.time) + luck.choice((1, 10, 1000, 7000))
        if machine.run(steps - machine.steps, time=time) is Stop.ASLEEP and time > machine.time + (1 << 17):
            machine.run(steps - machine.steps)
            return


def under_watch(machine: Machine, vms: Sequence[VirtualMachine], steps: int, luck: Random) -> None:
    """A word of memory is watched, and an address waited for that nobody goes to."""
    word = machine.ram.base + machine.ram.size - _UNUSED
    machine.ram.watch(word, lambda address, value: None)
    machine.stop_at([_NOWHERE])
    machine.run(steps)
    machine.ram.unwatch(word)
    machine.stop_at()


def halted(machine: Machine, vms: Sequence[VirtualMachine], steps: int, luck: Random) -> None:
    """Breakpoints where it has been, and a halt at each write to some words: it goes on behind each of them."""
    innermost, places = (machine, *vms)[-1], set[int]()
    first = innermost.memory.base
    words = {innermost.machine_address(first + luck.randrange(0x4000) // 8 * 8) for _word in range(4)}
    for word in words:
        machine.ram.watch(word, lambda address, value: machine.stop_here())
    stop, halts = Stop.LIMIT, 0
    while machine.steps < steps and machine.status is None and stop is not Stop.ASLEEP:
        machine.stop_at(places)
        stop = machine.run(min(steps - machine.steps, luck.choice(_PIECES)))
        if stop is Stop.CONDITION:
            halts += 1
            machine.stop_at()
            machine.run(1)
        elif halts < _MOST_HALTS:
            places.add(innermost.hart.pc)
        if halts == _MOST_HALTS:
            places.clear()
    machine.stop_at()
    for word in words:
        machine.ram.unwatch(word)


def back_and_forth(machine: Machine, vms: Sequence[VirtualMachine], steps: int, luck: Random) -> None:
    """Rewound, and run again."""
    machine.run(steps)
    end = machine.steps
    for _time in range(2):
        machine.goto(luck.randrange(end))
        machine.goto(end)
    machine.run(max(0, steps - machine.steps))  # a `wfi` behind the last step is behind it again


def asked_who_wrote(machine: Machine, vms: Sequence[VirtualMachine], steps: int, luck: Random) -> None:
    """Asked who wrote a word: the past is replayed."""
    machine.run(steps)
    for computer in (machine, *vms[-1:]):
        computer.who_wrote(computer.memory.base + luck.randrange(computer.memory.size) // 8 * 8)


def restored(machine: Machine, vms: Sequence[VirtualMachine], steps: int, luck: Random) -> None:
    """Restored to where it is."""
    machine.run(luck.randrange(steps))
    machine.restore(machine.snapshot())
    machine.run(max(0, steps - machine.steps))


def tlb_watched(machine: Machine, vms: Sequence[VirtualMachine], steps: int, luck: Random) -> None:
    """Some of its instructions run one by one, their translations counted."""
    machine.run(luck.randrange(steps))
    if machine.status is None and machine.steps < steps:
        machine.watch_tlb(min(steps - machine.steps, 1000))
    machine.run(max(0, steps - machine.steps))


WAYS: tuple[Way, ...] = (
    *(heard, recorded, watched, in_pieces, inspected, now_and_then, by_conditions, by_time),
    *(under_watch, halted, back_and_forth, asked_who_wrote, restored, tlb_watched),
)
