"""The parts of which the pictures of translations are made: cards, boxes, ghosts, and what can be lit."""

from collections.abc import Iterable, Iterator

from vlab.paging import Update, Walk
from vlab.views.drawing.grammar import LOOKS
from vlab.views.drawing.metrics import text_width, wrap
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, group, hatch, rect, text

MARGIN = 20
CARD = 135
END = 126  # the boxes of physical addresses
LINE = 17


def heading(words: str, width: float) -> Element:
    """What the picture is about, at its top."""
    return text(MARGIN, 26, words, room=width - 2 * MARGIN, size=14, bold=True)


def ghost(x: float, y: float, width: float, height: float, words: str) -> Iterator[Element]:
    """The empty place of what a fault kept from being reached."""
    yield rect(x, y, width, height, "l-rule dashed", radius=4)
    yield text(
        x + width / 2, y + height / 2 + 4, words, room=width - 12, size=11, ink="muted", anchor="middle"
    )


def halo(x: float, y: float, width: float, height: float) -> Element:
    """What shows, once a stepper lights it, that this part is the chosen one."""
    return rect(x - 4, y - 4, width + 8, height + 8, "f-lit halo ring", radius=7)


def mark(number: int, at: int | None, element: Element) -> Element:
    """A part that a stepper can light, and that says which one it is when it is clicked."""
    return group([element], class_="lit" if number == at else None, data_event=str(number))


def box(
    x: float, y: float, width: float, height: float, kind: str, who: str, lines: list[str], mono: bool = False
) -> Element:
    """A box with its kind of address and some lines; with `mono` the first of them is the address."""
    middle, centre = y + height / 2, x + width / 2
    dashes = f" d-{who}" if who in LOOKS else " dashed"
    shapes = [
        halo(x, y, width, height),
        rect(x, y, width, height, f"f-{who}", radius=4),
        rect(x, y, width, height, f"l-{who} thick{dashes}", radius=4),
        text(centre, middle - 24, kind, size=13, ink=who, bold=True, anchor="middle"),
    ]
    for number, line in enumerate(lines[:4]):
        look = {"mono": True, "bold": True} if mono and not number else {"size": 11, "ink": who}
        shapes.append(text(centre, middle - 2 + LINE * number, line, room=width - 8, anchor="middle", **look))
    return group(shapes)


def card_frame(x: float, y: float, width: float, height: float, who: str, ink: str) -> Iterator[Element]:
    """A card's paper, the hatched strip of whose table it is, and its border."""
    yield rect(x, y, width, height, f"f-{ink}", radius=4)
    slope = LOOKS[who].slope
    yield hatch(x, y, width, 6, f"l-{ink} thin", -1 if slope is None else slope)
    yield rect(x, y, width, height, f"l-{ink}" + " thick" * (ink == "fault"), radius=4)


def outcome(x: float, y: float, words: str, ink: str) -> Element:
    """A card's last line: what followed from the entry. The longest rules are written smaller."""
    size = 11 if text_width(words, 11, mono=True) <= CARD - 14 else 9
    return text(x + 7, y, words, room=CARD - 14, size=size, ink=ink, mono=True, bold=True)


def fault_words(walk: Walk) -> list[str]:
    """The fault in lines for a box; none where there is no fault."""
    return [] if walk.fault is None else wrap(f"✗ {walk.fault.title}", END - 12, 11)


def updates_text(walk: Walk, updates: Iterable[Update]) -> str:
    """What hardware sets in entries, in the order of the bits: "A, D"."""
    added = 0
    for update in updates:
        added |= update.new & ~update.old
    return ", ".join(flag.name or "" for flag in walk.scheme.format.flags if flag & added)


def framed(
    shapes: list[Element], rules: Iterable[tuple[str, str]], width: float, y: float, sentence: str
) -> Picture:
    """The picture, with the rules that decided under it, a bar in their owner's colour before each."""
    shapes = [*shapes]
    for words, who in rules:
        y += 10
        lines = wrap(words, width - 2 * MARGIN - 12)
        shapes.append(rect(MARGIN, y, 4, LINE * len(lines), f"b-{who}"))
        shapes += [text(MARGIN + 12, y + 13 + LINE * n, line) for n, line in enumerate(lines)]
        y += LINE * len(lines)
    return Picture(tuple(shapes), width, y + 14, sentence)
