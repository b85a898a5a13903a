"""From a row's meaning to Python: a factory that makes the operation of one decoded instruction.

For `add` and `ld` the generated sources are, in essence,

    def factory(hart, x, reads, writes, views, rd, rs1, rs2, …, pc, next):
        def operation():
            x[rd] = x[rs1] + x[rs2] & MASK
            return next
        return operation

    def factory(…):
        ram = views[8]
        def operation():
            at = x[rs1] + imm
            try:
                x[rd] = ram[at + reads[at & ~0xff8] >> 3]
            except LookupError:
                x[rd] = hart.load(x[rs1] + imm & MASK, 8)
                return hart.leave(next)
            return next
        return operation

What depends on the operands alone is computed once, in the factory. `unaligned` are the bits of an address that
are zero where an instruction may begin.
"""

import ast
from collections.abc import Callable
from functools import cache
from typing import Any

from vlab.machine.execute.expressions import (
    MASK,
    OPERAND_WIDTHS,
    condition,
    fitting,
    number,
    register,
    text,
    width,
)
from vlab.riscv import Cause, Trap
from vlab.riscv.instructions import Row
from vlab.riscv.meaning import CONTROL, meaning

Operation = Callable[[], int]
LooseOperation = Callable[["list[int] | memoryview[int]"], None]
LOOSE = "rd rs1 zimm csr source word".split()
PARAMETERS = "hart x reads writes views rd rs1 rs2 imm shamt zimm csr source word pc next unaligned".split()
_CONSTANT = set(OPERAND_WIDTHS) - {"rs1", "rs2", "there"}
_PAGES = MASK & ~0xFFF  # the bits of an address that tell its page
# Accesses are in order, and stores to decoded code are seen, with or without them.
_NOTHING = {"fence", "fence_i"}
_SHIFT = {1: "", 2: " >> 1", 4: " >> 2", 8: " >> 3"}  # from bytes to elements of a view


def quotient(dividend: int, divisor: int) -> int:
    """Division towards zero; -1 where the divisor is 0 (Unprivileged ISA, M extension)."""
    if divisor == 0:
        return -1
    magnitude = abs(dividend) // abs(divisor)
    return magnitude if (dividend < 0) == (divisor < 0) else -magnitude


def remainder(dividend: int, divisor: int) -> int:
    """What `quotient` leaves; the dividend where the divisor is 0."""
    return dividend if divisor == 0 else dividend - divisor * quotient(dividend, divisor)


@cache
def factory(row: Row) -> Callable[..., Operation]:
    """The function that makes this row's operations; its parameters are `PARAMETERS`."""
    names: dict[str, Any] = {"quotient": quotient, "remainder": remainder, "min": min, "max": max}
    names |= {"Trap": Trap, "MISALIGNED": Cause.INSTRUCTION_MISALIGNED}
    code = compile(source(row), f"<meaning of {row.name}>", "exec")
    exec(code, names)  # noqa: S102  # made of our own table, which `meaning` has checked
    made: Callable[..., Operation] = names["factory"]
    return made


def source(row: Row) -> str:
    """The Python text of a row's factory."""
    lowering = _Lowering(row)
    return "\n".join(
        [
            f"def factory({', '.join(PARAMETERS)}):",
            *(f"    {line}" for line in lowering.hoisted),
            "    def operation():",
            *(f"        {line}" for line in lowering.code),
            "    return operation",
        ]
    )


@cache
def loose_factory(row: Row) -> Callable[..., LooseOperation]:
    """The same for a row that only gives rd something: its operations work on whatever registers they are given.

    Its parameters: the hart, whose CSRs may be changed, and then the operands `LOOSE`.
    """
    (statement,) = meaning(row)
    assert isinstance(statement, ast.Assign), "it gives rd something"
    parts = (
        f"def factory(hart, {', '.join(LOOSE)}):",
        "    def operation(x):",
        "        hart.word = word",
        f"        x[rd] = {register(statement.value, dict(OPERAND_WIDTHS))}",
        "    return operation",
    )
    names: dict[str, Any] = {}
    exec(compile("\n".join(parts), f"<loose meaning of {row.name}>", "exec"), names)  # noqa: S102  # as above
    made: Callable[..., LooseOperation] = names["factory"]
    return made


class _Lowering:
    """Turns the statements of one meaning into lines: `code` for the operation, `hoisted` for the factory."""

    def __init__(self, row: Row):
        self.hoisted: list[str] = []
        self.code: list[str] = []
        self._widths = dict(OPERAND_WIDTHS)
        self._next = "next"
        statements = meaning(row)
        called = {name for statement in statements for name in _called(statement)} - _NOTHING
        self._alone = len(statements) == 1
        # What may trap as illegal, or tell of itself in an event, has to know where and what it is.
        if called & CONTROL.keys():
            self.code.append("hart.pc, hart.word = pc, word")
        for statement in statements:
            self._statement(statement)
        leaves = called & (CONTROL.keys() | {"amo_load", "store_conditional"})
        self.code.append(f"return hart.leave({self._next})" if leaves else f"return {self._next}")

    def _statement(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Assign(targets=[ast.Name(id="pc")], value=value):
                self._jump(value)
            case ast.Assign(targets=[ast.Name(id="rd")], value=value) if "load" in _called(value):
                self._load(value)
            case ast.Assign(targets=[ast.Name(id="rd")], value=value):
                self.code.append(f"x[rd] = {self._constant(value)}")
            case ast.Assign(targets=[ast.Name(id="there")], value=value):
                # The target is checked before `rd` is written: a trap leaves it as it was.
                self.code.append(f"there = {register(value, self._widths)}")
                self.code.append("if there & unaligned: raise Trap(MISALIGNED, there)")
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self.code.append(f"{name} = {text(value, self._widths)}")
                self._widths[name] = width(value, self._widths)
            case ast.Expr(value=ast.Call(func=ast.Name(id="store")) as call):
                self._store(call)
            case ast.Expr(value=ast.Call() as call) if not _called(call) <= _NOTHING:
                self.code.append(text(call, self._widths))

    def _constant(self, value: ast.expr) -> str:
        """What a register takes: computed in the factory where it depends on the operands alone."""
        taken = register(value, self._widths)
        if not {node.id for node in ast.walk(value) if isinstance(node, ast.Name)} <= _CONSTANT:
            return taken
        self.hoisted.append(f"value = {taken}")
        return "value"

    # Jumps

    def _jump(self, value: ast.expr) -> None:
        match value:
            case ast.Name(id="there"):
                self._next = "there"
            case ast.Call():
                self.code.append(f"there = {text(value, self._widths)}")
                self._next = "there"
            case ast.IfExp(test=test, body=body):
                taken = condition(test, self._widths)
                self._target(body, f"if {taken}: raise Trap(MISALIGNED, target)")
                self._next = f"target if {taken} else next"
            case _:
                self._target(value, "raise Trap(MISALIGNED, target)")
                self._next = "target"

    def _target(self, value: ast.expr, trap: str) -> None:
        """A jump to a place known beforehand; a misaligned one gets an operation of its own, which traps."""
        self.hoisted += [
            f"target = {register(value, self._widths)}",
            "if target & unaligned:",
            "    def operation():",
            f"        {trap}",
            "        return next",
            "    return operation",
        ]

    # Memory

    def _load(self, value: ast.expr) -> None:
        """`rd = load(…)`, plain or sign-extended: RAM has a view of signed elements for the latter."""
        match value:
            case ast.Call(func=ast.Name(id="load"), args=[address, size]):
                view, cut = number(size), ""
            case ast.Call(args=[ast.Call(args=[address, size])]):
                view, cut = -number(size), f" & {MASK}"
            case _:
                raise ValueError(ast.unparse(value))
        element = self._element("reads", view)
        self._quickly(address, f"x[rd] = {element}{cut}", f"x[rd] = {register(value, self._widths)}")

    def _store(self, call: ast.Call) -> None:
        """`store(…)`; behind an `amo_load`, which goes the long way in any case, without the try."""
        address, size, value = call.args
        slow = text(call, self._widths)
        if not self._alone:
            self.code.append(slow)
            return
        element = self._element("writes", number(size))
        self._quickly(address, f"{element} = {fitting(value, 8 * number(size), self._widths)}", slow)

    def _element(self, table: str, view: int) -> str:
        """The element of RAM at the virtual address `at`, through the quick table of its pages."""
        size = abs(view)
        self.hoisted.append(f"ram = views[{view}]")
        return f"ram[at + {table}[at & {_PAGES | size - 1}]{_SHIFT[size]}]"

    def _quickly(self, address: ast.expr, quick: str, slow: str) -> None:
        """Try RAM itself; go the long way where the page is not in the table or the address is misaligned.

        An address that should have wrapped round at 2**64 goes there too: RAM has no such element.
        """
        self.code += [
            f"at = {text(address, self._widths)}",
            "try:",
            f"    {quick}",
            "except LookupError:",
            f"    {slow}",
            "    return hart.leave(next)",  # a device may have answered, so look around
        ]


def _called(node: ast.AST) -> set[str]:
    """The names of all functions called in a tree."""
    calls = (n.func for n in ast.walk(node) if isinstance(n, ast.Call))
    return {function.id for function in calls if isinstance(function, ast.Name)}
