"""`vlab notebooks`, for authors: execute lessons and solutions and store what they show, or say what is wrong.

From each solution notebook the reader's exercise notebook is made; `check` names the cells that are stale, and why.
The Spanish notebooks are made from the English ones and their catalogues. Without names, the messages' catalogue,
the list of lessons, the syllabus and the documents' links are brought up to date or checked too.
"""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from vlab.language import _

if TYPE_CHECKING:
    from argparse import _SubParsersAction
    from pathlib import Path

    from vlab.cli.parser import Parser


def add_parser(commands: "_SubParsersAction[Parser]") -> ArgumentParser:
    """Say what `vlab notebooks` takes."""
    parser = commands.add_parser(
        "notebooks", help=_("for authors: build the lessons' outputs, or check them")
    )
    parser.add_argument("verb", choices=("build", "check"), metavar=_("VERB"), help=_("`build` or `check`"))
    parser.add_argument(
        "names", nargs="*", metavar=_("NAME"), help=_("lessons, such as 07; all of them by default")
    )
    return parser


def main(args: Namespace) -> int:
    """Build or check; status 1 where a check finds something."""
    from tqdm import tqdm

    from vlab import files
    from vlab.course import index, messages
    from vlab.course.notebooks import authored, build, complaints

    chosen = authored(args.names)
    everything = not args.names and not files.installed()
    if args.verb == "build":
        for path in tqdm(chosen, unit=_("notebook"), disable=None):
            build(path)
        if everything:
            messages.update(files.checkout())
            index.update(files.checkout())
    found = [complaint for path in chosen for complaint in complaints(path)]
    found += _about_everything(files.checkout()) if everything else []
    print("\n".join(found) or _("{count} notebooks, nothing wrong.").format(count=len(chosen)))
    return 1 if found else 0


def _about_everything(root: "Path") -> list[str]:
    """What is wrong with what no single notebook holds: messages, the list of lessons, the syllabus, documents."""
    from vlab.course import index, links, messages, syllabus

    found = [*messages.complaints(root), *index.complaints(root), *syllabus.complaints()]
    documents = [*sorted(root.glob("*.md")), root / "notebooks" / "README.md"]
    return found + [wrong for path in documents for wrong in links.complaints(path)]
