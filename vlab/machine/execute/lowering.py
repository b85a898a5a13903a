"""From a row's meaning to Python: a factory that makes the operation of one decoded instruction.

For `add` the generated source is, in essence,

    def factory(hart, x, reads, writes, ram1, ram2, ram4, ram8, rd, rs1, rs2, …, pc, next):
        def operation():
            x[rd] = x[rs1] + x[rs2] & MASK
            return next
        return operation

What depends on the operands alone is computed once, in the factory. Loads and stores first try RAM directly.
"""

import ast
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from vlab.riscv import Cause, Trap
from vlab.riscv.instructions import Row
from vlab.riscv.meaning import CONTROL, meaning

Operation = Callable[[], int]
MASK = (1 << 64) - 1
SIGN = 1 << 63
PARAMETERS = (
    "hart x reads writes ram1 ram2 ram4 ram8 rd rs1 rs2 imm shamt zimm csr source pc next"
).split()
_CONSTANT = {"imm", "shamt", "zimm", "csr", "source", "pc", "next"}
_UNSIGNED = {"rs1", "rs2", "shamt", "zimm", "csr", "source", "pc", "next", "there", "loaded"}
_SIZE_SHIFT = {1: "", 2: " >> 1", 4: " >> 2", 8: " >> 3"}
_NARROW = {"word": (1 << 32) - 1, "half": 0xFFFF, "byte": 0xFF}
_MAY_LEAVE = {"csr_write", "csr_set", "csr_clear", "wfi", "sfence_vma", "fence_i", "sret", "mret"}


def quotient(dividend: int, divisor: int) -> int:
    """Division towards zero; -1 where the divisor is 0 (Unprivileged ISA, M extension)."""
    if divisor == 0:
        return -1
    magnitude = abs(dividend) // abs(divisor)
    return magnitude if (dividend < 0) == (divisor < 0) else -magnitude


def remainder(dividend: int, divisor: int) -> int:
    """What `quotient` leaves; the dividend where the divisor is 0."""
    return dividend if divisor == 0 else dividend - divisor * quotient(dividend, divisor)


@lru_cache(maxsize=None)
def factory(row: Row) -> Callable[..., Operation]:
    """The function that makes this row's operations; its parameters are `PARAMETERS`."""
    source = _source(row)
    names: dict[str, Any] = {"quotient": quotient, "remainder": remainder, "Trap": Trap, "min": min, "max": max}
    names["MISALIGNED"] = Cause.INSTRUCTION_MISALIGNED
    exec(compile(source, f"<meaning of {row.name}>", "exec"), names)  # our own table, checked by `meaning`
    made: Callable[..., Operation] = names["factory"]
    return made


def _source(row: Row) -> str:
    hoisted, operation = _Lowering(row).lines()
    return "\n".join(
        [
            f"def factory({', '.join(PARAMETERS)}):",
            *(f"    {line}" for line in hoisted),
            "    def operation():",
            *(f"        {line}" for line in operation),
            "    return operation",
        ]
    )


class _Lowering:
    """Turns the statements of one meaning into lines of Python."""

    def __init__(self, row: Row):
        self.row = row
        self.hoisted: list[str] = []
        self.code: list[str] = []
        self.result = "next"

    def lines(self) -> tuple[list[str], list[str]]:
        """The factory's lines, and the operation's."""
        statements = meaning(self.row)
        if any(name in CONTROL for statement in statements for name in _called(statement)):
            self.code.append("hart.pc = pc")
        for statement in statements:
            match statement:
                case ast.Assign(targets=[ast.Name(id=target)], value=value):
                    self._assign(target, value)
                case ast.Expr(value=ast.Call() as call):
                    self._effect(call)
        leaves = any(name in _MAY_LEAVE for statement in statements for name in _called(statement))
        self.code.append(f"return hart.leave({self.result})" if leaves else f"return {self.result}")
        return self.hoisted, self.code

    def _assign(self, target: str, value: ast.expr) -> None:
        if target == "pc":
            self._jump(value)
            return
        text = self._expression(value)
        if not self._fits(value) and target != "old":
            text = f"{text} & {MASK}"
        if target == "rd":
            if "load" in _called(value):
                # Still inside `except`: a device answered, so the engine must look around.
                self.code += ["    if hart.changed:", f"        x[rd] = {text}", "        return hart.leave(next)"]
            self.code.append(f"x[rd] = {self._hoist(value, text)}")
        else:
            self.code.append(f"{target} = {text}")
        if target == "there":
            # The target is checked before `rd` is written: a trap leaves it as it was.
            self.code.append("if there & 3: raise Trap(MISALIGNED, there)")

    def _jump(self, value: ast.expr) -> None:
        match value:
            case ast.Name(id="there"):
                self.result = "there"
            case ast.Call():
                self.code.append(f"there = {self._expression(value)}")
                self.result = "there"
            case ast.IfExp(test=test, body=body):
                condition = self._expression(test)
                self._constant_target(body, f"if {condition}: raise Trap(MISALIGNED, target)")
                self.result = f"target if {condition} else next"
            case _:
                self._constant_target(value, "raise Trap(MISALIGNED, target)")
                self.result = "target"

    def _constant_target(self, value: ast.expr, trap: str) -> None:
        """A jump to a place known beforehand; a misaligned one gets an operation of its own, which traps."""
        self.hoisted += [
            f"target = {self._expression(value)} & {MASK}",
            "if target & 3:",
            "    def operation():",
            f"        {trap}",
            "        return next",
            "    return operation",
        ]

    def _hoist(self, value: ast.expr, text: str) -> str:
        """The text of a value, computed in the factory where it depends on the operands alone."""
        if not {n.id for n in ast.walk(value) if isinstance(n, ast.Name)} <= _CONSTANT:
            return text
        self.hoisted.append(f"value = {text}")
        return "value"

    def _effect(self, call: ast.Call) -> None:
        assert isinstance(call.func, ast.Name)
        if call.func.id == "store":
            self._store(call)
        elif call.func.id != "fence":
            self.code.append(self._expression(call))

    def _address(self, node: ast.expr) -> str:
        text = self._expression(node)
        return text if self._fits(node) else f"{text} & {MASK}"

    def _load(self, call: ast.Call) -> str:
        size = _number(call.args[1])
        self.code += [f"at = {self._address(call.args[0])}", "try:"]
        if size > 1:
            self.code += [f"    if at & {size - 1}: raise KeyError"]
        self.code += [
            f"    loaded = ram{size}[at + reads[at >> 12]{_SIZE_SHIFT[size]}]",
            "except KeyError:",
            f"    loaded = hart.load(at, {size})",
        ]
        return "loaded"

    def _store(self, call: ast.Call) -> None:
        size = _number(call.args[1])
        value = self._expression(call.args[2])
        if not (self._fits(call.args[2]) and size == 8):
            value = f"{value} & {(1 << 8 * size) - 1}"
        self.code += [f"at = {self._address(call.args[0])}", "try:"]
        if size > 1:
            self.code += [f"    if at & {size - 1}: raise KeyError"]
        self.code += [
            f"    ram{size}[at + writes[at >> 12]{_SIZE_SHIFT[size]}] = {value}",
            "except KeyError:",
            f"    hart.store(at, {size}, {value})",
            "    if hart.changed: return hart.leave(next)",
        ]

    def _fits(self, node: ast.expr) -> bool:
        """Whether the value surely is an unsigned 64-bit number already."""
        match node:
            case ast.Name(id=name):
                return name in _UNSIGNED or (name == "old" and self.row.name.endswith(".d"))
            case ast.Constant(value=int(value)):
                return 0 <= value <= MASK
            case ast.Compare():
                return True
            case ast.BinOp(op=ast.BitAnd(), left=left, right=right):
                return self._fits(left) or self._fits(right)
            case ast.BinOp(op=ast.BitOr() | ast.BitXor(), left=left, right=right):
                return self._fits(left) and self._fits(right)
            case ast.BinOp(op=ast.RShift(), left=left):
                return self._fits(left)
            case ast.Call(func=ast.Name(id=name), args=args):
                if name in ("min", "max"):
                    return all(self._fits(arg) for arg in args)
                return name in ("unsigned", "low", "load", "amo_load", "load_reserved") or name in CONTROL or (
                    name == "store_conditional"
                )
        return False

    def _expression(self, node: ast.expr) -> str:
        match node:
            case ast.Name(id="rs1" | "rs2" as name):
                return f"x[{name}]"
            case ast.Name(id=name):
                return name
            case ast.Constant(value=value):
                return repr(value)
            case ast.BinOp(left=left, op=op, right=right):
                return f"({self._expression(left)} {_SYMBOLS[type(op)]} {self._expression(right)})"
            case ast.UnaryOp(op=op, operand=operand):
                return f"({_SYMBOLS[type(op)]}{self._expression(operand)})"
            case ast.Compare():
                return self._comparison(node)
            case ast.Call():
                return self._call(node)
        raise ValueError(ast.unparse(node))

    def _comparison(self, node: ast.Compare) -> str:
        """As a number, so that no `bool` ever stands in a register."""
        left, op, right = node.left, _SYMBOLS[type(node.ops[0])], node.comparators[0]
        if _is_signed(left) and _is_signed(right):
            # Two signed numbers compare as the unsigned ones do with their sign bits flipped.
            assert isinstance(left, ast.Call) and isinstance(right, ast.Call)
            sides = [f"{self._expression(side.args[0])} ^ {SIGN}" for side in (left, right)]
            return f"(1 if ({sides[0]}) {op} ({sides[1]}) else 0)"
        return f"(1 if {self._expression(left)} {op} {self._expression(right)} else 0)"

    def _call(self, node: ast.Call) -> str:
        assert isinstance(node.func, ast.Name)
        name = node.func.id
        if name == "load":
            return self._load(node)
        arguments = [self._expression(arg) for arg in node.args]
        match name:
            case "signed":
                return f"(({arguments[0]} ^ {SIGN}) - {SIGN})"
            case "unsigned":
                return f"({arguments[0]} & {MASK})"
            case "low":
                return f"({arguments[0]} & {_NARROW['word']})"
            case "word" | "half" | "byte":
                mask = _NARROW[name]
                return f"((({arguments[0]} & {mask}) ^ {mask // 2 + 1}) - {mask // 2 + 1})"
            case "quotient" | "remainder" | "min" | "max":
                return f"{name}({', '.join(arguments)})"
        return f"hart.{name}({', '.join(arguments)})"


_SYMBOLS: dict[type, str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^",
    ast.LShift: "<<", ast.RShift: ">>", ast.Invert: "~", ast.USub: "-",
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip


def _called(node: ast.AST) -> set[str]:
    """The names of all functions called in a tree."""
    calls = (n.func for n in ast.walk(node) if isinstance(n, ast.Call))
    return {function.id for function in calls if isinstance(function, ast.Name)}


def _number(node: ast.expr) -> int:
    assert isinstance(node, ast.Constant) and isinstance(node.value, int)
    return node.value


def _is_signed(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "signed"
