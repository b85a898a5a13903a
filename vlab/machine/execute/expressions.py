"""Expressions of a meaning as Python text, and how many bits their values need.

The names in the text are those of the factory in `lowering`. A value's *width* is the number of bits that
surely hold it, unsigned; None where it may be negative or of any length.
"""

import ast
from collections.abc import Mapping

from vlab.riscv.meaning import CONTROL, MEMORY

Widths = Mapping[str, int | None]
MASK = (1 << 64) - 1
SIGN = 1 << 63
REGISTER = 64  # bits
OPERAND_WIDTHS: Widths = {
    "rs1": 64, "rs2": 64, "imm": None, "shamt": 6, "zimm": 5, "csr": 12, "source": 5,
    "pc": 64, "next": 64, "there": 64,
}  # fmt: skip
_NARROW = {"byte": 8, "half": 16, "word": 32}
_LOADS = ("load", "amo_load", "load_reserved")
_SYMBOLS: dict[type, str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^",
    ast.LShift: "<<", ast.RShift: ">>", ast.Invert: "~", ast.USub: "-",
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip


def text(node: ast.expr, widths: Widths) -> str:
    """Python that computes the exact value of an expression. `widths` are those of the names in it."""
    match node:
        case ast.Name(id="rs1" | "rs2" as name):
            return f"x[{name}]"
        case ast.Name(id=name):
            return name
        case ast.Constant(value=value):
            return repr(value)
        case ast.BinOp(left=left, op=op, right=right):
            return f"({text(left, widths)} {_SYMBOLS[type(op)]} {text(right, widths)})"
        case ast.UnaryOp(op=op, operand=operand):
            return f"({_SYMBOLS[type(op)]}{text(operand, widths)})"
        case ast.Compare():
            return f"(1 if {condition(node, widths)} else 0)"  # no `bool` ever stands in a register
        case ast.Call(func=ast.Name(id=name), args=args):
            return _call(name, args, widths)
    raise ValueError(ast.unparse(node))


def register(node: ast.expr, widths: Widths) -> str:
    """The low 64 bits of an expression, as a register takes them."""
    match node:
        case ast.Call(func=ast.Name(id="byte" | "half" | "word" as name), args=[arg]):
            # Most numbers are small: a look at the sign is quicker than extending it by arithmetic.
            bits = _NARROW[name]
            low, ones = fitting(arg, bits, widths), MASK & -(1 << bits)
            return f"(low if (low := {low}) < {1 << bits - 1} else low | {ones})"
    return fitting(node, REGISTER, widths)


def fitting(node: ast.expr, bits: int, widths: Widths) -> str:
    """The low bits of an expression; what surely has no others is left as it is."""
    known = width(node, widths)
    whole = text(node, widths)
    return whole if known is not None and known <= bits else f"({whole} & {(1 << bits) - 1})"


def condition(node: ast.expr, widths: Widths) -> str:
    """The text of a comparison, true or false."""
    assert isinstance(node, ast.Compare)
    left, op, right = node.left, _SYMBOLS[type(node.ops[0])], node.comparators[0]
    match left, right:
        case ast.Call(func=ast.Name(id="signed"), args=[a]), ast.Call(func=ast.Name(id="signed"), args=[b]):
            # Two signed numbers compare as the unsigned ones do with their sign bits flipped.
            return f"({text(a, widths)} ^ {SIGN}) {op} ({text(b, widths)} ^ {SIGN})"
    return f"{text(left, widths)} {op} {text(right, widths)}"


def _call(name: str, args: list[ast.expr], widths: Widths) -> str:
    match name:
        case "signed":
            return f"(({text(args[0], widths)} ^ {SIGN}) - {SIGN})"
        case "unsigned":
            return register(args[0], widths)
        case "low":
            return fitting(args[0], 32, widths)
        case "byte" | "half" | "word":
            bits = _NARROW[name]
            sign = 1 << bits - 1
            return f"(({fitting(args[0], bits, widths)} ^ {sign}) - {sign})"
    texts = [text(arg, widths) for arg in args]
    if name in MEMORY:
        texts[0] = register(args[0], widths)  # addresses wrap round
    functions = ("quotient", "remainder", "min", "max")
    return f"{name}({', '.join(texts)})" if name in functions else f"hart.{name}({', '.join(texts)})"


def width(node: ast.expr, widths: Widths) -> int | None:
    """The width of an expression's value."""
    match node:
        case ast.Name(id=name):
            return widths[name]
        case ast.Constant(value=int(value)):
            return value.bit_length() if value >= 0 else None
        case ast.Compare():
            return 1
        case ast.BinOp(op=ast.RShift(), left=left):
            return width(left, widths)
        case ast.BinOp(op=ast.BitAnd(), left=left, right=right):
            known = [w for side in (left, right) if (w := width(side, widths)) is not None]
            return min(known, default=None)
        case ast.BinOp(op=ast.BitOr() | ast.BitXor(), left=left, right=right):
            return _widest([left, right], widths)
        case ast.Call(func=ast.Name(id=name), args=args):
            return _call_width(name, args, widths)
    return None


def _call_width(name: str, args: list[ast.expr], widths: Widths) -> int | None:
    if name in _LOADS:
        return 8 * number(args[1])
    if name in ("min", "max"):
        return _widest(args, widths)
    if name == "unsigned" or name in CONTROL:
        return REGISTER
    return {"low": 32, "store_conditional": 1}.get(name)


def _widest(nodes: list[ast.expr], widths: Widths) -> int | None:
    found = [width(node, widths) for node in nodes]
    known = [w for w in found if w is not None]
    return max(known) if len(known) == len(found) else None


def number(node: ast.expr) -> int:
    """The value of a constant."""
    assert isinstance(node, ast.Constant) and isinstance(node.value, int)
    return node.value
