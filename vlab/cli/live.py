"""`vlab live`: the lecturer's notebook of a lesson, whose cells come when they are asked for."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from vlab.language import LANGUAGES, _, language

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from vlab.cli.parser import Parser


def add_parser(commands: "_SubParsersAction[Parser]") -> ArgumentParser:
    """Say what `vlab live` takes."""
    parser = commands.add_parser(
        "live",
        help=_("for lecturers: make a lesson's notebook for live coding"),
        description=_(
            "Make a notebook for live coding from a lesson: the cells that build the idea are empty and come when "
            "asked for, with notes, minutes and the usual misconceptions. Files that you changed are left alone."
        ),
    )
    parser.add_argument("lesson", metavar=_("LESSON"), help=_("its number, such as 07"))
    parser.add_argument("--lang", choices=LANGUAGES, help=_("language of the lesson"))
    parser.add_argument(
        "--dir", type=Path, metavar=_("FOLDER"), help=_("your folder of lessons; vlab-notebooks by default")
    )
    return parser


def main(args: Namespace) -> int:
    """Write it, and say where it is and how to open it."""
    from vlab import files
    from vlab.course import lab, live
    from vlab.course.sections import lesson

    made = lesson(args.lesson, language())
    place = args.dir or lab.DEFAULT_FOLDER
    lab.copy_lessons(files.folder("notebooks"), place)  # what its links lead to
    name = live.live_name(made)
    for said in lab.bring(place, {name: live.live_notebook(made)}):
        print(said)
    print(_("The lecturer's notebook is {path}.").format(path=place / name))
    print(_("To open it: {command}").format(command=f"vlab lab --dir {place}"))
    return 0
