"""The magics: `%%guest` assembles a cell and runs it, bare or in virtual machines; `%%asm` shows what it becomes.

`%load_ext vlab` brings them. Both complain as the command line does: what is wrong, where, and what to do; a
reader sees no Python traceback. Lines are counted from the magic's own, as the notebook counts a cell's.
"""

import keyword
import shlex
from argparse import SUPPRESS, ArgumentTypeError, Namespace
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vlab.cli.parser import Parser
from vlab.display import Bundle, Drawn, renders
from vlab.language import VlabError, _, grouped

if TYPE_CHECKING:
    from vlab.events import Event, Recording
    from vlab.machine import Computer, Machine
    from vlab.riscv import Program

NAMES = ("guest", "asm")
LIMIT = 1_000_000  # instructions, so that a cell ends soon, even one that prints for ever
SHOWN = 20_000  # characters of the console
RECORDED = 100_000  # events


def load(shell: Any) -> None:
    """Give an IPython shell the magics."""

    def guest(line: str, cell: str) -> "Outcome | None":
        return _guest(shell, line, cell)

    def asm(line: str, cell: str) -> "Program | None":
        return _asm(shell, line, cell)

    for function in (guest, asm):
        shell.register_magic_function(function, "cell", function.__name__)


@dataclass(frozen=True)
class Outcome(Drawn):
    """What came of a `%%guest` cell: the computers, the program, and how it ended.

    `computer` is the guest's own (the machine, or the innermost virtual one); `recording` has the run's events
    if `--trace` was asked for.
    """

    machine: "Machine"
    computer: "Computer"
    program: "Program"
    sentence: str
    recording: "Recording | None" = field(default=None)

    def __repr__(self) -> str:
        return self.sentence


def _guest(shell: Any, line: str, cell: str) -> Outcome | None:
    args = _parsed(_guest_parser(), line)
    if args is None:
        return None
    program = _assembled(cell, args.base)
    outcome = _run(args, program)
    if args.name is not None:
        shell.push({args.name: outcome.machine})
    return outcome


def _asm(shell: Any, line: str, cell: str) -> "Program | None":
    args = _parsed(_asm_parser(), line)
    if args is None:
        return None
    program = _assembled(cell, args.base)
    if args.name is not None:
        shell.push({args.name: program})
    if not hasattr(shell, "kernel"):  # a terminal shows the sentence alone
        print(program.listing())
    return program


def _assembled(cell: str, base: int) -> "Program":
    from vlab.riscv import assemble

    return assemble("\n" + cell, filename=_("cell"), base=base)


def _run(args: Namespace, program: "Program") -> Outcome:
    """Build the computers, run the program on the innermost one, print its console, and say how it ended."""
    from vlab.cli.computers import build, chosen_shadows, chosen_techniques
    from vlab.cli.running import Run
    from vlab.events import Recording

    techniques = chosen_techniques(args.technique, args.depth, args.shadow)
    machine, computers = build(args.memory, techniques, chosen_shadows(args.shadow, techniques))
    guest = computers[-1]
    guest.load(program)
    if args.input is not None:
        guest.type(args.input)
    run = Run(machine, guest, None, args.max_instructions, show=lambda byte: None)
    counts, events = _Counts(guest.level), Recording(most=RECORDED)

    def listen(event: "Event") -> None:
        counts.count(event)
        if args.trace:
            events.take(event)

    guest.events.listen(listen, patient=True)
    try:
        end = run.go()
    finally:
        guest.events.unlisten(listen)
        guest.uart.listener = None
    _print_console(guest.console)
    sentence = " ".join(filter(None, (_ending(run, end, program), counts.sentence(), events.missing())))
    return Outcome(machine, guest, program, sentence, events if args.trace else None)


def _ending(run: Any, end: Any, program: "Program") -> str:
    """How the run ended, in a sentence."""
    from vlab.cli.running import ending

    if said := ending(run, end, program):
        return said
    return _("The guest switched its computer off with status {status} at time {time}.").format(
        status=run.guest.status, time=run.guest.time
    )


def _print_console(text: str) -> None:
    """What the guest printed; of a very long text the beginning."""
    if text:
        print(text[:SHOWN], end="" if text[:SHOWN].endswith("\n") else "\n")
    if len(text) > SHOWN:
        print(_("… and {count} more characters").format(count=len(text) - SHOWN))


class _Counts:
    """Counts the real hart's traps by cause, and the guest's exits by reason."""

    def __init__(self, level: int):
        self.level = level
        self.traps: Counter[int] = Counter()
        self.exits: Counter[str] = Counter()

    def count(self, event: "Event") -> None:
        from vlab.events import Exit, Trap

        if type(event) is Trap and not event.level:
            self.traps[event.cause] += 1
        elif isinstance(event, Exit) and event.level == self.level:
            self.exits[event.reason] += 1

    def sentence(self) -> str:
        """Both counts, the most frequent first."""
        from vlab.riscv.privilege import cause_title
        from vlab.views.terms import term

        traps = _listed({cause_title(cause): count for cause, count in self.traps.items()})
        said = _("Traps of the real hart: {traps}.").format(traps=traps)
        if not self.level:
            return said
        exits = _listed({term(reason): count for reason, count in self.exits.items()})
        return said + " " + _("Exits of the guest: {exits}.").format(exits=exits)


def _listed(counts: dict[str, int]) -> str:
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    listed = ", ".join(f"{name} {count}" for name, count in rows)
    return f"{sum(counts.values())} ({listed})" if rows else _("none")


# What the magics take


def _guest_parser() -> Parser:
    from vlab.cli import values

    parser = _parser("guest", _("Assemble the cell and run it, on the bare machine or in virtual machines."))
    parser.add_argument(
        "--depth", metavar="N", type=values.depth, help=_("how many virtual machines inside each other")
    )
    parser.add_argument("--technique", metavar="T[,T…]", help=_("how to virtualize, as for `vlab run`"))
    parser.add_argument(
        "--shadow", metavar="P[,P…]", help=_("the policy of shadow page tables, as for `vlab run`")
    )
    parser.add_argument(
        "--memory",
        metavar=_("SIZE"),
        type=values.size,
        default="8M",
        help=_("the guest's memory; 8M by default"),
    )
    parser.add_argument(
        "--input", metavar=_("TEXT"), type=values.characters, help=_("type this; \\n stands for a line's end")
    )
    parser.add_argument(
        *("--max-instructions", "--steps"),
        metavar="N",
        type=values.count,
        default=LIMIT,
        help=_("stop after so many; by default {limit}").format(limit=grouped(LIMIT)),
    )
    parser.add_argument("--trace", action="store_true", help=_("show the trap ladder"))
    parser.add_argument(
        "--name", metavar=_("NAME"), type=_name, help=_("keep the machine under this Python name")
    )
    return parser


def _asm_parser() -> Parser:
    parser = _parser("asm", _("Assemble the cell and show what it becomes."))
    parser.add_argument(
        "--name", metavar=_("NAME"), type=_name, help=_("keep the program under this Python name")
    )
    return parser


def _parser(magic: str, description: str) -> Parser:
    parser = Parser(prog=f"%%{magic}", description=description, add_help=False)
    parser.add_argument("-h", "--help", action="store_true", help=SUPPRESS)
    parser.add_argument(
        "--base", metavar=_("ADDRESS"), type=_address, default=0x8000_0000, help=_("where .text begins")
    )
    return parser


def _parsed(parser: Parser, line: str) -> Namespace | None:
    """The options of a magic's line; None if help was asked for, and given. VlabError if one is wrong."""
    try:
        words = shlex.split(line)
    except ValueError:
        raise VlabError(
            _("A quotation mark is not closed."),
            where=parser.prog,
            mend=_("Close it, or write a backslash before it."),
        ) from None
    args, unknown = parser.parse_known_args(words)
    if args.help:
        print(parser.format_help().rstrip())
        return None
    if unknown:
        raise parser.unknown(unknown[0])
    return args


def _name(text: str) -> str:
    if not text.isidentifier() or keyword.iskeyword(text) or text.startswith("_"):
        raise ArgumentTypeError(_("{text!r} cannot be a Python name").format(text=text))
    return text


def _address(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise ArgumentTypeError(_("{text!r} is not an address").format(text=text)) from None


@renders(Outcome)
def _bundle(outcome: Outcome) -> Bundle:
    """The sentence, and the ladder if there is one."""
    if outcome.recording is None:
        return {}, {}
    from vlab.views import ladder_picture
    from vlab.views.drawing.svg import escape

    shown, metadata = ladder_picture(outcome.recording)._repr_mimebundle_()
    return shown | {"text/html": f"<p>{escape(outcome.sentence)}</p>{shown['text/html']}"}, metadata
