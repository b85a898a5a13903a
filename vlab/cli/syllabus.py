"""`vlab syllabus`: the slides, point by point, and which sections and exercises teach each."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from vlab.language import LANGUAGES, _, language

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from vlab.cli.parser import Parser
    from vlab.course.sections import Lesson
    from vlab.course.syllabus import Point


def add_parser(commands: "_SubParsersAction[Parser]") -> ArgumentParser:
    """Say what `vlab syllabus` takes."""
    parser = commands.add_parser("syllabus", help=_("show which sections teach what the slides say"))
    parser.add_argument("ids", nargs="*", metavar="ID", help=_("points, such as I1; all of them by default"))
    parser.add_argument("--lang", choices=LANGUAGES, help=_("language of the lessons and messages"))
    return parser


def main(args: Namespace) -> int:
    """Print each point under its slide, with what teaches it."""
    from vlab.course import syllabus

    chosen = syllabus.chosen(args.ids)
    titles = syllabus.sections() | syllabus.sections(language())
    slide = ""
    for point in chosen:
        if point.slide != slide:
            slide = point.slide
            print(f"\n{slide}")
        print("\n".join(_told(point, titles)))
    covered = sum(bool(point.sections) for point in chosen)
    print("\n" + _("Taught: {covered} of {all} points.").format(covered=covered, all=len(chosen)))
    if covered < len(chosen):
        ids = ", ".join(point.id for point in chosen if not point.sections)
        print(_("Not yet: {ids}.").format(ids=ids))
    return 0


def _told(point: "Point", titles: dict[str, tuple["Lesson", str]]) -> list[str]:
    """A point in a few lines: what the slide says, and where it is taught."""
    lines = [f"  {point.id}  {point.phrase if language() == 'es' else point.point}"]
    for name in (one for one in point.sections if one in titles):
        lesson, title = titles[name]
        place = f"{lesson.path.parent.name}/{lesson.path.name}"
        lines.append(f"        {name}: {title} ({place})")
    if point.exercises:
        names = ", ".join(point.exercises)
        lines.append("        " + _("exercises: {names}").format(names=names))
    if not point.sections:
        lines.append("        " + _("not yet"))
    return lines
