"""`vlab lab`: JupyterLab, open at the first lesson in the reader's language."""

import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from vlab.language import LANGUAGES, VlabError, _, language

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from vlab.cli.parser import Parser


def add_parser(commands: "_SubParsersAction[Parser]") -> ArgumentParser:
    """Say what `vlab lab` takes."""
    parser = commands.add_parser("lab", help=_("open the lessons in JupyterLab"))
    parser.add_argument("--lang", choices=LANGUAGES, help=_("language of the lessons and messages"))
    parser.add_argument(
        "--dir",
        type=Path,
        metavar=_("FOLDER"),
        help=_("copy the lessons there and work on the copies; files that you changed are left alone"),
    )
    parser.add_argument("--no-browser", action="store_true", help=_("only print the address to open"))
    parser.add_argument("--port", type=_port, metavar=_("NUMBER"), help=_("port of the local server"))
    return parser


def main(args: Namespace) -> int:
    """Make the lessons ready, say where they are, and serve them until the reader stops the server."""
    from vlab.course.lab import first_lesson, workplace

    place, said = workplace(args.dir)
    lesson = first_lesson(place, language())
    said.append(_("Lessons in {place}; opening {lesson}.").format(place=place, lesson=lesson))
    if lesson.parts[0] != language():
        said.append(_("It has no translation yet, so it opens in English."))
    print(*said, sep="\n", flush=True)
    _serve(place, lesson, args)
    return 0


def _serve(place: Path, lesson: Path, args: Namespace) -> None:
    try:
        from jupyterlab.labapp import LabApp
    except ImportError as error:
        raise VlabError(
            _("JupyterLab does not load: {reason}.").format(reason=error),
            mend=_("`vlab doctor` shows what is missing."),
        ) from error
    # This environment's kernel, not one of the same name that the reader once installed for himself.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    options = [
        f"--ServerApp.root_dir={place.resolve()}",
        f"--LabApp.default_url=/lab/tree/{quote(lesson.as_posix())}",
    ]
    if args.no_browser:
        options.append("--no-browser")
    if args.port is not None:
        options.append(f"--ServerApp.port={args.port}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")  # in a container, root is often the only user there is
    LabApp.launch_instance(argv=options)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise ArgumentTypeError(_("{text!r} is not a port; ports are 1 to 65535").format(text=text))
    return int(text)
