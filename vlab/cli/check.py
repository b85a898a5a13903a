"""`vlab check`: grade exercise notebooks that were saved; status 1 if one of them isn't all right."""

import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from vlab.language import VlabError, _

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from vlab.cli.parser import Parser
    from vlab.course.grading.marks import Scale
    from vlab.course.grading.pool import Report

SECONDS = 120
LEAST_MEMORY = 1 << 30
_MARKS = {"right": "+", "wrong": "-", "pending": ".", "missing": "?", "refused": "!", "broken": "x"}


def add_parser(commands: "_SubParsersAction[Parser]") -> ArgumentParser:
    """Say what `vlab check` takes."""
    parser = commands.add_parser(
        "check",
        help=_("grade exercise notebooks"),
        description=_(
            "Take the cells that were to be filled in out of each notebook, put them into a fresh one, and have "
            "them answer cases that nobody has seen. Everything else in the notebook is ignored."
        ),
    )
    parser.add_argument("places", nargs="+", metavar=_("NOTEBOOK|FOLDER"), type=Path, help=_("what to grade"))
    parser.add_argument("--csv", metavar=_("FILE"), help=_("write a table for a spreadsheet"))
    parser.add_argument("--json", metavar=_("FILE"), help=_("write everything that is known"))
    parser.add_argument(
        "--scale", metavar="A-B", help=_("marks, on a scale such as 1.0-7.0, 0-100 or 1.0-4.0@60-7.0")
    )
    parser.add_argument(
        "--seed", metavar="S", type=_seed, help=_("the cases' seed; a new secret one by default")
    )
    parser.add_argument(
        "--bank",
        metavar=_("FOLDER"),
        type=Path,
        help=_("solution notebooks of your own, and their questions and keys"),
    )
    jobs = os.cpu_count() or 1
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=_count,
        default=jobs,
        help=_("how many at a time; here {jobs}").format(jobs=jobs),
    )
    parser.add_argument(
        "--timeout",
        metavar="S",
        type=_count,
        default=SECONDS,
        help=_("seconds for one notebook; {seconds} by default").format(seconds=SECONDS),
    )
    parser.add_argument(
        "--memory",
        metavar=_("SIZE"),
        type=_memory,
        default=2 << 30,
        help=_("memory for one notebook; 2G by default"),
    )
    return parser


def main(args: Namespace) -> int:
    """Grade, and say what came of it."""
    from tqdm import tqdm

    from vlab.course.grading.marks import scale
    from vlab.course.grading.pool import Settings, grade_all, notebooks_in

    marks = None if args.scale is None else scale(args.scale)
    if args.bank is not None and not args.bank.is_dir():
        raise VlabError(_("There is no such folder."), where=f"--bank {args.bank}")
    paths = notebooks_in(args.places)
    settings = Settings(args.bank, args.seed, args.timeout, args.memory, args.jobs)
    with tqdm(
        total=len(paths), unit=_("notebook"), disable=None if len(paths) > 1 else True, leave=False
    ) as bar:
        reports = grade_all(paths, settings, lambda: bar.update())
    if args.csv is not None:
        _write(args.csv, _csv(reports, marks))
    if args.json is not None:
        _write(args.json, _json(reports, marks))
    print("\n".join(_one(reports[0], marks) if len(reports) == 1 else _table(reports, marks)))
    _say_isolation()
    return 0 if all(report.of and report.points == report.of for report in reports) else 1


def _one(report: "Report", marks: "Scale | None") -> list[str]:
    """What there is to say of one notebook."""
    if report.trouble:
        return [report.trouble]
    total = _("{points} of {of} points").format(points=report.points, of=report.of)
    if marks is not None:
        total += _(", mark {mark}").format(mark=marks.mark(report.points, report.of))
    return [*report.messages.values(), "", total]


def _table(reports: list["Report"], marks: "Scale | None") -> list[str]:
    """A line for each notebook, and what the signs mean."""
    exercises = sorted({name for report in reports for name in report.states})
    head = [_("notebook"), *exercises, _("points"), *([_("mark")] if marks else [])]
    rows = [[_name(report, reports), *_cells(report, exercises, marks)] for report in reports]
    plain = [row for row, report in zip(rows, reports, strict=True) if not report.trouble]
    widths = [max(len(row[at]) for row in [head, *plain]) for at in range(len(head))]
    widths[0] = max(widths[0], *(len(row[0]) for row in rows))
    lines = ["  ".join(text.ljust(width) for text, width in zip(head, widths, strict=True)).rstrip()]
    for row, report in zip(rows, reports, strict=True):
        cells = [row[0], " ".join(report.trouble.split())] if report.trouble else row
        lines.append(
            "  ".join(text.ljust(width) for text, width in zip(cells, widths, strict=False)).rstrip()
        )
    signs = {
        "right": _("right"),
        "wrong": _("wrong"),
        "pending": _("not written"),
        "missing": _("its cell is missing"),
        "refused": _("was not run"),
        "broken": _("ended in an error, or not at all"),
    }
    lines += ["", "  ".join(f"{_MARKS[state]} {text}" for state, text in signs.items())]
    told = [line for report in reports for line in _not_run(report, reports)]
    return [*lines, *(["", *told] if told else [])]


def _not_run(report: "Report", reports: list["Report"]) -> list[str]:
    """Why blanks were not run, or not to their end, a line each: the signs alone can't say it."""
    name, said = _name(report, reports), report.messages
    lost = [exercise for exercise, state in report.states.items() if state in ("refused", "broken")]
    return [f"{name}: {' '.join(said[exercise].split())}" for exercise in lost]


def _cells(report: "Report", exercises: list[str], marks: "Scale | None") -> list[str]:
    signs = [_MARKS.get(report.states.get(name, ""), "") for name in exercises]
    points = f"{report.points}/{report.of}"
    return [*signs, points, *([marks.mark(report.points, report.of)] if marks else [])]


def _name(report: "Report", reports: list["Report"]) -> str:
    """The file's name; with its folder where another file has the same."""
    from vlab.course.grading.pool import shown

    name = report.path.name
    twice = sum(other.path.name == name for other in reports) > 1
    return shown(f"{report.path.parent.name}/{name}" if twice else name)


def _csv(reports: list["Report"], marks: "Scale | None") -> str:
    import csv
    import io

    exercises = sorted({name for report in reports for name in report.states})
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["file", "notebook", *exercises, "points", "of", *(["mark"] if marks else []), "trouble"])
    for report in reports:
        states = [report.states.get(name, "") for name in exercises]
        mark = [marks.mark(report.points, report.of) if report.of else ""] if marks else []
        row = [str(report.path), report.notebook, *states, report.points, report.of, *mark, report.trouble]
        table.writerow([_harmless(cell) for cell in row])
    return text.getvalue()


def _harmless(cell: object) -> object:
    """A spreadsheet takes a text that begins like this for a formula, and computes it."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t")) else cell


def _json(reports: list["Report"], marks: "Scale | None") -> str:
    import json

    rows = []
    for report in reports:
        row = {**vars(report), "path": str(report.path)}
        rows.append(row | ({"mark": marks.mark(report.points, report.of)} if marks and report.of else {}))
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"


def _write(name: str, text: str) -> None:
    from vlab.files import write_atomically

    write_atomically(Path(name), text.encode("utf-8", "replace"))


def _say_isolation() -> None:
    """What protected this computer, if it was less than it can be."""
    from vlab.course.grading import sandbox

    if not sandbox.can_separate():
        said = _(
            "Here the submissions ran with the same rights as you: this system does not let vlab make namespaces. "
            "Network, other programs and most files were refused inside Python only. "
            "Grade work of people whom you don't trust on Linux with user namespaces."
        )
        print(said, file=sys.stderr)


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise ArgumentTypeError(_("{text!r} is not a number to be a seed").format(text=text))
    return int(text)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < len(text) <= 6 and int(text)):
        raise ArgumentTypeError(_("{text!r} is not a number from 1 up").format(text=text))
    return int(text)


def _memory(text: str) -> int:
    from vlab.machine import parse_size

    size = parse_size(text)
    if size < LEAST_MEMORY:
        raise ArgumentTypeError(_("a kernel needs at least 1G"))
    return size
