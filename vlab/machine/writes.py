"""Who wrote this word last? The last interval of the past in which its page changed, replayed with the word watched."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from vlab.language import _
from vlab.machine.computer import standing
from vlab.machine.memory import PAGE
from vlab.machine.stop import Stop
from vlab.riscv import Mode

if TYPE_CHECKING:
    from vlab.machine.computer import Computer
    from vlab.machine.machine import Machine

SPAN = 1 << 13  # steps that are replayed in one piece, told of each write, however many there are
CROWD = 100  # writes that are told of in a longer piece: with more, it is cut
INSTRUCTION, WALK, DEVICE, RESIDENT = "instruction", "page walk", "device", "resident"


class Write(NamedTuple):
    """The last write of a double word: the machine's step, and who it was.

    `by` is "instruction", "page walk" (A and D, which hardware sets), "device" (DMA) or "resident" (system software
    in Python). `computer` is the name of the one whose program, walk, device or resident it was; its hart was then
    at `pc` in `mode`.
    """

    step: int
    by: str
    computer: str
    mode: str
    pc: int
    value: int

    def __repr__(self) -> str:
        words = {
            INSTRUCTION: _(
                "At step {step} the instruction at {pc:#x}, in {mode} mode of {computer}, wrote {value:#x}"
            ),
            WALK: _(
                "At step {step} the page-table walk of {computer}, at {pc:#x} in {mode} mode, made it {value:#x}"
            ),
            DEVICE: _(
                "At step {step} a device wrote {value:#x}, while {computer} was at {pc:#x} in {mode} mode"
            ),
            RESIDENT: _("At step {step} a resident of {computer} wrote {value:#x}"),
        }
        return words[self.by].format(**self._asdict())


class Found(NamedTuple):
    """A write, as the watch saw it."""

    step: int
    by: str
    value: int
    computer: "Computer | None"  # the walk's or device's


def who_wrote(computer: "Computer", address: int) -> Write | None:
    """See `Computer.who_wrote`."""
    machine = computer.history.machine
    physical = computer.machine_address(address & -8)
    found = last_write(machine, physical)
    if found is None:
        return None
    with machine.history.ahead():
        machine.goto(found.step)
        if (resident := standing(machine)) is None:
            machine.catch_up()  # an interrupt may come first
        owner = found.computer or (
            running(machine) if found.by != RESIDENT or resident is None else resident.computer
        )
        hart = owner.hart
        return Write(
            found.step, found.by, owner.name or _("the machine"), hart.mode_name, hart.pc, found.value
        )


def running(machine: "Machine") -> "Computer":
    """The innermost computer whose program has the hart now."""
    inner: Computer | None = machine
    while inner is not None:
        computer, supervisor = inner, inner.residents.get(Mode.S)
        inner = (
            supervisor.running if supervisor is not None and (inner.mode == Mode.U or inner.virtual) else None
        )
    return computer


def last_write(machine: "Machine", address: int) -> Found | None:
    """The last write to the double word at a physical address; None if there was none since the beginning.

    Raises VlabError where there is no memory.
    """
    history, page = machine.history, (address - machine.ram.base) // PAGE
    end, seen = machine.steps, machine.history.seen
    with history.ahead():
        later = machine.ram.pages().get(page)
        steps = sorted(step for step in history.checkpoints if step <= end)
        history.checkpoints = {step: history.checkpoints[step] for step in steps}  # to have more for a while
        while steps:
            step = steps.pop()
            earlier = history.checkpoints[step].snapshot.pages.get(page)
            # A page that no interval wrote is the very same object. Zeros are kept nowhere: look.
            if later is None or earlier is not later:
                most = CROWD if end - step > SPAN else None
                found = _last_writes(machine, step, end, seen, address, most)
                if found is None:
                    if nearer := _nearer(machine, step, end):
                        steps += [step, *nearer]
                        continue
                    found = _last_writes(machine, step, end, seen, address)
                if found:
                    return found[0]
            later, end, seen = earlier, step, history.checkpoints[step].arrived
    return None


def _nearer(machine: "Machine", start: int, end: int) -> list[int]:
    """Keep checkpoints between a checkpoint and a step, each half as far from it as the one before: their steps."""
    from vlab.machine.history import checkpoint_of

    history, steps = machine.history, list[int]()
    history.rewind(start)
    while (left := end - machine.steps) > SPAN:
        stop = machine.run(left // 2)
        if stop is not Stop.LIMIT or machine.steps >= end:
            break
        history.checkpoints[machine.steps] = checkpoint_of(machine, history.seen)
        steps.append(machine.steps)
    return steps


def _last_writes(
    machine: "Machine", start: int, end: int, seen: int, address: int, most: int | None = None
) -> list[Found] | None:
    """The last write, if any, from a checkpoint on, up to a step at which so much had come from outside.

    None if there are more than `most`: to be told of each takes long.
    """
    found: list[Found] = []
    told = 0

    def stored(step: int, value: int) -> None:
        nonlocal told
        resident = standing(machine)
        by, computer = machine.ram.author or (INSTRUCTION if resident is None else RESIDENT, None)
        found[:] = [Found(step, by, value, computer)]
        told += 1
        if told == most:
            stop()

    machine.history.rewind(start)
    with listening(machine, address, stored) as stop:
        machine.run(max(0, end - machine.steps))
        if machine.history.seen < seen:
            machine.history.deliver()
    return None if told == most else found


@contextmanager
def listening(
    machine: "Machine", address: int, heard: Callable[[int, int], None], *, loads: bool = False
) -> Iterator[Callable[[], None]]:
    """Tell of each write to the double word at a physical address: the step that it belongs to, and the value.

    With `loads`, of each load of an instruction from there.

    What it gives stops that before the block ends.
    Whoever watches it already, is told as before: what a resident does then is part of the run.
    """
    ram = machine.ram
    watches, watch, unwatch = ram.watched, ram.watch, ram.unwatch
    if loads:
        watches, watch, unwatch = ram.loads_watched, ram.watch_loads, ram.unwatch_loads
    other = watches.get(address)

    def stored(there: int, value: int) -> None:
        heard(machine.steps - machine.at_work if standing(machine) is None else machine.resident_since, value)
        if other is not None:
            other(there, value)

    def stop() -> None:
        unwatch(address)
        if other is not None:
            watch(address, other)

    watch(address, stored)
    try:
        yield stop
    finally:
        stop()
