"""What options take: sizes, depths, counts, and texts with escapes; of the command line and of the magics."""

import re
from argparse import ArgumentTypeError

from vlab.cli.computers import DEEPEST, too_deep
from vlab.language import VlabError, _

_NAME = re.compile(r"[A-Za-z_.][\w.$]*")
_TOO_LARGE = 1 << 64
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|.?)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "e": "\x1b", "\\": "\\"}


def size(text: str) -> int:
    """A size of memory: whole pages."""
    from vlab.machine import parse_size
    from vlab.machine.memory import PAGE

    try:
        found = parse_size(text)
    except VlabError as error:
        raise VlabError(error.what, where="--memory", mend=error.mend) from None
    if found <= 0 or found % PAGE:
        raise ArgumentTypeError(_("{text!r} is not a whole number of pages of 4096 bytes").format(text=text))
    return found


def _number(text: str) -> int | None:
    digits = text.replace("_", "")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else None


def depth(text: str) -> int:
    """How many virtual machines inside each other."""
    found = _number(text)
    if found is None:
        what = _("{text!r} is not a depth; depths are 0 to {deepest}")
        raise ArgumentTypeError(what.format(text=text, deepest=DEEPEST))
    if found > DEEPEST:
        raise ArgumentTypeError(too_deep(found).rstrip("."))
    return found


def count(text: str) -> int:
    """A number of instructions."""
    found = _number(text)
    if not found:
        raise ArgumentTypeError(_("{text!r} is not a number of instructions").format(text=text))
    return found


def setting(text: str) -> tuple[str, int]:
    """A name, and the number that it stands for."""
    name, _equals, number = text.partition("=")
    try:
        found = int(number, 0)
    except ValueError:
        found = _TOO_LARGE
    if not _NAME.fullmatch(name) or not -_TOO_LARGE // 2 <= found < _TOO_LARGE:
        raise ArgumentTypeError(_("{text!r} does not name a number, as TICK=300 does").format(text=text[:60]))
    return name, found


def port(text: str) -> int:
    """A port of this host; 0 for any that is free."""
    found = _number(text)
    if found is None or found > 65535:
        raise ArgumentTypeError(
            _("{text!r} is not a port; ports are 0, a free one, to 65535").format(text=text)
        )
    return found


def characters(text: str) -> str:
    """A text with its escapes replaced."""

    def character(found: re.Match[str]) -> str:
        word = found[1]
        if word.startswith("x") and len(word) == 3:
            return chr(int(word[1:], 16))
        if word not in _ESCAPED:
            raise ArgumentTypeError(
                _(r"{escape!r} stands for nothing; write \\ for a backslash").format(escape=found[0])
            )
        return _ESCAPED[word]

    if not text:
        raise ArgumentTypeError(_("the text is empty"))
    return _ESCAPE.sub(character, text)
