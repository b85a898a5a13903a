"""`vlab classify`: Popek and Goldberg's classes of instructions, by experiment; status 1 where there is a culprit."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vlab.cli.paragraphs import paragraph
from vlab.language import LANGUAGES, _

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from vlab.cli.parser import Parser
    from vlab.operations.classification import Pair


def add_parser(commands: "_SubParsersAction[Parser]") -> ArgumentParser:
    """Say what `vlab classify` takes."""
    parser = commands.add_parser(
        "classify", help=_("find out by experiment which instructions are sensitive, and whether they trap")
    )
    parser.add_argument(
        "--quirk", metavar=_("NAME"), action="append", default=[], help=_("on a machine with this fault")
    )
    parser.add_argument(
        "--counters", action="store_true", help=_("let programs in U mode read the counters, and the time")
    )
    parser.add_argument(
        "--each", action="store_true", help=_("a line for each instruction, with what was seen")
    )
    parser.add_argument("--lang", choices=LANGUAGES, help=_("language of the lessons and messages"))
    return parser


def main(args: Namespace) -> int:
    """Print a table for each pair of modes, and what it comes to for a guest in U mode."""
    from tqdm import tqdm

    from vlab.machine import Machine
    from vlab.machine.quirks import quirk_title
    from vlab.operations.classification import classify

    found = classify(
        lambda: Machine(memory="128K", quirks=args.quirk),
        counters=args.counters,
        watch=lambda these: tqdm(these, unit=_(" instructions"), disable=None, leave=False),
    )
    for quirk in found.quirks:
        print(paragraph(f"{quirk}: {quirk_title(quirk)}"), end="\n\n")
    for pair in found.pairs:
        print("\n".join(_each(pair) if args.each else _groups(pair)), end="\n\n")
    if found.virtualizable:
        print(_("A guest in U mode can be run by trap and emulate: whatever is sensitive traps there."))
        if any(pair.untrapped_clocks for pair in found.pairs if pair.low == 0):
            print(
                _(
                    "But it can read the counters without a trap, and so it sees its monitor's time beside its own."
                )
            )
        return 0
    print(_("A guest in U mode can escape its monitor's notice: something sensitive doesn't trap there."))
    return 1


def _groups(pair: "Pair") -> Iterator[str]:
    """A paragraph for each verdict: its instructions, and an experiment."""
    from vlab.operations.classification import names

    yield _head(pair)
    for verdict, rows in pair.groups():
        yield f"  {'✗' if rows[0].culprit else ' '} {verdict} ({len(rows)})"
        # In names such as "csr… satp" no line ends.
        held = ", ".join(name.replace(" ", "\N{NO-BREAK SPACE}", 1) for name in names(rows))
        yield paragraph(held, 8).replace("\N{NO-BREAK SPACE}", " ")


def _each(pair: "Pair") -> Iterator[str]:
    """A line for each instruction and experiment."""
    yield _head(pair)
    longest = max(len(row.text) for row in pair)
    for row in pair:
        yield f"  {'✗' if row.culprit else ' '} {row.text:{longest}}  {row.verdict}"
        yield from (f"      {one!r}" for one in row.evidence)


def _head(pair: "Pair") -> str:
    return paragraph(repr(pair))
