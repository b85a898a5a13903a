"""Two runs side by side: the first place where they differ, found, named and drawn.

Two computers are stepped together, an instruction of each at a time, and compared whole: pc, mode, registers,
CSRs, time, console, and every double word of memory that either changes. Time is each computer's own, so a bare
machine and a virtual one can be compared. Both are left as they were found. Two recordings are compared event
by event; when and from what an event followed may differ.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import fields
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from vlab.display import Drawn
from vlab.events import Event, Recording
from vlab.language import VlabError, _
from vlab.machine import Computer
from vlab.machine.memory import PAGE
from vlab.riscv import Mode
from vlab.views.computers.states import Attempt, attempts
from vlab.views.words import event_sentence

BEFORE, AFTER = 60, 40  # positions kept before the first difference, and from it on
MOST = 1_000_000  # steps
_ALIGNED = 3000  # events after the first difference that are matched again

Changes = tuple[tuple[str, int, int], ...]
Difference = tuple[str, Any, Any]  # what differs, in the first run, in the second
Word = tuple[int, int, int]  # of memory: its address, what it is in the first run, in the second


class Pair(NamedTuple):
    """A position: the same step of both runs, None where one has ended; before it, and what differs in it.

    Those of the differences that are double words of memory are also in `memory`: (address, in the first, in the
    second).
    """

    at: int
    left: Any
    right: Any
    differences: tuple[Difference, ...]
    memory: tuple[Word, ...] = ()

    @property
    def visible(self) -> bool:
        """Whether more than memory differs."""
        return len(self.differences) > len(self.memory)

    def __repr__(self) -> str:
        names = ", ".join(name for name, _one, _other in self.differences)
        return _("Position {at}: {names}").format(at=self.at, names=names or _("no difference"))


class Comparison(Drawn):
    """Two runs, side by side: `pairs`, their `names`, and where they first differ.

    `first` is the position (counted from where the runs began) of the first difference, None without one;
    `differences` are what differs there as (name, in the first, in the second). Where that is only memory, `later`
    is the first pair in which more differs, None if there is none. Of computers, `pairs` keeps the positions
    around both; of recordings all, aligned anew after the first difference.
    """

    def __init__(self, names: tuple[str, str], pairs: Sequence[Pair], first: int | None, total: int):
        self.names, self.pairs, self.first, self.total = names, list(pairs), first, total

    @property
    def of_events(self) -> bool:
        """Whether recordings are compared."""
        return all(
            isinstance(thing, Event | None) for pair in self.pairs[:1] for thing in (pair.left, pair.right)
        )

    @property
    def differences(self) -> tuple[Difference, ...]:
        """What differs at the first difference."""
        return () if self.first is None else self.pairs[self.place].differences

    @property
    def place(self) -> int:
        """Where in `pairs` the first difference stands; without one, the last pair."""
        return next((n for n, pair in enumerate(self.pairs) if pair.at == self.first), len(self.pairs) - 1)

    @property
    def later(self) -> Pair | None:
        """The first pair in which more than memory differs, where the first difference is only memory."""
        if self.first is None or self.pairs[self.place].visible:
            return None
        return next((pair for pair in self.pairs[self.place :] if pair.visible), None)

    def __repr__(self) -> str:
        if self.first is None:
            count = _("{count} events") if self.of_events else _("{count} steps")
            return _("No difference between {left} and {right} in {count}.").format(
                left=self.names[0], right=self.names[1], count=count.format(count=self.total)
            )
        said = _("{sentence}: the first difference.").format(sentence=self.sentence(self.place))
        if self.later is None:
            return said
        more = _("{sentence}: the first beyond memory.")
        return f"{said} {more.format(sentence=self.sentence(self.pairs.index(self.later)))}"

    def sentence(self, number: int) -> str:
        """What differs in one of the pairs."""
        pair, (left, right) = self.pairs[number], self.names
        at = _("event {at}") if self.of_events else _("step {at}")
        at = at.format(at=pair.at)
        if not pair.differences:
            return _("At {at} {left} and {right} are alike.").format(at=at, left=left, right=right)
        name, one, other = pair.differences[0]
        facts = {"at": at, "left": left, "right": right, "name": name}
        facts |= {"one": shown(one), "other": shown(other)}
        more = len(pair.differences) - 1
        if name in ("event", "end"):
            said = _("At {at} {left}: {one}; {right}: {other}").format(**facts)
        else:
            said = _("At {at} {left} has {name} = {one}, {right} has {name} = {other}").format(**facts)
        return said + (_(" and {more} more").format(more=more) if more else "")


def shown(value: Any) -> str:
    """A value as it is written in a sentence."""
    if isinstance(value, Event):
        return event_sentence(value)
    if isinstance(value, Mode) or value is None:
        return "–" if value is None else str(value)
    if isinstance(value, int):
        return f"{value:#x}"
    return repr(str(value)[-30:])


def compare(
    left: "Computer | Recording",
    right: "Computer | Recording",
    *,
    steps: int = 20_000,
    names: tuple[str, str] | None = None,
) -> Comparison:
    """Find where two runs first differ: of two computers within `steps` instructions of each, or of two recordings.

    `names` is what they are called. Raises VlabError for other things, for two computers in one machine (they
    can't be stepped together), and for more than a million steps.
    """
    if isinstance(left, Recording) and isinstance(right, Recording):
        return _compare_recordings(left, right, names or (_("the first run"), _("the second run")))
    if not isinstance(left, Computer) or not isinstance(right, Computer):
        raise VlabError(
            _("Only two computers, or two recordings, can be compared."),
            mend=_("Write compare(machine, vm), or compare(run_a, run_b)."),
        )
    if left.history is right.history:
        raise VlabError(
            _("Both are the same machine, or run on it, and it can't run both at once."),
            mend=_("Give each a machine of its own."),
        )
    if not 0 <= steps <= MOST:
        raise VlabError(
            _("{steps} steps can't be compared.").format(steps=steps),
            mend=_("Ask for 0 to {most}.").format(most=MOST),
        )
    return _compare_computers(left, right, steps, names or _names(left, right))


def _names(left: Computer, right: Computer) -> tuple[str, str]:
    one, other = (computer.name or _("the machine") for computer in (left, right))
    return (
        (one, other)
        if one != other
        else (_("{name} (first)").format(name=one), _("{name} (second)").format(name=other))
    )


# Computers


def _compare_computers(left: Computer, right: Computer, steps: int, names: tuple[str, str]) -> Comparison:
    pairs: list[Pair] = []
    kept: deque[Pair] = deque(maxlen=BEFORE)  # the last ones before the next difference that is looked for
    first: int | None = None
    after, beyond = 0, False  # positions to keep still; whether more than memory was found to differ
    with ExitStack() as stack:
        recordings = [stack.enter_context(computer.history.ahead()) for computer in (left, right)]
        runs = attempts(left, recordings[0]), attempts(right, recordings[1])
        different = _different_memory(left, right)
        at = 0
        for at in range(steps + 1):
            pair = _pair(at, left, right, next(runs[0], None), next(runs[1], None))
            if pair is None:
                break
            if at == 0:
                pair = _with_memory(pair, different)
            if (pair.visible and not beyond) or (pair.differences and first is None):
                first, beyond = at if first is None else first, pair.visible
                pairs += kept
                kept.clear()
                after = AFTER
            (pairs if after else kept).append(pair)
            after = max(0, after - 1)
            if (beyond and not after) or None in (pair.left, pair.right):
                break
        total = at if pair is not None else at - 1
    return Comparison(names, pairs if first is not None else list(kept), first, total)


def _pair(
    at: int, one: Computer, other: Computer, left: Attempt | None, right: Attempt | None
) -> Pair | None:
    """The two positions and what differs in them; a difference in memory that stays is not told again."""
    if left is None and right is None:
        return None
    if left is None or right is None:
        ended = None if left is None else left.look, None if right is None else right.look
        words = [
            _("has ended") if look is None else _("goes on at {pc:#x}").format(pc=look.pc) for look in ended
        ]
        return Pair(at, *ended, (("end", words[0], words[1]),))
    changed = sorted(left.changed.keys() | right.changed.keys())
    held = ((address, _word(one, address), _word(other, address)) for address in changed)
    pair = Pair(at, left.look, right.look, tuple(left.look.differences(right.look)))
    return _with_memory(pair, tuple(word for word in held if word[1] != word[2]))


def _word(computer: Computer, address: int) -> int:
    """The double word of memory that stands there now; 0 beyond the end of the smaller memory."""
    at = address - computer.memory.base
    held = computer.memory.peek(address, 8) if 0 <= at <= computer.memory.size - 8 else b""
    return int.from_bytes(held, "little")


def _with_memory(pair: Pair, words: tuple[Word, ...]) -> Pair:
    """The pair, with words of memory that differ too."""
    named = ((_("memory at {address:#x}").format(address=at), one, other) for at, one, other in words)
    return pair._replace(differences=(*pair.differences, *named), memory=(*pair.memory, *words))


def _different_memory(left: Computer, right: Computer) -> tuple[Word, ...]:
    """The first double word in which their memories differ as they stand."""
    one, other = left.memory.pages(), right.memory.pages()
    for page in sorted(one.keys() | other.keys()):
        a, b = one.get(page, bytes(PAGE)), other.get(page, bytes(PAGE))
        if a != b:
            at = next(n for n in range(0, PAGE, 8) if a[n : n + 8] != b[n : n + 8])
            one_word, other_word = (int.from_bytes(data[at : at + 8], "little") for data in (a, b))
            return ((left.memory.base + page * PAGE + at, one_word, other_word),)
    return ()


# Recordings


def _compare_recordings(left: Recording, right: Recording, names: tuple[str, str]) -> Comparison:
    one, other = ([_content(event) for event in run.events] for run in (left, right))
    same = 0
    while same < min(len(one), len(other)) and one[same] == other[same]:
        same += 1
    pairs = [Pair(n, left.events[n], right.events[n], ()) for n in range(same)]
    for a, b in _matched(one[same:], other[same:]):
        events = None if a is None else left.events[same + a], None if b is None else right.events[same + b]
        pairs.append(Pair(len(pairs), *events, tuple(_event_differences(*events))))
    first = next((pair.at for pair in pairs if pair.differences), None)
    return Comparison(names, pairs, first, len(pairs))


def _content(event: Event) -> tuple[Any, ...]:
    """What an event says, but for its id and what it follows from."""
    return (
        event.kind,
        *(getattr(event, part.name) for part in fields(event) if part.name not in ("id", "parent")),
    )


def _event_differences(one: Event | None, other: Event | None) -> Iterator[Difference]:
    """Which fields differ, of two events of one kind; of an emulation, which registers. Else the events do."""
    if one is None or other is None or one.kind != other.kind or one.level != other.level:
        yield "event", one, other
        return
    for part in fields(one):
        a, b = getattr(one, part.name), getattr(other, part.name)
        if a == b or part.name in ("id", "parent"):
            continue
        if part.name != "changes":
            yield part.name, a, b
            continue
        yield from _change_differences(a, b)


def _change_differences(one: Changes, other: Changes) -> Iterator[Difference]:
    """Which registers an emulation left different; or, where it left them alike, found different."""
    left, right = ({name: values for name, *values in changes} for changes in (one, other))
    for name in dict.fromkeys([*left, *right]):
        a, b = left.get(name, [None, None]), right.get(name, [None, None])
        if a[1] != b[1]:
            yield name, a[1], b[1]
        elif a[0] != b[0]:
            yield _("{name} before").format(name=name), a[0], b[0]


def _matched(one: list[Any], other: list[Any]) -> Iterator[tuple[int | None, int | None]]:
    """Positions in two runs that belong together, None where only one has the event."""
    a, b = one[:_ALIGNED], other[:_ALIGNED]
    for _tag, a0, a1, b0, b1 in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        for n in range(max(a1 - a0, b1 - b0)):
            yield a0 + n if a0 + n < a1 else None, b0 + n if b0 + n < b1 else None
    for n in range(_ALIGNED, max(len(one), len(other))):
        yield n if n < len(one) else None, n if n < len(other) else None
