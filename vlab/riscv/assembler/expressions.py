"""Expressions: read with GNU's precedence, folded as far as they are known, worked out at the end.

An expression is a number (64 bits, signed), a `Point` (a place in a section, its address not known yet), or a
tree of `Name`, `Unary` and `Binary` over those.
"""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from vlab.language import _
from vlab.riscv.assembler.lines import Token, character
from vlab.riscv.assembler.problems import Mistake

if TYPE_CHECKING:
    from vlab.riscv.assembler.layout import Chunk

LOCAL_LABEL = re.compile("([0-9]{1,9})([bf])")
_DEEPEST = 40
_LONGEST = 200


class Point(NamedTuple):
    """A place: so many bytes into a chunk of a section."""

    chunk: "Chunk"
    offset: int


class Name(NamedTuple):
    """A symbol whose value is not known yet. `key` tells one local label from the next of the same number."""

    text: str
    key: str
    column: int


class Unary(NamedTuple):
    """An operator before an operand."""

    operator: str
    operand: "Expression"
    column: int


class Binary(NamedTuple):
    """An operator between two operands."""

    operator: str
    left: "Expression"
    right: "Expression"
    column: int


Expression = int | Point | Name | Unary | Binary


class Scope(Protocol):
    """What an expression needs to know of the place it stands in."""

    def named(self, token: Token) -> Expression:
        """What a symbol means here."""

    def here(self) -> Point:
        """What `.` means here."""


class Cursor:
    """A position in some tokens. `end` is the column just after them, for what is missing there."""

    def __init__(self, tokens: Sequence[Token], end: int):
        self.tokens = tokens
        self.at = 0
        self.end = end
        self.operators = 0

    @property
    def done(self) -> bool:
        """Whether all tokens are used."""
        return self.at >= len(self.tokens)

    @property
    def text(self) -> str:
        """The next token's text; empty at the end."""
        return self.tokens[self.at].text if self.at < len(self.tokens) else ""

    @property
    def column(self) -> int:
        """Where the next token stands, or where it would."""
        return self.tokens[self.at].column if self.at < len(self.tokens) else self.end

    def take(self) -> Token:
        """The next token, used up."""
        if self.done:
            raise Mistake(_("Something is missing here."), self.end)
        self.at += 1
        return self.tokens[self.at - 1]

    def accept(self, *texts: str) -> bool:
        """Use up the next token if it is one of these."""
        found = not self.done and self.text in texts
        self.at += found
        return found

    def expect(self, text: str) -> None:
        """Use up the next token, which must be this one."""
        if not self.accept(text):
            raise Mistake(_("`{text}` is missing here.").format(text=text), self.column)

    def finish(self) -> None:
        """Nothing may be left."""
        if not self.done:
            raise Mistake(_("`{text}` is too much here.").format(text=self.text), self.column)


_RANKS = (
    ("*", "/", "%", "<<", ">>"),
    ("|", "&", "^", "!"),
    ("+", "-"),
    ("==", "=", "!=", "<>", "<", ">", "<=", ">="),
    ("&&",),
    ("||",),
)
_RANK = {operator: len(_RANKS) - place for place, rank in enumerate(_RANKS) for operator in rank}


def parse(cursor: Cursor, scope: Scope) -> Expression:
    """The expression at the cursor, as long as it goes."""
    return _operation(cursor, scope, 0, 0)


def _operation(cursor: Cursor, scope: Scope, lowest: int, depth: int) -> Expression:
    left = _operand(cursor, scope, depth)
    while not cursor.done and _RANK.get(cursor.text, 0) > lowest:
        operator = cursor.take()
        cursor.operators += 1
        if cursor.operators > _LONGEST:
            raise Mistake(_("The expression is too long."), operator.column)
        right = _operation(cursor, scope, _RANK[operator.text], depth + 1)
        left = combine(operator.text, left, right, operator.column)
    return left


def _operand(cursor: Cursor, scope: Scope, depth: int) -> Expression:
    if depth > _DEEPEST:
        raise Mistake(_("The expression is nested too deeply."), cursor.column)
    if cursor.done:
        raise Mistake(_("A value is missing here."), cursor.end)
    token = cursor.take()
    if token.kind == "number":
        return scope.named(token) if LOCAL_LABEL.fullmatch(token.text) else number(token)
    if token.kind == "name":
        return scope.here() if token.text == "." else scope.named(token)
    if token.kind == "character":
        return character(token)
    if token.text == "(":
        inner = _operation(cursor, scope, 0, depth + 1)
        cursor.expect(")")
        return inner
    if token.text in ("-", "+", "~", "!"):
        return negate(token.text, _operand(cursor, scope, depth + 1), token.column)
    if token.text == "\\":
        raise Mistake(_("There is no argument of a macro with this name here."), token.column)
    raise Mistake(_("`{text}` is not a value.").format(text=token.text[:40]), token.column)


def number(token: Token) -> int:
    """The value of a number: decimal, 0x hexadecimal, 0b binary or 0 octal."""
    found = _NUMBER.fullmatch(token.text)
    if not found:
        raise Mistake(_("`{text}` is not a number.").format(text=token.text[:40]), token.column)
    digits, base = found[found.lastindex or 0], _BASES[found.lastgroup or ""]
    value = int(digits, base) if len(digits) <= 70 else 1 << 64
    if value >> 64:
        raise Mistake(_("The number is larger than 64 bits."), token.column)
    return signed(value)


_NUMBER = re.compile(
    "0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<binary>[01]+)|(?P<octal>0[0-7]*)|(?P<decimal>[1-9][0-9]*)"
)
_BASES = {"hex": 16, "binary": 2, "octal": 8, "decimal": 10}


def signed(value: int) -> int:
    """The low 64 bits, as a signed number."""
    return (value & (1 << 64) - 1 ^ 1 << 63) - (1 << 63)


_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1),
    "%": lambda a, b: abs(a) % abs(b) * (-1 if a < 0 else 1),
    "<<": lambda a, b: a << b,
    ">>": lambda a, b: (a & (1 << 64) - 1) >> b,
    "|": lambda a, b: a | b,
    "&": lambda a, b: a & b,
    "^": lambda a, b: a ^ b,
    "!": lambda a, b: a | ~b,
    "&&": lambda a, b: int(a != 0 and b != 0),
    "||": lambda a, b: int(a != 0 or b != 0),
}
# A comparison that holds is -1: all bits set.
_COMPARISON: dict[str, Callable[[int, int], bool]] = {
    "==": lambda a, b: a == b,
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


def combine(operator: str, left: Expression, right: Expression, column: int) -> Expression:
    """Two operands joined: worked out if that can be done already."""
    if isinstance(left, int) and isinstance(right, int):
        return _compute(operator, left, right, column)
    if isinstance(left, Point):
        if isinstance(right, int) and operator in "+-":
            return Point(left.chunk, left.offset + (right if operator == "+" else -right))
        near = isinstance(right, Point) and right.chunk is left.chunk
        if isinstance(right, Point) and near and operator in ("-", *_COMPARISON):
            return _compute(operator, left.offset, right.offset, column)
    if isinstance(right, Point) and isinstance(left, int) and operator == "+":
        return Point(right.chunk, right.offset + left)
    return Binary(operator, left, right, column)


def _compute(operator: str, left: int, right: int, column: int) -> int:
    if operator in _COMPARISON:
        return -int(_COMPARISON[operator](left, right))
    if operator in ("/", "%") and right == 0:
        raise Mistake(_("This divides by zero."), column)
    if operator in ("<<", ">>") and not 0 <= right < 64:
        raise Mistake(_("This shifts by {count}; 0 to 63 is possible.").format(count=right), column)
    return signed(_ARITHMETIC[operator](left, right))


def negate(operator: str, operand: Expression, column: int) -> Expression:
    """An operator before an operand: worked out if that can be done already."""
    if operator == "+":
        return operand
    if not isinstance(operand, int):
        return Unary(operator, operand, column)
    return signed({"-": -operand, "~": ~operand, "!": int(operand == 0)}[operator])


def evaluate(expression: Expression, value_of: Callable[[Name], int]) -> int:
    """The value of an expression once all chunks have their addresses."""
    if isinstance(expression, int):
        return expression
    if isinstance(expression, Point):
        return signed(expression.chunk.address + expression.offset)
    if isinstance(expression, Name):
        return value_of(expression)
    if isinstance(expression, Unary):
        result = negate(expression.operator, evaluate(expression.operand, value_of), expression.column)
    else:
        left, right = evaluate(expression.left, value_of), evaluate(expression.right, value_of)
        result = combine(expression.operator, left, right, expression.column)
    assert isinstance(result, int)
    return result


def height(expression: Expression) -> int:
    """How deep the tree of an expression is."""
    if isinstance(expression, Binary):
        return 1 + max(height(expression.left), height(expression.right))
    return 1 + height(expression.operand) if isinstance(expression, Unary) else 1
