"""`vlab slides`: the slides of a lesson, in one file that needs no network."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from vlab.language import LANGUAGES, VlabError, _, language

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from vlab.cli.parser import Parser


def add_parser(commands: "_SubParsersAction[Parser]") -> ArgumentParser:
    """Say what `vlab slides` takes."""
    parser = commands.add_parser(
        "slides",
        help=_("for lecturers: make a lesson's slides"),
        description=_(
            "Make the slides of a lesson: one file, to be opened in any browser, without a network."
        ),
    )
    parser.add_argument("lesson", metavar=_("LESSON"), help=_("its number, such as 07"))
    parser.add_argument("--lang", choices=LANGUAGES, help=_("language of the lesson"))
    parser.add_argument(
        "--output", type=Path, metavar=_("FILE"), help=_("where to; by default named after the lesson, here")
    )
    return parser


def main(args: Namespace) -> int:
    """Write the deck, and say where it is."""
    from vlab import files
    from vlab.course.deck import deck
    from vlab.course.sections import lesson

    made = lesson(args.lesson, language())
    path = args.output or Path(f"{made.path.stem}.{made.path.parent.name}.html")
    if path.exists() and not _ours(path):
        wrong = _("This file is no deck of ours, so it is left alone.")
        raise VlabError(wrong, where=str(path), mend=_("Choose another with --output FILE."))
    files.write_atomically(path, deck(made).encode())
    print(_("Slides in {path}: open it in a browser.").format(path=path))
    return 0


def _ours(path: Path) -> bool:
    """Whether a file was made by this command, and so holds nobody's work."""
    with path.open("rb") as file:
        return b'<meta name="generator" content="vlab slides">' in file.read(1000)
