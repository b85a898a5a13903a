"""Functions in a restricted Python as LLVM IR: how the walker and the trap entry are written once, and readably.

A function takes and returns 64-bit unsigned numbers; so are its variables. It has assignments, `if`, `while`,
`return`, the operators of meanings, constants of its module, calls of its module's functions, `s.field` for the
shared state, and `peek(address, bytes)` and `poke(address, bytes, value)` for the host's memory.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from types import FunctionType

from vlab.machine.execute.native.expressions import Expressions, Value
from vlab.machine.execute.native.layout import OFFSETS
from vlab.machine.execute.native.text import Text, routine


def function(made: Callable[..., int]) -> str:
    """The IR of one function; its parameter `s`, if it has one, is the state block."""
    assert isinstance(made, FunctionType)
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(made))).body
    assert isinstance(tree, ast.FunctionDef)
    parameters = [argument.arg for argument in tree.args.args]
    return _Function(made.__globals__).write(tree.name, parameters, tree.body)


class _Function:
    def __init__(self, constants: Mapping[str, object]):
        self._text = Text()
        self._constants = constants
        self._variables: set[str] = set()

    def write(self, name: str, parameters: list[str], body: list[ast.stmt]) -> str:
        nodes = [node for statement in body for node in ast.walk(statement) if isinstance(node, ast.Name)]
        assigned = {node.id for node in nodes if isinstance(node.ctx, ast.Store)}
        self._variables = assigned | set(parameters)
        for variable in sorted(self._variables):
            self._text.line(f"%{variable}.at = alloca i64")
        for parameter in parameters:
            self._text.line(f"store i64 %{parameter}, ptr %{parameter}.at")
        self._block(body)
        self._text.line("ret i64 0")
        head = routine(name, [f"%{parameter}" for parameter in parameters])
        return self._text.function(f"define internal {head} #0")

    def _block(self, body: list[ast.stmt]) -> None:
        for statement in body:
            self._statement(statement)

    def _statement(self, statement: ast.stmt) -> None:
        text = self._text
        match statement:
            case ast.Expr(value=ast.Constant()):
                pass
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                text.line(f"store i64 {self._low(value)}, ptr %{name}.at")
            case ast.AugAssign(target=ast.Name(id=name) as target, op=op, value=value):
                whole = ast.BinOp(ast.Name(target.id), op, value)
                text.line(f"store i64 {self._low(whole)}, ptr %{name}.at")
            case ast.Assign(targets=[ast.Attribute(attr=field)], value=value):
                text.store(self._field(field), 64, self._low(value))
            case ast.AugAssign(target=ast.Attribute(attr=field) as place, op=op, value=value):
                text.store(self._field(field), 64, self._low(ast.BinOp(place, op, value)))
            case ast.Expr(value=ast.Call(func=ast.Name(id="poke"), args=[address, size, value])):
                assert isinstance(size, ast.Constant) and isinstance(size.value, int)
                text.store(text.as_pointer(self._low(address)), 8 * size.value, self._low(value))
            case ast.Expr(value=ast.Call() as call):
                self._low(call)
            case ast.Return(value=value):
                text.line(f"ret i64 {self._low(value) if value is not None else 0}")
                text.place(text.label())  # what follows, if anything, nobody reaches
            case ast.If(test=test, body=body, orelse=orelse):
                self._choice(test, body, orelse)
            case ast.While(test=test, body=body):
                self._loop(test, body)
            case _:
                raise ValueError(ast.unparse(statement))

    def _choice(self, test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt]) -> None:
        text = self._text
        then, other, end = text.label(), text.label(), text.label()
        self._test(test, then, other)
        for label, part in ((then, body), (other, orelse)):
            text.place(label)
            self._block(part)
            text.jump(end)
        text.place(end)

    def _loop(self, test: ast.expr, body: list[ast.stmt]) -> None:
        text = self._text
        again, inside, end = text.label(), text.label(), text.label()
        text.jump(again)
        text.place(again)
        self._test(test, inside, end)
        text.place(inside)
        self._block(body)
        text.jump(again)
        text.place(end)

    def _test(self, test: ast.expr, then: str, other: str) -> None:
        """Go to one of two labels; `and`, `or` and `not` look no further than they must."""
        match test:
            case ast.BoolOp(op=op, values=values):
                for value in values[:-1]:
                    further = self._text.label()
                    both = isinstance(op, ast.And)
                    self._test(value, further if both else then, other if both else further)
                    self._text.place(further)
                self._test(values[-1], then, other)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self._test(operand, other, then)
            case _:
                self._text.branch(self._expressions().condition(_lifted(test)), then, other)

    # Expressions: variables are read anew for each

    def _low(self, node: ast.expr) -> str:
        return self._expressions().low(_lifted(node))

    def _expressions(self) -> Expressions:
        return Expressions(self._text, _Names(self._name), _Calls(self._call))

    def _name(self, name: str) -> Value:
        if name in self._variables:
            return Value(self._text.value(f"load i64, ptr %{name}.at"))
        constant = self._constants[name]
        assert isinstance(constant, int)
        return Value(str(int(constant) - (1 << 64) if constant >> 63 else int(constant)))

    def _call(self, name: str, call: ast.Call) -> Value:
        text = self._text
        match name, call.args:
            case "_field", [ast.Constant(value=str(field))]:
                return Value(text.load(self._field(field), 64))
            case "peek", [address, ast.Constant(value=int(size))]:
                return Value(text.load(text.as_pointer(self._low(address)), 8 * size))
        return Value(text.value(f"call {routine(name, map(self._low, call.args))}"))

    def _field(self, field: str) -> str:
        state = self._text.as_pointer(self._text.value("load i64, ptr %s.at"))
        return self._text.pointer(state, OFFSETS[field])


class _Fields(ast.NodeTransformer):
    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return ast.Call(func=ast.Name("_field"), args=[ast.Constant(node.attr)], keywords=[])


def _lifted(node: ast.expr) -> ast.expr:
    """The same with `s.field` as a call."""
    found = _Fields().visit(ast.parse(ast.unparse(node), mode="eval").body)
    assert isinstance(found, ast.expr)
    return found


class _Names(dict[str, Value]):
    def __init__(self, find: Callable[[str], Value]):
        self._find = find

    def __missing__(self, name: str) -> Value:
        return self._find(name)


class _Calls(dict[str, Callable[[ast.Call], Value]]):
    def __init__(self, find: Callable[[str, ast.Call], Value]):
        self._find = find

    def __missing__(self, name: str) -> Callable[[ast.Call], Value]:
        return lambda call: self._find(name, call)
