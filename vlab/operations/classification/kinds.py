"""What an instruction can be found to be, and the experiment that showed it.

Popek and Goldberg (1974, section 3) say: an instruction is *privileged* if it traps in the lower mode and doesn't
in the higher one, the state being the same otherwise. It is *control-sensitive* if in some state it changes
the mode or the resources that a program can reach, without a trap. It is *behaviour-sensitive* if what it does
depends on where a program lies in memory, or on the mode. All others are *innocuous*.

Their machine has no other control state than mode and relocation. RISC-V has, in CSRs. So here is a third kind
of behaviour-sensitive ones: what it does depends on those, the rest being the same. (Robin and Irvine, 2000,
looked for the same on the Pentium: instructions that read sensitive registers.)
"""

from dataclasses import dataclass
from enum import Enum

from vlab.display import Drawn
from vlab.language import _
from vlab.operations.classification.experiments import Outcome, State
from vlab.riscv import Mode, disassemble


class Kind(Enum):
    """In which way an instruction is sensitive. TIME isn't one of the paper's: its machine has no clock."""

    CONTROL = "control"
    LOCATION = "location"
    MODE = "mode"
    REGISTER = "register"
    TIME = "time"

    @property
    def title(self) -> str:
        """The kind in the reader's language."""
        return {
            Kind.CONTROL: _("changes the control state"),
            Kind.LOCATION: _("depends on where its program lies"),
            Kind.MODE: _("depends on the mode"),
            Kind.REGISTER: _("depends on control registers"),
            Kind.TIME: _("depends on the time"),
        }[self]


SENSITIVE = (Kind.CONTROL, Kind.LOCATION, Kind.MODE, Kind.REGISTER)
_FIELDS = {"mode": Kind.MODE, "place": Kind.LOCATION, "control": Kind.REGISTER, "time": Kind.TIME}


@dataclass(frozen=True)
class Evidence(Drawn):
    """One experiment, or two compared: the instruction, the state, and the first difference that was observed.

    `what` is a register, a CSR, "mode", "waiting", "TLB", "memory" or "reserved". For CONTROL, `values` are before
    and after; for the others, in the first state and in `other`.
    """

    kind: Kind
    word: int
    state: State
    other: State | None
    what: str
    values: tuple[int | bytes, int | bytes]

    @property
    def instruction(self) -> str:
        """The instruction in assembly."""
        return disassemble(self.word)

    def __repr__(self) -> str:
        first, second = (_shown(self.what, value) for value in self.values)
        words = {
            Kind.CONTROL: _("{instruction} in {mode}, {place}: {what} was {first}, is {second}"),
            Kind.LOCATION: _(
                "{instruction} in {mode}: {what} is {first}, and {second} if the program lies elsewhere"
            ),
            Kind.MODE: _("{instruction}, {place}: {what} is {first} in {mode}, and {second} in {other}"),
            Kind.REGISTER: _(
                "{instruction} in {mode}, {place}: {what} is {first}, and {second} if CSRs hold others"
            ),
            Kind.TIME: _("{instruction} in {mode}, {place}: {what} is {first}, and {second} later"),
        }[self.kind]
        return words.format(
            instruction=self.instruction,
            mode=self.state.mode,
            other=self.other.mode if self.other else "",
            place=_("translated") if self.state.place is not None else _("not translated"),
            what=self.what,
            first=first,
            second=second,
        )


def _shown(what: str, value: int | bytes) -> str:
    """A value that was observed, as text."""
    if isinstance(value, bytes):
        return _("{count} bytes").format(count=len(value))
    return str(Mode(value)) if what == "mode" else f"{value:#x}"


@dataclass(frozen=True)
class Classified(Drawn):
    """One instruction between two modes. For accesses to CSRs, each form with each CSR is one.

    `evidence` has an example for each kind in which it was found to be sensitive. An experiment can show that an
    instruction is sensitive, not that it never is: `innocuous` means that nothing was found.
    """

    name: str
    csr: str
    low: Mode
    high: Mode
    traps: bool
    privileged: bool
    evidence: tuple[Evidence, ...]

    @property
    def text(self) -> str:
        """The instruction, and its CSR if it accesses one: "csrrw satp"."""
        return f"{self.name} {self.csr}".rstrip()

    @property
    def kinds(self) -> frozenset[Kind]:
        """All kinds in which it was found to be sensitive, TIME too."""
        return frozenset(one.kind for one in self.evidence)

    @property
    def control_sensitive(self) -> bool:
        """Whether it was seen to change the control state."""
        return Kind.CONTROL in self.kinds

    @property
    def behaviour_sensitive(self) -> bool:
        """Whether what it does was seen to depend on place, mode or control registers."""
        return not self.kinds.isdisjoint(SENSITIVE[1:])

    @property
    def sensitive(self) -> bool:
        """Control-sensitive or behaviour-sensitive."""
        return self.control_sensitive or self.behaviour_sensitive

    @property
    def innocuous(self) -> bool:
        """Neither: it may run directly, whatever the mode."""
        return not self.sensitive

    @property
    def timed(self) -> bool:
        """Whether what it does was seen to depend on the time: nothing that the paper's machine has."""
        return Kind.TIME in self.kinds

    @property
    def culprit(self) -> bool:
        """Sensitive, and not privileged: a monitor doesn't hear of it."""
        return self.sensitive and not self.privileged

    @property
    def verdict(self) -> str:
        """In a few words: what it is."""
        if self.traps:
            return _("traps in both modes")
        kinds = ", ".join(kind.title for kind in Kind if kind in self.kinds)
        sensitive = kinds or _("innocuous")
        return _("privileged: {kinds}").format(kinds=sensitive) if self.privileged else sensitive

    def __repr__(self) -> str:
        return _("{text}, {low} below {high}: {verdict}").format(
            text=self.text, low=self.low, high=self.high, verdict=self.verdict
        )


def first_difference(word: int, state: State, other: State, one: Outcome, two: Outcome) -> Evidence | None:
    """What a program sees otherwise in two states that differ in one thing; None if nothing, or one of them traps."""
    if one.cause is not None or two.cause is not None:
        return None
    for what, value in one.seen.items():
        if two.seen[what] != value:
            kind = next(_FIELDS[name] for name in _FIELDS if getattr(state, name) != getattr(other, name))
            return Evidence(kind, word, state, other, what, (value, two.seen[what]))
    return None


def control_change(word: int, state: State, outcome: Outcome) -> Evidence | None:
    """What an instruction changed in the control state; None if nothing, or if it traps."""
    for what, value in outcome.control.items():
        if outcome.before[what] != value:
            return Evidence(Kind.CONTROL, word, state, None, what, (outcome.before[what], value))
    return None
