"""Unix signals held back and delivered, on the reader's own computer: the same story as virtual interrupts.

A signal that is blocked stays pending, once, however often it is sent; it is delivered the moment it is unblocked,
the lowest number first; a process can wait for one that it blocks, as a CPU in `wfi` waits for an interrupt. A
handler runs with all signals held back, as an interrupt's handler runs with interrupts off.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from vlab.display import view
from vlab.language import VlabError, _
from vlab.silicon.asking import Recorded, Sourced, Unavailable, ask_child, live_or_recorded
from vlab.silicon.fields import Fields
from vlab.silicon.hosts import Host

VERBS = ("block", "unblock", "send", "alarm", "wait")
SIGNALS = ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGTERM")
_MOST_STEPS = 20
# Two signals arrive while both are held back, one of them twice; then they are let in. At last the process sleeps
# until a timer's signal, which no handler ever sees.
SCRIPT = (
    "block SIGUSR1 SIGUSR2",
    "send SIGUSR2",
    "send SIGUSR1",
    "send SIGUSR1",
    "unblock SIGUSR1 SIGUSR2",
    "send SIGUSR1",
    "block SIGALRM",
    "alarm SIGALRM",
    "wait SIGALRM",
)


@dataclass(frozen=True)
class Moment:
    """One step of a script, and what the kernel says after it.

    `pending` are the signals that wait, `delivered` those whose handler was entered during the step, in that order,
    and `taken` the one that a "wait" took without a handler ("": none).
    """

    verb: str
    signals: tuple[str, ...]
    pending: tuple[str, ...] = ()
    delivered: tuple[str, ...] = ()
    taken: str = ""

    @property
    def step(self) -> str:
        """The step as it is written in a script."""
        return " ".join((self.verb, *self.signals))

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        seen = {"pending": [*self.pending], "delivered": [*self.delivered], "taken": self.taken}
        return {"step": [self.verb, *self.signals], **seen}


@dataclass(frozen=True)
class SignalJourney:
    """One signal's way, in steps of the script: sent (and pending), held back or not, and delivered.

    `merged` are the steps at which it was sent again and nothing was added. `delivered` and `taken` are the steps
    of its end: by a handler, or by a wait. None: not in the script.
    """

    signal: str
    pending: int
    merged: tuple[int, ...] = ()
    delivered: int | None = None
    taken: int | None = None

    @property
    def end(self) -> int | None:
        """The step at which it was pending no more."""
        return self.delivered if self.delivered is not None else self.taken

    @property
    def waited(self) -> int | None:
        """For how many steps it was held back."""
        return None if self.end is None else self.end - self.pending


@dataclass(frozen=True, repr=False)
class SignalRun(Sourced):
    """A script of signals that a process sent itself, moment by moment: to be iterated, indexed and counted."""

    moments: tuple[Moment, ...]
    host: Host
    live: bool = False
    why: str = ""

    def __len__(self) -> int:
        return len(self.moments)

    def __iter__(self) -> Iterator[Moment]:
        return iter(self.moments)

    def __getitem__(self, step: int) -> Moment:
        return self.moments[step]

    @property
    def signals(self) -> tuple[str, ...]:
        """The signals of the script, in the order in which it names them."""
        return tuple(dict.fromkeys(name for moment in self.moments for name in moment.signals))

    @property
    def delivered(self) -> tuple[str, ...]:
        """The signals whose handlers were entered, in that order."""
        return tuple(name for moment in self.moments for name in moment.delivered)

    @property
    def journeys(self) -> tuple[SignalJourney, ...]:
        """Every signal's way from pending to its end, in the order in which they became pending."""
        return tuple(
            sorted(_journeys(self.moments), key=lambda one: (one.pending, self.signals.index(one.signal)))
        )

    def blocked(self, signal: str) -> list[tuple[int, int]]:
        """The stretches of steps (first, end) in which the process held this signal back."""
        found, since = [], None
        for step, moment in enumerate(self.moments):
            if signal in moment.signals and moment.verb == "block" and since is None:
                since = step
            elif signal in moment.signals and moment.verb == "unblock" and since is not None:
                found.append((since, step))
                since = None
        return found if since is None else [*found, (since, len(self.moments))]

    def __repr__(self) -> str:
        journeys = self.journeys
        held = [one for one in journeys if one.waited != 0]
        said = _(
            "Signals: {steps} steps; {sent} sent, {merged} of them merged with one that was pending; {held} held back"
        )
        parts = said.format(
            steps=len(self),
            sent=sum(len(moment.signals) for moment in self.moments if moment.verb == "send"),
            merged=sum(len(one.merged) for one in journeys),
            held=len(held),
        )
        order = ", ".join(self.delivered) or _("none")
        taken = ", ".join(moment.taken for moment in self.moments if moment.taken)
        words = _("{parts}. Delivered, in this order: {order}.").format(parts=parts, order=order)
        return words + (" " + _("Taken by a wait: {taken}.").format(taken=taken) if taken else "")

    @property
    def details(self) -> Any:
        """The picture, with the host that it comes from."""
        return view("signals_picture")(self, details=True)

    def beside(self, interrupts: Any) -> Any:
        """The picture of this run and, under it in the same grammar, of virtual interrupts.

        `interrupts` is a recording of a machine with a VM, or what its `interrupts()` gives.
        """
        return view("signals_beside_interrupts")(self, interrupts)


def run_signals(script: Iterable[str] = SCRIPT, *, live: bool = True) -> SignalRun:
    """Play a script of signals in a child process, which sends them to itself alone.

    A step is a verb and some signals: "block SIGUSR1 SIGUSR2", "unblock …", "send …", "alarm SIGALRM" (the system's
    timer sends it, a moment later), "wait …" (sleep until one of them is pending, and take it). With live=False,
    or where the host has no signals, what was recorded of `SCRIPT` is given.

    Raises:
        VlabError: for what is no script, for one that would wait for ever, and for another one than `SCRIPT` where
            it can't be run.
    """
    steps = parse(script)

    def try_it(host: Host) -> SignalRun:
        answers = list(ask_child("signals", {"steps": steps}).rows("answer"))
        if answers and answers[-1].has("error"):
            raise VlabError(
                _(
                    "At step {step} ({words}) the process would wait for ever: none of these is pending."
                ).format(step=len(answers) - 1, words=" ".join(steps[len(answers) - 1])),
                mend=_("Send one of them before, while it is blocked."),
            )
        if len(answers) != len(steps):
            raise Unavailable(_("the child process failed ({status})").format(status="?"))
        return SignalRun(tuple(map(moment_from, steps, answers)), host, live=True)

    def take(data: Recorded, why: str) -> SignalRun:
        rows = [(row.words("step"), row) for row in data.fields.rows("signals")]
        if [list(step) for step, _row in rows] != steps:
            raise VlabError(
                _("Nothing is recorded of this script."),
                mend=_("Run it on a computer with Linux: {why}.").format(why=why),
            )
        return SignalRun(tuple(moment_from(step, row) for step, row in rows), data.host, why=why)

    return live_or_recorded(live, try_it, take)


def parse(script: Iterable[str]) -> list[list[str]]:
    """The steps of a script as verbs and signals. Raises VlabError for what is none."""
    steps = [str(step).split() for step in ([script] if isinstance(script, str) else script)]
    if not 0 < len(steps) <= _MOST_STEPS:
        raise VlabError(_("A script has from 1 to {most} steps.").format(most=_MOST_STEPS))
    blocked: set[str] = set()
    for number, step in enumerate(steps):
        verb, names = (step[0], step[1:]) if step else ("", [])
        wrong = verb not in VERBS or not names or not {*names} <= {*SIGNALS}
        if wrong or (verb == "alarm" and names != ["SIGALRM"]):
            raise VlabError(
                _("Step {number} is no step of a script: {step!r}.").format(
                    number=number, step=" ".join(step)[:40]
                ),
                mend=_("Write a verb ({verbs}) and signals ({signals}).").format(
                    verbs=", ".join(VERBS), signals=", ".join(SIGNALS)
                ),
            )
        if verb in ("wait", "alarm") and not {*names} <= blocked:
            raise VlabError(
                _("Step {number}: what is waited for must be blocked.").format(number=number),
                mend=_("Put {step!r} before it.").format(step=" ".join(("block", *names))),
            )
        if verb == "block":
            blocked |= {*names}
        elif verb == "unblock":
            blocked -= {*names}
    return steps


def moment_from(step: Iterable[str], fields: Fields) -> Moment:
    """A moment from plain data. Raises VlabError where it is none."""
    verb, *names = step
    seen = fields.words("pending"), fields.words("delivered"), fields.word("taken")
    if verb not in VERBS or not {*names, *seen[0], *seen[1], seen[2]} <= {*SIGNALS, ""}:
        raise fields.bad(verb)
    return Moment(verb, tuple(names), *seen)


def _journeys(moments: tuple[Moment, ...]) -> Iterator[SignalJourney]:
    open_: dict[str, tuple[int, list[int]]] = {}
    for step, moment in enumerate(moments):
        for name in moment.signals if moment.verb == "send" else ():
            if name in open_:
                open_[name][1].append(step)
            open_.setdefault(name, (step, []))
        for name in moment.pending:
            open_.setdefault(name, (step, []))
        ended = [(name, True) for name in moment.delivered] + [(moment.taken, False)] * bool(moment.taken)
        for name, handled in ended:
            start, merged = open_.pop(name, (step, []))
            yield SignalJourney(
                name, start, tuple(merged), step if handled else None, None if handled else step
            )
    yield from (SignalJourney(name, start, tuple(merged)) for name, (start, merged) in open_.items())
