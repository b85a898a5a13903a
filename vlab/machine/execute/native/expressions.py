"""Expressions of a meaning as LLVM IR, as exact as the numbers of Python.

A value has a *kind*: UNSIGNED and SIGNED ones are wholly known by their low 64 bits; WIDE ones aren't. Where only
low bits are asked for, 64 suffice for sums, differences, products and bit operations of any kind; the rest is
worked out in 128, which hold every number that the table makes out of 64-bit ones.
"""

import ast
from collections.abc import Callable, Mapping
from enum import Enum
from typing import NamedTuple

from vlab.machine.execute.native.text import Text

_LOW = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.BitAnd: "and",
    ast.BitOr: "or",
    ast.BitXor: "xor",
}
_COMPARISONS = {ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge"}
_NARROW = {"byte": 8, "half": 16, "word": 32}
_MASK = (1 << 64) - 1


class Kind(Enum):
    """What the low 64 bits of a value tell of it."""

    UNSIGNED = "zext"
    SIGNED = "sext"
    WIDE = ""


U, S, WIDE = Kind.UNSIGNED, Kind.SIGNED, Kind.WIDE


class Value(NamedTuple):
    """An i64, and what it tells of the number."""

    name: str
    kind: Kind = U


Call = Callable[[ast.Call], Value]


class Expressions:
    """Writes the expressions of one function. `names` and `calls` are what the names in them stand for."""

    def __init__(self, text: Text, names: Mapping[str, Value], calls: Mapping[str, Call]):
        self._text, self._names, self._calls = text, names, calls

    def value(self, node: ast.expr) -> Value:
        """The low 64 bits, and their kind."""
        match node:
            case ast.Constant(value=int(number)):
                return Value(
                    str(number - (1 << 64) if number >> 63 == 1 else number), U if number >= 0 else S
                )
            case ast.Name(id=name):
                return self._names[name]
            case ast.UnaryOp(op=ast.Invert() | ast.USub() as op, operand=operand):
                return self._inverted(operand, isinstance(op, ast.USub))
            case ast.BinOp(op=ast.RShift()):
                return self._right_shift(node)
            case ast.BinOp():
                return self._combined(node)
            case ast.Compare():
                return Value(self._text.value(f"zext i1 {self.condition(node)} to i64"))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                condition, then, other = self.condition(test), self.value(body), self.value(orelse)
                name = self._text.value(f"select i1 {condition}, i64 {then.name}, i64 {other.name}")
                return Value(name, then.kind if then.kind is other.kind else WIDE)
            case ast.Call(func=ast.Name(id=name)):
                return self._called(name, node)
        raise ValueError(ast.unparse(node))

    def low(self, node: ast.expr) -> str:
        """The low 64 bits."""
        return self.value(node).name

    def condition(self, node: ast.expr) -> str:
        """An i1: whether a comparison holds, or a number isn't zero."""
        if not isinstance(node, ast.Compare):
            return self._text.value(f"icmp ne i64 {self.low(node)}, 0")
        return self._compared(_COMPARISONS[type(node.ops[0])], node.left, node.comparators[0])

    # Arithmetic

    def _combined(self, node: ast.BinOp) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.LShift):
            return Value(self._text.value(f"shl i64 {left.name}, {right.name}"), WIDE)
        name = self._text.value(f"{_LOW[type(node.op)]} i64 {left.name}, {right.name}")
        kinds = {left.kind, right.kind}
        if isinstance(node.op, ast.BitAnd) and U in kinds:
            return Value(name)
        bitwise = isinstance(node.op, ast.BitAnd | ast.BitOr | ast.BitXor)
        return Value(name, left.kind if bitwise and len(kinds) == 1 else WIDE)

    def _inverted(self, operand: ast.expr, negated: bool) -> Value:
        value = self.value(operand)
        if isinstance(operand, ast.Constant):
            assert isinstance(operand.value, int)
            return Value(str(-operand.value if negated else ~operand.value), S)
        operation = f"sub i64 0, {value.name}" if negated else f"xor i64 {value.name}, -1"
        return Value(self._text.value(operation), S if value.kind is S and not negated else WIDE)

    def _right_shift(self, node: ast.BinOp) -> Value:
        left, by = self.value(node.left), self.low(node.right)
        if left.kind is WIDE:
            exact = self._exact(node.left)
            wide = self._text.value(f"zext i64 {by} to i128")
            shifted = self._text.value(f"ashr i128 {exact}, {wide}")
            return Value(self._text.value(f"trunc i128 {shifted} to i64"), WIDE)
        return Value(
            self._text.value(f"{'lshr' if left.kind is U else 'ashr'} i64 {left.name}, {by}"), left.kind
        )

    def _exact(self, node: ast.expr) -> str:
        """The whole number, as an i128."""
        value = self.value(node)
        if value.kind is not WIDE:
            return self._text.value(f"{value.kind.value} i64 {value.name} to i128")
        match node:
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _LOW:
                return self._text.value(f"{_LOW[type(op)]} i128 {self._exact(left)}, {self._exact(right)}")
        raise ValueError(f"{ast.unparse(node)} is not known in 128 bits")

    # Comparisons

    def _compared(self, how: str, left: ast.expr, right: ast.expr) -> str:
        kind, a, b = self._alike(left, right)
        sign = "" if how in ("eq", "ne") else "u" if kind is U else "s"
        return self._text.value(f"icmp {sign}{how} {'i128' if kind is WIDE else 'i64'} {a}, {b}")

    def _alike(self, left: ast.expr, right: ast.expr) -> tuple[Kind, str, str]:
        """Two numbers of one kind; WIDE ones as an i128."""
        a, b = self.value(left), self.value(right)
        for node, kind in ((left, b.kind), (right, a.kind)):
            if isinstance(node, ast.Constant) and kind is not WIDE:
                a, b = a._replace(kind=kind), b._replace(kind=kind)
        if a.kind is b.kind and a.kind is not WIDE:
            return a.kind, a.name, b.name
        return WIDE, self._exact(left), self._exact(right)

    # Functions of the language

    def _called(self, name: str, node: ast.Call) -> Value:
        match name:
            case "signed":
                return Value(self.low(node.args[0]), S)
            case "unsigned":
                return Value(self.low(node.args[0]))
            case "low":
                return Value(self._text.value(f"and i64 {self.low(node.args[0])}, {0xFFFF_FFFF}"))
            case "byte" | "half" | "word":
                bits = _NARROW[name]
                cut = self._text.value(f"trunc i64 {self.low(node.args[0])} to i{bits}")
                return Value(self._text.value(f"sext i{bits} {cut} to i64"), S)
            case "min" | "max":
                kind, a, b = self._alike(*node.args)
                assert kind is not WIDE
                order = ("u" if kind is U else "s") + ("lt" if name == "min" else "gt")
                first = self._text.value(f"icmp {order} i64 {a}, {b}")
                return Value(self._text.value(f"select i1 {first}, i64 {a}, i64 {b}"), kind)
            case "quotient" | "remainder":
                return self._divided(name, *node.args)
        return self._calls[name](node)

    def _divided(self, name: str, dividend: ast.expr, divisor: ast.expr) -> Value:
        """Division as the M extension has it. The host's traps at 0 and at an overflow, so it gets a 1 there."""
        kind, a, b = self._alike(dividend, divisor)
        assert kind is not WIDE
        text, letter = self._text, "u" if kind is U else "s"
        zero = text.value(f"icmp eq i64 {b}, 0")
        unfit = zero
        if kind is S:
            least, minus = text.value(f"icmp eq i64 {a}, {-1 << 63}"), text.value(f"icmp eq i64 {b}, -1")
            unfit = text.value(f"or i1 {zero}, {text.value(f'and i1 {least}, {minus}')}")
        safe = text.value(f"select i1 {unfit}, i64 1, i64 {b}")
        operation, at_zero = ("div", "-1") if name == "quotient" else ("rem", a)
        # By 1 at an overflow: just as it should be.
        found = text.value(f"{letter}{operation} i64 {a}, {safe}")
        # -1 is no unsigned number: what takes it takes its low bits.
        return Value(text.value(f"select i1 {zero}, i64 {at_zero}, i64 {found}"), kind)
