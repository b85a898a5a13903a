"""Which statements are read, and by whom: macros, repetitions and conditions; directives and instructions."""

import re
from collections.abc import Iterable, Iterator, Mapping

from vlab.language import _
from vlab.riscv.assembler.assembly import Assembly
from vlab.riscv.assembler.conditions import WORDS, Conditions
from vlab.riscv.assembler.directives import DIRECTIVES, assign, directive, known
from vlab.riscv.assembler.expressions import Cursor
from vlab.riscv.assembler.instructions import instruction
from vlab.riscv.assembler.lines import Statement, Token, tokens
from vlab.riscv.assembler.macros import NAME, Macro, arguments, parameters, rounds, substitute
from vlab.riscv.assembler.problems import Mistake, suggestion
from vlab.riscv.pseudo import FORMS

_MOST_STATEMENTS = 50_000
_DEEPEST = 60
_MOST_NOTES = 4
_HEAD = re.compile(r"(?:[\w.$]+\s*:\s*)*([\w.$]+)")
_ENDS = {
    ".macro": (".endm", ".endmacro"),
    ".rept": (".endr",),
    ".irp": (".endr",),
    ".irpc": (".endr",),
}
_CLOSING = (".endm", ".endmacro", ".endr", ".exitm")
FLOW_WORDS = (*WORDS, *_ENDS, *_CLOSING, ".purgem", ".end")


class _TooMany(Exception):
    """So many problems are found that reading on is no use."""


class _Leave(Exception):
    """`.exitm` was read: the expansion ends here."""


class _End(Exception):
    """`.end` was read: the text ends here."""


class Flow:
    """Reads statements, and hands each to what it means."""

    def __init__(self, assembly: Assembly):
        self._assembly = assembly
        self._conditions = Conditions(assembly)
        self._macros: dict[str, Macro] = {}
        self._depth = 0
        self._uses = 0
        self._made = 0

    def read(self, statements: Iterable[Statement]) -> None:
        """Read a whole text. Problems are kept in the assembly."""
        try:
            self._run(statements)
        except (_TooMany, _End):
            pass

    def _run(self, statements: Iterable[Statement]) -> None:
        """Read statements to their end, where every condition opened among them must be closed."""
        depth = self._conditions.depth
        iterator = iter(statements)
        try:
            for statement in iterator:
                self._guarded(statement, iterator)
        except _Leave:
            self._conditions.close(depth)
            return
        for opened in self._conditions.close(depth):
            mistake = Mistake(_("This condition is never closed."), None, _("Put `.endif` where it ends."))
            self._assembly.report(opened, mistake)

    def _guarded(self, statement: Statement, following: Iterator[Statement]) -> None:
        self._assembly.statement = statement
        try:
            self._statement(statement, following)
        except Mistake as mistake:
            self._assembly.report(statement, mistake)
            if self._assembly.problems.full:
                raise _TooMany from None

    def _statement(self, statement: Statement, following: Iterator[Statement]) -> None:
        head = _HEAD.match(statement.text)
        word = head[1].lower() if head else ""
        if head and word in WORDS:
            if self._conditions.reading:
                self._labels_before(statement, head)
            self._conditions.step(word, statement, head.end())
        elif not self._conditions.reading:
            return
        elif head and word in _ENDS:
            self._block(word, statement, head, following)
        elif head and head[1] in self._macros:
            self._use(self._macros[head[1]], statement, head)
        elif word == ".exitm" and self._depth:
            raise _Leave
        elif word == ".end":
            raise _End
        elif head and word == ".purgem":
            self._macros.pop(statement.text[head.end() :].strip(), None)
        elif word in _CLOSING:
            raise Mistake(_("There is nothing here that `{word}` could end.").format(word=word))
        else:
            self._plain(statement)

    def _labels(self, statement: Statement, words: list[Token]) -> int:
        """Define the labels at the beginning of a statement; return how many tokens they take."""
        at = 0
        while at + 1 < len(words) and words[at + 1].text == ":":
            if words[at].kind not in ("name", "number") or words[at].text == ".":
                raise Mistake(_("`{text}` cannot be a label.").format(text=words[at].text), words[at].column)
            self._assembly.symbols.label(words[at], self._assembly.here(), statement.line)
            at += 2
        return at

    def _plain(self, statement: Statement) -> None:
        """Labels, and an assignment, a directive or an instruction after them."""
        words = tokens(statement)
        at = self._labels(statement, words)
        if at == len(words):
            return
        first, rest = words[at], words[at + 1 :]
        end = statement.column + len(statement.text)
        if first.kind != "name":
            raise Mistake(_("`{text}` cannot begin a statement.").format(text=first.text[:40]), first.column)
        if rest and rest[0].text in ("=", "=="):
            cursor = Cursor(rest[1:], end)
            assign(self._assembly, first, cursor, once=rest[0].text == "==")
            cursor.finish()
        elif first.text in FORMS:
            instruction(self._assembly, first, rest, end)
        elif first.text.startswith("."):
            directive(self._assembly, first, rest, end, (*FLOW_WORDS, *FORMS))
        else:
            what = _("There is no instruction `{name}`.").format(name=first.text[:40])
            raise Mistake(what, first.column, suggestion(first.text, [*FORMS, *self._macros, *DIRECTIVES]))

    # Blocks and macros.

    def _block(
        self, word: str, statement: Statement, head: re.Match[str], following: Iterator[Statement]
    ) -> None:
        body = self._body(word, statement, following)
        self._labels_before(statement, head)
        rest, column = statement.text[head.end() :], statement.column + head.end()
        if word == ".macro":
            self._define(rest, column, body)
            return
        values: list[dict[str, str]] | list[None]
        if word == ".rept":
            count = self._count(statement, head.end())
            self._bound(count * len(body))
            values = [None] * count if body else []
        else:
            values = rounds(rest, column, of_letters=word == ".irpc")
            self._bound(len(values) * len(body))
        line = statement.line
        note = _("in the `{word}` at {file}:{line}").format(word=word, file=line.file, line=line.number)
        self._expand([(inner, each) for each in values for inner in body], self._uses, (note, *line.notes))

    def _labels_before(self, statement: Statement, head: re.Match[str]) -> None:
        if head.start(1):
            self._labels(statement, tokens(statement))

    def _count(self, statement: Statement, at: int) -> int:
        """How often a `.rept`, which ends at `at`, repeats."""
        first = statement.column + at
        cursor = Cursor([token for token in tokens(statement) if token.column >= first], first)
        count = known(self._assembly, cursor)
        cursor.finish()
        return count

    def _body(self, word: str, statement: Statement, following: Iterator[Statement]) -> tuple[Statement, ...]:
        """The statements up to the one that ends the block."""
        ends, depth = _ENDS[word], 1
        body: list[Statement] = []
        for inner in following:
            head = _HEAD.match(inner.text)
            name = head[1].lower() if head else ""
            depth += (_ENDS.get(name) == ends) - (name in ends)
            if not depth:
                return tuple(body)
            body.append(inner)
        what = _("This `{word}` is never closed.").format(word=word)
        raise Mistake(what, None, _("Put `{end}` where it ends.").format(end=ends[0]))

    def _define(self, rest: str, column: int, body: tuple[Statement, ...]) -> None:
        named = NAME.match(rest)
        if not named:
            raise Mistake(_("A macro needs a name."), column)
        taken = parameters(rest[named.end() :], column + named.end())
        self._macros[named[1]] = Macro(named[1], taken, body)

    def _use(self, macro: Macro, statement: Statement, head: re.Match[str]) -> None:
        self._labels_before(statement, head)
        values = arguments(macro, statement.text[head.end() :], statement.column + head.end())
        line = statement.line
        note = _("in the macro `{name}`, used at {file}:{line}")
        shown = note.format(name=macro.name, file=line.file, line=line.number)
        self._bound(len(macro.body))
        self._uses += 1
        self._expand([(inner, values) for inner in macro.body], self._uses - 1, (shown, *line.notes))

    def _bound(self, count: int) -> None:
        if self._made + count > _MOST_STATEMENTS:
            what = _("Macros and repetitions make more than {most} statements.")
            raise Mistake(what.format(most=_MOST_STATEMENTS))
        self._made += max(count, 0)

    def _expand(
        self, body: Iterable[tuple[Statement, Mapping[str, str] | None]], count: int, notes: tuple[str, ...]
    ) -> None:
        """Read a body once more. `notes` say how its lines came about: this use, and those it stands in."""
        if self._depth >= _DEEPEST:
            what = _("Macros use each other more than {most} deep.").format(most=_DEEPEST)
            raise Mistake(what, None, _("A macro that uses itself needs an `.if` that ends it."))
        self._depth += 1
        try:
            self._run(substitute(inner, values, count, notes[:_MOST_NOTES]) for inner, values in body)
        finally:
            self._depth -= 1
