"""The command line. One module a command; each offers `add_parser(commands)` and `main(args) -> int`.

Those modules import what is heavy inside `main`, so that `vlab --help` answers at once.
Exit status: 0 done, 1 the command's own "no", 2 a mistake that the reader can mend, 130 interrupted.
"""

import gc
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from typing import TextIO

import vlab
from vlab.cli.parser import Parser
from vlab.language import LANGUAGES, VlabError, _, preferred_language, set_language

COMMANDS = ("lab", "run", "check", "classify", "compare", "live", "slides", "syllabus", "doctor", "notebooks")

MISTAKE = 2
INTERRUPTED = 130
READER_LEFT = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, `sys.argv` by default, and return its exit status. Never raises but for a bug."""
    for stream in (sys.stdout, sys.stderr):
        _never_fail_on_letters(stream)
    argv = sys.argv[1:] if argv is None else argv
    set_language(_asked_language(argv) or preferred_language())
    try:
        status = _run(argv)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except VlabError as error:
        return _mistake(str(error))
    except BrokenPipeError:
        _drop_output()
        return READER_LEFT
    except OSError as error:
        return _mistake(_os_error(error))
    except KeyboardInterrupt:
        return INTERRUPTED


def process() -> int:
    """`vlab` as a process of its own: the exit status. What is there at its end, nobody looks through for garbage."""
    status = main()
    gc.freeze()
    return status


def _run(argv: Sequence[str]) -> int:
    try:
        args = _parse(argv)
    except SystemExit as done:  # argparse, after --help and --version
        return int(done.code or 0)
    status: int = args.main(args)
    return status


def _asked_language(argv: Sequence[str]) -> str | None:
    """What --lang says, before anything is parsed: help and complaints are in that language too."""
    for word, after in pairwise([*argv, ""]):
        option, _equals, value = word.partition("=")
        if option == "--lang" and (value or after) in LANGUAGES:
            return value or after
    return None


def build_parser(names: Sequence[str] = COMMANDS) -> tuple[Parser, dict[str, Parser]]:
    """The parser of the command line, of these commands, and the one of each by name."""
    parser = Parser(prog="vlab", description=_("Operating-system virtualization, to run and to take apart."))
    parser.add_argument(
        "--version", action="version", version=f"vlab {vlab.__version__}", help=_("show the version and exit")
    )
    parser.add_argument("--lang", choices=LANGUAGES, help=_("language of the lessons and messages"))
    commands = parser.add_subparsers(title=_("commands"), metavar=_("COMMAND"), dest="command")
    for name in names:
        module = import_module(f"vlab.cli.{name}")
        module.add_parser(commands).set_defaults(main=module.main)
    return parser, dict(commands.choices)


def _parse(argv: Sequence[str]) -> Namespace:
    named = argv[:1]  # the others are not needed, if it is a command
    parser, commands = build_parser(named if named and named[0] in COMMANDS else COMMANDS)
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        raise commands.get(args.command, parser).unknown(unknown[0])
    if args.command is None:
        raise VlabError(_("Which command?"), mend=parser.format_help().rstrip())
    return args


def _mistake(message: str) -> int:
    if sys.stderr is not None:
        print(f"vlab: {message}", file=sys.stderr)
    return MISTAKE


def _os_error(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}"


def _never_fail_on_letters(stream: TextIO | None) -> None:
    """A terminal that lacks a letter shows a question mark instead of ending the command."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")


def _drop_output() -> None:
    """Whoever read our output has gone (`vlab ... | head`): let Python's last flush go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
