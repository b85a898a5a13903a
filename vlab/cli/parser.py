"""An argument parser whose complaints are VlabErrors: which argument, what is wrong, what was meant."""

from argparse import Action, ArgumentParser
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, NoReturn

from vlab.language import VlabError, _


class Parser(ArgumentParser):
    """argparse's parser, without abbreviations: an option added later must not change what a script means."""

    def __init__(self, *args: Any, **settings: Any):
        super().__init__(*args, **settings)
        self.allow_abbrev = False

    def error(self, message: str) -> NoReturn:
        """argparse calls this with "argument --port: what is wrong", or with a whole sentence."""
        where, colon, what = message.partition(": ")
        if colon and where.startswith("argument "):
            raise VlabError(_(what) + ".", where=where.removeprefix("argument "), mend=ask(self))
        raise VlabError(message + ".", mend=ask(self))

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


def ask(parser: ArgumentParser) -> str:
    """Where to read what a command takes."""
    return _("See `{command} --help`.").format(command=parser.prog)


def suggestion(word: str, known: Iterable[str]) -> str:
    """What was probably meant by `word`, as a sentence and a space; empty where nothing known is near."""
    near = get_close_matches(word, list(known), n=1)
    return _("Did you mean {near}?").format(near=near[0]) + " " if near else ""
