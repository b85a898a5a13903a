"""Conditions: `.if` and its relatives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vlab.language import _
from vlab.riscv.assembler.assembly import Assembly
from vlab.riscv.assembler.directives import known, name
from vlab.riscv.assembler.expressions import Cursor
from vlab.riscv.assembler.lines import Statement, Token, tokens
from vlab.riscv.assembler.macros import split_arguments
from vlab.riscv.assembler.problems import Mistake

_COMPARED: dict[str, Callable[[int], bool]] = {
    ".if": lambda value: value != 0,
    ".ifne": lambda value: value != 0,
    ".ifeq": lambda value: value == 0,
    ".ifgt": lambda value: value > 0,
    ".ifge": lambda value: value >= 0,
    ".iflt": lambda value: value < 0,
    ".ifle": lambda value: value <= 0,
}
_OPENING = (*_COMPARED, ".ifdef", ".ifndef", ".ifnotdef", ".ifb", ".ifnb", ".ifc", ".ifnc")
WORDS = (*_OPENING, ".elseif", ".else", ".endif")


@dataclass(slots=True)
class _Open:
    """A condition: where it began, whether its present branch is read, whether one has been read already."""

    statement: Statement
    reading: bool
    taken: bool
    has_else: bool = False


class Conditions:
    """The open conditions, innermost last."""

    def __init__(self, assembly: Assembly):
        self._assembly = assembly
        self._open: list[_Open] = []

    @property
    def reading(self) -> bool:
        """Whether statements are read here, not skipped."""
        return all(condition.reading for condition in self._open[-1:])

    @property
    def depth(self) -> int:
        """How many conditions are open."""
        return len(self._open)

    def step(self, word: str, statement: Statement, at: int) -> None:
        """Act on one of WORDS, which ends at `at` in the statement's text."""
        if word in _OPENING:
            self._begin(word, statement, at)
            return
        if not self._open:
            raise Mistake(_("There is no `.if` before this `{word}`.").format(word=word))
        condition, outside = self._open[-1], self._open[-2:-1]
        if word == ".endif":
            self._open.pop()
        elif condition.has_else:
            raise Mistake(_("The `.else` of this condition is above already."))
        elif word == ".else":
            condition.has_else = True
            condition.reading = not condition.taken and all(o.reading for o in outside)
        elif condition.taken or not all(o.reading for o in outside):
            condition.reading = False
        else:
            condition.reading = condition.taken = self._holds(".if", statement, at)

    def _begin(self, word: str, statement: Statement, at: int) -> None:
        outside = self.reading
        condition = _Open(statement, reading=False, taken=True)
        self._open.append(condition)
        if outside:  # while skipping, `taken` keeps every branch of an inner condition shut
            condition.reading = condition.taken = self._holds(word, statement, at)

    def _holds(self, word: str, statement: Statement, at: int) -> bool:
        if word in (".ifb", ".ifnb"):
            return (not statement.text[at:].strip()) == (word == ".ifb")
        if word in (".ifc", ".ifnc"):
            return self._same(statement, at) == (word == ".ifc")
        cursor = Cursor(_after(statement, at), statement.column + len(statement.text))
        if word in _COMPARED:
            holds = _COMPARED[word](known(self._assembly, cursor))
        else:
            holds = (name(cursor).text in self._assembly.symbols) == (word == ".ifdef")
        cursor.finish()
        return holds

    @staticmethod
    def _same(statement: Statement, at: int) -> bool:
        texts = [text for _place, text in split_arguments(statement.text[at:])]
        if len(texts) != 2:
            raise Mistake(_("Two texts with a comma between them are needed here."), statement.column + at)
        return texts[0] == texts[1]

    def close(self, depth: int) -> list[Statement]:
        """Give up all conditions beyond a depth; return where they began."""
        left = [condition.statement for condition in self._open[depth:]]
        del self._open[depth:]
        return left


def _after(statement: Statement, at: int) -> Sequence[Token]:
    return [token for token in tokens(statement) if token.column >= statement.column + at]
