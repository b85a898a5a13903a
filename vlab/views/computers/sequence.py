"""Packets as a message-sequence diagram: time downwards, a lifeline for each port, an arrow for each packet.

A packet that goes to several ports has a head at each of them, and dashes.
"""

from collections.abc import Iterator

from vlab.display import Bundle, one_line
from vlab.language import _
from vlab.machine.network import Capture, Packet
from vlab.machine.network.packets import mac_text
from vlab.views.computers.listings import capture_html
from vlab.views.drawing.metrics import fit, text_width
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import Element, path, rect, text

MARGIN = 16
HEAD = 44  # the height of a port's box, with its name and address
ROW = 34
LEAST, WIDEST = 170, 1000  # pixels between two lifelines; between the first and the last
BOX = 140
MOST = 40  # packets in one picture; the table has more
MOST_PORTS = 7  # lifelines; packets between others only count
_SIZE = 7  # of an arrow's head


def sequence_picture(capture: Capture) -> Picture:
    """The packets of a capture, from above downwards in the order of its machines' times."""
    addresses = {name: mac_text(mac) if mac else _("leads on") for name, mac in capture.ports}
    for packet in capture:
        addresses.setdefault(packet.port, "")
    names = list(addresses)[:MOST_PORTS]
    shown = [packet for packet in capture if packet.port in names][:MOST]
    times = max((text_width(str(packet.time), 11, mono=True) for packet in shown), default=0)
    first = MARGIN + max(times + 24, BOX / 2)
    gap = _gap(shown, names)
    places = {name: first + gap * n for n, name in enumerate(names)}
    top = MARGIN + HEAD
    bottom = top + ROW * len(shown) + 16
    width = max([first, *places.values()]) + BOX / 2 + MARGIN
    shapes: list[Element] = [path("l-rule", (x, top), (x, bottom)) for x in places.values()]
    for name, x in places.items():
        shapes += _port(x, name, addresses[name])
    for n, packet in enumerate(shown):
        shapes += _message(packet, capture.receivers(packet), places, top + ROW * (n + 1))
    rest = len(capture) - len(shown)
    if rest or not shown:
        words = _("… and {count} more").format(count=rest) if rest else _("no packet yet")
        bottom += 20
        shapes.append(text(MARGIN, bottom, words, ink="muted", room=width - 2 * MARGIN))
    return Picture(tuple(shapes), width, bottom + MARGIN, _sentence(capture))


def capture_bundle(capture: Capture) -> Bundle:
    """The picture, and the table of all packets under it, which opens by a click."""
    shown, metadata = sequence_picture(capture)._repr_mimebundle_()
    table = f"<details><summary>{_('all packets')}</summary>{capture_html(capture)}</details>"
    return shown | {"text/html": shown["text/html"] + table}, metadata


def _sentence(capture: Capture) -> str:
    if not capture.packets:
        return repr(capture)
    first, last = (one_line(capture[at].words) for at in (0, -1))
    return _("{capture} The first: {first}; the last: {last}.").format(
        capture=repr(capture), first=first, last=last
    )


def _gap(shown: list[Packet], names: list[str]) -> float:
    """How far lifelines are apart: so that the words of every packet fit between two, if there is room for that."""
    longest = max((text_width(packet.words, 11) for packet in shown), default=0) + 24
    return max(LEAST, min(longest, WIDEST / max(1, len(names) - 1)))


def _port(x: float, name: str, address: str) -> Iterator[Element]:
    yield rect(x - BOX / 2, MARGIN, BOX, HEAD, "f-machine", radius=4)
    yield rect(x - BOX / 2, MARGIN, BOX, HEAD, "l-machine", radius=4)
    yield text(x, MARGIN + 19, one_line(name), room=BOX - 12, bold=True, anchor="middle")
    yield text(x, MARGIN + 35, address, room=BOX - 12, size=11, mono=True, anchor="middle")


def _message(packet: Packet, receivers: list[str], places: dict[str, float], y: float) -> Iterator[Element]:
    """One packet: its time at the left, an arrow to each port that it is handed to, its words over that."""
    start = places[packet.port]
    ends = [places[name] for name in receivers if name in places] or [start + 80]
    left, right = min(start, *ends), max(start, *ends)
    dashes = "" if len(ends) == 1 else " dashed"
    yield text(MARGIN, y + 4, str(packet.time), size=11, mono=True, ink="muted")
    yield path(f"l-ink{dashes}", (left, y), (right, y))
    for end in ends:
        back = -_SIZE if end > start else _SIZE
        yield path("b-machine", (end, y), (end + back, y - 4), (end + back, y + 4), closed=True)
    yield rect(start - 3, y - 3, 6, 6, "o-machine", radius=3)
    words = fit(one_line(packet.words), right - left - 16, 11)
    middle, width = (left + right) / 2, text_width(words, 11)
    yield rect(middle - width / 2 - 3, y - 19, width + 6, 15, "f-paper")
    yield text(middle, y - 7, words, size=11, anchor="middle")
