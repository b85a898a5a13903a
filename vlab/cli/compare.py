"""`vlab compare`: the same guests under each technique, at every depth, and bare.

Its status is 1 where ends differ, or nothing could be run.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from vlab.cli import values
from vlab.cli.paragraphs import paragraph
from vlab.language import LANGUAGES, VlabError, _

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from vlab.cli.parser import Parser
    from vlab.operations import EquivalenceRow


def add_parser(commands: "_SubParsersAction[Parser]") -> ArgumentParser:
    """Say what `vlab compare` takes."""
    parser = commands.add_parser(
        "compare", help=_("run the same guests under each technique, at every depth, and compare their ends")
    )
    parser.add_argument(
        "guests", nargs="*", metavar=_("GUEST"), help=_("guests to run, if not `tiny` and `kernel`")
    )
    parser.add_argument(
        "--depth", type=values.depth, default=2, metavar="N", help=_("up to so many levels; 2 if not given")
    )
    parser.add_argument(
        "--technique", metavar="T[,T…]", help=_("only these techniques, with commas between them")
    )
    parser.add_argument(
        "--quirk", metavar=_("NAME"), action="append", default=[], help=_("on a machine with this fault")
    )
    parser.add_argument(
        "--without-h", action="store_true", help=_("on a machine that has no H extension, as older ones")
    )
    parser.add_argument("--lang", choices=LANGUAGES, help=_("language of the lessons and messages"))
    return parser


def main(args: Namespace) -> int:
    """Print the table, a paragraph for each guest and depth, and what it comes to."""
    from tqdm import tqdm

    from vlab.operations.equivalence import GUESTS, WAYS, compare_all

    if not args.depth:
        raise VlabError(
            _("At depth 0 there is nothing to compare."), where="--depth", mend=_("Give 1 or more.")
        )
    names = WAYS if args.technique is None else [name.strip() for name in args.technique.split(",")]
    table = compare_all(
        args.guests or GUESTS,
        names,
        range(1, args.depth + 1),
        extensions="" if args.without_h else "H",
        quirks=args.quirk,
        watch=lambda tasks: tqdm(tasks, unit=_(" runs"), disable=None, leave=False),
    )
    for (guest, depth), rows in groupby(table, lambda row: (row.guest, row.depth)):
        print(_("{guest}, {depth} deep").format(guest=guest, depth=depth))
        for row in rows:
            print("\n".join(_lines(row)))
        print()
    print(paragraph(repr(table)))
    return 0 if table.holds else 1


def _lines(row: "EquivalenceRow") -> Iterator[str]:
    """What was run, and how it ended; then instructions, and exits by level; then the guest's exits by reason."""
    from vlab.views.operations.equivalence import causes, verdict

    yield f"  {verdict(row)}: {' / '.join(row.techniques)}"
    told = [row.why] if row.why else []
    if row.levels:
        inner = row.levels[-1]
        text = _("{direct} direct, {emulated} emulated; exits by level {exits}")
        exits = " / ".join(str(level.total) for level in row.levels)
        told += [text.format(direct=inner.direct, emulated=inner.emulated, exits=exits), causes(inner)]
    for words in told:
        yield paragraph(words, 6, hanging=2)
