"""What a blank may use. It is read, not run: whatever is not needed for an exercise is refused.

The rule is a list of what is allowed: plain Python, some names of the standard library, and the names that the
notebook gives for that exercise. No private attributes, no introspection, no files. So honest work isn't held up,
and what would get hold of the checker has no way to begin.
"""

import ast
import builtins
import re
from collections.abc import Iterator

from vlab.course.exercises import Exercise
from vlab.language import _

_BUILTINS = frozenset(
    "abs all any ascii bin bool bytearray bytes callable chr classmethod complex dict divmod enumerate filter float "
    "format frozenset hash hex int isinstance issubclass iter len list map max min next object oct ord pow print "
    "property range repr reversed round set slice sorted staticmethod str sum super tuple type zip "
    "False None True NotImplemented Ellipsis".split()
) | {
    name
    for name in dir(builtins)
    if isinstance(getattr(builtins, name), type) and name.endswith(("Error", "Exception", "Iteration"))
}
_MODULES: dict[str, frozenset[str]] = {
    "collections": frozenset({"Counter", "OrderedDict", "defaultdict", "deque", "namedtuple"}),
    "dataclasses": frozenset({"dataclass", "field", "replace"}),
    "enum": frozenset({"Enum", "IntEnum", "IntFlag"}),
    "functools": frozenset({"cache", "lru_cache", "partial", "reduce"}),
    "typing": frozenset({"Any", "NamedTuple"}),
}
_WHOLE = frozenset({"itertools", "math"})  # written in C: nothing else hangs on them
_INSIDES = frozenset(
    "gi_frame gi_code gi_yieldfrom cr_frame cr_code cr_await ag_frame ag_code ag_await tb_frame tb_next "
    "f_back f_globals f_locals f_builtins f_code".split()
)
_KERNEL = frozenset({"In", "Out", "get_ipython", "display", "exit", "quit"})
_MARKER = re.compile(r"^(\s*)#+\s*(?:NBVAL|PYTEST_VALIDATE)_\w+\s*$", re.MULTILINE)
_LONGEST = 20_000


def without_markers(source: str) -> str:
    """The source without comments that would make nbval look away; the lines stay where they are."""
    return _MARKER.sub(r"\1#", source)


def objections(source: str, exercise: Exercise, taken: frozenset[str]) -> list[str]:
    """Why a blank is refused, a sentence each; empty if it isn't. `taken` are the names that the notebook defines."""
    if len(source) > _LONGEST:
        return [_("it is longer than {longest} characters").format(longest=_LONGEST)]
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return [_("line {line} is not plain Python: {what}").format(line=error.lineno or 0, what=error.msg)]
    except (ValueError, RecursionError, MemoryError):
        return [_("it is not plain Python")]
    if not any(getattr(node, "name", "") == exercise.name for node in tree.body):
        return [_("it does not define `{name}`").format(name=exercise.name)]
    found = [*_about_names(tree, exercise, taken), *_about_imports(tree, exercise), *_about_attributes(tree)]
    return list(dict.fromkeys(found))


def _about_names(tree: ast.Module, exercise: Exercise, taken: frozenset[str]) -> Iterator[str]:
    bound = set(_bound(tree))
    never = (set(dir(builtins)) - _BUILTINS) | _KERNEL
    for name in sorted(bound):
        if name in never or name in taken - exercise.gives or name.startswith("__"):
            yield _("it gives `{name}` another meaning").format(name=name)
    known = bound | _BUILTINS | exercise.gives | {exercise.name}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in known:
            yield _("line {line} uses `{name}`, which this exercise does not give").format(
                line=node.lineno, name=node.id
            )


def _bound(tree: ast.Module) -> Iterator[str]:
    """Every name that the source gives a meaning, anywhere in it. A method's is reached through its object alone."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    methods = [part for node in classes for part in node.body if isinstance(part, ast.FunctionDef)]
    for node in ast.walk(tree):
        if node in methods:
            continue
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.arg(arg=name):
                yield name
            case ast.alias(name=name, asname=asname):
                yield asname or name
            case (
                ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
            ):
                yield name
            case ast.MatchMapping(rest=str(name)):
                yield name
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                yield from names


def _about_imports(tree: ast.Module, exercise: Exercise) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            wrong = [alias.name for alias in node.names if alias.name not in _WHOLE]
        elif isinstance(node, ast.ImportFrom):
            allowed = _MODULES.get(node.module or "", frozenset())
            if (node.module or "").startswith("vlab"):
                allowed = exercise.gives
            whole = node.module in _WHOLE
            wrong = [f"{node.module}.{a.name}" for a in node.names if not whole and a.name not in allowed]
        else:
            continue
        for name in wrong:
            yield _("line {line} imports `{name}`, which no exercise needs").format(
                line=node.lineno, name=name
            )


def _about_attributes(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.MatchClass):
            names = node.kwd_attrs
        else:
            continue
        for name in names:
            if (name.startswith("_") and name != "__init__") or name in _INSIDES:
                yield _("line {line} uses `.{name}`, which is private").format(line=node.lineno, name=name)
