"""Exits by their cause, of several guests beside each other: what each technique, and each system, is known by.

A row for each guest, a column for each cause, a bar in each cell. All bars have one scale. The hypercalls of a
paravirtual guest are many kinds of one cause, and share a column.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from math import ceil

from vlab.display import Drawn, one_line
from vlab.hypervisor import VirtualMachine
from vlab.language import VlabError, _
from vlab.views.drawing.metrics import text_width, wrap
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, path, text
from vlab.views.operations.bars import HEIGHT, bar, length
from vlab.views.terms import term

MARGIN = 16
NAMES, TOTAL = 158, 62  # widths: of a name, of the sum
NARROW, WIDE = 76, 96  # widths of a cause, as its longest word wants
BAR = NARROW - 14
LINE, RULE = 12, 18  # between lines of a cause's name, and from the last of them to the first row
ROW = 44
MOST = 10  # causes with a column of their own; the rest are together
ROWS = 24  # guests in one picture; of more, the rest are counted
_HYPERCALL = "hypercall"

# Who wanted it: a process, the guest's kernel, its hypervisor for itself, the machine's tables, a device.
_LOOKS = {
    "system call": "process",
    "guest fault": "process",
    "device access": "host",
    "time slice": "host",
    "shadow fill": "machine",
    "G-stage fill": "machine",
    "page-table write": "machine",
    "first write": "machine",
    "timer": "machine",
    "translation": "hypervisor",
    "call-out": "hypervisor",
    _HYPERCALL: "hypervisor",
}

Guests = Mapping[str, VirtualMachine | Mapping[str, int]]


class Exits(Drawn):
    """The exits of several guests by cause: `Exits({"KVM": vm, "Xen": other.exits})`; draws itself in a notebook.

    `counts` maps each name to its exits by cause as they were when this was made, all hypercalls as one. `causes`
    are in the order of the columns, the most frequent of all guests together first.
    """

    def __init__(self, guests: Guests):
        """The values are virtual machines, or counts by cause. VlabError for others."""
        if not isinstance(guests, Mapping):
            raise _no_exits(guests)
        self.counts = {str(name): _merged(guest) for name, guest in guests.items()}
        whole: Counter[str] = sum(self.counts.values(), Counter())
        self.causes = tuple(sorted(whole, key=lambda cause: (-whole[cause], cause)))

    def __repr__(self) -> str:
        rows = "; ".join(f"{name} {_listed(counts)}" for name, counts in self.counts.items())
        return one_line(_("Exits by cause: {rows}.").format(rows=rows or _("none")))


def _merged(guest: object) -> Counter[str]:
    counts = guest.exits if isinstance(guest, VirtualMachine) else guest
    if not isinstance(counts, Mapping):
        raise _no_exits(guest)
    merged = Counter[str]()
    for cause, count in counts.items():
        if not isinstance(cause, str) or type(count) is not int or count < 0:
            raise _no_exits((cause, count))
        merged[_HYPERCALL if cause.startswith(f"{_HYPERCALL}:") else cause] += count
    return +merged


def _no_exits(thing: object) -> VlabError:
    return VlabError(
        _("These are no exits: {what}.").format(what=one_line(repr(thing)[:40])),
        mend=_("Give a dictionary: virtual machines, or counts by cause, by name."),
    )


def _listed(counts: Mapping[str, int]) -> str:
    causes = sorted(counts, key=lambda cause: (-counts[cause], cause))
    listed = ", ".join(f"{cause_title(cause)} {counts[cause]}" for cause in causes)
    return f"{sum(counts.values())}" + (f" ({listed})" if listed else "")


def cause_title(cause: str) -> str:
    """A cause in the reader's language."""
    return _("hypercalls") if cause == _HYPERCALL else term(cause)


def exits_picture(exits: Exits) -> Picture:
    """All of them: a row for each guest, and behind it all its exits together."""
    shown = exits.causes[: MOST if len(exits.causes) <= MOST else MOST - 1]
    others = exits.causes[len(shown) :]
    titles = [*map(cause_title, shown), *([_("others")] if others else [])]
    column = _column(titles)
    width = 2 * MARGIN + NAMES + column * max(1, len(titles)) + TOTAL
    lines = [wrap(title, column - 8, 11)[:4] for title in titles]
    bottom = MARGIN + LINE * max(2, *map(len, lines), 0)
    shapes = list(_head(lines, column, width, bottom))
    rows = list(exits.counts.items())[:ROWS]
    cells = [[*(counts[one] for one in shown), *_rest(counts, others)] for _name, counts in rows]
    largest = max((count for row in cells for count in row), default=0)
    looks = [*(_LOOKS.get(cause, "kernel") for cause in shown), "machine"]
    y = float(bottom + RULE)
    for (name, counts), row in zip(rows, cells, strict=True):
        shapes += _row(name, row, looks, largest, column, y)
        shapes.append(path("l-rule thin", (MARGIN, y + ROW - 5), (width - MARGIN, y + ROW - 5)))
        shapes.append(_number(width - MARGIN, y + 19, sum(counts.values()), bold=True))
        y += ROW
    if left := len(exits.counts) - len(rows):
        shapes.append(text(MARGIN, y + 14, _("and {count} more").format(count=left), ink="muted"))
        y += 24
    return Picture(tuple(shapes), width, y + MARGIN / 2, repr(exits))


def _column(titles: list[str]) -> float:
    """How wide a cause's column is: as the longest word wants, within bounds."""
    words = (word for title in titles for word in title.split())
    longest = max((text_width(word, 11) for word in words), default=0)
    return min(WIDE, max(NARROW, ceil(longest) + 10))


def _rest(counts: Mapping[str, int], others: tuple[str, ...]) -> list[int]:
    return [sum(counts.get(cause, 0) for cause in others)] if others else []


def _head(titles: list[list[str]], room: float, width: float, bottom: float) -> Iterator[Element]:
    """The causes, each over its column in as many lines as it takes, and a line under them."""
    yield text(MARGIN, bottom, _("exits by cause"), room=NAMES - 10, size=13, bold=True)
    for column, lines in enumerate(titles):
        for up, words in enumerate(reversed(lines)):
            x = MARGIN + NAMES + column * room
            yield text(x, bottom - up * LINE, words, room=room - 8, size=11)
    words = _("in all")
    yield text(width - MARGIN, bottom, words, room=TOTAL - 4, size=11, bold=True, anchor="end")
    yield path("l-rule", (MARGIN, bottom + 6), (width - MARGIN, bottom + 6))


def _row(
    name: str, row: list[int], looks: list[str], largest: int, room: float, y: float
) -> Iterator[Element]:
    lines = wrap(one_line(name), NAMES - 12, 12)[:2]
    for line, words in enumerate(lines):
        yield text(MARGIN, y + 19 + 14 * line - 7 * (len(lines) - 1), words, room=NAMES - 12)
    for column, (count, look) in enumerate(zip(row, looks, strict=False)):
        x = MARGIN + NAMES + column * room
        if count:
            yield text(x, y + 12, str(count), room=room - 6, size=11)
            yield from bar(x, y + 17, length(count, largest, BAR), look, HEIGHT)
        else:
            yield text(x, y + 12, "·", size=11, ink="muted")


def _number(right: float, y: float, count: int, *, bold: bool) -> Element:
    words = str(count)
    size = 12 if text_width(words, 12, bold=bold) <= TOTAL - 4 else 8
    return text(right, y, words, room=TOTAL - 4, size=size, bold=bold, anchor="end")
