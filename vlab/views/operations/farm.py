"""A farm: its hosts as columns, in each its servers, as high as the memory that they take, and what is free."""

from collections.abc import Iterator

from vlab.hypervisor import Hypervisor
from vlab.language import _
from vlab.operations.farm import Farm, Inventory, Server, state_title
from vlab.paging import size_text
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, path, rect, text

MARGIN = 16
COLUMN, GAP = 176, 22
TOP = 64
LEAST = 34  # pixels of a server: two lines of words
MOST = 330  # pixels of a host
MOST_HOSTS, MOST_SERVERS = 12, 12  # drawn; the rest are counted

_LOOKS = {
    "running": "l-kernel thick",
    "asleep": "l-kernel",
    "paused": "l-kernel dashed",
    "off": "l-muted dashed",
}


def farm_picture(farm: Farm) -> Picture:
    """A farm as it is now."""
    return inventory_picture(farm.inventory())


def inventory_picture(inventory: Inventory) -> Picture:
    """All hosts of one height scale: a server's box says who it is, and how it is."""
    shapes: list[Element] = []
    hosts = inventory.free[:MOST_HOSTS]
    largest = max((free + _taken(inventory, host) for host, free in hosts), default=1)
    scale = MOST / max(1, largest)
    lowest = float(TOP)
    for number, (host, free) in enumerate(hosts):
        left = MARGIN + number * (COLUMN + GAP)
        column, bottom = _column(inventory, host, free, left, scale)
        shapes += column
        lowest = max(lowest, bottom)
    width = MARGIN * 2 + len(hosts) * (COLUMN + GAP) - GAP
    rest = len(inventory.free) - len(hosts)
    if rest:
        lowest += 22
        shapes.append(text(MARGIN, lowest, _("and {count} more hosts").format(count=rest), ink="muted"))
    return Picture(tuple(shapes), max(width, 240), lowest + MARGIN, repr(inventory))


def _taken(inventory: Inventory, host: str) -> int:
    return sum(Hypervisor.room_for(server.memory) for server in inventory.on(host))


def _column(
    inventory: Inventory, host: str, free: int, left: float, scale: float
) -> tuple[list[Element], float]:
    """One host: its name, its servers from the top, and what is free at the bottom; and where that ends."""
    servers = inventory.on(host)
    words = _("{size} free").format(size=size_text(free))
    shapes = [
        text(left, 30, host, room=COLUMN, size=14, bold=True),
        text(left, 48, words, room=COLUMN, size=11, ink="muted"),
    ]
    y = float(TOP)
    for server in servers[:MOST_SERVERS]:
        height = max(LEAST, Hypervisor.room_for(server.memory) * scale)
        shapes += _server(server, left + 6, y + 6, COLUMN - 12, height - 2)
        y += height + 4
    if len(servers) > MOST_SERVERS:
        more = _("and {count} more servers").format(count=len(servers) - MOST_SERVERS)
        shapes.append(text(left + 10, y + 20, more, room=COLUMN - 20, size=11))
        y += 28
    bottom = y + max(24, free * scale) + 6
    frame = rect(left, TOP, COLUMN, bottom - TOP, "l-machine" if servers else "l-machine dashed", radius=4)
    if not servers:
        shapes.append(
            text(left + COLUMN / 2, (TOP + bottom) / 2 + 4, _("empty"), ink="muted", anchor="middle")
        )
    return [frame, *shapes], bottom


def _server(server: Server, x: float, y: float, width: float, height: float) -> Iterator[Element]:
    """A server: its name, its state and its memory. One that stands still is hatched, one that failed crossed."""
    failed = server.state == "failed"
    yield rect(x, y, width, height, "f-fault" if failed else "f-kernel", radius=4)
    look = "l-fault thick" if failed else _LOOKS[server.state]
    yield rect(x, y, width, height, look, radius=4)
    if failed:
        yield path("l-fault thin", (x + width - 18, y + 6), (x + width - 8, y + 16))
        yield path("l-fault thin", (x + width - 8, y + 6), (x + width - 18, y + 16))
    ink = "fault" if failed else "kernel"
    yield text(x + 8, y + 14, server.name, room=width - 30, bold=True, ink=ink)
    words = f"{state_title(server.state)}, {size_text(server.memory)}"
    yield text(x + 8, y + 28, words, room=width - 14, size=11, ink=ink)
