"""Published costs as bars, and walks of two stages: counted here, beside what is published of them."""

from collections.abc import Iterator

from vlab.language import _, grouped
from vlab.operations.costs import ParameterSet, WalkCounts
from vlab.operations.costs.comparisons import WalkCount, way_title
from vlab.operations.costs.parameters import unit_title
from vlab.views.drawing.metrics import text_width, wrap
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, path, text
from vlab.views.operations.bars import HEIGHT, bar, length, log_length

MARGIN = 16
NAMES = 170
BARS = 420
NUMBERS = 90
ROW, SPACE = HEIGHT + 4, 12
ROOM = NAMES + BARS + NUMBERS
WIDTH = 2 * MARGIN + ROOM
STEEP = 50  # times the smallest number: from here on a scale of powers of ten

_WHO = {
    "native": "machine",
    "binary translation": "hypervisor",
    "hardware assist": "kernel",
    "nested": "kernel",
    "shadow": "hypervisor",
}


def parameters_picture(parameters: ParameterSet) -> Picture:
    """The numbers of a set: a group of bars for each parameter, a bar in it for each way.

    Processors have no looks to tell them by: their names stand at their bars.
    """
    numbers = [number for row in parameters.values.values() for number in row.values()]
    steep = max(numbers) > STEEP * min(numbers)
    told = all(way in _WHO for way in parameters.ways)
    shapes = [text(MARGIN, 28, parameters.title, room=ROOM, size=14, bold=True)]
    if told:
        shapes += _legend(parameters)
    y = 82.0 if told else 50.0
    for name, row in parameters.values.items():
        title = f"{name} *" if name in parameters.derived else name
        shapes.append(text(MARGIN, y + 12, title, room=NAMES - 12 if told else ROOM, bold=True))
        y += 0 if told else ROW + 2
        for way, number in row.items():
            if not told:
                shapes.append(text(MARGIN + 12, y + 12, way, room=NAMES - 24))
            wide = (log_length if steep else length)(number, max(numbers), BARS)
            shapes += bar(MARGIN + NAMES, y, wide, _WHO.get(way, "machine"))
            shapes.append(text(MARGIN + NAMES + wide + 6, y + 12, grouped(number), size=11))
            y += ROW
        y += SPACE
    return _with_notes(shapes, y, _notes(parameters, steep), repr(parameters))


def _legend(parameters: ParameterSet) -> Iterator[Element]:
    x = float(MARGIN + NAMES)
    for way in parameters.ways:
        yield from bar(x, 44, 22, _WHO[way], 12)
        yield text(x + 28, 54, way_title(way), size=11)
        x += 28 + text_width(way_title(way), 11) + 20


def _notes(parameters: ParameterSet, steep: bool) -> list[str]:
    """Whose numbers they are, and how to read them."""
    notes = [
        _("Published, in {unit}: {citation}.").format(
            unit=unit_title(parameters.unit), citation=parameters.citation
        )
    ]
    if steep:
        notes.append(
            _("The scale goes by powers of ten: a bar that is a little longer is many times as much.")
        )
    if parameters.derived:
        formulas = "; ".join(f"{name} = {formula}" for name, formula in parameters.derived.items())
        notes.append(_("* follows from published numbers: {formulas}").format(formulas=formulas))
    return notes


def _with_notes(shapes: list[Element], y: float, notes: list[str], sentence: str) -> Picture:
    """The finished picture, with its notes from y down."""
    for line in (line for note in notes for line in wrap(note, ROOM, 10)):
        y += 13
        shapes.append(text(MARGIN, y, line, room=ROOM, size=10, ink="muted"))
    return Picture(tuple(shapes), WIDTH, y + MARGIN, sentence)


def walk_counts_picture(counts: WalkCounts) -> Picture:
    """For each number of levels: the references of a walk alone and over a G-stage, and the published count."""
    largest = max(max(*row.counted, row.published) for row in counts.rows)
    title = _("References of one walk, measured")
    shapes = [text(MARGIN, 28, title, room=ROOM, size=14, bold=True), *_legend(counts.parameters)]
    words = _("published")
    x = WIDTH - MARGIN - NUMBERS - text_width(words, 11)
    shapes += [*_published_mark(x - 14, 44, 12), text(x, 54, words, size=11)]
    y = 82.0
    for row in counts.rows:
        shapes += _walk_row(row, largest, y)
        y += 2 * ROW + SPACE
    note = _("Published: {citation}.").format(citation=counts.parameters.citation)
    return _with_notes(shapes, y, [note], repr(counts))


def _walk_row(row: WalkCount, largest: int, y: float) -> Iterator[Element]:
    left = MARGIN + NAMES
    yield text(MARGIN, y + 12, row.nested.schemes, room=NAMES - 12, bold=True)
    levels = _("{guest} over {host} levels").format(guest=row.guest.levels, host=row.host.levels)
    yield text(MARGIN, y + 29, levels, room=NAMES - 12, size=11, ink="muted")
    for number, (way, count) in enumerate(zip(("native", "nested"), row.counted, strict=True)):
        wide = length(count, largest, BARS)
        yield from bar(left, y + number * ROW, wide, _WHO[way])
        yield text(left + wide + 12, y + number * ROW + 12, str(count), size=11)
    yield from _published_mark(left + length(row.published, largest, BARS), y + ROW, HEIGHT)


def _published_mark(x: float, y: float, height: float) -> Iterator[Element]:
    """A diamond on a line, at the number's place."""
    middle = y + height / 2
    yield path("l-ink thick", (x, y - 3), (x, y + height + 3))
    yield path("o-ink", (x, middle - 5), (x + 5, middle), (x, middle + 5), (x - 5, middle), closed=True)
