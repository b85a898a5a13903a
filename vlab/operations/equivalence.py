"""The same guest under each technique, at every depth: does it end as it does on the bare machine, and at what cost?

A row is a run of its own: a guest, and the technique of each level around it. It is *the same* if all that the guest
could ever see is: registers, CSRs, memory, devices with the console, and the guest's own time. A paravirtual guest
is another program, built from the same source, so it has the same output. What can't be run is refused by whoever
refuses it, and the row says why: nothing here knows which technique carries which.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from itertools import product
from typing import Any

from vlab import guests
from vlab.display import Drawn
from vlab.hypervisor import VirtualMachine, nested
from vlab.hypervisor.techniques import Paravirtual, TrapAndEmulate, chosen_technique
from vlab.language import VlabError, _
from vlab.machine import Computer, Machine, Stop
from vlab.machine.snapshot import computer_state
from vlab.riscv import Program
from vlab.riscv.privilege import INTERRUPT_BIT

GUESTS = ("tiny", "kernel")
WAYS = ("trap-and-emulate", "binary-translation", "paravirtual", "hardware-assisted")
# So small that three levels take seconds, and with everything in it: ticks, system calls, faults, two processes.
SMALL: Mapping[str, Mapping[str, int]] = {"kernel": {"TICK": 300, "WORK": 60, "LETTERS": 2, "PRIMES": 100}}
MOST = 1_000_000  # steps in which a guest has ended on the bare machine, or it does not end
_GROWTH = 20  # so many times as many steps, at most, for each level: no technique here takes more than ten
_MEMORY = 1 << 20
_SWITCH, _TICK = "PARAVIRTUAL", "TICK"
_LONG_TICK = 20_000  # for paravirtual guests: who asks with fewer instructions is elsewhere when a tick comes
_MOST_DIFFERENCES = 8


class Likeness(Enum):
    """How a guest's end compares with the bare machine's."""

    SAME = "same"
    SAME_OUTPUT = "same output"
    DIFFERENT = "different"
    REFUSED = "refused"

    @property
    def title(self) -> str:
        """The word in the reader's language."""
        return {
            Likeness.SAME: _("the same"),
            Likeness.SAME_OUTPUT: _("the same output"),
            Likeness.DIFFERENT: _("different"),
            Likeness.REFUSED: _("can't be"),
        }[self]


@dataclass(frozen=True)
class Level:
    """One virtual machine of a row: how it was run, and what became of its instructions.

    `direct` of them ran on the computer below, with no exit; `emulated` were done for it by its own hypervisor, or
    ended in a trap that this one handed on. Together they are all that its software attempted: hidden faults, tried
    again, count once. `exits` are by reason, the most frequent first.
    """

    technique: str
    direct: int
    emulated: int
    exits: Mapping[str, int]

    @property
    def total(self) -> int:
        """All its exits."""
        return sum(self.exits.values())


@dataclass(frozen=True, repr=False)
class EquivalenceRow(Drawn):
    """A guest under a technique a level, outermost first: the levels, and how its end compares with the bare one's.

    `why` says what differs, or who refused.
    """

    guest: str
    techniques: tuple[str, ...]
    likeness: Likeness
    levels: tuple[Level, ...] = field(default=())
    why: str = ""

    @property
    def depth(self) -> int:
        """How many hypervisors are below the guest."""
        return len(self.techniques)

    @property
    def multiplied(self) -> float:
        """How many exits the machine's own hypervisor has for one of the guest's; 0 where nothing was run."""
        return self.levels[0].total / max(1, self.levels[-1].total) if self.levels else 0.0

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against its technique: it is the same, or it was refused and did not go wrong."""
        return self.likeness is not Likeness.DIFFERENT

    def __repr__(self) -> str:
        head = _("{guest} under {techniques}: {likeness}").format(
            guest=self.guest, techniques=" / ".join(self.techniques), likeness=self.likeness.title
        )
        if not self.levels:
            return f"{head}: {self.why}"
        inner = self.levels[-1]
        text = _("{head}; {direct} of its instructions direct, {emulated} emulated; exits by level {exits}")
        told = text.format(
            head=f"{head} ({self.why})" if self.why else head,
            direct=inner.direct,
            emulated=inner.emulated,
            exits=" / ".join(str(level.total) for level in self.levels),
        )
        return f"{told}."


@dataclass(frozen=True, repr=False)
class EquivalenceTable(Drawn):
    """Guest × techniques × depth, each row the result of its own run."""

    rows: tuple[EquivalenceRow, ...]

    def __iter__(self) -> Iterator[EquivalenceRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: tuple[str, Sequence[str] | str]) -> EquivalenceRow:
        """`table["kernel", "paravirtual"]`, `table["tiny", ("trap-and-emulate", "binary-translation")]`.

        Raises:
            VlabError: there is no such row.
        """
        guest, techniques = place
        wanted = (techniques,) if isinstance(techniques, str) else tuple(techniques)
        found = next((row for row in self.rows if (row.guest, row.techniques) == (guest, wanted)), None)
        if found is None:
            raise VlabError(
                _("There is no row for {guest} under {techniques}.").format(
                    guest=guest, techniques=" / ".join(map(str, wanted))
                ),
                mend=_("Name the guest, and a technique for each level from outside, as they were compared."),
            )
        return found

    def __repr__(self) -> str:
        counts = Counter(row.likeness for row in self.rows)
        text = _(
            "Runs of {guests}, up to {depth} deep: {runs}. In the same state as on the bare machine end {same}, "
            "with the same output {output}, differently {different}. Not to be: {refused}."
        )
        return text.format(
            runs=len(self.rows) - counts[Likeness.REFUSED],
            guests=", ".join(dict.fromkeys(row.guest for row in self.rows)),
            depth=max((row.depth for row in self.rows), default=0),
            same=counts[Likeness.SAME],
            output=counts[Likeness.SAME_OUTPUT],
            different=counts[Likeness.DIFFERENT],
            refused=counts[Likeness.REFUSED],
        )

    @property
    def holds(self) -> bool:
        """Whether something could be run, and no row ends differently."""
        ran = any(row.likeness is not Likeness.REFUSED for row in self.rows)
        return ran and all(row.holds for row in self.rows)


Task = tuple[str, tuple[type[TrapAndEmulate], ...]]


def compare_all(
    guests: Iterable[str] = GUESTS,
    techniques: Iterable[str | type[TrapAndEmulate]] = WAYS,
    depths: Iterable[int] = (1, 2),
    *,
    extensions: str = "H",
    quirks: str | Iterable[str] = (),
    constants: Mapping[str, Mapping[str, int]] = SMALL,
    most: int = MOST,
    watch: Callable[[Sequence[Task]], Iterable[Task]] = iter,
) -> EquivalenceTable:
    """Run each guest under every choice of one technique a level, at these depths, and bare, and compare the ends.

    Techniques that can't be, or not one in the other, have one row that says why; they are not tried again deeper.
    The machine has these `extensions` and `quirks`. `constants` are the numbers in each guest that are replaced.
    A guest must have ended after `most` steps of the bare machine. `watch` is put around the runs, to show how far
    it is.

    Raises:
        VlabError: no such guest, constant, technique, extension or quirk; a guest that does not end by itself.
    """
    chosen = tuple(map(chosen_technique, techniques))
    make = partial(
        Machine, extensions=extensions, quirks=tuple([quirks] if isinstance(quirks, str) else quirks)
    )
    bare = {name: _Bare(name, dict(constants.get(name, {})), make, most) for name in guests}
    ways = [way for depth in depths for way in product(chosen, repeat=depth)]
    rows: dict[Task, EquivalenceRow] = {}
    for name, way in watch([(name, way) for name in bare for way in ways]):
        if not any(
            (part := rows.get((name, piece))) and part.likeness is Likeness.REFUSED for piece in _pieces(way)
        ):
            rows[name, way] = _compared(bare[name], way, make)
    return EquivalenceTable(tuple(rows.values()))


def _pieces(way: Sequence[type[TrapAndEmulate]]) -> Iterator[tuple[type[TrapAndEmulate], ...]]:
    """Every row of neighbouring levels in it, but all."""
    for size in range(1, len(way)):
        yield from (tuple(way[at : at + size]) for at in range(len(way) - size + 1))


class _Bare:
    """A guest, and how it ends on the bare machine: as it is, and with ticks as far apart as paravirtual ones'."""

    def __init__(self, name: str, constants: Mapping[str, int], make: Callable[..., Machine], most: int):
        self.name, self._make, self._most = name, make, most
        self.image = guests.load(name, **constants)
        self.built, self.alike = self.image, self.image
        if _SWITCH in guests.switches(name):
            ticks = {**constants, **({_TICK: _LONG_TICK} if _TICK in guests.constants(name) else {})}
            self.alike = guests.load(name, **ticks)
            self.built = guests.load(name, **ticks, **{_SWITCH: 1})
        self.end = self._run(self.image)
        self.output = self.end if self.alike is self.image else self._run(self.alike)
        self.longest = max(self.end.steps, self.output.steps)

    def _run(self, image: Program) -> Machine:
        machine = self._make(image, memory=_MEMORY)
        if machine.run(self._most) is not Stop.OFF:
            raise VlabError(
                _("This guest does not end by itself, so its ends can't be compared."), where=self.name
            )
        return machine


def _compared(
    bare: _Bare, way: tuple[type[TrapAndEmulate], ...], make: Callable[..., Machine]
) -> EquivalenceRow:
    """One row: build the tower, run it, compare."""
    knows = issubclass(way[-1], Paravirtual)
    row = partial(EquivalenceRow, bare.name, tuple(technique.name for technique in way))
    try:
        machine, vms = nested([_counting(technique) for technique in way], _MEMORY, build=make)
    except VlabError as refused:
        return row(Likeness.REFUSED, why=refused.what)
    guest = vms[-1]
    guest.load(bare.built if knows else bare.image)
    stop = machine.run(bare.longest * _GROWTH ** len(way))
    if guest.technique.stopped:
        return row(Likeness.REFUSED, why=guest.technique.stopped)
    levels = tuple(_level(vm) for vm in vms)
    if stop is Stop.LIMIT:
        return row(Likeness.DIFFERENT, levels, _("it does not end"))
    if knows:
        differing = [
            what for what in ("console", "status") if getattr(guest, what) != getattr(bare.output, what)
        ]
    else:
        ends = seen(bare.end), seen(guest)
        differing = [where for where, _here, _there in differences(*ends)]
    if differing:
        some = ", ".join(differing[:_MOST_DIFFERENCES]) + (
            ", …" if len(differing) > _MOST_DIFFERENCES else ""
        )
        return row(Likeness.DIFFERENT, levels, _("it differs in {places}").format(places=some))
    return row(Likeness.SAME_OUTPUT if knows else Likeness.SAME, levels)


class _Counting(TrapAndEmulate):
    """Put before a technique, it counts the instructions that its guest executes by itself."""

    ran_directly = 0
    _began = 0

    def load(self) -> None:
        """The guest is entered: what it does from here on, it does directly."""
        self._began = self.vm.clock
        super().load()

    def exit(self, cause: int, value: int) -> str:
        """The guest has exited: if by an instruction, that one is not its own any more."""
        self.ran_directly += self.vm.clock - self._began - (0 if cause & INTERRUPT_BIT else 1)
        return super().exit(cause, value)


def _counting(technique: type[TrapAndEmulate]) -> type[TrapAndEmulate]:
    return type(technique.__name__, (_Counting, technique), {})


def _level(vm: VirtualMachine) -> Level:
    assert isinstance(vm.technique, _Counting)
    direct = vm.technique.ran_directly
    exits = dict(sorted(vm.exits.items(), key=lambda item: (-item[1], item[0])))
    return Level(vm.technique.name, direct, vm.time - vm.skipped - direct, exits)


def seen(computer: Computer) -> dict[str, Any]:
    """All that a guest could see of its computer: registers, CSRs, memory, devices, time, reservation."""
    state = computer_state(computer)
    del state["residents"]
    return state


def differences(one: Any, other: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The places where two states differ, and what each has there (None: nothing); a page of memory is one."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in sorted({*one, *other}, key=str):
            yield from differences(one.get(key), other.get(key), f"{where}.{key}" if where else str(key))
    elif one != other:
        yield where, one, other
