"""What is wrong with an assembly text: where, shown with a caret, and how to mend it."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlab.language import VlabError, _

if TYPE_CHECKING:
    from vlab.riscv.assembler.lines import Line

_SHOWN = 10
_LONGEST_WORD = 32
_LONGEST_TEXT = 160
_FURTHEST = 3


class Mistake(Exception):
    """What is wrong with a statement, and at which column (from 0) of its line.

    `line` is that of a definition far from the statement, if that is where the fault lies.
    """

    def __init__(self, what: str, column: int | None = None, mend: str = ""):
        super().__init__(what, column, mend)
        self.line: Line | None = None
        self.what = printable(what)
        self.column = column
        self.mend = printable(mend)


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in its place. `line` and `column` count from 1; `notes` say how the line came about."""

    file: str
    line: int
    column: int
    what: str
    mend: str
    text: str
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        first, column = _window(self.text, self.column - 1)
        shown = self.text[first : first + _LONGEST_TEXT]
        lines = [
            f"{self.file}:{self.line}:{self.column}: {self.what}",
            "    " + printable(shown),
            "    " + "".join(map(_padding, shown[:column])) + "^",
            *([self.mend] if self.mend else []),
            *self.notes,
        ]
        return "\n".join(lines)


class AssemblyError(VlabError):
    """An assembly text that cannot be assembled.

    `file`, `line` and `column` (from 1) are those of the first of its `problems`; its text shows them all.
    """

    def __init__(self, problems: Sequence[Problem], more: bool = False):
        first = problems[0]
        super().__init__(first.what, where=f"{first.file}:{first.line}:{first.column}", mend=first.mend)
        self.problems = tuple(problems)
        self.file, self.line, self.column = first.file, first.line, first.column
        self.more = more

    def __str__(self) -> str:
        parts = [str(problem) for problem in self.problems]
        if self.more:
            parts.append(_("There is more; mend these first."))
        return "\n\n".join(parts)


class Problems:
    """The problems found so far. A reader mends several at once, but not a hundred."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, int, int, str], Problem] = {}

    def add(self, order: int, problem: Problem) -> None:
        """Note a problem; `order` is the place of its file. One line of a macro is reported once."""
        self._found.setdefault((order, problem.line, problem.column, problem.what), problem)

    def __bool__(self) -> bool:
        return bool(self._found)

    @property
    def full(self) -> bool:
        """Whether there are as many as are shown: reading on is no use."""
        return len(self._found) > _SHOWN

    def error(self) -> AssemblyError:
        """The exception that tells of them all, in the order of the text."""
        found = [self._found[key] for key in sorted(self._found)]
        return AssemblyError(found[:_SHOWN], more=len(found) > _SHOWN)


def suggestion(word: str, known: Iterable[str]) -> str:
    """A question whether a word near to this one was meant; empty where no known word is near."""
    from difflib import SequenceMatcher, get_close_matches

    if len(word) > _LONGEST_WORD:
        return ""
    meant = word.lower()
    candidates = sorted({candidate for candidate in known if abs(len(candidate) - len(word)) <= _FURTHEST})
    near = [meant] if meant in candidates else get_close_matches(meant, candidates, 3)
    nearness = [SequenceMatcher(None, candidate, meant).ratio() for candidate in near]
    equal = [
        f"`{candidate}`" for candidate, ratio in zip(near, nearness, strict=True) if ratio == max(nearness)
    ]
    return _("Did you mean {words}?").format(words=_(" or ").join(sorted(equal))) if equal else ""


def _window(text: str, column: int) -> tuple[int, int]:
    """Where the shown part of a long line begins, and the column within it."""
    first = max(0, column - _LONGEST_TEXT // 2) if len(text) > _LONGEST_TEXT else 0
    return first, column - first


def printable(text: str) -> str:
    """The text with stand-ins for control characters: a file must not steer a reader's terminal."""
    return "".join(c if c == "\t" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _padding(character: str) -> str:
    """Blank of the same width, so that the caret stands under its character."""
    if character == "\t":
        return "\t"
    if unicodedata.combining(character):
        return ""
    return "  " if unicodedata.east_asian_width(character) in "WF" else " "
