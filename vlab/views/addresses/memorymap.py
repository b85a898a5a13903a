"""The memory map, drawn: a bar for each computer's memory, cut by whose it is, and where each VM's lies.

The innermost VMs stand at the left and the machine at the right: GPA → HPA. Bars are not to scale, or small
regions would be lines.
"""

from collections.abc import Iterator
from math import log2
from typing import NamedTuple

from vlab.hypervisor.memorymap import Link, MemoryMap, Region, Space
from vlab.language import _
from vlab.paging import size_text
from vlab.views.drawing.grammar import LOOKS
from vlab.views.drawing.metrics import text_width
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, hatch, path, rect, text

MOST_REGIONS = 14  # in one bar
MOST_LINKS = 40
MARGIN = 20
BAR, LINK = 216, 132
HEAD = 44  # a bar's name above it
_TOP = 48
_APART = 3  # between two regions
_LOOKS = {  # of a region by its use: its actor, and whether its edge is dashed
    "own": ("hypervisor", False),
    "host": ("host", False),
    "process": ("process", False),
    "tables": ("hypervisor", False),
    "pool": ("hypervisor", True),
    "memory": ("kernel", False),
    "program": ("kernel", False),
    "free": ("rule", True),
    "more": ("rule", True),
}


class Block(NamedTuple):
    """A region in its bar, or several of which there are too many (`rest`)."""

    y: float
    height: float
    region: Region
    rest: int = 0


class Bar(NamedTuple):
    """A space in its column."""

    x: float
    y: float
    blocks: list[Block]

    @property
    def end(self) -> float:
        """Its lower edge."""
        return self.blocks[-1].y + self.blocks[-1].height - _APART

    def place(self, address: int) -> float:
        """The height at which the byte at an address begins."""
        return self._height(address, address)

    def place_end(self, address: int) -> float:
        """The height at which the byte before an address ends: in the region before, if one begins there."""
        return self._height(address, address - 1)

    def _height(self, address: int, byte: int) -> float:
        for block in self.blocks:
            region = block.region
            if byte < region.address + region.size:
                by = max(0, address - region.address) / region.size
                return block.y + (block.height - _APART) * by
        return self.end


def memory_map_picture(memory: MemoryMap) -> Picture:
    """All spaces of a memory map, and the links between them."""
    deepest = max(space.level for space in memory.spaces)
    bars: dict[int, Bar] = {}
    ends: dict[int, float] = {}  # where the next bar of a level can begin
    for number in sorted(range(len(memory.spaces)), key=lambda n: (memory.spaces[n].level, n)):
        space = memory.spaces[number]
        blocks = _blocks(space)
        height = sum(block.height for block in blocks) - _APART
        middle = _middle(memory, number, bars)
        y = ends.get(space.level, float(_TOP))
        if middle is not None:
            y = max(y, middle - height / 2 - HEAD)
        bars[number] = _bar(MARGIN + (deepest - space.level) * (BAR + LINK), y + HEAD, blocks)
        ends[space.level] = bars[number].end + 14
    width = MARGIN + deepest * (BAR + LINK) + BAR + MARGIN
    shapes: list[Element] = [text(MARGIN, 28, _("Who has which memory"), size=14, bold=True)]
    shown = memory.links[:MOST_LINKS]
    shapes += [shape for link in shown for shape in _band(link, bars)]
    shapes += [_head_of(link, bars) for link in shown]
    for number, bar in bars.items():
        shapes += _head(memory, number, bar, deepest)
        for block in bar.blocks:
            shapes += _block(bar.x, block)
    y = max(ends.values())
    words = _("not to scale")
    if (more := len(memory.links) - MOST_LINKS) > 0:
        words += " · " + _("{count} more runs of frames are not drawn").format(count=more)
    shapes.append(text(MARGIN, y + 8, words, room=width - 2 * MARGIN, size=11, ink="muted"))
    return Picture(tuple(shapes), width, y + 20, repr(memory))


def _blocks(space: Space) -> list[Block]:
    """The regions of a space, with how high each is; what is too many, in one block at the end."""
    # One more takes no more room than its mention.
    most = MOST_REGIONS + (len(space.regions) == MOST_REGIONS + 1)
    shown, rest = list(space.regions[:most]), space.regions[most:]
    blocks = [Block(0, _height(region), region) for region in shown]
    if rest:
        whole = Region(rest[0].address, sum(region.size for region in rest), (), "more")
        blocks.append(Block(0, _height(whole), whole, len(rest)))
    return blocks


def _height(region: Region) -> float:
    return 40 + 4 * log2(max(1, region.size >> 12))


def _bar(x: float, y: float, blocks: list[Block]) -> Bar:
    placed, at = [], y
    for block in blocks:
        placed.append(block._replace(y=at))
        at += block.height
    return Bar(x, y, placed)


def _middle(memory: MemoryMap, number: int, bars: dict[int, Bar]) -> float | None:
    """The height in its host's bar where this space's memory lies; None for the machine."""
    links = [link for link in memory.links if link.guest == number]
    if not links:
        return None
    host = bars[links[0].host]
    first, last = min(link.hpa for link in links), max(link.hpa + link.size for link in links)
    return (host.place(first) + host.place_end(last)) / 2


def _head(memory: MemoryMap, number: int, bar: Bar, deepest: int) -> Iterator[Element]:
    space = memory.spaces[number]
    kinds = ["GPA"] * (space.level > 0) + ["HPA"] * (space.level < deepest)
    who = "machine" if space.level == 0 else "kernel"
    name = _("{name}, level {level}").format(name=space.name, level=space.level)
    room = BAR - 8 - text_width("GPA = HPA", 12, bold=True)
    yield text(bar.x, bar.y - 24, name, room=room, size=13, bold=True)
    yield text(bar.x + BAR, bar.y - 24, " = ".join(kinds) or "HPA", ink=who, bold=True, anchor="end")
    size = _("{size} from {base:#x}").format(size=size_text(space.size), base=space.base)
    yield text(bar.x, bar.y - 8, size, room=BAR, size=11, ink="muted")


def _block(x: float, block: Block) -> Iterator[Element]:
    """One region: its look says the use, its words whose it is."""
    y, height, region = block.y, block.height - _APART, block.region
    who, dashed = _LOOKS[region.use]
    if who != "rule":
        yield rect(x, y, BAR, height, f"f-{who}")
    if region.use in ("own", "tables"):
        yield hatch(x, y, 8, height, "l-hypervisor thin", -1, gap=5)
    if region.use == "host":
        yield hatch(x, y, 8, height, "l-host thin", LOOKS["host"].slope or 0, gap=4)
    if region.state != "private":  # two hatches crossed; of copy-on-write, one with gaps
        for slope in (1, -1):
            look = "l-kernel thin" + " dashed" * (region.state == "copy-on-write")
            yield hatch(x, y, 14, height, look, slope, gap=6)
    yield rect(x, y, BAR, height, f"l-{who}" + " dashed" * dashed)
    ink = "muted" if who == "rule" else who
    middle, left, room = y + height / 2, x + 20, BAR - 28
    yield text(left, middle - 3, _name(block), room=room, ink=ink, bold=True)
    words = f"{region.address:#x} · {size_text(region.size)}"
    yield text(left, middle + 13, words, room=room, size=11, mono=True)


def _name(block: Block) -> str:
    """Whose a region is, in words."""
    region, owners = block.region, ", ".join(block.region.owners)
    if region.state == "shared":
        return _("shared: {vms}").format(vms=owners)
    if region.state == "copy-on-write":
        return _("copy-on-write: {vms}").format(vms=owners)
    return {
        "own": _("hypervisor's own"),
        "host": _("host's own"),
        "process": _("process {name}").format(name=owners),
        "tables": _("shadow tables of {vm}").format(vm=owners),
        "pool": _("for shadow tables of {vm}").format(vm=owners),
        "memory": _("memory of {vm}").format(vm=owners),
        "program": _("its software's"),
        "free": _("free"),
        "more": _("{count} more regions").format(count=block.rest),
    }[region.use]


def _band(link: Link, bars: dict[int, Bar]) -> Iterator[Element]:
    """From a VM's memory to where it lies."""
    guest, host = bars[link.guest], bars[link.host]
    left, right = guest.x + BAR, host.x
    above = (left, guest.place(link.gpa)), (right, host.place(link.hpa))
    below = (left, guest.place_end(link.gpa + link.size)), (right, host.place_end(link.hpa + link.size))
    yield path("f-hypervisor", *above, *reversed(below), closed=True)
    yield path("l-hypervisor", *above)
    yield path("l-hypervisor", *below)


def _head_of(link: Link, bars: dict[int, Bar]) -> Element:
    """The arrow head at the end of a band; all are drawn after all bands, so that none is hidden."""
    host = bars[link.host]
    ends = host.place(link.hpa), host.place_end(link.hpa + link.size)
    middle, side = sum(ends) / 2, min(6.0, (ends[1] - ends[0]) / 2)
    back = host.x - 10
    return path("b-hypervisor", (host.x, middle), (back, middle - side), (back, middle + side), closed=True)
