"""A live migration: round by round, what was sent, and what the guest wrote meanwhile; the downtime last."""

from collections.abc import Iterator

from vlab.language import _
from vlab.operations.migration import Migration, Round
from vlab.views.drawing.metrics import text_width
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, rect, text

MARGIN = 16
LABEL = 150  # room for a round's name
BARS = 420  # pixels of the longest bar
ROW = 46
MOST = 14  # rounds drawn: the first ones and the last two


def migration_picture(migration: Migration) -> Picture:
    """Each round is a row: above, the pages sent; below, hatched, those written meanwhile, which are the next row."""
    rounds = migration.rounds
    shown = rounds if len(rounds) <= MOST else [*rounds[: MOST - 2], *rounds[-2:]]
    longest = max((max(each.pages, each.written) for each in rounds), default=1)
    scale = BARS / max(1, longest)
    names = {"vm": migration.vm.name}
    shapes = [
        text(
            MARGIN,
            28,
            _("{vm}: rounds of its migration").format(**names),
            size=13,
            bold=True,
            room=LABEL + BARS + 60,
        )
    ]
    shapes += _legend()
    y = 66.0
    for each in shown:
        shapes += _row(each, y, scale)
        y += ROW
    shapes.append(text(MARGIN, y + 14, _verdict(migration), room=LABEL + BARS + 60, ink=_ink(migration)))
    return Picture(tuple(shapes), MARGIN * 2 + LABEL + BARS + 60, y + 14 + MARGIN, repr(migration))


def _legend() -> Iterator[Element]:
    x = float(MARGIN + LABEL)
    for ink, words in (
        ("b-kernel", _("pages sent")),
        ("o-kernel dashed", _("written meanwhile")),
        ("b-fault", _("sent while it stands still")),
    ):
        yield rect(x, 38, 12, 10, ink)
        yield text(x + 18, 47, words, size=11)
        x += 18 + text_width(words, 11) + 24


def _row(each: Round, y: float, scale: float) -> Iterator[Element]:
    x = MARGIN + LABEL
    name = _("pause") if each.paused else _("round {number}").format(number=each.number)
    yield text(MARGIN, y + 12, name, room=LABEL - 10, bold=each.paused, ink="fault" if each.paused else "ink")
    words = _("{ticks} ticks").format(ticks=each.ticks)
    yield text(MARGIN, y + 27, words, room=LABEL - 10, size=11, ink="muted")
    sent = each.pages * scale
    if sent:
        yield rect(x, y, sent, 15, "b-fault" if each.paused else "b-kernel")
    yield text(x + sent + 6, y + 12, str(each.pages), size=11)
    if each.paused:
        return
    written = each.written * scale
    if written:
        yield rect(x, y + 18, written, 11, "o-kernel dashed")
    yield text(x + written + 6, y + 28, str(each.written), size=11, ink="muted")


def _ink(migration: Migration) -> str:
    return "fault" if migration.reason is not None else "ink"


def _verdict(migration: Migration) -> str:
    if migration.moved is not None:
        return _("downtime: {ticks} ticks, in which its own clock stands").format(ticks=migration.downtime)
    if migration.reason is not None:
        return _("not carried over: {reason}").format(reason=migration.reason)
    return _("on its way")
