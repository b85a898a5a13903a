"""Judging replies: they are compared with the key, and the smallest case that differs is explained."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from vlab.course.asking import Reply
from vlab.course.exercises import Case, Exercise, shown
from vlab.course.values import listed, plain, same
from vlab.language import _

_LONGEST = 400  # characters of one line of an explanation


@dataclass(frozen=True)
class Why:
    """Why a reply is wrong: the rule that it breaks, and the step at which it parts from the right one."""

    rule: str
    step: str = ""


def _shown_apart(right: Any, given: Any) -> tuple[str, str]:
    """Two plain values as text, each reduced to where they differ."""
    return tuple(map(shown, differences(right, given)))  # type: ignore[return-value]


@dataclass(frozen=True)
class Key:
    """What is right. `answer` gives it for a case; `explain` takes the case, the right reply and the reader's.

    `returns` says in words what kind of value is wanted. `show` gives the texts of the right reply and the reader's.
    `picture` gives something to draw, or None.
    """

    answer: Callable[[Case], Any]
    explain: Callable[[Case, Any, Any], Why]
    returns: Callable[[], str]
    show: Callable[[Any, Any], tuple[str, str]] = _shown_apart
    picture: Callable[[Case], Any] = lambda case: None


@dataclass(frozen=True)
class Verdict:
    """What became of one exercise. `state` is "right", "wrong" or "pending"; `wrong` counts the cases that differ."""

    exercise: str
    state: str
    lines: tuple[str, ...]
    picture: Any = None

    def __str__(self) -> str:
        return "\n".join(self.lines)


def judge(exercise: Exercise, key: Key, seed: int, replies: list[Reply]) -> Verdict:
    """Compare all replies with the key."""
    cases = exercise.cases(seed)
    if any(reply.kind == "pending" for reply in replies):
        return Verdict(exercise.id, "pending", (_("{id} is not written yet.").format(id=exercise.id),))
    right = [plain(key.answer(case)) for case in cases]
    replies = [*replies, *[Reply("unasked")] * (len(cases) - len(replies))]
    pairs = enumerate(zip(right, replies, strict=False))
    wrong = [at for at, (wanted, reply) in pairs if reply.kind != "value" or not same(wanted, reply.value)]
    if len(replies) > len(cases):
        said = _("{id} wrong: it gives more replies than there are cases.")
        return Verdict(exercise.id, "wrong", (said.format(id=exercise.id),))
    if wrong:
        asked = [at for at in wrong if replies[at].kind != "unasked"]
        head = _("{id} wrong in {wrong} of {count} cases. The smallest:").format(
            id=exercise.id, wrong=len(asked), count=len(cases)
        )
        at = wrong[0]
        rows = _rows(exercise, key, cases[at], right[at], replies[at])
        return Verdict(exercise.id, "wrong", (head, *rows), key.picture(cases[at]))
    digest = sha256("\n".join(reply.told for reply in replies).encode()).hexdigest()[:8]
    line = _("{id} right: {count} cases, answers {digest}").format(
        id=exercise.id, count=len(cases), digest=digest
    )
    return Verdict(exercise.id, "right", (line,))


def _rows(exercise: Exercise, key: Key, case: Case, right: Any, reply: Reply) -> list[str]:
    """What a wrong case was, what was expected, what came, and why that is wrong."""
    if reply.kind == "value" and _fits(right, reply.value):
        why, wanted, given = _explained(key, case, right, reply.value)
        more = [(_("differs at"), why.step), (_("rule"), why.rule)]
    else:
        wanted, given, more = key.show(right, right)[0], _trouble(key, reply), []
    parts = [(_("expected"), wanted), (_("yours"), given), *more]
    rows = [(name, _cut(text)) for name, text in parts if text]
    width = max(len(name) for name, _text in rows)
    return [f"  {exercise.show(exercise.name, case)}", *(f"  {name:{width}}  {text}" for name, text in rows)]


def _explained(key: Key, case: Case, right: Any, given: Any) -> tuple[Why, str, str]:
    """Why a reply is wrong, and the texts of the right one and the reader's. A reply may have any shape."""
    try:
        why = _about_keys(right, given) or key.explain(case, listed(right), listed(given))
        return why, *key.show(right, given)
    except (LookupError, TypeError, ValueError, AttributeError, StopIteration):
        return Why(_("It has not the shape of what was expected.")), shown(right), shown(given)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " …"


def _fits(right: Any, given: Any) -> bool:
    """Whether a plain value is of the kind that is wanted, as far as it matters: None may stand beside any number."""
    if isinstance(right, bool):
        return isinstance(given, bool)
    return _kind(listed(given)) == _kind(listed(right))


def _kind(value: Any) -> str:
    return "one" if value is None or isinstance(value, int) else type(value).__name__


def _about_keys(right: Any, given: Any) -> Why | None:
    """Where a dictionary has keys of another kind than the right one, such as texts for numbers: that."""
    if isinstance(right, dict) and isinstance(given, dict) and right:
        wanted = next(iter(right))
        other = next((key for key in given if _kind(key) != _kind(wanted)), None)
        if other is not None and all(_kind(key) == _kind(wanted) for key in right):
            said = _("The keys of the dictionary are such as {wanted}, not {other}.")
            return Why(said.format(wanted=shown(wanted), other=shown(other)))
        pairs = [(part, given[key]) for key, part in right.items() if key in given]
    elif isinstance(right, list | tuple) and isinstance(given, list | tuple):
        pairs = list(zip(right, given, strict=False))
    else:
        pairs = []
    return next((why for one, other in pairs if (why := _about_keys(one, other))), None)


def _trouble(key: Key, reply: Reply) -> str:
    """Why a reply is no answer, in words."""
    match reply.kind:
        case "value":
            said = _("returns {value}, which is not {wanted}")
            return said.format(value=shown(reply.value), wanted=key.returns())
        case "raised":
            return _("raises {note}").format(note=reply.note)
        case "endless":
            return _("does not come to an end within {note} seconds").format(note=reply.note)
        case "memory":
            return _("needs more memory than there is")
        case "changed":
            return _("changes its arguments; it should only look at them")
        case "printed":
            said = _("prints {note!r} and returns nothing; it should return {wanted}")
            return said.format(note=reply.note, wanted=key.returns())
        case "strange":
            said = _("returns something that can't be compared ({note}); it should return {wanted}")
            return said.format(note=reply.note, wanted=key.returns())
        case "misused":
            return reply.note
    return _("gives no reply")


def differences(right: Any, given: Any) -> tuple[Any, Any]:
    """Two plain values, each reduced to where they differ: of dictionaries only those entries are kept."""
    if not isinstance(right, dict) or not isinstance(given, dict) or same(right, given):
        return right, given
    apart = [
        name
        for name in {**right, **given}
        if (name in right) != (name in given) or not same(right[name], given[name])
    ]
    parts = {name: differences(right.get(name), given.get(name)) for name in apart}
    return tuple(
        {n: pair[at] for n, pair in parts.items() if n in side} for at, side in enumerate((right, given))
    )  # type: ignore[return-value]
