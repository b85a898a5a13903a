"""An argument parser whose complaints are VlabErrors: which argument, what is wrong, what was meant."""

from argparse import SUPPRESS, Action, ArgumentParser, HelpFormatter
from collections.abc import Iterable
from typing import Any, NoReturn

from vlab.language import VlabError, _


class _Formatter(HelpFormatter):
    """argparse's help, its first word in the reader's language."""

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        super().add_usage(usage, actions, groups, _("usage: ") if prefix is None else prefix)


class Parser(ArgumentParser):
    """argparse's parser in the reader's language, without abbreviations.

    With them, an option added later would change what a script means.
    """

    def __init__(self, *, add_help: bool = True, **settings: Any):
        super().__init__(**settings | {"add_help": False, "formatter_class": _Formatter})
        self.allow_abbrev = False
        self._positionals.title, self._optionals.title = _("arguments"), _("options")
        if add_help:
            self.add_argument(
                "-h", "--help", action="help", default=SUPPRESS, help=_("show this help and exit")
            )

    def error(self, message: str) -> NoReturn:
        """argparse calls this with "argument --port: what is wrong", or with a whole sentence."""
        where, colon, what = message.partition(": ")
        if colon and where.startswith("argument "):
            raise VlabError(_said(what) + ".", where=where.removeprefix("argument "), mend=ask(self))
        raise VlabError(_said(message) + ".", mend=ask(self))

    def unknown(self, word: str) -> VlabError:
        """The error for a word of the command line that this parser has no use for."""
        option = word.partition("=")[0]
        what = _("`{command}` takes no such argument.").format(command=self.prog)
        near = suggestion(option, self._option_string_actions) if word.startswith("-") else ""
        return VlabError(what, where=option, mend=near + ask(self))

    def _check_value(self, action: Action, value: Any) -> None:
        known = [str(choice) for choice in action.choices or ()]
        if known and str(value) not in known:
            what = _("there is no {value!r}.").format(value=value)
            where = "/".join(action.option_strings) or str(action.metavar or action.dest)
            there_are = _("There are: {known}.").format(known=", ".join(known)) + " "
            raise VlabError(what, where=where, mend=(suggestion(str(value), known) or there_are) + ask(self))


def _said(complaint: str) -> str:
    """What argparse itself complains of, in the reader's language; other complaints are in it already."""
    known = {
        "expected one argument": _("expected one argument"),
        "expected at least one argument": _("expected at least one argument"),
        "not allowed with argument": _("not allowed with argument"),
        "ignored explicit argument": _("it takes no value, so not this one:"),
        "the following arguments are required": _("the following arguments are required"),
    }
    for english, ours in known.items():
        if complaint.startswith(english):
            return ours + complaint.removeprefix(english)
    return complaint


def ask(parser: ArgumentParser) -> str:
    """Where to read what a command takes."""
    return _("See `{command} --help`.").format(command=parser.prog)


def suggestion(word: str, known: Iterable[str]) -> str:
    """What was probably meant by `word`, as a sentence and a space; empty where nothing known is near."""
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), n=1)
    return _("Did you mean {near}?").format(near=near[0]) + " " if near else ""
