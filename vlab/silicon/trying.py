"""Privileged instructions, executed by a process in user mode on the reader's own CPU, and what becomes of them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from vlab.display import view
from vlab.language import VlabError, _, unknown
from vlab.silicon.asking import Recorded, Sourced, Unavailable, ask_child, live_or_recorded
from vlab.silicon.fields import Fields
from vlab.silicon.hosts import Host, machine_name
from vlab.silicon.instructions import SHARED, Instruction, find, instructions_of

OUTCOMES = ("trapped", "ignored", "read", "done")
_ADDRESSES = ("instruction", "none", "elsewhere", "unknown")
# What si_code says of the two signals that such a trap becomes (sigaction(2)).
_CODES = {
    ("SIGSEGV", 1): "SEGV_MAPERR",
    ("SIGSEGV", 2): "SEGV_ACCERR",
    ("SIGSEGV", 128): "SI_KERNEL",
    ("SIGILL", 1): "ILL_ILLOPC",
    ("SIGILL", 2): "ILL_ILLOPN",
    ("SIGILL", 5): "ILL_PRVOPC",
    ("SIGILL", 128): "SI_KERNEL",
}


@dataclass(frozen=True, repr=False)
class Attempt(Sourced):
    """What became of one instruction in user mode.

    `signal` is the one that the host's kernel sent ("": none came), `si_code` what the kernel says of it, `address`
    whether it named the "instruction", "none" or a place "elsewhere", and `at` whether the process stood at the
    instruction, which so has not been executed; None and "unknown" where tracing is forbidden. `result`
    is what came out of one that ran. `live`: on this computer; else `why` says why not.
    """

    asked: str
    instruction: Instruction
    host: Host
    signal: str = ""
    si_code: int | None = None
    address: str = "unknown"
    at: bool | None = None
    result: int | None = None
    live: bool = False
    why: str = ""

    @property
    def outcome(self) -> str:
        """One of OUTCOMES: it "trapped", was "ignored" without a trap, has "read" something, or was "done"."""
        if self.signal:
            return "trapped"
        kept = self.instruction.kept
        if kept is not None and self.result is not None and self.result & kept.mask == kept.value:
            return "ignored"
        return "read" if self.instruction.reads else "done"

    @property
    def what(self) -> str:
        """What was asked for: an act, or an instruction by its name."""
        if self.asked == self.instruction.act:
            return self.instruction.title
        return f"{self.instruction.text} ({self.instruction.title})"

    @property
    def code_name(self) -> str:
        """The name of `si_code`; its number where it has none, "" where it isn't known."""
        if self.si_code is None:
            return ""
        return _CODES.get((self.signal, self.si_code), str(self.si_code))

    def __repr__(self) -> str:
        """What is claimed, the same on every host."""
        return {
            "trapped": _(
                "Tried in user mode on a real CPU: {what}. It was not executed: the CPU trapped, the host's kernel "
                "caught the trap, and it sent the process a signal."
            ),
            "ignored": _(
                "Tried in user mode on a real CPU: {what}. It was passed over in silence: it had no effect, there was "
                "no trap, and the host's kernel heard nothing."
            ),
            "read": _(
                "Tried in user mode on a real CPU: {what}. The process was given a value, and no signal."
            ),
            "done": _("Tried in user mode on a real CPU: {what}. It was done."),
        }[self.outcome].format(what=self.what)

    @property
    def particulars(self) -> str:
        """What was seen on this host: bytes, signal, place, value."""
        code = f"{self.instruction.text}: {self.instruction.code.hex(' ')}"
        if not self.signal:
            return code + ("" if self.result is None else f" → {self.result:#x}")
        named = f" ({self.code_name})" if self.si_code is not None else ""
        place = {True: _("at the instruction"), False: _("not at the instruction"), None: ""}[self.at]
        return ", ".join(part for part in (f"{code} → {self.signal}{named}", place) if part)

    @property
    def details(self) -> Any:
        """The picture with all that was seen on this host."""
        return view("attempt_picture")(self, details=True)

    def to_json(self) -> dict[str, Any]:
        """As plain data, without the host."""
        seen = {"signal": self.signal, "si_code": self.si_code, "address": self.address, "at": self.at}
        return {"name": self.instruction.name, **(seen if self.signal else {"result": self.result})}


@dataclass(frozen=True, repr=False)
class Attempts(Sourced):
    """All instructions of one machine, tried one after the other: to be iterated, indexed by name, and counted."""

    rows: tuple[Attempt, ...]
    host: Host
    live: bool = False
    why: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Attempt]:
        return iter(self.rows)

    def __getitem__(self, name: str) -> Attempt:
        """The attempt by the instruction's name or by what it asks for. Raises VlabError where there is none."""
        for row in self.rows:
            if name in (row.instruction.name, row.instruction.text, row.instruction.act):
                return row
        what = _("{name!r} was not tried.").format(name=str(name)[:40])
        raise unknown(what, name, (row.instruction.name for row in self.rows))

    @property
    def counts(self) -> Counter[str]:
        """How many ended in which way, in the order of OUTCOMES."""
        found = Counter(row.outcome for row in self.rows)
        return Counter({outcome: found[outcome] for outcome in OUTCOMES if found[outcome]})

    def only(self, outcome: str) -> "Attempts":
        """Those that ended in one way. Raises VlabError for what is no outcome."""
        if outcome not in OUTCOMES:
            raise unknown(_("There is no outcome {outcome!r}.").format(outcome=outcome), outcome, OUTCOMES)
        return Attempts(
            tuple(row for row in self.rows if row.outcome == outcome), self.host, self.live, self.why
        )

    def shared(self) -> list[Attempt]:
        """Those that every machine has an instruction for, one for each act."""
        by_act = {row.instruction.act: row for row in reversed(self.rows)}
        return [by_act[act] for act in SHARED if act in by_act]

    def __repr__(self) -> str:
        done = [row for row in self.rows if row.outcome == "done"]
        if done:
            names = ", ".join(row.instruction.text for row in done)
            return _("Tried in user mode on a real CPU: {names} was done, and only a kernel may.").format(
                names=names
            )
        return _(
            "Tried in user mode on a real CPU: of what only a kernel may do, nothing was done. Each such instruction "
            "trapped to the host's kernel, or passed without its effect."
        )

    @property
    def particulars(self) -> str:
        """How many trapped, were ignored, or gave a value."""
        words = {
            "trapped": _("{count} trapped"),
            "ignored": _("{count} passed over in silence"),
            "read": _("{count} gave a value"),
            "done": _("{count} done"),
        }
        counted = ", ".join(words[outcome].format(count=count) for outcome, count in self.counts.items())
        return _("{total} instructions: {counted}.").format(total=len(self), counted=counted)

    @property
    def details(self) -> Any:
        """The picture with all that was seen on this host: a row for each instruction."""
        return view("attempts_picture")(self, details=True)


def try_instruction(asked: str, *, live: bool = True) -> Attempt:
    """Execute one instruction in user mode, in a child process, and see what the host does.

    `asked` is what it asks for, on any machine ("interrupts off", "page tables"; see `SHARED`), or an instruction by
    its name ("cli", "popf"). With live=False, or where this computer can't, the recorded attempt is given.

    Raises:
        VlabError: for what no machine knows, and for another machine's instruction of which nothing is recorded.
    """
    mine = find(asked, machine_name())

    def try_it(host: Host) -> Attempt:
        if mine is None or mine.machine != host.machine:
            raise Unavailable(
                _("the CPU is {machine}, which has no such instruction").format(machine=host.machine)
            )
        (found,) = _tried((mine,), host)
        if isinstance(found, str):
            raise Unavailable(found)
        return _renamed(found, asked)

    def take(data: Recorded, why: str) -> Attempt:
        row = find(asked, data.host.machine)
        if row is None or row.machine != data.host.machine:
            raise VlabError(
                _("Nothing is recorded of {asked!r}.").format(asked=asked),
                mend=_("Run it on a computer that has it, with Linux."),
            )
        return _renamed(_recorded(data, why)[row.name], asked)

    return live_or_recorded(live, try_it, take)


def try_all(*, live: bool = True) -> Attempts:
    """Execute every instruction of this machine's table, as `try_instruction` does, each in a process of its own."""

    def try_it(host: Host) -> Attempts:
        wanted = instructions_of(host.machine)
        if not wanted:
            raise Unavailable(
                _("the CPU is {machine}, for which there is no table").format(machine=host.machine)
            )
        tried = _tried(wanted, host)
        found = tuple(row for row in tried if isinstance(row, Attempt))
        if len(found) < len(tried):
            raise Unavailable(next(row for row in tried if isinstance(row, str)))
        return Attempts(found, host, live=True)

    return live_or_recorded(live, try_it, _recorded)


def attempt_from(fields: Fields, instruction: Instruction, host: Host, live: bool, why: str) -> Attempt:
    """An attempt from plain data. Raises VlabError where it is none."""
    asked = instruction.name
    if fields.has("result"):
        return Attempt(asked, instruction, host, result=fields.number("result"), live=live, why=why)
    if not fields.has("signal"):
        raise fields.bad("signal")
    return Attempt(
        asked,
        instruction,
        host,
        signal=fields.word("signal"),
        si_code=fields.number("si_code"),
        address=fields.word("address", choices=_ADDRESSES),
        at=fields.yes_or_no("at") if fields.has("at") else None,
        live=live,
        why=why,
    )


def _tried(wanted: tuple[Instruction, ...], host: Host) -> list[Attempt | str]:
    """Every instruction, tried now; in place of one that could not be, why."""
    parts = ("before", "code", "after")
    request = [{part: getattr(row, part).hex() for part in parts} for row in wanted]
    answers = list(ask_child("execute", request).rows("answer"))
    if len(answers) != len(wanted):
        raise Unavailable(_("the child process failed ({status})").format(status="?"))
    return [
        _why(answer.word("error")) if answer.has("error") else attempt_from(answer, row, host, True, "")
        for row, answer in zip(wanted, answers, strict=True)
    ]


def _why(error: str) -> str:
    if error == "time":
        return _("the instruction took too long")
    return _("no instruction can be put into memory and executed ({why})").format(why=error)


def _recorded(data: Recorded, why: str = "") -> Attempts:
    known = {row.name: row for row in instructions_of(data.host.machine)}
    rows = []
    for fields in data.fields.rows("attempts"):
        name = fields.word("name", choices=tuple(known))
        rows.append(attempt_from(fields, known[name], data.host, False, why))
    return Attempts(tuple(rows), data.host, why=why)


def _renamed(attempt: Attempt, asked: str) -> Attempt:
    return replace(attempt, asked=asked)
