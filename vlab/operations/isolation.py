"""How well are neighbours kept apart? The same attacker beside the same victim, in three arrangements.

Two processes of one kernel; two containers, which are two processes of one kernel that filters names for them;
two virtual machines. Nothing here knows how an attack ends: each is run, and judged by what the victim and the
attacker print. The kernel and both programs are the guest `containers`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from vlab import guests
from vlab.display import Drawn, one_line
from vlab.hypervisor import Hypervisor
from vlab.language import VlabError, _, unknown
from vlab.machine import Computer, Machine, Stop
from vlab.riscv import Program, assemble_files

GUEST = "containers"
ARRANGEMENTS = ("processes", "containers", "virtual machines")
# In the order of the guest's table `attacks`, whose first entry is "do nothing".
ATTACKS = tuple("memory processor read overwrite list kill rename fill bug crash kernel".split())
MOST = 80_000  # steps: an attacker that never ends is stopped then, and its victim has long ended
_MEMORY, _GUEST_MEMORY = "4M", "512K"
_PRIVATE = ("secret: ", "diary: ")  # what the victim says after these is its own affair, and so is its name


class Verdict(Enum):
    """What became of the victim."""

    HELD = "held"
    LEAKED = "leaked"
    CHANGED = "changed"
    DENIED = "denied"
    DIED = "died"

    @property
    def title(self) -> str:
        """The word in the reader's language."""
        return {
            Verdict.HELD: _("held"),
            Verdict.LEAKED: _("leaked"),
            Verdict.CHANGED: _("changed"),
            Verdict.DENIED: _("denied"),
            Verdict.DIED: _("died"),
        }[self]


def arrangement_title(arrangement: str) -> str:
    """An arrangement's name in the reader's language."""
    return {
        "processes": _("two processes"),
        "containers": _("two containers"),
        "virtual machines": _("two virtual machines"),
    }[arrangement]


def attack_title(attack: str) -> str:
    """What the attacker does, in the reader's language."""
    return {
        "memory": _("reads memory at the secret's address"),
        "processor": _("never gives the processor back"),
        "read": _("reads the victim's file"),
        "overwrite": _("overwrites the victim's file"),
        "list": _("lists the processes that it sees"),
        "kill": _("ends the processes that it sees"),
        "rename": _("changes the computer's name"),
        "fill": _("fills all room for files"),
        "bug": _("reads memory through a kernel's bug"),
        "crash": _("crashes its kernel through the same bug"),
        "kernel": _("has a kernel that works for it"),
    }[attack]


@dataclass(frozen=True)
class Neighbours:
    """The two side by side: each on its computer, which may be the same, and the machine under both."""

    machine: Machine
    victim: Computer
    attacker: Computer

    def run(self) -> Stop:
        """Run until both have ended, or for `MOST` instructions."""
        return self.machine.run(MOST)


@dataclass(frozen=True)
class Cell(Drawn):
    """One attack in one arrangement: the verdict, and what it rests on.

    `victim` and `attacker` are their lines on the console; with the attacker's are those of its kernel. `quiet`
    is what the victim says when nobody attacks.
    """

    attack: str
    arrangement: str
    verdict: Verdict
    victim: tuple[str, ...]
    attacker: tuple[str, ...]
    quiet: tuple[str, ...]
    kernel: Mapping[str, str] | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        return _("Between {arrangement}, the attacker {attack}: {verdict} ({said}).").format(
            arrangement=arrangement_title(self.arrangement),
            attack=attack_title(self.attack),
            verdict=self.verdict.title,
            said=self.said,
        )

    @property
    def said(self) -> str:
        """The line on which the verdict rests."""
        if self.verdict is Verdict.LEAKED:
            lines = [line for line in self.attacker if _tells(line, self.quiet)]
        elif self.verdict in (Verdict.CHANGED, Verdict.DENIED):
            lines = [line for line in self.victim if line not in self.quiet] or list(self.victim)
        elif self.verdict is Verdict.DIED:
            lines = [line for line in self.attacker if line.startswith("kernel: ")]
            lines = lines or [_("the victim says nothing more")]
        else:
            lines = [self.victim[-1], *(line for line in self.attacker if line != "attacker: done")]
        return " ".join(one_line(lines[-1]).split())

    def again(self) -> Neighbours:
        """The same two once more, switched on and not yet run: `run` them, record them, look inside."""
        number = 1 + ATTACKS.index(self.attack)
        return _neighbours(_Kernel(self.kernel), self.arrangement, number)


class IsolationMatrix(Drawn):
    """Every attack in every arrangement, each cell the result of its own run."""

    def __init__(self, cells: tuple[Cell, ...]):
        self._cells = {(cell.attack, cell.arrangement): cell for cell in cells}

    def __iter__(self) -> Iterator[Cell]:
        """Row by row."""
        return iter(self._cells.values())

    def __len__(self) -> int:
        return len(self._cells)

    def __getitem__(self, place: tuple[str, str]) -> Cell:
        """`matrix["read", "containers"]`; VlabError, with the nearest name, where there is no such cell."""
        attack, arrangement = place
        _expect(attack, ATTACKS, _("There is no attack {name!r}.").format(name=attack))
        _expect(arrangement, ARRANGEMENTS, _("There is no arrangement {name!r}.").format(name=arrangement))
        return self._cells[attack, arrangement]

    def __repr__(self) -> str:
        counts = {arrangement: self.held(arrangement) for arrangement in ARRANGEMENTS}
        return _(
            "Of {total} attacks, {processes} are held off between two processes, {containers} between two "
            "containers, {machines} between two virtual machines."
        ).format(
            total=len(ATTACKS),
            processes=counts["processes"],
            containers=counts["containers"],
            machines=counts["virtual machines"],
        )

    def held(self, arrangement: str) -> int:
        """How many attacks an arrangement holds off."""
        return sum(self[attack, arrangement].verdict is Verdict.HELD for attack in ATTACKS)

    def table(self) -> dict[str, dict[str, str]]:
        """The verdicts as words: by attack, then by arrangement."""
        return {
            attack: {arrangement: self[attack, arrangement].verdict.value for arrangement in ARRANGEMENTS}
            for attack in ATTACKS
        }


def probe_isolation(kernel: Mapping[str, str] | None = None) -> IsolationMatrix:
    """Run every attack in every arrangement.

    `kernel` are the files of another kernel than the guest's own, by name: `guests.files("containers")` with a
    reader's changes.

    Raises:
        VlabError: if that kernel can't be assembled, or its victim fails with nobody attacking it.
    """
    images = _Kernel(kernel)
    quiet = {arrangement: _quiet(images, arrangement) for arrangement in ARRANGEMENTS}
    cells = []
    for number, attack in enumerate(ATTACKS, 1):
        for arrangement in ARRANGEMENTS:
            both = _neighbours(images, arrangement, number)
            both.run()
            victim = _lines(both.victim, "victim: ")
            attacker = _lines(both.attacker, "attacker: ", "kernel: ")
            verdict = judge(quiet[arrangement], victim, attacker)
            cells.append(Cell(attack, arrangement, verdict, victim, attacker, quiet[arrangement], kernel))
    return IsolationMatrix(tuple(cells))


def judge(quiet: tuple[str, ...], victim: tuple[str, ...], attacker: tuple[str, ...]) -> Verdict:
    """The verdict on a run, from the lines of both; `quiet` is what the victim says when nobody attacks."""
    if victim[-1:] != quiet[-1:]:
        return Verdict.DIED
    if any(_tells(line, quiet) for line in attacker):
        return Verdict.LEAKED
    if victim == quiet:
        return Verdict.HELD
    refused = any("refused" in line for line in victim if line not in quiet)
    return Verdict.DENIED if refused else Verdict.CHANGED


def _tells(line: str, quiet: tuple[str, ...]) -> bool:
    """Whether a line of the attacker has what is the victim's own."""
    own = {"victim"}
    for said in quiet:
        own.update(said.split()[-1] for start in _PRIVATE if said.startswith(f"victim: {start}"))
    return line.startswith("attacker: ") and any(word in line for word in own)


class _Kernel:
    """The guest's files, and what was assembled of them."""

    def __init__(self, files: Mapping[str, str] | None):
        given: Any = guests.files(GUEST) if files is None else files
        rows: tuple[Any, ...] = tuple(given.items()) if isinstance(given, Mapping) else ((None, None),)
        if not all(isinstance(name, str) and isinstance(text, str) for name, text in rows):
            raise VlabError(
                _("{given} are no files of a kernel.").format(given=repr(given)[:40]),
                mend=_("Give texts by name, such as guests.files({guest!r}).").format(guest=GUEST),
            )
        self._files: tuple[tuple[str, str], ...] = rows
        self._programs: dict[tuple[tuple[str, int], ...], Program] = {}

    def program(self, **constants: int) -> Program:
        """The image with these constants."""
        key = tuple(constants.items())
        if key not in self._programs:
            self._programs[key] = assemble_files(self._files, symbols=constants)
        return self._programs[key]


def _neighbours(kernel: _Kernel, arrangement: str, attack: int) -> Neighbours:
    """Victim and attacker, switched on."""
    if arrangement != "virtual machines":
        program = kernel.program(NAMESPACES=int(arrangement == "containers"))
        machine = Machine(program, memory=_MEMORY)
        both = Neighbours(machine, machine, machine)
    else:
        program = kernel.program(VICTIM=0)
        machine = Machine(memory=_MEMORY)
        hypervisor = Hypervisor(machine)
        victim = hypervisor.create_vm(kernel.program(ATTACKER=0), memory=_GUEST_MEMORY, name="victim")
        both = Neighbours(
            machine, victim, hypervisor.create_vm(program, memory=_GUEST_MEMORY, name="attacker")
        )
    # The guest's constant ATTACK, put in by hand: so one image serves all attacks.
    both.attacker.memory.poke(_place_of_attack(program), attack.to_bytes(8, "little"))
    return both


def _place_of_attack(program: Program) -> int:
    if "attack" in program.symbols:
        return program.symbols["attack"]
    raise VlabError(_("This kernel's attacker has no word {name!r}.").format(name="attack"))


def _quiet(kernel: _Kernel, arrangement: str) -> tuple[str, ...]:
    """What the victim says while the attacker does nothing."""
    both = _neighbours(kernel, arrangement, 0)
    both.run()
    lines = _lines(both.victim, "victim: ")
    if lines[-1:] != ("victim: done",):
        raise VlabError(
            _("The victim does not come to its end, though nobody attacks it."),
            where=arrangement_title(arrangement),
            mend=_("Look at what its kernel says: {said}").format(said=one_line(both.victim.console[-200:])),
        )
    return lines


def _lines(computer: Computer, *starts: str) -> tuple[str, ...]:
    """The lines on a computer's console that begin so."""
    return tuple(line for line in computer.console.split("\n") if line.startswith(starts))


def _expect(name: object, known: tuple[str, ...], what: str) -> None:
    if name not in known:
        raise unknown(what, name, known)
