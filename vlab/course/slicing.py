"""Which statements of a notebook make what others need, found by the names in them.

Each *needs* names, *binds* names, or may *change* what a name stands for. Read backwards from what is wanted, those
that bind or change it are to be run. It is a reading of the text, and takes too many rather than too few; a test
runs every section of every lesson from its checkpoint alone.
"""

import ast
import builtins
import symtable
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

_CHANGING = {"vlab"}  # modules that are changed by being used: `vlab.set_language`
# What is handed to these is only read; any other function may change it, as `Hypervisor(machine)` does.
_ONLY_READS = set(dir(builtins)) - {"next", "setattr", "delattr", "exec", "eval", "super"}
_Function = (ast.FunctionDef, ast.ClassDef)


@dataclass
class Names:
    """The names of a piece of code: what it needs from before, binds, and may change."""

    needs: set[str] = field(default_factory=set)
    binds: set[str] = field(default_factory=set)
    changes: set[str] = field(default_factory=set)

    def reads(self, node: ast.AST | None) -> None:
        """A piece of code that is read here: it needs what nothing before it has bound."""
        if node is not None:
            self.needs |= _loaded(node) - self.binds
            self._watch(node)

    def _watch(self, node: ast.AST) -> None:
        for part in ast.walk(node):
            if isinstance(part, ast.Call) and not (
                isinstance(part.func, ast.Name) and part.func.id in _ONLY_READS
            ):
                handed = [*part.args, *(word.value for word in part.keywords)]
                called = [part.func] if isinstance(part.func, ast.Attribute) else []
                self.changes |= set().union(*map(_root, called + handed))
            elif isinstance(part, ast.Attribute | ast.Subscript) and not isinstance(part.ctx, ast.Load):
                self.changes |= _root(part)


@lru_cache(maxsize=512)
def names(source: str) -> Names | None:
    """The names of a cell or statement; None where it is no plain Python, so that nobody can tell."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return None
    found = Names()
    _follow(body, found)
    return found


def _follow(body: Iterable[ast.stmt], found: Names) -> None:
    """Go through statements in the order in which they run."""
    for node in body:
        match node:
            case ast.For():
                found.reads(node.iter)
                found.binds |= _stored(node.target)
                _follow([*node.body, *node.orelse], found)
            case ast.With():
                for item in node.items:
                    found.reads(item.context_expr)
                    found.binds |= _stored(item.optional_vars)
                _follow(node.body, found)
            case ast.If() | ast.While():
                found.reads(node.test)
                _follow([*node.body, *node.orelse], found)
            case ast.Try():
                _follow(node.body, found)
                for handler in node.handlers:
                    found.reads(handler.type)
                    _follow(handler.body, found)
                _follow([*node.orelse, *node.finalbody], found)
            case ast.Import() | ast.ImportFrom():
                found.binds |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
            case _:
                found.reads(node)
                found.binds |= {node.name} if isinstance(node, _Function) else _stored(node)


class _Scoped(ast.NodeTransformer):
    """Comprehensions become generators: in every Python these have a scope of their own, the others until 3.11."""

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp) -> ast.AST:
        self.generic_visit(node)
        return ast.GeneratorExp(node.elt, node.generators)

    visit_SetComp = visit_ListComp  # noqa: N815

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        self.generic_visit(node)
        return ast.GeneratorExp(ast.Tuple([node.key, node.value], ast.Load()), node.generators)


def _loaded(node: ast.AST) -> set[str]:
    """The names from outside that a piece of code reads, in its functions too."""
    text = ast.unparse(_Scoped().visit(ast.parse(ast.unparse(node))))
    tables = [symtable.symtable(text, "cell", "exec")]
    loaded = {symbol.get_name() for symbol in tables[0].get_symbols() if symbol.is_referenced()}
    if isinstance(node, ast.AugAssign):
        loaded |= _root(node.target)
    while tables:
        inner = tables.pop().get_children()
        tables += inner
        loaded |= {s.get_name() for table in inner for s in table.get_symbols() if s.is_global()}
    return loaded


def _stored(node: ast.AST | None) -> set[str]:
    """The names that an assignment, or the target of one, binds outside of functions."""
    targets = {ast.Assign: "targets", ast.AugAssign: "target", ast.AnnAssign: "target"}
    if isinstance(node, ast.stmt):
        found = getattr(node, targets.get(type(node), "none"), [])
        return set().union(*map(_stored, found if isinstance(found, list) else [found]))
    parts = ast.walk(node) if node is not None else ()
    return {part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}


def _root(node: ast.expr) -> set[str]:
    """The name at the beginning of `a.b[c].d`; none where it begins otherwise."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def statements(source: str) -> list[str]:
    """The statements of a cell; the cell itself where it is no plain Python."""
    try:
        return [ast.unparse(node) for node in ast.parse(source).body]
    except SyntaxError:
        return [source.strip()]


def needs(sources: Iterable[str]) -> set[str]:
    """The names that pieces of code, run in this order, need from before."""
    wanted: set[str] = set()
    bound: set[str] = set()
    for source in sources:
        if (cell := names(source)) is not None:
            wanted |= cell.needs - bound
            bound |= cell.binds
    return wanted


def makers(sources: Sequence[str], wanted: set[str]) -> list[int]:
    """The places of those statements that have to run so that what is wanted stands as after all of them."""
    fixed = _fixed(sources) - _CHANGING
    left, chosen = set(wanted), []
    for at in reversed(range(len(sources))):
        cell = names(sources[at])
        if cell is None:
            chosen.append(at)  # what nobody can read may do anything
            continue
        if cell.binds & left or (cell.changes - fixed) & left:
            chosen.append(at)
            left = (left - cell.binds) | cell.needs
    return chosen[::-1]


def _fixed(sources: Iterable[str]) -> set[str]:
    """The names that are imported or defined: what they stand for is not changed by being used."""
    found: set[str] = set()
    for node in (node for source in sources if names(source) for node in ast.parse(source).body):
        if isinstance(node, _Function):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return found
