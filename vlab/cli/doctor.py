"""`vlab doctor`: what this host offers and what it lacks; status 1 where something required is missing."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from vlab.language import _

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from vlab.cli.parser import Parser
    from vlab.course.doctor import Finding


def add_parser(commands: "_SubParsersAction[Parser]") -> ArgumentParser:
    """Say what `vlab doctor` takes."""
    return commands.add_parser("doctor", help=_("show what this host offers, what it lacks, and the mend"))


def main(args: Namespace) -> int:
    """Print the table, and what it comes to."""
    from vlab.course.doctor import examine

    findings = list(examine())
    print("\n".join(_table(findings)), end="\n\n")
    missing = [finding.name for finding in findings if finding.state == "missing"]
    if missing:
        print(_("Missing: {names}.").format(names=", ".join(missing)))
        return 1
    print(_("Everything required is here. A line with - names something optional."))
    return 0


def _table(findings: list["Finding"]) -> list[str]:
    marks = {"ok": _("ok"), "absent": "-", "missing": _("missing")}
    rows = [
        (
            marks[f.state],
            f.name,
            "; ".join(filter(None, (f.found.rstrip(".") if f.mend else f.found, f.mend))),
        )
        for f in findings
    ]
    first = max(len(row[0]) for row in rows)
    second = max(len(row[1]) for row in rows)
    return [f"{mark:{first}}  {name:{second}}  {found}" for mark, name, found in rows]
