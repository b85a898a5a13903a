"""Macros as text: their parameters, the arguments of a use, and the text that a use becomes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlab.language import _
from vlab.riscv.assembler.lines import Line, Statement
from vlab.riscv.assembler.problems import Mistake

_LONGEST_LINE = 4096
_MOST_NOTES = 4
_NAME = r"[^\W\d][\w$]*"
_PARAMETER = re.compile(rf"({_NAME})\s*(?::\s*(req|vararg))?\s*(?:=\s*(\"[^\"]*\"|[^\s,]*))?")
_KEYWORD = re.compile(rf"({_NAME})\s*=(?!=)\s*(.*)", re.DOTALL)
_INSERTION = re.compile(r"\\(?:([^\W\d][\w.$]*)|(@)|\(\))")
_PIECE = re.compile(r'"(?:\\.|[^"\\])*"|[(),]|\s+|[^\s"(),]+|"')
# Blanks separate arguments only between two words: `a - b` is one argument, `a b` are two.
_BEFORE_BLANK, _AFTER_BLANK = re.compile(r"[\w.$\")]$"), re.compile(r"[\w.$\"\\%]")


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a macro takes: a name, the text in its stead where nothing is given, and whether something must be."""

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
    found: list[Parameter] = []
    at = 0
    while at < len(text):
        if text[at] in ", \t":
            at += 1
            continue
        match = _PARAMETER.match(text, at)
        if not match:
            raise Mistake(_("A parameter's name is needed here."), column + at)
        name, kind, default = match[1], match[2], _unquoted(match[3] or "")
        if name in (parameter.name for parameter in found):
            raise Mistake(_("The parameter `{name}` is there twice.").format(name=name), column + at)
        found.append(Parameter(name, default, kind == "req", kind == "vararg"))
        at = match.end()
    return tuple(found)


def arguments(macro: Macro, text: str, column: int) -> dict[str, str]:
    """What each parameter stands for in one use, from the text after the macro's name."""
    values = {parameter.name: parameter.default for parameter in macro.parameters}
    given: set[str] = set()
    for place, (at, argument) in enumerate(split_arguments(text)):
        keyword = _KEYWORD.fullmatch(argument)
        if keyword and keyword[1] in values:
            name, argument = keyword[1], keyword[2]
        elif len(given) < len(macro.parameters):
            parameter = macro.parameters[place]
            name, argument = parameter.name, text[at:].rstrip() if parameter.takes_all else argument
        else:
            what = _("Arguments of the macro `{name}`: at most {count}.").format(name=macro.name, count=len(values))
            raise Mistake(what, column + at)
        if argument:
            values[name] = argument if parameter_takes_all(macro, name) else _unquoted(argument)
        given.add(name)
        if parameter_takes_all(macro, name):
            break
    for parameter in macro.parameters:
        if parameter.required and not values[parameter.name]:
            what = _("The macro `{name}` needs `{parameter}`.").format(name=macro.name, parameter=parameter.name)
            raise Mistake(what, column)
    return values


def parameter_takes_all(macro: Macro, name: str) -> bool:
    """Whether a parameter is a `vararg`."""
    return any(parameter.takes_all for parameter in macro.parameters if parameter.name == name)


def split_arguments(text: str) -> list[tuple[int, str]]:
    """The arguments in a text, each with its place: between commas, or between blanks that stand between words."""
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
                before, after = text[start : piece.start()], text[piece.end() :]
                if _BEFORE_BLANK.search(before) and _AFTER_BLANK.match(after):
                    found.append((start, before))
                    start = piece.end()
    if text[start:].strip() or found:
        found.append((start, text[start:]))
    return [(at + len(part) - len(part.lstrip()), part.strip()) for at, part in found]


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def substitute(statement: Statement, values: Mapping[str, str], count: int, note: str) -> Statement:
    """A statement of a body with the values put in. `count` is what `\\@` becomes, `note` says where this is used."""
    line = statement.line
    notes = (*line.notes, note)[:_MOST_NOTES]
    text = _INSERTION.sub(lambda found: _inserted(found, values, count), statement.text)
    if len(text) > _LONGEST_LINE:
        raise Mistake(_("The macro makes a line of more than {most} characters.").format(most=_LONGEST_LINE))
    if text == statement.text:
        return Statement(line._replace(notes=notes), statement.column, text)
    return Statement(Line(line.file, line.order, line.number, text, notes), 0, text)


def _inserted(found: re.Match[str], values: Mapping[str, str], count: int) -> str:
    if found[2]:
        return str(count)
    return values.get(found[1], found[0]) if found[1] else ""


def repeated(name: str, values: Sequence[str]) -> list[dict[str, str]]:
    """The values of `.irp` and `.irpc`: one set for each round; a round with nothing where there are none."""
    return [{name: _unquoted(value)} for value in values or [""]]
