"""A disk above what it is made from: a strip of blocks for each, down to the disk or the file that is no other's.

A block is filled where a disk has it itself, and empty where it is read from the one below. An overlay is as
wide as its base; an extent, drawn as wide, narrows down to the piece of the base that it is.
"""

from collections.abc import Iterator
from typing import NamedTuple

from vlab.language import _
from vlab.machine.disks import BLOCK, Disk, Extent
from vlab.paging import size_text
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, arrow, hatch, path, rect, text

MARGIN = 16
SIDE = 230  # the column of names
LEFT = MARGIN + SIDE  # where strips begin
WIDTH = 520
STRIP = 32  # the height of a strip of blocks
GAP = 34  # down to the next one
MOST_CELLS = 64  # in a strip; each is then several blocks
MOST = 8  # disks of a chain; the rest are counted


class _Row(NamedTuple):
    """One strip: whose it is, in which look, its blocks, those of them that are its own, and what it is in words."""

    name: str
    who: str
    blocks: int
    own: frozenset[int]
    words: str
    link: str = ""  # what it is to the one below
    piece: tuple[float, float] = (0, 1)  # which part of the one below, as fractions


def disk_picture(disk: Disk) -> Picture:
    """A disk, and under it those that it is a version or a piece of."""
    rows = [row for layer in disk.chain()[:MOST] for row in _rows(layer)]
    rest = len(disk.chain()) - MOST
    shapes: list[Element] = []
    y = float(MARGIN)
    for row in rows:
        shapes += _strip(row, y)
        y += STRIP + GAP
    for number, row in enumerate(rows[:-1]):
        shapes += _link(row, MARGIN + number * (STRIP + GAP) + STRIP)
    y -= GAP - 20
    if rest > 0:
        shapes.append(text(LEFT, y + 2, _("… and {count} more below").format(count=rest), ink="muted"))
        y += 24
    shapes += _legend(y, [-(-row.blocks // _cells(row)) * BLOCK for row in rows])
    return Picture(tuple(shapes), LEFT + WIDTH + MARGIN, y + 12 + MARGIN, repr(disk))


def _rows(disk: Disk) -> Iterator[_Row]:
    """The strip of a disk, and of the file right under it."""
    count, own = -(-disk.size // BLOCK), frozenset(disk.own)
    size = size_text(disk.size)
    if isinstance(disk, Extent):
        last = disk.first + disk.sectors - 1
        link = _("sectors {first} to {last} of {base}").format(
            first=disk.first, last=last, base=disk.base.name
        )
        piece = disk.first / disk.base.sectors, (last + 1) / disk.base.sectors
        yield _Row(disk.name, "kernel", count, own, size, link, piece)
    elif disk.base is not None:
        words = _("{size}, blocks that differ: {count}").format(size=size, count=len(own))
        yield _Row(
            disk.name, "kernel", count, own, words, _("a version of {base}").format(base=disk.base.name)
        )
    elif disk.file is not None:
        words = _("{size}, blocks not committed: {count}").format(size=size, count=len(own))
        link = _("the rest is read from the file")
        yield _Row(disk.name, "kernel", count, own, words, link)
        name = _("the file {name}").format(name=disk.file.path.name)
        yield _Row(name, "machine", count, frozenset(range(count)), size)
    else:
        words = _("{size}, blocks in use: {count}").format(size=size, count=len(own))
        yield _Row(disk.name, "machine", count, own, words)


def _cells(row: _Row) -> int:
    return max(1, min(MOST_CELLS, row.blocks))


def _strip(row: _Row, y: float) -> Iterator[Element]:
    yield text(MARGIN, y + 13, row.name, room=SIDE - 14, ink=row.who, size=13, bold=True)
    yield text(MARGIN, y + 28, row.words, room=SIDE - 14, size=11)
    if row.link:
        yield text(MARGIN, y + STRIP + 10, row.link, room=SIDE - 14, size=11, ink="muted")
    cells = _cells(row)
    yield rect(LEFT, y, WIDTH, STRIP, "f-paper")
    filled = {number * cells // row.blocks for number in row.own}
    for cell in sorted(filled):
        yield from _filled(row.who, LEFT + WIDTH * cell / cells, y, WIDTH / cells)
    for cell in range(1, cells):
        x = LEFT + WIDTH * cell / cells
        yield path("l-rule thin", (x, y), (x, y + STRIP))
    yield rect(LEFT, y, WIDTH, STRIP, f"l-{row.who} d-{row.who}")


def _filled(who: str, x: float, y: float, width: float) -> Iterator[Element]:
    """A block that is the disk's own, in the look of whose disk it is."""
    yield rect(x, y, width, STRIP, f"f-{who}")
    yield hatch(x, y, width, STRIP, f"l-{who} thin", {"kernel": 1, "machine": 0}[who], gap=5)


def _link(row: _Row, top: float) -> Iterator[Element]:
    """From a strip down to the piece of the next one that it is, which wears a frame where it isn't all of it."""
    first, last = (LEFT + WIDTH * place for place in row.piece)
    bottom = top + GAP
    for x, end in ((LEFT, first), (LEFT + WIDTH, last)):
        yield path("l-muted thin dashed", (x, top), (end, bottom))
    if row.piece != (0, 1):
        yield rect(first, bottom, last - first, STRIP, "l-kernel thick")
    middle = (first + last) / 2
    yield arrow("l-muted", "b-machine", (middle, top + 5), (middle, bottom - 4))


def _legend(y: float, sizes: list[int]) -> Iterator[Element]:
    """What a filled and an empty cell are, and how much a cell is."""
    smallest, largest = size_text(min(sizes)), size_text(max(sizes))
    words = _("one cell: {size}") if smallest == largest else _("one cell: {size} to {largest}")
    yield text(
        MARGIN, y + 10, words.format(size=smallest, largest=largest), room=SIDE - 14, size=11, ink="muted"
    )
    yield from _filled_key(LEFT, y)
    yield text(LEFT + 34, y + 10, _("a block of its own"), room=118, size=11)
    yield rect(LEFT + 160, y, 26, 12, "f-paper")
    yield rect(LEFT + 160, y, 26, 12, "l-rule")
    yield text(LEFT + 194, y + 10, _("as in the one below, or zeros"), room=WIDTH - 194, size=11)


def _filled_key(x: float, y: float) -> Iterator[Element]:
    yield rect(x, y, 26, 12, "f-kernel")
    yield hatch(x, y, 26, 12, "l-kernel thin", 1, gap=5)
    yield rect(x, y, 26, 12, "l-kernel")
