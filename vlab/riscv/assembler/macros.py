"""Macros as text: their parameters, the arguments of a use, and the text that a use becomes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from vlab.language import _
from vlab.riscv.assembler.lines import Line, Statement
from vlab.riscv.assembler.problems import Mistake

_LONGEST_LINE = 4096
_NAME = r"[^\W\d][\w$]*"
NAME = re.compile(r"\s*([^\W\d][\w.$]*)\s*,?")
_PARAMETER = re.compile(rf"({_NAME})\s*(?::\s*(req|vararg))?\s*(?:=\s*(\"[^\"]*\"|[^\s,]*))?")
_KEYWORD = re.compile(rf"({_NAME})\s*=(?!=)\s*(.*)", re.DOTALL)
_INSERTION = re.compile(r"\\(?:([^\W\d][\w.$]*)|(@)|\(\))")
_PIECE = re.compile(r'"(?:\\.|[^"\\])*"|[(),]|\s+|[^\s"(),]+|"')
# Blanks separate arguments only between two words: `a - b` is one argument, `a b` are two.
_ENDS_WORD, _BEGINS_WORD = re.compile(r"[\w.$\")]"), re.compile(r"[\w.$\"\\%]")


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a macro takes: a name, the text used where nothing is given, and whether that is allowed."""

    name: str
    default: str
    required: bool
    takes_all: bool


@dataclass(frozen=True, slots=True)
class Macro:
    """A macro: its parameters and the statements it stands for."""

    name: str
    parameters: tuple[Parameter, ...]
    body: tuple[Statement, ...]


def parameters(text: str, column: int) -> tuple[Parameter, ...]:
    """The parameters in the head of a macro, from the text after its name."""
    found: dict[str, Parameter] = {}
    at = 0
    while at < len(text):
        if text[at] in ", \t":
            at += 1
            continue
        match = _PARAMETER.match(text, at)
        if not match:
            raise Mistake(_("A parameter's name is needed here."), column + at)
        name, kind, default = match[1], match[2], _unquoted(match[3] or "")
        if name in found:
            raise Mistake(_("The parameter `{name}` is there twice.").format(name=name), column + at)
        found[name] = Parameter(name, default, kind == "req", kind == "vararg")
        at = match.end()
    return tuple(found.values())


def arguments(macro: Macro, text: str, column: int) -> dict[str, str]:
    """What each parameter stands for in one use, from the text after the macro's name."""
    values = {parameter.name: parameter.default for parameter in macro.parameters}
    for place, (at, argument) in enumerate(split_arguments(text)):
        keyword = _KEYWORD.fullmatch(argument)
        if keyword and keyword[1] in values:
            name, argument = keyword[1], keyword[2]
        elif place < len(macro.parameters):
            name = macro.parameters[place].name
            if macro.parameters[place].takes_all:
                values[name] = text[at:].rstrip()
                break
        else:
            what = _("Arguments of the macro `{name}`: at most {count}.")
            raise Mistake(what.format(name=macro.name, count=len(values)), column + at)
        values[name] = _unquoted(argument) or values[name]
    for parameter in macro.parameters:
        if parameter.required and not values[parameter.name]:
            what = _("The macro `{name}` needs `{parameter}`.")
            raise Mistake(what.format(name=macro.name, parameter=parameter.name), column)
    return values


def split_arguments(text: str) -> list[tuple[int, str]]:
    """The arguments in a text, each with its place: between commas, or between blanks that part words."""
    found: list[tuple[int, str]] = []
    start = depth = 0
    for piece in _PIECE.finditer(text):
        match piece.group():
            case "(":
                depth += 1
            case ")":
                depth -= 1
            case "," if depth <= 0:
                found.append((start, text[start : piece.start()]))
                start = piece.end()
            case blank if blank.isspace() and depth <= 0:
                before = text[max(start, piece.start() - 1) : piece.start()]
                after = text[piece.end() : piece.end() + 1]
                if _ENDS_WORD.match(before) and _BEGINS_WORD.match(after):
                    found.append((start, text[start : piece.start()]))
                    start = piece.end()
    if text[start:].strip() or found:
        found.append((start, text[start:]))
    return [(at + len(part) - len(part.lstrip()), part.strip()) for at, part in found]


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def substitute(
    statement: Statement, values: Mapping[str, str] | None, count: int, notes: tuple[str, ...]
) -> Statement:
    """A statement of a body, with the values of the arguments put in; without them (`.rept`) as it stands.

    `count` is what `\\@` becomes, `notes` say where the body is used.
    """
    line, text = statement.line, statement.text
    if values is not None and "\\" in text:
        text = _INSERTION.sub(lambda found: _inserted(found, values, count), text)
    if len(text) > _LONGEST_LINE:
        raise Mistake(_("The macro makes a line of more than {most} characters.").format(most=_LONGEST_LINE))
    if text == statement.text:
        return Statement(line._replace(notes=notes), statement.column, text)
    return Statement(Line(line.file, line.order, line.number, text, notes), 0, text)


def _inserted(found: re.Match[str], values: Mapping[str, str], count: int) -> str:
    if found[2]:
        return str(count)
    return values.get(found[1], found[0]) if found[1] else ""


def rounds(text: str, column: int, *, of_letters: bool) -> list[dict[str, str]]:
    """The values of `.irp name, text, ...` or `.irpc name, letters`: a set for each round, at least one."""
    named = NAME.match(text)
    if not named:
        raise Mistake(_("A name is needed here."), column)
    rest = text[named.end() :].strip()
    texts = [*rest] if of_letters else [_unquoted(argument) for _at, argument in split_arguments(rest)]
    return [{named[1]: argument} for argument in texts or [""]]
