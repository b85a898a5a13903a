"""Symbols: labels, local labels, and names given to values."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from vlab.language import _
from vlab.riscv.assembler.expressions import (
    LOCAL_LABEL,
    Binary,
    Expression,
    Name,
    Point,
    combine,
    evaluate,
    height,
    signed,
)
from vlab.riscv.assembler.lines import Line, Token
from vlab.riscv.assembler.problems import Mistake, suggestion
from vlab.riscv.registers import NUMBERS

_NUMBER = re.compile("[0-9]{1,9}")
_DEEPEST = 300


class Definition(NamedTuple):
    """What a symbol stands for, and where that was said (`line` is None for a symbol given from outside)."""

    value: Expression
    is_label: bool
    line: Line | None


class Symbols:
    """The symbols of one assembly."""

    def __init__(self, given: Mapping[str, int] | None = None):
        self._known = {name: Definition(signed(value), False, None) for name, value in (given or {}).items()}
        self._instances: dict[str, int] = {}
        self._final: dict[str, int] = {}
        self._open: dict[str, int] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def label(self, token: Token, point: Point, line: Line) -> None:
        """Define a label; a number may be defined again and again."""
        key = token.text
        if token.kind == "number":
            key = self._next_instance(token)
        self._refuse_twice(key, token)
        self._known[key] = Definition(point, True, line)

    def _next_instance(self, token: Token) -> str:
        if not _NUMBER.fullmatch(token.text):
            raise Mistake(_("A label cannot be called `{name}`.").format(name=token.text[:40]), token.column)
        label = str(int(token.text))
        self._instances[label] = self._instances.get(label, 0) + 1
        return self._local(label, self._instances[label])

    def assign(self, token: Token, value: Expression, line: Line, *, once: bool = False) -> None:
        """Give a name a value; it may be given another one further down, unless `once` is said."""
        known = self._known.get(token.text)
        if known and known.line and (once or known.is_label):
            self._refuse_twice(token.text, token)
        self._known[token.text] = Definition(value, False, line)

    def _refuse_twice(self, key: str, token: Token) -> None:
        known = self._known.get(key)
        if known and known.line:
            place = f"{known.line.file}:{known.line.number}"
            raise Mistake(
                _("`{name}` is defined twice.").format(name=token.text),
                token.column,
                _("It was defined at {place}; rename one of the two.").format(place=place),
            )

    def named(self, token: Token) -> Expression:
        """What a name means at this point of the text: its value, or the name where that isn't known yet."""
        if token.kind == "number":
            return self._local_name(token)
        known = self._known.get(token.text)
        if known and isinstance(known.value, int | Point):
            return known.value
        return Name(token.text, token.text, token.column)

    def _local_name(self, token: Token) -> Expression:
        found = LOCAL_LABEL.fullmatch(token.text)
        assert found
        label, direction = str(int(found[1])), found[2]
        instance = self._instances.get(label, 0)
        if direction == "b":
            if not instance:
                raise Mistake(_("There is no label `{label}:` above.").format(label=label), token.column)
            return self._known[self._local(label, instance)].value
        return Name(token.text, self._local(label, instance + 1), token.column)

    @staticmethod
    def _local(label: str, instance: int) -> str:
        return f"{label}:{instance}"  # no name has a colon in it

    def point(self, expression: Expression, depth: int = 0) -> Point | None:
        """The place that an expression means, now that all labels are defined; None if it isn't one."""
        if isinstance(expression, Point):
            return expression
        if depth > _DEEPEST:
            return None
        if isinstance(expression, Name):
            known = self._known.get(expression.key)
            return self.point(known.value, depth + 1) if known else None
        return self._shifted(expression, depth + 1) if isinstance(expression, Binary) else None

    def _shifted(self, shift: Binary, depth: int) -> Point | None:
        """A place and a number, in either order."""
        left: Expression | None = shift.left
        right: Expression | None = shift.right
        if isinstance(right, int):
            left = self.point(shift.left, depth)
        elif isinstance(left, int):
            right = self.point(shift.right, depth)
        else:
            return None
        if left is None or right is None:
            return None
        folded = combine(shift.operator, left, right, shift.column)
        return folded if isinstance(folded, Point) else None

    def value(self, name: Name) -> int:
        """A symbol's final value. All chunks have their addresses now."""
        key = name.key
        if key in self._final:
            return self._final[key]
        known = self._known.get(key)
        if known is None:
            raise self._undefined(name)
        if key in self._open:
            raise Mistake(_("`{name}` is defined by itself.").format(name=name.text), name.column)
        self._open[key] = height(known.value)
        try:
            if sum(self._open.values()) > _DEEPEST:
                raise Mistake(
                    _("`{name}` is defined through too many others.").format(name=name.text), name.column
                )
            self._final[key] = evaluate(known.value, self.value)
        except Mistake as mistake:
            mistake.line = mistake.line or known.line
            raise
        finally:
            del self._open[key]
        return self._final[key]

    def _undefined(self, name: Name) -> Mistake:
        if name.text != name.key:
            return Mistake(_("There is no label `{label}:` below.").format(label=name.text[:-1]), name.column)
        what = _("The symbol `{name}` is not defined.").format(name=name.text)
        # A register may have been meant where an instruction takes either.
        return Mistake(what, name.column, suggestion(name.text, [*NUMBERS, *self._own_names()]))

    def _own_names(self) -> list[str]:
        """The symbols that are not numbered labels."""
        return [name for name in self._known if ":" not in name]

    def table(self) -> tuple[dict[str, int], frozenset[str]]:
        """The symbols with a name of their own, labels first, by address; and which of them aren't labels."""
        own = [name for name in self._own_names() if not name.startswith(".L")]
        values = {name: self.value(Name(name, name, 0)) & (1 << 64) - 1 for name in own}
        constants = frozenset(name for name in own if not self._known[name].is_label)
        ordered = sorted(values, key=lambda name: (name in constants, values[name]))
        return {name: values[name] for name in ordered}, constants
