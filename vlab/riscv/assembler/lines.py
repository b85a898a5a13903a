"""From a text to statements, and from a statement to tokens. Columns count from 0 here, in characters."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from vlab.language import _
from vlab.riscv.assembler.problems import Mistake


class Line(NamedTuple):
    """A line of a file, or what a macro made of it. `order` is the place of its file among the files."""

    file: str
    order: int
    number: int
    text: str
    notes: tuple[str, ...] = ()


class Statement(NamedTuple):
    """Part of a line, up to a `;` or a comment; its text begins at `column`."""

    line: Line
    column: int
    text: str


class Token(NamedTuple):
    """A word of a statement. `kind` is "name", "number", "string", "character" or "mark"."""

    kind: str
    text: str
    column: int


_STRING = r'"(?:\\.|[^"\\])*"?'
_CHARACTER = r"'(?:\\(?:[0-7]{1,3}|x[0-9a-fA-F]+|.)|[^\\])'?"
_BREAK = re.compile(rf"{_STRING}|{_CHARACTER}|/\*|//|\#|;")
_TOKEN = re.compile(
    r"(?P<name>[^\W\d][\w.$]*|[.$][\w.$]*)"
    r"|(?P<number>[0-9]\w*)"
    rf"|(?P<string>{_STRING})"
    rf"|(?P<character>{_CHARACTER})"
    r"|(?P<mark><<|>>|<=|>=|==|!=|<>|&&|\|\||[-+*/%&|^~!<>=(),:@\\])"
    r"|(?P<space>\s+)"
    r"|(?P<strange>.)"
)
_WHOLE_STRING = re.compile(_STRING.rstrip("?"), re.DOTALL)
_ESCAPES = {"n": 10, "t": 9, "r": 13, "b": 8, "f": 12, "v": 11, "a": 7, "e": 27}
_ESCAPE = re.compile(r"\\([0-7]{1,3}|[xX][0-9a-fA-F]+|.)", re.DOTALL)


def statements(file: str, order: int, text: str) -> Iterator[Statement]:
    """The statements of a file, comments gone. A `/*` that is never closed ends with the file."""
    in_comment = False
    for number, raw in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        line = Line(file, order, number, raw)
        start = 0
        if in_comment:
            end = raw.find("*/")
            if end < 0:
                continue
            raw = " " * (end + 2) + raw[end + 2 :]
        raw, in_comment, breaks = _without_comments(raw)
        for end in (*breaks, len(raw)):
            if part := raw[start:end].strip():
                yield Statement(line, raw.index(part, start), part)
            start = end + 1


def _without_comments(text: str) -> tuple[str, bool, list[int]]:
    """The line with blanks for its comments, whether one goes on below, and where its `;` stand."""
    kept: list[str] = []
    breaks: list[int] = []
    at = start = 0
    while found := _BREAK.search(text, at):
        at = found.end()
        match found.group():
            case "#" | "//":
                return "".join(kept) + text[start : found.start()], False, breaks
            case ";":
                breaks.append(found.start())
            case "/*":
                kept.append(text[start : found.start()])
                end = text.find("*/", at)
                if end < 0:
                    return "".join(kept), True, breaks
                at = start = end + 2
                kept.append(" " * (at - found.start()))
    return "".join(kept) + text[start:], False, breaks


def tokens(statement: Statement) -> list[Token]:
    """The words of a statement."""
    made: list[Token] = []
    for found in _TOKEN.finditer(statement.text):
        kind = found.lastgroup or ""
        if kind == "space":
            continue
        token = Token(kind, found.group(), statement.column + found.start())
        if kind == "strange" or (kind in ("string", "character") and not _closed(token)):
            raise _not_a_word(token)
        made.append(token)
    return made


def _closed(token: Token) -> bool:
    return token.kind == "character" or _WHOLE_STRING.fullmatch(token.text) is not None


def _not_a_word(token: Token) -> Mistake:
    if token.kind == "string":
        return Mistake(_("The string is not closed."), token.column, _('End it with `"`.'))
    return Mistake(_("The character {text!r} has no meaning here.").format(text=token.text), token.column)


def character(token: Token) -> int:
    """The value of a character constant: 'a', '\\n', 'a."""
    body = token.text[1:-1] if len(token.text) > 2 and token.text[-1] == "'" else token.text[1:]
    encoded = _bytes(body, token.column + 1)
    if len(encoded) != 1:
        raise Mistake(_("A character constant is one byte."), token.column)
    return encoded[0]


def string(token: Token) -> bytes:
    """The bytes of a string, escapes resolved, other characters in UTF-8."""
    return _bytes(token.text[1:-1], token.column + 1)


def _bytes(body: str, column: int) -> bytes:
    out, at = bytearray(), 0
    for found in _ESCAPE.finditer(body):
        out += _utf8(body[at : found.start()])
        out += _escaped(found.group(1), column + found.start())
        at = found.end()
    return bytes(out + _utf8(body[at:]))


def _escaped(code: str, column: int) -> bytes:
    if code[0] in "01234567":
        return bytes([int(code, 8) & 0xFF])
    if code[0] in "xX" and len(code) > 1:
        return bytes([int(code[-2:], 16)])
    if code in _ESCAPES:
        return bytes([_ESCAPES[code]])
    if code in "\\\"'?":
        return code.encode()
    raise Mistake(
        _("There is no escape `\\{code}`.").format(code=code), column, _("Write `\\\\` for a backslash.")
    )


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape") if text.isascii() else text.encode("utf-8", "replace")
